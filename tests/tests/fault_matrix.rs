//! Every fault × dialect × mode × agent's format × stream or whole, alone and with two hundred requests at once. The
//! faults and what an agent must see of each stand in `coretap_tests::faults`.
//!
//! All requests of a test share one Coretap and one simulator: each carries a marker of its own, which chooses its fault,
//! must stand in its answer, and by which its requests are counted at the upstream.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use std::sync::Arc;

use coretap_tests::checks::{check, question};
use coretap_tests::faults::{Case, Dialect, Expected, cases};
use coretap_tests::formats::Format;
use coretap_tests::http::Answer;
use coretap_tests::process::{Coretap, Simulator, in_time};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// How many requests are under way at once where many are.
const MANY: usize = 200;

/// One request and the fault that waits for it.
#[derive(Clone)]
struct Struck {
    case: Case,
    format: Format,
    stream: bool,
    marker: String,
}

impl Struck {
    fn context(&self, dialect: Dialect) -> String {
        let (name, format, stream) = (self.case.name, self.format, self.stream);
        format!(
            "{name}: {format:?}, stream {stream}, {dialect:?}, {}",
            self.marker
        )
    }

    fn path(&self, dialect: Dialect) -> String {
        self.format.path(dialect.model(), self.stream)
    }

    fn fault(&self) -> Option<Value> {
        let mut fault = self.case.fault.clone()?;
        fault["route"] = json!("inference");
        fault["marker"] = json!(self.marker);
        Some(fault)
    }
}

/// Each case with each format, whole and as a stream, as far as the dialect has it.
fn requests(dialect: Dialect, wanted: impl Fn(&Case) -> bool) -> Vec<(Case, Format, bool)> {
    let mut all = Vec::new();
    for case in cases().into_iter().filter(wanted) {
        for format in Format::ALL {
            for stream in [false, true] {
                if case.is_about(dialect, stream) {
                    all.push((case.clone(), format, stream));
                }
            }
        }
    }
    all
}

/// A simulator and a Coretap that has a token and its lists.
async fn start(dialect: Dialect) -> (Simulator, Arc<Coretap>) {
    let simulator = Simulator::start().await;
    let coretap = Coretap::start(
        &simulator,
        dialect.mode(),
        &[("CORETAP_DEPLOYMENT", dialect.deployment())],
    )
    .await;
    let answer = coretap
        .post(
            "/v1/messages",
            &Format::Messages.ask(dialect.model(), "warm up", false),
        )
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    (simulator, Arc::new(coretap))
}

/// Sends them all at once, each on a connection of its own, and checks each answer and how often each was sent. Says
/// how many were wrong; what was wrong with them stands in their panics.
async fn strike(simulator: &Simulator, coretap: &Arc<Coretap>, dialect: Dialect, all: Vec<Struck>) -> usize {
    simulator.forget().await;
    let faults: Value = all.iter().filter_map(Struck::fault).collect();
    simulator.faults(&faults).await;
    let mut running = JoinSet::new();
    for struck in &all {
        let (coretap, struck) = (Arc::clone(coretap), struck.clone());
        running.spawn(async move {
            let body = struck
                .format
                .ask(dialect.model(), &question(&struck.marker), struck.stream);
            let answer: Answer = coretap.post(&struck.path(dialect), &body).await;
            let context = struck.context(dialect);
            check(
                &struck.case.expected.seen_by(struck.format, dialect),
                struck.format,
                struck.stream,
                &struck.marker,
                &answer,
                &context,
            );
        });
    }
    let mut wrong = 0;
    while let Some(checked) = in_time("an answer", running.join_next()).await {
        wrong += usize::from(checked.is_err());
    }

    let seen = simulator.inference().await;
    let bodies: Vec<String> = seen.iter().map(|seen| seen.body.to_string()).collect();
    for struck in &all {
        let tries = bodies.iter().filter(|body| body.contains(&struck.marker)).count();
        assert!(
            struck.case.tries.contains(&tries),
            "{}: {tries} requests reached the upstream instead of {:?}",
            struck.context(dialect),
            struck.case.tries
        );
    }
    wrong
}

/// One fault after the other; each agent's format and kind of answer has the one request that is under way.
async fn alone(dialect: Dialect) {
    let (simulator, coretap) = start(dialect).await;
    let mut wrong = 0;
    for (number, case) in cases().into_iter().enumerate() {
        let all = requests(dialect, |one| one.name == case.name)
            .into_iter()
            .enumerate();
        let all = all.map(|(way, (case, format, stream))| Struck {
            case,
            format,
            stream,
            marker: format!("plum-{number:03}-{way}"),
        });
        wrong += strike(&simulator, &coretap, dialect, all.collect()).await;
    }
    assert_eq!(wrong, 0, "answers were wrong");
}

/// Two hundred at once: every fault beside every other, with healthy requests between, and then single faults for all of
/// them.
async fn two_hundred(dialect: Dialect) {
    let (simulator, coretap) = start(dialect).await;
    let marked = |round: usize, requests: Vec<(Case, Format, bool)>| -> Vec<Struck> {
        let requests = requests.into_iter().enumerate();
        let struck = |(number, (case, format, stream))| Struck {
            case,
            format,
            stream,
            marker: format!("plum-{round:02}-{number:04}"),
        };
        requests.map(struck).collect()
    };
    let mut mixed = requests(dialect, |case| case.at_two_hundred);
    let healthy = requests(dialect, |case| case.fault.is_none());
    let missing = mixed.len().next_multiple_of(MANY) - mixed.len();
    mixed.extend(healthy.iter().cycle().take(missing).cloned());
    fastrand::Rng::with_seed(7).shuffle(&mut mixed);
    let mut wrong = 0;
    for all in marked(0, mixed).chunks(MANY) {
        wrong += strike(&simulator, &coretap, dialect, all.to_vec()).await;
    }

    let for_all = [
        "429 without a time",
        "503 once",
        "a refused connection",
        "404 in plain text",
        "cut inside an event",
        "an error",
        "garbage",
    ];
    for (round, name) in for_all.into_iter().enumerate() {
        let one = requests(dialect, |case| case.name == name);
        let all: Vec<_> = one.iter().cycle().take(MANY).cloned().collect();
        assert_eq!(all.len(), MANY, "{name}");
        wrong += strike(&simulator, &coretap, dialect, marked(round + 1, all)).await;
    }
    assert_eq!(wrong, 0, "answers were wrong");
}

#[tokio::test]
async fn every_fault_alone_in_orchestration() {
    alone(Dialect::Orchestration).await;
}

#[tokio::test]
async fn every_fault_alone_in_claudes_dialect() {
    alone(Dialect::Claude).await;
}

#[tokio::test]
async fn every_fault_alone_in_azures_dialect() {
    alone(Dialect::Azure).await;
}

#[tokio::test]
async fn every_fault_among_two_hundred_in_orchestration() {
    two_hundred(Dialect::Orchestration).await;
}

#[tokio::test]
async fn every_fault_among_two_hundred_in_claudes_dialect() {
    two_hundred(Dialect::Claude).await;
}

#[tokio::test]
async fn every_fault_among_two_hundred_in_azures_dialect() {
    two_hundred(Dialect::Azure).await;
}

#[test]
fn the_table_has_each_name_once_and_every_kind_of_end() {
    let cases = cases();
    let names: std::collections::HashSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    let of = |kind: fn(&Expected) -> bool| cases.iter().filter(|case| kind(&case.expected)).count();
    assert!(of(|end| matches!(end, Expected::Answered)) > 10);
    assert!(of(|end| matches!(end, Expected::Refused { .. })) > 20);
    assert!(of(|end| matches!(end, Expected::Broken { .. })) > 10);
}
