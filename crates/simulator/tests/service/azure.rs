use serde_json::{Value, json};

use crate::client::{GPT_4O, GPT_5, Running};

fn ask(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": text}]})
}

fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

fn tool() -> Value {
    json!({"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}}, "required": ["city", "unit"]
    }}})
}

fn called() -> Value {
    json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    ]})
}

#[tokio::test]
async fn tools_are_called_in_parallel_unless_that_is_off() {
    let running = Running::start().await;
    let asked = with(
        ask("What's the weather in Paris and in Toulouse?"),
        "tools",
        json!([tool()]),
    );
    let message = running.chat(GPT_4O, &asked).await.json()["choices"][0]["message"].clone();
    let arguments: Vec<Value> = message["tool_calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(
        arguments,
        [
            json!({"city": "Paris", "unit": "C"}),
            json!({"city": "Toulouse", "unit": "C"})
        ]
    );
    let one = running
        .chat(GPT_4O, &with(asked, "parallel_tool_calls", json!(false)))
        .await
        .json();
    assert_eq!(
        one["choices"][0]["message"]["tool_calls"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_stream_opens_with_the_prompt_filter_and_gives_usage_only_when_asked() {
    let running = Running::start().await;
    let streamed = with(ask("hello"), "stream", json!(true));
    let events = running.chat(GPT_4O, &streamed).await.events();
    assert_eq!(events[0]["choices"], json!([]));
    assert_eq!((&events[0]["id"], &events[0]["created"]), (&json!(""), &json!(0)));
    assert!(events[0]["prompt_filter_results"].is_array());
    assert_eq!(events[1]["choices"][0]["delta"]["role"], "assistant");
    assert!(events[2]["choices"][0]["content_filter_results"]["hate"].is_object());
    assert_eq!(events.last().unwrap(), "[DONE]");
    let text: String = events
        .iter()
        .filter_map(|event| event.pointer("/choices/0/delta/content")?.as_str())
        .collect();
    assert_eq!(text, "You said: hello");
    assert!(events.iter().all(|event| event.get("usage").is_none()));

    let events = running
        .chat(
            GPT_4O,
            &with(streamed, "stream_options", json!({"include_usage": true})),
        )
        .await
        .events();
    let usage = &events[events.len() - 2];
    assert_eq!(usage["choices"], json!([]));
    assert!(usage["usage"]["total_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn the_api_version_is_required() {
    let running = Running::start().await;
    let reply = running.call(GPT_4O, "/chat/completions", &ask("x")).await;
    assert_eq!(reply.status, 404);
    assert_eq!(
        reply.json(),
        json!({"error": {"code": "404", "message": "Resource not found"}})
    );
}

#[tokio::test]
async fn what_openai_refuses_is_refused_in_its_words() {
    let running = Running::start().await;
    let messages = |messages: Value| json!({ "messages": messages });
    let user = json!({"role": "user", "content": "x"});
    let result = json!({"role": "tool", "tool_call_id": "c1", "content": "r"});
    let cases: Vec<(&str, Value, &str)> = vec![
        (
            GPT_4O,
            with(ask("x"), "resource_group", json!("default")),
            "Unrecognized request argument supplied: resource_group",
        ),
        (
            GPT_4O,
            with(ask("x"), "beta", json!(true)),
            "Unrecognized request argument supplied: beta",
        ),
        (
            GPT_4O,
            with(ask("x"), "reasoning_effort", json!("low")),
            "Unrecognized request argument supplied: reasoning_effort",
        ),
        (
            GPT_4O,
            with(ask("x"), "max_tokens", json!(32_000)),
            "max_tokens is too large: 32000. This model supports at most 16384 completion tokens",
        ),
        (
            GPT_4O,
            messages(json!([{"role": "user", "content": "x", "reasoning_content": "y"}])),
            "Unknown parameter: 'messages[0].reasoning_content'.",
        ),
        (
            GPT_4O,
            messages(json!([user, result])),
            "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'",
        ),
        (
            GPT_4O,
            messages(json!([user, called(), user])),
            "did not have response messages: c1",
        ),
        (
            GPT_4O,
            messages(json!([user, {"role": "assistant", "content": null}])),
            "expected a string, got null",
        ),
        (
            GPT_4O,
            with(ask("x"), "tool_choice", json!("auto")),
            "only allowed when 'tools' are specified",
        ),
        (GPT_4O, with(ask("x"), "tools", json!([])), "empty array"),
        (
            GPT_4O,
            with(ask("x"), "tools", json!([{"type": "web_search"}])),
            "Invalid value: 'web_search'",
        ),
        (
            GPT_4O,
            with(ask("x"), "stream_options", json!({"include_usage": true})),
            "only allowed when 'stream' is enabled",
        ),
        (
            GPT_4O,
            with(ask("x"), "response_format", json!({"type": "json_object"})),
            "must contain the word 'json'",
        ),
        (
            GPT_5,
            with(ask("x"), "max_tokens", json!(5)),
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        ),
        (
            GPT_5,
            with(ask("x"), "temperature", json!(0)),
            "Only the default (1) value is supported",
        ),
        (
            GPT_5,
            with(ask("x"), "top_p", json!(0.5)),
            "Unsupported parameter: 'top_p' is not supported with this model.",
        ),
        (
            GPT_5,
            with(ask("x"), "presence_penalty", json!(0)),
            "Unsupported parameter: 'presence_penalty'",
        ),
        (
            GPT_5,
            with(ask("x"), "reasoning_effort", json!("none")),
            "'reasoning_effort' does not support 'none'",
        ),
    ];
    for (deployment, body, words) in cases {
        let reply = running.chat(deployment, &body).await;
        assert_eq!(reply.status, 400, "{} {words}", reply.text());
        let error = reply.json()["error"].clone();
        assert!(
            error["message"].as_str().unwrap().contains(words),
            "{error} instead of {words}"
        );
        assert_eq!(error["type"], "invalid_request_error");
    }
    let taken = with(
        with(ask("x"), "temperature", json!(1)),
        "reasoning_effort",
        json!("minimal"),
    );
    assert_eq!(running.chat(GPT_5, &taken).await.status, 200);
}
