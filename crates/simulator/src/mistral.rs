//! Mistral's `/chat/completions` (sap-wire.md §3.6), fail-closed.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::catalogue::Model;
use crate::chat_completions::{Answered, conversation};
use crate::json::{items, parse, text};
use crate::refuses::{self, Found, Refused};
use crate::schema::root;
use crate::server::Asked;
use crate::shape::{Misfit, Problem, Shape, Step, check, closed, filled, list, may, must, open, typed};

static BODY: Shape = closed(&[
    must("model", &Shape::Text),
    must("messages", &filled(&MESSAGE)),
    may(
        "temperature",
        &Shape::Number {
            least: 0.0,
            most: 1.5,
        },
    ),
    may(
        "top_p",
        &Shape::Number {
            least: 0.0,
            most: 1.0,
        },
    ),
    may("max_tokens", &NATURAL),
    may("stream", &Shape::Boolean),
    may("stop", &Shape::Either(&[&Shape::Text, &list(&Shape::Text)])),
    may("random_seed", &NATURAL),
    may("presence_penalty", &PENALTY),
    may("frequency_penalty", &PENALTY),
    may("n", &Shape::OneOfIntegers(&[1])),
    may("safe_prompt", &Shape::Boolean),
    may("response_format", &RESPONSE_FORMAT),
    may("tools", &filled(&TOOL)),
    may("tool_choice", &TOOL_CHOICE),
    may("parallel_tool_calls", &Shape::Boolean),
]);
const NATURAL: Shape = Shape::Integer {
    least: 0,
    most: i64::MAX,
};
const PENALTY: Shape = Shape::Number {
    least: -2.0,
    most: 2.0,
};
const NAME: Shape = Shape::Name { longest: 64 };
static RESPONSE_FORMAT: Shape = typed(&[
    ("text", &FORMAT_PLAIN),
    ("json_object", &FORMAT_PLAIN),
    ("json_schema", &FORMAT_SCHEMA),
]);
static FORMAT_PLAIN: Shape = closed(&[must("type", &Shape::Text)]);
static FORMAT_SCHEMA: Shape = closed(&[must("type", &Shape::Text), must("json_schema", &JSON_SCHEMA)]);
static JSON_SCHEMA: Shape = closed(&[
    must("name", &NAME),
    may("description", &Shape::Text),
    must("schema", &open(&[])),
    may("strict", &Shape::Boolean),
]);
static TOOL: Shape = typed(&[("function", &FUNCTION_TOOL)]);
static FUNCTION_TOOL: Shape = closed(&[must("type", &Shape::Text), must("function", &FUNCTION)]);
static FUNCTION: Shape = closed(&[
    must("name", &NAME),
    may("description", &Shape::Text),
    must("parameters", &open(&[])),
    may("strict", &Shape::Boolean),
]);
static TOOL_CHOICE: Shape =
    Shape::Either(&[&Shape::OneOf(&["auto", "none", "any", "required"]), &CHOICE_NAMED]);
static CHOICE_NAMED: Shape = closed(&[
    must("type", &Shape::OneOf(&["function"])),
    must("function", &closed(&[must("name", &NAME)])),
]);

static MESSAGE: Shape = Shape::Tagged {
    key: "role",
    forms: &[
        ("system", &INSTRUCTION),
        ("user", &USER),
        ("assistant", &ASSISTANT),
        ("tool", &RESULT),
    ],
    default: None,
};
static INSTRUCTION: Shape = closed(&[must("role", &Shape::Text), must("content", &TEXTS)]);
static USER: Shape = closed(&[
    must("role", &Shape::Text),
    must("content", &Shape::Either(&[&Shape::Text, &filled(&USER_PART)])),
]);
static ASSISTANT: Shape = closed(&[
    must("role", &Shape::Text),
    may("content", &Shape::OrNull(&TEXTS)),
    may("tool_calls", &Shape::OrNull(&filled(&CALL))),
    may("prefix", &Shape::Boolean),
]);
static RESULT: Shape = closed(&[
    must("role", &Shape::Text),
    must("content", &TEXTS),
    must("tool_call_id", &Shape::Text),
    may("name", &NAME),
]);
static TEXTS: Shape = Shape::Either(&[&Shape::Text, &filled(&TEXT_ONLY)]);
static TEXT_ONLY: Shape = typed(&[("text", &TEXT_PART)]);
static USER_PART: Shape = typed(&[("text", &TEXT_PART), ("image_url", &IMAGE_PART)]);
static TEXT_PART: Shape = closed(&[must("type", &Shape::Text), must("text", &Shape::Text)]);
static IMAGE_PART: Shape = closed(&[
    must("type", &Shape::Text),
    must("image_url", &Shape::Either(&[&Shape::Text, &IMAGE_URL])),
]);
static IMAGE_URL: Shape = closed(&[
    must("url", &Shape::Text),
    may("detail", &Shape::OneOf(&["auto", "low", "high"])),
]);
static CALL: Shape = closed(&[
    must("id", &Shape::Text),
    may("type", &Shape::OneOf(&["function"])),
    must("function", &CALLED),
]);
static CALLED: Shape = closed(&[must("name", &NAME), must("arguments", &Shape::Text)]);

/// Refuses what Mistral refuses of a body that orchestration has made for it; its words otherwise.
pub(crate) fn check_harmonized(body: &Value, model: &Model) -> Result<(), String> {
    check(&BODY, body).map_err(|misfit| detail(&misfit).to_string())?;
    check_rules(body, model, &[])
}

/// Answers `/chat/completions`.
pub(crate) fn chat(asked: &Asked<'_>) -> Answer {
    let Some(model) = asked.model() else {
        return refuse(404, "invalid_model", "Invalid model", "1500");
    };
    let body = match parse(asked.body) {
        Ok(body) => body,
        Err(error) => {
            return refuse(
                422,
                "invalid_request_error",
                &format!("JSON decode error: {error}"),
                "3000",
            );
        }
    };
    let misfit =
        check(&BODY, &body)
            .err()
            .or_else(|| match refuses::find(&asked.options.refuses, &body, &body) {
                Some(Found::Member(misfit)) => Some(misfit),
                _ => None,
            });
    if let Some(misfit) = misfit {
        return unprocessable(&misfit);
    }
    if text(&body, "model") != model.name {
        let message = format!("Invalid model: {}", text(&body, "model"));
        return refuse(400, "invalid_model", &message, "1500");
    }
    let read = check_rules(&body, model, &asked.options.refuses).and_then(|()| conversation(&body, model));
    let conversation = match read {
        Ok(conversation) => conversation,
        Err(message) => return refuse(400, "invalid_request_error", &message, "3051"),
    };
    let answered = Answered {
        asked,
        model,
        prompt_tokens: conversation.prompt.tokens,
        reply: &asked.reply(&conversation),
        more: Map::new(),
        filtered: "content_filter",
    };
    if body.get("stream").and_then(Value::as_bool) == Some(true) {
        answered.stream()
    } else {
        answered.whole()
    }
}

/// Mistral's form of an error.
fn refuse(status: u16, kind: &str, message: &str, code: &str) -> Answer {
    let body =
        json!({"object": "error", "message": message, "type": kind, "param": Value::Null, "code": code});
    Answer::json(status, body.to_string()).because(message)
}

/// What does not have the form: pydantic's list.
fn detail(misfit: &Misfit) -> Value {
    let mut place = vec![json!("body")];
    for step in &misfit.path {
        place.push(match step {
            Step::Key(key) => json!(key),
            Step::Index(index) => json!(index),
            Step::Form(form) => json!(form),
        });
    }
    let (kind, message) = match &misfit.problem {
        Problem::Missing(key) => {
            place.push(json!(key));
            ("missing", "Field required".to_owned())
        }
        Problem::Unknown(key) => {
            place.push(json!(key));
            ("extra_forbidden", "Extra inputs are not permitted".to_owned())
        }
        Problem::Type { expected, .. } => ("type_error", format!("Input should be a valid {expected}")),
        Problem::NotOneOf { allowed, .. } => ("enum", format!("Input should be {}", allowed.join(" or "))),
        Problem::UnknownForm { allowed, .. } => (
            "union_tag_invalid",
            format!(
                "Input tag does not match any of the expected tags: {}",
                allowed.join(", ")
            ),
        ),
        Problem::TooSmall { least, .. } => (
            "greater_than_equal",
            format!("Input should be greater than or equal to {least}"),
        ),
        Problem::TooLarge { most, .. } => (
            "less_than_equal",
            format!("Input should be less than or equal to {most}"),
        ),
        Problem::BadName { .. } => (
            "string_pattern_mismatch",
            "String should match pattern".to_owned(),
        ),
        Problem::TooFew { .. } | Problem::TooMany { .. } | Problem::Ambiguous => {
            ("value_error", "Input is not valid".to_owned())
        }
    };
    json!({"detail": [{"type": kind, "loc": place, "msg": message}]})
}

/// The 422 of what does not have the form.
fn unprocessable(misfit: &Misfit) -> Answer {
    let message = detail(misfit);
    let reason = message.to_string();
    let body = json!({
        "object": "error",
        "message": message,
        "type": "invalid_request_error",
        "param": Value::Null,
        "code": Value::Null,
    });
    Answer::json(422, body.to_string()).because(reason)
}

/// Refuses what the model refuses; `body` has the right form.
fn check_rules(body: &Value, model: &Model, refused: &[Refused]) -> Result<(), String> {
    check_limits(body, model, refused)?;
    check_tools(body)?;
    check_messages(items(body, "messages"), model)
}

fn check_limits(body: &Value, model: &Model, refused: &[Refused]) -> Result<(), String> {
    let wished = body.get("max_tokens").and_then(Value::as_u64).unwrap_or(0);
    let most = match refuses::find(refused, body, body) {
        Some(Found::OutputTokens { most, .. }) => most,
        _ => model.output,
    };
    if wished > most {
        return Err(format!(
            "max_tokens is too large: {wished}. This model supports at most {most} completion tokens."
        ));
    }
    if body.get("tool_choice").is_some() && items(body, "tools").is_empty() {
        return Err("Tool choice is set but no tools are given.".to_owned());
    }
    Ok(())
}

fn check_tools(body: &Value) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for tool in items(body, "tools") {
        let function = tool.get("function").unwrap_or(&Value::Null);
        let name = text(function, "name");
        if !names.insert(name) {
            return Err(format!("Duplicate function name: {name}"));
        }
        let parameters = function.get("parameters").unwrap_or(&Value::Null);
        if root(parameters).is_err() {
            return Err(format!(
                "Invalid schema for function '{name}': it must describe one object"
            ));
        }
    }
    let chosen = body.pointer("/tool_choice/function/name").and_then(Value::as_str);
    match chosen.filter(|name| !names.contains(name)) {
        Some(name) => Err(format!("Function {name} of tool_choice is not in tools.")),
        None => Ok(()),
    }
}

/// Roles in Mistral's order, ids in Mistral's form.
fn check_messages(messages: &[Value], model: &Model) -> Result<(), String> {
    let mut previous = "";
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for (index, message) in messages.iter().enumerate() {
        let role = text(message, "role");
        if role == "tool" {
            let id = text(message, "tool_call_id");
            if !open.remove(id) {
                return Err(format!("Unexpected tool call id {id} in tool results"));
            }
        } else if !open.is_empty() {
            return Err("Not the same number of function calls and responses".to_owned());
        }
        let follows = match role {
            "system" => ["", "system"].contains(&previous),
            "user" => ["", "system", "user", "assistant"].contains(&previous),
            "assistant" => ["user", "tool"].contains(&previous),
            _ => ["assistant", "tool"].contains(&previous),
        };
        if !follows {
            let previous = if previous.is_empty() {
                "the start"
            } else {
                previous
            };
            return Err(format!("Unexpected role '{role}' after role '{previous}'"));
        }
        previous = role;
        if role == "assistant" {
            check_assistant(index, message, messages.len())?;
            for call in items(message, "tool_calls") {
                if !open.insert(text(call, "id")) {
                    return Err("Duplicate tool call id in assistant message".to_owned());
                }
            }
        }
        let pictures = items(message, "content")
            .iter()
            .any(|part| part.get("image_url").is_some());
        if pictures && !model.images {
            return Err(format!("Image input is not enabled for model {}", model.name));
        }
    }
    if !open.is_empty() {
        return Err("Not the same number of function calls and responses".to_owned());
    }
    if previous == "system" {
        return Err(
            "Expected last role User or Tool (or Assistant with prefix True) for serving but got system"
                .to_owned(),
        );
    }
    Ok(())
}

fn check_assistant(index: usize, message: &Value, count: usize) -> Result<(), String> {
    let calls = items(message, "tool_calls");
    let said = match message.get("content") {
        Some(Value::String(content)) => !content.is_empty(),
        Some(Value::Array(parts)) => !parts.is_empty(),
        _ => false,
    };
    if !said && calls.is_empty() {
        return Err("Assistant message must have either content or tool_calls, but not none.".to_owned());
    }
    let prefix = message.get("prefix").and_then(Value::as_bool) == Some(true);
    if prefix != (index + 1 == count) {
        return Err(if prefix {
            "Only the last message may have prefix True".to_owned()
        } else {
            "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant"
                .to_owned()
        });
    }
    for call in calls {
        let id = text(call, "id");
        if id.len() != 9 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(format!(
                "Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9."
            ));
        }
        let arguments = call.pointer("/function/arguments").and_then(Value::as_str);
        let arguments = serde_json::from_str::<Value>(arguments.unwrap_or_default());
        if !arguments.is_ok_and(|arguments| arguments.is_object()) {
            return Err("Function call arguments must be valid JSON".to_owned());
        }
    }
    Ok(())
}
