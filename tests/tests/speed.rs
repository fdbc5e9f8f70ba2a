//! What Coretap costs: user-space instructions under callgrind, which are the same on any machine, and idle memory.
//! The limits are one-sided: to be faster is never a failure. How they are measured stands in docs/performance.md.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use coretap_tests::folders::{report, shared, skipped};
use coretap_tests::http::{empty, send};
use coretap_tests::instructions::{Asked, Counter};
use coretap_tests::process::{Coretap, KEY, in_time};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// What a Messages request becomes on its way.
#[derive(Clone, Copy)]
enum Way {
    /// Orchestration's request: everything is written anew.
    Translating,
    /// A Claude deployment's request: nearly everything is copied.
    SameFormat,
}

use Way::{SameFormat, Translating};

/// Instructions of a small request.
const SMALL_REQUEST: u64 = 90_000;
/// Instructions of a delta that arrives by itself.
const fn lone_delta(way: Way) -> u64 {
    match way {
        Translating => 14_000,
        SameFormat => 10_000,
    }
}
/// Instructions of a conversation of 1 MB.
const fn megabyte(way: Way) -> u64 {
    match way {
        Translating => 14_000_000,
        SameFormat => 10_000_000,
    }
}
/// What aicore-router 0.7.8 takes for the same three, from Messages to a Claude deployment (the kit's README.md).
const ROUTER: [u64; 3] = [281_931, 28_000, 31_900_000];
/// Mebibytes of proportional memory while nothing is asked.
const IDLE_MEMORY: f64 = 12.0;

/// The benchmark kit: its mock of SAP AI Core, its load generator, its request bodies.
struct Kit {
    counter: Counter,
    bodies: PathBuf,
    mock: Child,
    mock_address: SocketAddr,
}

impl Kit {
    async fn start(way: Way) -> Option<Self> {
        let mut counter = Counter::new(Vec::new()).await?;
        let bodies = shared("instruction gate", "bench/bodies")?;
        // The mock takes a port and no "any": ask the system for a free one.
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let mut mock = Command::new(counter.programs.join("mock"))
            .args(["--port", &free.port().to_string()])
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(mock.stderr.take().unwrap()).lines();
        in_time("the mock's start", lines.next_line())
            .await
            .unwrap()
            .unwrap();
        // It says what it does not know, and ends where nobody listens.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        counter.environment = environment(free, way);
        Some(Self {
            counter,
            bodies,
            mock,
            mock_address: free,
        })
    }

    async fn set(&self, settings: &str) {
        let answer = send(
            self.mock_address,
            empty("GET", &format!("/__mock/set?{settings}")),
        )
        .await;
        assert_eq!(answer.status, 200);
    }

    /// A request body as a file; the large ones are packed.
    async fn body(&self, name: &str) -> PathBuf {
        let packed = self.bodies.join(format!("{name}.json.gz"));
        if !packed.exists() {
            return self.bodies.join(format!("{name}.json"));
        }
        let unpacked = self.counter.folder().join(format!("{name}.json"));
        let output = Command::new("gzip")
            .arg("-dc")
            .arg(packed)
            .output()
            .await
            .unwrap();
        std::fs::write(&unpacked, output.stdout).unwrap();
        unpacked
    }

    /// The instructions of one request.
    async fn per_request(&self, body: &str, stream: bool, runs: [u64; 2]) -> u64 {
        let body = self.body(body).await;
        let asked = Asked {
            path: "/v1/messages",
            body: &body,
            needle: stream.then_some(r#""text_delta","text":""#),
        };
        self.counter.per_request(&asked, runs).await
    }
}

/// Where the mock is, for Coretap.
fn environment(mock: SocketAddr, way: Way) -> Vec<(&'static str, String)> {
    let mock = format!("http://{mock}");
    let key = format!(
        r#"{{"clientid":"id","clientsecret":"s","url":"{mock}","serviceurls":{{"AI_API_URL":"{mock}"}}}}"#
    );
    vec![
        ("AICORE_SERVICE_KEY", key),
        ("CORETAP_ORCHESTRATION", matches!(way, Translating).to_string()),
        ("CORETAP_MODEL", "anthropic--claude-4.5-sonnet".to_owned()),
        ("CORETAP_API_KEY", KEY.to_owned()),
    ]
}

impl Drop for Kit {
    fn drop(&mut self) {
        let _ = self.mock.start_kill();
    }
}

fn within(what: &str, way: Way, measured: u64, limit: u64, router: u64) {
    let way = match way {
        Translating => "translating",
        SameFormat => "same format",
    };
    report(&format!(
        "measured {what}, {way}: {measured} instructions, at most {limit} (aicore-router, same format: {router})"
    ));
    assert!(
        measured <= limit,
        "{what}, {way}: {measured} instructions, {limit} are allowed"
    );
}

async fn a_small_request(way: Way) {
    let Some(kit) = Kit::start(way).await else { return };
    let measured = kit.per_request("messages_claude", false, [50, 550]).await;
    within("a small request", way, measured, SMALL_REQUEST, ROUTER[0]);
}

#[tokio::test]
async fn a_small_request_translating() {
    a_small_request(Translating).await;
}

#[tokio::test]
async fn a_small_request_in_the_same_format() {
    a_small_request(SameFormat).await;
}

/// What a hundred more deltas add to a stream, when each comes alone.
async fn a_lone_delta(way: Way) {
    let Some(kit) = Kit::start(way).await else { return };
    kit.set("flush=each&delay_us=5000&chunks=101").await;
    let long = kit.per_request("messages_claude_stream", true, [2, 7]).await;
    kit.set("flush=each&delay_us=5000&chunks=1").await;
    let short = kit.per_request("messages_claude_stream", true, [2, 7]).await;
    let measured = (long - short) / 100;
    within("a lone delta", way, measured, lone_delta(way), ROUTER[1]);
}

#[tokio::test]
async fn a_lone_delta_translating() {
    a_lone_delta(Translating).await;
}

#[tokio::test]
async fn a_lone_delta_in_the_same_format() {
    a_lone_delta(SameFormat).await;
}

async fn a_conversation_of_a_megabyte(way: Way) {
    let Some(kit) = Kit::start(way).await else { return };
    let measured = kit.per_request("messages_claude_1mb", false, [2, 12]).await;
    within("a conversation of 1 MB", way, measured, megabyte(way), ROUTER[2]);
}

#[tokio::test]
async fn a_conversation_of_a_megabyte_translating() {
    a_conversation_of_a_megabyte(Translating).await;
}

#[tokio::test]
async fn a_conversation_of_a_megabyte_in_the_same_format() {
    a_conversation_of_a_megabyte(SameFormat).await;
}

/// Proportional memory once it has answered, and has nothing more to do. Nothing else runs from the same binary here,
/// as the simulator would: shared pages would be counted only in part.
#[tokio::test]
async fn idle_memory() {
    if !Path::new("/proc/self/smaps_rollup").exists() {
        return skipped("idle memory", "this system has no /proc/PID/smaps_rollup");
    }
    let Some(kit) = Kit::start(Translating).await else {
        return;
    };
    let environment: Vec<_> = kit
        .counter
        .environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let coretap = Coretap::serve(&["--port", "0"], &environment).await;
    let body = serde_json::from_slice(&std::fs::read(kit.body("messages_claude").await).unwrap()).unwrap();
    for _ in 0..10 {
        assert_eq!(coretap.post("/v1/messages", &body).await.status, 200);
    }
    let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", coretap.pid())).unwrap();
    let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    let kibibytes: f64 = pss.trim().trim_end_matches(" kB").parse().unwrap();
    let mebibytes = kibibytes / 1024.0;
    report(&format!(
        "measured idle memory: {mebibytes:.1} MiB, at most {IDLE_MEMORY}"
    ));
    assert!(mebibytes <= IDLE_MEMORY, "{mebibytes:.1} MiB");
}
