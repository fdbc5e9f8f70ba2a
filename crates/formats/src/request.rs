//! Requests: an agent's format in, a model's format out.

use std::borrow::Cow;

use crate::rules::ModelRules;
use crate::{AgentFormat, ModelFormat, ReadError};

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// What the route speaks.
    pub format: ModelFormat,
    /// SAP's name of the model.
    pub model: &'a str,
    /// Whether the agent asked for the long context (`[1m]` behind the model's name).
    pub long_context: bool,
    /// The rules for this model on this route.
    pub rules: &'a ModelRules,
    /// Whether the upstream shall stream; absent is as the agent asks. `Some(false)` for models that cannot.
    pub stream: Option<bool>,
}

/// A request in the route's format.
#[derive(Clone, Debug)]
pub struct UpstreamRequest {
    /// The body to send.
    pub body: Vec<u8>,
    /// Whether the agent asked for a stream.
    pub stream: bool,
    /// Chat Completions: whether the agent asked for the usage chunk.
    pub include_usage: bool,
    /// What was left out, by name.
    pub dropped: Vec<Cow<'static, str>>,
    /// An estimate of the input tokens.
    pub estimated_input: u64,
}

/// The model that a request asks for. Stops reading as soon as it is known.
///
/// # Errors
/// When the body is no JSON object or names no model.
pub fn model_name(body: &[u8]) -> Result<Cow<'_, str>, ReadError> {
    let _ = body;
    Err(ReadError::missing("", "model"))
}

/// Reads a request in the agent's format and writes it in the route's. `betas` is the `anthropic-beta` header, empty
/// where there is none.
///
/// # Errors
/// When the body cannot be read; the error names the member.
pub fn write_request(
    agent: AgentFormat,
    body: &[u8],
    betas: &str,
    target: &Target<'_>,
) -> Result<UpstreamRequest, ReadError> {
    let _ = (agent, body, betas, target);
    Err(ReadError::missing("", "messages"))
}

/// Estimates the input tokens of a Messages request, never below 1 (mapping.md, `count_tokens`).
///
/// # Errors
/// When the body cannot be read.
pub fn count_tokens(body: &[u8]) -> Result<u64, ReadError> {
    let _ = body;
    Ok(1)
}
