//! The one place that turns errors into responses.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::response::Response;
use coretap_formats::{AgentError, AgentFormat, ReadError, error_body};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{StatusCode, header};

use crate::exchange::set_request_id;

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

/// Every code that the proxy itself gives. Those of `coretap_aicore::CODES` pass through it as they are.
pub const CODES: &[&str] = &[
    code::HOST,
    code::ORIGIN,
    code::KEY,
    code::TOO_LARGE,
    code::ENCODING,
    code::BODY,
    code::TIMEOUT,
    code::PATH,
    code::METHOD,
    code::WEBSOCKET,
    code::CLIENT_LEFT,
    code::REFUSED,
    code::FORBIDDEN,
    code::NOT_FOUND,
    code::RATE_LIMIT,
    code::OVERLOADED,
    code::FAILED,
    code::SILENT,
    code::CUT,
    code::STOPPED,
    code::INTERNAL,
    code::PORT_TAKEN,
    code::BIND,
];

/// The codes by name.
pub(crate) mod code {
    pub(crate) const HOST: &str = "ACCESS-HOST";
    pub(crate) const ORIGIN: &str = "ACCESS-ORIGIN";
    pub(crate) const KEY: &str = "ACCESS-KEY";
    pub(crate) const TOO_LARGE: &str = "REQUEST-TOO-LARGE";
    pub(crate) const ENCODING: &str = "REQUEST-ENCODING";
    pub(crate) const BODY: &str = "REQUEST-BODY";
    pub(crate) const TIMEOUT: &str = "REQUEST-TIMEOUT";
    pub(crate) const PATH: &str = "REQUEST-PATH";
    pub(crate) const METHOD: &str = "REQUEST-METHOD";
    pub(crate) const WEBSOCKET: &str = "REQUEST-WEBSOCKET";
    pub(crate) const CLIENT_LEFT: &str = "REQUEST-CLIENT-LEFT";
    pub(crate) const REFUSED: &str = "UPSTREAM-REFUSED";
    pub(crate) const FORBIDDEN: &str = "UPSTREAM-FORBIDDEN";
    pub(crate) const NOT_FOUND: &str = "UPSTREAM-NOT-FOUND";
    pub(crate) const RATE_LIMIT: &str = "UPSTREAM-RATE-LIMIT";
    pub(crate) const OVERLOADED: &str = "UPSTREAM-OVERLOADED";
    pub(crate) const FAILED: &str = "UPSTREAM-FAILED";
    pub(crate) const SILENT: &str = "UPSTREAM-SILENT";
    pub(crate) const CUT: &str = "UPSTREAM-CUT";
    pub(crate) const STOPPED: &str = "PROXY-STOPPED";
    pub(crate) const INTERNAL: &str = "PROXY-INTERNAL";
    pub(crate) const PORT_TAKEN: &str = "START-PORT-TAKEN";
    pub(crate) const BIND: &str = "START-BIND";
}

const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const X_CORETAP_CODE: HeaderName = HeaderName::from_static("x-coretap-code");

/// Seconds that an overloaded upstream is given when it does not say how long.
const OVERLOAD_PAUSE: u64 = 5;

impl Problem {
    pub(crate) fn new(
        status: u16,
        code: &'static str,
        sentence: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Problem {
            status,
            code,
            sentence: sentence.into(),
            hint: hint.into(),
            upstream_code: None,
            parameter: None,
            retry_after: None,
            should_retry: None,
        }
    }

    fn for_good(mut self) -> Self {
        self.should_retry = Some(false);
        self
    }

    fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(crate) fn host_refused(host: Option<&str>) -> Self {
        let sentence = match host {
            Some(host) => format!("The host '{}' is not one of this address.", short(host)),
            None => "The request has no single Host header.".to_owned(),
        };
        Problem::new(
            403,
            code::HOST,
            sentence,
            "Call Coretap as http://127.0.0.1 or http://localhost.",
        )
        .for_good()
    }

    pub(crate) fn origin_refused() -> Self {
        Problem::new(
            403,
            code::ORIGIN,
            "The request comes from a web page of another origin.",
            "Coretap serves programs on this machine; pages in a browser can't use it.",
        )
        .for_good()
    }

    pub(crate) fn key_refused(given: bool) -> Self {
        let sentence = if given {
            "The local key is wrong."
        } else {
            "The request has no local key."
        };
        Problem::new(
            401,
            code::KEY,
            sentence,
            "Give Coretap's local key as 'Authorization: Bearer …' or 'x-api-key'; 'coretap env' shows how.",
        )
        .for_good()
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Problem::new(
            413,
            code::TOO_LARGE,
            format!("The request is larger than {} MiB.", limit / (1024 * 1024)),
            "Send less: fewer or smaller files, or a compacted conversation.",
        )
    }

    pub(crate) fn encoding_refused(encoding: &str) -> Self {
        Problem::new(
            415,
            code::ENCODING,
            format!("The body is encoded with '{}'.", short(encoding)),
            "Coretap reads gzip, zstd and bodies without content-encoding.",
        )
    }

    pub(crate) fn compression_broken(compression: &str, detail: &str) -> Self {
        Problem::new(
            400,
            code::BODY,
            format!("The body is not the whole {compression} that its content-encoding says: {detail}."),
            "",
        )
    }

    pub(crate) fn body_stopped(seconds: u64) -> Self {
        Problem::new(
            408,
            code::TIMEOUT,
            format!("The request's body is not complete, and nothing of it came for {seconds} seconds."),
            "Send it again.",
        )
    }

    pub(crate) fn path_unknown(path: &str) -> Self {
        let hint = if path.contains("/v1/v1/") {
            "The base URL has one '/v1' too many: Anthropic clients want http://127.0.0.1:PORT, OpenAI clients want http://127.0.0.1:PORT/v1."
        } else {
            "Coretap answers /v1/messages, /v1/messages/count_tokens, /v1/chat/completions, /v1/embeddings and /v1/models, also below /anthropic and /openai."
        };
        Problem::new(
            404,
            code::PATH,
            format!("There is nothing at '{}'.", short(path)),
            hint,
        )
    }

    pub(crate) fn method_refused(method: &str, path: &str, allowed: &str) -> Self {
        Problem::new(
            405,
            code::METHOD,
            format!("'{}' does not take {}.", short(path), short(method)),
            format!("Use {allowed}."),
        )
    }

    pub(crate) fn websocket_refused() -> Self {
        Problem::new(
            426,
            code::WEBSOCKET,
            "Coretap speaks HTTP here, not WebSocket.",
            "Send the request by POST.",
        )
    }

    pub(crate) fn client_left() -> Self {
        Problem::new(
            499,
            code::CLIENT_LEFT,
            "The request broke off before its body was complete.",
            "",
        )
    }

    pub(crate) fn model_not_listed(model: &str) -> Self {
        Problem::new(
            404,
            code::NOT_FOUND,
            format!("There is no model '{}'.", short(model)),
            "GET /v1/models lists what there is.",
        )
    }

    pub(crate) fn answer_too_large(limit: usize) -> Self {
        Problem::new(
            502,
            code::FAILED,
            format!(
                "SAP AI Core's answer is longer than {} MiB.",
                limit / (1024 * 1024)
            ),
            "Ask for a stream, or for less.",
        )
        .for_good()
    }

    pub(crate) fn silent(seconds: u64) -> Self {
        Problem::new(
            504,
            code::SILENT,
            format!("SAP AI Core did not begin an answer within {seconds} seconds."),
            "Try again; if it stays, look at the deployment in SAP AI Launchpad.",
        )
    }

    pub(crate) fn redirected(status: u16) -> Self {
        Problem::new(
            502,
            code::FAILED,
            format!("SAP AI Core answered with a redirect (status {status}), which is not followed."),
            "Check the Base URL, and whether a proxy on the way wants somebody to sign in.",
        )
        .for_good()
    }

    pub(crate) fn cut(detail: &str) -> Self {
        Problem::new(
            502,
            code::CUT,
            format!("The connection to SAP AI Core broke in the middle of the answer: {detail}"),
            "Try again; if it stays, look at the network and the proxy on the way.",
        )
    }

    pub(crate) fn internal() -> Self {
        Problem::new(
            500,
            code::INTERNAL,
            "Coretap failed at this request; that is a bug.",
            "The log says where. Other requests are not affected.",
        )
    }

    /// What an upstream's refusal means for the agent. `retry_after` is what the upstream said.
    pub(crate) fn refused(
        status: u16,
        text: String,
        upstream_code: Option<String>,
        retry_after: Option<u64>,
    ) -> Self {
        let mut problem = match status {
            401 | 403 => Problem::new(
                403,
                code::FORBIDDEN,
                format!("SAP AI Core refused the request: {text}"),
                "Check the service key, the resource group and whether this key may use the model.",
            )
            .for_good(),
            404 => Problem::new(404, code::NOT_FOUND, text, ""),
            429 => Problem::new(429, code::RATE_LIMIT, text, "")
                .after(retry_after.unwrap_or_else(|| seconds_to_next_minute(SystemTime::now()))),
            503 | 529 => {
                Problem::new(529, code::OVERLOADED, text, "").after(retry_after.unwrap_or(OVERLOAD_PAUSE))
            }
            400..=499 => Problem::new(status, code::REFUSED, text, ""),
            500 | 502 | 504 => Problem::new(status, code::FAILED, text, ""),
            _ => Problem::new(502, code::FAILED, text, ""),
        };
        if problem.sentence.trim().is_empty() {
            problem.sentence = format!("SAP AI Core answered with status {status} and said nothing.");
        }
        problem.upstream_code = upstream_code.map(String::into_boxed_str);
        problem
    }

    /// What does not work when a request ends in this problem; `None` if it is that one request's own.
    pub(crate) fn concern(&self) -> Option<Concern> {
        match self.code {
            code::REFUSED | code::NOT_FOUND | code::RATE_LIMIT => None,
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

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let mut problem = Problem::new(400, code::BODY, error.to_string(), "");
        problem.parameter = Some(error.path.into_boxed_str());
        problem
    }
}

impl From<coretap_aicore::Error> for Problem {
    fn from(error: coretap_aicore::Error) -> Self {
        use coretap_aicore::{Error, Failure};
        let problem = |status| Problem::new(status, error.code(), error.to_string(), error.hint());
        match &error {
            // 403, not 401: the agent's own key was right.
            Error::ServiceKeyUnreadable { .. }
            | Error::ServiceKeyIncomplete { .. }
            | Error::ClientCertificateUnreadable { .. }
            | Error::ClientCertificateExpired { .. }
            | Error::ClientCertificateKey
            | Error::ExtraRoots { .. }
            | Error::BindingMissing
            | Error::UrlRefused { .. }
            | Error::ResourceGroupRefused
            | Error::HttpClient(_)
            | Error::AliasRefused { .. }
            | Error::TokenRefused { .. }
            | Error::CertificateRefused { .. }
            | Error::KeyRevoked { .. }
            | Error::NotOAuth { .. }
            | Error::Permission { .. }
            | Error::ResourceGroupUnknown { .. } => problem(403).for_good(),
            Error::ModelUnknown { .. }
            | Error::NoDeployment { .. }
            | Error::NoOrchestrationDeployment { .. }
            | Error::ModelRestricted { .. }
            | Error::FamilyUnsupported { .. } => problem(404),
            Error::ModelPurpose { .. } => problem(400),
            Error::TokenUnavailable { .. } => problem(529).after(OVERLOAD_PAUSE),
            Error::Unreachable {
                failure: Failure::Timeout,
                ..
            } => problem(504),
            Error::Unreachable {
                failure: Failure::Tls,
                ..
            }
            | Error::WebPage { .. } => problem(502).for_good(),
            Error::Unreachable { .. }
            | Error::NotAiCore { .. }
            | Error::ListRefused { .. }
            | Error::Unreadable { .. }
            | Error::Interrupted { .. } => problem(502),
        }
    }
}

/// Seconds to the next full minute, at least 1: SAP AI Core counts requests per minute (sap-wire.md §5).
fn seconds_to_next_minute(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    60 - since % 60
}

/// What somebody else chose, short enough for a sentence or a line.
pub(crate) fn short(text: &str) -> &str {
    const MOST: usize = 200;
    let end = text.char_indices().nth(MOST).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_next_minute_is_always_ahead() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(seconds_to_next_minute(at(0)), 60);
        assert_eq!(seconds_to_next_minute(at(119)), 1);
        assert_eq!(seconds_to_next_minute(at(121)), 59);
    }

    #[test]
    fn a_refusal_keeps_its_text_and_says_when_to_come_back() {
        let text = "messages.1.role: Input should be 'user' or 'assistant'".to_owned();
        let problem = Problem::refused(400, text.clone(), Some("invalid_prompt".to_owned()), None);
        assert_eq!(
            (problem.status, problem.sentence.as_str(), problem.hint.as_str()),
            (400, text.as_str(), "")
        );
        assert_eq!(problem.upstream_code.as_deref(), Some("invalid_prompt"));

        assert_eq!(
            Problem::refused(429, "slow down".into(), None, Some(7)).retry_after,
            Some(7)
        );
        let unsaid = Problem::refused(429, "slow down".into(), None, None)
            .retry_after
            .unwrap();
        assert!((1..=60).contains(&unsaid), "{unsaid}");

        let overload = Problem::refused(503, "upstream connect error".into(), None, None);
        assert_eq!(overload.status_for(AgentFormat::Messages), 529);
        assert_eq!(overload.status_for(AgentFormat::ChatCompletions), 503);
        assert!(overload.retry_after.is_some());

        for status in [401, 403] {
            let problem = Problem::refused(status, "RBAC: access denied".into(), None, None);
            assert_eq!((problem.status, problem.should_retry), (403, Some(false)));
            assert!(problem.sentence.contains("RBAC: access denied"));
        }
        assert_eq!(Problem::refused(599, String::new(), None, None).status, 502);
        assert!(
            Problem::refused(500, " \n".into(), None, None)
                .sentence
                .contains("status 500")
        );
    }
}
