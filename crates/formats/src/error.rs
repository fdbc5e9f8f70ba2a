//! What is wrong with a request, and how an error looks in each agent's format.

use crate::{AgentFormat, ModelFormat};

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
        ReadError { path: if path.is_empty() { "body".to_owned() } else { path }, problem: problem.into() }
    }

    pub(crate) fn expected(path: &str, what: &str) -> Self {
        ReadError::new(path, format!("expected {what}"))
    }

    pub(crate) fn member(path: &str, name: &str, what: &str) -> Self {
        ReadError::expected(&join(path, name), what)
    }

    pub(crate) fn missing(path: &str, name: &str) -> Self {
        ReadError::new(join(path, name), "is required")
    }
}

/// The path of a member below `path`.
pub(crate) fn join(path: &str, name: impl std::fmt::Display) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
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
/// `{"error":{"message","type","param","code"}}` (agents.md §4).
pub fn error_body(format: AgentFormat, error: &AgentError<'_>) -> Vec<u8> {
    let _ = (format, error);
    Vec::new()
}

/// An error that an upstream answered with its HTTP status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamError {
    /// Its text word for word; the whole body where it is no JSON that is known.
    pub message: String,
    /// Its own code, where it has one.
    pub code: Option<String>,
    /// Seconds to wait that the body names (orchestration passes the vendor's `headers`, sap-wire.md §4.5).
    pub retry_after: Option<u64>,
}

/// Reads an error body of any dialect: orchestration's object and list, Azure's, Bedrock's, the AI API's, or plain text
/// (sap-wire.md §2.4, §3, §4.5).
pub fn read_upstream_error(format: ModelFormat, body: &[u8]) -> UpstreamError {
    let _ = format;
    UpstreamError { message: String::from_utf8_lossy(body).into_owned(), code: None, retry_after: None }
}
