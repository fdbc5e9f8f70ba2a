//! Claude on Bedrock: `/invoke` and `/invoke-with-response-stream` (sap-wire.md §3.3).

mod answer;
mod order;
mod read;
mod request;
mod rules;
mod wish;

use crate::answer::Answer;
use crate::catalogue::Family;
use crate::json;
use crate::server::Asked;

pub(crate) use answer::{aws_event, aws_exception};
pub(crate) use rules::check_schema;
pub(crate) use wish::{NO_PREFILL, Wish, too_many_tokens};

/// Answers `/invoke`, or as a stream `/invoke-with-response-stream`.
pub(crate) fn invoke(asked: &Asked<'_>, streaming: bool) -> Answer {
    let Some(model) = asked.model() else {
        return refuse("The provided model identifier is invalid.");
    };
    if model.family != Family::Claude {
        // Other models have bodies of their own here; Converse is for all (sap-wire.md §3.4).
        return refuse("Malformed input request, please reformat your input and try again.");
    }
    let body = match json::parse(asked.body) {
        Ok(body) => body,
        Err(error) => {
            return refuse(&format!(
                "Malformed input request: {error}, please reformat your input."
            ));
        }
    };
    let conversation = request::validate(&body)
        .and_then(|()| request::check_tenant(&body, &asked.options.refuses, model))
        .and_then(|()| rules::check(&body, model))
        .and_then(|()| read::conversation(&body, model));
    let conversation = match conversation {
        Ok(conversation) => conversation,
        Err(message) => return refuse(&message),
    };
    let reply = asked.reply(&conversation);
    let cache = asked.state.cache.look(model.name, &conversation.prompt);
    let answered = answer::Answered {
        asked,
        model,
        prompt_tokens: conversation.prompt.tokens,
        reply: &reply,
        cache,
    };
    if streaming {
        answered.stream()
    } else {
        answered.whole()
    }
}

/// Bedrock's 400: a message that names the place.
fn refuse(message: &str) -> Answer {
    Answer::json(400, serde_json::json!({ "message": message }).to_string()).because(message)
}
