//! Who may follow whom in Converse, and what each message holds.

use std::collections::BTreeSet;

use serde_json::Value;

use super::rules::blank;
use crate::catalogue::{Family, Model};
use crate::json::{items, text};
use crate::model::is_signature;

/// Refuses messages out of order, calls without results and the reverse, and blocks that the model doesn't take.
pub(super) fn check(body: &Value, model: &Model) -> Result<(), String> {
    let messages = items(body, "messages");
    let mut previous = "";
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for (index, message) in messages.iter().enumerate() {
        let role = text(message, "role");
        if index == 0 && role != "user" {
            return Err(
                "A conversation must start with a user message. Try again with a conversation that starts with a user \
                 message."
                    .to_owned(),
            );
        }
        if role == previous {
            return Err(
                "A conversation must alternate between user and assistant roles. Make sure the conversation alternates \
                 between user and assistant roles and try again."
                    .to_owned(),
            );
        }
        previous = role;
        check_blocks(index, role, items(message, "content"), model)?;
        if role == "user" {
            check_results(index, message, &open)?;
        }
        open = calls(index, message)?;
    }
    if previous == "assistant" && !(model.family == Family::Claude && model.prefill && open.is_empty()) {
        return Err(
            "This model doesn't support assistant message prefill. The conversation must end with a user message."
                .to_owned(),
        );
    }
    let uses_tools = messages.iter().any(|message| {
        let blocks = items(message, "content").iter();
        blocks
            .clone()
            .any(|block| block.get("toolUse").or(block.get("toolResult")).is_some())
    });
    if uses_tools && body.get("toolConfig").is_none() {
        return Err(
            "The toolConfig field must be defined when using toolUse and toolResult content blocks."
                .to_owned(),
        );
    }
    Ok(())
}

/// The ids of a message's calls.
fn calls(index: usize, message: &Value) -> Result<BTreeSet<&str>, String> {
    let mut ids = BTreeSet::new();
    for call in items(message, "content")
        .iter()
        .filter_map(|block| block.get("toolUse"))
    {
        if !ids.insert(text(call, "toolUseId")) {
            return Err(format!(
                "The toolUse blocks at messages.{index}.content contain duplicate Ids: {}",
                text(call, "toolUseId")
            ));
        }
    }
    Ok(ids)
}

fn check_results(index: usize, message: &Value, open: &BTreeSet<&str>) -> Result<(), String> {
    let results = items(message, "content")
        .iter()
        .filter_map(|block| block.get("toolResult"));
    let mut answered = BTreeSet::new();
    for result in results {
        let id = text(result, "toolUseId");
        if !open.contains(id) {
            return Err(format!(
                "The toolResult blocks at messages.{index}.content contain unexpected Ids: {id}. Each toolResult block \
                 must have a corresponding toolUse block in the previous turn."
            ));
        }
        if !answered.insert(id) {
            return Err(format!(
                "The toolResult blocks at messages.{index}.content contain duplicate Ids: {id}"
            ));
        }
    }
    let missing: Vec<&str> = open.difference(&answered).copied().collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "Expected toolResult blocks at messages.{index}.content for the following Ids: {}",
            missing.join(", ")
        ))
    }
}

fn check_blocks(index: usize, role: &str, blocks: &[Value], model: &Model) -> Result<(), String> {
    if blocks.is_empty() {
        return Err(format!(
            "The content field in the Message object at messages.{index} is empty. Add a ContentBlock object to the \
             content field and try again."
        ));
    }
    let mut documents = BTreeSet::new();
    for (at, block) in blocks.iter().enumerate() {
        let place = format!("messages.{index}.content.{at}");
        let kind = block.as_object().and_then(|block| block.keys().next());
        let kind = kind.map_or("", String::as_str);
        let side = match kind {
            "toolUse" | "reasoningContent" => "assistant",
            "toolResult" | "image" | "document" => "user",
            _ => role,
        };
        if side != role {
            return Err(format!(
                "The {kind} block at {place} can only be in a message of the {side} role."
            ));
        }
        match kind {
            "text" if text(block, "text").trim().is_empty() => return Err(blank("ContentBlock", &place)),
            "cachePoint" if at == 0 => {
                return Err(format!(
                    "The cachePoint block at {place} must follow another block."
                ));
            }
            "reasoningContent" => check_reasoning(&place, block, model)?,
            "toolResult" => {
                for part in block
                    .get("toolResult")
                    .map_or(&[][..], |result| items(result, "content"))
                {
                    check_media(&place, part, model)?;
                }
            }
            _ => check_media(&place, block, model)?,
        }
        if let Some(document) = block.get("document") {
            check_name(&place, text(document, "name"))?;
            if !documents.insert(text(document, "name")) {
                return Err(format!(
                    "The document at {place} has a name that another document has."
                ));
            }
        }
    }
    let has_text = blocks.iter().any(|block| block.get("text").is_some());
    if !documents.is_empty() && !has_text {
        return Err(format!(
            "The message at messages.{index} holds a document and no text. Add a text block and try again."
        ));
    }
    Ok(())
}

fn check_media(place: &str, block: &Value, model: &Model) -> Result<(), String> {
    let kind = ["image", "document"]
        .into_iter()
        .find(|kind| block.get(*kind).is_some());
    match kind {
        Some(kind) if !model.images => Err(format!(
            "This model doesn't support the {kind} content block that you provided. Delete the {kind} content block \
             from the ContentBlock object at {place} and try again."
        )),
        _ => Ok(()),
    }
}

/// Letters, digits, single blanks, hyphens, parentheses and brackets.
fn check_name(place: &str, name: &str) -> Result<(), String> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || " -()[]".contains(letter);
    if name.chars().all(allowed) && !name.contains("  ") {
        return Ok(());
    }
    Err(format!(
        "The document file name at {place} can only contain alphanumeric characters, whitespace characters, hyphens, \
         parentheses, and square brackets. The name can't contain more than one consecutive whitespace character."
    ))
}

fn check_reasoning(place: &str, block: &Value, model: &Model) -> Result<(), String> {
    if model.family != Family::Claude {
        return Err(format!(
            "This model doesn't support the reasoningContent block that you provided at {place}."
        ));
    }
    let signature = block.pointer("/reasoningContent/reasoningText/signature");
    let plain = block.pointer("/reasoningContent/reasoningText");
    if plain.is_some() && !signature.and_then(Value::as_str).is_some_and(is_signature) {
        return Err(format!(
            "The model returned the following errors: {place}: Invalid `signature` in `thinking` block"
        ));
    }
    Ok(())
}
