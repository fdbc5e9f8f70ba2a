//! What each path does.

use std::borrow::Cow;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use coretap_aicore::AnswerCall;
use coretap_formats::{
    AgentFormat, count_tokens, gemini_embedding_answer, gemini_embedding_request, model_name,
};
use futures_util::FutureExt;
use http::header::{CONTENT_TYPE, HeaderValue, UPGRADE};
use http::{Method, request};

use crate::admission;
use crate::attempt::Begun;
use crate::configuration::Configuration;
use crate::endpoint::{Endpoint, Place, find, with_single_slashes};
use crate::exchange::{Ongoing, set_request_id};
use crate::forward::{Forwarded, forward};
use crate::gemini_path::{GeminiAction, percent_decoded, query_value};
use crate::kept_answers;
use crate::models;
use crate::problem::Problem;
use crate::request_body;
use crate::response_head::{JSON, forwarded_response, set_orchestration, tell_who_was_asked};
use crate::server::Shared;
use crate::wish::{GeminiPath, Wish};

/// Answers one request, whatever happens.
pub(crate) async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let place = find(&head.method, &head.uri, &head.headers);
    let is_unknown = place.endpoint == Endpoint::Unknown;
    let single = is_unknown.then(|| with_single_slashes(&head.uri)).flatten();
    let place = single
        .as_ref()
        .map_or(place, |uri| find(&head.method, uri, &head.headers));
    let ongoing = Ongoing::new(
        Arc::clone(&shared),
        head.method.clone(),
        place.name(),
        place.format,
    );
    let id = ongoing.exchange.id.clone();
    caught(answer(&shared, &place, &head, body, ongoing), place.format, &id).await
}

/// A panic ends one request and nothing else. This is no `async fn`, because those hold what they are given twice, and
/// a request's future is copied as a whole.
fn caught(
    answer: impl Future<Output = Response>,
    format: AgentFormat,
    id: &str,
) -> impl Future<Output = Response> {
    AssertUnwindSafe(answer).catch_unwind().map(move |answered| {
        answered.unwrap_or_else(|_| {
            let problem = Problem::internal();
            tracing::error!(code = problem.code, id, "a request failed by a panic");
            problem.response(format, id)
        })
    })
}

async fn answer(
    shared: &Arc<Shared>,
    place: &Place<'_>,
    head: &request::Parts,
    body: Body,
    mut ongoing: Ongoing,
) -> Response {
    let configuration = shared.configuration();
    let answered = match admit(&configuration, place, head) {
        Ok(()) => {
            let responding = std::pin::pin!(respond(shared, &configuration, place, head, body, &mut ongoing));
            unless_cut_off(shared, responding).await
        }
        Err(problem) => {
            request_body::discard(body).await;
            Err(problem)
        }
    };
    match answered {
        Ok(Answered::Whole(mut response)) => {
            set_request_id(response.headers_mut(), place.format, &ongoing.exchange.id);
            ongoing.begun(response.status().as_u16());
            ongoing.answered(ongoing.exchange.usage);
            response
        }
        Ok(Answered::Model(forwarded)) => forwarded_response(&configuration, forwarded, ongoing),
        Err(problem) => {
            ongoing.failed(&problem);
            let mut response = problem.response(place.format, &ongoing.exchange.id);
            let deployment = ongoing.exchange.deployment.as_deref();
            let deployment = deployment.and_then(|deployment| HeaderValue::from_str(deployment).ok());
            tell_who_was_asked(response.headers_mut(), deployment, &ongoing.exchange);
            set_orchestration(response.headers_mut(), &ongoing);
            response
        }
    }
}

/// Waits for an answer to begin, but not longer than the proxy lets answers run when it stops.
async fn unless_cut_off(
    shared: &Shared,
    mut responding: Pin<&mut impl Future<Output = Result<Answered, Problem>>>,
) -> Result<Answered, Problem> {
    std::future::poll_fn(|cx| match responding.as_mut().poll(cx) {
        Poll::Pending if shared.is_cut_off() => Poll::Ready(Err(Problem::stopped())),
        polled => polled,
    })
    .await
}

fn admit(configuration: &Configuration, place: &Place<'_>, head: &request::Parts) -> Result<(), Problem> {
    admission::check_origin(configuration, &head.uri, &head.headers)?;
    if place.endpoint.is_open(&head.method) {
        return Ok(());
    }
    admission::check_key(configuration, &head.uri, &head.headers)?;
    if place.endpoint == Endpoint::Unknown {
        return Err(Problem::path_unknown(head.uri.path()));
    }
    if place.endpoint == Endpoint::UnknownAction {
        return Err(Problem::action_unknown(head.uri.path()));
    }
    // Told so, Codex goes on to plain HTTP at once (agents.md §3).
    let websocket = head.headers.get(UPGRADE);
    if websocket.is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        return Err(Problem::websocket_refused());
    }
    let allowed = place.endpoint.methods();
    if !allowed.has(&head.method) {
        return Err(Problem::method_refused(
            head.method.as_str(),
            head.uri.path(),
            allowed,
        ));
    }
    Ok(())
}

/// What a path gives when all went well.
enum Answered {
    Whole(Response),
    Model(Forwarded),
}

async fn respond(
    shared: &Arc<Shared>,
    configuration: &Configuration,
    place: &Place<'_>,
    head: &request::Parts,
    body: Body,
    ongoing: &mut Ongoing,
) -> Result<Answered, Problem> {
    let json = match place.endpoint {
        Endpoint::Answer | Endpoint::Compact | Endpoint::Embeddings => {
            ongoing.counts();
            let body = request_body::read(&head.headers, body, &configuration.limits).await?;
            #[cfg(feature = "panic-injection")]
            coretap_aicore::panic_injection::at("handler", &body);
            let wish = match place.endpoint {
                Endpoint::Embeddings => Wish::Embeddings,
                Endpoint::Compact => Wish::Compaction,
                _ => Wish::message(place.format, &head.headers),
            };
            return forward(configuration, shared, &wish, &body, ongoing)
                .await
                .map(Answered::Model);
        }
        Endpoint::KeptAnswer(id) | Endpoint::CancelAnswer(id) | Endpoint::AnswerInput(id) => {
            request_body::discard(body).await;
            let (call, query) = match place.endpoint {
                Endpoint::CancelAnswer(_) => (AnswerCall::Cancel, None),
                Endpoint::AnswerInput(_) => (AnswerCall::InputItems, head.uri.query()),
                _ if head.method == Method::DELETE => (AnswerCall::Delete, None),
                _ => (AnswerCall::Get, None),
            };
            let asked = kept_answers::ask(configuration, &shared.kept_answers, call, id, query);
            return asked.await.map(Answered::Whole);
        }
        Endpoint::CountTokens => {
            let body = request_body::read(&head.headers, body, &configuration.limits).await?;
            if let Ok(asked) = model_name(&body) {
                models::check_offered(configuration, &asked).await?;
            }
            format!(r#"{{"input_tokens":{}}}"#, count_tokens(place.format, &body)?).into_bytes()
        }
        Endpoint::Gemini(model, GeminiAction::CountTokens) => {
            let body = request_body::read(&head.headers, body, &configuration.limits).await?;
            models::check_offered(configuration, &percent_decoded(model)).await?;
            format!(r#"{{"totalTokens":{}}}"#, count_tokens(place.format, &body)?).into_bytes()
        }
        Endpoint::Gemini(model, action) => {
            ongoing.counts();
            let body = request_body::read(&head.headers, body, &configuration.limits).await?;
            let model = percent_decoded(model);
            return gemini(shared, configuration, (model, action), head, &body, ongoing)
                .await
                .map(Answered::Model);
        }
        Endpoint::Models => models::list(configuration, place.format).await?,
        Endpoint::Model(id) => models::entry(configuration, place.format, &percent_decoded(id)).await?,
        Endpoint::Health => health(shared, configuration, head),
        Endpoint::Alive | Endpoint::Unknown | Endpoint::UnknownAction => {
            return Ok(Answered::Whole(Response::new(Body::empty())));
        }
    };
    let mut response = Response::new(Body::from(json));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    Ok(Answered::Whole(response))
}

/// The answer of a model, or vectors, for one of Google's clients.
async fn gemini(
    shared: &Shared,
    configuration: &Configuration,
    (model, action): (Cow<'_, str>, GeminiAction),
    head: &request::Parts,
    body: &Bytes,
    ongoing: &mut Ongoing,
) -> Result<Forwarded, Problem> {
    if let GeminiAction::Embed { batch } = action {
        let body = Bytes::from(gemini_embedding_request(body, &model, batch)?);
        let mut forwarded = forward(configuration, shared, &Wish::Embeddings, &body, ongoing).await?;
        if let Begun::Whole { answer, .. } = &mut forwarded.begun {
            answer.body = gemini_embedding_answer(&answer.body, batch).map_err(|failure| {
                Problem::refused(failure.status, failure.message, None, failure.retry_after)
            })?;
        }
        return Ok(forwarded);
    }
    let streams = action == GeminiAction::Generate { streams: true };
    let path = GeminiPath {
        model,
        streams,
        as_array: streams && query_value(&head.uri, "alt").is_none_or(|alt| alt != "sse"),
    };
    let wish = Wish::gemini(path, &head.headers);
    forward(configuration, shared, &wish, body, ongoing).await
}

/// That somebody is there, which anybody may know; the holder of the local key learns more. A wrong key is no more than
/// none, because whoever only looks whether somebody is there must not be turned away.
fn health(shared: &Shared, configuration: &Configuration, head: &request::Parts) -> Vec<u8> {
    let report = admission::check_key(configuration, &head.uri, &head.headers)
        .ok()
        .and_then(|()| serde_json::to_vec(&shared.health.report(configuration)).ok());
    report.unwrap_or_else(|| HEALTH.as_bytes().to_vec())
}

const HEALTH: &str = concat!(
    r#"{"status":"ok","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}"#
);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let response = caught(async { panic!("on purpose") }, AgentFormat::Messages, "id").await;
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["x-coretap-code"], "PROXY-INTERNAL");
        assert_eq!(response.headers()["request-id"], "id");
    }
}
