//! A model's own limits behind orchestration.

use serde_json::{Value, json};

use super::orchestration::{CLAUDE, PNG, called, params, request, result, tool, with, with_tools};
use crate::client::{HUB_ORCHESTRATION, Running};

const MISTRAL: &str = "mistralai--mistral-small";
const COHERE: &str = "cohere--command-a-reasoning";
const NOVA: &str = "amazon--nova-pro";
const GEMINI: &str = "gemini-2.5-pro";

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn said(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

/// A conversation with one tool on offer.
fn talk(model: &str, messages: Value) -> Value {
    with_tools(request(model, &messages), json!([tool("read_file")]))
}

fn formed(body: Value) -> Value {
    let format = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}});
    with(
        body,
        "/config/modules/prompt_templating/prompt",
        "response_format",
        format,
    )
}

fn calls(name: &str, id: &str) -> Value {
    json!({"role": "assistant", "tool_calls": [
        {"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}}
    ]})
}

#[tokio::test]
async fn what_each_vendor_refuses_is_refused_behind_orchestration_too() {
    let running = Running::start().await;
    let open = |model: &str, messages: Value| request(model, &messages);
    let marked = json!({"role": "user", "content": [
        {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    ]});
    let thought = json!({"role": "assistant", "content": "y", "reasoning_content": [{"content": "t"}]});
    let cases = [
        (
            talk(MISTRAL, json!([user("x"), called("call_1"), result("call_1")])),
            "with a length of 9",
        ),
        (
            talk(
                MISTRAL,
                json!([user("x"), called("abcdefgh1"), result("abcdefgh1"), user("y")]),
            ),
            "Unexpected role 'user' after role 'tool'",
        ),
        (
            open(MISTRAL, json!([user("x"), said("y")])),
            "Expected last role User or Tool",
        ),
        (
            params(MISTRAL, json!({"temperature": 1.9})),
            "Input should be less than or equal to 1.5",
        ),
        (
            params(MISTRAL, json!({"top_k": 5})),
            "Extra inputs are not permitted",
        ),
        (talk("sonar", json!([user("x")])), "Tool calling is not supported"),
        (open("sonar", json!([user("x"), user("y")])), "should alternate"),
        (
            params("sonar", json!({"stop": ["x"]})),
            "Extra inputs are not permitted",
        ),
        (talk(COHERE, json!([user(" ")])), "must have tokens"),
        (
            params(COHERE, json!({"temperature": 1.1})),
            "invalid value for parameter 'temperature'",
        ),
        (
            formed(open(COHERE, json!([user("x")]))),
            "invalid value for parameter 'response_format",
        ),
        (open(NOVA, json!([user("")])), "is blank"),
        (
            open(NOVA, json!([said("x"), user("y")])),
            "must start with a user message",
        ),
        (
            open(NOVA, json!([user("x"), said("y")])),
            "does not support assistant message prefill",
        ),
        (
            open(NOVA, json!([user("x"), called("c"), result("c")])),
            "The toolConfig field must be defined",
        ),
        (
            formed(open(NOVA, json!([user("x")]))),
            "response_format is not supported",
        ),
        (
            params(NOVA, json!({"temperature": 1.5})),
            "temperature must be at most 1",
        ),
        (
            talk(GEMINI, json!([user("x"), said("y"), called("c"), result("c")])),
            "immediately after a user turn",
        ),
        (open(GEMINI, json!([user("")])), "empty text parameter"),
        (
            open(GEMINI, json!([user("x"), said("y")])),
            "requests end with a user turn",
        ),
        (formed(talk(GEMINI, json!([user("x")]))), "is unsupported"),
        (
            with_tools(request(GEMINI, &json!([user("x")])), json!([tool("1st")])),
            "Invalid function name '1st'",
        ),
        (
            open(CLAUDE, json!([said("x"), user("y")])),
            "first message must use the \"user\" role",
        ),
        (
            talk(CLAUDE, json!([user("x"), called("a.b"), result("a.b")])),
            "should match pattern",
        ),
        (
            formed(open("anthropic--claude-4-sonnet", json!([user("x")]))),
            "output_format: Extra inputs",
        ),
        (
            talk("gpt-4o", json!([user("x"), calls("read file", "c"), result("c")])),
            "function name 'read file' does not match",
        ),
        (
            talk("gpt-4o", json!([user("x"), calls("f", ""), result("")])),
            "must be unique and not empty",
        ),
        (
            open(
                "gpt-4",
                json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}]),
            ),
            "image_url",
        ),
        (
            open("gpt-4o", json!([marked])),
            "cache_control is only applicable to Anthropic Claude models",
        ),
        (
            open("gpt-4o", json!([user("x"), thought, user("y")])),
            "reasoning_content: not supported",
        ),
        (
            params(CLAUDE, json!({"temperature": 0.5, "top_p": 0.5})),
            "cannot both be specified",
        ),
        (
            params(CLAUDE, json!({"stop": " "})),
            "must contain non-whitespace",
        ),
        (
            params(CLAUDE, json!({"reasoning_effort": "low", "top_p": 0.5})),
            "greater than or equal to 0.95",
        ),
        (
            params(CLAUDE, json!({"reasoning_effort": "low", "top_k": 5})),
            "`top_k` must be unset",
        ),
        (
            params("gpt-4o", json!({"verbosity": "low"})),
            "Unsupported parameter: 'verbosity'",
        ),
        (
            with_tools(
                params("o3-mini", json!({"parallel_tool_calls": true})),
                json!([tool("f")]),
            ),
            "Unsupported parameter: 'parallel_tool_calls'",
        ),
        (
            talk(
                "gpt-4o",
                json!([user("x"), called(&"c".repeat(41)), result(&"c".repeat(41))]),
            ),
            "maximum length 40, but got a string with length 41",
        ),
        (params("gpt-4o", json!({"n": 129})), "Invalid 'n'"),
        (params("gpt-4o", json!({"seed": "1"})), "Invalid type for 'seed'"),
        (
            params("gpt-5", json!({"stop": "x"})),
            "Unsupported parameter: 'stop'",
        ),
        (
            with_tools(
                params("gpt-5.5", json!({"reasoning_effort": "low"})),
                json!([tool("f")]),
            ),
            "Function tools with reasoning_effort are not supported",
        ),
    ];
    for (body, words) in cases {
        let reply = running.call(HUB_ORCHESTRATION, "/v2/completion", &body).await;
        assert_eq!(reply.status, 400, "{words} {body}: {}", reply.text());
        let error = reply.json()["error"].clone();
        assert_eq!(error["location"], "LLM Module");
        assert!(
            error["message"].as_str().unwrap().contains(words),
            "{error} instead of {words}"
        );
    }
}

#[tokio::test]
async fn a_tool_turn_as_each_vendor_wants_it_is_taken() {
    let running = Running::start().await;
    let id = "abcdefgh1";
    let turn = json!([user("Read a.txt"), called(id), result(id)]);
    for model in [
        MISTRAL,
        COHERE,
        NOVA,
        GEMINI,
        CLAUDE,
        "gpt-4o",
        "gpt-5",
        "qwen3.7-max",
    ] {
        let reply = running
            .call(HUB_ORCHESTRATION, "/v2/completion", &talk(model, turn.clone()))
            .await;
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        let said = &reply.json()["final_result"]["choices"][0]["message"]["content"];
        assert_eq!(said, "The result is:\nplum", "{model}");
    }
    let listed = json!({"role": "user", "content": [
        {"type": "text", "text": "x"}
    ]});
    let stop = with(
        request("sonar", &json!([listed])),
        "/config/modules/prompt_templating/model",
        "params",
        json!({"max_completion_tokens": 100, "temperature": 0.5, "stream_options": {"include_usage": true}}),
    );
    let reply = running.call(HUB_ORCHESTRATION, "/v2/completion", &stop).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}
