//! Gemini on Vertex: `/models/{model}:generateContent`, `:streamGenerateContent`, `:countTokens`, and Google's
//! embeddings, `:predict` (sap-wire.md §3.5).

mod answer;
mod predict;
mod read;
mod request;
mod rules;
mod schema;
mod settings;
mod spelling;
mod turns;

use serde_json::{Value, json};

pub(crate) use rules::check_name;
pub(crate) use settings::is_third;

use crate::answer::Answer;
use crate::catalogue::{Family, Model};
use crate::json::parse;
use crate::query;
use crate::server::Asked;

/// Answers a call of a model; `call` is the last segment of the path, `{model}:{method}`.
pub(crate) fn answer(asked: &Asked<'_>, call: &str) -> Answer {
    let (name, method) = call.rsplit_once(':').unwrap_or((call, ""));
    let Some(model) = asked.model().filter(|model| answers_to(model, name)) else {
        return refuse(
            404,
            &format!(
                "Publisher Model `publishers/google/models/{name}` was not found or your project does not have access \
                 to it. Please ensure you are using a valid model version."
            ),
        );
    };
    let body = match parse(asked.body) {
        Ok(body) => body,
        Err(error) => return refuse(400, &format!("Invalid JSON payload received. {error}")),
    };
    let chats = model.family == Family::Gemini;
    let answered = match method {
        "generateContent" if chats => generate(asked, model, &body, None),
        "streamGenerateContent" if chats => {
            let events = query::value(asked.query, "alt").as_deref() == Some("sse");
            generate(asked, model, &body, Some(events))
        }
        "countTokens" if chats => count(asked, model, &body),
        "predict" if !chats => predict::predict(asked, model, &body),
        _ => Err(format!("{name} is not supported for {method}.")),
    };
    answered.unwrap_or_else(|message| refuse(400, &message))
}

/// Whether a path may call a model so: by SAP's name, and embeddings also by Google's, which is what SAP's Python SDK
/// makes of `gemini-embedding` (`gen_ai_hub.proxy.native.google_genai`).
fn answers_to(model: &Model, name: &str) -> bool {
    model.name == name || (model.family == Family::Embedding && model.vendor == name)
}

/// Whole, or as a stream: of events, or of one JSON array.
fn generate(
    asked: &Asked<'_>,
    model: &'static Model,
    body: &Value,
    stream: Option<bool>,
) -> Result<Answer, String> {
    let body = spelling::settle(body);
    request::validate(&body)?;
    request::check_tenant(&body, &asked.options.refuses)?;
    rules::check(&body, model)?;
    let conversation = read::conversation(&body, model)?;
    let count = body.pointer("/generationConfig/candidateCount");
    if stream.is_some() && count.and_then(Value::as_i64).unwrap_or(1) > 1 {
        return Err("Multiple candidates is not supported for streaming".to_owned());
    }
    let replies = asked.replies(&conversation, count);
    let answered = answer::Answered {
        asked,
        model,
        prompt_tokens: conversation.prompt.tokens,
        cached: asked.state.cache.look(model.name, &conversation.prompt).read,
        replies: &replies,
        shows_thoughts: settings::shows_thoughts(&body),
    };
    Ok(match stream {
        None => answered.whole(),
        Some(events) => answered.stream(events),
    })
}

fn count(asked: &Asked<'_>, model: &'static Model, body: &Value) -> Result<Answer, String> {
    let body = spelling::settle(body);
    request::validate_count(&body)?;
    rules::check(&body, model)?;
    let conversation = read::conversation(&body, model)?;
    let tokens = conversation.prompt.tokens;
    let characters = body
        .to_string()
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .count();
    let body = json!({
        "totalTokens": tokens,
        "totalBillableCharacters": characters,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}],
    });
    Ok(asked.with_headers(Answer::json(200, body.to_string())))
}

/// Google's form of an error.
pub(crate) fn error(code: u16, message: &str) -> Value {
    let status = match code {
        400 => "INVALID_ARGUMENT",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    };
    json!({"error": {"code": code, "message": message, "status": status}})
}

fn refuse(code: u16, message: &str) -> Answer {
    Answer::json(code, error(code, message).to_string()).because(message)
}
