use std::io::ErrorKind;
use std::time::Duration;

use coretap_simulator::{Chunking, Options};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{GPT_4O, GPT_5, ORCHESTRATION, Reply, Running, SONNET};

/// The dialects: their route, and a streaming request.
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
        "responses" => {
            let body = json!({"input": messages, "stream": true});
            running.respond(GPT_5, &body).await
        }
        _ => {
            running
                .chat(GPT_4O, &json!({"messages": messages, "stream": true}))
                .await
        }
    }
}

const ROUTES: [&str; 4] = ["completion", "invoke_stream", "chat", "responses"];

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
            "chat" | "responses" => body["error"]["code"] == "429",
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
        // The Responses API first says that a response is there, and then that it failed.
        let (opening, throttling) = throttled.split_at(if route == "responses" { 2 } else { 0 });
        assert_eq!((failed.len(), throttling.len()), (3, 1));
        let kinds: Vec<_> = opening.iter().map(|event| &event["type"]).collect();
        assert!(kinds.is_empty() || kinds == ["response.created", "response.failed"]);
        let (failure, throttling) = (&failed[2], &throttling[0]);
        let fits = match route {
            "completion" => failure["error"]["code"] == 500 && throttling["error"]["code"] == 429,
            "chat" => {
                failure["error"]["code"] == "500" && throttling["error"]["code"] == "rate_limit_exceeded"
            }
            "responses" => {
                failure["type"] == "error"
                    && failure["error"]["code"] == "500"
                    && failure["sequence_number"] == 2
                    && throttling["type"] == "error"
                    && throttling["error"]["type"] == "too_many_requests"
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
                        "/delta",
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

#[tokio::test]
async fn a_fault_with_a_marker_befalls_only_requests_that_hold_it() {
    let running = Running::start().await;
    for marker in ["plum-01", "wörld", "漢"] {
        running
            .fault(&json!({"route": "inference", "fault": "status", "status": 502, "marker": marker}))
            .await;
    }
    for route in ROUTES {
        running
            .fault(&json!({"route": "any", "fault": "status", "status": 503, "marker": "wörld 漢"}))
            .await;
        let statuses = [
            stream(&running, route).await.status,
            stream(&running, route).await.status,
            stream(&running, route).await.status,
        ];
        // The first route meets the two that wait from before; nobody meets the plum's.
        let expected = if route == ROUTES[0] {
            [502, 502, 503]
        } else {
            [503, 200, 200]
        };
        assert_eq!(statuses, expected, "{route}");
    }
}

#[tokio::test]
async fn what_is_held_goes_on_as_the_control_path_says() {
    let running = Running::start().await;
    for route in ROUTES {
        for (how, broken, count) in [
            ("go_on", false, None),
            ("cut", true, Some(3)),
            ("clean_end", false, Some(3)),
            ("error_event", false, Some(4)),
        ] {
            running.control("DELETE", "faults", &json!(null)).await;
            let whole = stream(&running, route).await.events();
            running
                .fault(&json!({"route": route, "fault": "hold", "after_events": 3}))
                .await;
            let reading = stream(&running, route);
            let release = async {
                // Its request is there, so it is held or about to be.
                running.control("GET", "requests?count=1", &json!(null)).await;
                running.control("POST", "release", &json!({ "how": how })).await;
            };
            let (held, ()) = tokio::join!(reading, release);
            assert_eq!(held.broken, broken, "{route} {how}");
            let events = held.events();
            assert_eq!(events.len(), count.unwrap_or(whole.len()), "{route} {how}");
            let texts = |events: &[Value]| -> Vec<String> { events.iter().map(Value::to_string).collect() };
            if how == "error_event" {
                assert!(texts(&events)[3].contains("error"), "{route}");
            }
        }
    }
}

#[tokio::test]
async fn a_line_can_be_no_json_no_text_and_without_an_end() {
    let running = Running::start().await;
    let plain = json!({"messages": [{"role": "user", "content": "x"}]});
    for (kind, sign) in [
        ("garbage", &b"data: {'final_result': <object"[..]),
        ("invalid_utf8", b"\xff\xfe\x80"),
    ] {
        for route in ROUTES {
            running
                .fault(&json!({"route": route, "fault": kind, "after_events": 2}))
                .await;
            let reply = stream(&running, route).await;
            let lines: Vec<&[u8]> = reply.body.split(|byte| *byte == b'\n').collect();
            let at = lines
                .iter()
                .position(|line| line.windows(sign.len()).any(|part| part == sign));
            assert!(at.is_some_and(|at| at > 1), "{kind} {route}");
            assert!(reply.body.len() > 500, "{kind} {route}: the rest follows");
        }
        running.fault(&json!({"route": "chat", "fault": kind})).await;
        let whole = running.chat(GPT_4O, &plain).await;
        assert_eq!((whole.status, whole.broken), (200, false));
        assert!(serde_json::from_slice::<Value>(&whole.body).is_err());
    }

    running
        .fault(&json!({"route": "chat", "fault": "huge_line", "after_events": 2}))
        .await;
    let body = json!({"messages": [{"role": "user", "content": "x"}], "stream": true}).to_string();
    let head = format!(
        "POST /v2/inference/deployments/{GPT_4O}/chat/completions?api-version=1 HTTP/1.1\r\nhost: x\r\n\
         authorization: Bearer {}\r\nai-resource-group: default\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        running.token(),
        body.len()
    );
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut seen = 0;
    let mut buffer = vec![0; 1024 * 1024];
    while seen < 65 * 1024 * 1024 {
        let read = socket.read(&mut buffer).await.unwrap();
        assert!(read > 0, "it ended after {seen} bytes");
        seen += read;
    }
}

#[tokio::test]
async fn an_event_can_be_cut_in_its_middle() {
    let running = Running::start().await;
    for route in ROUTES {
        for (kind, broken) in [("cut", true), ("clean_end", false)] {
            running
                .fault(&json!({"route": route, "fault": kind, "after_events": 3, "and_bytes": 9}))
                .await;
            let reply = stream(&running, route).await;
            assert_eq!(reply.broken, broken, "{route}");
            assert_eq!(reply.text().matches("\n\n").count(), 3, "{route}");
            let last = reply.body.split(|byte| *byte == b'\n').next_back().unwrap();
            assert_eq!(last.len(), 9, "{route}");
        }
    }
}

#[tokio::test]
async fn lists_fail_in_the_ai_apis_words_and_bodies_say_what_they_are() {
    let running = Running::start().await;
    for route in ["deployments", "models"] {
        running
            .fault(&json!({"route": route, "fault": "status", "status": 500}))
            .await;
    }
    for path in ["/v2/lm/deployments", "/v2/lm/scenarios/foundation-models/models"] {
        let error = &running.get(path).await.json()["error"];
        assert_eq!(error["code"], "01010500", "{path}: {error}");
        assert!(error["requestId"].is_string(), "{path}: {error}");
    }
    for (text, kind) in [
        ("<html><title>Sign in</title></html>", "text/html; charset=utf-8"),
        ("{\"error\": 1}", "application/json"),
        ("no healthy upstream", "text/plain"),
        ("", "text/plain"),
    ] {
        running
            .fault(&json!({"route": "deployments", "fault": "status", "status": 200, "text": text}))
            .await;
        let reply = running.get("/v2/lm/deployments").await;
        assert_eq!(
            (reply.headers["content-type"].to_str().unwrap(), reply.text()),
            (kind, text)
        );
    }
    let counts = running.control("GET", "counts", &json!(null)).await;
    assert_eq!(
        (&counts["deployments"], &counts["models"], &counts["token"]),
        (&json!(5), &json!(1), &json!(1))
    );
}
