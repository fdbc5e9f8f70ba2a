//! Azure OpenAI's Responses API: `/responses` and what can be done with the answers that it keeps (sap-wire.md §3.2).

mod answer;
mod input;
mod kept;
mod read;
mod request;
mod rules;
mod sealed;
mod stream;

use http::Method;
use serde_json::{Value, json};

pub(crate) use kept::Kept;

use self::answer::{Answered, usage};
use self::input::{Surroundings, identified, said_by_the_user};
use self::kept::{Cancelling, Response, Stage};
use super::{Refusal, model_and_body, refuse};
use crate::answer::Answer;
use crate::catalogue::{Family, Model};
use crate::json::{items, text};
use crate::query;
use crate::server::Asked;

/// How many items `input_items` lists when nobody says how many.
const LISTED: usize = 20;

/// Answers `/responses`.
pub(crate) fn create(asked: &Asked<'_>) -> Answer {
    let (model, body) = match model_and_body(asked) {
        Ok(opened) => opened,
        Err(refused) => return refused,
    };
    answer_to(asked, model, &body).unwrap_or_else(|refusal| refuse(&refusal))
}

fn answer_to(asked: &Asked<'_>, model: &'static Model, body: &Value) -> Result<Answer, Refusal> {
    check_model(model)?;
    rules::check_kinds_of_tools(body, model)?;
    request::validate(body)?;
    request::check_tenant(body, &asked.options.refuses)?;
    rules::check(body, model)?;
    let is = |name: &str| body.get(name).and_then(Value::as_bool);
    let store = is("store") != Some(false);
    let (before, sent) = read_items(asked, model, body, store)?;
    let conversation = read::conversation(body, &before, &sent, model)?;
    let reply = asked.reply(&conversation);
    let cached = asked.state.cache.look(model.name, &conversation.prompt);
    let answered = Answered {
        asked,
        model,
        body,
        prompt_tokens: conversation.prompt.tokens,
        cached_tokens: cached.read,
        reply: &reply,
        created: Asked::created(),
    };
    let output = answered.output();
    let finished = answered.finished(&output);
    let background = is("background") == Some(true);
    if store {
        let shown = asked.state.kept.keep(Response {
            id: text(&finished, "id").to_owned(),
            deployment: asked.deployment.id,
            background,
            stage: if background { Stage::Queued } else { Stage::Done },
            body: finished.to_string(),
            output: output.clone(),
            input: json!(identified(sent, |start, index| answered.id(start, 100 + index))).to_string(),
            before: json!(before).to_string(),
        });
        if background {
            return Ok(answered.with_headers(Answer::json(200, shown.to_string())));
        }
    }
    Ok(if is("stream") == Some(true) {
        answered.stream(&output, &finished)
    } else {
        answered.whole(finished)
    })
}

/// Answers `/responses/compact`: what the user said, and the rest in a form that only the service can read.
pub(crate) fn compact(asked: &Asked<'_>) -> Answer {
    let (model, body) = match model_and_body(asked) {
        Ok(opened) => opened,
        Err(refused) => return refused,
    };
    let compacted = check_model(model)
        .and_then(|()| request::validate_compaction(&body))
        .and_then(|()| read_items(asked, model, &body, true))
        .and_then(|(before, sent)| {
            let conversation = read::conversation(&body, &before, &sent, model)?;
            Ok((before.into_iter().chain(sent).collect(), conversation))
        });
    let (all, conversation): (Vec<Value>, _) = match compacted {
        Ok(compacted) => compacted,
        Err(refusal) => return refuse(&refusal),
    };
    let id = |start: &str, index: usize| answer::id(start, asked.number, index);
    let compaction_id = id("cmp", 0);
    let words = format!("{} items", all.len());
    let mut output = said_by_the_user(&identified(all, |start, index| id(start, 100 + index)));
    output.push(json!({
        "id": compaction_id,
        "type": "compaction",
        "encrypted_content": sealed::seal(model.name, &compaction_id, &words),
    }));
    let body = json!({
        "id": id("resp", 0),
        "object": "response.compaction",
        "created_at": Asked::created(),
        "output": output,
        "usage": usage(conversation.prompt.tokens, 0, 16, 0),
    });
    Answer::json(200, body.to_string())
}

fn check_model(model: &Model) -> Result<(), Refusal> {
    if model.family == Family::Embedding {
        return Err(Refusal::unsupported("responses", model));
    }
    Ok(())
}

/// The items that a request goes on from, and those that it sends.
fn read_items(
    asked: &Asked<'_>,
    model: &'static Model,
    body: &Value,
    store: bool,
) -> Result<(Vec<Value>, Vec<Value>), Refusal> {
    let deployment = asked.deployment.id;
    let before = match text(body, "previous_response_id") {
        "" => Vec::new(),
        id => match asked.state.kept.conversation(deployment, id) {
            Some(Ok(items)) => items,
            Some(Err(_)) => {
                return Err(Refusal::of(
                    "previous_response_id",
                    "invalid_value",
                    format!("Previous response with id '{id}' is not completed."),
                ));
            }
            None => {
                return Err(Refusal::of(
                    "previous_response_id",
                    "previous_response_not_found",
                    format!("Previous response with id '{id}' not found."),
                ));
            }
        },
    };
    let surroundings = Surroundings {
        model,
        deployment,
        kept: &asked.state.kept,
        store,
        before: &before,
    };
    let sent = surroundings.items(body)?;
    Ok((before, sent))
}

/// Answers what is asked about a response that was kept: `/responses/{id}` and what is below it.
pub(crate) fn kept(asked: &Asked<'_>, method: &Method, id: &str, below: &[&str]) -> Answer {
    let (kept, deployment) = (&asked.state.kept, asked.deployment.id);
    let found = match (method.as_str(), below) {
        ("GET", []) if query::value(asked.query, "stream").as_deref() == Some("true") => {
            return refuse(&Refusal::of(
                "stream",
                "invalid_value",
                "Streaming of a kept response is not supported.",
            ));
        }
        ("GET", []) => kept.look(deployment, id),
        ("GET", ["input_items"]) => kept
            .input_items(deployment, id)
            .map(|items| listed(items, asked.query)),
        ("DELETE", []) => kept
            .delete(deployment, id)
            .then(|| json!({"deleted": true, "id": id, "object": "response.deleted"})),
        ("POST", ["cancel"]) => match kept.cancel(deployment, id) {
            Some(Cancelling::Cancelled(response)) => Some(response),
            Some(Cancelling::Synchronous) => {
                return refuse(&Refusal::new("Cannot cancel a synchronous response."));
            }
            Some(Cancelling::Completed) => {
                return refuse(&Refusal::new("Cannot cancel a completed response."));
            }
            None => None,
        },
        (_, [] | ["input_items" | "cancel"]) => return Answer::refusal(405, "Method Not Allowed"),
        _ => return Answer::refusal(404, "Not Found"),
    };
    match found {
        Some(found) => Answer::json(200, found.to_string()),
        None => not_found(id),
    }
}

fn not_found(id: &str) -> Answer {
    let message = format!("Response with id '{id}' not found.");
    let body = json!({"error": {
        "message": message,
        "type": "invalid_request_error",
        "param": "id",
        "code": null,
    }});
    Answer::json(404, body.to_string()).because(message)
}

/// A page of items: the latest first unless `order` is `asc`, behind the item that `after` names.
fn listed(mut sent: Vec<Value>, query: &str) -> Value {
    if query::value(query, "order").as_deref() != Some("asc") {
        sent.reverse();
    }
    if let Some(after) = query::value(query, "after") {
        let from = sent.iter().position(|item| text(item, "id") == after);
        sent.drain(..from.map_or(0, |at| at + 1));
    }
    let limit = query::value(query, "limit").and_then(|limit| limit.parse().ok());
    let limit: usize = limit.unwrap_or(LISTED).clamp(1, 100);
    let more = sent.len() > limit;
    sent.truncate(limit);
    let page = json!({"data": sent});
    let id_of = |item: Option<&Value>| item.map(|item| text(item, "id").to_owned());
    let data = items(&page, "data");
    json!({
        "object": "list",
        "data": data,
        "first_id": id_of(data.first()),
        "last_id": id_of(data.last()),
        "has_more": more,
    })
}
