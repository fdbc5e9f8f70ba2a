//! Who may come in, and what each path takes.

use std::net::SocketAddr;

use http::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::under_test::{KEY, UnderTest, quick, small};
use crate::upstream::{EMBEDDING, MODEL, Upstream};
use crate::{error, header};

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
    let health = test.request(Method::GET, "/health").send().await.unwrap();
    let health = health.text().await.unwrap();
    assert_eq!(
        health,
        format!(r#"{{"status":"ok","version":"{}"}}"#, env!("CARGO_PKG_VERSION"))
    );

    for (method, path, status, code) in [
        (Method::GET, "/nowhere", 404, "REQUEST-PATH"),
        (Method::POST, "/v1/v1/messages", 404, "REQUEST-PATH"),
        (Method::GET, "/v1/responses", 405, "REQUEST-METHOD"),
        (Method::POST, "/v1/responses/resp_1", 405, "REQUEST-METHOD"),
        (Method::DELETE, "/v1/responses/resp_1", 404, "REQUEST-ANSWER"),
        (Method::GET, "/v1/responses/resp_1/nothing", 404, "REQUEST-PATH"),
        (Method::POST, "/v1/response", 404, "REQUEST-PATH"),
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
async fn a_wrong_method_learns_the_right_ones_in_its_own_format() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    for (method, path, allowed, member) in [
        (Method::GET, "/v1/messages", "POST", "type"),
        (Method::PUT, "/v1/messages/count_tokens", "POST", "type"),
        (Method::OPTIONS, "/v1/chat/completions", "POST", "error"),
        (Method::GET, "/v1/embeddings", "POST", "error"),
        (Method::PATCH, "/v1/responses/resp_1", "GET, DELETE", "error"),
        (Method::GET, "/v1/responses/resp_1/cancel", "POST", "error"),
        (Method::POST, "/v1/models", "GET, HEAD", "error"),
        (Method::DELETE, "/v1beta/models/gemini", "GET, HEAD", "error"),
        (Method::GET, "/v1beta/models/m:countTokens", "POST", "error"),
        (Method::POST, "/health", "GET, HEAD", "error"),
    ] {
        let request = test.request(method.clone(), path).bearer_auth(KEY);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 405, "{method} {path}");
        assert_eq!(header(&response, "allow"), allowed, "{method} {path}");
        assert_eq!(header(&response, "x-coretap-code"), "REQUEST-METHOD");
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert!(body.get(member).is_some(), "{body}");
        assert_eq!(
            body["error"]["status"] == "INVALID_ARGUMENT",
            path.starts_with("/v1beta"),
            "{body}"
        );
        let hint = format!("Use {}.", allowed.replace(", ", " or "));
        assert!(
            body["error"]["message"].as_str().unwrap().ends_with(&hint),
            "{body}"
        );
    }
    // A HEAD is told the same without a body.
    let request = test.request(Method::HEAD, "/v1/messages").bearer_auth(KEY);
    let response = request.send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), header(&response, "allow").as_str()),
        (405, "POST")
    );
}

#[tokio::test]
async fn an_action_that_there_is_not_is_told_those_that_there_are() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    for path in [
        "/v1beta/models/m:predict",
        "/v1/models/m:foo?key=k",
        "/gemini/v1beta/models/m%3Afoo",
    ] {
        let response = test.post(path, "{}").send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(header(&response, "x-coretap-code"), "REQUEST-PATH");
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!(
            (&body["error"]["code"], &body["error"]["status"]),
            (&404.into(), &"NOT_FOUND".into())
        );
        let sentence = body["error"]["message"].as_str().unwrap();
        let actions =
            ":generateContent, :streamGenerateContent, :countTokens, :embedContent, :batchEmbedContents.";
        assert!(sentence.ends_with(actions), "{sentence}");
    }
    let body = r#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#;
    for colon in [":", "%3A", "%3a"] {
        let path = format!("/v1beta/models/{MODEL}{colon}countTokens");
        assert_eq!(
            test.post(&path, body).send().await.unwrap().status(),
            200,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_base_address_may_end_in_a_slash() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    for path in [
        "//v1/models",
        "/v1//models/",
        "/anthropic//v1/models?limit=1",
        "//v1beta//models",
    ] {
        let response = test.get(path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
    }
    // What is open stays what it is: the key is asked for behind two slashes as well.
    let response = test.request(Method::GET, "//v1/models").send().await.unwrap();
    assert_eq!(response.status(), 401);
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
async fn tokens_are_counted_for_models_that_there_are() {
    let messages = "/v1/messages/count_tokens";
    let unknown = small(false).replace("claude-sonnet-4-5", "no-such-model");
    let gemini = r#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#;
    let counts = |model| format!("/v1beta/models/{model}:countTokens");

    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    // The list of models is known from here on.
    assert_eq!(test.get("/v1/models").send().await.unwrap().status(), 200);
    let asked = test.post("/v1/messages", unknown.clone()).send().await.unwrap();
    let asked = (header(&asked, "x-coretap-code"), error(asked).await);
    assert_eq!(asked.0, "ROUTE-MODEL-UNKNOWN");
    for (path, body) in [
        (messages, unknown.clone()),
        (&counts("no-such-model"), gemini.to_owned()),
    ] {
        let response = test.post(path, body).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(
            (header(&response, "x-coretap-code"), error(response).await),
            asked,
            "{path}"
        );
    }
    for (path, body) in [
        (messages, small(false)),
        // Who counts what a model for embeddings takes is told.
        (&counts(EMBEDDING), gemini.to_owned()),
    ] {
        assert_eq!(
            test.post(path, body).send().await.unwrap().status(),
            200,
            "{path}"
        );
    }

    // Where no list can be had nobody knows better.
    let upstream = Upstream::start([]).await;
    upstream.set_down(true);
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    assert_eq!(test.post(messages, unknown).send().await.unwrap().status(), 200);
}
