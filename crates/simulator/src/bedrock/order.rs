//! Who may follow whom in a conversation with Claude.

use std::collections::BTreeSet;

use serde_json::Value;

use super::wish::NO_PREFILL;
use crate::catalogue::Model;
use crate::json::{items, text};

/// Refuses turns out of order, calls without results, results without calls, and thinking without signature.
pub(super) fn check(messages: &[Value], model: &Model, thinking: Option<&Value>) -> Result<(), String> {
    let mut previous = "";
    let mut open: BTreeSet<&str> = BTreeSet::new();
    let mut all_ids = BTreeSet::new();
    for (index, message) in messages.iter().enumerate() {
        let role = text(message, "role");
        if index == 0 && role != "user" {
            return Err("messages: first message must use the \"user\" role".to_owned());
        }
        if role == previous {
            return Err(format!(
                "messages: roles must alternate between \"user\" and \"assistant\", but found multiple \"{role}\" \
                 roles in a row at messages.{index}"
            ));
        }
        previous = role;
        let blocks = items(message, "content");
        if role == "user" {
            check_user(index, blocks, &mut open)?;
        } else {
            for call in check_assistant(index, blocks)? {
                if !all_ids.insert(call) {
                    return Err(format!("messages.{index}: `tool_use` ids must be unique"));
                }
                open.insert(call);
            }
        }
    }
    check_end(messages, previous, model, thinking)?;
    check_thinking(messages, thinking)
}

fn check_user<'a>(index: usize, blocks: &'a [Value], open: &mut BTreeSet<&'a str>) -> Result<(), String> {
    let mut others = false;
    let mut answered = BTreeSet::new();
    for (at, block) in blocks.iter().enumerate() {
        match text(block, "type") {
            "tool_result" => {
                let id = text(block, "tool_use_id");
                if others {
                    return Err(format!(
                        "messages.{index}.content.{at}: `tool_result` blocks must come before other content"
                    ));
                }
                if answered.contains(id) {
                    return Err(format!(
                        "messages.{index}.content.{at}: each tool_use must have a single result. Found multiple \
                         `tool_result` blocks with id: {id}"
                    ));
                }
                if !open.remove(id) {
                    return Err(format!(
                        "messages.{index}.content.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. \
                         Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                    ));
                }
                answered.insert(id);
            }
            kind @ ("tool_use" | "thinking" | "redacted_thinking") => {
                return Err(format!(
                    "messages.{index}: `{kind}` blocks can only be in `assistant` messages"
                ));
            }
            _ => others = true,
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(unanswered(index - 1, open))
    }
}

fn unanswered(index: usize, open: &BTreeSet<&str>) -> String {
    let ids: Vec<&str> = open.iter().copied().collect();
    format!(
        "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each \
         `tool_use` block must have a corresponding `tool_result` block in the next message.",
        ids.join(", ")
    )
}

/// The ids of the calls.
fn check_assistant(index: usize, blocks: &[Value]) -> Result<Vec<&str>, String> {
    let mut calls = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        match text(block, "type") {
            "tool_use" => calls.push(text(block, "id")),
            "thinking" if text(block, "signature").is_empty() => {
                return Err(format!(
                    "messages.{index}.content.{at}: Invalid `signature` in `thinking` block"
                ));
            }
            kind @ ("tool_result" | "image" | "document" | "search_result") => {
                return Err(format!(
                    "messages.{index}: `{kind}` blocks can only be in `user` messages"
                ));
            }
            _ => {}
        }
    }
    Ok(calls)
}

fn check_end(messages: &[Value], last: &str, model: &Model, thinking: Option<&Value>) -> Result<(), String> {
    if last != "assistant" {
        return Ok(());
    }
    let message = messages.last().unwrap_or(&Value::Null);
    let blocks = items(message, "content");
    let open: BTreeSet<&str> = blocks
        .iter()
        .filter(|block| text(block, "type") == "tool_use")
        .map(|block| text(block, "id"))
        .collect();
    if !open.is_empty() {
        return Err(unanswered(messages.len() - 1, &open));
    }
    if !model.prefill || is_enabled(thinking) {
        return Err(NO_PREFILL.to_owned());
    }
    let said = match message.get("content") {
        Some(Value::String(content)) => content.as_str(),
        _ => blocks.last().map_or("", |block| text(block, "text")),
    };
    if said.ends_with(char::is_whitespace) {
        return Err("messages: final assistant content cannot end with trailing whitespace".to_owned());
    }
    Ok(())
}

fn is_enabled(thinking: Option<&Value>) -> bool {
    thinking.is_some_and(|thinking| text(thinking, "type") == "enabled")
}

/// The turn that the assistant has begun and is to go on with, tool results between its messages, begins with thinking
/// when there is a thinking budget, and holds none when there is no thinking.
fn check_thinking(messages: &[Value], thinking: Option<&Value>) -> Result<(), String> {
    let is_thinking = |block: &Value| matches!(text(block, "type"), "thinking" | "redacted_thinking");
    let is_result = |block: &Value| text(block, "type") == "tool_result";
    let prompt = messages.iter().rposition(|message| {
        text(message, "role") == "user" && !items(message, "content").iter().any(is_result)
    });
    let behind = prompt.map_or(0, |prompt| prompt + 1);
    let assistant = |(_, message): &(usize, &Value)| text(message, "role") == "assistant";
    let mut turn = messages.iter().enumerate().skip(behind).filter(assistant);
    match thinking.map_or("disabled", |thinking| text(thinking, "type")) {
        "enabled" => match turn
            .next()
            .map(|(index, message)| (index, items(message, "content").first()))
        {
            Some((index, first)) if !first.is_some_and(is_thinking) => Err(format!(
                "messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{}`. When \
                 `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the \
                 lastmost set of `tool_use` and `tool_result` blocks).",
                first.map_or("", |first| text(first, "type"))
            )),
            _ => Ok(()),
        },
        "disabled" => {
            let mut blocks = turn.flat_map(|(index, message)| {
                items(message, "content").iter().map(move |block| (index, block))
            });
            match blocks.find(|(_, block)| is_thinking(block)) {
                Some((index, block)) => Err(format!(
                    "messages.{index}: When thinking is disabled, an `assistant` message in the final position cannot \
                     contain `{}`. To use thinking blocks, enable `thinking` in your request.",
                    text(block, "type")
                )),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}
