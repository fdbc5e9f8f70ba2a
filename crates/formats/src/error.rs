//! What is wrong with a request, and how an error looks in each agent's format.

use std::fmt;

use crate::AgentFormat;
use crate::json::{write_count, write_string};

/// A request that cannot be read: it names the member and what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct ReadError {
    /// Where, as agents spell it: `messages.3.content`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl ReadError {
    pub(crate) fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        let path = path.into();
        ReadError {
            path: if path.is_empty() { "body".to_owned() } else { path },
            problem: problem.into(),
        }
    }

    pub(crate) fn expected(path: &Path<'_>, what: &str) -> Self {
        ReadError::new(path.to_string(), format!("expected {what}"))
    }

    pub(crate) fn missing(path: &Path<'_>) -> Self {
        ReadError::new(path.to_string(), "is required")
    }
}

/// Where a value stands. It is spelt out only when there is something to complain about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path<'p> {
    /// The whole body.
    Body,
    /// A member of an object.
    Member(&'p Path<'p>, &'static str),
    /// An entry of a list.
    Entry(&'p Path<'p>, usize),
}

impl Path<'_> {
    pub(crate) fn member(&self, name: &'static str) -> Path<'_> {
        Path::Member(self, name)
    }

    pub(crate) fn entry(&self, position: usize) -> Path<'_> {
        Path::Entry(self, position)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parent, step): (_, &dyn fmt::Display) = match self {
            Path::Body => return Ok(()),
            Path::Member(parent, name) => (parent, name),
            Path::Entry(parent, position) => (parent, position),
        };
        parent.fmt(formatter)?;
        if !matches!(parent, Path::Body) {
            formatter.write_str(".")?;
        }
        step.fmt(formatter)
    }
}

/// An error to be told to an agent.
#[derive(Clone, Debug)]
pub struct AgentError<'a> {
    /// The HTTP status that goes with it; it decides the format's error type (`rate_limit_error`, …).
    pub status: u16,
    /// A stable code of Coretap (`ROUTE-…`) or the upstream's.
    pub code: &'a str,
    /// The sentence for the person and the agent. An upstream's own text stands here word for word.
    pub message: &'a str,
    /// The member of the request that is wrong, where one is.
    pub parameter: Option<&'a str>,
    /// The id of the request in Coretap's log.
    pub request_id: &'a str,
}

/// The error's body in the agent's format: Messages `{"type":"error","error":{"type","message"},"request_id"}`, OpenAI
/// `{"error":{"message","type","param","code"}}`, Gemini `{"error":{"code","message","status","details"}}` (agents.md §4).
pub fn error_body(format: AgentFormat, error: &AgentError<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(160 + error.message.len());
    match format {
        AgentFormat::Messages => {
            out.extend_from_slice(b"{\"type\":\"error\",\"error\":{\"type\":\"");
            out.extend_from_slice(error_type(format, error.status).as_bytes());
            out.extend_from_slice(b"\",\"message\":");
            write_string(&mut out, error.message);
            out.extend_from_slice(b"},\"request_id\":");
            write_string(&mut out, error.request_id);
            out.push(b'}');
        }
        AgentFormat::ChatCompletions | AgentFormat::Responses => {
            out.extend_from_slice(b"{\"error\":{\"message\":");
            write_string(&mut out, error.message);
            out.extend_from_slice(b",\"type\":\"");
            out.extend_from_slice(error_type(format, error.status).as_bytes());
            out.extend_from_slice(b"\",\"param\":");
            match error.parameter {
                Some(parameter) => write_string(&mut out, parameter),
                None => out.extend_from_slice(b"null"),
            }
            out.extend_from_slice(b",\"code\":");
            write_string(&mut out, error.code);
            out.extend_from_slice(b"}}");
        }
        AgentFormat::Gemini => {
            out.extend_from_slice(b"{\"error\":{\"code\":");
            write_count(&mut out, error.status.into());
            out.extend_from_slice(b",\"message\":");
            write_string(&mut out, error.message);
            out.extend_from_slice(b",\"status\":\"");
            out.extend_from_slice(error_type(format, error.status).as_bytes());
            out.extend_from_slice(
                b"\",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":",
            );
            write_string(&mut out, error.code);
            out.extend_from_slice(b",\"domain\":\"coretap\"}]}}");
        }
    }
    out
}

/// The error type that a format's SDKs know for an HTTP status.
pub(crate) fn error_type(format: AgentFormat, status: u16) -> &'static str {
    match (format, status) {
        (AgentFormat::Gemini, _) => google_status(status),
        (_, 401) => "authentication_error",
        (_, 403) => "permission_error",
        (_, 404) => "not_found_error",
        (_, 429) => "rate_limit_error",
        (AgentFormat::Messages, 413) => "request_too_large",
        (AgentFormat::Messages, 504) => "timeout_error",
        (AgentFormat::Messages, 529) => "overloaded_error",
        (AgentFormat::Messages, 500..) => "api_error",
        (AgentFormat::ChatCompletions | AgentFormat::Responses, 500..) => "server_error",
        _ => "invalid_request_error",
    }
}

/// Google's name of an HTTP status.
fn google_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(format: AgentFormat, status: u16, parameter: Option<&str>) -> String {
        let error = AgentError {
            status,
            code: "ROUTE-MODEL",
            message: "No \"x\"\n",
            parameter,
            request_id: "req_1",
        };
        String::from_utf8(error_body(format, &error)).unwrap()
    }

    #[test]
    fn each_format_has_its_own_body() {
        assert_eq!(
            body(AgentFormat::Messages, 404, None),
            r#"{"type":"error","error":{"type":"not_found_error","message":"No \"x\"\n"},"request_id":"req_1"}"#
        );
        assert_eq!(
            body(AgentFormat::ChatCompletions, 404, Some("model")),
            r#"{"error":{"message":"No \"x\"\n","type":"not_found_error","param":"model","code":"ROUTE-MODEL"}}"#
        );
    }

    #[test]
    fn the_type_follows_the_status() {
        let types =
            |format| [400, 401, 403, 404, 409, 413, 429, 500, 503, 504, 529].map(|s| error_type(format, s));
        assert_eq!(
            types(AgentFormat::Messages),
            [
                "invalid_request_error",
                "authentication_error",
                "permission_error",
                "not_found_error",
                "invalid_request_error",
                "request_too_large",
                "rate_limit_error",
                "api_error",
                "api_error",
                "timeout_error",
                "overloaded_error",
            ]
        );
        assert_eq!(
            types(AgentFormat::ChatCompletions),
            [
                "invalid_request_error",
                "authentication_error",
                "permission_error",
                "not_found_error",
                "invalid_request_error",
                "invalid_request_error",
                "rate_limit_error",
                "server_error",
                "server_error",
                "server_error",
                "server_error",
            ]
        );
    }
}
