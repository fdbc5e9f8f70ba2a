//! Cohere's chat, version 2: `/v2/chat`, and `/chat` as clients call it (sap-wire.md §3.6).

mod answer;
mod read;
mod request;
mod rules;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::catalogue::Model;
use crate::json::parse;
use crate::server::Asked;

/// Answers `/v2/chat`.
pub(crate) fn chat(asked: &Asked<'_>) -> Answer {
    let Some(model) = asked.model() else {
        return refuse(404, "model not found");
    };
    let body = match parse(asked.body) {
        Ok(body) => body,
        Err(error) => return refuse(400, &format!("failed to parse request: {error}")),
    };
    if let Err(message) = request::validate(&body, &asked.options.refuses) {
        return refuse(422, &message);
    }
    let read =
        rules::check(&body, model, &asked.options.refuses).and_then(|()| read::conversation(&body, model));
    let conversation = match read {
        Ok(conversation) => conversation,
        Err(message) => return refuse(400, &format!("invalid request: {message}")),
    };
    let answered = answer::Answered {
        asked,
        prompt_tokens: conversation.prompt.tokens,
        reply: &asked.reply(&conversation),
    };
    if body.get("stream").and_then(Value::as_bool) == Some(true) {
        answered.stream()
    } else {
        answered.whole()
    }
}

/// Refuses what Cohere refuses of a body that orchestration has made for it; its words otherwise.
pub(crate) fn check_harmonized(body: &Value, model: &Model) -> Result<(), String> {
    request::validate(body, &[])?;
    rules::check(body, model, &[])
}

/// Cohere's form of an error.
fn refuse(status: u16, message: &str) -> Answer {
    let body = json!({"id": "c5d8a1f0-0000-4000-8000-000000000000", "message": message});
    Answer::json(status, body.to_string()).because(message)
}
