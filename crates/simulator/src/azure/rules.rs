//! What OpenAI's models refuse beyond the form of the body.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Refusal;
use crate::catalogue::{Family, Model};
use crate::json::{items, text};
use crate::openai::asked_for_json;
use crate::openai::schema::{self, check_function};

/// The longest id of a call; Responses take longer ones.
const LONGEST_ID: usize = 40;
/// OpenAI's words where nobody asks for the JSON that is to be said.
const NO_JSON: &str =
    "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";

/// Refuses what the model refuses; `body` has the right form.
pub(super) fn check(body: &Value, model: &Model) -> Result<(), Refusal> {
    if model.family == Family::GptReasoning {
        check_reasoning_model(body)?;
    } else if given(body, "reasoning_effort").is_some() {
        return Err(Refusal::new(
            "Unrecognized request argument supplied: reasoning_effort",
        ));
    }
    if !model.name.starts_with("gpt-5") || model.responses_only {
        refuse_parameter(body, "verbosity")?;
    }
    if model.name.starts_with('o') {
        refuse_parameter(body, "parallel_tool_calls")?;
    }
    check_effort(body, model)?;
    check_most_tokens(body, model)?;
    if given(body, "stream_options").is_some() && body.get("stream").and_then(Value::as_bool) != Some(true) {
        return Err(Refusal::of(
            "stream_options",
            "invalid_value",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ));
    }
    check_tools(body)?;
    check_format(body, model)?;
    check_messages(items(body, "messages"), model)
}

/// A parameter that is there and not `null`.
fn given<'a>(body: &'a Value, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

fn check_reasoning_model(body: &Value) -> Result<(), Refusal> {
    if given(body, "max_tokens").is_some() {
        return Err(Refusal::of(
            "max_tokens",
            "unsupported_parameter",
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        ));
    }
    if let Some(temperature) = given(body, "temperature").filter(|value| value.as_f64() != Some(1.0)) {
        return Err(Refusal::of(
            "temperature",
            "unsupported_value",
            format!(
                "Unsupported value: 'temperature' does not support {temperature} with this model. Only the default \
                 (1) value is supported."
            ),
        ));
    }
    for name in [
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "logprobs",
        "top_logprobs",
        "logit_bias",
        "stop",
    ] {
        refuse_parameter(body, name)?;
    }
    Ok(())
}

fn refuse_parameter(body: &Value, name: &'static str) -> Result<(), Refusal> {
    if given(body, name).is_none() {
        return Ok(());
    }
    Err(Refusal::of(
        name,
        "unsupported_parameter",
        format!("Unsupported parameter: '{name}' is not supported with this model."),
    ))
}

fn check_effort(body: &Value, model: &Model) -> Result<(), Refusal> {
    let Some(effort) = given(body, "reasoning_effort").and_then(Value::as_str) else {
        return Ok(());
    };
    let allowed: &[&str] = if model.name.starts_with("gpt-5.") {
        &["none", "low", "medium", "high", "xhigh"]
    } else if model.name.starts_with("gpt-5") {
        &["minimal", "low", "medium", "high"]
    } else {
        &["low", "medium", "high"]
    };
    if !allowed.contains(&effort) {
        return Err(Refusal::of(
            "reasoning_effort",
            "unsupported_value",
            format!(
                "Unsupported value: 'reasoning_effort' does not support '{effort}' with this model. Supported values \
                 are: {}.",
                allowed.join(", ")
            ),
        ));
    }
    if model.name.starts_with("gpt-5.") && !items(body, "tools").is_empty() && effort != "none" {
        return Err(Refusal::new(format!(
            "Function tools with reasoning_effort are not supported for {} in /v1/chat/completions. Please use \
             /v1/responses instead.",
            model.vendor
        )));
    }
    Ok(())
}

fn check_most_tokens(body: &Value, model: &Model) -> Result<(), Refusal> {
    for name in ["max_tokens", "max_completion_tokens"] {
        let wished = given(body, name).and_then(Value::as_u64).unwrap_or(0);
        if wished > model.output {
            return Err(too_many_tokens(name, model.output, wished));
        }
    }
    if given(body, "max_tokens").is_some() && given(body, "max_completion_tokens").is_some() {
        return Err(Refusal::of(
            "max_tokens",
            "invalid_parameter_combination",
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        ));
    }
    Ok(())
}

/// OpenAI's words for too many tokens; they name the limit.
pub(super) fn too_many_tokens(name: &str, most: u64, wished: u64) -> Refusal {
    Refusal::of(
        name,
        "invalid_value",
        format!(
            "{name} is too large: {wished}. This model supports at most {most} completion tokens, whereas you \
             provided {wished}."
        ),
    )
}

fn check_tools(body: &Value) -> Result<(), Refusal> {
    let tools = items(body, "tools");
    for name in ["tool_choice", "parallel_tool_calls"] {
        if given(body, name).is_some() && tools.is_empty() {
            return Err(Refusal::of(
                name,
                "invalid_value",
                format!("Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."),
            ));
        }
    }
    let mut names = BTreeSet::new();
    for (index, tool) in tools.iter().enumerate() {
        let name = tool
            .pointer("/function/name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !names.insert(name) {
            return Err(Refusal::of(
                "tools",
                "invalid_value",
                format!("tools: Tool names must be unique: '{name}'."),
            ));
        }
        check_function(tool.get("function").unwrap_or(&Value::Null)).map_err(|words| {
            Refusal::of(
                format!("tools[{index}].function.parameters"),
                "invalid_function_parameters",
                words,
            )
        })?;
    }
    let chosen = body.pointer("/tool_choice/function/name").and_then(Value::as_str);
    if let Some(name) = chosen.filter(|name| !names.contains(name)) {
        return Err(Refusal::of(
            "tool_choice",
            "invalid_value",
            format!("Invalid value for 'tool_choice': function '{name}' is not in 'tools'."),
        ));
    }
    Ok(())
}

fn check_format(body: &Value, model: &Model) -> Result<(), Refusal> {
    let Some(format) = body.get("response_format") else {
        return Ok(());
    };
    let kind = text(format, "type");
    if kind != "text" && !model.format {
        return Err(Refusal::of(
            "response_format",
            "invalid_value",
            format!(
                "Invalid parameter: 'response_format' of type '{kind}' is not supported with this model."
            ),
        ));
    }
    match format.get("json_schema") {
        Some(schema) => schema::check_format(schema)
            .map_err(|words| Refusal::of("response_format", "invalid_json_schema", words)),
        None if kind == "json_object" && !asked_for_json(items(body, "messages")) => {
            Err(Refusal::of("messages", "invalid_value", NO_JSON))
        }
        None => Ok(()),
    }
}

fn check_messages(messages: &[Value], model: &Model) -> Result<(), Refusal> {
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for (index, message) in messages.iter().enumerate() {
        let role = text(message, "role");
        if role == "tool" {
            let id = text(message, "tool_call_id");
            if !open.remove(id) {
                return Err(Refusal {
                    message: "Invalid parameter: messages with role 'tool' must be a response to a preceeding message \
                              with 'tool_calls'."
                        .to_owned(),
                    param: Some(format!("messages.[{index}].role")),
                    code: None,
                });
            }
        } else if !open.is_empty() {
            return Err(unanswered(index, &open));
        }
        if role == "assistant" {
            let calls = items(message, "tool_calls");
            if calls.is_empty() && given(message, "content").is_none() && given(message, "refusal").is_none()
            {
                return Err(Refusal::of(
                    format!("messages.[{index}].content"),
                    "invalid_value",
                    "Invalid value for 'content': expected a string, got null.",
                ));
            }
            for (at, call) in calls.iter().enumerate() {
                check_length(
                    &format!("messages[{index}].tool_calls[{at}].id"),
                    text(call, "id"),
                    LONGEST_ID,
                )?;
            }
            open.extend(calls.iter().map(|call| text(call, "id")));
            if open.len() < calls.len() {
                return Err(Refusal::new(format!(
                    "messages[{index}]: tool call ids must be unique."
                )));
            }
        }
        let seen = items(message, "content")
            .iter()
            .find(|part| text(part, "type") != "text");
        if let Some(part) = seen.filter(|part| !model.images && text(part, "type") != "refusal") {
            return Err(Refusal::new(format!(
                "Invalid content type. {} is only supported by certain models.",
                text(part, "type")
            )));
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(unanswered(messages.len(), &open))
    }
}

/// Refuses a string that is too long, in OpenAI's words.
pub(super) fn check_length(place: &str, string: &str, longest: usize) -> Result<(), Refusal> {
    let length = string.chars().count();
    if length <= longest {
        return Ok(());
    }
    Err(Refusal::of(
        place,
        "string_above_max_length",
        format!(
            "Invalid '{place}': string too long. Expected a string with maximum length {longest}, but got a string \
             with length {length} instead."
        ),
    ))
}

fn unanswered(index: usize, open: &BTreeSet<&str>) -> Refusal {
    let ids: Vec<&str> = open.iter().copied().collect();
    Refusal {
        message: format!(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
             'tool_call_id'. The following tool_call_ids did not have response messages: {}",
            ids.join(", ")
        ),
        param: Some(format!("messages.[{index}].role")),
        code: None,
    }
}
