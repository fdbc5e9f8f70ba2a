//! The one place that turns errors into responses.

use axum::body::Body;
use axum::response::Response;
use coretap_formats::{AgentError, AgentFormat, error_body};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{StatusCode, header};

use crate::endpoint::Methods;
use crate::exchange::set_request_id;

mod known;

pub use known::CODES;
pub(crate) use known::{code, seconds_to_next_minute};

/// A request that was not answered: what the agent is told, in no agent's format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status. 529 (overloaded) is Messages' own; other formats get 503 instead.
    pub status: u16,
    /// The stable code, explained in docs/problems.md.
    pub code: &'static str,
    /// A sentence for people. An upstream's own text stands here word for word: agents repair themselves by it.
    pub sentence: String,
    /// What to do about it; may be empty.
    pub hint: String,
    /// The upstream's own code, which some agents look for (`context_length_exceeded`).
    pub upstream_code: Option<Box<str>>,
    /// The member of the request that is wrong.
    pub parameter: Option<Box<str>>,
    /// Seconds to wait before the next try.
    pub retry_after: Option<u64>,
    /// The methods that the path takes, where the request's was none of them.
    pub(crate) allowed: Option<Methods>,
    /// `Some(false)` tells the agent that trying again is of no use.
    pub should_retry: Option<bool>,
}

/// What a problem says does not work, as against one request that was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concern {
    /// Token, lists or socket: no request can be answered, and a probe sees when it is over.
    Connection,
    /// A model's answer: only another request shows when it is over.
    Models,
}

const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const X_CORETAP_CODE: HeaderName = HeaderName::from_static("x-coretap-code");

impl Problem {
    /// What does not work when a request ends in this problem; `None` if it is that one request's own.
    pub(crate) fn concern(&self) -> Option<Concern> {
        match self.code {
            code::REFUSED | code::FILTERED | code::NOT_FOUND | code::RATE_LIMIT => None,
            // The gateway may refuse models to a key that may list them, and a connection may break only there.
            "AUTH-PERMISSION" | "UPSTREAM-BROKEN" => Some(Concern::Models),
            "UPSTREAM-DNS"
            | "UPSTREAM-CONNECT"
            | "UPSTREAM-TLS"
            | "UPSTREAM-TIMEOUT"
            | "UPSTREAM-NOT-AI-CORE"
            | "UPSTREAM-LIST"
            | "UPSTREAM-UNREADABLE"
            | "UPSTREAM-INTERRUPTED" => Some(Concern::Connection),
            code if code.starts_with("AUTH-") || code.starts_with("CONFIG-") => Some(Concern::Connection),
            code if code.starts_with("UPSTREAM-") => Some(Concern::Models),
            _ => None,
        }
    }

    /// The sentence for those who have not made the request: an upstream's own words may repeat what was in it.
    pub(crate) fn sentence_without_upstream(&self) -> &str {
        match self.code {
            code::FORBIDDEN => "SAP AI Core refused a request.",
            code::OVERLOADED => "A model's service is overloaded.",
            code::FAILED => "A model's service failed.",
            code::CUT => "The connection to SAP AI Core broke in the middle of an answer.",
            _ => &self.sentence,
        }
    }

    /// The status that an agent of this format is told.
    pub(crate) fn status_for(&self, format: AgentFormat) -> u16 {
        if self.status == 529 && format != AgentFormat::Messages {
            503
        } else {
            self.status
        }
    }

    /// The response in the agent's format.
    pub(crate) fn response(&self, format: AgentFormat, id: &str) -> Response {
        let status = self.status_for(format);
        let message = if self.hint.is_empty() {
            self.sentence.clone()
        } else if self.sentence.ends_with(['.', '!', '?']) {
            format!("{} {}", self.sentence, self.hint)
        } else {
            // The words of an upstream at its end need not be a sentence.
            format!("{}. {}", self.sentence, self.hint)
        };
        let body = error_body(
            format,
            &AgentError {
                status,
                code: self.upstream_code.as_deref().unwrap_or(self.code),
                message: &message,
                parameter: self.parameter.as_deref(),
                request_id: id,
            },
        );
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(X_CORETAP_CODE, HeaderValue::from_static(self.code));
        set_request_id(headers, format, id);
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(should_retry) = self.should_retry {
            let value = if should_retry { "true" } else { "false" };
            headers.insert(X_SHOULD_RETRY, HeaderValue::from_static(value));
        }
        if let Some(allowed) = self.allowed {
            headers.insert(header::ALLOW, HeaderValue::from_static(allowed.list()));
        }
        if self.code == code::TIMEOUT {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self.code == code::WEBSOCKET {
            headers.insert(header::UPGRADE, HeaderValue::from_static("HTTP/1.1"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        response
    }
}

/// What somebody else chose, short enough for a sentence or a line.
pub(crate) fn short(text: &str) -> &str {
    const MOST: usize = 200;
    let end = text.char_indices().nth(MOST).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or_default()
}
