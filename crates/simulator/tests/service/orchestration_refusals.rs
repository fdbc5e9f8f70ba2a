use serde_json::{Value, json};

use super::orchestration::{
    CLAUDE, OPUS, PNG, ask, called, params, request, result, streamed, tool, with, with_tools,
};
use crate::client::Running;

#[tokio::test]
async fn what_the_service_refuses_is_refused_in_its_words() {
    let running = Running::start().await;
    let history = |body: Value, messages: Value| with(body, "", "messages_history", messages);
    let template = |messages: Value| request(CLAUDE, &messages);
    let tools = |names: &[&str]| Value::Array(names.iter().map(|name| tool(name)).collect());
    let marked = json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}});
    let no_prompt = json!({"config": {"modules": {"prompt_templating": {"model": {"name": CLAUDE}}}},
        "messages_history": [{"role": "user", "content": "x"}]});
    let broken = json!({"role": "assistant", "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":"}}
    ]});
    let user = json!({"role": "user", "content": "x"});
    let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}]);
    let cases: Vec<(Value, u16, &str)> = vec![
        (
            json!({}),
            400,
            "400 - Request Body: 'config' is a required property",
        ),
        (
            with(ask(CLAUDE, "x"), "/config", "stream", json!(true)),
            400,
            "True is not of type 'object' - 'config.stream'",
        ),
        (
            with(ask(CLAUDE, "x"), "", "stream", json!(true)),
            400,
            "('stream' was unexpected)",
        ),
        (
            no_prompt,
            400,
            "Either a prompt template or messages must be defined",
        ),
        (
            ask(CLAUDE, "{{?x}}"),
            400,
            "400 - Input Parameters: Error validating parameters. Unused parameters: ['x'].",
        ),
        (
            with(ask(CLAUDE, "x"), "", "placeholder_values", json!({"y": "1"})),
            400,
            "Unknown parameters: ['y']",
        ),
        (ask(CLAUDE, "{% if %}"), 400, "unexpected '{%'"),
        (
            with_tools(
                ask(CLAUDE, "x"),
                json!([{"type": "function", "function": {"name": "f", "description": "use {{x}}"}}]),
            ),
            400,
            "unexpected '{{'",
        ),
        (
            ask("gpt-9", "x"),
            400,
            "400 - LLM Module: Model gpt-9 in version latest not found.",
        ),
        (
            with(
                ask("gpt-5", "x"),
                "/config/modules/prompt_templating/model",
                "version",
                json!("wrong-version"),
            ),
            400,
            "400 - LLM Module: Model gpt-5 in version wrong-version not found.",
        ),
        (
            streamed(ask("o3-mini", "x"), 1),
            400,
            "400 - LLM Module: Streaming is not supported for this model",
        ),
        (
            with_tools(ask(CLAUDE, "x"), tools(&["f", "f"])),
            400,
            "400 - LLM Module: tools: Tool names must be unique.",
        ),
        (
            template(
                json!([user, called("c"), {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "x"}]}]),
            ),
            400,
            "Tool message content must be a string for Anthropic harmonization. Received: list.",
        ),
        (
            template(json!([user, broken, result("c")])),
            500,
            "Internal Server Error",
        ),
        (
            template(json!([user, {"role": "assistant", "content": ""}, user])),
            400,
            "Assistant message has neither text nor tool_use blocks.",
        ),
        (
            template(json!([{"role": "user", "content": " "}])),
            400,
            "text content blocks must be non-empty",
        ),
        (
            template(json!([{"role": "user", "content": [{"type": "text", "text": ""}]}])),
            400,
            "text content blocks must be non-empty",
        ),
        (
            history(template(json!([result("c")])), json!([user, called("c")])),
            400,
            "must follow its tool call there",
        ),
        (
            template(json!([user, result("c")])),
            400,
            "must be a response to a preceding message with 'tool_calls'",
        ),
        (
            template(json!([user, called("c"), user])),
            400,
            "did not have response messages: c",
        ),
        (
            template(json!([user, called("c")])),
            400,
            "did not have response messages: c",
        ),
        (
            history(
                ask(CLAUDE, "x"),
                json!([user, {"role": "system", "content": "s"}]),
            ),
            400,
            "a system message is only taken before",
        ),
        (
            template(json!([{"role": "user", "content": [marked, marked, marked, marked, marked]}])),
            400,
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        (
            template(
                json!([user, {"role": "assistant", "content": "a", "reasoning_content": [{"content": "t"}]}, user]),
            ),
            400,
            "thinking.signature: Field required",
        ),
        (
            request(OPUS, &json!([user, {"role": "assistant", "content": "Sure:"}])),
            400,
            "does not support assistant message prefill",
        ),
        (
            request("o3-mini", &image),
            400,
            "does not support image_url input",
        ),
        (
            params("gpt-5", json!({"temperature": 0.1})),
            400,
            "'temperature' is not supported with this model",
        ),
        (
            params("gpt-5", json!({"max_tokens": 5})),
            400,
            "Use 'max_completion_tokens' instead",
        ),
        (
            params(OPUS, json!({"top_p": 0.5})),
            400,
            "'top_p' is not supported with this model",
        ),
        (
            params(OPUS, json!({"temperature": 1})),
            400,
            "'temperature' is not supported with this model",
        ),
        (
            params("gpt-4o", json!({"max_tokens": 32_000})),
            400,
            "supports at most 16384 completion tokens",
        ),
        (
            params(CLAUDE, json!({"max_tokens": 64_001})),
            400,
            "max_tokens: 64001 > 64000, which is the maximum",
        ),
        (
            params("gemini-2.5-pro", json!({"tools": []})),
            400,
            "400 - LLM Module: Unknown field for GenerationConfig: tools",
        ),
        (
            params(CLAUDE, json!({"resource_group": "default"})),
            400,
            "Unknown field for AnthropicMessagesRequest: resource_group",
        ),
        (params(CLAUDE, json!({"topK": 3})), 400, "Unknown field"),
        (
            params(CLAUDE, json!({"tool_choice": "auto"})),
            400,
            "only allowed when 'tools' are specified",
        ),
        (
            with_tools(
                params(CLAUDE, json!({"tool_choice": {"type": "tool", "name": "f"}})),
                tools(&["f"]),
            ),
            400,
            "Invalid value for tool_choice",
        ),
        (
            params(CLAUDE, json!({"reasoning_effort": "max"})),
            400,
            "Invalid value for reasoning_effort",
        ),
        (
            params(CLAUDE, json!({"reasoning_effort": "low", "temperature": 0.2})),
            400,
            "may only be set to 1 when thinking",
        ),
        (
            params(
                CLAUDE,
                json!({"thinking": {"type": "enabled", "budget_tokens": 5}}),
            ),
            400,
            "greater than or equal to 1024",
        ),
        (
            params(
                OPUS,
                json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}),
            ),
            400,
            "not supported for this model",
        ),
    ];
    for (body, status, words) in cases {
        let reply = running.complete(&body).await;
        assert_eq!(reply.status, status, "{body} {}", reply.text());
        let error = reply.json()["error"].clone();
        assert!(
            error["message"].as_str().unwrap().contains(words),
            "{} for {body}",
            reply.text()
        );
        assert_eq!(error["code"], status);
        assert!(error["location"].is_string() && error["request_id"].is_string());
    }
    let twice = running
        .send("POST", "/__simulator/requests", &[], bytes::Bytes::new())
        .await;
    assert_eq!(twice.status, 404);
    let record = running.control("GET", "requests", &json!(null)).await;
    let completions = record
        .as_array()
        .unwrap()
        .iter()
        .filter(|request| request["route"] == "completion");
    assert!(completions.clone().all(|request| request["refused"].is_string()));
}

#[tokio::test]
async fn what_the_model_refuses_comes_inside_a_stream_that_has_begun() {
    let running = Running::start().await;
    let reply = running
        .complete(&streamed(params(CLAUDE, json!({"beta": 1})), 1))
        .await;
    assert_eq!(reply.status, 200);
    let events = reply.events();
    assert_eq!(events.len(), 2);
    assert_eq!(events[1]["error"]["location"], "LLM Module");
}
