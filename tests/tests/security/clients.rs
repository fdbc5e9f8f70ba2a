//! Clients that stall, or come in thousands.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use coretap_tests::folders::{report, skipped};
use coretap_tests::formats::Format;
use coretap_tests::process::{KEY, binary, in_time};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{ask, demo, memory, raw};

#[tokio::test]
async fn clients_that_stall_are_given_up() {
    let (_simulator, coretap) = demo().await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n";
    let body = format!("{head}x-api-key: {KEY}\r\nContent-Length: 100\r\n\r\n{{\"model\"");
    let began = Instant::now();
    let (half_a_head, half_a_body) = tokio::join!(raw(coretap.address, head), raw(coretap.address, &body));
    assert_eq!(half_a_head, "");
    assert!(
        half_a_body.starts_with("HTTP/1.1 408 ") && half_a_body.contains("REQUEST-TIMEOUT"),
        "{half_a_body}"
    );
    let seconds = began.elapsed().as_secs();
    assert!((30..50).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn two_thousand_idle_connections_are_nobodys_problem() {
    const MANY: u64 = 2000;
    if rlimit::increase_nofile_limit(3 * MANY).unwrap() < 2 * MANY {
        return skipped("2,000 idle connections", "this test may not open so many itself");
    }
    let (_simulator, coretap) = demo().await;
    assert_eq!(ask(&coretap, Format::Messages).await.status, 200);
    let before = memory(coretap.pid(), "smaps_rollup", "Pss:");
    let mut idle = Vec::new();
    for number in 0..MANY {
        let mut socket = TcpStream::connect(coretap.address).await.unwrap();
        // Every second one has asked something.
        if number % 2 == 0 {
            socket
                .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .await
                .unwrap();
            let mut answer = [0; 1024];
            in_time("an answer", socket.read(&mut answer)).await.unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 200 "));
        }
        idle.push(socket);
    }
    let began = Instant::now();
    assert_eq!(ask(&coretap, Format::Messages).await.status, 200);
    let beside = began.elapsed();
    assert!(beside < Duration::from_secs(5), "{beside:?}");
    match (before, memory(coretap.pid(), "smaps_rollup", "Pss:")) {
        (Some(before), Some(after)) => {
            let each = (after - before) * 1024 / MANY;
            report(&format!(
                "{MANY} idle connections cost {each} bytes of memory each; a request beside them took {beside:?}"
            ));
            assert!(each < 24 * 1024, "{each} bytes");
        }
        _ => skipped("memory of idle connections", "no /proc here"),
    }
    let began = Instant::now();
    assert_eq!(coretap.stop("TERM").await.code, 0);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
#[cfg(target_os = "linux")]
fn a_low_limit_of_open_files_is_raised() {
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -Sn 64; exec \"$0\" serve --demo --port 0"])
        .arg(binary())
        .env("CORETAP_HOME", home.path())
        .env("CORETAP_API_KEY", KEY)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.starts_with("listening on "), "{line}");
    let files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let mut limits = files.unwrap().split_whitespace();
    let mut next = || limits.next().unwrap().parse::<u64>().unwrap();
    let (soft, hard) = (next(), next());
    assert_eq!(soft, hard.min(65_536));
}
