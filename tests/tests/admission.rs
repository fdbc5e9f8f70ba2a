//! Who is let in: the local key on every path but three, only this machine's names, no foreign page.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use coretap_tests::events::Format;
use coretap_tests::http::{Answer, empty, post, send};
use coretap_tests::process::{Coretap, KEY, Mode, Simulator};
use http::HeaderValue;
use serde_json::json;

const MODEL: &str = "anthropic--claude-4.5-sonnet";

/// A small request with these headers.
async fn ask(coretap: &Coretap, format: Format, headers: &[(&'static str, &str)]) -> Answer {
    let mut request = post(format.path(), &format.ask(MODEL, "Hi", false));
    for (name, value) in headers {
        request
            .headers_mut()
            .insert(*name, HeaderValue::from_str(value).unwrap());
    }
    send(coretap.address, request).await
}

#[tokio::test]
async fn the_local_key_is_asked_of_everyone() {
    let simulator = Simulator::start().await;
    let coretap = Coretap::start(&simulator, Mode::Foundation, &[]).await;
    let bearer = format!("Bearer {KEY}");
    for format in Format::ALL {
        for headers in [[("authorization", bearer.as_str())], [("x-api-key", KEY)]] {
            assert_eq!(ask(&coretap, format, &headers).await.status, 200, "{headers:?}");
        }
        let longer = format!("Bearer {KEY}x");
        let wrong: [&[(&str, &str)]; 6] = [
            &[],
            &[("authorization", "Bearer wrong")],
            &[("authorization", &longer)],
            &[("authorization", "Bearer ")],
            &[("x-api-key", "")],
            &[("authorization", KEY), ("x-api-key", "wrong")],
        ];
        for headers in wrong {
            let answer = ask(&coretap, format, headers).await;
            assert_eq!(answer.status, 401, "{headers:?}: {answer:?}");
            assert_eq!(
                answer.header("x-should-retry"),
                "false",
                "{headers:?}: an agent would try ten times"
            );
            assert!(answer.json()["error"]["message"].is_string(), "{answer:?}");
        }
    }
    for path in [
        "/v1/models",
        "/v1/models/gpt-4o",
        "/v1/messages/count_tokens",
        "/nowhere",
        "/app/status",
    ] {
        assert_eq!(
            send(coretap.address, empty("GET", path)).await.status,
            401,
            "{path}"
        );
    }
}

#[tokio::test]
async fn three_paths_need_no_key_and_tell_nothing() {
    let simulator = Simulator::start().await;
    let coretap = Coretap::start(&simulator, Mode::Foundation, &[]).await;
    let health = send(coretap.address, empty("GET", "/health")).await;
    assert_eq!(health.status, 200);
    assert_eq!(
        health.json(),
        json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})
    );
    for path in ["/", "/api/hello"] {
        let answer = send(coretap.address, empty("HEAD", path)).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
    }
}

#[tokio::test]
async fn only_this_machines_names_are_answered() {
    let simulator = Simulator::start().await;
    let coretap = Coretap::start(&simulator, Mode::Foundation, &[]).await;
    let bearer = format!("Bearer {KEY}");
    let port = coretap.address.port();
    for host in [
        "127.0.0.1:1",
        "localhost",
        "localhost:4000",
        "[::1]",
        "[::1]:4000",
        "0.0.0.0:4000",
        "LOCALHOST",
    ] {
        let answer = ask(
            &coretap,
            Format::Messages,
            &[("host", host), ("authorization", &bearer)],
        )
        .await;
        assert_eq!(answer.status, 200, "{host}: {answer:?}");
    }
    let foreign = [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:4000",
        "10.0.0.1",
        "[::2]",
        "127.0.0.2",
    ];
    for host in foreign {
        let answer = ask(
            &coretap,
            Format::Messages,
            &[("host", host), ("authorization", &bearer)],
        )
        .await;
        assert_eq!(answer.status, 403, "{host}: {answer:?}");
    }
    for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
        let answer = ask(
            &coretap,
            Format::Chat,
            &[("origin", origin), ("authorization", &bearer)],
        )
        .await;
        assert_eq!(answer.status, 403, "{origin}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
    }
    let mut preflight = empty("OPTIONS", "/v1/messages");
    preflight
        .headers_mut()
        .insert("origin", HeaderValue::from_static("https://evil.example"));
    let answer = send(coretap.address, preflight).await;
    assert!(
        answer.status >= 400 && answer.header("access-control-allow-origin").is_empty(),
        "{answer:?}"
    );
    // The refusals came before anything was asked of SAP AI Core.
    assert_eq!(simulator.inference().await.len(), 7, "port {port}");
}

/// Codex tries a WebSocket first; only 426 makes it go on at once.
#[tokio::test]
async fn a_websocket_is_told_to_use_http() {
    let simulator = Simulator::start().await;
    let coretap = Coretap::start(&simulator, Mode::Foundation, &[]).await;
    let mut request = empty("GET", "/v1/responses");
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    let answer = coretap.send(request).await;
    assert_eq!(answer.status, 426, "{answer:?}");
}

/// The same paths under the names that some clients put before them, and no others.
#[tokio::test]
async fn prefixes_lead_to_the_same_place() {
    let simulator = Simulator::start().await;
    let coretap = Coretap::start(&simulator, Mode::Foundation, &[]).await;
    for (prefix, format) in [("/anthropic", Format::Messages), ("/openai", Format::Chat)] {
        let path = format!("{prefix}{}", format.path());
        let answer = coretap
            .post(&path, &format.ask(MODEL, "Repeat the word plum-4711", false))
            .await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(format.text(&answer.json()).contains("plum-4711"), "{path}");
        assert_eq!(
            coretap
                .send(empty("GET", &format!("{prefix}/v1/models")))
                .await
                .status,
            200,
            "{prefix}"
        );
    }
    assert_eq!(coretap.send(empty("GET", "/nowhere")).await.status, 404);
    let wrong_method = coretap.send(empty("GET", "/v1/messages")).await;
    assert!([404, 405].contains(&wrong_method.status), "{wrong_method:?}");
}

/// What isn't a request of the format is refused in the format's own shape, and nothing breaks.
#[tokio::test]
async fn broken_bodies_are_refused_in_the_agents_format() {
    let simulator = Simulator::start().await;
    let coretap = Coretap::start(&simulator, Mode::Orchestration, &[]).await;
    let bodies = [
        json!(null),
        json!([]),
        json!({}),
        json!({"model": MODEL}),
        json!({"model": MODEL, "messages": 7}),
    ];
    for format in Format::ALL {
        for body in &bodies {
            let answer = coretap.post(format.path(), body).await;
            assert_eq!(answer.status, 400, "{format:?} {body}: {answer:?}");
            let error = answer.json();
            assert!(
                error["error"]["message"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{error}"
            );
            assert_eq!(error["error"]["type"], "invalid_request_error", "{error}");
        }
        let answer = coretap
            .post(format.path(), &format.ask("no-such-model", "Hi", false))
            .await;
        assert_eq!(answer.status, 404, "{answer:?}");
        assert!(
            answer.json()["error"]["message"]
                .as_str()
                .unwrap()
                .contains(MODEL),
            "{answer:?}"
        );
    }
    assert!(simulator.inference().await.is_empty());
}
