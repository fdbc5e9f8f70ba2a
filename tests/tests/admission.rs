//! What each path takes, and what is refused. Who is let in at all is in `security/`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use coretap_tests::formats::Format;
use coretap_tests::http::{empty, send};
use coretap_tests::process::{Coretap, Mode, Simulator};
use http::HeaderValue;
use serde_json::json;

const MODEL: &str = "anthropic--claude-4.5-sonnet";

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
    for (prefix, format) in [
        ("/anthropic", Format::Messages),
        ("/openai", Format::Chat),
        ("/openai", Format::Responses),
        ("/gemini", Format::Gemini),
    ] {
        let path = format!("{prefix}{}", format.path(MODEL, false));
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
            let answer = coretap.post(&format.path(MODEL, false), body).await;
            assert_eq!(answer.status, 400, "{format:?} {body}: {answer:?}");
            let error = answer.json();
            assert!(
                error["error"]["message"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{error}"
            );
            let kind = if format == Format::Gemini {
                "status"
            } else {
                "type"
            };
            assert_eq!(error["error"][kind], format.error_type(400), "{error}");
        }
        let answer = coretap
            .post(
                &format.path("no-such-model", false),
                &format.ask("no-such-model", "Hi", false),
            )
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
