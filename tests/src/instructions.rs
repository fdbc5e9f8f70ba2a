//! How many user-space instructions Coretap takes, counted by callgrind: the same on any machine.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::folders::{installed, skipped};
use crate::process::{KEY, binary, in_time, signal};

/// What callgrind and the kit's load generator need.
pub struct Counter {
    /// The kit's programs.
    pub programs: PathBuf,
    folder: tempfile::TempDir,
    /// What Coretap finds in its environment.
    pub environment: Vec<(&'static str, String)>,
}

/// What is asked again and again.
pub struct Asked<'a> {
    /// The path, with its query.
    pub path: &'a str,
    /// The body's file.
    pub body: &'a Path,
    /// What stands before each piece of text in a stream; nothing for whole answers.
    pub needle: Option<&'a str>,
}

impl Counter {
    /// Nothing, after a visible line, where valgrind or the kit is missing.
    pub async fn new(environment: Vec<(&'static str, String)>) -> Option<Self> {
        let programs = installed("instruction gate", "bench/target/release")?;
        if Command::new("valgrind").arg("--version").output().await.is_err() {
            skipped(
                "instruction gate",
                "valgrind is missing; apt-get install valgrind",
            );
            return None;
        }
        Some(Self {
            programs,
            folder: tempfile::tempdir().unwrap(),
            environment,
        })
    }

    /// A folder that lasts as long as this.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All instructions of a Coretap that answers `count` requests, its start and its end included.
    async fn instructions(&self, asked: &Asked<'_>, count: u64) -> u64 {
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
            .env("CORETAP_API_KEY", KEY)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
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
            .arg(format!("{address}{}", asked.path))
            .arg("--body")
            .arg(asked.body);
        load.args(["-c", "1", "-d", "50", "--warm", "0", "--timeout", "50", "-n"])
            .arg(count.to_string());
        load.args(["-H", "anthropic-version: 2023-06-01", "-H"])
            .arg(format!("authorization: Bearer {KEY}"));
        if let Some(needle) = asked.needle {
            load.args(["--stream", "--needle", needle]);
        }
        let load = in_time("the load's end", load.output()).await.unwrap();
        let report: serde_json::Value = serde_json::from_slice(&load.stdout).unwrap();
        assert_eq!(
            (report["ok"].as_u64(), report["errs"].as_u64()),
            (Some(count), Some(0)),
            "{report}"
        );
        assert!(
            asked.needle.is_none() || report["events"].as_u64() > Some(0),
            "no text came: {report}"
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
    pub async fn per_request(&self, asked: &Asked<'_>, runs: [u64; 2]) -> u64 {
        let few = self.instructions(asked, runs[0]).await;
        let many = self.instructions(asked, runs[1]).await;
        (many - few) / (runs[1] - runs[0])
    }
}
