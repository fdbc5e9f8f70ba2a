//! What agents see of the proxy, with a scripted SAP AI Core behind it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

mod upstream;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use coretap_proxy::{Limits, RunState, StartError};
use http::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use upstream::{
    ANSWERS, KEY, MODEL, Reply, UnderTest, Upstream, aicore, failure, hello, live, opening, quick,
    read_to_end, read_until, refusal, small, stop, text, whole,
};

fn header(response: &reqwest::Response, name: &str) -> String {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap().to_owned())
        .unwrap_or_default()
}

async fn error(response: reqwest::Response) -> String {
    let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    body["error"]["message"]
        .as_str()
        .unwrap_or_else(|| panic!("{body}"))
        .to_owned()
}

/// Whether a stream in the format of `path` says its regular end.
fn ends(path: &str, text: &str) -> bool {
    text.contains(if path == "/v1/messages" {
        "message_stop"
    } else {
        "[DONE]"
    })
}

#[tokio::test]
async fn answers_come_whole_and_as_streams_with_their_headers() {
    for path in ANSWERS {
        let replies = [
            Reply::Status(200, &[("x-request-id", "upstream-4711")], whole("hello")),
            hello(),
        ];
        let upstream = Upstream::start(replies).await;
        let mut test = UnderTest::start(upstream.aicore(), quick()).await;

        let response = test.ask(path, false).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-type"), "application/json");
        assert_eq!(header(&response, "x-coretap-model"), MODEL);
        assert_eq!(header(&response, "x-upstream-request-id"), "upstream-4711");
        let id = header(
            &response,
            if path == "/v1/messages" {
                "request-id"
            } else {
                "x-request-id"
            },
        );
        assert!(response.text().await.unwrap().contains("hello"));
        let exchange = test.exchange().await;
        assert_eq!((exchange.id, exchange.status, exchange.code), (id, 200, None));
        assert_eq!(
            (exchange.usage.total_input(), exchange.usage.output),
            (7, Some(3))
        );

        let response = test.ask(path, true).await;
        assert_eq!(
            header(&response, "content-type"),
            "text/event-stream; charset=utf-8"
        );
        assert_eq!(header(&response, "cache-control"), "no-cache");
        let streamed = read_to_end(response).await.unwrap();
        assert!(streamed.contains("hello") && ends(path, &streamed), "{streamed}");
        let exchange = test.exchange().await;
        assert_eq!(
            (exchange.path.as_ref(), exchange.code, exchange.stream),
            (path, None, true)
        );
        assert_eq!(exchange.asked_model.as_deref(), Some("claude-sonnet-4-5"));
        assert_eq!(
            (exchange.model.as_deref(), exchange.usage.output),
            (Some(MODEL), Some(3))
        );
        assert!(exchange.first_byte.unwrap() <= exchange.duration);
    }
}

#[tokio::test]
async fn who_may_come_in() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let models = || test.request(Method::GET, "/v1/models");
    let port = test.address.port();

    for (host, origin, status) in [
        ("127.0.0.1", None, 200),
        ("localhost:1", None, 200),
        ("LocalHost", None, 200),
        ("[::1]:4000", None, 200),
        ("[::1]", None, 200),
        ("0.0.0.0:4000", None, 200),
        ("coretap.example:4000", None, 200),
        ("localhost:4000", Some("http://localhost:4000"), 200),
        ("coretap.example", Some("https://coretap.example"), 200),
        ("", None, 403),
        (":4000", None, 403),
        ("127.0.0.1:", None, 403),
        ("127.0.0.1:80@evil.example", None, 403),
        ("127.0.0.1.evil.example", None, 403),
        ("[::1", None, 403),
        ("::1", None, 403),
        ("evil.example", None, 403),
        ("coretap.example.evil", None, 403),
        ("127.0.0.1", Some("null"), 403),
        ("127.0.0.1", Some("http://127.0.0.1:5173"), 403),
        ("127.0.0.1", Some("http://localhost"), 403),
        ("127.0.0.1", Some("file://"), 403),
        ("127.0.0.1", Some(""), 403),
        ("127.0.0.1", Some("http://evil.example"), 403),
    ] {
        let mut request = models().bearer_auth(KEY).header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{host} {origin:?}");
        assert_eq!(
            header(&response, "access-control-allow-origin"),
            "",
            "there is no CORS"
        );
    }

    for (headers, status) in [
        (&[("authorization", "Bearer sk-test")][..], 200),
        (&[("authorization", "bearer  sk-test ")], 200),
        (&[("x-api-key", "sk-test")], 200),
        (
            &[("authorization", "Bearer other"), ("x-api-key", "sk-test")],
            200,
        ),
        (
            &[("authorization", "Bearer sk-test"), ("x-api-key", "other")],
            200,
        ),
        (&[], 401),
        (&[("authorization", "sk-test")], 401),
        (&[("authorization", "Basic sk-test")], 401),
        (&[("authorization", "Bearer")], 401),
        (&[("authorization", "Bearer sk-tes")], 401),
        (&[("authorization", "Bearer sk-testx")], 401),
        (&[("x-api-key", "")], 401),
        (&[("cookie", "sk-test")], 401),
    ] {
        let request = headers
            .iter()
            .fold(models(), |request, (name, value)| request.header(*name, *value));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{headers:?}");
        if status == 401 {
            assert_eq!(header(&response, "x-should-retry"), "false");
            assert_eq!(header(&response, "x-coretap-code"), "ACCESS-KEY");
        }
    }

    for (method, path, status) in [
        (Method::GET, "/health", 200),
        (Method::HEAD, "/", 200),
        (Method::HEAD, "/api/hello", 200),
        (Method::HEAD, "/anthropic/api/hello", 200),
        (Method::GET, "/", 401),
        (Method::POST, "/health", 401),
        (Method::GET, "/api/hello", 401),
        (Method::OPTIONS, "/v1/messages", 401),
    ] {
        let response = test.request(method.clone(), path).send().await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        let response = test
            .request(method.clone(), path)
            .header("host", "evil.example")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 403, "{method} {path}");
    }

    // A URL with a host of its own, and two Host headers, as only somebody with bad intentions sends them.
    for head in [
        "GET http://evil.example/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n".to_owned(),
        "GET /health HTTP/1.0\r\n\r\n".to_owned(),
    ] {
        let answer = raw(SocketAddr::from(([127, 0, 0, 1], port)), &head).await;
        assert!(answer.contains(" 403 "), "{head:?}: {answer}");
    }
}

/// Sends bytes and reads the head of the answer.
async fn raw(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn what_each_path_takes() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let health = test.get("/health").send().await.unwrap().text().await.unwrap();
    assert_eq!(
        health,
        format!(r#"{{"status":"ok","version":"{}"}}"#, env!("CARGO_PKG_VERSION"))
    );

    for (method, path, status, code) in [
        (Method::GET, "/nowhere", 404, "REQUEST-PATH"),
        (Method::POST, "/v1/v1/messages", 404, "REQUEST-PATH"),
        (Method::POST, "/v1/responses", 404, "REQUEST-PATH"),
        (Method::GET, "/v1/messages", 405, "REQUEST-METHOD"),
        (Method::DELETE, "/v1/models", 405, "REQUEST-METHOD"),
        (Method::POST, "/v1/models/gpt-4o", 405, "REQUEST-METHOD"),
    ] {
        let response = test
            .request(method.clone(), path)
            .bearer_auth(KEY)
            .send()
            .await
            .unwrap();
        assert_eq!(
            (
                response.status().as_u16(),
                header(&response, "x-coretap-code").as_str()
            ),
            (status, code)
        );
        assert!(!error(response).await.is_empty(), "{method} {path}");
    }
    let anthropic = test
        .request(Method::GET, "/anthropic/nowhere")
        .bearer_auth(KEY)
        .send()
        .await
        .unwrap();
    assert!(anthropic.text().await.unwrap().starts_with(r#"{"type":"error""#));

    let websocket = raw(
        test.address,
        &format!("GET /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    )
    .await;
    assert!(
        websocket.starts_with("HTTP/1.1 426 ") && websocket.contains("upgrade: HTTP/1.1"),
        "{websocket}"
    );
}

#[tokio::test]
async fn models_are_listed_in_the_shape_of_who_asks() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let json = async |request: reqwest::RequestBuilder| -> Value {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    };
    let openai = json(test.get("/v1/models")).await;
    assert_eq!(
        (&openai["object"], &openai["data"][0]["id"]),
        (&"list".into(), &MODEL.into())
    );
    let anthropic = json(
        test.get("/v1/models?limit=1000")
            .header("anthropic-version", "2023-06-01"),
    )
    .await;
    assert_eq!(
        anthropic["data"][0]["id"], "claude-sonnet-4-5",
        "the name that Claude Code knows"
    );
    assert_eq!(anthropic["has_more"], false);
    assert_eq!(json(test.get("/anthropic/v1/models/")).await, anthropic);

    for name in [
        MODEL,
        "claude-sonnet-4-5",
        "claude-sonnet-4-5-20250929",
        "sap%2Fanthropic--claude-4.5-sonnet",
    ] {
        let one = json(test.get(&format!("/v1/models/{name}"))).await;
        assert_eq!(one["id"], name.replace("%2F", "/"), "{name}");
    }
    let none = test.get("/v1/models/no-such-model").send().await.unwrap();
    assert_eq!(none.status(), 404);
    assert!(error(none).await.contains(MODEL), "it says what there is");
}

#[tokio::test]
async fn tokens_are_counted_without_asking_anybody() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let response = test
        .post("/v1/messages/count_tokens?beta=true", small(false))
        .send()
        .await
        .unwrap();
    let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert!(body["input_tokens"].as_u64().unwrap() >= 1, "{body}");
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn bodies_have_a_limit_and_no_encoding() {
    let upstream = Upstream::start([]).await;
    let limits = Limits {
        body: 1024 * 1024,
        ..quick()
    };
    let test = UnderTest::start(upstream.aicore(), limits).await;
    let large = vec![b' '; 8 * 1024 * 1024];
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
    let response = test
        .post("/v1/messages", &b"\x1f\x8b"[..])
        .header("content-encoding", "gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 415);
    let response = test
        .post("/v1/messages", "no json")
        .header("content-encoding", "identity")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
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
async fn short_troubles_are_lived_through() {
    for path in ANSWERS {
        for stream in [false, true] {
            let good = || {
                if stream {
                    hello()
                } else {
                    Reply::Status(200, &[], whole("hello"))
                }
            };
            let mut troubles = vec![
                vec![refusal(
                    429,
                    &[("retry-after", "0")],
                    "429 - LLM Module: slow down",
                )],
                vec![refusal(502, &[], "x"), refusal(503, &[("retry-after", "0")], "y")],
                vec![
                    Reply::Status(504, &[], "upstream request timeout".into()),
                    Reply::Close,
                ],
            ];
            if stream {
                troubles.push(vec![
                    Reply::Stream(vec![
                        opening(),
                        failure(429, "429 - LLM Module: Too many requests"),
                    ]),
                    Reply::Stream(vec![failure(503, "503 - LLM Module: Overloaded")]),
                ]);
            }
            for trouble in troubles {
                let count = u32::try_from(trouble.len()).unwrap();
                let upstream = Upstream::start(trouble.into_iter().chain([good()])).await;
                let mut test = UnderTest::start(upstream.aicore(), quick()).await;
                let response = test.ask(path, stream).await;
                assert_eq!(response.status(), 200, "{path} {stream}");
                assert!(read_to_end(response).await.unwrap().contains("hello"));
                assert_eq!(test.exchange().await.retries, count);
                let seen = upstream.seen();
                assert!(
                    seen.iter().all(|body| *body == seen[0]),
                    "the same bytes each time"
                );
            }
        }
    }
}

#[tokio::test]
async fn lasting_troubles_are_told_with_their_status_and_words() {
    let three = |reply: fn() -> Reply| [reply(), reply(), reply()];
    for path in ANSWERS {
        let overloaded = if path == "/v1/messages" { 529 } else { 503 };
        for (replies, status, words) in [
            (
                three(|| refusal(503, &[], "503 - LLM Module: busy")),
                overloaded,
                "503 - LLM Module: busy",
            ),
            (
                three(|| Reply::Status(502, &[], "bad gateway".into())),
                502,
                "bad gateway",
            ),
            (three(|| Reply::Close), 502, "broke"),
        ] {
            let upstream = Upstream::start(replies).await;
            let test = UnderTest::start(upstream.aicore(), quick()).await;
            let response = test.ask(path, true).await;
            assert_eq!(response.status(), status);
            assert_eq!(header(&response, "retry-after").is_empty(), status == 502);
            assert!(error(response).await.contains(words), "{words}");
        }
        for (reply, status, words) in [
            (refusal(429, &[("retry-after", "11")], "slow"), 429, "slow"),
            (refusal(429, &[], "slow"), 429, "slow"),
            (
                refusal(500, &[], "the plum module broke"),
                500,
                "the plum module broke",
            ),
            (
                refusal(400, &[], "400 - LLM Module: Model x in version y not found."),
                400,
                "400 - LLM Module: Model x",
            ),
            (
                Reply::Status(413, &[], "Payload Too Large".into()),
                413,
                "Payload Too Large",
            ),
            (
                Reply::Status(302, &[("location", "http://evil.example/")], String::new()),
                502,
                "302",
            ),
            (
                Reply::Stream(vec![opening(), failure(400, "400 - Filtering Module")]),
                400,
                "400 - Filtering Module",
            ),
        ] {
            let upstream = Upstream::start([reply]).await;
            let mut test = UnderTest::start(upstream.aicore(), quick()).await;
            let response = test.ask(path, true).await;
            assert_eq!(response.status(), status, "{words}");
            if status == 429 {
                let wait: u64 = header(&response, "retry-after").parse().unwrap();
                assert!((1..=60).contains(&wait));
            }
            assert!(error(response).await.contains(words), "{words}");
            assert_eq!(upstream.seen().len(), 1, "{words}: it is not asked again");
            let exchange = test.exchange().await;
            assert_eq!((exchange.status, exchange.code.is_some()), (status, true));
        }

        // A new token does not help, so neither does another try.
        for reply in [
            || refusal(403, &[], "no"),
            || Reply::Status(401, &[], "no".into()),
        ] {
            let upstream = Upstream::start([reply(), reply()]).await;
            let test = UnderTest::start(upstream.aicore(), quick()).await;
            let response = test.ask(path, true).await;
            assert_eq!(
                (
                    response.status().as_u16(),
                    header(&response, "x-should-retry").as_str()
                ),
                (403, "false")
            );
            assert!(error(response).await.contains("no"));
        }
    }
}

#[tokio::test]
async fn a_model_that_cannot_stream_is_asked_for_a_whole_answer_from_then_on() {
    for path in ANSWERS {
        let upstream = Upstream::start([
            refusal(400, &[], "Streaming is not supported for this model"),
            Reply::Status(200, &[], whole("hello")),
            Reply::Status(200, &[], whole("again")),
        ])
        .await;
        let test = UnderTest::start(upstream.aicore(), quick()).await;
        for words in ["hello", "again"] {
            let response = test.ask(path, true).await;
            assert_eq!(
                header(&response, "content-type"),
                "text/event-stream; charset=utf-8"
            );
            let streamed = read_to_end(response).await.unwrap();
            assert!(streamed.contains(words) && ends(path, &streamed), "{streamed}");
        }
        let asked: Vec<_> = upstream
            .seen()
            .iter()
            .map(|(_, body)| body["config"]["stream"]["enabled"] == true)
            .collect();
        assert_eq!(asked, [true, false, false]);
    }
}

#[tokio::test]
async fn a_deployment_that_moved_is_found_again_once() {
    let gone = || Reply::Status(404, &[], "Not Found".into());
    let upstream = Upstream::start([hello(), gone(), hello(), gone()]).await;
    let mut test = UnderTest::start(upstream.aicore(), quick()).await;
    assert_eq!(test.ask("/v1/messages", true).await.status(), 200);
    upstream.deploy("d-second");
    assert_eq!(test.ask("/v1/messages", true).await.status(), 200);
    let deployments: Vec<_> = upstream.seen().into_iter().map(|(id, _)| id).collect();
    assert_eq!(deployments, ["d-first", "d-first", "d-second"]);
    // Nothing else is deployed: the 404 is the answer, and nobody is asked twice.
    let response = test.ask("/v1/messages", true).await;
    assert_eq!((response.status().as_u16(), upstream.seen().len()), (404, 4));
    let codes: Vec<_> = [
        test.exchange().await.code,
        test.exchange().await.code,
        test.exchange().await.code,
    ]
    .into();
    assert_eq!(codes, [None, None, Some("UPSTREAM-NOT-FOUND")]);
}

#[tokio::test]
async fn nothing_goes_out_before_the_model_says_something() {
    let (events, reply) = live();
    let upstream = Upstream::start([reply]).await;
    let limits = Limits {
        first_event: Duration::from_secs(3600),
        ..quick()
    };
    let test = UnderTest::start(upstream.aicore(), limits).await;
    events.send(Ok(opening().into())).unwrap();
    let mut asking = std::pin::pin!(test.ask("/v1/messages", true));
    // The upstream has its request and has opened its answer; the agent has not even a head.
    let early = tokio::time::timeout(Duration::from_millis(300), asking.as_mut()).await;
    assert!(early.is_err(), "{early:?}");
    events.send(Ok(text("hello").into())).unwrap();
    let mut response = asking.await;
    read_until(&mut response, "hello").await;
}

#[tokio::test]
async fn an_opening_that_lasts_is_handed_on() {
    let (events, reply) = live();
    let upstream = Upstream::start([reply]).await;
    let limits = Limits {
        first_event: Duration::from_millis(50),
        ..quick()
    };
    let test = UnderTest::start(upstream.aicore(), limits).await;
    events.send(Ok(opening().into())).unwrap();
    let mut response = test.ask("/v1/messages", true).await;
    assert_eq!(response.status(), 200);
    // From here on a failure can only be told inside the stream.
    events.send(Ok(failure(429, "slow down").into())).unwrap();
    read_until(&mut response, "slow down").await;
    assert!(read_to_end(response).await.is_err());
}

#[tokio::test]
async fn silence_has_an_end_before_the_first_byte_only() {
    let (events, reply) = live();
    let upstream = Upstream::start([Reply::Silence, reply]).await;
    let limits = Limits {
        first_byte: Duration::from_millis(200),
        keep_alive: Duration::from_millis(150),
        ..quick()
    };
    let test = UnderTest::start(upstream.aicore(), limits).await;
    let response = test.ask("/v1/messages", true).await;
    assert_eq!(response.status(), 504);
    assert!(error(response).await.contains("did not begin"));

    events.send(Ok(text("hello").into())).unwrap();
    let mut response = test.ask("/v1/messages", true).await;
    read_until(&mut response, "hello").await;
    // Two signs of life take longer than the time to the first byte.
    read_until(&mut response, "event: ping").await;
    read_until(&mut response, "event: ping").await;
    events.send(Ok((stop() + "data: [DONE]\n\n").into())).unwrap();
    drop(events);
    assert!(read_to_end(response).await.unwrap().contains("message_stop"));
}

#[tokio::test]
async fn a_stream_that_breaks_never_looks_whole() {
    for path in ANSWERS {
        for how in ["reset", "early end", "failure"] {
            let (events, reply) = live();
            let upstream = Upstream::start([reply]).await;
            let mut test = UnderTest::start(upstream.aicore(), quick()).await;
            events.send(Ok((opening() + &text("hello")).into())).unwrap();
            let mut response = test.ask(path, true).await;
            let begun = read_until(&mut response, "hello").await;
            match how {
                "reset" => events
                    .send(Err(std::io::ErrorKind::ConnectionReset.into()))
                    .unwrap(),
                "failure" => events.send(Ok(failure(500, "500 - broken").into())).unwrap(),
                _ => {}
            }
            drop(events);
            let rest = read_to_end(response).await;
            let read = begun + &rest.expect_err("the body must not end normally");
            assert!(!ends(path, &read), "{path} {how}: {read}");
            assert!(read.contains("\"error\""), "{path} {how}: {read}");
            let exchange = test.exchange().await;
            let code = if how == "failure" {
                "UPSTREAM-FAILED"
            } else {
                "UPSTREAM-CUT"
            };
            assert_eq!((exchange.status, exchange.code), (200, Some(code)), "{how}");
        }
    }
}

#[tokio::test]
async fn an_answer_ends_with_its_last_event_even_if_the_connection_does_not() {
    let (events, reply) = live();
    let upstream = Upstream::start([reply]).await;
    let mut test = UnderTest::start(upstream.aicore(), quick()).await;
    events
        .send(Ok((text("hello") + &stop() + "data: [DONE]\n\n").into()))
        .unwrap();
    assert!(
        read_to_end(test.ask("/v1/messages", true).await)
            .await
            .unwrap()
            .contains("message_stop")
    );
    assert_eq!(test.exchange().await.code, None);
    events.closed().await;
}

#[tokio::test]
async fn a_client_that_leaves_cancels_upstream() {
    // In the middle of a stream …
    let (events, reply) = live();
    let (waiting, not_begun) = live();
    let upstream = Upstream::start([reply, not_begun]).await;
    let mut test = UnderTest::start(upstream.aicore(), quick()).await;
    events.send(Ok(text("hello").into())).unwrap();
    let mut response = test.ask("/v1/messages", true).await;
    read_until(&mut response, "hello").await;
    drop(response);
    events.closed().await;
    let exchange = test.exchange().await;
    assert_eq!(
        (exchange.status, exchange.code),
        (200, Some("REQUEST-CLIENT-LEFT"))
    );

    // … and before it.
    let request = test.ask("/v1/messages", true);
    waiting.send(Ok(opening().into())).unwrap();
    let gone = tokio::time::timeout(Duration::from_millis(300), request).await;
    assert!(gone.is_err());
    waiting.closed().await;
    let exchange = test.exchange().await;
    assert_eq!(
        (exchange.status, exchange.code),
        (499, Some("REQUEST-CLIENT-LEFT"))
    );
}

#[tokio::test]
async fn stopping_lets_streams_end_and_takes_nothing_new() {
    let (events, reply) = live();
    let upstream = Upstream::start([reply]).await;
    let mut test = UnderTest::start(upstream.aicore(), quick()).await;
    let mut state = test.proxy.state();
    assert_eq!(
        test.proxy.start().await.unwrap(),
        test.address,
        "starting twice is starting once"
    );
    events.send(Ok(text("hello").into())).unwrap();
    let mut response = test.ask("/v1/messages", true).await;
    read_until(&mut response, "hello").await;

    let finish = async {
        state
            .wait_for(|state| *state == RunState::Stopping)
            .await
            .unwrap();
        let refused = async { while TcpStream::connect(test.address).await.is_ok() {} };
        refused.await;
        events
            .send(Ok((text(" and goodbye") + &stop() + "data: [DONE]\n\n").into()))
            .unwrap();
        drop(events);
        read_to_end(response).await.unwrap()
    };
    let ((), rest) = tokio::join!(test.proxy.stop(), finish);
    assert!(
        rest.contains("and goodbye") && rest.contains("message_stop"),
        "{rest}"
    );
    assert_eq!(*test.proxy.state().borrow(), RunState::Stopped);
    assert_eq!(test.exchange().await.code, None);
    test.proxy.stop().await;

    let address = test.proxy.start().await.unwrap();
    assert_eq!(*test.proxy.state().borrow(), RunState::Running { address });
}

#[tokio::test]
async fn a_stream_that_does_not_end_is_closed_when_its_time_is_over() {
    let (events, reply) = live();
    let upstream = Upstream::start([reply]).await;
    let limits = Limits {
        drain: Duration::from_millis(50),
        ..quick()
    };
    let mut test = UnderTest::start(upstream.aicore(), limits).await;
    events.send(Ok(text("hello").into())).unwrap();
    let mut response = test.ask("/v1/messages", true).await;
    read_until(&mut response, "hello").await;
    test.proxy.stop().await;
    assert!(read_to_end(response).await.is_err(), "it must not look whole");
    events.closed().await;
    assert_eq!(test.exchange().await.code, Some("PROXY-STOPPED"));
}

#[tokio::test]
async fn health_follows_the_last_exchange() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let test = UnderTest::start(aicore(&format!("http://{nobody}")), quick()).await;
    let response = test.ask("/v1/messages", false).await;
    assert_eq!(
        (
            response.status().as_u16(),
            header(&response, "x-coretap-code").as_str()
        ),
        (502, "UPSTREAM-CONNECT")
    );
    let degraded = |test: &UnderTest| matches!(&*test.proxy.state().borrow(), RunState::Degraded { .. });
    assert!(degraded(&test));

    let upstream = Upstream::start([
        refusal(400, &[], "yours"),
        refusal(500, &[], "ours"),
        Reply::Status(200, &[], whole("hello")),
    ])
    .await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    for expected in [false, true, false] {
        test.ask("/v1/messages", false).await;
        assert_eq!(degraded(&test), expected);
    }
}

#[tokio::test]
async fn a_taken_port_names_who_has_it() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let port = test.address.port();
    let configuration = coretap_proxy::Configuration {
        port,
        local_key: coretap_proxy::LocalKey::new(KEY.to_owned()).unwrap(),
        allowed_hosts: Vec::new(),
        aicore: upstream.aicore(),
        limits: quick(),
    };
    let (_, receiver) = tokio::sync::watch::channel(std::sync::Arc::new(configuration));
    let proxy = coretap_proxy::Proxy::new(receiver, None);
    let error = proxy.start().await.unwrap_err();
    let StartError::PortTaken { port: taken, owner } = &error else {
        panic!("{error}")
    };
    assert_eq!(*taken, port);
    if cfg!(target_os = "linux") {
        assert_eq!(owner.as_ref().unwrap().pid, std::process::id());
    }
    assert!(matches!(
        &*proxy.state().borrow(),
        RunState::Failed {
            code: "START-PORT-TAKEN",
            ..
        }
    ));
}
