use std::io::ErrorKind;
use std::time::Duration;

use coretap_simulator::{Chunking, Options};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{GPT_4O, ORCHESTRATION, Reply, Running, SONNET};

/// The three dialects: their route, and a streaming request.
async fn stream(running: &Running, route: &str) -> Reply {
    let messages = json!([{"role": "user", "content": "héllo wörld 漢字 😀"}]);
    match route {
        "completion" => {
            let body = json!({"config": {"stream": {"enabled": true, "chunk_size": 1}, "modules": {"prompt_templating": {
                "prompt": {"template": messages}, "model": {"name": "gpt-4o"}
            }}}});
            running.complete(&body).await
        }
        "invoke_stream" => {
            let body =
                json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100, "messages": messages});
            running.call(SONNET, "/invoke-with-response-stream", &body).await
        }
        _ => {
            running
                .chat(GPT_4O, &json!({"messages": messages, "stream": true}))
                .await
        }
    }
}

const ROUTES: [&str; 3] = ["completion", "invoke_stream", "chat"];

#[tokio::test]
async fn throttling_has_the_body_of_each_dialect_and_an_optional_retry_after() {
    let running = Running::start().await;
    for route in ROUTES {
        running
            .fault(&json!({"route": route, "fault": "status", "status": 429, "retry_after": 2}))
            .await;
        running
            .fault(&json!({"route": "inference", "fault": "status", "status": 429}))
            .await;
        let with = stream(&running, route).await;
        assert_eq!(
            (with.status, with.headers["retry-after"].to_str().unwrap()),
            (429, "2")
        );
        let without = stream(&running, route).await;
        assert_eq!(without.status, 429);
        assert!(without.headers.get("retry-after").is_none());
        let body = with.json();
        let fits = match route {
            "completion" => body["error"]["code"] == 429 && body["error"]["headers"]["retry-after"] == "2",
            "chat" => body["error"]["code"] == "429",
            _ => body["message"] == "Too many tokens, please wait before trying again.",
        };
        assert!(fits, "{body}");
        assert_eq!(
            stream(&running, route).await.status,
            200,
            "a fault befalls one request"
        );
    }
    let record = running.control("GET", "requests", &json!(null)).await;
    assert!(
        record
            .as_array()
            .unwrap()
            .iter()
            .all(|request| request["refused"].is_null())
    );
}

#[tokio::test]
async fn a_server_error_is_json_and_envoys_is_plain_text() {
    let running = Running::start().await;
    running
        .fault(&json!({"route": "chat", "fault": "status", "status": 500}))
        .await;
    running
        .fault(&json!({"route": "chat", "fault": "status", "status": 503, "times": 2}))
        .await;
    assert_eq!(stream(&running, "chat").await.json()["error"]["code"], "500");
    for _ in 0..2 {
        let reply = stream(&running, "chat").await;
        assert_eq!(
            (reply.status, reply.headers["content-type"].to_str().unwrap()),
            (503, "text/plain")
        );
        assert!(reply.text().starts_with("upstream connect error"));
    }
    assert_eq!(stream(&running, "chat").await.status, 200);
}

#[tokio::test]
async fn an_expired_token_stays_expired() {
    let mut running = Running::start().await;
    running
        .fault(&json!({"route": "inference", "fault": "expired_token"}))
        .await;
    for _ in 0..2 {
        let reply = stream(&running, "chat").await;
        assert_eq!((reply.status, reply.text()), (401, "Jwt is expired"));
    }
    running.renew().await;
    assert_eq!(stream(&running, "chat").await.status, 200);
}

#[tokio::test]
async fn a_stream_can_break_end_early_and_carry_an_error() {
    let running = Running::start().await;
    for route in ROUTES {
        running
            .fault(&json!({"route": route, "fault": "cut", "after_events": 3}))
            .await;
        let cut = stream(&running, route).await;
        assert!(cut.broken && cut.status == 200, "{route}");
        assert_eq!(cut.events().len(), 3);

        running
            .fault(&json!({"route": route, "fault": "clean_end", "after_events": 2}))
            .await;
        let ended = stream(&running, route).await;
        assert!(!ended.broken);
        assert_eq!(ended.events().len(), 2);

        running
            .fault(&json!({"route": route, "fault": "error_event", "after_events": 2}))
            .await;
        let failed = stream(&running, route).await.events();
        running
            .fault(&json!({"route": route, "fault": "throttled_event"}))
            .await;
        let throttled = stream(&running, route).await.events();
        assert_eq!((failed.len(), throttled.len()), (3, 1));
        let (failure, throttling) = (&failed[2], &throttled[0]);
        let fits = match route {
            "completion" => failure["error"]["code"] == 500 && throttling["error"]["code"] == 429,
            "chat" => {
                failure["error"]["code"] == "500" && throttling["error"]["code"] == "rate_limit_exceeded"
            }
            _ => {
                failure["error"]["type"] == "overloaded_error"
                    && throttling["message"] == "ThrottlingException: Rate exceeded"
            }
        };
        assert!(fits, "{failure} {throttling}");
    }
}

#[tokio::test]
async fn a_refused_connection_gives_no_byte() {
    let running = Running::start().await;
    running
        .fault(&json!({"route": "completion", "fault": "refuse_connection"}))
        .await;
    assert!(
        running
            .try_call(ORCHESTRATION, "/v2/completion", &json!({}), &[])
            .await
            .is_err()
    );
    assert_eq!(running.complete(&json!({})).await.status, 400);
}

#[tokio::test]
async fn bytes_are_cut_anywhere_and_stay_the_same() {
    let running = Running::start().await;
    for route in ROUTES {
        let mut bodies = Vec::new();
        for chunking in ["event", "byte", "random", "whole"] {
            running
                .control("POST", "settings", &json!({"chunking": chunking, "seed": 7}))
                .await;
            let events = stream(&running, route).await.events();
            let text: String = events
                .iter()
                .flat_map(|event| {
                    [
                        "/final_result/choices/0/delta/content",
                        "/choices/0/delta/content",
                        "/delta/text",
                    ]
                    .map(|place| event.pointer(place).and_then(Value::as_str).unwrap_or_default())
                })
                .collect();
            bodies.push(text);
        }
        assert!(
            bodies.iter().all(|text| text == "You said: héllo wörld 漢字 😀"),
            "{bodies:?}"
        );
    }
}

#[tokio::test]
async fn a_plain_body_keeps_its_length_however_it_is_cut() {
    let options = Options {
        chunking: Chunking::Byte,
        ..Options::default()
    };
    let running = Running::with(options).await;
    let body = json!({"messages": [{"role": "user", "content": "x"}]});
    let reply = running.chat(GPT_4O, &body).await;
    assert_eq!(
        reply.headers["content-length"].to_str().unwrap(),
        reply.body.len().to_string()
    );
    running.fault(&json!({"route": "chat", "fault": "cut"})).await;
    assert!(running.chat(GPT_4O, &body).await.broken);
}

#[tokio::test]
async fn a_client_that_leaves_is_noted() {
    let running = Running::start().await;
    running
        .fault(&json!({"route": "chat", "fault": "stall", "after_events": 2}))
        .await;
    running
        .fault(&json!({"route": "chat", "fault": "slow_first_byte", "delay_ms": 600_000}))
        .await;
    let body = json!({"messages": [{"role": "user", "content": "x"}], "stream": true}).to_string();
    let head = format!(
        "POST /v2/inference/deployments/{GPT_4O}/chat/completions?api-version=1 HTTP/1.1\r\nhost: x\r\n\
         authorization: Bearer {}\r\nai-resource-group: default\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        running.token(),
        body.len()
    );
    // One leaves a stream that stalls, one before the first byte.
    let mut stalled = TcpStream::connect(running.address).await.unwrap();
    stalled.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.windows(9).any(|window| window == b"assistant") {
        assert!(stalled.read_buf(&mut seen).await.unwrap() > 0);
    }
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    silent.write_all(head.as_bytes()).await.unwrap();
    let record = running.control("GET", "requests?count=3", &json!(null)).await;
    assert!(
        record
            .as_array()
            .unwrap()
            .iter()
            .all(|request| request["cancelled"] == false)
    );
    drop((stalled, silent));
    let record = running.control("GET", "requests?cancelled=2", &json!(null)).await;
    let chats: Vec<&Value> = record
        .as_array()
        .unwrap()
        .iter()
        .filter(|request| request["route"] == "chat")
        .collect();
    assert!(
        chats
            .iter()
            .all(|request| request["cancelled"] == true && request["finished"] == false),
        "{chats:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_byte_and_the_first_event_can_be_slow() {
    let running = Running::start().await;
    for kind in ["slow_first_byte", "slow_first_event"] {
        running
            .fault(&json!({"route": "completion", "fault": kind, "delay_ms": 90_000}))
            .await;
        let before = tokio::time::Instant::now();
        let reply = stream(&running, "completion").await;
        assert_eq!(reply.events().last().unwrap(), "[DONE]");
        assert!(before.elapsed() >= Duration::from_secs(90), "{kind}");
    }
}

#[tokio::test]
async fn a_wrong_fault_or_setting_is_refused() {
    let running = Running::start().await;
    for (path, body) in [
        ("faults", json!([{"route": "nowhere", "fault": "cut"}])),
        ("faults", json!([{"route": "chat", "fault": "explode"}])),
        ("settings", json!({"chunks": "byte"})),
    ] {
        let reply = running
            .send(
                "POST",
                &format!("/__simulator/{path}"),
                &[],
                body.to_string().into(),
            )
            .await;
        assert_eq!(reply.status, 400, "{body}");
    }
}

#[tokio::test]
async fn shutting_down_closes_the_port() {
    let simulator = coretap_simulator::Simulator::bind(([127, 0, 0, 1], 0).into(), Options::default())
        .await
        .unwrap();
    let address = simulator.address().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(simulator.run(async { drop(stopped.await) }));
    assert!(TcpStream::connect(address).await.is_ok());
    stop.send(()).unwrap();
    running.await.unwrap();
    assert_eq!(
        TcpStream::connect(address).await.unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
}
