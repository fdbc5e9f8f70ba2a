//! Cohere's chat.

use serde_json::{Value, json};

use super::small_families::{COHERE_NAME, called, chat, refused, result, said, talk, tools, with};
use crate::client::{COHERE, Running};

#[tokio::test]
async fn cohere_answers_in_its_own_form_on_both_paths() {
    let running = Running::start().await;
    let body = with(
        said(COHERE_NAME, "hello"),
        "thinking",
        json!({"type": "disabled"}),
    );
    for path in ["/v2/chat", "/chat"] {
        let answer = running.call(COHERE, path, &body).await.json();
        assert_eq!(
            answer["message"],
            json!({"role": "assistant", "content": [{"type": "text", "text": "You said: hello"}]})
        );
        assert_eq!(answer["finish_reason"], "COMPLETE");
        assert!(answer["usage"]["tokens"]["input_tokens"].as_u64().unwrap() > 0);
    }
    let thinking = chat(&running, COHERE, &said(COHERE_NAME, "hello")).await.json();
    assert_eq!(thinking["message"]["content"][0]["type"], "thinking");
    let form = json!({"type": "json_object", "json_schema": {"type": "object", "properties": {"n": {"type": "integer"}}}});
    let structured = with(
        with(body, "response_format", form),
        "messages",
        json!([{"role": "user", "content": "7"}]),
    );
    let answer = chat(&running, COHERE, &structured).await.json();
    assert_eq!(answer["message"]["content"][0]["text"], "{\"n\":7}");
}

#[tokio::test]
async fn coheres_stream_names_each_event() {
    let running = Running::start().await;
    let streamed = with(said(COHERE_NAME, "héllo 😀"), "stream", json!(true));
    let events = chat(&running, COHERE, &streamed).await.events();
    let kinds = |events: &[Value]| {
        let mut kinds: Vec<String> = events
            .iter()
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .collect();
        kinds.dedup();
        kinds
    };
    assert_eq!(
        kinds(&events),
        [
            "message-start",
            "content-start",
            "content-delta",
            "content-end",
            "content-start",
            "content-delta",
            "content-end",
            "message-end"
        ]
    );
    let collected = |kind: &str| -> String {
        events
            .iter()
            .filter(|event| event["type"] == "content-delta")
            .filter_map(|event| event["delta"]["message"]["content"][kind].as_str())
            .collect()
    };
    assert_eq!(collected("text"), "You said: héllo 😀");
    assert!(collected("thinking").starts_with("The user says: héllo"));

    let asked = with(
        with(
            said(COHERE_NAME, "What's the weather in Paris and in Toulouse?"),
            "tools",
            tools(),
        ),
        "thinking",
        json!({"type": "disabled"}),
    );
    let events = chat(&running, COHERE, &with(asked.clone(), "stream", json!(true)))
        .await
        .events();
    assert_eq!(
        kinds(&events),
        [
            "message-start",
            "tool-plan-delta",
            "tool-call-start",
            "tool-call-delta",
            "tool-call-end",
            "tool-call-start",
            "tool-call-delta",
            "tool-call-end",
            "message-end"
        ]
    );
    let arguments: String = events
        .iter()
        .filter_map(|event| {
            event
                .pointer("/delta/message/tool_calls/function/arguments")?
                .as_str()
        })
        .collect();
    assert_eq!(arguments, "{\"city\":\"Paris\"}{\"city\":\"Toulouse\"}");
    assert_eq!(events.last().unwrap()["delta"]["finish_reason"], "TOOL_CALL");

    let message = chat(&running, COHERE, &asked).await.json()["message"].clone();
    assert_eq!(message["tool_plan"], "I use get_weather and get_weather.");
    let ids: Vec<&str> = message["tool_calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["id"].as_str().unwrap())
        .collect();
    let turn = talk(
        COHERE_NAME,
        json!([asked["messages"][0], message, result(ids[0]), {"role": "tool", "tool_call_id": ids[1], "content": [
            {"type": "document", "document": {"data": {"weather": "sun"}}}
        ]}]),
    );
    let answer = chat(&running, COHERE, &turn).await.json();
    let content = answer["message"]["content"].as_array().unwrap();
    assert_eq!(
        content.last().unwrap()["text"],
        "The result is:\nRain.\n{\"weather\":\"sun\"}"
    );
}

#[tokio::test]
async fn what_cohere_refuses_is_refused_in_its_words() {
    let running = Running::start().await;
    let user = json!({"role": "user", "content": "x"});
    let base = || said(COHERE_NAME, "x");
    let messages = |messages: Value| talk(COHERE_NAME, messages);
    let cases = vec![
        (
            422,
            json!({"messages": [user]}),
            "missing required field: 'model'",
        ),
        (400, said("command-a", "x"), "model 'command-a' not found"),
        (
            422,
            with(base(), "top_p", json!(0.5)),
            "parameter 'top_p' is not a valid field",
        ),
        (
            422,
            with(base(), "parallel_tool_calls", json!(true)),
            "'parallel_tool_calls'",
        ),
        (
            422,
            with(base(), "tool_choice", json!("auto")),
            "invalid value for parameter 'tool_choice'",
        ),
        (
            422,
            with(base(), "temperature", json!(1.5)),
            "parameter 'temperature'",
        ),
        (
            422,
            messages(json!([{"role": "developer", "content": "x"}])),
            "parameter 'messages.0'",
        ),
        (
            422,
            with(
                base(),
                "response_format",
                json!({"type": "json_schema", "json_schema": {}}),
            ),
            "parameter 'response_format'",
        ),
        (
            400,
            with(base(), "max_tokens", json!(9_000)),
            "less than or equal to 8192",
        ),
        (
            400,
            with(base(), "tool_choice", json!("REQUIRED")),
            "can only be specified with tools",
        ),
        (
            400,
            with(
                with(base(), "tools", tools()),
                "response_format",
                json!({"type": "json_object"}),
            ),
            "not supported with tools",
        ),
        (
            400,
            with(base(), "tools", json!([tools()[0], tools()[0]])),
            "tool names must be unique",
        ),
        (
            400,
            messages(json!([user, called("c1"), user])),
            "must be followed by tool messages for: c1",
        ),
        (
            400,
            messages(json!([user, called("c1")])),
            "must be followed by tool messages for: c1",
        ),
        (
            400,
            messages(json!([user, result("c1")])),
            "tool call id 'c1' in messages[1] not found",
        ),
        (
            400,
            messages(json!([{"role": "user", "content": " "}])),
            "messages[0] has none",
        ),
        (
            400,
            messages(json!([user, {"role": "assistant", "content": "x"}])),
            "the last message must be of role user or tool",
        ),
        (
            400,
            messages(
                json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]),
            ),
            "does not support image inputs",
        ),
    ];
    refused(&running, COHERE, cases).await;
}
