//! Requests: an agent's format in, a model's format out.

use std::borrow::Cow;

use crate::conversation::{Conversation, Part, ResponseFormat, Role, Turn};
use crate::error::Path;
use crate::json::{Document, Object, Text, find_text, replace_lone_surrogates};
use crate::target::Target;
use crate::{
    AgentFormat, AgentTools, ModelFormat, ReadError, RequestSettings, attachments, azure, azure_responses,
    chat, claude, cohere, converse, gemini, messages, openai, openai_compatible, orchestration, plain_parts,
    repair, responses, sampling, tokens, tool_limit, tool_names, tool_schema, vertex,
};

/// What a request says outside its body.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The agent's format.
    pub format: AgentFormat,
    /// The `anthropic-beta` header, empty where there is none.
    pub betas: &'a str,
    /// Gemini: whether the path asks for a stream. In every other format the body says so.
    pub streams: bool,
}

/// A request in the route's format.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says one thing about the answer, and none follows from another"
)]
pub struct UpstreamRequest {
    /// What it is written in: the target's format, or the one beside it that the same deployment speaks.
    pub format: ModelFormat,
    /// The body to send.
    pub body: Vec<u8>,
    /// Whether the agent asked for a stream.
    pub stream: bool,
    /// Whether the upstream is asked for one: not where the model cannot.
    pub upstream_streams: bool,
    /// Chat Completions: whether the agent asked for the usage chunk.
    pub include_usage: bool,
    /// The tools whose calls the agent expects in another form than the model makes them.
    pub tools: AgentTools,
    /// Responses: its settings, which the answer repeats.
    pub settings: RequestSettings,
    /// Whether the deployment keeps the answer, so that the agent may ask for it by its id.
    pub is_kept: bool,
    /// What was left out, by name.
    pub dropped: Vec<Cow<'static, str>>,
    /// The modules of orchestration that touch it, by name.
    pub orchestration: Vec<&'static str>,
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

/// Responses: the id of the earlier answer that a request goes on from (`previous_response_id`), which only its own
/// deployment has. Stops reading as soon as it is known; of a body that can't be read it finds nothing.
pub fn previous_answer(body: &[u8]) -> Option<String> {
    let id = find_text(body, "previous_response_id")?;
    Some(id.decode().into_owned())
}

/// Reads a request in the agent's format and writes it in the route's.
///
/// # Errors
/// When the body cannot be read; the error names the member.
pub fn write_request(
    head: &RequestHead<'_>,
    body: &[u8],
    target: &Target<'_>,
) -> Result<UpstreamRequest, ReadError> {
    read_body(body, |document| {
        if head.format == AgentFormat::Gemini
            && let Some(body) = gemini::schema::as_json_schema(document)
        {
            return write(head, &Document::read(&body)?, target);
        }
        write(head, document, target)
    })
}

fn write(
    head: &RequestHead<'_>,
    document: &Document<'_>,
    target: &Target<'_>,
) -> Result<UpstreamRequest, ReadError> {
    let mut conversation = read(head.format, document)?;
    tool_schema::drop_uncallable(&mut conversation, target.rules);
    let Some(repaired) = tool_schema::repair(document, &conversation, target.rules) else {
        return write_conversation(head, document, conversation, target, false);
    };
    let document = &Document::read(&repaired.body)?;
    let mut conversation = read(head.format, document)?;
    tool_schema::drop_uncallable(&mut conversation, target.rules);
    for name in repaired.dropped {
        conversation.drop_reported(name);
    }
    write_conversation(head, document, conversation, target, true)
}

/// `rewritten` says that schemas of tools are not those that the agent gave.
fn write_conversation<'a>(
    head: &RequestHead<'_>,
    document: &'a Document<'_>,
    mut conversation: Conversation<'a>,
    target: &Target<'_>,
    rewritten: bool,
) -> Result<UpstreamRequest, ReadError> {
    let agent = head.format;
    sampling::check(&conversation, |name| match agent {
        AgentFormat::Gemini => format!("generationConfig.{}", gemini::request::spelled(name)),
        _ => name.to_owned(),
    })?;
    if agent == AgentFormat::Gemini {
        conversation.stream = head.streams;
    }
    let target = &target.chosen_for(&conversation);
    if agent == AgentFormat::Responses && target.format != ModelFormat::AzureResponses {
        responses::request::check_stateless(&conversation)?;
    }
    let stream = conversation.stream;
    let include_usage = match agent {
        AgentFormat::ChatCompletions => chat::request::include_usage(conversation.members)?,
        AgentFormat::Messages | AgentFormat::Responses | AgentFormat::Gemini => false,
    };
    // Claude's own stream begins with its count; every other stream ends with it.
    let estimate = stream && agent == AgentFormat::Messages && target.format != ModelFormat::Claude;
    let estimated_input = if estimate {
        tokens::estimate(&conversation)
    } else {
        0
    };
    conversation.stream = stream && target.rules.streaming;
    let same_format = is_same_format(agent, target.format);
    if !same_format || conversation.agent_tools.are_functions() {
        sampling::drop_beside_translation(&mut conversation);
    }
    attachments::tidy(&mut conversation, target.format);
    // A deployment of the agent's own format takes the names and blocks that this format has.
    if !same_format {
        if target.format != ModelFormat::Claude {
            plain_parts::tell_as_text(&mut conversation);
        }
        if agent == AgentFormat::Gemini
            && matches!(conversation.response_format, Some(ResponseFormat::JsonObject))
        {
            // OpenAI takes the wish only beside its words, which Google's clients need not say.
            let words = Part::text(Text::of(&ResponseFormat::JsonObject.in_words()));
            if target.format == ModelFormat::AzureResponses {
                // There they have to stand in the input; the system prompt is none of it.
                conversation.turns.insert(
                    0,
                    Turn {
                        role: Role::System,
                        parts: vec![words],
                        raw: None,
                    },
                );
            } else {
                conversation.system.push(words);
            }
        }
    }
    // Responses' own reader gives names that all vendors take.
    let takes_names = same_format && target.format != ModelFormat::Claude;
    if !takes_names && agent != AgentFormat::Responses {
        tool_names::make_plain(&mut conversation);
    }
    if matches!(
        target.format,
        ModelFormat::AzureChat
            | ModelFormat::AzureResponses
            | ModelFormat::Orchestration
            | ModelFormat::OpenAiCompatible
    ) {
        openai::loosen_tools(&mut conversation, rewritten);
    }
    if !target.rules.signatures {
        repair::leave_out_signed_thinking(&mut conversation);
    }
    if target.format == ModelFormat::Vertex {
        vertex::request::drop_unnameable(&mut conversation);
    }
    let openai_names = !matches!(target.format, ModelFormat::Claude | ModelFormat::Vertex);
    repair::repair_tools(&mut conversation, openai_names);
    tool_limit::leave_out_surplus(&mut conversation, target.rules);
    let length = document.root().get().len();
    let mut out = Vec::with_capacity(length + length / 16 + 1024);
    let mut modules = Vec::new();
    match target.format {
        ModelFormat::Orchestration => {
            modules = orchestration::request::write(&mut conversation, target, &mut out);
        }
        ModelFormat::Claude => claude::request::write(&mut conversation, head.betas, target, &mut out),
        ModelFormat::AzureChat => azure::request::write(&mut conversation, target, &mut out),
        ModelFormat::AzureResponses => azure_responses::request::write(&mut conversation, target, &mut out),
        ModelFormat::Vertex => vertex::request::write(&mut conversation, target, &mut out),
        ModelFormat::Converse => converse::request::write(&mut conversation, target, &mut out),
        ModelFormat::OpenAiCompatible => {
            openai_compatible::request::write(&mut conversation, target, &mut out);
        }
        ModelFormat::Cohere => cohere::request::write(&mut conversation, target, &mut out),
    }
    report_unread(agent, target.format, &mut conversation);
    let settings = if agent == AgentFormat::Responses && !same_format {
        RequestSettings::of(conversation.members)
    } else {
        RequestSettings::default()
    };
    let stores = || {
        conversation
            .members
            .get("store")
            .is_none_or(|store| store.get() != "false")
    };
    let is_kept = agent == AgentFormat::Responses && same_format && stores();
    Ok(UpstreamRequest {
        format: target.format,
        body: out,
        stream,
        upstream_streams: conversation.stream,
        include_usage,
        is_kept,
        tools: conversation.agent_tools,
        settings,
        dropped: conversation.dropped,
        orchestration: modules,
        estimated_input,
    })
}

/// Reads a request to compact a conversation (OpenAI's `/responses/compact`) and writes it for a route that does so.
///
/// # Errors
/// When the body cannot be read, or the route cannot compact.
pub fn write_compaction(body: &[u8], target: &Target<'_>) -> Result<UpstreamRequest, ReadError> {
    read_body(body, |document| {
        let mut conversation = read(AgentFormat::Responses, document)?;
        let target = &target.chosen_for(&conversation);
        if target.format != ModelFormat::AzureResponses {
            return Err(ReadError::new(
                "model",
                "is reached by a route that cannot compact a conversation; let the agent sum it up itself, or choose a model of OpenAI's with a deployment of its own",
            ));
        }
        attachments::tidy(&mut conversation, target.format);
        let mut out = Vec::with_capacity(document.root().get().len() + 1024);
        azure_responses::request::write_compaction(&mut conversation, target, &mut out);
        Ok(UpstreamRequest {
            format: target.format,
            body: out,
            stream: false,
            upstream_streams: false,
            include_usage: false,
            is_kept: false,
            tools: conversation.agent_tools,
            settings: RequestSettings::default(),
            dropped: conversation.dropped,
            orchestration: Vec::new(),
            estimated_input: 0,
        })
    })
}

/// Estimates the input tokens of a request, never below 1 (docs/formats.md).
///
/// # Errors
/// When the body cannot be read.
pub fn count_tokens(agent: AgentFormat, body: &[u8]) -> Result<u64, ReadError> {
    read_body(body, |document| {
        let conversation = match agent {
            AgentFormat::Gemini => gemini::request::read(gemini::request::counted(members(document)?)),
            _ => read(agent, document),
        };
        Ok(tokens::estimate(&conversation?))
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

pub(crate) fn members<'a>(document: &'a Document<'_>) -> Result<Object<'a>, ReadError> {
    document
        .root()
        .object()
        .ok_or_else(|| ReadError::new("", "expected a JSON object"))
}

pub(crate) fn read<'a>(
    agent: AgentFormat,
    document: &'a Document<'_>,
) -> Result<Conversation<'a>, ReadError> {
    let body = members(document)?;
    match agent {
        AgentFormat::Messages => messages::request::read(body),
        AgentFormat::ChatCompletions => chat::request::read(body),
        AgentFormat::Responses => responses::request::read(body),
        AgentFormat::Gemini => gemini::request::read(body),
    }
}

/// Whether the agent and the route speak the same.
fn is_same_format(agent: AgentFormat, route: ModelFormat) -> bool {
    matches!(
        (agent, route),
        (AgentFormat::Messages, ModelFormat::Claude)
            | (AgentFormat::ChatCompletions, ModelFormat::AzureChat)
            | (AgentFormat::Responses, ModelFormat::AzureResponses)
            | (AgentFormat::Gemini, ModelFormat::Vertex)
    )
}

/// Between two formats, members that nobody read are left out, and that is said.
fn report_unread(agent: AgentFormat, route: ModelFormat, conversation: &mut Conversation<'_>) {
    if is_same_format(agent, route) {
        return;
    }
    let understood: &[&str] = match (agent, route) {
        (AgentFormat::Messages, _) => &messages::request::UNDERSTOOD,
        (AgentFormat::ChatCompletions, _) => &chat::request::UNDERSTOOD,
        (AgentFormat::Responses, _) => &responses::request::UNDERSTOOD,
        (AgentFormat::Gemini, _) => {
            gemini::request::report_unread(conversation);
            &gemini::request::UNDERSTOOD
        }
    };
    for (name, value) in conversation.members.members() {
        if !understood.contains(&&*name.decode()) && !value.is_null() {
            conversation.drop_reported(name.decode().into_owned());
        }
    }
}
