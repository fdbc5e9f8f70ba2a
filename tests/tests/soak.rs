//! Ten thousand requests in each mode while the token expires again and again: every one is answered, and memory,
//! descriptors and threads do not grow.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use std::path::Path;
use std::sync::Arc;

use coretap_tests::checks::{check, question};
use coretap_tests::faults::Expected;
use coretap_tests::folders::{report, skipped};
use coretap_tests::formats::Format;
use coretap_tests::process::{Coretap, Mode, Simulator, in_time};
use serde_json::json;
use tokio::task::JoinSet;

const REQUESTS: usize = 10_000;
/// How often the token expires.
const CYCLES: usize = 25;
/// How many requests are under way at once.
const AT_ONCE: usize = 8;
/// Mebibytes by which proportional memory may differ between the end of the second thousand and that of the last.
const GROWTH: f64 = 3.0;

/// What a process holds.
struct Held {
    mebibytes: f64,
    descriptors: usize,
    threads: u32,
}

impl Held {
    fn by(process: u32) -> Self {
        let number = |file: &str, name: &str| -> u32 {
            let text = std::fs::read_to_string(format!("/proc/{process}/{file}")).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        Self {
            mebibytes: f64::from(number("smaps_rollup", "Pss:")) / 1024.0,
            descriptors: std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
            threads: number("status", "Threads:"),
        }
    }
}

/// Each request has words of its own; the mix goes through formats, kinds of answer and models.
async fn ask(coretap: &Coretap, mode: Mode, number: usize, marker: String) {
    let (format, stream) = (Format::ALL[number % Format::ALL.len()], number % 8 > 3);
    let model = if number % 16 > 7 {
        "gpt-4o"
    } else {
        "anthropic--claude-4.5-sonnet"
    };
    let body = format.ask(model, &question(&marker), stream);
    let answer = coretap.post(&format.path(model, stream), &body).await;
    let context = format!("{mode:?}, {format:?}, stream {stream}, {model}, {marker}");
    check(&Expected::Answered, format, stream, &marker, &answer, &context);
}

/// A Coretap that has answered all of it, and still runs.
struct Soaked {
    mode: Mode,
    simulator: Simulator,
    coretap: Arc<Coretap>,
    early: Held,
}

async fn soak(mode: Mode) -> Soaked {
    let simulator = Simulator::start().await;
    simulator.settings(&json!({"token_lifetime_s": 1})).await;
    // What is asked between two loads, until the token is another one, must not be a load itself.
    simulator
        .faults(
            &json!([{"route": "inference", "fault": "slow_first_byte", "delay_ms": 40, "marker": "plum-pace",
            "times": 1_000_000}]),
        )
        .await;
    let coretap = Arc::new(Coretap::start(&simulator, mode, &[]).await);
    let mut early = None;
    let mut asked = 0;
    for cycle in 0..CYCLES {
        let mut load = JoinSet::new();
        for worker in 0..AT_ONCE {
            let coretap = Arc::clone(&coretap);
            let from = asked + worker;
            load.spawn(async move {
                for number in (from..asked + REQUESTS / CYCLES).step_by(AT_ONCE) {
                    ask(&coretap, mode, number, format!("plum-{number:05}")).await;
                }
            });
        }
        in_time("the load's end", load.join_all()).await;
        asked += REQUESTS / CYCLES;
        if asked == 2_000 {
            early = Some(Held::by(coretap.pid()));
        }
        while simulator.count("token").await < 2 + cycle as u64 {
            ask(&coretap, mode, asked, "plum-pace".to_owned()).await;
        }
    }
    assert_eq!(asked, REQUESTS);
    Soaked {
        mode,
        simulator,
        coretap,
        early: early.unwrap(),
    }
}

impl Soaked {
    /// Compares what is held now with what was held after the second thousand, and asks once more.
    async fn check(&self) {
        let (mode, early, late) = (self.mode, &self.early, Held::by(self.coretap.pid()));
        report(&format!(
            "measured soak in {mode:?}: {:.1} MiB after {REQUESTS} requests and {CYCLES} tokens, {:.1} MiB after 2,000, at most {GROWTH} less",
            late.mebibytes, early.mebibytes
        ));
        assert!(
            late.mebibytes <= early.mebibytes + GROWTH,
            "{mode:?}: {:.1} MiB became {:.1} MiB",
            early.mebibytes,
            late.mebibytes
        );
        // Idle connections to the upstream come and go with the load.
        assert!(
            late.descriptors <= early.descriptors + AT_ONCE,
            "{mode:?}: {} descriptors became {}",
            early.descriptors,
            late.descriptors
        );
        assert!(
            late.threads <= early.threads,
            "{mode:?}: {} threads became {}",
            early.threads,
            late.threads
        );
        self.simulator.faults(&json!([])).await;
        ask(&self.coretap, mode, 0, "plum-last".to_owned()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_leave_nothing_behind() {
    if !Path::new("/proc/self/smaps_rollup").exists() {
        return skipped("soak", "this system has no /proc/PID/smaps_rollup");
    }
    // Both run until both are measured: what processes of one binary share is counted in parts.
    let (orchestration, foundation) = tokio::join!(soak(Mode::Orchestration), soak(Mode::Foundation));
    orchestration.check().await;
    foundation.check().await;
}
