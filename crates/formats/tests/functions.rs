//! Agents that offer `functions`, the form that Chat Completions had before tools, are answered in that form.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use coretap_formats::{
    AgentFormat, AnswerOptions, AnswerStream, ModelFormat, Progress, RequestSettings, answer,
    answer_as_stream,
};
use serde_json::{Value, json};

/// What the answer must be written with for an agent that has asked so.
fn options(upstream: ModelFormat, model: &str) -> AnswerOptions {
    let body = json!({
        "model": "m", "messages": [{"role": "user", "content": "Look"}],
        "functions": [{"name": "look", "parameters": {"type": "object", "properties": {}}}],
    });
    let request = common::write(AgentFormat::ChatCompletions, &body, upstream, model).unwrap();
    AnswerOptions {
        agent: AgentFormat::ChatCompletions,
        upstream,
        model: "m".to_owned(),
        id: "1".to_owned(),
        created: 0,
        include_usage: false,
        has_fallbacks: false,
        as_array: false,
        tools: request.tools,
        settings: RequestSettings::default(),
        estimated_input: 0,
    }
}

/// An answer with two calls, of which the agent can take one.
fn calls() -> Value {
    json!([
        {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}},
        {"index": 1, "id": "call_2", "type": "function", "function": {"name": "look", "arguments": "{\"at\":2}"}},
    ])
}

fn completion(reason: &str, message: &Value) -> Value {
    json!({"id": "c", "object": "chat.completion", "created": 0, "model": "gpt", "choices": [
        {"index": 0, "finish_reason": reason, "message": message},
    ]})
}

/// The deltas of a stream and its finish reason.
fn deltas(stream: &str) -> (Vec<Value>, Value) {
    let mut found = (Vec::new(), Value::Null);
    for payload in stream
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
    {
        let Ok(chunk) = serde_json::from_str::<Value>(payload) else {
            assert_eq!(payload, "[DONE]");
            continue;
        };
        let choice = &chunk["choices"][0];
        found.0.push(choice["delta"].clone());
        if !choice["finish_reason"].is_null() {
            found.1 = choice["finish_reason"].clone();
        }
    }
    found
}

#[test]
fn a_call_comes_back_as_a_function_call() {
    let body = completion(
        "tool_calls",
        &json!({"role": "assistant", "content": null, "tool_calls": calls()}),
    );
    let orchestrated = json!({"request_id": "r", "final_result": body});
    for (upstream, model, body) in [
        (ModelFormat::AzureChat, "gpt-4o", &body),
        (ModelFormat::Orchestration, "gpt-4o", &orchestrated),
    ] {
        let options = options(upstream, model);
        let whole = answer(&options, body.to_string().as_bytes()).unwrap().body;
        let whole: Value = serde_json::from_slice(&whole).unwrap();
        let choice = &whole["choices"][0];
        assert_eq!(choice["finish_reason"], "function_call");
        assert_eq!(
            choice["message"]["function_call"],
            json!({"name": "look", "arguments": "{\"at\":1}"})
        );
        assert_eq!(choice["message"].get("tool_calls"), None);

        let streamed = answer_as_stream(&options, body.to_string().as_bytes())
            .unwrap()
            .body;
        let (deltas, reason) = deltas(&String::from_utf8(streamed).unwrap());
        assert_eq!(reason, "function_call");
        let pieces: Vec<_> = deltas
            .iter()
            .filter_map(|delta| delta.get("function_call"))
            .collect();
        assert_eq!(pieces[0], &json!({"name": "look", "arguments": ""}));
        assert_eq!(pieces[1], &json!({"arguments": "{\"at\":1}"}));
        assert_eq!(pieces.len(), 2, "{deltas:?}");
    }
}

#[test]
fn a_stream_that_would_be_copied_is_translated() {
    let chunk = |delta: Value, reason: Value| {
        let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "gpt", "choices": [
            {"index": 0, "finish_reason": reason, "delta": delta},
        ]});
        format!("data: {chunk}\n\n")
    };
    let bare = json!([{"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}}]);
    let upstream = chunk(json!({"role": "assistant", "tool_calls": bare}), Value::Null)
        + &chunk(json!({}), json!("tool_calls"))
        + "data: [DONE]\n\n";
    let mut stream = AnswerStream::new(options(ModelFormat::AzureChat, "gpt-4o"));
    let mut out = Vec::new();
    stream.push(upstream.as_bytes(), &mut out);
    assert_eq!(stream.finish(&mut out), Progress::Ended);
    let (deltas, reason) = deltas(&String::from_utf8(out).unwrap());
    assert_eq!(reason, "function_call");
    let pieces: Vec<_> = deltas
        .iter()
        .filter_map(|delta| delta.get("function_call"))
        .collect();
    assert_eq!(
        pieces,
        [
            &json!({"name": "look", "arguments": ""}),
            &json!({"arguments": "{}"})
        ]
    );
}

#[test]
fn an_answer_without_a_call_is_as_ever() {
    let body = completion("stop", &json!({"role": "assistant", "content": "Nothing"}));
    let whole = answer(
        &options(ModelFormat::AzureChat, "gpt-4o"),
        body.to_string().as_bytes(),
    )
    .unwrap();
    let whole: Value = serde_json::from_slice(&whole.body).unwrap();
    let choice = &whole["choices"][0];
    assert_eq!(choice["finish_reason"], "stop");
    assert_eq!(choice["message"]["content"], "Nothing");
    assert_eq!(choice["message"].get("function_call"), None);
}
