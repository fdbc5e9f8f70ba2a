//! What stands in the head of an answer beside its status.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::attempt::Begun;
use crate::configuration::Configuration;
use crate::exchange::{Exchange, Ongoing, set_request_id};
use crate::forward::Forwarded;
use crate::stream::AgentStream;

const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The head for a model's answer, and its body: whole, or as a stream that takes the exchange with it.
pub(crate) fn forwarded_response(
    configuration: &Configuration,
    forwarded: Forwarded,
    mut ongoing: Ongoing,
) -> Response {
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

/// Which deployment was asked; where there are several connections, at which of them; and where the first did not answer,
/// what came of each.
pub(crate) fn tell_who_was_asked(
    headers: &mut HeaderMap,
    deployment: Option<HeaderValue>,
    exchange: &Exchange,
) {
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

/// Names the modules of orchestration that touched the request.
pub(crate) fn set_orchestration(headers: &mut HeaderMap, ongoing: &Ongoing) {
    let modules = &ongoing.exchange.orchestration;
    if !modules.is_empty()
        && let Ok(list) = HeaderValue::try_from(modules.join(","))
    {
        headers.insert(const { HeaderName::from_static("x-coretap-orchestration") }, list);
    }
}

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
