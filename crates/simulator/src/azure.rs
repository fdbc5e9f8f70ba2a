//! Azure OpenAI chat: `/chat/completions?api-version=…` (sap-wire.md §3.2).

mod answer;
mod read;
mod request;
mod rules;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::json::parse;
use crate::model;
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
}

/// Answers `/chat/completions`.
pub(crate) fn chat(asked: &Asked<'_>) -> Answer {
    if query::value(asked.query, "api-version").is_none_or(|version| version.is_empty()) {
        let body = json!({"error": {"code": "404", "message": "Resource not found"}});
        return Answer::json(404, body.to_string()).because("api-version is missing");
    }
    let Some(model) = asked.model() else {
        return refuse(&Refusal::of(
            "model",
            "DeploymentNotFound",
            "The API deployment does not exist.",
        ));
    };
    let body = match parse(asked.body) {
        Ok(body) => body,
        Err(error) => {
            return refuse(&Refusal::new(format!(
                "We could not parse the JSON body of your request: {error}"
            )));
        }
    };
    let conversation = request::validate(&body)
        .and_then(|()| request::check_tenant(&body, &asked.options.refuses))
        .and_then(|()| rules::check(&body, model))
        .and_then(|()| read::conversation(&body, model));
    let conversation = match conversation {
        Ok(conversation) => conversation,
        Err(refusal) => return refuse(&refusal),
    };
    let mut reply = model::answer(&conversation, asked.number);
    if asked.filtered {
        reply.text.clear();
        reply.calls.clear();
        reply.end = model::End::Filtered;
    }
    let answered = answer::Answered {
        asked,
        model,
        prompt_tokens: conversation.prompt.tokens,
        reply: &reply,
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

fn refuse(refusal: &Refusal) -> Answer {
    let body = json!({"error": {
        "message": refusal.message,
        "type": "invalid_request_error",
        "param": refusal.param,
        "code": refusal.code,
    }});
    Answer::json(400, body.to_string()).because(refusal.message.clone())
}
