//! Mistral's chat completions.

use serde_json::{Value, json};

use super::small_families::{MISTRAL_NAME, called, chat, refused, result, said, talk, tools, with};
use crate::client::{MISTRAL, Running};

#[tokio::test]
async fn mistral_answers_in_openais_form_whole_and_as_a_stream() {
    let running = Running::start().await;
    let body = said(MISTRAL_NAME, "héllo 漢字 😀");
    let answer = chat(&running, MISTRAL, &body).await.json();
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(
        answer["choices"][0]["message"]["content"],
        "You said: héllo 漢字 😀"
    );
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    let events = chat(&running, MISTRAL, &with(body, "stream", json!(true)))
        .await
        .events();
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(done, "[DONE]");
    let text: String = chunks
        .iter()
        .filter_map(|chunk| chunk.pointer("/choices/0/delta/content")?.as_str())
        .collect();
    assert_eq!(text, "You said: héllo 漢字 😀");
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(last["usage"], answer["usage"]);
}

#[tokio::test]
async fn mistral_calls_tools_by_ids_of_its_own_form() {
    let running = Running::start().await;
    let asked = with(
        said(MISTRAL_NAME, "What's the weather in Paris and in Toulouse?"),
        "tools",
        tools(),
    );
    let message = chat(&running, MISTRAL, &asked).await.json()["choices"][0]["message"].clone();
    let calls = message["tool_calls"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    for call in calls {
        let id = call["id"].as_str().unwrap();
        assert!(
            id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{id}"
        );
    }
    let streamed = with(asked.clone(), "stream", json!(true));
    let events = chat(&running, MISTRAL, &streamed).await.events();
    let whole: Vec<&Value> = events
        .iter()
        .filter_map(|event| event.pointer("/choices/0/delta/tool_calls/0/function"))
        .collect();
    assert_eq!(
        whole,
        [&calls[0]["function"], &calls[1]["function"]],
        "a call comes in one chunk"
    );
    let turn = talk(
        MISTRAL_NAME,
        json!([
            asked["messages"][0],
            message,
            result(calls[0]["id"].as_str().unwrap()),
            result(calls[1]["id"].as_str().unwrap()),
        ]),
    );
    let answer = chat(&running, MISTRAL, &turn).await.json();
    assert_eq!(
        answer["choices"][0]["message"]["content"],
        "The result is:\nRain.\nRain."
    );

    for (choice, count) in [
        (json!("any"), 1),
        (json!("none"), 0),
        (
            json!({"type": "function", "function": {"name": "get_weather"}}),
            1,
        ),
    ] {
        let asked = with(
            with(said(MISTRAL_NAME, "hello"), "tools", tools()),
            "tool_choice",
            choice,
        );
        let answer = chat(&running, MISTRAL, &asked).await.json();
        let calls = answer["choices"][0]["message"]["tool_calls"]
            .as_array()
            .map_or(0, Vec::len);
        assert_eq!(calls, count);
    }
    let schema = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object", "properties": {"n": {"type": "integer"}}}}});
    let asked = with(said(MISTRAL_NAME, "7 apples"), "response_format", schema);
    let answer = chat(&running, MISTRAL, &asked).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "{\"n\":7}");
}

#[tokio::test]
async fn what_mistral_refuses_is_refused_in_its_words() {
    let running = Running::start().await;
    let user = json!({"role": "user", "content": "x"});
    let base = || said(MISTRAL_NAME, "x");
    let messages = |messages: Value| talk(MISTRAL_NAME, messages);
    let cases = vec![
        (422, json!({"messages": [user]}), "\"loc\":[\"body\",\"model\"]"),
        (
            400,
            said("mistral-small-latest", "x"),
            "Invalid model: mistral-small-latest",
        ),
        (
            422,
            with(base(), "max_completion_tokens", json!(5)),
            "\"max_completion_tokens\"]",
        ),
        (
            422,
            with(base(), "stream_options", json!({"include_usage": true})),
            "extra_forbidden",
        ),
        (422, with(base(), "seed", json!(5)), "extra_forbidden"),
        (
            422,
            with(base(), "reasoning_effort", json!("low")),
            "extra_forbidden",
        ),
        (
            422,
            messages(json!([{"role": "developer", "content": "x"}])),
            "union_tag_invalid",
        ),
        (
            422,
            messages(json!([{"role": "user", "content": "x", "name": "n"}])),
            "extra_forbidden",
        ),
        (422, messages(json!([])), "value_error"),
        (
            422,
            with(base(), "temperature", json!(1.8)),
            "less than or equal to 1.5",
        ),
        (
            400,
            with(base(), "max_tokens", json!(9_000)),
            "max_tokens is too large: 9000",
        ),
        (
            400,
            with(base(), "tool_choice", json!("auto")),
            "no tools are given",
        ),
        (
            400,
            with(base(), "tools", json!([tools()[0], tools()[0]])),
            "Duplicate function name: get_weather",
        ),
        (
            400,
            messages(json!([user, called("call_1"), result("call_1")])),
            "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.",
        ),
        (
            400,
            messages(json!([user, called("abcdefgh1")])),
            "Expected last role User or Tool",
        ),
        (
            400,
            messages(json!([user, called("abcdefgh1"), user])),
            "Not the same number of function calls and responses",
        ),
        (
            400,
            messages(json!([user, result("abcdefgh1")])),
            "Unexpected tool call id",
        ),
        (
            400,
            messages(json!([user, called("abcdefgh1"), result("abcdefgh1"), user])),
            "Unexpected role 'user' after role 'tool'",
        ),
        (
            400,
            messages(json!([user, {"role": "system", "content": "x"}, user])),
            "Unexpected role 'system' after role 'user'",
        ),
        (
            400,
            messages(json!([user, {"role": "assistant", "content": "x"}])),
            "Expected last role User or Tool (or Assistant with prefix True)",
        ),
        (
            400,
            messages(json!([user, {"role": "assistant", "content": ""}, user])),
            "must have either content or tool_calls",
        ),
        (
            400,
            messages(
                json!([{"role": "user", "content": [{"type": "image_url", "image_url": "data:image/png;base64,AA=="}]}]),
            ),
            "Image input is not enabled",
        ),
    ];
    refused(&running, MISTRAL, cases).await;
    let prefixed = messages(json!([user, {"role": "assistant", "content": "x", "prefix": true}]));
    assert_eq!(chat(&running, MISTRAL, &prefixed).await.status, 200);
}
