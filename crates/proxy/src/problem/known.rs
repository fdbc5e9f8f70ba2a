//! Every problem that the proxy knows: its code, its sentence, what to do about it, and which one an error is.

use std::time::{SystemTime, UNIX_EPOCH};

use coretap_formats::ReadError;

use crate::endpoint::Methods;
use crate::gemini_path::GeminiAction;
use crate::problem::{Problem, short};

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
    code::ANSWER,
    code::CLIENT_LEFT,
    code::REFUSED,
    code::FILTERED,
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
    pub(crate) const ANSWER: &str = "REQUEST-ANSWER";
    pub(crate) const CLIENT_LEFT: &str = "REQUEST-CLIENT-LEFT";
    pub(crate) const REFUSED: &str = "UPSTREAM-REFUSED";
    pub(crate) const FILTERED: &str = "UPSTREAM-FILTERED";
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
            allowed: None,
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
            "Coretap answers /v1/messages, /v1/messages/count_tokens, /v1/chat/completions, /v1/responses, /v1/embeddings, /v1/models and /v1beta/models, also below /anthropic, /openai and /gemini."
        };
        Problem::new(
            404,
            code::PATH,
            format!("There is nothing at '{}'.", short(path)),
            hint,
        )
    }

    pub(crate) fn action_unknown(path: &str) -> Self {
        Problem::new(
            404,
            code::PATH,
            format!("There is nothing at '{}'.", short(path)),
            format!("Of a model Coretap takes {}.", GeminiAction::names()),
        )
    }

    pub(crate) fn method_refused(method: &str, path: &str, allowed: Methods) -> Self {
        let hint = format!("Use {}.", allowed.list().replace(", ", " or "));
        let sentence = format!("'{}' does not take {}.", short(path), short(method));
        let mut problem = Problem::new(405, code::METHOD, sentence, hint);
        problem.allowed = Some(allowed);
        problem
    }

    pub(crate) fn websocket_refused() -> Self {
        Problem::new(
            426,
            code::WEBSOCKET,
            "Coretap speaks HTTP here, not WebSocket.",
            "Send the request by POST.",
        )
    }

    pub(crate) fn answer_unknown(id: &str) -> Self {
        Problem::new(
            404,
            code::ANSWER,
            format!("No answer '{}' is kept.", short(id)),
            "Only deployments of OpenAI's models keep answers, and Coretap knows those it has passed on since it started; send the whole conversation instead.",
        )
    }

    pub(crate) fn answer_of_another_model(kept: &str, asked: &str) -> Self {
        let mut problem = Problem::new(
            400,
            code::ANSWER,
            format!(
                "previous_response_id names an answer of '{}', and the request asks for '{}'.",
                short(kept),
                short(asked)
            ),
            "Go on with the same model, or send the whole conversation instead.",
        );
        problem.parameter = Some("previous_response_id".into());
        problem
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

    pub(crate) fn stopped() -> Self {
        Problem::new(
            503,
            code::STOPPED,
            "Coretap was stopped before the answer was complete.",
            "Start Coretap and send the request again.",
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

    /// Orchestration's input filter has refused the prompt. `verdict` is what it found, where it says so.
    pub(crate) fn filtered(text: String, verdict: Option<&str>) -> Self {
        let found = verdict.map_or_else(String::new, |verdict| format!(" ({verdict})"));
        let hint = format!(
            "An input filter of SAP's orchestration refused this prompt{found}, and would refuse it again. Rephrase it, begin \
             a new conversation without it, or set the filter otherwise on the page Connection."
        );
        Problem::new(400, code::FILTERED, text, hint).for_good()
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
            400 if is_filtered(&text) => Problem::filtered(text, None),
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

/// Whether a text of orchestration's is its input filter's (sap-wire.md §4.5).
fn is_filtered(text: &str) -> bool {
    text.starts_with("400 - Filtering Module - Input Filter:")
}

/// Seconds to the next full minute, at least 1: SAP AI Core counts requests per minute (sap-wire.md §5).
pub(crate) fn seconds_to_next_minute(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    60 - since % 60
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use coretap_formats::AgentFormat;

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

        for (status, told, code) in [
            (400, 400, code::REFUSED),
            (408, 408, code::REFUSED),
            (413, 413, code::REFUSED),
            (415, 415, code::REFUSED),
            (422, 422, code::REFUSED),
            (424, 424, code::REFUSED),
            (500, 500, code::FAILED),
        ] {
            let problem = Problem::refused(status, "'input_type' field is required".into(), None, None);
            assert_eq!((problem.status, problem.code), (told, code), "{status}");
        }

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
