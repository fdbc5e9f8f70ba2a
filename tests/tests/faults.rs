//! What an agent sees when SAP AI Core fails while its request runs: in both formats, both modes, whole and streamed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use std::collections::HashSet;

use coretap_tests::events::Format;
use coretap_tests::http::{Answer, post};
use coretap_tests::process::{Coretap, Mode, Simulator, in_time};
use serde_json::{Value, json};

const MODEL: &str = "anthropic--claude-4.5-sonnet";

/// Every pair of mode and format, each with a Coretap and a simulator of its own.
async fn everywhere(test: impl AsyncFn(&Simulator, &Coretap, Format, &str)) {
    for mode in Mode::ALL {
        for format in Format::ALL {
            let simulator = Simulator::start().await;
            let coretap = Coretap::start(&simulator, mode, &[]).await;
            test(&simulator, &coretap, format, &format!("{format:?} in {mode:?}")).await;
        }
    }
}

async fn ask(coretap: &Coretap, format: Format, stream: bool) -> Answer {
    coretap
        .post(
            format.path(),
            &format.ask(MODEL, "Repeat the words plum-4711 früh 🙂", stream),
        )
        .await
}

/// A fault of every inference route, `times` in a row.
fn fault(kind: &str, more: &Value, times: u32) -> Value {
    let mut fault = json!({"route": "inference", "fault": kind, "times": times});
    fault
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!([fault])
}

/// The answer is what it would have been without the fault.
fn answered(format: Format, stream: bool, answer: &Answer, context: &str) {
    assert_eq!(answer.status, 200, "{context}: {answer:?}");
    let text = if stream {
        format.check_stream(&answer.events(), context);
        format.streamed_text(&answer.events())
    } else {
        format.text(&answer.json())
    };
    assert!(text.contains("plum-4711 früh 🙂"), "{context}: {text}");
}

/// The status, and the error in the agent's own shape: its type (Messages) and message.
fn refused(format: Format, answer: &Answer, status: u16, kind: &str, context: &str) -> String {
    assert_eq!(answer.status, status, "{context}: {answer:?}");
    assert!(
        answer.header("content-type").starts_with("application/json"),
        "{context}: {answer:?}"
    );
    let body = answer.json();
    if format == Format::Messages {
        assert_eq!(body["type"], "error", "{context}: {body}");
        assert_eq!(body["error"]["type"], kind, "{context}: {body}");
    }
    body["error"]["message"]
        .as_str()
        .unwrap_or_else(|| panic!("{context}: {body}"))
        .to_owned()
}

#[tokio::test]
async fn a_rate_limit_reaches_the_agent_with_its_retry_after() {
    everywhere(async |simulator, coretap, format, context| {
        for stream in [false, true] {
            simulator.forget().await;
            simulator
                .faults(&fault("status", &json!({"status": 429, "retry_after": 37}), 9))
                .await;
            let answer = ask(coretap, format, stream).await;
            refused(format, &answer, 429, "rate_limit_error", context);
            assert_eq!(answer.header("retry-after"), "37", "{context}: {answer:?}");
            assert_eq!(
                simulator.inference().await.len(),
                1,
                "{context}: a long wait is the agent's to decide"
            );
        }
    })
    .await;
}

/// SAP counts per minute, so without its word the wait is to the next full minute.
#[tokio::test]
async fn a_rate_limit_without_retry_after_gets_one() {
    everywhere(async |simulator, coretap, format, context| {
        for stream in [false, true] {
            simulator
                .faults(&fault("status", &json!({"status": 429}), 9))
                .await;
            let answer = ask(coretap, format, stream).await;
            refused(format, &answer, 429, "rate_limit_error", context);
            let wait: u32 = answer
                .header("retry-after")
                .parse()
                .unwrap_or_else(|_| panic!("{context}: {answer:?}"));
            assert!((1..=60).contains(&wait), "{context}: retry-after {wait}");
        }
    })
    .await;
}

/// Nothing has gone out yet, so the agent never hears of it.
#[tokio::test]
async fn short_troubles_are_lived_through() {
    everywhere(async |simulator, coretap, format, context| {
        let troubles = [
            ("status", json!({"status": 429, "retry_after": 1})),
            ("status", json!({"status": 502})),
            ("status", json!({"status": 503})),
            ("status", json!({"status": 504})),
            ("refuse_connection", json!({})),
            ("slow_first_byte", json!({"delay_ms": 500})),
        ];
        for (kind, more) in troubles {
            for stream in [false, true] {
                let context = format!("{context}, {kind} {more}, stream {stream}");
                simulator.forget().await;
                simulator.faults(&fault(kind, &more, 1)).await;
                answered(format, stream, &ask(coretap, format, stream).await, &context);
            }
        }
    })
    .await;
}

/// The first event of a 200 stream says that the model is throttled: nothing has gone out, so it is a 429 all the same.
#[tokio::test]
async fn throttling_inside_a_stream_is_a_rate_limit() {
    everywhere(async |simulator, coretap, format, context| {
        simulator.faults(&fault("throttled_event", &json!({}), 9)).await;
        let answer = ask(coretap, format, true).await;
        assert!([429, 529, 503].contains(&answer.status), "{context}: {answer:?}");
        assert_ne!(answer.header("retry-after"), "", "{context}: {answer:?}");
        assert!(
            answer.json()["error"]["message"].is_string(),
            "{context}: {answer:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn lasting_failures_are_told_in_the_agents_own_words() {
    everywhere(async |simulator, coretap, format, context| {
        for stream in [false, true] {
            simulator
                .faults(&fault("status", &json!({"status": 503}), 9))
                .await;
            let answer = ask(coretap, format, stream).await;
            let overloaded = if format == Format::Messages { 529 } else { 503 };
            refused(format, &answer, overloaded, "overloaded_error", context);
            assert_ne!(answer.header("retry-after"), "", "{context}: {answer:?}");

            simulator
                .faults(&fault(
                    "status",
                    &json!({"status": 500, "text": "the plum module broke"}),
                    9,
                ))
                .await;
            let answer = ask(coretap, format, stream).await;
            let message = refused(
                format,
                &answer,
                answer.status.clamp(500, 502),
                "api_error",
                context,
            );
            assert!(message.contains("the plum module broke"), "{context}: {message}");

            let text = "messages.1.role: Input should be 'user' or 'assistant'";
            simulator
                .faults(&fault("status", &json!({"status": 400, "text": text}), 1))
                .await;
            let answer = ask(coretap, format, stream).await;
            let message = refused(format, &answer, 400, "invalid_request_error", context);
            assert!(
                message.contains(text),
                "{context}: an agent repairs itself by these words: {message}"
            );
        }
    })
    .await;
}

/// An agent must never take half an answer for a whole one.
#[tokio::test]
async fn a_stream_that_breaks_never_ends_normally() {
    everywhere(async |simulator, coretap, format, context| {
        for kind in ["cut", "clean_end", "error_event"] {
            let context = format!("{context}, {kind}");
            simulator
                .faults(&fault(kind, &json!({"after_events": 4}), 9))
                .await;
            let answer = ask(coretap, format, true).await;
            assert_eq!(answer.status, 200, "{context}: {answer:?}");
            let events = answer.events();
            assert!(!format.ended(&events), "{context}: {events:#?}");
            let error = format.streamed_error(&events);
            assert!(
                error.is_some_and(|error| error["message"].is_string()),
                "{context}: {events:#?}"
            );
        }
    })
    .await;
}

/// Whole answers have a whole body or none: one that is cut is asked for again, or an error.
#[tokio::test]
async fn a_whole_answer_that_breaks_is_an_error() {
    everywhere(async |simulator, coretap, format, context| {
        simulator
            .faults(&fault("cut", &json!({"after_events": 0}), 9))
            .await;
        let answer = ask(coretap, format, false).await;
        assert!(answer.status >= 500, "{context}: {answer:?}");
        assert!(
            answer.json()["error"]["message"].is_string(),
            "{context}: {answer:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn an_expired_token_is_renewed_unseen() {
    everywhere(async |simulator, coretap, format, context| {
        for stream in [false, true] {
            answered(format, stream, &ask(coretap, format, stream).await, context);
        }
        simulator.forget().await;
        simulator.faults(&fault("expired_token", &json!({}), 1)).await;
        answered(format, true, &ask(coretap, format, true).await, context);
        let tokens = simulator
            .requests()
            .await
            .iter()
            .filter(|seen| seen.route == "token")
            .count();
        assert_eq!(tokens, 1, "{context}: one new token is enough");
    })
    .await;
}

/// The model must not go on writing for someone who left.
#[tokio::test]
async fn a_client_that_leaves_cancels_upstream() {
    everywhere(async |simulator, coretap, format, _| {
        simulator
            .faults(&fault("stall", &json!({"after_events": 4}), 1))
            .await;
        let request = format.ask(MODEL, "Repeat the words plum-4711 früh 🙂", true);
        let mut answer = coretap.open(post(format.path(), &request)).await;
        answer.read_until("data: ").await;
        drop(answer);
        simulator.cancelled().await;
    })
    .await;
}

/// Two hundred at once, their bytes cut wherever it hurts: each gets its own answer, whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_streams_at_once() {
    const STREAMS: usize = 200;
    for mode in Mode::ALL {
        let simulator = Simulator::start().await;
        simulator
            .settings(&json!({"chunking": "random", "seed": 1, "event_delay_ms": 2}))
            .await;
        let coretap = std::sync::Arc::new(Coretap::start(&simulator, mode, &[]).await);
        let mut streams = tokio::task::JoinSet::new();
        for number in 0..STREAMS {
            let coretap = std::sync::Arc::clone(&coretap);
            streams.spawn(async move {
                let format = Format::ALL[number % 2];
                let words = format!(
                    "Repeat the words plum-{number} früh – 李 – 🙂 \"quoted\" {{{{?x}}}} \\ end-{number}"
                );
                let whole = coretap
                    .post(format.path(), &format.ask(MODEL, &words, false))
                    .await;
                let streamed = coretap
                    .post(format.path(), &format.ask(MODEL, &words, true))
                    .await;
                let context = format!("{format:?} in {mode:?}");
                assert_eq!(
                    (whole.status, streamed.status),
                    (200, 200),
                    "{context}: {whole:?} {streamed:?}"
                );
                assert!(streamed.complete, "{context}");
                format.check_stream(&streamed.events(), &context);
                let text = format.streamed_text(&streamed.events());
                assert_eq!(text, format.text(&whole.json()), "{context}");
                assert!(
                    text.contains(&format!("{{{{?x}}}} \\ end-{number}")),
                    "{context}: {text}"
                );
                text
            });
        }
        let texts: HashSet<String> = in_time("two hundred streams", streams.join_all())
            .await
            .into_iter()
            .collect();
        assert_eq!(texts.len(), STREAMS, "{mode:?}: answers were mixed up");
        simulator.refused_nothing().await;
        assert_eq!(
            simulator.inference().await.len(),
            2 * STREAMS,
            "{mode:?}: something was asked twice"
        );
    }
}
