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

use coretap_tests::folders::{installed, report, shared, skipped};
use coretap_tests::http::{empty, send};
use coretap_tests::process::{Coretap, KEY, binary, in_time, signal};
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
    programs: PathBuf,
    bodies: PathBuf,
    mock: Child,
    mock_address: SocketAddr,
    folder: tempfile::TempDir,
    way: Way,
}

impl Kit {
    async fn start(way: Way) -> Option<Self> {
        let programs = installed("instruction gate", "bench/target/release")?;
        let bodies = shared("instruction gate", "bench/bodies")?;
        if Command::new("valgrind").arg("--version").output().await.is_err() {
            skipped(
                "instruction gate",
                "valgrind is missing; apt-get install valgrind",
            );
            return None;
        }
        // The mock takes a port and no "any": ask the system for a free one.
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let mut mock = Command::new(programs.join("mock"))
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
        let folder = tempfile::tempdir().unwrap();
        Some(Self {
            programs,
            bodies,
            mock,
            mock_address: free,
            folder,
            way,
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

    fn environment(&self) -> Vec<(&'static str, String)> {
        let mock = format!("http://{}", self.mock_address);
        let key = format!(
            r#"{{"clientid":"id","clientsecret":"s","url":"{mock}","serviceurls":{{"AI_API_URL":"{mock}"}}}}"#
        );
        vec![
            ("AICORE_SERVICE_KEY", key),
            (
                "CORETAP_ORCHESTRATION",
                matches!(self.way, Translating).to_string(),
            ),
            ("CORETAP_MODEL", "anthropic--claude-4.5-sonnet".to_owned()),
            ("CORETAP_API_KEY", KEY.to_owned()),
        ]
    }

    /// A request body as a file; the large ones are packed.
    async fn body(&self, name: &str) -> PathBuf {
        let packed = self.bodies.join(format!("{name}.json.gz"));
        if !packed.exists() {
            return self.bodies.join(format!("{name}.json"));
        }
        let unpacked = self.folder.path().join(format!("{name}.json"));
        let output = Command::new("gzip")
            .arg("-dc")
            .arg(packed)
            .output()
            .await
            .unwrap();
        std::fs::write(&unpacked, output.stdout).unwrap();
        unpacked
    }

    /// All instructions of a Coretap that answers `count` requests, its start and its end included.
    async fn instructions(&self, body: &Path, stream: bool, count: u64) -> u64 {
        // A file, because a pipe that nobody reads would fill with log lines and stop the one who writes them.
        let log = self.folder.path().join("valgrind.log");
        let mut valgrind = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(binary())
            .args(["serve", "--port", "0"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path())
            .env("CORETAP_HOME", self.folder.path())
            .envs(self.environment())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(valgrind.stdout.take().unwrap()).lines();
        let line = in_time("Coretap's start under valgrind", stdout.next_line())
            .await
            .unwrap()
            .unwrap_or_default();
        let address = line
            .strip_prefix("listening on ")
            .unwrap_or_else(|| panic!("not where it listens: {line:?}"));
        let mut load = Command::new(self.programs.join("lg"));
        load.arg("--url")
            .arg(format!("{address}/v1/messages"))
            .arg("--body")
            .arg(body);
        load.args(["-c", "1", "-d", "50", "--warm", "0", "--timeout", "50", "-n"])
            .arg(count.to_string());
        load.args(["-H", "anthropic-version: 2023-06-01", "-H"])
            .arg(format!("authorization: Bearer {KEY}"));
        if stream {
            load.args(["--stream", "--needle", r#""text_delta","text":""#]);
        }
        let load = in_time("the load's end", load.output()).await.unwrap();
        let report: serde_json::Value = serde_json::from_slice(&load.stdout).unwrap();
        assert_eq!(
            (report["ok"].as_u64(), report["errs"].as_u64()),
            (Some(count), Some(0)),
            "{report}"
        );
        signal(valgrind.id().unwrap(), "TERM").await;
        let status = in_time("valgrind's end", valgrind.wait()).await.unwrap();
        let log = std::fs::read_to_string(log).unwrap();
        assert!(status.success(), "{log}");
        let collected = log
            .lines()
            .find_map(|line| line.split_once("Collected : "))
            .unwrap_or_else(|| panic!("{log}"))
            .1;
        collected.trim().parse().unwrap()
    }

    /// The instructions of one request: the difference of two runs takes the start, the token and the lists away.
    async fn per_request(&self, body: &str, stream: bool, runs: [u64; 2]) -> u64 {
        let body = self.body(body).await;
        let few = self.instructions(&body, stream, runs[0]).await;
        let many = self.instructions(&body, stream, runs[1]).await;
        (many - few) / (runs[1] - runs[0])
    }
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
    let environment = kit.environment();
    let environment: Vec<_> = environment
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
