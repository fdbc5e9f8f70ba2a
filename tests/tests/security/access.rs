//! Web pages, and programs without the key.

use coretap_tests::formats::Format;
use coretap_tests::http::{empty, post, send};
use coretap_tests::process::KEY;
use serde_json::json;

use crate::{Ask, MODEL, demo, refused, with};

/// The paths that answer an agent, and whether their errors are Anthropic's.
fn paths() -> Vec<(Ask, bool)> {
    let count = json!({"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]});
    let embeddings = json!({"model": "text-embedding-3-small", "input": "Hi"});
    let ask = |format: Format, stream| post(&format.path(MODEL, stream), &format.ask(MODEL, "Hi", stream));
    let anthropic = &[("anthropic-version", "2023-06-01")];
    vec![
        (ask(Format::Messages, false), true),
        (ask(Format::Messages, true), true),
        (ask(Format::Chat, false), false),
        (ask(Format::Chat, true), false),
        (post("/v1/messages/count_tokens", &count), true),
        (post("/v1/embeddings", &embeddings), false),
        (empty("GET", "/v1/models"), false),
        (with(empty("GET", "/v1/models"), anthropic), true),
        (empty("GET", "/v1/models/gpt-4o"), false),
        (empty("GET", "/anthropic/v1/models/gpt-4o"), true),
        (empty("POST", "/v1/responses"), false),
        (empty("GET", "/nowhere"), false),
        (empty("GET", "/app/status"), false),
    ]
}

#[tokio::test]
async fn each_path_wants_the_key_and_says_so_in_its_format() {
    let (simulator, coretap) = demo().await;
    let longer = format!("Bearer {KEY}x");
    let shorter = format!("Bearer {}", &KEY[..KEY.len() - 1]);
    let wrong: [&[(&str, &str)]; 9] = [
        &[],
        &[("authorization", "Bearer wrong")],
        &[("authorization", &longer)],
        &[("authorization", &shorter)],
        &[("authorization", "Bearer ")],
        &[("authorization", "Basic c2stYWNjZXB0YW5jZQ==")],
        &[("authorization", KEY), ("x-api-key", "wrong")],
        &[("x-api-key", "")],
        &[("cookie", KEY), ("proxy-authorization", KEY)],
    ];
    for (request, is_anthropic) in paths() {
        for headers in wrong {
            let context = format!("{} {headers:?}", request.uri());
            let answer = send(coretap.address, with(request.clone(), headers)).await;
            refused(&answer, 401, is_anthropic, &context);
            assert_eq!(answer.header("x-coretap-code"), "ACCESS-KEY", "{context}");
            assert_eq!(
                answer.header("x-should-retry"),
                "false",
                "{context}: an agent would try ten times"
            );
        }
    }
    assert!(simulator.inference().await.is_empty());
    for format in Format::ALL {
        let bearer = format!("Bearer {KEY}");
        for headers in [[("authorization", bearer.as_str())], [("x-api-key", KEY)]] {
            let request = post(&format.path(MODEL, false), &format.ask(MODEL, "Hi", false));
            assert_eq!(send(coretap.address, with(request, &headers)).await.status, 200);
        }
    }
}

/// A page can choose neither its `Host` nor its `Origin`, and is refused even where no key is asked for.
#[tokio::test]
async fn only_this_machines_names_and_no_foreign_page() {
    let (simulator, coretap) = demo().await;
    let hosts = [
        ("127.0.0.1:1", true),
        ("localhost", true),
        ("localhost:4000", true),
        ("LOCALHOST", true),
        ("[::1]:4000", true),
        ("0.0.0.0:4000", true),
        ("", false),
        ("evil.example", false),
        ("127.0.0.1.evil.example", false),
        ("localhost.evil.example:4000", false),
        ("127.0.0.1@evil.example", false),
        ("127.0.0.2", false),
        ("10.0.0.1", false),
        ("[::2]", false),
    ];
    let page = |host: &str| format!("http://{host}");
    for (host, is_own_host) in hosts {
        let origins = [
            None,
            Some(page(host)),
            Some(page("evil.example")),
            Some(page("localhost.evil.example")),
            Some("null".to_owned()),
            Some(String::new()),
        ];
        for origin in origins {
            let is_own_page = origin.as_ref().is_none_or(|origin| *origin == page(host));
            let status = if is_own_host && is_own_page { 200 } else { 403 };
            for request in [
                empty("GET", "/health"),
                empty("HEAD", "/"),
                empty("GET", "/v1/models"),
            ] {
                let mut headers = vec![("host", host), ("x-api-key", KEY)];
                headers.extend(origin.as_deref().map(|origin| ("origin", origin)));
                let context = format!("{} {headers:?}", request.uri());
                let answer = send(coretap.address, with(request, &headers)).await;
                assert_eq!(answer.status, status, "{context}");
                assert_eq!(answer.header("access-control-allow-origin"), "", "{context}");
            }
        }
    }
    let preflight = with(
        empty("OPTIONS", "/v1/messages"),
        &[
            ("host", "localhost"),
            ("origin", "https://evil.example"),
            ("access-control-request-method", "POST"),
        ],
    );
    assert_eq!(send(coretap.address, preflight).await.status, 403);
    assert!(simulator.inference().await.is_empty());
}
