//! What each path does.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use coretap_aicore::AnswerCall;
use coretap_formats::{AgentFormat, count_tokens, gemini_embedding_answer, gemini_embedding_request};
use futures_util::FutureExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use http::{Method, Uri, request};

use crate::admission;
use crate::attempt::Begun;
use crate::configuration::Configuration;
use crate::exchange::{Exchange, Ongoing, set_request_id};
use crate::forward::{Forwarded, GeminiPath, Wish, forward};
use crate::gemini_path::{GeminiAction, model_and_action, percent_decoded, query_value};
use crate::kept_answers;
use crate::models;
use crate::problem::Problem;
use crate::request_body;
use crate::server::Shared;
use crate::stream::AgentStream;

/// What a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint<'a> {
    /// `/v1/messages`, `/v1/chat/completions` or `/v1/responses`: the answer of a model.
    Answer,
    /// `/v1/embeddings`
    Embeddings,
    /// `/v1/messages/count_tokens`
    CountTokens,
    /// `/v1/models`
    Models,
    /// `/v1/responses/compact`
    Compact,
    /// `/v1/responses/{id}`: an answer that a deployment keeps.
    KeptAnswer(&'a str),
    /// `/v1/responses/{id}/cancel`
    CancelAnswer(&'a str),
    /// `/v1/responses/{id}/input_items`
    AnswerInput(&'a str),
    /// `/v1/models/{id}`, as it stands in the path.
    Model(&'a str),
    /// `/v1beta/models/{model}:generateContent` and the like, the model as it stands in the path.
    Gemini(&'a str, GeminiAction),
    /// `/health`
    Health,
    /// `/` and `/api/hello`, where agents look whether somebody is there.
    Alive,
    /// Anything else.
    Unknown,
}

/// A path, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    endpoint: Endpoint<'a>,
    format: AgentFormat,
    /// The path without its prefix and trailing slash.
    path: &'a str,
}

fn find<'a>(uri: &'a Uri, headers: &HeaderMap) -> Place<'a> {
    use AgentFormat::{ChatCompletions, Gemini, Messages, Responses};
    let path = uri.path();
    let whole = path.strip_suffix('/').unwrap_or(path);
    let prefixes = [
        ("/anthropic", Messages),
        ("/openai", ChatCompletions),
        ("/gemini", Gemini),
    ];
    let inside = prefixes
        .iter()
        .find_map(|(prefix, format)| Some((below(whole, prefix)?, Some(*format))));
    let (path, wanted) = inside.unwrap_or((whole, None));
    // Paths that several formats have: Anthropic's clients say their version, Google's have a place of their own for the
    // key.
    let told = || {
        let anthropic = headers.contains_key(const { HeaderName::from_static("anthropic-version") });
        let google = || headers.contains_key(admission::X_GOOG_API_KEY) || query_value(uri, "key").is_some();
        wanted.unwrap_or(if anthropic {
            Messages
        } else if google() {
            Gemini
        } else {
            ChatCompletions
        })
    };
    let (endpoint, format) = match path {
        "/v1/messages" => (Endpoint::Answer, Messages),
        "/v1/chat/completions" => (Endpoint::Answer, ChatCompletions),
        "/v1/embeddings" => (Endpoint::Embeddings, ChatCompletions),
        "/v1/messages/count_tokens" => (Endpoint::CountTokens, Messages),
        "/v1/models" => (Endpoint::Models, told()),
        "/v1beta/models" => (Endpoint::Models, Gemini),
        "/v1/responses" => (Endpoint::Answer, Responses),
        "/v1/responses/compact" => (Endpoint::Compact, Responses),
        "/health" if wanted.is_none() => (Endpoint::Health, ChatCompletions),
        "" | "/api/hello" => (Endpoint::Alive, told()),
        _ => match (
            path.strip_prefix("/v1/models/"),
            path.strip_prefix("/v1beta/models/"),
            path.strip_prefix("/v1/responses/"),
        ) {
            (Some(rest), ..) | (_, Some(rest), _) if let Some((model, action)) = model_and_action(rest) => {
                (Endpoint::Gemini(model, action), Gemini)
            }
            (Some(id), ..) => (Endpoint::Model(id), told()),
            (_, Some(id), _) => (Endpoint::Model(id), Gemini),
            (.., Some(answer)) => (about_answer(answer), Responses),
            _ => (Endpoint::Unknown, told()),
        },
    };
    Place {
        endpoint,
        format,
        path,
    }
}

/// What is wanted of a kept answer, by what stands behind `/v1/responses/`.
fn about_answer(rest: &str) -> Endpoint<'_> {
    match rest.split_once('/') {
        None => Endpoint::KeptAnswer(rest),
        Some((id, "cancel")) => Endpoint::CancelAnswer(id),
        Some((id, "input_items")) => Endpoint::AnswerInput(id),
        Some(_) => Endpoint::Unknown,
    }
}

/// What stands in `path` behind `prefix`, which must be whole segments.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Endpoint<'_> {
    fn methods(self) -> &'static str {
        match self {
            Endpoint::Answer
            | Endpoint::Compact
            | Endpoint::CancelAnswer(_)
            | Endpoint::Embeddings
            | Endpoint::CountTokens
            | Endpoint::Gemini(..) => "POST",
            Endpoint::Models | Endpoint::Model(_) | Endpoint::AnswerInput(_) | Endpoint::Health => "GET",
            Endpoint::KeptAnswer(_) => "GET or DELETE",
            Endpoint::Alive | Endpoint::Unknown => "HEAD",
        }
    }

    fn takes(self, method: &Method) -> bool {
        match self.methods() {
            "POST" => method == Method::POST,
            "GET" => method == Method::GET || method == Method::HEAD,
            "GET or DELETE" => method == Method::GET || method == Method::DELETE,
            _ => method == Method::HEAD,
        }
    }

    /// Where nobody has to show the local key: nothing of the tenant is told there.
    fn is_open(self, method: &Method) -> bool {
        matches!(self, Endpoint::Health | Endpoint::Alive) && self.takes(method)
    }

    /// For the log: paths that we know are no news, others are somebody's mistake worth reading.
    fn name(self, path: &str) -> Cow<'static, str> {
        match self {
            Endpoint::Embeddings => Cow::Borrowed("/v1/embeddings"),
            Endpoint::Gemini(_, action) => Cow::Borrowed(action.path()),
            Endpoint::CountTokens => Cow::Borrowed("/v1/messages/count_tokens"),
            Endpoint::Compact => Cow::Borrowed("/v1/responses/compact"),
            Endpoint::KeptAnswer(_) => Cow::Borrowed("/v1/responses/{id}"),
            Endpoint::CancelAnswer(_) => Cow::Borrowed("/v1/responses/{id}/cancel"),
            Endpoint::AnswerInput(_) => Cow::Borrowed("/v1/responses/{id}/input_items"),
            Endpoint::Models if path == "/v1beta/models" => Cow::Borrowed("/v1beta/models"),
            Endpoint::Models => Cow::Borrowed("/v1/models"),
            Endpoint::Health => Cow::Borrowed("/health"),
            Endpoint::Answer if path == "/v1/messages" => Cow::Borrowed("/v1/messages"),
            Endpoint::Answer if path == "/v1/responses" => Cow::Borrowed("/v1/responses"),
            Endpoint::Answer => Cow::Borrowed("/v1/chat/completions"),
            _ => Cow::Owned(
                path.chars()
                    .take(100)
                    .map(|one| if one.is_ascii_graphic() { one } else { '?' })
                    .collect(),
            ),
        }
    }
}

/// Answers one request, whatever happens.
pub(crate) async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let place = find(&head.uri, &head.headers);
    let ongoing = Ongoing::new(
        Arc::clone(&shared),
        head.method.clone(),
        place.endpoint.name(place.path),
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
            let responding = respond(shared, &configuration, place, head, body, &mut ongoing);
            unless_cut_off(shared, std::pin::pin!(responding)).await
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

/// Which deployment was asked; where there are several connections, at which of them; and where the first did not answer,
/// what came of each.
fn tell_who_was_asked(headers: &mut HeaderMap, deployment: Option<HeaderValue>, exchange: &Exchange) {
    if let Some(deployment) = deployment {
        headers.insert(
            const { HeaderName::from_static("x-coretap-deployment") },
            deployment,
        );
    }
    if let Some(connection) = &exchange.connection
        && let Some(name) = fitting_header(connection)
    {
        headers.insert(const { HeaderName::from_static("x-coretap-connection") }, name);
    }
    if !exchange.attempts.is_empty()
        && let Some(attempts) = fitting_header(&exchange.attempts.join(","))
    {
        headers.insert(const { HeaderName::from_static("x-coretap-attempts") }, attempts);
    }
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
    // Told so, Codex goes on to plain HTTP at once (agents.md §3).
    let websocket = head.headers.get(UPGRADE);
    if websocket.is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        return Err(Problem::websocket_refused());
    }
    if !place.endpoint.takes(&head.method) {
        let allowed = place.endpoint.methods();
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
            format!(r#"{{"input_tokens":{}}}"#, count_tokens(place.format, &body)?).into_bytes()
        }
        Endpoint::Gemini(_, GeminiAction::CountTokens) => {
            let body = request_body::read(&head.headers, body, &configuration.limits).await?;
            format!(r#"{{"totalTokens":{}}}"#, count_tokens(place.format, &body)?).into_bytes()
        }
        Endpoint::Gemini(model, action) => {
            ongoing.counts();
            let body = request_body::read(&head.headers, body, &configuration.limits).await?;
            let model = percent_decoded(model);
            return gemini(shared, configuration, (model, action), &head.uri, &body, ongoing)
                .await
                .map(Answered::Model);
        }
        Endpoint::Models => models::list(configuration, place.format).await?,
        Endpoint::Model(id) => models::entry(configuration, place.format, &percent_decoded(id)).await?,
        Endpoint::Health => health(shared, configuration, head),
        Endpoint::Alive | Endpoint::Unknown => {
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
    uri: &Uri,
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
    let wish = Wish::gemini(GeminiPath {
        model,
        streams,
        as_array: streams && query_value(uri, "alt").is_none_or(|alt| alt != "sse"),
    });
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
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The head for a model's answer, and its body: whole, or as a stream that takes the exchange with it.
fn forwarded_response(configuration: &Configuration, forwarded: Forwarded, mut ongoing: Ongoing) -> Response {
    let Forwarded {
        begun,
        model,
        as_array,
    } = forwarded;
    let mut headers = HeaderMap::with_capacity(8);
    set_request_id(&mut headers, ongoing.exchange.format, &ongoing.exchange.id);
    if let Some(name) = &model.header {
        headers.insert(const { HeaderName::from_static("x-coretap-model") }, name.clone());
    }
    tell_who_was_asked(&mut headers, model.deployment_header.clone(), &ongoing.exchange);
    if let Some(dropped) = dropped_header(&ongoing.exchange.dropped) {
        headers.insert(const { HeaderName::from_static("x-coretap-dropped") }, dropped);
    }
    set_orchestration(&mut headers, &ongoing);
    let streams = ongoing.exchange.stream;
    headers.insert(
        CONTENT_TYPE,
        if streams && !as_array {
            HeaderValue::from_static(EVENT_STREAM)
        } else {
            JSON
        },
    );
    if streams {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    ongoing.begun(200);
    let (body, upstream_id) = match begun {
        Begun::Whole { answer, upstream_id } => {
            ongoing.answered(answer.outcome.usage);
            (Body::from(answer.body), upstream_id)
        }
        Begun::Stream { opening, upstream_id } => {
            let stream = AgentStream::new(*opening, configuration.limits.keep_alive, ongoing);
            (Body::new(stream), upstream_id)
        }
    };
    if let Some(id) = upstream_id {
        headers.insert(const { HeaderName::from_static("x-upstream-request-id") }, id);
    }
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}

/// Names the modules of orchestration that touched the request.
fn set_orchestration(headers: &mut HeaderMap, ongoing: &Ongoing) {
    let modules = &ongoing.exchange.orchestration;
    if !modules.is_empty()
        && let Ok(list) = HeaderValue::try_from(modules.join(","))
    {
        headers.insert(const { HeaderName::from_static("x-coretap-orchestration") }, list);
    }
}

const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";

/// The names of what was left out.
fn dropped_header(dropped: &[Cow<'static, str>]) -> Option<HeaderValue> {
    if dropped.is_empty() {
        return None;
    }
    fitting_header(&dropped.join(","))
}

/// A text that somebody else chose (an agent its tool's name, a person that of a connection) as a header: whatever can't
/// stand in one is replaced, and it has an end.
fn fitting_header(text: &str) -> Option<HeaderValue> {
    const LONGEST: usize = 2000;
    let fit = |character: char| {
        if character.is_ascii_graphic() || character == ' ' {
            character
        } else {
            '?'
        }
    };
    HeaderValue::try_from(text.chars().take(LONGEST).map(fit).collect::<String>()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn each_path_is_found_below_each_prefix() {
        use AgentFormat::{ChatCompletions, Messages};
        let none = HeaderMap::new();
        for prefix in ["", "/anthropic", "/openai", "/gemini"] {
            for slash in ["", "/"] {
                for (path, endpoint, format) in [
                    ("/v1/messages", Endpoint::Answer, Messages),
                    ("/v1/messages/count_tokens", Endpoint::CountTokens, Messages),
                    ("/v1/chat/completions", Endpoint::Answer, ChatCompletions),
                    ("/v1/embeddings", Endpoint::Embeddings, ChatCompletions),
                ] {
                    let whole = format!("{prefix}{path}{slash}");
                    assert_eq!(
                        find(&uri(&whole), &none),
                        Place {
                            endpoint,
                            format,
                            path
                        },
                        "{whole}"
                    );
                }
            }
        }
        for unknown in [
            "/v1/message",
            "/v1/messages/x",
            "/anthropicv1/messages",
            "/openai/health",
            "/v2/models",
            "//",
        ] {
            assert_eq!(
                find(&uri(unknown), &none).endpoint,
                Endpoint::Unknown,
                "{unknown}"
            );
        }
        assert_eq!(find(&uri("/health"), &none).endpoint, Endpoint::Health);
        for alive in ["/", "/api/hello", "/anthropic/", "/anthropic/api/hello"] {
            assert_eq!(find(&uri(alive), &none).endpoint, Endpoint::Alive, "{alive}");
        }
    }

    #[test]
    fn the_list_of_models_has_the_shape_of_who_asks() {
        use AgentFormat::{ChatCompletions, Messages};
        let none = HeaderMap::new();
        let mut anthropic = HeaderMap::new();
        anthropic.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        assert_eq!(find(&uri("/v1/models"), &none).format, ChatCompletions);
        assert_eq!(find(&uri("/v1/models"), &anthropic).format, Messages);
        assert_eq!(find(&uri("/anthropic/v1/models"), &none).format, Messages);
        assert_eq!(
            find(&uri("/openai/v1/models"), &anthropic).format,
            ChatCompletions
        );
        let one = uri("/v1/models/anthropic--claude-4.5-sonnet");
        let one = find(&one, &anthropic);
        assert_eq!(
            (one.endpoint, one.format),
            (Endpoint::Model("anthropic--claude-4.5-sonnet"), Messages)
        );
    }

    #[test]
    fn googles_paths_are_found_below_both_versions() {
        use AgentFormat::{ChatCompletions, Gemini, Messages};
        let none = HeaderMap::new();
        let mut google = HeaderMap::new();
        google.insert(admission::X_GOOG_API_KEY, HeaderValue::from_static("k"));
        for prefix in ["", "/gemini"] {
            for version in ["/v1", "/v1beta"] {
                let action = uri(&format!(
                    "{prefix}{version}/models/sap%2Fm:streamGenerateContent?alt=sse&key=secret"
                ));
                let place = find(&action, &none);
                let generate = GeminiAction::Generate { streams: true };
                assert_eq!(
                    (place.endpoint, place.format),
                    (Endpoint::Gemini("sap%2Fm", generate), Gemini)
                );
                let name = place.endpoint.name(place.path);
                assert_eq!(
                    name, "/v1beta/models:streamGenerateContent",
                    "no key and no model"
                );
                let list = uri(&format!("{prefix}{version}/models"));
                let entry = uri(&format!("{prefix}{version}/models/m"));
                assert_eq!(find(&list, &google).format, Gemini);
                assert_eq!(
                    (find(&entry, &google).endpoint, find(&entry, &google).format),
                    (Endpoint::Model("m"), Gemini)
                );
            }
        }
        let formats = |path: &str| find(&uri(path), &none).format;
        assert_eq!(formats("/v1beta/models"), Gemini);
        assert_eq!(formats("/v1/models?key=k"), Gemini);
        assert_eq!(formats("/v1/models"), ChatCompletions);
        google.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        assert_eq!(find(&uri("/v1/models"), &google).format, Messages);
        assert_eq!(
            find(&uri("/v1beta/models/m:predict"), &none).endpoint,
            Endpoint::Model("m:predict")
        );
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let response = caught(async { panic!("on purpose") }, AgentFormat::Messages, "id").await;
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["x-coretap-code"], "PROXY-INTERNAL");
        assert_eq!(response.headers()["request-id"], "id");
    }

    #[test]
    fn what_was_left_out_fits_into_a_header() {
        assert_eq!(dropped_header(&[]), None);
        let dropped = [
            Cow::Borrowed("temperature"),
            Cow::Owned("tool wörk\r\nx-evil: 1".to_owned()),
        ];
        assert_eq!(
            dropped_header(&dropped).unwrap(),
            "temperature,tool w?rk??x-evil: 1"
        );
        let many = vec![Cow::Borrowed("top_k"); 10_000];
        assert!(dropped_header(&many).unwrap().len() <= 2000);
    }
}
