//! Who may follow whom in a conversation with Gemini, and what each turn holds.

use serde_json::Value;

use super::settings::is_third;
use crate::catalogue::Model;
use crate::json::{items, text};
use crate::model::is_signature;

/// The members of a part of which each part has one.
const DATA: [&str; 5] = [
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
];
/// Google documents it for calls that another model made.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Refuses turns out of order, calls without responses and the reverse, and calls without signature.
pub(super) fn check(body: &Value, model: &Model) -> Result<(), String> {
    if let Some(instruction) = body.get("systemInstruction") {
        check_parts("system_instruction", instruction)?;
        if items(instruction, "parts")
            .iter()
            .any(|part| part.get("text").is_none())
        {
            return Err("System instruction only supports text.".to_owned());
        }
    }
    let contents = items(body, "contents");
    if contents.is_empty() {
        return Err("Unable to submit request because at least one contents field is required.".to_owned());
    }
    for (index, content) in contents.iter().enumerate() {
        let role = text(content, "role");
        if !["user", "model"].contains(&role) {
            return Err("Please use a valid role: user, model.".to_owned());
        }
        check_parts(&format!("contents[{index}]"), content)?;
        check_sides(role, content)?;
    }
    check_order(contents)?;
    check_signatures(contents, model)
}

fn check_parts(place: &str, content: &Value) -> Result<(), String> {
    let parts = items(content, "parts");
    if parts.is_empty() {
        return Err(format!(
            "Unable to submit request because it must include at least one parts field, which describes the prompt \
             input: {place}."
        ));
    }
    for (index, part) in parts.iter().enumerate() {
        let mut data = DATA.iter().filter(|name| part.get(**name).is_some());
        match (data.next(), data.next()) {
            (None, _) => {
                return Err(format!(
                    "{place}.parts[{index}].data: required oneof field 'data' must have one initialized field"
                ));
            }
            (Some(first), Some(second)) => {
                return Err(format!(
                    "Invalid value at '{place}.parts[{index}]' (oneof), oneof field 'data' is already set to {first}. \
                     Cannot set '{second}'"
                ));
            }
            (Some(_), None) => {}
        }
        // The end of an answer of Gemini 3 is an empty text with its signature.
        if part.get("text").and_then(Value::as_str) == Some("") && part.get("thoughtSignature").is_none() {
            return Err(
                "Unable to submit request because it has an empty text parameter. Add a value to the parameter and \
                 try again."
                    .to_owned(),
            );
        }
        if part
            .get("thoughtSignature")
            .is_some_and(|signature| !is_known(signature))
        {
            return Err("Thought signature is not valid.".to_owned());
        }
    }
    Ok(())
}

/// What only one of the sides may say; responses come before anything else.
fn check_sides(role: &str, content: &Value) -> Result<(), String> {
    let parts = items(content, "parts");
    let has = |name: &str| parts.iter().any(|part| part.get(name).is_some());
    let own: &[&str] = if role == "user" {
        &["functionCall", "thought", "thoughtSignature"]
    } else {
        &["functionResponse", "inlineData", "fileData"]
    };
    if let Some(name) = own.iter().find(|name| has(name)) {
        return Err(format!("Please ensure that {name} is not part of a {role} turn."));
    }
    let responses = count(content, "functionResponse");
    let leading = parts
        .iter()
        .take_while(|part| part.get("functionResponse").is_some())
        .count();
    if leading < responses {
        return Err(
            "Please ensure that function responses come before other parts of their turn.".to_owned(),
        );
    }
    Ok(())
}

fn check_order(contents: &[Value]) -> Result<(), String> {
    let mut previous: Option<&Value> = None;
    for content in contents {
        let called = previous.map_or(0, |content| count(content, "functionCall"));
        let answered = count(content, "functionResponse");
        let from_user = previous.is_some_and(|content| text(content, "role") == "user");
        if count(content, "functionCall") > 0 && !from_user {
            return Err(
                "Please ensure that function call turn comes immediately after a user turn or after a function \
                 response turn."
                    .to_owned(),
            );
        }
        if answered > 0 && called == 0 {
            return Err(
                "Please ensure that function response turn comes immediately after a function call turn."
                    .to_owned(),
            );
        }
        if answered != called {
            return Err(
                "Please ensure that the number of function response parts is equal to the number of function call \
                 parts of the function call turn."
                    .to_owned(),
            );
        }
        let names = |content: &Value, kind: &str| {
            let parts = items(content, "parts").iter();
            let mut names: Vec<String> = parts
                .filter_map(|part| Some(text(part.get(kind)?, "name").to_owned()))
                .collect();
            names.sort();
            names
        };
        if answered > 0
            && previous
                .is_some_and(|calls| names(calls, "functionCall") != names(content, "functionResponse"))
        {
            return Err(
                "Please ensure that function responses name the functions that were called.".to_owned(),
            );
        }
        previous = Some(content);
    }
    let is_user = |content: Option<&Value>| content.is_some_and(|content| text(content, "role") == "user");
    if !is_user(contents.first()) {
        return Err("Please ensure that multiturn requests start with a user turn.".to_owned());
    }
    if !is_user(contents.last()) {
        return Err(
            "Please ensure that multiturn requests end with a user turn or a function response.".to_owned(),
        );
    }
    Ok(())
}

/// Gemini 3 wants the signature of each step since the user last spoke: it is on the first of a step's calls.
fn check_signatures(contents: &[Value], model: &Model) -> Result<(), String> {
    if !is_third(model) {
        return Ok(());
    }
    let spoken = contents
        .iter()
        .rposition(|content| text(content, "role") == "user" && count(content, "functionResponse") == 0);
    let steps = contents.iter().enumerate().skip(spoken.unwrap_or(0));
    for (index, content) in steps {
        let mut calls = items(content, "parts")
            .iter()
            .filter(|part| part.get("functionCall").is_some());
        if let Some(call) = calls.next().filter(|call| call.get("thoughtSignature").is_none()) {
            return Err(format!(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to \
                 work correctly, and missing thought_signature may lead to degraded model performance. Additional \
                 data, function call `default_api:{}` , position {}.",
                call.get("functionCall").map_or("", |call| text(call, "name")),
                index + 1
            ));
        }
    }
    Ok(())
}

fn is_known(signature: &Value) -> bool {
    signature
        .as_str()
        .is_some_and(|signature| signature == NO_SIGNATURE || is_signature(signature))
}

fn count(content: &Value, name: &str) -> usize {
    items(content, "parts")
        .iter()
        .filter(|part| part.get(name).is_some())
        .count()
}
