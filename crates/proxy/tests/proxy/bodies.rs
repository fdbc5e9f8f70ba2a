//! What a request's body may be: how long, how compressed, how slow.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use coretap_proxy::Limits;
use flate2::write::GzEncoder;
use http::Method;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::under_test::{ANSWERS, KEY, UnderTest, quick, small};
use crate::upstream::{Reply, Upstream, whole};
use crate::{error, header};

const MIB: usize = 1024 * 1024;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zstd(body: &[u8]) -> Vec<u8> {
    compress_to_vec(body, CompressionLevel::Fastest)
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let upstream = Upstream::start([]).await;
    let limits = Limits { body: MIB, ..quick() };
    let test = UnderTest::start(upstream.aicore(), limits).await;
    let large = vec![b' '; 8 * MIB];
    for body in [
        reqwest::Body::from(large.clone()),
        // Without a length that is announced.
        reqwest::Body::wrap_stream(futures_util::stream::iter(
            large
                .chunks(100_000)
                .map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)))
                .collect::<Vec<_>>(),
        )),
    ] {
        let response = test.post("/v1/messages", body).send().await.unwrap();
        assert_eq!(response.status(), 413);
        assert!(error(response).await.contains("1 MiB"));
    }
    // It is what the body becomes that counts.
    for (encoding, body) in [("gzip", gzip(&large)), ("zstd", zstd(&large))] {
        assert!(body.len() < MIB / 10);
        let response = test
            .post("/v1/messages", body)
            .header("content-encoding", encoding);
        let response = response.send().await.unwrap();
        assert_eq!(response.status(), 413, "{encoding}");
    }
    // A refusal without a key arrives too, although the body is on its way.
    let response = test
        .request(Method::POST, "/v1/messages")
        .body(large)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 401);
}

#[tokio::test]
async fn compressed_bodies_are_read() {
    let replies = (0..6).map(|_| Reply::Status(200, &[], whole("hello")));
    let upstream = Upstream::start(replies).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let body = small(false).into_bytes();
    for path in ANSWERS {
        for (encoding, packed) in [
            ("gzip", gzip(&body)),
            ("ZSTD", zstd(&body)),
            ("identity", body.clone()),
        ] {
            let request = test.post(path, packed).header("content-encoding", encoding);
            assert_eq!(request.send().await.unwrap().status(), 200, "{path} {encoding}");
        }
    }
    let bodies: Vec<_> = upstream.seen().into_iter().map(|(_, body)| body).collect();
    assert!(bodies[0].to_string().contains("Hi"), "{}", bodies[0]);
    assert!(bodies[..3].iter().all(|one| *one == bodies[0]));
    assert!(bodies[3..].iter().all(|one| *one == bodies[3]));

    let response = test
        .post("/v1/messages/count_tokens", zstd(&body))
        .header("content-encoding", "zstd");
    assert_eq!(response.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_cannot_be_unpacked_is_refused_in_the_agents_format() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let packed = gzip(small(false).as_bytes());
    for path in ANSWERS {
        for (encoding, body, status, code) in [
            ("br", &packed[..], 415, "REQUEST-ENCODING"),
            ("deflate", &packed, 415, "REQUEST-ENCODING"),
            ("gzip, gzip", &packed, 415, "REQUEST-ENCODING"),
            ("gzip", &packed[..packed.len() / 2], 400, "REQUEST-BODY"),
            ("gzip", b"{}", 400, "REQUEST-BODY"),
            ("zstd", &packed, 400, "REQUEST-BODY"),
            ("identity", &packed, 400, "REQUEST-BODY"),
        ] {
            let response = test
                .post(path, body.to_vec())
                .header("content-encoding", encoding);
            let response = response.send().await.unwrap();
            let told = (
                response.status().as_u16(),
                header(&response, "x-coretap-code") == code,
            );
            assert_eq!(told, (status, true), "{path} {encoding}");
            assert!(!error(response).await.is_empty());
        }
        let two = test
            .post(path, packed.clone())
            .header("content-encoding", "gzip")
            .header("content-encoding", "gzip");
        assert_eq!(two.send().await.unwrap().status(), 415);
    }
    assert!(upstream.seen().is_empty());
}

/// A connection that a test writes to by hand.
async fn connected(test: &UnderTest, first: &str) -> TcpStream {
    let mut socket = TcpStream::connect(test.address).await.unwrap();
    socket.write_all(first.as_bytes()).await.unwrap();
    socket
}

fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )
}

async fn rest(mut socket: TcpStream) -> String {
    let mut rest = String::new();
    // A connection may also end with a reset.
    let _ = socket.read_to_string(&mut rest).await;
    rest
}

/// Time passes without anybody waiting for it.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// What the server still writes before it closes the connection, and after how many seconds it does.
async fn given_up(socket: TcpStream) -> (String, u32) {
    let reading = tokio::spawn(rest(socket));
    let mut seconds = 0;
    while !reading.is_finished() {
        pass(Duration::from_secs(1)).await;
        seconds += 1;
        assert!(seconds < 100_000, "the connection is still open");
    }
    (reading.await.unwrap(), seconds)
}

#[tokio::test]
async fn a_body_that_stops_is_given_up_and_a_slow_one_is_not() {
    let replies = ANSWERS.map(|_| Reply::Status(200, &[], whole("hello")));
    let upstream = Upstream::start(replies).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let body = small(false);
    for path in ANSWERS {
        let socket = connected(&test, &(head(path, body.len()) + "{\"model\"")).await;
        let (answer, seconds) = given_up(socket).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(
            answer.contains("connection: close") && answer.contains("REQUEST-TIMEOUT"),
            "{answer}"
        );
        let json: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert!(json["error"]["message"].is_string(), "{json}");
        assert_eq!(json["type"] == "error", path == "/v1/messages", "{json}");
        assert!(seconds >= 30, "{seconds}");

        let mut socket = connected(&test, &head(path, body.len())).await;
        for piece in body.as_bytes().chunks(20) {
            pass(Duration::from_secs(14)).await;
            socket.write_all(piece).await.unwrap();
        }
        let answer = rest(socket).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn a_head_has_half_a_minute_and_a_connection_all_the_time() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let health = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n";
    // Nothing was ever sent on this one,
    let mut silent = connected(&test, "").await;
    // and this one sends one request after the other, each in two pieces.
    let mut reused = connected(&test, "").await;
    for _ in 0..3 {
        pass(Duration::from_secs(3600)).await;
        reused.write_all(health.as_bytes()).await.unwrap();
        pass(Duration::from_secs(20)).await;
        reused.write_all(b"\r\n").await.unwrap();
        let mut answer = [0; 4096];
        let length = reused.read(&mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200 "));
    }
    reused.write_all(health.as_bytes()).await.unwrap();
    let (answer, seconds) = given_up(reused).await;
    assert_eq!((answer.as_str(), seconds >= 30), ("", true), "{seconds}");
    let (answer, seconds) = given_up(connected(&test, health).await).await;
    assert_eq!((answer.as_str(), seconds >= 30), ("", true), "{seconds}");
    silent
        .write_all((health.to_owned() + "Connection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    assert!(rest(silent).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn whoever_waits_for_no_answer_does_not_hold_up_the_end() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let mut used = connected(&test, "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
    assert!(used.read(&mut [0; 4096]).await.unwrap() > 0);
    used.write_all(b"POST /v1/mess").await.unwrap();
    let waiting = [
        used,
        connected(&test, "").await,
        connected(&test, "GET /health HTTP/1.1\r\nHost").await,
    ];
    // Whoever is answered came later than those before it, so the server has read them.
    let last = connected(
        &test,
        "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(rest(last).await.starts_with("HTTP/1.1 200 "));
    let began = std::time::Instant::now();
    test.proxy.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    for socket in waiting {
        assert_eq!(rest(socket).await, "");
    }
}

/// The paths that take a body, and a member that only the errors of their format have.
const TAKING: [(&str, &str); 6] = [
    ("/v1/messages", "/request_id"),
    ("/v1/messages/count_tokens", "/request_id"),
    ("/v1/chat/completions", "/error/param"),
    ("/v1/responses", "/error/param"),
    ("/v1/embeddings", "/error/param"),
    (
        "/v1beta/models/claude-sonnet-4-5:generateContent",
        "/error/status",
    ),
];

#[tokio::test]
async fn what_is_no_request_is_refused_in_the_format_of_its_path() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    for (path, own) in TAKING {
        for (kind, body) in [
            ("application/json", &b""[..]),
            ("application/json", b"{"),
            ("application/json", b"[]"),
            ("application/json", b"\xff\xfe{\x00}"),
            ("application/json", b"{\"contents\":[],\"messages\":[]} and more"),
            ("multipart/form-data; boundary=x", b"--x\r\n\r\nHi\r\n--x--\r\n"),
            ("application/x-www-form-urlencoded", b"model=claude-sonnet-4-5"),
            ("text/html", b"<p>Hi</p>"),
        ] {
            let request = test.post(path, body).header("content-type", kind);
            let response = request.send().await.unwrap();
            let context = format!("{path} {:?}", String::from_utf8_lossy(body));
            assert_eq!(response.status(), 400, "{context}");
            assert_eq!(header(&response, "x-coretap-code"), "REQUEST-BODY", "{context}");
            assert_eq!(header(&response, "content-type"), "application/json");
            let told: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
            assert!(told.pointer(own).is_some(), "{context}: {told}");
        }
        let nested = "[".repeat(100_000);
        let response = test.post(path, nested).send().await.unwrap();
        assert_eq!(response.status(), 400, "{path}");
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn the_type_of_a_body_may_be_any() {
    let replies = (0..3).map(|_| Reply::Status(200, &[], whole("hello")));
    let upstream = Upstream::start(replies).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    for kind in ["text/plain", "application/json; charset=utf-8", ""] {
        let request = test
            .post("/v1/messages", small(false))
            .header("content-type", kind);
        assert_eq!(request.send().await.unwrap().status(), 200, "{kind:?}");
    }
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_to_go_on_is_told() {
    let upstream = Upstream::start([Reply::Status(200, &[], whole("hello"))]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let body = small(false);
    let head = head("/v1/messages", body.len());
    let head = head.replace("Connection: close", "Connection: close\r\nExpect: 100-continue");
    let mut socket = connected(&test, &head).await;
    let mut answer = [0; 25];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(body.as_bytes()).await.unwrap();
    assert!(rest(socket).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_body_in_pieces_that_breaks_off_is_no_request() {
    let upstream = Upstream::start([]).await;
    let mut test = UnderTest::start(upstream.aicore(), quick()).await;
    let pieces = head("/v1/messages", 0).replace("Content-Length: 0", "Transfer-Encoding: chunked");
    // The client leaves in the middle of a piece, ends without the last piece, or says no length.
    for (broken, answers) in [
        ("20\r\n{\"mod", false),
        ("2\r\n{}\r\n", false),
        ("zz\r\n{}\r\n", true),
    ] {
        let mut socket = connected(&test, &(pieces.clone() + broken)).await;
        socket.shutdown().await.unwrap();
        let answer = rest(socket).await;
        assert!(
            answer.is_empty() || !answer.starts_with("HTTP/1.1 2"),
            "{broken:?}: {answer}"
        );
        assert!(!answers || answer.contains("REQUEST-"), "{broken:?}: {answer}");
        let exchange = test.exchange().await;
        assert_eq!(exchange.code, Some("REQUEST-CLIENT-LEFT"), "{broken:?}");
    }
    assert!(upstream.seen().is_empty());
}
