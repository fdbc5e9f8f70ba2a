//! Google's `generateContent`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::events::Event;
use crate::formats::{Ask, Call, PNG, Said, place, string};

/// The path names the model, percent-encoded as a client's URL library does it.
pub(super) fn path(model: &str, stream: bool) -> String {
    let mut name = String::new();
    for byte in model.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    let action = if stream {
        "streamGenerateContent?alt=sse"
    } else {
        "generateContent"
    };
    format!("/v1beta/models/{name}:{action}")
}

pub(super) fn body(ask: &Ask) -> Value {
    let mut parts = vec![json!({"text": ask.text})];
    if ask.image {
        parts.push(json!({"inlineData": {"mimeType": "image/png", "data": PNG}}));
    }
    let mut contents = vec![json!({"role": "user", "parts": parts})];
    contents.extend(ask.history.clone());
    let mut configuration = json!({"maxOutputTokens": 2048});
    if ask.think {
        configuration["thinkingConfig"] = json!({"thinkingBudget": 1024, "includeThoughts": true});
    }
    if let Some(schema) = &ask.schema {
        configuration["responseMimeType"] = json!("application/json");
        configuration["responseJsonSchema"] = schema.clone();
    }
    let mut body = json!({"contents": contents, "generationConfig": configuration});
    if !ask.tools.is_empty() {
        let tool = |name: &&str| json!({"name": name, "description": "Looks a place up", "parametersJsonSchema": place()});
        let declarations: Value = ask.tools.iter().map(tool).collect();
        body["tools"] = json!([{"functionDeclarations": declarations}]);
    }
    body
}

pub(super) fn result(call: &Call, text: &str) -> Value {
    let mut response = json!({"name": call.name, "response": {"output": text}});
    if !call.id.is_null() {
        response["id"] = call.id.clone();
    }
    json!({"functionResponse": response})
}

pub(super) fn said_whole(answer: &Value) -> Said {
    let content = &answer["candidates"][0]["content"];
    let mut said = Said {
        thinking_tokens: answer["usageMetadata"]["thoughtsTokenCount"]
            .as_u64()
            .unwrap_or_default(),
        history: vec![content.clone()],
        ..Said::default()
    };
    for part in content["parts"].as_array().into_iter().flatten() {
        if part["thought"] == true {
            said.thinking += &string(&part["text"]);
        } else {
            said.text += &string(&part["text"]);
        }
        if let Some(call) = part.get("functionCall") {
            said.calls.push(Call {
                id: call["id"].clone(),
                name: string(&call["name"]),
                arguments: call["args"].clone(),
            });
        }
    }
    said
}

/// The visible text of one chunk.
pub(super) fn text(chunk: &Value) -> String {
    if chunk["candidates"].is_null() {
        return String::new();
    }
    said_whole(chunk).text
}

/// The answer that a stream tells: the parts of all chunks.
pub(super) fn assembled(events: &[Event]) -> Value {
    let mut parts = Vec::new();
    let mut usage = Value::Null;
    for event in events {
        let data = event.json();
        let more = data["candidates"][0]["content"]["parts"].as_array();
        parts.extend(more.cloned().unwrap_or_default());
        if data["usageMetadata"].is_object() {
            usage = data["usageMetadata"].clone();
        }
    }
    json!({"candidates": [{"content": {"role": "model", "parts": parts}}], "usageMetadata": usage})
}

pub(super) fn broken_rule(events: &[Event]) -> Option<String> {
    for (position, event) in events.iter().enumerate() {
        let data = event.json();
        if !event.name.is_empty() {
            return Some("an event has a name".to_owned());
        }
        let last = position + 1 == events.len();
        let finish = &data["candidates"][0]["finishReason"];
        if last != finish.is_string() {
            return Some(format!("finishReason is {finish} at position {position}"));
        }
        if last && !data["usageMetadata"]["totalTokenCount"].is_u64() {
            return Some("the end has no usage".to_owned());
        }
    }
    None
}
