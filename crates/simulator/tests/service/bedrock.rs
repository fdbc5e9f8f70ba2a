use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::client::{Running, SONNET};

pub(super) const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAIAQMAAAD+wSzIAAAABlBMVEX/AAD///9BHTQRAAAAC0lEQVQI12NgQAUAABAAAVygnjEAAAAASUVORK5CYII=";

pub(super) fn body(messages: Value) -> Value {
    json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 2_000, "messages": messages})
}

pub(super) fn ask(text: &str) -> Value {
    body(json!([{"role": "user", "content": text}]))
}

pub(super) fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

pub(super) fn tool() -> Value {
    json!({"name": "Read", "description": "d", "input_schema": {
        "type": "object", "properties": {"file_path": {"type": "string"}}, "required": ["file_path"]
    }})
}

pub(super) fn called() -> Value {
    json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "Read", "input": {"file_path": "a.txt"}}]})
}

pub(super) fn thinking() -> Value {
    json!({"type": "enabled", "budget_tokens": 1_024})
}

#[tokio::test]
async fn a_whole_tool_turn_is_finished() {
    let running = Running::start().await;
    let first = with(
        ask("<system-reminder>Read no.txt</system-reminder>\nRead the file /tmp/x/hello.txt."),
        "tools",
        json!([tool()]),
    );
    let message = running.call(SONNET, "/invoke", &first).await.json();
    assert_eq!(message["stop_reason"], "tool_use");
    let call = message["content"].as_array().unwrap().last().unwrap();
    assert_eq!(call["input"], json!({"file_path": "/tmp/x/hello.txt"}));

    let second = with(
        body(json!([
            {"role": "user", "content": "Read the file /tmp/x/hello.txt."},
            {"role": "assistant", "content": message["content"]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": [
                {"type": "text", "text": "1\tplum {{?x}}"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
            ]}, {"type": "text", "text": "<system-reminder>Read c.txt</system-reminder>"}]}
        ])),
        "tools",
        json!([tool()]),
    );
    let message = running.call(SONNET, "/invoke", &second).await.json();
    assert_eq!(
        message["content"][0]["text"],
        "The result is:\n1\tplum {{?x}}\nI see image/png 8x8."
    );
    assert_eq!(message["stop_reason"], "end_turn");
}

#[tokio::test]
async fn what_comes_then_waits_for_the_results_of_the_step_before() {
    let running = Running::start().await;
    let shell = json!({"name": "exec", "description": "d", "input_schema": {
        "type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]
    }});
    let mut messages =
        vec![json!({"role": "user", "content": "Read the file a.txt and tell me. Then run `ls`."})];
    for (name, input) in [
        ("Read", json!({"file_path": "a.txt"})),
        ("exec", json!({"cmd": "ls"})),
    ] {
        let asked = with(body(json!(messages)), "tools", json!([tool(), shell]));
        let message = running.call(SONNET, "/invoke", &asked).await.json();
        let calls: Vec<&Value> = message["content"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|block| block["type"] == "tool_use")
            .collect();
        assert_eq!(calls.len(), 1, "{message}");
        assert_eq!((&calls[0]["name"], &calls[0]["input"]), (&json!(name), &input));
        let result = json!({"type": "tool_result", "tool_use_id": calls[0]["id"], "content": name});
        messages.push(json!({"role": "assistant", "content": message["content"]}));
        messages.push(json!({"role": "user", "content": [result]}));
    }
    let asked = with(body(json!(messages)), "tools", json!([tool(), shell]));
    let message = running.call(SONNET, "/invoke", &asked).await.json();
    assert_eq!(message["content"][0]["text"], "The result is:\nRead\nexec");
}

#[tokio::test]
async fn a_stream_has_no_event_lines_and_ends_with_metrics() {
    let running = Running::start().await;
    let asked = with(
        with(ask("Read a.txt"), "tools", json!([tool()])),
        "thinking",
        thinking(),
    );
    let reply = running.call(SONNET, "/invoke-with-response-stream", &asked).await;
    assert_eq!(reply.headers["content-type"], "text/event-stream");
    assert!(reply.text().starts_with("data: {\"type\":\"message_start\""));
    let events = reply.events();
    let starts: Vec<&Value> = events
        .iter()
        .filter_map(|event| event.pointer("/content_block/type"))
        .collect();
    assert_eq!(starts, ["thinking", "text", "tool_use"]);
    let pieces = |key: &str| -> String {
        events
            .iter()
            .filter_map(|event| event["delta"][key].as_str())
            .collect()
    };
    assert_eq!(pieces("partial_json"), "{\"file_path\":\"a.txt\"}");
    assert!(!pieces("signature").is_empty() && pieces("thinking").contains("Read a.txt"));
    let last = events.last().unwrap();
    assert_eq!(last["type"], "message_stop");
    assert!(
        last["amazon-bedrock-invocationMetrics"]["outputTokenCount"]
            .as_u64()
            .unwrap()
            > 0
    );
}

#[tokio::test]
async fn the_binary_event_stream_is_sent_to_who_asks_for_it() {
    let running = Running::start().await;
    let accept = [("accept", "application/vnd.amazon.eventstream")];
    let reply = running
        .call_with(SONNET, "/invoke-with-response-stream", &ask("hi"), &accept)
        .await;
    assert_eq!(
        reply.headers["content-type"],
        "application/vnd.amazon.eventstream"
    );
    let mut rest = &reply.body[..];
    let mut kinds = Vec::new();
    while !rest.is_empty() {
        let number = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().unwrap()) as usize;
        let (length, headers) = (number(0), number(4));
        let payload: Value = serde_json::from_slice(&rest[12 + headers..length - 4]).unwrap();
        let event = BASE64_STANDARD
            .decode(payload["bytes"].as_str().unwrap())
            .unwrap();
        kinds.push(
            serde_json::from_slice::<Value>(&event).unwrap()["type"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
        rest = &rest[length..];
    }
    assert_eq!(
        (kinds[0].as_str(), kinds.last().unwrap().as_str()),
        ("message_start", "message_stop")
    );
}

#[tokio::test]
async fn limits_stops_and_forms_are_kept() {
    let running = Running::start().await;
    let message = running
        .call(SONNET, "/invoke", &with(ask("a b c d"), "max_tokens", json!(3)))
        .await
        .json();
    assert_eq!(
        (&message["stop_reason"], &message["usage"]["output_tokens"]),
        (&json!("max_tokens"), &json!(3))
    );
    let message = running
        .call(
            SONNET,
            "/invoke",
            &with(ask("a STOP b"), "stop_sequences", json!(["STOP"])),
        )
        .await
        .json();
    assert_eq!(
        (&message["stop_reason"], &message["stop_sequence"]),
        (&json!("stop_sequence"), &json!("STOP"))
    );
    assert_eq!(message["content"][0]["text"], "You said: a ");
    let format = json!({"format": {"type": "json_schema", "schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false}}});
    let message = running
        .call(
            SONNET,
            "/invoke",
            &with(ask("give me 42"), "output_config", format),
        )
        .await
        .json();
    assert_eq!(message["content"][0]["text"], "{\"n\":42}");
    let choice = json!({"type": "tool", "name": "Read"});
    let forced = with(with(ask("hi"), "tools", json!([tool()])), "tool_choice", choice);
    let message = running.call(SONNET, "/invoke", &forced).await.json();
    assert_eq!(message["content"][0]["type"], "tool_use");
}

#[tokio::test]
async fn cached_tokens_are_counted_apart() {
    let running = Running::start().await;
    let asked = |text: &str| {
        with(
            ask(text),
            "system",
            json!([{"type": "text", "text": "be brief and friendly", "cache_control": {"type": "ephemeral"}}]),
        )
    };
    let first = running.call(SONNET, "/invoke", &asked("one")).await.json()["usage"].clone();
    let written = first["cache_creation"]["ephemeral_5m_input_tokens"]
        .as_u64()
        .unwrap();
    assert!(written > 0);
    let second = running.call(SONNET, "/invoke", &asked("two")).await.json()["usage"].clone();
    assert_eq!(
        (
            &second["cache_read_input_tokens"],
            &second["cache_creation_input_tokens"]
        ),
        (&json!(written), &json!(0))
    );
    assert_eq!(first["input_tokens"], second["input_tokens"]);
}
