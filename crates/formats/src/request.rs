//! Requests: an agent's format in, a model's format out.

use std::borrow::Cow;

use crate::conversation::Conversation;
use crate::error::Path;
use crate::json::{Document, Object, find_text, replace_lone_surrogates};
use crate::target::Target;
use crate::{AgentFormat, ModelFormat, ReadError, azure, chat, claude, messages, orchestration, tokens};

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
    /// An estimate of the input tokens; 0 where the answer does not stream and so needs none.
    pub estimated_input: u64,
}

/// The model that a request asks for. Stops reading as soon as it is known.
///
/// # Errors
/// When the body is no JSON object or names no model.
pub fn model_name(body: &[u8]) -> Result<String, ReadError> {
    let model = if let Some(model) = find_text(body, "model") {
        model.decode().into_owned()
    } else {
        let document = Document::read(text(body)?)?;
        let path = &Path::Body;
        let model = members(&document)?.required_text("model", path)?;
        model.decode().into_owned()
    };
    if model.trim().is_empty() {
        return Err(ReadError::new("model", "must name a model"));
    }
    Ok(model)
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
    read_body(body, |document| write(agent, document, betas, target))
}

fn write(
    agent: AgentFormat,
    document: &Document<'_>,
    betas: &str,
    target: &Target<'_>,
) -> Result<UpstreamRequest, ReadError> {
    let mut conversation = read(agent, document)?;
    let stream = conversation.stream;
    let include_usage = match agent {
        AgentFormat::ChatCompletions => chat::request::include_usage(conversation.members)?,
        AgentFormat::Messages => false,
    };
    // Claude's own stream begins with its count; every other stream ends with it.
    let estimate = stream && agent == AgentFormat::Messages && target.format != ModelFormat::Claude;
    let estimated_input = if estimate {
        tokens::estimate(&conversation)
    } else {
        0
    };
    conversation.stream = target.stream.unwrap_or(stream) && stream;
    let length = document.root().get().len();
    let mut out = Vec::with_capacity(length + length / 16 + 1024);
    match target.format {
        ModelFormat::Orchestration => orchestration::request::write(&mut conversation, target, &mut out),
        ModelFormat::Claude => claude::request::write(&mut conversation, betas, target, &mut out),
        ModelFormat::AzureChat => azure::request::write(&mut conversation, target, &mut out),
    }
    report_unread(agent, target.format, &mut conversation);
    Ok(UpstreamRequest {
        body: out,
        stream,
        include_usage,
        dropped: conversation.dropped,
        estimated_input,
    })
}

/// Estimates the input tokens of a Messages request, never below 1 (docs/formats.md).
///
/// # Errors
/// When the body cannot be read.
pub fn count_tokens(body: &[u8]) -> Result<u64, ReadError> {
    read_body(body, |document| {
        Ok(tokens::estimate(&read(AgentFormat::Messages, document)?))
    })
}

fn text(body: &[u8]) -> Result<&str, ReadError> {
    std::str::from_utf8(body)
        .map_err(|error| ReadError::new("", format!("is not UTF-8 (byte {})", error.valid_up_to())))
}

/// Hands the body to `take`, as text that every JSON reader takes.
pub(crate) fn read_body<T>(
    body: &[u8],
    take: impl FnOnce(&Document<'_>) -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    let text = text(body)?;
    let document = Document::read(text)?;
    if document.has_surrogates()
        && let Cow::Owned(repaired) = replace_lone_surrogates(text)
    {
        return take(&Document::read(&repaired)?);
    }
    take(&document)
}

fn members<'a>(document: &'a Document<'_>) -> Result<Object<'a>, ReadError> {
    document
        .root()
        .object()
        .ok_or_else(|| ReadError::new("", "expected a JSON object"))
}

fn read<'a>(agent: AgentFormat, document: &'a Document<'_>) -> Result<Conversation<'a>, ReadError> {
    let body = members(document)?;
    match agent {
        AgentFormat::Messages => messages::request::read(body),
        AgentFormat::ChatCompletions => chat::request::read(body),
    }
}

/// Between two formats, members that nobody read are left out, and that is said.
fn report_unread(agent: AgentFormat, route: ModelFormat, conversation: &mut Conversation<'_>) {
    let understood: &[&str] = match (agent, route) {
        (AgentFormat::Messages, ModelFormat::Claude)
        | (AgentFormat::ChatCompletions, ModelFormat::AzureChat) => return,
        (AgentFormat::Messages, _) => &messages::request::UNDERSTOOD,
        (AgentFormat::ChatCompletions, _) => &chat::request::UNDERSTOOD,
    };
    for (name, value) in conversation.members.members() {
        if !understood.contains(&&*name.decode()) && !value.is_null() {
            conversation.drop_reported(name.decode().into_owned());
        }
    }
}
