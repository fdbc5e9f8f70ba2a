//! Bedrock's Converse: `/converse` and `/converse-stream`, for Nova and Claude (sap-wire.md §3.4).

mod answer;
mod order;
mod read;
mod request;
mod rules;

use serde_json::json;

use crate::answer::Answer;
use crate::json;
use crate::server::Asked;

pub(crate) use request::words;

/// Answers `/converse`, or as a stream `/converse-stream`.
pub(crate) fn converse(asked: &Asked<'_>, streaming: bool) -> Answer {
    let Some(model) = asked.model().filter(|_| !asked.embeds()) else {
        return refuse(
            "This action doesn't support the model that you provided. Try again with a supported text or chat model.",
        );
    };
    let body = match json::parse(asked.body) {
        Ok(body) => body,
        Err(error) => {
            return refuse(&format!(
                "Malformed input request: {error}, please reformat your input."
            ));
        }
    };
    let conversation = request::validate(&body)
        .and_then(|()| request::check_tenant(&body, &asked.options.refuses))
        .and_then(|()| rules::check(&body, model))
        .and_then(|()| read::conversation(&body, model));
    let conversation = match conversation {
        Ok(conversation) => conversation,
        Err(message) => return refuse(&message),
    };
    let answered = answer::Answered {
        asked,
        prompt_tokens: conversation.prompt.tokens,
        cache: asked.state.cache.look(model.name, &conversation.prompt),
        reply: &asked.reply(&conversation),
    };
    if streaming {
        answered.stream()
    } else {
        answered.whole()
    }
}

/// Bedrock's 400.
fn refuse(message: &str) -> Answer {
    Answer::json(400, json!({ "message": message }).to_string()).because(message)
}
