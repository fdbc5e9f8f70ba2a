//! What Bedrock and Claude refuse, in their words, and what newer models take.

use serde_json::{Value, json};

use super::bedrock::{PNG, ask, body, called, thinking, tool, with};
use crate::client::{OPUS_4_6, OPUS_4_8, Running, SONNET};

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
    let form = |schema: Value| json!({"format": {"type": "json_schema", "schema": schema}});
    let closed =
        |member: Value| json!({"type": "object", "properties": {"a": member}, "additionalProperties": false});
    for (schema, words) in [
        (
            json!({"type": "object"}),
            "'additionalProperties' must be explicitly set to false",
        ),
        (
            closed(json!({"anyOf": [{"type": "object"}]})),
            "must be explicitly set to false",
        ),
        (
            closed(json!({"type": "string", "minLength": 1})),
            "For 'string' type, property 'minLength' is not supported",
        ),
        (
            closed(json!({"type": "array", "items": {"type": "string"}, "minItems": 2})),
            "'minItems'",
        ),
    ] {
        let reply = running
            .call(SONNET, "/invoke", &with(ask("x"), "output_config", form(schema)))
            .await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        assert!(
            reply.text().contains(words),
            "{} instead of {words}",
            reply.text()
        );
    }
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
