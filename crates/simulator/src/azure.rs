//! Azure OpenAI: `/chat/completions?api-version=…`, `/embeddings?api-version=…` and `/responses` (sap-wire.md §3.2).

mod answer;
mod embeddings;
mod read;
mod request;
mod responses;
mod rules;

use serde_json::{Value, json};

pub(crate) use embeddings::embeddings;
pub(crate) use responses::{Kept, compact, create as respond, kept};

use crate::answer::Answer;
use crate::catalogue::{Family, Model};
use crate::json::parse;
use crate::query;
use crate::server::Asked;

/// A refusal in OpenAI's form.
struct Refusal {
    message: String,
    param: Option<String>,
    code: Option<&'static str>,
}

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            param: None,
            code: None,
        }
    }

    fn of(param: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            param: Some(param.into()),
            code: Some(code),
        }
    }

    /// The model is none for this operation.
    fn unsupported(operation: &str, model: &Model) -> Self {
        let message = format!(
            "The {operation} operation does not work with the specified model, {}. Please choose different model and \
             try again. You can learn more about which models can be used with each operation here: \
             https://go.microsoft.com/fwlink/?linkid=2197993.",
            model.name
        );
        Self {
            message,
            param: None,
            code: Some("OperationNotSupported"),
        }
    }
}

/// The model and the body of a request that names the version of the API.
#[expect(clippy::result_large_err, reason = "the refusal goes out at once")]
fn opened(asked: &Asked<'_>) -> Result<(&'static Model, Value), Answer> {
    if query::value(asked.query, "api-version").is_none_or(|version| version.is_empty()) {
        let body = json!({"error": {"code": "404", "message": "Resource not found"}});
        return Err(Answer::json(404, body.to_string()).because("api-version is missing"));
    }
    model_and_body(asked)
}

/// The model and the body of a request.
#[expect(clippy::result_large_err, reason = "the refusal goes out at once")]
fn model_and_body(asked: &Asked<'_>) -> Result<(&'static Model, Value), Answer> {
    let model = asked.model().ok_or_else(|| {
        refuse(&Refusal::of(
            "model",
            "DeploymentNotFound",
            "The API deployment does not exist.",
        ))
    })?;
    let body = parse(asked.body).map_err(|error| {
        refuse(&Refusal::new(format!(
            "We could not parse the JSON body of your request: {error}"
        )))
    })?;
    Ok((model, body))
}

/// Answers `/chat/completions`.
pub(crate) fn chat(asked: &Asked<'_>) -> Answer {
    let (model, body) = match opened(asked) {
        Ok(opened) => opened,
        Err(refused) => return refused,
    };
    if model.family == Family::Embedding || model.responses_only {
        return refuse(&Refusal::unsupported("chatCompletion", model));
    }
    let conversation = request::validate(&body)
        .and_then(|()| request::check_tenant(&body, &asked.options.refuses))
        .and_then(|()| rules::check(&body, model))
        .and_then(|()| read::conversation(&body, model));
    let conversation = match conversation {
        Ok(conversation) => conversation,
        Err(refusal) => return refuse(&refusal),
    };
    let answered = answer::Answered {
        asked,
        model,
        prompt_tokens: conversation.prompt.tokens,
        replies: &asked.replies(&conversation, body.get("n")),
    };
    if body.get("stream").and_then(Value::as_bool) == Some(true) {
        let usage = body
            .pointer("/stream_options/include_usage")
            .and_then(Value::as_bool)
            == Some(true);
        answered.stream(usage)
    } else {
        answered.whole()
    }
}

/// Refuses what OpenAI refuses of a body that orchestration has made for it; its words otherwise.
pub(crate) fn check_harmonized(body: &Value, model: &Model) -> Result<(), String> {
    request::validate(body)
        .and_then(|()| rules::check(body, model))
        .map_err(|refusal| refusal.message)
}

fn refuse(refusal: &Refusal) -> Answer {
    let body = json!({"error": {
        "message": refusal.message,
        "type": "invalid_request_error",
        "param": refusal.param,
        "code": refusal.code,
    }});
    Answer::json(400, body.to_string()).because(refusal.message.clone())
}
