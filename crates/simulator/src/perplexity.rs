//! Perplexity's `/chat/completions` (sap-wire.md §3.6), fail-closed: no tools, and answers with their sources.

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::catalogue::Model;
use crate::chat_completions::{Answered, conversation};
use crate::json::{items, parse, text};
use crate::refuses::{self, Found};
use crate::server::Asked;
use crate::shape::{Misfit, Problem, Shape, check, closed, filled, list, may, must, open, typed};

static BODY: Shape = closed(&[
    must("model", &Shape::Text),
    must("messages", &filled(&MESSAGE)),
    may("max_tokens", &NATURAL),
    may(
        "temperature",
        &Shape::Number {
            least: 0.0,
            most: 1.99,
        },
    ),
    may(
        "top_p",
        &Shape::Number {
            least: 0.0,
            most: 1.0,
        },
    ),
    may(
        "top_k",
        &Shape::Integer {
            least: 0,
            most: 2_048,
        },
    ),
    may("stream", &Shape::Boolean),
    may("presence_penalty", &PENALTY),
    may("frequency_penalty", &PENALTY),
    may("response_format", &RESPONSE_FORMAT),
    may("search_mode", &Shape::OneOf(&["academic", "sec", "web"])),
    may("search_domain_filter", &list(&Shape::Text)),
    may(
        "search_recency_filter",
        &Shape::OneOf(&["hour", "day", "week", "month", "year"]),
    ),
    may("search_after_date_filter", &Shape::Text),
    may("search_before_date_filter", &Shape::Text),
    may("web_search_options", &open(&[])),
    may("return_images", &Shape::Boolean),
    may("return_related_questions", &Shape::Boolean),
    may("disable_search", &Shape::Boolean),
]);
const NATURAL: Shape = Shape::Integer {
    least: 1,
    most: i64::MAX,
};
const PENALTY: Shape = Shape::Number {
    least: 0.0,
    most: 2.0,
};
static RESPONSE_FORMAT: Shape = typed(&[("json_schema", &FORMAT_SCHEMA)]);
static FORMAT_SCHEMA: Shape = closed(&[must("type", &Shape::Text), must("json_schema", &JSON_SCHEMA)]);
static JSON_SCHEMA: Shape = closed(&[
    may("name", &Shape::Name { longest: 64 }),
    must("schema", &open(&[])),
    may("strict", &Shape::Boolean),
]);
static MESSAGE: Shape = closed(&[
    must("role", &Shape::OneOf(&["system", "user", "assistant"])),
    must("content", &Shape::Either(&[&Shape::FilledText, &filled(&PART)])),
]);
static PART: Shape = typed(&[("text", &TEXT_PART), ("image_url", &IMAGE_PART)]);
static TEXT_PART: Shape = closed(&[must("type", &Shape::Text), must("text", &Shape::FilledText)]);
static IMAGE_PART: Shape = closed(&[
    must("type", &Shape::Text),
    must("image_url", &closed(&[must("url", &Shape::Text)])),
]);

/// Refuses what Perplexity refuses of a body that orchestration has made for it; its words otherwise.
pub(crate) fn check_harmonized(body: &Value, model: &Model) -> Result<(), String> {
    check(&BODY, body).map_err(|misfit| words(&misfit))?;
    check_model(body, model)?;
    check_order(items(body, "messages"))
}

/// Answers `/chat/completions`.
pub(crate) fn chat(asked: &Asked<'_>) -> Answer {
    let Some(model) = asked.model() else {
        return refuse("Invalid model");
    };
    let body = match parse(asked.body) {
        Ok(body) => body,
        Err(error) => return refuse(&format!("Failed to parse request: {error}")),
    };
    let read = check(&BODY, &body)
        .map_err(|misfit| words(&misfit))
        .and_then(|()| check_tenant(asked, &body))
        .and_then(|()| check_model(&body, model))
        .and_then(|()| check_order(items(&body, "messages")))
        .and_then(|()| conversation(&body, model));
    let conversation = match read {
        Ok(conversation) => conversation,
        Err(message) => return refuse(&message),
    };
    let answered = Answered {
        asked,
        model,
        prompt_tokens: conversation.prompt.tokens,
        reply: &asked.reply(&conversation),
        more: sources(),
        filtered: "content_filter",
    };
    if body.get("stream").and_then(Value::as_bool) == Some(true) {
        answered.stream()
    } else {
        answered.whole()
    }
}

/// Where an answer says it is from.
fn sources() -> Map<String, Value> {
    let result = json!({"title": "Example", "url": "https://example.com/", "date": "2026-01-02"});
    let members = [
        ("citations", json!(["https://example.com/"])),
        ("search_results", json!([result])),
    ];
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn check_tenant(asked: &Asked<'_>, body: &Value) -> Result<(), String> {
    match refuses::find(&asked.options.refuses, body, body) {
        None | Some(Found::Beta) => Ok(()),
        Some(Found::Member(misfit)) => Err(words(&misfit)),
        Some(Found::OutputTokens { most, .. }) => Err(too_many(most)),
    }
}

fn too_many(most: u64) -> String {
    format!("max_tokens must be less than or equal to {most}")
}

fn check_model(body: &Value, model: &Model) -> Result<(), String> {
    if text(body, "model") != model.name {
        return Err(format!("Invalid model '{}'.", text(body, "model")));
    }
    let wished = body.get("max_tokens").and_then(Value::as_u64).unwrap_or(0);
    if wished > model.output {
        return Err(too_many(model.output));
    }
    Ok(())
}

/// Systems first, then user and assistant in turn, the user last.
fn check_order(messages: &[Value]) -> Result<(), String> {
    let roles: Vec<&str> = messages
        .iter()
        .map(|message| text(message, "role"))
        .skip_while(|role| *role == "system")
        .collect();
    let alternate = roles
        .iter()
        .enumerate()
        .all(|(index, role)| *role == if index % 2 == 0 { "user" } else { "assistant" });
    if !alternate {
        return Err(
            "After the (optional) system message(s), user or tool message(s) should alternate with assistant message(s)."
                .to_owned(),
        );
    }
    if roles.last() != Some(&"user") {
        return Err("Last message must have role `user` or `tool`.".to_owned());
    }
    Ok(())
}

/// Perplexity's form of an error.
fn refuse(message: &str) -> Answer {
    let body = json!({"error": {"message": message, "type": "bad_request", "code": 400}});
    Answer::json(400, body.to_string()).because(message)
}

fn words(misfit: &Misfit) -> String {
    let place = |more: &str| misfit.dotted(more);
    match &misfit.problem {
        Problem::Unknown(key) if ["tools", "tool_choice"].contains(&key.as_str()) => {
            "Tool calling is not supported for this model".to_owned()
        }
        Problem::Unknown(key) => format!("['{}']: Extra inputs are not permitted", place(key)),
        Problem::Missing(key) => format!("['{}']: Field required", place(key)),
        Problem::Type { expected, .. } => {
            format!("['{}']: Input should be a valid {expected}", place(""))
        }
        _ => format!("['{}']: Input is not valid", place("")),
    }
}
