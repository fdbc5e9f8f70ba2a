use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::client::{OPUS_4_6, OPUS_4_8, Running, SONNET};

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAIAQMAAAD+wSzIAAAABlBMVEX/AAD///9BHTQRAAAAC0lEQVQI12NgQAUAABAAAVygnjEAAAAASUVORK5CYII=";

fn body(messages: Value) -> Value {
    json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 2_000, "messages": messages})
}

fn ask(text: &str) -> Value {
    body(json!([{"role": "user", "content": text}]))
}

fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

fn tool() -> Value {
    json!({"name": "Read", "description": "d", "input_schema": {
        "type": "object", "properties": {"file_path": {"type": "string"}}, "required": ["file_path"]
    }})
}

fn called() -> Value {
    json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "Read", "input": {"file_path": "a.txt"}}]})
}

fn thinking() -> Value {
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
    let format = json!({"format": {"type": "json_schema", "schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}}});
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

/// A conversation whose open turn, the second one, thinks before its first call and not before its second. Its first turn
/// thought of nothing.
fn thought_first() -> Value {
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "read_file", "input": {}});
    let results = |id: &str| json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "r"}, {"type": "text", "text": "go on"}]});
    body(json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "y"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "c2ln"}, call("t1")]},
        results("t1"),
        {"role": "assistant", "content": [{"type": "text", "text": "now"}, call("t2")]},
        results("t2"),
    ]))
}

#[tokio::test]
async fn what_bedrock_refuses_is_refused_in_its_words() {
    let running = Running::start().await;
    let user = json!({"role": "user", "content": "x"});
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "r"});
    let betas = |beta: &str| with(ask("x"), "anthropic_beta", json!([beta]));
    let marked = json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}});
    let open_call = body(json!([user, called(), {"role": "user", "content": [result("t1")]}]));
    let mut thought_late = thought_first();
    let turns = thought_late["messages"].as_array_mut().unwrap();
    let thought = turns[3]["content"].as_array_mut().unwrap().remove(0);
    turns[5]["content"].as_array_mut().unwrap().insert(0, thought);
    let cases: Vec<(&str, Value, &str)> = vec![
        (
            SONNET,
            with(ask("x"), "model", json!("claude")),
            "model: Extra inputs are not permitted",
        ),
        (
            SONNET,
            with(ask("x"), "stream", json!(true)),
            "stream: Extra inputs are not permitted",
        ),
        (
            SONNET,
            with(ask("x"), "enable_thinking", json!(true)),
            "enable_thinking: Extra inputs are not permitted",
        ),
        (
            SONNET,
            json!({"anthropic_version": "bedrock-2023-05-31", "messages": [user]}),
            "max_tokens: Field required",
        ),
        (
            SONNET,
            with(ask("x"), "max_tokens", json!(64_001)),
            "max_tokens: 64001 > 64000",
        ),
        (
            SONNET,
            betas("prompt-caching-scope-2026-01-05"),
            "invalid beta flag",
        ),
        (SONNET, betas("advanced-tool-use-2025-11-20"), "invalid beta flag"),
        (SONNET, betas("never-heard-of-2030-01-01"), "invalid beta flag"),
        (SONNET, ask(" \n"), "must contain non-whitespace text"),
        (
            SONNET,
            body(json!([{"role": "user", "content": [{"type": "text", "text": ""}]}])),
            "text content blocks must be non-empty",
        ),
        (
            SONNET,
            with(ask("x"), "system", json!([{"type": "text", "text": ""}])),
            "system: text content blocks must be non-empty",
        ),
        (
            SONNET,
            body(json!([{"role": "user", "content": [marked, marked, marked, marked, marked]}])),
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        (
            SONNET,
            body(json!([user, {"role": "assistant", "content": "a"}, {"role": "system", "content": "s"}])),
            "messages.2.role: Input should be 'user' or 'assistant'",
        ),
        (SONNET, body(json!([user, user])), "roles must alternate"),
        (
            SONNET,
            body(json!([{"role": "assistant", "content": "a"}])),
            "first message must use the \"user\" role",
        ),
        (
            SONNET,
            body(json!([user, called()])),
            "`tool_use` ids were found without `tool_result` blocks immediately after: t1",
        ),
        (
            SONNET,
            body(json!([user, called(), user])),
            "`tool_use` ids were found without `tool_result` blocks immediately after: t1",
        ),
        (
            SONNET,
            body(json!([{"role": "user", "content": [result("t9")]}])),
            "unexpected `tool_use_id` found in `tool_result` blocks: t9",
        ),
        (
            SONNET,
            body(
                json!([user, called(), {"role": "user", "content": [{"type": "text", "text": "x"}, result("t1")]}]),
            ),
            "must come before other content",
        ),
        (
            SONNET,
            with(open_call, "thinking", thinking()),
            "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
        ),
        (
            SONNET,
            with(thought_late, "thinking", thinking()),
            "messages.3.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`",
        ),
        (
            SONNET,
            thought_first(),
            "messages.3: When thinking is disabled, an `assistant` message in the final position cannot contain \
             `thinking`.",
        ),
        (
            OPUS_4_8,
            with(thought_first(), "thinking", json!({"type": "disabled"})),
            "When thinking is disabled",
        ),
        (
            SONNET,
            body(
                json!([user, {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": ""}]}, user]),
            ),
            "Invalid `signature` in `thinking` block",
        ),
        (
            SONNET,
            with(
                ask("x"),
                "thinking",
                json!({"type": "enabled", "budget_tokens": 100}),
            ),
            "greater than or equal to 1024",
        ),
        (
            SONNET,
            with(
                ask("x"),
                "thinking",
                json!({"type": "enabled", "budget_tokens": 2_000}),
            ),
            "`max_tokens` must be greater than `thinking.budget_tokens`",
        ),
        (
            SONNET,
            with(ask("x"), "thinking", json!({"type": "adaptive"})),
            "adaptive thinking is not supported on this model",
        ),
        (
            SONNET,
            with(with(ask("x"), "thinking", thinking()), "temperature", json!(0.5)),
            "`temperature` may only be set to 1",
        ),
        (
            SONNET,
            with(
                with(with(ask("x"), "thinking", thinking()), "tools", json!([tool()])),
                "tool_choice",
                json!({"type": "any"}),
            ),
            "Thinking may not be enabled when tool_choice forces tool use",
        ),
        (
            SONNET,
            with(ask("x"), "output_config", json!({"effort": "high"})),
            "does not support the effort parameter",
        ),
        (
            SONNET,
            with(ask("x"), "tools", json!([tool(), tool()])),
            "Tool names must be unique",
        ),
        (
            SONNET,
            with(
                ask("x"),
                "tools",
                json!([{"name": "f", "input_schema": {"type": "object"}, "eager_input_streaming": true}]),
            ),
            "tools.0.custom.eager_input_streaming: Extra inputs are not permitted",
        ),
        (
            SONNET,
            with(
                ask("x"),
                "tools",
                json!([{"name": "f", "input_schema": {"type": "object"}, "input_examples": []}]),
            ),
            "tools.0.custom.input_examples: Extra inputs are not permitted",
        ),
        (
            SONNET,
            with(ask("x"), "tool_choice", json!({"type": "auto"})),
            "tool_choice may only be specified while providing tools",
        ),
        (
            SONNET,
            body(
                json!([{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": PNG}}]}]),
            ),
            "does not match the provided media type image/jpeg",
        ),
        (SONNET, ask(&"word ".repeat(210_000)), "tokens > 200000 maximum"),
        (
            OPUS_4_6,
            body(json!([user, {"role": "assistant", "content": "Sure:"}])),
            "does not support assistant message prefill",
        ),
        (
            OPUS_4_8,
            with(ask("x"), "thinking", thinking()),
            "\"thinking.type.enabled\" is not supported for this model",
        ),
        (
            OPUS_4_8,
            with(ask("x"), "temperature", json!(1)),
            "`temperature` is not supported on this model",
        ),
        (
            OPUS_4_8,
            with(ask("x"), "top_k", json!(5)),
            "`top_k` is not supported on this model",
        ),
    ];
    for (deployment, body, words) in cases {
        let reply = running.call(deployment, "/invoke", &body).await;
        assert_eq!(reply.status, 400, "{} {words}", reply.text());
        let message = reply.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(words), "{message} instead of {words}");
    }
}

#[tokio::test]
async fn what_newer_models_take_is_taken() {
    let running = Running::start().await;
    let adaptive = json!({"type": "adaptive"});
    let effort = json!({"effort": "high"});
    let cases = [
        (SONNET, with(thought_first(), "thinking", thinking())),
        (OPUS_4_8, with(thought_first(), "thinking", adaptive.clone())),
        (
            OPUS_4_6,
            with(
                with(ask("x"), "thinking", adaptive.clone()),
                "output_config",
                effort.clone(),
            ),
        ),
        (OPUS_4_6, with(ask("x"), "thinking", thinking())),
        (
            OPUS_4_8,
            with(with(ask("x"), "thinking", adaptive), "output_config", effort),
        ),
        (
            SONNET,
            with(
                ask("x"),
                "anthropic_beta",
                json!(["interleaved-thinking-2025-05-14", "tool-search-tool-2025-10-19"]),
            ),
        ),
        (
            SONNET,
            body(json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": "Sure:"}])),
        ),
        (
            SONNET,
            body(
                json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": "c2ln"}, {"type": "text", "text": "a"}]}, {"role": "user", "content": "y"}]),
            ),
        ),
    ];
    for (deployment, body) in cases {
        let reply = running.call(deployment, "/invoke", &body).await;
        assert_eq!(reply.status, 200, "{} {body}", reply.text());
    }
}
