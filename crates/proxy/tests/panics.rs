//! A panic costs its own request and nothing else: in the handler, in a running stream, in a task that fetches a list. The
//! feature `panic-injection` makes one wherever a text asks for it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

#[expect(dead_code, reason = "the other tests use the rest of it")]
#[path = "proxy/under_test.rs"]
mod under_test;
#[expect(dead_code, reason = "the other tests use the rest of it")]
#[path = "proxy/upstream.rs"]
mod upstream;

use std::io;
use std::sync::{Mutex, OnceLock};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use crate::under_test::{ANSWERS, UnderTest, quick, read_to_end, read_until};
use crate::upstream::{MODEL, Upstream, hello, live, opening, refusal, stop, text};

/// What was logged so far in this process.
fn log() -> &'static Mutex<Vec<u8>> {
    struct Writer(&'static Mutex<Vec<u8>>);
    impl io::Write for Writer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(|| Writer(&LOG))
            .init();
    });
    &LOG
}

fn logged() -> String {
    String::from_utf8(log().lock().unwrap().clone()).unwrap()
}

/// A stream that runs, and goes on whatever happens to others.
struct Bystander {
    events: UnboundedSender<io::Result<Bytes>>,
    response: reqwest::Response,
}

impl Bystander {
    /// Begins it; the upstream's next reply must be the one that `events` feed.
    async fn begin(test: &UnderTest, events: UnboundedSender<io::Result<Bytes>>) -> Self {
        events.send(Ok((opening() + &text("one")).into())).unwrap();
        let mut response = test.ask("/v1/messages", true).await;
        read_until(&mut response, "one").await;
        Self { events, response }
    }

    async fn ends_well(mut self) {
        self.events.send(Ok(text("two").into())).unwrap();
        read_until(&mut self.response, "two").await;
        self.events
            .send(Ok((stop() + "data: [DONE]\n\n").into()))
            .unwrap();
        drop(self.events);
        assert!(read_to_end(self.response).await.unwrap().contains("message_stop"));
    }
}

fn saying(words: &str, stream: bool) -> String {
    json!({"model": MODEL, "max_tokens": 100, "stream": stream, "messages": [{"role": "user", "content": words}]})
        .to_string()
}

#[tokio::test]
async fn in_the_handler_it_is_that_requests_problem() {
    log();
    for path in ANSWERS {
        for stream in [false, true] {
            let (events, reply) = live();
            let upstream = Upstream::start([reply, hello()]).await;
            let mut test = UnderTest::start(upstream.aicore(), quick()).await;
            let bystander = Bystander::begin(&test, events).await;

            let response = test
                .post(path, saying("coretap-panic-in-handler", stream))
                .send()
                .await
                .unwrap();
            assert_eq!(response.status(), 500, "{path}");
            assert_eq!(response.headers()["x-coretap-code"], "PROXY-INTERNAL", "{path}");
            let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
            assert!(
                body["error"]["message"].as_str().unwrap().contains("bug"),
                "{body}"
            );
            let exchange = test.exchange().await;
            assert_eq!((exchange.status, exchange.code), (500, Some("PROXY-INTERNAL")));
            let log = logged();
            let line = |text: &str| {
                log.lines()
                    .any(|line| line.contains(text) && line.contains(&exchange.id))
            };
            assert!(
                line("a request failed by a panic") && line("code=PROXY-INTERNAL"),
                "{log}"
            );

            bystander.ends_well().await;
            let next = test.ask(path, true).await;
            assert!(read_to_end(next).await.unwrap().contains("hello"), "{path}");
        }
    }
}

#[tokio::test]
async fn in_a_stream_it_breaks_that_stream() {
    log();
    for path in ANSWERS {
        let (events, reply) = live();
        let (struck, struck_reply) = live();
        let upstream = Upstream::start([reply, struck_reply, hello()]).await;
        let mut test = UnderTest::start(upstream.aicore(), quick()).await;
        let bystander = Bystander::begin(&test, events).await;

        struck.send(Ok((opening() + &text("begun")).into())).unwrap();
        let mut response = test.ask(path, true).await;
        let begun = read_until(&mut response, "begun").await;
        struck.send(Ok(text("coretap-panic-in-stream").into())).unwrap();
        let read = begun
            + &read_to_end(response)
                .await
                .expect_err("the body must not end normally");
        assert!(
            !read.contains("message_stop") && !read.contains("[DONE]"),
            "{path}: {read}"
        );
        let exchange = test.exchange().await;
        assert_eq!((exchange.status, exchange.code), (200, Some("PROXY-INTERNAL")));
        assert!(logged().contains("a stream failed by a panic"), "{}", logged());
        // Its upstream request is given up with it.
        struck.closed().await;

        bystander.ends_well().await;
        let next = test.ask(path, true).await;
        assert!(read_to_end(next).await.unwrap().contains("hello"), "{path}");
    }
}

/// Whoever waits for the list that the task was fetching has it fetched again.
#[tokio::test]
async fn in_a_task_that_fetches_it_is_lived_through() {
    const BROKEN: &str = "d-coretap-panic-in-list";
    for path in ANSWERS {
        let (events, reply) = live();
        let upstream = Upstream::start([hello(), reply, refusal(404, &[], "gone"), hello()]).await;
        upstream.deploy_once(BROKEN);
        let mut test = UnderTest::start(upstream.aicore(), quick()).await;
        let first = test.ask(path, true).await;
        assert!(read_to_end(first).await.unwrap().contains("hello"), "{path}");
        assert_eq!(test.exchange().await.retries, 1);

        // The list is fetched anew because a deployment is gone: that request has nothing to go on with.
        let bystander = Bystander::begin(&test, events).await;
        upstream.deploy_once(BROKEN);
        let response = test.ask(path, true).await;
        assert_eq!(response.status(), 502, "{path}");
        assert_eq!(response.headers()["x-coretap-code"], "UPSTREAM-INTERRUPTED");

        bystander.ends_well().await;
        let next = test.ask(path, true).await;
        assert!(read_to_end(next).await.unwrap().contains("hello"), "{path}");
    }
}
