//! Reads a Messages request (agents.md §3).

use std::borrow::Cow;

use crate::agent_tools::available;
use crate::conversation::{
    Attachment, Cache, Content, Conversation, Effort, Part, ResponseFormat, Role, Source, Thinking, Tool,
    ToolCall, ToolChoice, ToolResult, Turn,
};
use crate::error::Path;
use crate::json::{Object, Text, Value};
use crate::{AgentFormat, ReadError, sampling};

/// Sampling parameters of Messages.
const PARAMETERS: [&str; 3] = ["temperature", "top_p", "top_k"];

/// Members that are read into the conversation; any other is left out on the way to another format.
pub(crate) const UNDERSTOOD: [&str; 13] = [
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "stream",
    "thinking",
    "output_config",
];

/// Claude Code's first system block. It changes with every prompt and would break the cached prefix behind it.
const BILLING_HEADER: &str = "x-anthropic-billing-header";

/// Reads a request.
///
/// # Errors
/// When a member is missing or of the wrong kind; the error names it.
pub(crate) fn read(body: Object<'_>) -> Result<Conversation<'_>, ReadError> {
    let path = &Path::Body;
    let mut conversation = Conversation::new(AgentFormat::Messages, body);
    conversation.stream = body.boolean("stream", path)?.unwrap_or(false);
    conversation.max_tokens = sampling::read_limit(body.member("max_tokens"), path)?;
    let parameters = PARAMETERS.into_iter().zip(body.get_each(PARAMETERS));
    conversation.parameters = parameters
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    if let Some(system) = body.get("system") {
        conversation.system = parts(system, &path.member("system"))?;
        conversation.system.retain(|part| !is_billing_header(part));
    }
    let messages_path = &path.member("messages");
    let messages = body
        .list("messages", path)?
        .ok_or_else(|| ReadError::missing(messages_path))?;
    let mut latest_effort = None;
    for (position, message) in messages.enumerate() {
        let path = &messages_path.entry(position);
        let message = message
            .object()
            .ok_or_else(|| ReadError::expected(path, "an object"))?;
        conversation.turns.push(turn(message, path)?);
        // Claude Code tells a changed effort beside the system message from which on it holds; the newest one counts.
        if let Some(output) = message.object("output_config", path)? {
            latest_effort = output
                .text("effort", &path.member("output_config"))?
                .or(latest_effort);
        }
    }
    if conversation.turns.is_empty() {
        return Err(ReadError::new("messages", "at least one message is required"));
    }
    if let Some(tools) = body.list("tools", path)? {
        for (position, definition) in tools.enumerate() {
            conversation
                .tools
                .push(tool(definition, &path.member("tools").entry(position))?);
        }
    }
    if let Some(stop) = body.list("stop_sequences", path)? {
        for (position, sequence) in stop.enumerate() {
            let wrong = || ReadError::expected(&path.member("stop_sequences").entry(position), "a string");
            conversation.stop.push(sequence.text().ok_or_else(wrong)?);
        }
    }
    if let Some(choice) = body.object("tool_choice", path)? {
        tool_choice(&mut conversation, choice, &path.member("tool_choice"))?;
    }
    if let Some(thinking) = body.object("thinking", path)? {
        conversation.thinking = Some(thinking_of(thinking, &path.member("thinking"))?);
    }
    if let Some(output) = body.object("output_config", path)? {
        let path = &path.member("output_config");
        latest_effort = latest_effort.or(output.text("effort", path)?);
        if let Some(format) = output.object("format", path)? {
            conversation.response_format = Some(response_format(format, &path.member("format"))?);
        }
    }
    if let Some(effort) = latest_effort {
        conversation.effort = Effort::from_word(&effort.decode());
        if conversation.effort.is_none() {
            conversation.drop_reported("output_config.effort");
        }
    }
    Ok(conversation)
}

fn is_billing_header(part: &Part<'_>) -> bool {
    matches!(&part.content, Content::Text(text) if text.escaped().trim_start().starts_with(BILLING_HEADER))
}

fn turn<'a>(message: Object<'a>, path: &Path<'_>) -> Result<Turn<'a>, ReadError> {
    let role = message.required_text("role", path)?;
    let role = match &*role.decode() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" | "developer" => Role::System,
        _ => {
            return Err(ReadError::expected(
                &path.member("role"),
                "'user', 'assistant' or 'system'",
            ));
        }
    };
    let path = &path.member("content");
    let content = message.get("content").ok_or_else(|| ReadError::missing(path))?;
    Ok(Turn {
        role,
        parts: parts(content, path)?,
        raw: None,
    })
}

/// A string, or a list of blocks.
fn parts<'a>(value: Value<'a>, path: &Path<'_>) -> Result<Vec<Part<'a>>, ReadError> {
    Part::read_all(value, path, "a string or a list of blocks", part)
}

fn part<'a>(value: Value<'a>, path: &Path<'_>) -> Result<Part<'a>, ReadError> {
    let block = value
        .object()
        .ok_or_else(|| ReadError::expected(path, "an object"))?;
    let kind = block.required_text("type", path)?;
    let content = match &*kind.decode() {
        "text" => Content::Text(block.required_text("text", path)?),
        "image" => attachment(block, path)?.map_or(Content::Other { kind }, Content::Image),
        "document" => attachment(block, path)?.map_or(Content::Other { kind }, Content::File),
        "tool_use" => {
            let input = block.get("input").filter(|input| input.object().is_some());
            Content::ToolCall(ToolCall {
                id: block.required_text("id", path)?,
                name: block.required_text("name", path)?,
                arguments: Cow::Borrowed(input.map_or("{}", Value::get)),
                untidy: input.is_none(),
            })
        }
        "tool_result" => Content::ToolResult(ToolResult {
            call: block.required_text("tool_use_id", path)?,
            parts: match block.get("content") {
                Some(content) => parts(content, &path.member("content"))?,
                None => Vec::new(),
            },
            is_error: block.boolean("is_error", path)?.unwrap_or(false),
        }),
        "tool_reference" => {
            let name = block.required_text("tool_name", path)?;
            // A reference to a tool that was loaded late: the model sees it among the tools, plain.
            return Ok(Part::text(Text::of(&available(&name.decode()))));
        }
        "thinking" => Content::Thinking {
            text: block.required_text("thinking", path)?,
            // Models that sign nothing give an empty one, and agents send it back.
            signature: block
                .text("signature", path)?
                .filter(|signature| !signature.is_empty()),
        },
        _ => Content::Other { kind },
    };
    let mut cache = Cache::read(block, path)?;
    let mut content = content;
    if let Content::ToolResult(result) = &mut content {
        // A mark inside a result counts as one on it.
        let inner = result.parts.iter_mut().rev().filter_map(|part| part.cache.take());
        cache = cache.or(inner.last());
    }
    Ok(Part {
        content,
        cache,
        raw: Some(block),
    })
}

/// A picture or document; nothing where its source is of a kind that only Anthropic has.
fn attachment<'a>(block: Object<'a>, path: &Path<'_>) -> Result<Option<Attachment<'a>>, ReadError> {
    let source_path = &path.member("source");
    let source = block
        .object("source", path)?
        .ok_or_else(|| ReadError::missing(source_path))?;
    let kind = source.required_text("type", source_path)?;
    let source = match &*kind.decode() {
        "base64" => Source::Base64 {
            media_type: source.required_text("media_type", source_path)?,
            data: source.required_text("data", source_path)?,
        },
        "url" => Source::Url(source.required_text("url", source_path)?),
        "text" => Source::Text(source.required_text("data", source_path)?),
        _ => return Ok(None),
    };
    Ok(Some(Attachment {
        source,
        name: block.text("title", path)?,
        detail: None,
    }))
}

fn tool<'a>(value: Value<'a>, path: &Path<'_>) -> Result<Tool<'a>, ReadError> {
    let definition = value
        .object()
        .ok_or_else(|| ReadError::expected(path, "an object"))?;
    let kind = definition.text("type", path)?.filter(|kind| !kind.is("custom"));
    let name = match &kind {
        // Not every tool that Anthropic runs has a name (`mcp_toolset`).
        Some(kind) => definition.text("name", path)?.unwrap_or_else(|| kind.clone()),
        None => definition.required_text("name", path)?,
    };
    Ok(Tool {
        name,
        description: definition.text("description", path)?,
        schema: definition
            .get("input_schema")
            .filter(|schema| schema.object().is_some()),
        strict: definition.boolean("strict", path)?,
        cache: Cache::read(definition, path)?,
        vendor_type: kind,
        raw: definition,
    })
}

fn tool_choice<'a>(
    conversation: &mut Conversation<'a>,
    choice: Object<'a>,
    path: &Path<'_>,
) -> Result<(), ReadError> {
    let kind = choice.required_text("type", path)?;
    conversation.tool_choice = Some(match &*kind.decode() {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "any" => ToolChoice::Required,
        "tool" => ToolChoice::Named(choice.required_text("name", path)?),
        _ => {
            return Err(ReadError::expected(
                &path.member("type"),
                "'auto', 'any', 'tool' or 'none'",
            ));
        }
    });
    let disabled = choice.boolean("disable_parallel_tool_use", path)?;
    conversation.parallel_tool_calls = disabled.map(|disabled| !disabled);
    Ok(())
}

fn thinking_of(thinking: Object<'_>, path: &Path<'_>) -> Result<Thinking, ReadError> {
    let kind = thinking.required_text("type", path)?;
    match &*kind.decode() {
        "enabled" => {
            let budget = thinking.count("budget_tokens", path)?;
            Ok(Thinking::Budget(budget.ok_or_else(|| {
                ReadError::missing(&path.member("budget_tokens"))
            })?))
        }
        "adaptive" => Ok(Thinking::Adaptive),
        "disabled" => Ok(Thinking::Disabled),
        _ => Err(ReadError::expected(
            &path.member("type"),
            "'enabled', 'adaptive' or 'disabled'",
        )),
    }
}

fn response_format<'a>(format: Object<'a>, path: &Path<'_>) -> Result<ResponseFormat<'a>, ReadError> {
    if !format.required_text("type", path)?.is("json_schema") {
        return Err(ReadError::expected(&path.member("type"), "'json_schema'"));
    }
    let schema = format.get("schema").filter(|schema| schema.object().is_some());
    let schema = schema.ok_or_else(|| ReadError::expected(&path.member("schema"), "an object"))?;
    Ok(ResponseFormat::JsonSchema {
        name: None,
        description: None,
        schema,
        strict: Some(true),
    })
}
