use serde_json::{Value, json};

use crate::client::Running;

pub(crate) const PNG: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAIAQMAAAD+wSzIAAAABlBMVEX/AAD///9BHTQRAAAAC0lEQVQI12NgQAUAABAAAVygnjEAAAAASUVORK5CYII=";

pub(crate) fn request(model: &str, template: &Value) -> Value {
    json!({"config": {"modules": {"prompt_templating": {
        "prompt": {"template": template},
        "model": {"name": model}
    }}}})
}

pub(crate) fn ask(model: &str, text: &str) -> Value {
    request(model, &json!([{"role": "user", "content": text}]))
}

pub(crate) fn with(mut body: Value, pointer: &str, key: &str, value: Value) -> Value {
    body.pointer_mut(pointer).unwrap()[key] = value;
    body
}

pub(crate) fn params(model: &str, params: Value) -> Value {
    with(
        ask(model, "hello"),
        "/config/modules/prompt_templating/model",
        "params",
        params,
    )
}

pub(crate) fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {
        "type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]
    }}})
}

pub(crate) fn with_tools(body: Value, tools: Value) -> Value {
    with(body, "/config/modules/prompt_templating/prompt", "tools", tools)
}

pub(crate) fn streamed(body: Value, chunk_size: u64) -> Value {
    with(
        body,
        "/config",
        "stream",
        json!({"enabled": true, "chunk_size": chunk_size}),
    )
}

pub(crate) fn called(id: &str) -> Value {
    json!({"role": "assistant", "tool_calls": [
        {"id": id, "type": "function", "function": {"name": "read_file", "arguments": "{\"path\":\"a.txt\"}"}}
    ]})
}

pub(crate) fn result(id: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": "plum"})
}

pub(crate) const CLAUDE: &str = "anthropic--claude-4.5-sonnet";
pub(crate) const OPUS: &str = "anthropic--claude-4.8-opus";

#[tokio::test]
async fn history_comes_first_then_the_filled_template() {
    let running = Running::start().await;
    let body = ask("gpt-4o", "{{?p}} and {{ ?q }}");
    let body = with(
        body,
        "",
        "placeholder_values",
        json!({"p": "{{?x}} {% raw %}", "q": "ö"}),
    );
    let history = json!([
        {"role": "system", "content": "{{?not templated}}"},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"}
    ]);
    let body = with(body, "", "messages_history", history);
    let reply = running.complete(&body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    assert_eq!(
        answer["final_result"]["choices"][0]["message"]["content"],
        "You said: {{?x}} {% raw %} and ö"
    );
    assert_eq!(answer["final_result"], answer["intermediate_results"]["llm"]);
    let rendered = json!([
        {"role": "system", "content": "{{?not templated}}"},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "{{?x}} {% raw %} and ö"}
    ]);
    assert_eq!(answer["intermediate_results"]["templating"], rendered);
    let record = running.control("GET", "requests", &json!(null)).await;
    let last = record.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["rendered"], &last["route"], &last["refused"]),
        (&rendered, &json!("completion"), &json!(null))
    );
}

#[tokio::test]
async fn a_whole_tool_turn_is_finished() {
    let running = Running::start().await;
    let body = with_tools(ask(CLAUDE, "Read a.txt and b.txt"), json!([tool("read_file")]));
    let answer = running.complete(&body).await.json();
    let choice = &answer["final_result"]["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    assert!(calls[0]["id"].as_str().unwrap().starts_with("toolu_bdrk_"));
    assert_eq!(calls[1]["function"]["arguments"], "{\"path\":\"b.txt\"}");

    let turn = json!([
        choice["message"],
        {"role": "tool", "tool_call_id": calls[0]["id"], "content": "plum é"},
        {"role": "tool", "tool_call_id": calls[1]["id"], "content": "pear"}
    ]);
    let body = with_tools(request(CLAUDE, &turn), json!([tool("read_file")]));
    let body = with(
        body,
        "",
        "messages_history",
        json!([{"role": "user", "content": "Read a.txt and b.txt"}]),
    );
    let answer = running.complete(&body).await.json();
    let choice = &answer["final_result"]["choices"][0];
    assert_eq!(choice["message"]["content"], "The result is:\nplum é\npear");
    assert_eq!(choice["finish_reason"], "stop");
}

#[tokio::test]
async fn a_stream_opens_empty_and_holds_everything_twice() {
    let running = Running::start().await;
    let body = with_tools(ask(CLAUDE, "Read a.txt"), json!([tool("read_file")]));
    let body = with(
        body,
        "/config/modules/prompt_templating/model",
        "params",
        json!({"reasoning_effort": "low"}),
    );
    let events = running.complete(&streamed(body, 10)).await.events();
    assert_eq!(events.last().unwrap(), "[DONE]");
    let first = &events[0];
    assert_eq!(first["final_result"]["id"], "");
    assert_eq!(
        first["final_result"]["choices"][0],
        json!({"index": 0, "delta": {"content": ""}})
    );
    assert_eq!(first["intermediate_results"]["templating"][0]["role"], "user");
    let (mut arguments, mut thought, mut signature) = (String::new(), String::new(), String::new());
    for event in &events[1..events.len() - 1] {
        assert_eq!(event["final_result"], event["intermediate_results"]["llm"]);
        let delta = &event["final_result"]["choices"][0]["delta"];
        arguments += delta
            .pointer("/tool_calls/0/function/arguments")
            .and_then(Value::as_str)
            .unwrap_or("");
        thought += delta
            .pointer("/reasoning_content/0/content")
            .and_then(Value::as_str)
            .unwrap_or("");
        signature += delta
            .pointer("/reasoning_content/0/signature")
            .and_then(Value::as_str)
            .unwrap_or("");
    }
    assert_eq!(arguments, "{\"path\":\"a.txt\"}");
    assert!(thought.contains("Read a.txt") && !signature.is_empty());
    let last = &events[events.len() - 2]["final_result"];
    assert_eq!(last["choices"][0]["finish_reason"], "tool_calls");
    assert!(
        last["usage"]["completion_tokens_details"]["reasoning_tokens"]
            .as_u64()
            .unwrap()
            > 0
    );
}

#[tokio::test]
async fn chunks_have_at_least_their_size_and_the_old_finish_reason_is_empty() {
    let running = Running::start().await;
    running
        .control("POST", "settings", &json!({"finish_reason_mode": "empty"}))
        .await;
    let text = "one two three four five six seven eight nine ten eleven twelve";
    let events = running
        .complete(&streamed(ask("gpt-4o", text), 20))
        .await
        .events();
    assert_eq!(events[0]["final_result"]["choices"][0]["finish_reason"], "");
    assert_eq!(events[0]["final_result"]["choices"][0]["delta"]["role"], "");
    let pieces: Vec<&str> = events
        .iter()
        .filter_map(|event| event.pointer("/final_result/choices/0/delta/content")?.as_str())
        .filter(|piece| !piece.is_empty())
        .collect();
    assert_eq!(pieces.concat(), format!("You said: {text}"));
    assert!(
        pieces[..pieces.len() - 1].iter().all(|piece| piece.len() >= 20),
        "{pieces:?}"
    );
}

#[tokio::test]
async fn the_answer_keeps_to_its_form_its_length_and_its_stops() {
    let running = Running::start().await;
    let schema = json!({"type": "object", "properties": {"word": {"type": "string"}, "kind": {"enum": ["a", "b"]}},
        "required": ["word", "kind"], "additionalProperties": false});
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "W", "schema": schema, "strict": true}});
    let body = with(
        ask("gpt-4o", "plum"),
        "/config/modules/prompt_templating/prompt",
        "response_format",
        format,
    );
    let answer = running.complete(&body).await.json();
    let text = answer["final_result"]["choices"][0]["message"]["content"]
        .as_str()
        .unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(text).unwrap(),
        json!({"word": "plum", "kind": "a"})
    );

    let short = running
        .complete(&params("gpt-4o", json!({"max_completion_tokens": 2})))
        .await
        .json();
    let choice = &short["final_result"]["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("length"), &json!("You said"))
    );
    assert_eq!(short["final_result"]["usage"]["completion_tokens"], 2);

    let stopped = running
        .complete(&params("gpt-4o", json!({"stop": ["said"]})))
        .await
        .json();
    assert_eq!(
        stopped["final_result"]["choices"][0]["message"]["content"],
        "You "
    );

    let image = json!([{"role": "user", "content": [
        {"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": PNG}}
    ]}]);
    let seen = running.complete(&request("gpt-4o", &image)).await.json();
    assert_eq!(
        seen["final_result"]["choices"][0]["message"]["content"],
        "You said: What?\nI see image/png 8x8."
    );
}

#[tokio::test]
async fn the_first_configuration_that_succeeds_answers_and_all_failures_are_a_list() {
    let running = Running::start().await;
    let modules = |model: &str| ask(model, "x")["config"]["modules"].clone();
    let body = json!({"config": {"modules": [modules("gpt-9"), modules("gpt-4o")]}});
    let answer = running.complete(&body).await.json();
    assert_eq!(answer["intermediate_failures"][0]["location"], "LLM Module");
    assert_eq!(answer["final_result"]["model"], "gpt-4o-2024-08-06");
    let body = json!({"config": {"modules": [modules("gpt-9"), modules("gpt-8")]}});
    let reply = running.complete(&body).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["error"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_marked_prefix_is_written_once_and_read_again() {
    let running = Running::start().await;
    let turn = |last: &str| {
        json!([{"role": "user", "content": [
            {"type": "text", "text": "a long and stable beginning", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "text", "text": last}
        ]}])
    };
    let details = |answer: &Value| answer["final_result"]["usage"]["prompt_tokens_details"].clone();
    let first = details(&running.complete(&request(CLAUDE, &turn("one"))).await.json());
    let written = first["cache_creation_token_details"]["ephemeral_1h_input_tokens"]
        .as_u64()
        .unwrap();
    assert!(written > 0 && first["cached_tokens"] == 0, "{first}");
    let second = details(&running.complete(&request(CLAUDE, &turn("two"))).await.json());
    assert_eq!(
        (&second["cached_tokens"], &second["cache_creation_tokens"]),
        (&json!(written), &json!(0))
    );
}
