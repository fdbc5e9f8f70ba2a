//! OpenAI's Chat Completions.

use serde_json::{Value, json};

use crate::events::Event;
use crate::formats::{Ask, Call, PNG, Said, place, string};

pub(super) fn body(model: &str, ask: &Ask) -> Value {
    let content = if ask.image {
        json!([
            {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{PNG}")}},
            {"type": "text", "text": ask.text},
        ])
    } else {
        json!(ask.text)
    };
    let mut messages = vec![json!({"role": "user", "content": content})];
    messages.extend(ask.history.clone());
    let mut body =
        json!({"model": model, "max_completion_tokens": 2048, "stream": ask.stream, "messages": messages});
    if !ask.tools.is_empty() {
        let tool = |name: &&str| {
            let function = json!({"name": name, "description": "Looks a place up", "parameters": place()});
            json!({"type": "function", "function": function})
        };
        body["tools"] = ask.tools.iter().map(tool).collect();
    }
    if ask.think {
        body["reasoning_effort"] = json!("medium");
    }
    if let Some(schema) = &ask.schema {
        let schema = json!({"name": "fruit", "schema": schema, "strict": true});
        body["response_format"] = json!({"type": "json_schema", "json_schema": schema});
    }
    body
}

pub(super) fn result(call: &Call, text: &str) -> Value {
    json!({"role": "tool", "tool_call_id": call.id, "content": text})
}

pub(super) fn said_whole(answer: &Value) -> Said {
    let message = &answer["choices"][0]["message"];
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    Said {
        text: string(&message["content"]),
        thinking: string(&message["reasoning_content"]),
        thinking_tokens: answer["usage"]["completion_tokens_details"]["reasoning_tokens"]
            .as_u64()
            .unwrap_or_default(),
        calls: calls
            .map(|call| Call {
                id: call["id"].clone(),
                name: string(&call["function"]["name"]),
                arguments: serde_json::from_str(&string(&call["function"]["arguments"])).unwrap(),
            })
            .collect(),
        history: vec![message.clone()],
    }
}

/// The completion that a stream tells.
pub(super) fn assembled(events: &[Event]) -> Value {
    let mut message = json!({"role": "assistant", "content": ""});
    let mut calls: Vec<Value> = Vec::new();
    let mut usage = Value::Null;
    for event in events {
        let data = event.json();
        if data["usage"].is_object() {
            usage = data["usage"].clone();
        }
        let delta = &data["choices"][0]["delta"];
        for member in ["content", "reasoning_content"] {
            if let Some(more) = delta[member].as_str() {
                message[member] = json!(string(&message[member]) + more);
            }
        }
        for piece in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(piece["index"].as_u64().expect("calls have an index")).unwrap();
            if index == calls.len() {
                calls.push(piece.clone());
                calls[index].as_object_mut().unwrap().remove("index");
            } else {
                let so_far = string(&calls[index]["function"]["arguments"]);
                let more = string(&piece["function"]["arguments"]);
                calls[index]["function"]["arguments"] = json!(so_far + &more);
            }
        }
    }
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    json!({"choices": [{"message": message}], "usage": usage})
}

pub(super) fn broken_rule(events: &[Event]) -> Option<String> {
    if events.last().map(|event| event.data.as_str()) != Some("[DONE]") {
        return Some("something follows [DONE]".to_owned());
    }
    let mut finish = events
        .iter()
        .filter(|event| event.json()["choices"][0]["finish_reason"].is_string());
    finish.next().is_none().then(|| "no finish_reason".to_owned())
}
