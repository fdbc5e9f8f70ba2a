//! What Cohere refuses beyond the form of the body.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::catalogue::Model;
use crate::json::{items, text};
use crate::refuses::{self, Found, Refused};
use crate::schema::root;

/// Refuses what the model refuses; `body` has the right form.
pub(super) fn check(body: &Value, model: &Model, refused: &[Refused]) -> Result<(), String> {
    if text(body, "model") != model.name {
        return Err(format!("model '{}' not found", text(body, "model")));
    }
    let wished = body.get("max_tokens").and_then(Value::as_u64).unwrap_or(0);
    let most = match refuses::find(refused, body, body) {
        Some(Found::OutputTokens { most, .. }) => most,
        _ => model.output,
    };
    if wished > most {
        return Err(format!(
            "max_tokens must be less than or equal to {most}, the maximum output of the model"
        ));
    }
    let tools = items(body, "tools");
    for name in ["tool_choice", "strict_tools"] {
        if body.get(name).is_some() && tools.is_empty() {
            return Err(format!("{name} can only be specified with tools"));
        }
    }
    let format = body
        .get("response_format")
        .map_or("", |format| text(format, "type"));
    if format == "json_object" && !tools.is_empty() {
        return Err("response_format json_object is not supported with tools".to_owned());
    }
    let mut names = BTreeSet::new();
    let name = |tool: &'_ Value| {
        tool.pointer("/function/name")
            .cloned()
            .unwrap_or_default()
            .to_string()
    };
    if !tools.iter().all(|tool| names.insert(name(tool))) {
        return Err("tool names must be unique".to_owned());
    }
    for (index, tool) in tools.iter().enumerate() {
        let parameters = tool.pointer("/function/parameters").unwrap_or(&Value::Null);
        root(parameters)
            .map_err(|_| format!("invalid schema in tools[{index}]: parameters must describe one object"))?;
    }
    check_messages(items(body, "messages"), model)
}

fn check_messages(messages: &[Value], model: &Model) -> Result<(), String> {
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for (index, message) in messages.iter().enumerate() {
        let role = text(message, "role");
        if role == "tool" {
            let id = text(message, "tool_call_id");
            if !open.remove(id) {
                return Err(format!(
                    "tool call id '{id}' in messages[{index}] not found in the previous assistant message"
                ));
            }
        } else if !open.is_empty() {
            return Err(unanswered(&open));
        }
        check_content(index, message, model)?;
        for call in items(message, "tool_calls") {
            if !open.insert(text(call, "id")) {
                return Err(format!("duplicate tool call id in messages[{index}]"));
            }
            let arguments = call.pointer("/function/arguments").and_then(Value::as_str);
            let arguments = serde_json::from_str::<Value>(arguments.unwrap_or_default());
            if !arguments.is_ok_and(|arguments| arguments.is_object()) {
                return Err(format!(
                    "tool call arguments in messages[{index}] must be a valid JSON object"
                ));
            }
        }
    }
    if !open.is_empty() {
        return Err(unanswered(&open));
    }
    match messages.last().map(|message| text(message, "role")) {
        Some("user" | "tool") => Ok(()),
        _ => Err("the last message must be of role user or tool".to_owned()),
    }
}

fn unanswered(open: &BTreeSet<&str>) -> String {
    let ids: Vec<&str> = open.iter().copied().collect();
    format!(
        "an assistant message with tool_calls must be followed by tool messages for: {}",
        ids.join(", ")
    )
}

fn check_content(index: usize, message: &Value, model: &Model) -> Result<(), String> {
    let parts = items(message, "content");
    let is_empty = match message.get("content") {
        Some(Value::String(content)) => content.trim().is_empty(),
        Some(_) => parts
            .iter()
            .any(|part| text(part, "type") == "text" && text(part, "text").trim().is_empty()),
        None => items(message, "tool_calls").is_empty(),
    };
    // A tool may have nothing to say.
    if is_empty && text(message, "role") != "tool" {
        return Err(format!(
            "all elements in messages must have tokens: messages[{index}] has none"
        ));
    }
    if parts.iter().any(|part| text(part, "type") == "image_url") && !model.images {
        return Err(format!("model '{}' does not support image inputs", model.name));
    }
    Ok(())
}
