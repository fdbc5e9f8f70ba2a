//! What holds while many agents come and go: who leaves is not answered any more, and nobody gets another one's answer. What
//! faults do is `fault_matrix.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use std::collections::HashSet;

use coretap_tests::formats::Format;
use coretap_tests::http::post;
use coretap_tests::process::{Coretap, Mode, Simulator, in_time};
use serde_json::json;

const MODEL: &str = "anthropic--claude-4.5-sonnet";

/// The model must not go on writing for someone who left.
#[tokio::test]
async fn a_client_that_leaves_cancels_upstream() {
    for mode in Mode::ALL {
        for format in Format::ALL {
            let simulator = Simulator::start().await;
            let coretap = Coretap::start(&simulator, mode, &[]).await;
            simulator
                .faults(&json!([{"route": "inference", "fault": "stall", "after_events": 4}]))
                .await;
            let request = format.ask(MODEL, "Repeat the words plum-4711 früh 🙂", true);
            let mut answer = coretap.open(post(&format.path(MODEL, true), &request)).await;
            answer.read_until("data: ").await;
            drop(answer);
            simulator.cancelled().await;
        }
    }
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
                let format = Format::ALL[number % Format::ALL.len()];
                let words = format!(
                    "Repeat the words plum-{number} früh – 李 – 🙂 \"quoted\" {{{{?x}}}} \\ end-{number}"
                );
                let whole = coretap
                    .post(&format.path(MODEL, false), &format.ask(MODEL, &words, false))
                    .await;
                let streamed = coretap
                    .post(&format.path(MODEL, true), &format.ask(MODEL, &words, true))
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
