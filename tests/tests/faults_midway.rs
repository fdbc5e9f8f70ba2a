//! What befalls Coretap while two hundred streams run: the upstream breaks, the token expires, the process is killed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use coretap_tests::checks::{check, question};
use coretap_tests::faults::{Dialect, Expected};
use coretap_tests::formats::Format;
use coretap_tests::http::{Answer, Opened, post};
use coretap_tests::process::{Coretap, KEY, Simulator, in_time};
use serde_json::json;
use tokio::task::JoinSet;

const STREAMS: usize = 200;

/// A stream that has begun and whose upstream says nothing more for now.
struct Held {
    format: Format,
    marker: String,
    answer: Opened,
}

impl Held {
    async fn finish(self) -> (Format, String, Answer) {
        (self.format, self.marker, self.answer.finish().await)
    }
}

/// Begins so many streams, in both formats. Each has the model's first words, and the model is held.
async fn hold(simulator: &Simulator, coretap: &Arc<Coretap>, dialect: Dialect, streams: usize) -> Vec<Held> {
    simulator.forget().await;
    simulator
        .faults(&json!([{"route": "inference", "fault": "hold", "after_events": 5, "times": streams}]))
        .await;
    let mut opening = JoinSet::new();
    for number in 0..streams {
        let coretap = Arc::clone(coretap);
        opening.spawn(async move {
            let format = Format::ALL[number % Format::ALL.len()];
            let marker = format!("plum-{number:04}");
            let request = format.ask(dialect.model(), &question(&marker), true);
            let mut answer = coretap
                .open(post(&format.path(dialect.model(), true), &request))
                .await;
            answer.read_until("data: ").await;
            Held {
                format,
                marker,
                answer,
            }
        });
    }
    in_time("all streams' beginning", opening.join_all()).await
}

async fn finish(held: Vec<Held>) -> Vec<(Format, String, Answer)> {
    let mut finishing = JoinSet::new();
    for one in held {
        finishing.spawn(one.finish());
    }
    in_time("all streams' end", finishing.join_all()).await
}

async fn start(dialect: Dialect) -> (Simulator, Arc<Coretap>) {
    let simulator = Simulator::start().await;
    let coretap = Coretap::start(
        &simulator,
        dialect.mode(),
        &[("CORETAP_DEPLOYMENT", dialect.deployment())],
    )
    .await;
    (simulator, Arc::new(coretap))
}

/// The fault is switched on when all of them run: each gets what had come, then an error, and nothing is asked again.
#[tokio::test]
async fn two_hundred_streams_break_in_their_middle() {
    for dialect in Dialect::ALL {
        let (simulator, coretap) = start(dialect).await;
        for how in ["cut", "clean_end", "error_event", "go_on"] {
            let held = hold(&simulator, &coretap, dialect, STREAMS).await;
            simulator.release(how).await;
            let expected = if how == "go_on" {
                Expected::Answered
            } else {
                Expected::Broken { pieces: 3, says: "" }
            };
            for (format, marker, answer) in finish(held).await {
                let context = format!("{how}, {format:?}, {dialect:?}, {marker}");
                let expected = expected.seen_by(format, dialect);
                check(&expected, format, true, &marker, &answer, &context);
            }
            assert_eq!(
                simulator.inference().await.len(),
                STREAMS,
                "{how}, {dialect:?}: something was asked twice"
            );
        }
    }
}

/// Who asks now gets a new token, whoever listens hears on, and two hundred who find the old one refused fetch one.
#[tokio::test]
async fn a_token_that_expires_while_requests_run_is_renewed_once() {
    for dialect in Dialect::ALL {
        let (simulator, coretap) = start(dialect).await;
        let held = hold(&simulator, &coretap, dialect, STREAMS).await;
        let tokens = simulator.count("token").await;
        simulator
            .more_faults(&json!([{"route": "inference", "fault": "expired_token"}]))
            .await;
        let mut asking = JoinSet::new();
        for number in 0..STREAMS {
            let coretap = Arc::clone(&coretap);
            asking.spawn(async move {
                let (format, stream) = (Format::ALL[number % Format::ALL.len()], number % 8 > 3);
                let marker = format!("pear-{number:04}");
                let body = format.ask(dialect.model(), &question(&marker), stream);
                let answer = coretap.post(&format.path(dialect.model(), stream), &body).await;
                let context = format!("{format:?}, stream {stream}, {dialect:?}, {marker}");
                check(&Expected::Answered, format, stream, &marker, &answer, &context);
            });
        }
        in_time("all answers", asking.join_all()).await;
        assert_eq!(
            simulator.count("token").await - tokens,
            1,
            "{dialect:?}: one new token is enough"
        );
        simulator.release("go_on").await;
        for (format, marker, answer) in finish(held).await {
            let context = format!("held, {format:?}, {dialect:?}, {marker}");
            check(&Expected::Answered, format, true, &marker, &answer, &context);
        }
    }
}

/// Every file below a folder, and what it holds.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.display().to_string(), std::fs::read(path).unwrap());
            }
        }
    }
    found
}

/// As by a power cut: no stream ends as if it were whole, the port is free at once, and the settings are as they were.
#[tokio::test]
async fn a_killed_coretap_breaks_its_streams_and_starts_again_in_its_place() {
    for dialect in [Dialect::Orchestration, Dialect::Azure] {
        let simulator = Simulator::start().await;
        let home = tempfile::tempdir().unwrap();
        std::fs::write(
            home.path().join("settings.toml"),
            "version = 1\n[[connections]]\nmodel = \"gpt-4o-mini\"\n",
        )
        .unwrap();
        let environment = [
            ("AICORE_SERVICE_KEY", simulator.service_key.as_str()),
            ("CORETAP_API_KEY", KEY),
            ("CORETAP_ORCHESTRATION", dialect.mode().setting()),
        ];
        let coretap = Arc::new(Coretap::serve_in(home, &["--port", "0"], &environment).await);
        let port = coretap.address.port().to_string();
        let before = files(coretap.home());
        let held = hold(&simulator, &coretap, dialect, STREAMS).await;

        let coretap = Arc::into_inner(coretap).unwrap();
        let home = coretap.kill().await;
        for (format, marker, answer) in finish(held).await {
            let context = format!("{format:?}, {dialect:?}, {marker}");
            assert!(!answer.complete, "{context}: {answer:?}");
            assert!(!format.ended(&answer.events()), "{context}: {answer:?}");
        }
        assert_eq!(files(home.path()), before, "{dialect:?}");

        let again = Coretap::serve_in(home, &["--port", &port], &environment).await;
        assert_eq!(again.address.port().to_string(), port);
        simulator.faults(&json!([])).await;
        for format in Format::ALL {
            for stream in [false, true] {
                let body = format.ask(dialect.model(), &question("plum-again"), stream);
                let answer = again.post(&format.path(dialect.model(), stream), &body).await;
                let context = format!("{format:?}, stream {stream}, {dialect:?}, started again");
                check(
                    &Expected::Answered,
                    format,
                    stream,
                    "plum-again",
                    &answer,
                    &context,
                );
            }
        }
        let (errors, ended) = (again.errors(), again.stop("TERM").await);
        assert_eq!(ended.code, 0, "{errors}");
    }
}
