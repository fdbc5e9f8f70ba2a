//! Names that inject, bodies that explode, requests hidden in requests.

use std::io::Write as _;

use coretap_tests::folders::{report, skipped};
use coretap_tests::formats::Format;
use coretap_tests::http::{empty, send};
use coretap_tests::process::{Coretap, KEY, Mode, Simulator};
use flate2::write::GzEncoder;
use http::Request;
use http_body_util::Full;

use crate::{MODEL, ask, demo, memory, raw, refused};

/// A model's name comes back in answers, headers and the log.
#[tokio::test]
async fn names_of_models_inject_nothing() {
    let simulator = Simulator::start().await;
    for selected in [&[][..], &[("CORETAP_MODEL", MODEL)]] {
        let coretap = Coretap::start(&simulator, Mode::Orchestration, selected).await;
        for name in [
            "x\r\nx-evil: 1\r\n\r\n<html>",
            "x\nINFO forged log line",
            "x\u{1b}[2J\u{7}\u{0}",
            "x\u{2028}\u{202e}\u{85}forged",
            "../../v2/admin/secrets?x=1#y",
            "%0d%0ax-evil:%201",
            "{{?evil}} ${jndi:ldap://127.0.0.1}",
            "schlüssel-模型-🙂",
            &"long".repeat(2560),
        ] {
            for format in Format::ALL {
                let answer = coretap
                    .post(&format.path(name, false), &format.ask(name, "Hi", false))
                    .await;
                let expected = if selected.is_empty() { 404 } else { 200 };
                assert_eq!(answer.status, expected, "{name:?}: {answer:?}");
                assert!(answer.complete && answer.json().is_object(), "{name:?}");
                assert_eq!(answer.header("x-evil"), "", "{name:?}: {answer:?}");
                assert!(answer.body.len() < 8000 + 2 * name.len(), "{name:?}");
            }
        }
        let path = "/v1/models/x%0d%0ax-evil:%201%0aINFO%20forged";
        assert_eq!(coretap.send(empty("GET", path)).await.header("x-evil"), "");
        let log = coretap.stop("TERM").await.stderr;
        assert!(log.contains("model="), "{log}");
        for line in log.lines() {
            let is_forged = line.contains('\u{1b}') || line.trim_start().starts_with("INFO forged");
            assert!(!is_forged && line.len() < 2000, "{line:?}");
        }
    }
    for seen in simulator.requests().await {
        let is_ours = !seen.path.contains("secrets") && !seen.path.contains("evil");
        assert!(is_ours, "{}", seen.path);
    }
}

/// A gigabyte of blanks, in a megabyte of gzip and in 32 KB of zstd (RFC 8878 §3.1.1: blocks of one repeated byte).
fn bombs() -> [(&'static str, Vec<u8>); 2] {
    let mut part = GzEncoder::new(Vec::new(), flate2::Compression::best());
    let blanks = vec![b' '; 1024 * 1024];
    for _ in 0..16 {
        part.write_all(&blanks).unwrap();
    }
    let gzip = part.finish().unwrap().repeat(64);
    let mut zstd = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    for _ in 0..8192 {
        zstd.extend_from_slice(&[0x02, 0x00, 0x10, b' ']);
    }
    [("gzip", gzip), ("zstd", zstd)]
}

#[tokio::test]
async fn a_bomb_is_refused_and_never_held() {
    let (simulator, coretap) = demo().await;
    for (encoding, bomb) in bombs() {
        assert!(bomb.len() < 1_200_000, "{}", bomb.len());
        for format in Format::ALL {
            let request = Request::post(format.path(MODEL, false))
                .header("content-encoding", encoding)
                .body(Full::from(bomb.clone()))
                .unwrap();
            let without_key = send(coretap.address, request.clone()).await;
            assert_eq!(without_key.status, 401, "{encoding}");
            let answer = coretap.send(request).await;
            refused(&answer, 413, format == Format::Messages, encoding);
        }
    }
    for encoding in ["gzip, gzip", "br", "zstd, gzip", "gzip,identity"] {
        let request = Request::post("/v1/messages").header("content-encoding", encoding);
        let answer = coretap.send(request.body(Full::from("{}")).unwrap()).await;
        let told = answer.header("x-coretap-code");
        assert_eq!(told, "REQUEST-ENCODING", "{encoding}");
    }
    match memory(coretap.pid(), "status", "VmHWM:") {
        Some(most) => {
            let most = most / 1024;
            report(&format!(
                "while unpacking a bomb of 1 GiB the command held {most} MiB at most"
            ));
            assert!(most < 110, "{most} MiB; the limit of a body is 64 MiB");
        }
        None => skipped("memory at a bomb", "no /proc here"),
    }
    assert_eq!(ask(&coretap, Format::Chat).await.status, 200);
    simulator.refused_nothing().await;
}

/// One request for one server, two for another: what stands behind the first must not be taken for a second.
#[tokio::test]
async fn no_request_is_smuggled_in_another_ones_body() {
    let (_simulator, coretap) = demo().await;
    let start = format!("POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEY}\r\n");
    let hidden = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for framing in [
        "Content-Length: 0\r\nContent-Length: 7\r\n",
        "Content-Length: 0, 7\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length:\r\n",
        "Content-Length : 5\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding:\u{b}chunked\r\n",
        "Transfer-Encoding: chunked\r\n X-Folded: yes\r\n",
    ] {
        let answer = raw(coretap.address, &format!("{start}{framing}\r\n0\r\n\r\n{hidden}")).await;
        let answers = answer.matches("HTTP/1.1 ").count();
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answers == 1,
            "{framing:?} was answered {answers} times: {answer}"
        );
    }
    // Chunks that lie about their length.
    for chunks in [
        "5\r\nhello0\r\n\r\n",
        "-1\r\n\r\n",
        "ffffffffffffffffff\r\nx",
        "5;\nx\r\n",
    ] {
        let framing = "Transfer-Encoding: chunked\r\n";
        let answer = raw(coretap.address, &format!("{start}{framing}\r\n{chunks}{hidden}")).await;
        assert!(!answer.contains(r#""status":"ok""#), "{chunks:?}: {answer}");
    }
    // Two honest requests one behind the other are two.
    let first = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = raw(coretap.address, &format!("{first}{hidden}")).await;
    assert_eq!(answer.matches(r#""status":"ok""#).count(), 2, "{answer}");
}
