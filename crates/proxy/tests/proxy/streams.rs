//! Streams: their beginning, their silence, their end.

use std::time::Duration;

use coretap_proxy::Limits;

use crate::under_test::{ANSWERS, UnderTest, quick, read_to_end, read_until};
use crate::upstream::{Reply, Upstream, failure, live, opening, stop, text};
use crate::{ends, error};

#[tokio::test]
async fn nothing_goes_out_before_the_model_says_something() {
    let (events, reply) = live();
    let upstream = Upstream::start([reply]).await;
    let limits = Limits {
        first_event: Duration::from_secs(3600),
        ..quick()
    };
    let test = UnderTest::start(upstream.aicore(), limits).await;
    events.send(Ok(opening().into())).unwrap();
    let mut asking = std::pin::pin!(test.ask("/v1/messages", true));
    // The upstream has its request and has opened its answer; the agent has not even a head.
    let early = tokio::time::timeout(Duration::from_millis(300), asking.as_mut()).await;
    assert!(early.is_err(), "{early:?}");
    events.send(Ok(text("hello").into())).unwrap();
    let mut response = asking.await;
    read_until(&mut response, "hello").await;
}

#[tokio::test]
async fn an_opening_that_lasts_is_handed_on() {
    let (events, reply) = live();
    let upstream = Upstream::start([reply]).await;
    let limits = Limits {
        first_event: Duration::from_millis(50),
        ..quick()
    };
    let test = UnderTest::start(upstream.aicore(), limits).await;
    events.send(Ok(opening().into())).unwrap();
    let mut response = test.ask("/v1/messages", true).await;
    assert_eq!(response.status(), 200);
    // From here on a failure can only be told inside the stream.
    events.send(Ok(failure(429, "slow down").into())).unwrap();
    read_until(&mut response, "slow down").await;
    assert!(read_to_end(response).await.is_err());
}

#[tokio::test]
async fn silence_has_an_end_before_the_first_byte_only() {
    let (events, reply) = live();
    let upstream = Upstream::start([Reply::Silence, reply]).await;
    let limits = Limits {
        first_byte: Duration::from_millis(200),
        keep_alive: Duration::from_millis(150),
        ..quick()
    };
    let test = UnderTest::start(upstream.aicore(), limits).await;
    let response = test.ask("/v1/messages", true).await;
    assert_eq!(response.status(), 504);
    assert!(error(response).await.contains("did not begin"));

    events.send(Ok(text("hello").into())).unwrap();
    let mut response = test.ask("/v1/messages", true).await;
    read_until(&mut response, "hello").await;
    // Two signs of life take longer than the time to the first byte.
    read_until(&mut response, "event: ping").await;
    read_until(&mut response, "event: ping").await;
    events.send(Ok((stop() + "data: [DONE]\n\n").into())).unwrap();
    drop(events);
    assert!(read_to_end(response).await.unwrap().contains("message_stop"));
}

#[tokio::test]
async fn a_stream_that_breaks_never_looks_whole() {
    for path in ANSWERS {
        for how in ["reset", "early end", "failure", "failure at the very end"] {
            let (events, reply) = live();
            let upstream = Upstream::start([reply]).await;
            let mut test = UnderTest::start(upstream.aicore(), quick()).await;
            events.send(Ok((opening() + &text("hello")).into())).unwrap();
            let mut response = test.ask(path, true).await;
            let begun = read_until(&mut response, "hello").await;
            match how {
                "reset" => events
                    .send(Err(std::io::ErrorKind::ConnectionReset.into()))
                    .unwrap(),
                "failure" => events.send(Ok(failure(500, "500 - broken").into())).unwrap(),
                "failure at the very end" => {
                    let failure = failure(500, "500 - broken");
                    events.send(Ok(failure.trim_end().to_owned().into())).unwrap();
                }
                _ => {}
            }
            drop(events);
            let rest = read_to_end(response).await;
            let read = begun + &rest.expect_err("the body must not end normally");
            assert!(!ends(path, &read), "{path} {how}: {read}");
            assert!(read.contains("\"error\""), "{path} {how}: {read}");
            let exchange = test.exchange().await;
            let code = if how.starts_with("failure") {
                "UPSTREAM-FAILED"
            } else {
                "UPSTREAM-CUT"
            };
            assert_eq!((exchange.status, exchange.code), (200, Some(code)), "{how}");
        }
    }
}

#[tokio::test]
async fn an_answer_ends_with_its_last_event_even_if_the_connection_does_not() {
    let (events, reply) = live();
    let upstream = Upstream::start([reply]).await;
    let mut test = UnderTest::start(upstream.aicore(), quick()).await;
    events
        .send(Ok((text("hello") + &stop() + "data: [DONE]\n\n").into()))
        .unwrap();
    assert!(
        read_to_end(test.ask("/v1/messages", true).await)
            .await
            .unwrap()
            .contains("message_stop")
    );
    assert_eq!(test.exchange().await.code, None);
    events.closed().await;
}

#[tokio::test]
async fn a_client_that_leaves_cancels_upstream() {
    // In the middle of a stream …
    let (events, reply) = live();
    let (waiting, not_begun) = live();
    let upstream = Upstream::start([reply, not_begun]).await;
    let mut test = UnderTest::start(upstream.aicore(), quick()).await;
    events.send(Ok(text("hello").into())).unwrap();
    let mut response = test.ask("/v1/messages", true).await;
    read_until(&mut response, "hello").await;
    drop(response);
    events.closed().await;
    let exchange = test.exchange().await;
    assert_eq!(
        (exchange.status, exchange.code),
        (200, Some("REQUEST-CLIENT-LEFT"))
    );

    // … and before it.
    let request = test.ask("/v1/messages", true);
    waiting.send(Ok(opening().into())).unwrap();
    let gone = tokio::time::timeout(Duration::from_millis(300), request).await;
    assert!(gone.is_err());
    waiting.closed().await;
    let exchange = test.exchange().await;
    assert_eq!(
        (exchange.status, exchange.code),
        (499, Some("REQUEST-CLIENT-LEFT"))
    );
}
