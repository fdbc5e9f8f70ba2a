//! What people and tools write reaches the model as it was written, also where SAP AI Core has a template engine.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use bytes::Bytes;
use coretap_tests::formats::Format;
use coretap_tests::process::{Coretap, Mode, Simulator};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

/// Everything that template engines, JSON and event streams trip over. Each place adds its own name.
const NASTY: &str = "{{?x}} {{ ?y }} {{z}} {% raw %} {# c #} \\u007b\\u007b?w}} \\n \"q\" </s> data: [DONE]\n\nevent: x\r\n\t 李🙂é";

/// The texts of a conversation, one for each place where a text can stand.
fn nasty(place: &str) -> String {
    format!("{place} {NASTY} {place}")
}

const PLACES: [&str; 6] = [
    "system",
    "earlier-user",
    "assistant",
    "argument",
    "result",
    "user",
];

/// A conversation with a text in every place, as an agent sends it.
fn conversation(format: Format, model: &str) -> Value {
    let arguments = json!({"path": nasty("argument")});
    let schema = json!({"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]});
    match format {
        Format::Messages => json!({
            "model": model, "max_tokens": 1024, "system": nasty("system"),
            "tools": [{"name": "look", "description": "Looks at something", "input_schema": schema}],
            "messages": [
                {"role": "user", "content": nasty("earlier-user")},
                {"role": "assistant", "content": [
                    {"type": "text", "text": nasty("assistant")},
                    {"type": "tool_use", "id": "toolu_1", "name": "look", "input": arguments},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": nasty("result")},
                    {"type": "text", "text": nasty("user")},
                ]},
            ],
        }),
        Format::Chat => json!({
            "model": model,
            "tools": [{"type": "function", "function": {"name": "look", "parameters": schema}}],
            "messages": [
                {"role": "system", "content": nasty("system")},
                {"role": "user", "content": nasty("earlier-user")},
                {"role": "assistant", "content": nasty("assistant"), "tool_calls": [
                    {"id": "call_1", "type": "function",
                     "function": {"name": "look", "arguments": arguments.to_string()}},
                ]},
                {"role": "tool", "tool_call_id": "call_1", "content": nasty("result")},
                {"role": "user", "content": nasty("user")},
            ],
        }),
        Format::Responses => json!({
            "model": model, "store": false, "instructions": nasty("system"),
            "tools": [{"type": "function", "name": "look", "parameters": schema, "strict": false}],
            "input": [
                {"role": "user", "content": nasty("earlier-user")},
                {"type": "message", "role": "assistant", "content": [
                    {"type": "output_text", "text": nasty("assistant"), "annotations": []},
                ]},
                {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": arguments.to_string()},
                {"type": "function_call_output", "call_id": "call_1", "output": nasty("result")},
                {"role": "user", "content": [{"type": "input_text", "text": nasty("user")}]},
            ],
        }),
        Format::Gemini => json!({
            "systemInstruction": {"parts": [{"text": nasty("system")}]},
            "tools": [{"functionDeclarations": [{"name": "look", "parametersJsonSchema": schema}]}],
            "contents": [
                {"role": "user", "parts": [{"text": nasty("earlier-user")}]},
                {"role": "model", "parts": [
                    {"text": nasty("assistant")},
                    {"functionCall": {"id": "call_1", "name": "look", "args": arguments}},
                ]},
                {"role": "user", "parts": [
                    {"functionResponse": {"id": "call_1", "name": "look", "response": {"output": nasty("result")}}},
                    {"text": nasty("user")},
                ]},
            ],
        }),
    }
}

/// Every string of a JSON value, those of tool arguments decoded once more.
fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            if let Ok(inner @ Value::Object(_)) = serde_json::from_str(text) {
                strings(&inner, found);
            }
            found.push(text.clone());
        }
        Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
        Value::Object(members) => members.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_text_arrives_as_it_was_written() {
    for mode in Mode::ALL {
        let simulator = Simulator::start().await;
        let coretap = Coretap::start(&simulator, mode, &[]).await;
        for format in Format::ALL {
            for model in ["anthropic--claude-4.5-sonnet", "gpt-4o"] {
                let context = format!("{format:?} to {model} in {mode:?}");
                simulator.forget().await;
                let answer = coretap
                    .post(&format.path(model, false), &conversation(format, model))
                    .await;
                assert_eq!(answer.status, 200, "{context}: {answer:?}");
                simulator.refused_nothing().await;
                let seen = simulator.inference().await;
                // What the model got: in orchestration the messages after templating, else the body.
                let got = if mode == Mode::Orchestration {
                    &seen[0].rendered
                } else {
                    &seen[0].body
                };
                let mut found = Vec::new();
                strings(got, &mut found);
                for place in PLACES {
                    let text = nasty(place);
                    let whole = found.iter().any(|found| found.contains(&text));
                    assert!(whole, "{context}: the {place}'s text was changed\n{got:#}");
                }
            }
        }
    }
}

/// The opening braces of tool descriptions and schemas may be broken by a space, since nobody knows whether they are
/// templated; the request is answered, and what was changed is said.
#[tokio::test]
async fn braces_in_tools_are_no_reason_to_fail() {
    let simulator = Simulator::start().await;
    let coretap = Coretap::start(&simulator, Mode::Orchestration, &[]).await;
    let braces = "Renders {{?name}}, {% if %} and {# notes #}";
    let tool = json!({"name": "render", "description": braces, "input_schema": {
        "type": "object", "properties": {"template": {"type": "string", "description": braces, "default": "{{x}}"}},
    }});
    let mut request = Format::Messages.ask("anthropic--claude-4.5-sonnet", "Hi", false);
    request["tools"] = json!([tool]);
    let answer = coretap.post("/v1/messages", &request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    simulator.refused_nothing().await;
    assert_ne!(answer.header("x-coretap-dropped"), "", "{answer:?}");
}

/// Half a surrogate pair is JSON, but no character: it becomes U+FFFD, and nothing breaks.
#[tokio::test]
async fn half_characters_become_replacement_characters() {
    for mode in Mode::ALL {
        let simulator = Simulator::start().await;
        let coretap = Coretap::start(&simulator, mode, &[]).await;
        for format in Format::ALL {
            simulator.forget().await;
            let body = format
                .ask("anthropic--claude-4.5-sonnet", "plum HALF pear", false)
                .to_string();
            let body = Bytes::from(body.replace("HALF", "\\ud83d"));
            let request = Request::post(format.path("anthropic--claude-4.5-sonnet", false))
                .header("content-type", "application/json");
            let answer = coretap.send(request.body(Full::from(body)).unwrap()).await;
            assert_eq!(answer.status, 200, "{format:?} in {mode:?}: {answer:?}");
            simulator.refused_nothing().await;
            let mut found = Vec::new();
            strings(&simulator.inference().await[0].body, &mut found);
            assert!(
                found.iter().any(|text| text.contains("plum \u{FFFD} pear")),
                "{format:?} in {mode:?}: {found:?}"
            );
        }
    }
}
