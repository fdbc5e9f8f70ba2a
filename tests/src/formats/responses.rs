//! OpenAI's Responses.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::events::Event;
use crate::formats::{Ask, Call, PNG, Said, place, string};

pub(super) fn body(model: &str, ask: &Ask) -> Value {
    let mut content = vec![json!({"type": "input_text", "text": ask.text})];
    if ask.image {
        content.push(json!({
            "type": "input_image", "detail": "auto", "image_url": format!("data:image/png;base64,{PNG}"),
        }));
    }
    let mut input = vec![json!({"role": "user", "content": content})];
    input.extend(ask.history.clone());
    let mut body = json!({
        "model": model, "max_output_tokens": 2048, "stream": ask.stream, "store": false, "input": input,
    });
    if !ask.tools.is_empty() {
        let tool = |name: &&str| {
            json!({
                "type": "function", "name": name, "description": "Looks a place up", "parameters": place(),
                "strict": false,
            })
        };
        body["tools"] = ask.tools.iter().map(tool).collect();
    }
    if ask.think {
        body["reasoning"] = json!({"effort": "medium", "summary": "auto"});
        body["include"] = json!(["reasoning.encrypted_content"]);
    }
    if let Some(schema) = &ask.schema {
        body["text"] =
            json!({"format": {"type": "json_schema", "name": "fruit", "schema": schema, "strict": true}});
    }
    body
}

pub(super) fn result(call: &Call, text: &str) -> Value {
    json!({"type": "function_call_output", "call_id": call.id, "output": text})
}

pub(super) fn said_whole(answer: &Value) -> Said {
    assert_eq!(answer["object"], "response", "{answer}");
    let output = answer["output"]
        .as_array()
        .unwrap_or_else(|| panic!("no output: {answer}"));
    let texts = |item: &Value, list: &str| -> String {
        let parts = item[list].as_array().into_iter().flatten();
        parts.map(|part| string(&part["text"])).collect()
    };
    let mut said = Said {
        thinking_tokens: answer["usage"]["output_tokens_details"]["reasoning_tokens"]
            .as_u64()
            .unwrap_or_default(),
        history: output.clone(),
        ..Said::default()
    };
    for item in output {
        match item["type"].as_str() {
            Some("message") => said.text += &texts(item, "content"),
            Some("reasoning") => said.thinking += &texts(item, "summary"),
            Some("function_call") => said.calls.push(Call {
                id: item["call_id"].clone(),
                name: string(&item["name"]),
                arguments: serde_json::from_str(&string(&item["arguments"])).unwrap(),
            }),
            _ => {}
        }
    }
    said
}

/// The response that a stream ends with.
pub(super) fn assembled(events: &[Event]) -> Value {
    events.last().expect("a stream has events").json()["response"].clone()
}

/// Checks the order of events, and that the items told in pieces are those of the end.
pub(super) fn broken_rule(events: &[Event]) -> Option<String> {
    let mut items: Vec<Value> = Vec::new();
    let mut pieces: HashMap<String, String> = HashMap::new();
    for (position, event) in events.iter().enumerate() {
        let data = event.json();
        let kind = data["type"].as_str().unwrap_or_default();
        if kind != event.name {
            return Some("an event is named otherwise than its type".to_owned());
        }
        if data["sequence_number"] != position {
            return Some(format!("{kind} has not the number {position}"));
        }
        let first = match position {
            0 => Some("response.created"),
            1 => Some("response.in_progress"),
            _ => None,
        };
        if first.is_some_and(|first| first != kind) {
            return Some(format!("{kind} does not belong at position {position}"));
        }
        match kind {
            "response.output_item.added" => {
                if data["output_index"] != items.len() {
                    return Some(format!("an item has not the index {}", items.len()));
                }
                items.push(Value::Null);
            }
            "response.output_item.done" => {
                let index = usize::try_from(data["output_index"].as_u64()?).ok()?;
                let Some(place) = items.get_mut(index) else {
                    return Some("an item is done that was not added".to_owned());
                };
                *place = data["item"].clone();
            }
            _ if data["delta"].is_string() => {
                *pieces.entry(string(&data["item_id"])).or_default() += &string(&data["delta"]);
            }
            _ => {}
        }
    }
    let end = events.last()?;
    if !matches!(end.name.as_str(), "response.completed" | "response.incomplete") {
        return Some("something follows the end".to_owned());
    }
    let response = end.json()["response"].clone();
    if response["output"] != json!(items) {
        return Some("the items of the end are not those that were done".to_owned());
    }
    for item in &items {
        let told = pieces.get(&string(&item["id"])).cloned().unwrap_or_default();
        let whole = match item["type"].as_str()? {
            "message" => string(&item["content"][0]["text"]),
            "function_call" => string(&item["arguments"]),
            _ => continue,
        };
        if told != whole {
            return Some(format!("the pieces {told:?} are not {whole:?}"));
        }
    }
    None
}
