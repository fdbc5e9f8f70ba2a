//! Anthropic's Messages.

use serde_json::{Value, json};

use crate::events::Event;
use crate::formats::{Ask, Call, PNG, Said, place, string};

pub(super) fn body(model: &str, ask: &Ask) -> Value {
    let content = if ask.image {
        json!([
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            {"type": "text", "text": ask.text},
        ])
    } else {
        json!(ask.text)
    };
    let mut messages = vec![json!({"role": "user", "content": content})];
    messages.extend(ask.history.clone());
    let mut body = json!({"model": model, "max_tokens": 2048, "stream": ask.stream, "messages": messages});
    if !ask.tools.is_empty() {
        let tool =
            |name: &&str| json!({"name": name, "description": "Looks a place up", "input_schema": place()});
        body["tools"] = ask.tools.iter().map(tool).collect();
    }
    if ask.think {
        body["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
    }
    if let Some(schema) = &ask.schema {
        body["output_config"] = json!({"format": {"type": "json_schema", "schema": schema}});
    }
    body
}

pub(super) fn result(call: &Call, text: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": call.id, "content": text})
}

pub(super) fn said_whole(answer: &Value) -> Said {
    let blocks = answer["content"]
        .as_array()
        .unwrap_or_else(|| panic!("not a message: {answer}"));
    let mut said = Said::default();
    for block in blocks {
        match block["type"].as_str() {
            Some("text") => said.text += &string(&block["text"]),
            Some("thinking") => said.thinking += &string(&block["thinking"]),
            Some("tool_use") => said.calls.push(Call {
                id: block["id"].clone(),
                name: string(&block["name"]),
                arguments: block["input"].clone(),
            }),
            _ => {}
        }
    }
    said.history = vec![json!({"role": "assistant", "content": blocks})];
    said
}

/// The message that a stream tells.
pub(super) fn assembled(events: &[Event]) -> Value {
    let mut blocks: Vec<Value> = Vec::new();
    let mut input = String::new();
    for event in events {
        let data = event.json();
        match event.name.as_str() {
            "content_block_start" => {
                blocks.push(data["content_block"].clone());
                input.clear();
            }
            "content_block_delta" => {
                let block = blocks.last_mut().expect("a delta stands in a block");
                for (piece, member) in [
                    ("text", "text"),
                    ("thinking", "thinking"),
                    ("signature", "signature"),
                ] {
                    if let Some(more) = data["delta"][piece].as_str() {
                        block[member] = json!(string(&block[member]) + more);
                    }
                }
                input += data["delta"]["partial_json"].as_str().unwrap_or_default();
            }
            "content_block_stop" if !input.is_empty() => {
                blocks.last_mut().expect("a block ends")["input"] = serde_json::from_str(&input).unwrap();
            }
            _ => {}
        }
    }
    json!({"content": blocks})
}

pub(super) fn broken_rule(events: &[Event]) -> Option<String> {
    let mut open = None;
    let mut blocks = 0;
    for (position, event) in events.iter().enumerate() {
        let data = event.json();
        if data["type"] != event.name.as_str() {
            return Some("an event is named otherwise than its type".to_owned());
        }
        let last = position + 1 == events.len();
        match event.name.as_str() {
            "message_start" if position == 0 => {}
            "ping" => {}
            "content_block_start" if open.is_none() && data["index"] == blocks => open = Some(blocks),
            "content_block_delta" if open.is_some() && data["index"] == open.unwrap_or(0) => {}
            "content_block_stop" if open.is_some() && data["index"] == open.unwrap_or(0) => {
                open = None;
                blocks += 1;
            }
            "message_delta" if open.is_none() && data["delta"]["stop_reason"].is_string() => {}
            "message_stop" if last => {}
            other => return Some(format!("{other} does not belong at position {position}")),
        }
    }
    None
}
