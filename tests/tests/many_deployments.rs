//! A model with several deployments: one that refuses or breaks before its first byte is passed over, requests are shared
//! out, conversations stay where they are. The simulator has two deployments of gpt-4o, and three of orchestration.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use std::sync::Arc;

use coretap_tests::formats::Format;
use coretap_tests::process::{Coretap, Mode, Simulator, in_time, run};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const MODEL: &str = "gpt-4o";
/// How many requests are under way at once where many are.
const MANY: usize = 200;

/// The deployments of the mode in the order in which they are preferred.
fn deployments(mode: Mode) -> &'static [&'static str] {
    match mode {
        Mode::Orchestration => &["d0aa11bb22cc33dd", "d1aa11bb22cc33ee", "d2aa11bb22cc33ff"],
        Mode::Foundation => &["d19b998f347341aa", "d0a4f8e21b7c9d30"],
    }
}

/// The deployments that were asked, in order.
async fn asked(simulator: &Simulator) -> Vec<String> {
    let requests = simulator.inference().await;
    let deployments = requests
        .iter()
        .filter_map(|seen| seen.path.strip_prefix("/v2/inference/deployments/"))
        .filter_map(|rest| rest.split('/').next());
    deployments.map(str::to_owned).collect()
}

async fn start(mode: Mode) -> (Simulator, Coretap) {
    let simulator = Simulator::start().await;
    let coretap = Coretap::start(&simulator, mode, &[]).await;
    (simulator, coretap)
}

#[tokio::test]
async fn what_befalls_one_deployment_before_its_first_byte_befalls_no_agent() {
    for mode in Mode::ALL {
        let simulator = Simulator::start().await;
        let [first, second, ..] = deployments(mode) else {
            panic!("there are several")
        };
        for (fault, outcome, format, stream) in [
            (
                json!({"fault": "status", "status": 429, "retry_after": 1}),
                "429",
                Format::Messages,
                false,
            ),
            (
                json!({"fault": "status", "status": 429}),
                "429",
                Format::Chat,
                true,
            ),
            (
                json!({"fault": "status", "status": 503, "retry_after": 600}),
                "503",
                Format::Messages,
                true,
            ),
            (
                json!({"fault": "status", "status": 500}),
                "500",
                Format::Chat,
                false,
            ),
            (
                json!({"fault": "error_event", "status": 429}),
                "429",
                Format::Messages,
                true,
            ),
            (
                json!({"fault": "refuse_connection"}),
                "UPSTREAM-BROKEN",
                Format::Chat,
                true,
            ),
        ] {
            // One in which nothing rests yet.
            let coretap = Coretap::start(&simulator, mode, &[]).await;
            simulator.forget().await;
            let mut struck = fault.clone();
            struck["route"] = json!("inference");
            simulator.faults(&json!([struck])).await;
            let answer = coretap
                .post(
                    &format.path(MODEL, stream),
                    &format.ask(MODEL, "Repeat the words plum-4711", stream),
                )
                .await;
            let context = format!("{mode:?} {fault}: {answer:?}");
            assert_eq!(answer.status, 200, "{context}");
            let text = if stream {
                format.streamed_text(&answer.events())
            } else {
                format.text(&answer.json())
            };
            assert!(text.contains("plum-4711"), "{context}");
            assert_eq!(asked(&simulator).await, [*first, *second], "{context}");
            assert_eq!(answer.header("x-coretap-deployment"), *second, "{context}");
            let attempts = format!("{first}={outcome},{second}=200");
            assert_eq!(answer.header("x-coretap-attempts"), attempts, "{context}");
            let log = coretap.stop("TERM").await.stderr;
            assert!(log.contains(&format!("attempts=\"{attempts}\"")), "{log}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_by_the_first() {
    for mode in Mode::ALL {
        let (simulator, coretap) = start(mode).await;
        simulator
            .faults(
                &json!([{"route": "inference", "fault": "status", "status": 400, "text": "It is yours."}]),
            )
            .await;
        let answer = coretap
            .post("/v1/messages", &Format::Messages.ask(MODEL, "Hi", false))
            .await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(asked(&simulator).await, [deployments(mode)[0]]);
        assert_eq!(answer.header("x-coretap-attempts"), "");
    }
}

/// Every other one is refused by the first deployment that it comes to; all are answered, and each deployment does its share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_at_once_are_shared_out_and_answered() {
    for mode in Mode::ALL {
        let (simulator, coretap) = start(mode).await;
        simulator.settings(&json!({"event_delay_ms": 2})).await;
        let faults: Value = (0..MANY)
            .step_by(2)
            .map(|number| {
                json!({"route": "inference", "fault": "status", "status": 500, "marker": format!("plum-{number:03}.")})
            })
            .collect();
        simulator.faults(&faults).await;
        let coretap = Arc::new(coretap);
        let mut asking = JoinSet::new();
        for number in 0..MANY {
            let coretap = Arc::clone(&coretap);
            asking.spawn(async move {
                let format = [Format::Messages, Format::Chat][number % 2];
                let words = format!("Repeat the words plum-{number:03}.");
                let answer = coretap
                    .post(&format.path(MODEL, true), &format.ask(MODEL, &words, true))
                    .await;
                assert_eq!(answer.status, 200, "{number}: {answer:?}");
                let text = format.streamed_text(&answer.events());
                assert!(text.contains(&format!("plum-{number:03}")), "{answer:?}");
            });
        }
        in_time("the answers", asking.join_all()).await;
        let asked = asked(&simulator).await;
        assert_eq!(asked.len(), MANY + MANY / 2, "{mode:?}");
        for deployment in deployments(mode) {
            let share = asked.iter().filter(|id| id == deployment).count();
            assert!(share > 0, "{mode:?}: {deployment} was never asked");
        }
    }
}

#[tokio::test]
async fn saved_connections_are_listed_and_named() {
    let home = tempfile::tempdir().unwrap();
    let folder = ("CORETAP_HOME", home.path().to_str().unwrap());
    let text = "version = 1\nselected = \"second\"\n[[connections]]\nname = \"first\"\ngroup = \"team\"\nresource_group = \"blue\"\n\
        [[connections]]\nname = \"second\"\ngroup = \"team\"\norchestration = true\n";
    std::fs::write(home.path().join("settings.toml"), text).unwrap();
    let listed = run(&["connections", "--json"], &[folder]).await;
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(
        (&listed[0]["name"], &listed[0]["selected"]),
        (&json!("first"), &json!(false))
    );
    assert_eq!(
        (&listed[1]["name"], &listed[1]["selected"]),
        (&json!("second"), &json!(true))
    );
    let table = run(&["connections"], &[folder]).await.stdout;
    assert!(table.contains("selected") && table.contains("blue"), "{table}");
    for named in [
        run(&["models", "--connection", "third"], &[folder]).await,
        run(
            &["serve", "--port", "0"],
            &[folder, ("CORETAP_CONNECTION", "third")],
        )
        .await,
    ] {
        assert_eq!(named.code, 3, "{named:?}");
        let sentence = "There is no connection 'third'; there are 'first', 'second'. (CONFIG-CONNECTION)";
        assert!(named.stderr.contains(sentence), "{named:?}");
    }
}
