//! Reads a Messages request (agents.md §3).

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::conversation::{
    Attachment, Cache, Content, Conversation, Effort, Part, ResponseFormat, Role, Source, Thinking, Tool,
    ToolCall, ToolChoice, ToolResult, Turn,
};
use crate::error::join;
use crate::json::{self, Object, Text};
use crate::{AgentFormat, ReadError};

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
    let mut conversation = Conversation::new(AgentFormat::Messages, body);
    let body = conversation.members.clone();
    conversation.stream = body.boolean("stream", "")?.unwrap_or(false);
    conversation.max_tokens = body.count("max_tokens", "")?;
    conversation.parameters = PARAMETERS
        .iter()
        .filter_map(|name| body.get(name).map(|value| (*name, value)))
        .collect();
    if let Some(system) = body.get("system") {
        conversation.system = parts(system, "system")?;
        conversation.system.retain(|part| !is_billing_header(part));
    }
    let messages = body
        .list("messages", "")?
        .ok_or_else(|| ReadError::missing("", "messages"))?;
    if messages.is_empty() {
        return Err(ReadError::new("messages", "at least one message is required"));
    }
    conversation.turns.reserve(messages.len());
    for (position, message) in messages.into_iter().enumerate() {
        conversation
            .turns
            .push(turn(message, &format!("messages.{position}"))?);
    }
    for (position, tool_definition) in body
        .list("tools", "")?
        .unwrap_or_default()
        .into_iter()
        .enumerate()
    {
        conversation
            .tools
            .push(tool(tool_definition, &format!("tools.{position}"))?);
    }
    if let Some(stop) = body.list("stop_sequences", "")? {
        for (position, sequence) in stop.into_iter().enumerate() {
            let path = || format!("stop_sequences.{position}");
            conversation
                .stop
                .push(Text::from_raw(sequence).ok_or_else(|| ReadError::expected(&path(), "a string"))?);
        }
    }
    if let Some(choice) = body.object("tool_choice", "")? {
        tool_choice(&mut conversation, &choice)?;
    }
    if let Some(thinking) = body.object("thinking", "")? {
        conversation.thinking = thinking_of(&thinking)?;
    }
    if let Some(output) = body.object("output_config", "")? {
        conversation.effort = output
            .text("effort", "output_config")?
            .and_then(|effort| Effort::from_word(&effort.decode()));
        if let Some(format) = output.object("format", "output_config")? {
            conversation.response_format = response_format(&format)?;
        }
    }
    Ok(conversation)
}

fn is_billing_header(part: &Part<'_>) -> bool {
    matches!(&part.content, Content::Text(text) if text.escaped().trim_start().starts_with(BILLING_HEADER))
}

fn turn<'a>(raw: &'a RawValue, path: &str) -> Result<Turn<'a>, ReadError> {
    let message = Object::read(raw, path)?;
    let role = message.required_text("role", path)?;
    let role = match role.escaped() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" | "developer" => Role::System,
        _ => return Err(ReadError::member(path, "role", "'user', 'assistant' or 'system'")),
    };
    let content = message
        .get("content")
        .ok_or_else(|| ReadError::missing(path, "content"))?;
    Ok(Turn {
        role,
        parts: parts(content, &join(path, "content"))?,
        raw: None,
    })
}

/// A string, or a list of blocks.
fn parts<'a>(raw: &'a RawValue, path: &str) -> Result<Vec<Part<'a>>, ReadError> {
    if let Some(text) = Text::from_raw(raw) {
        return Ok(vec![Part::text(text)]);
    }
    let blocks = json::list(raw).ok_or_else(|| ReadError::expected(path, "a string or a list of blocks"))?;
    blocks
        .into_iter()
        .enumerate()
        .map(|(position, block)| part(block, path, position))
        .collect()
}

fn part<'a>(raw: &'a RawValue, list: &str, position: usize) -> Result<Part<'a>, ReadError> {
    // The path is only spelt out when there is something to complain about, but errors need it as text.
    let path = format!("{list}.{position}");
    let path = path.as_str();
    let block = Object::read(raw, path)?;
    let kind = block.required_text("type", path)?;
    let content = match kind.escaped() {
        "text" => Content::Text(block.required_text("text", path)?),
        "image" => Content::Image(attachment(&block, path)?),
        "document" => Content::File(attachment(&block, path)?),
        "tool_use" => {
            let input = block.get("input").filter(|input| json::is_object(input));
            Content::ToolCall(ToolCall {
                id: block.required_text("id", path)?,
                name: block.required_text("name", path)?,
                arguments: Cow::Borrowed(input.map_or("{}", RawValue::get)),
                broken: input.is_none(),
            })
        }
        "tool_result" => Content::ToolResult(ToolResult {
            call: block.required_text("tool_use_id", path)?,
            parts: block
                .get("content")
                .map_or(Ok(Vec::new()), |content| parts(content, &join(path, "content")))?,
            is_error: block.boolean("is_error", path)?.unwrap_or(false),
        }),
        "tool_reference" => {
            let name = block.required_text("tool_name", path)?;
            // A reference to a tool that was loaded late: the model sees it among the tools, plain.
            return Ok(Part::text(Text::of(&format!(
                "Tool {} is available.",
                name.decode()
            ))));
        }
        "thinking" => Content::Thinking {
            text: block.required_text("thinking", path)?,
            signature: block.text("signature", path)?,
        },
        _ => Content::Other { kind },
    };
    let cache = cache(&block, path)?;
    Ok(Part {
        content,
        cache,
        raw: Some(block),
    })
}

/// A cache mark; only what SAP takes of it is kept.
fn cache<'a>(block: &Object<'a>, path: &str) -> Result<Option<Cache<'a>>, ReadError> {
    let Some(mark) = block.object("cache_control", path)? else {
        return Ok(None);
    };
    let ttl = mark.text("ttl", "cache_control")?;
    Ok(Some(Cache {
        ttl: ttl.filter(|ttl| matches!(ttl.escaped(), "5m" | "1h")),
    }))
}

fn attachment<'a>(block: &Object<'a>, path: &str) -> Result<Attachment<'a>, ReadError> {
    let source_path = join(path, "source");
    let source = block
        .object("source", path)?
        .ok_or_else(|| ReadError::missing(path, "source"))?;
    let kind = source.required_text("type", &source_path)?;
    let source = match kind.escaped() {
        "base64" => Source::Base64 {
            media_type: source.required_text("media_type", &source_path)?,
            data: source.required_text("data", &source_path)?,
        },
        "url" => Source::Url(source.required_text("url", &source_path)?),
        "text" => Source::Text(source.required_text("data", &source_path)?),
        _ => {
            return Err(ReadError::member(
                &source_path,
                "type",
                "'base64', 'url' or 'text'",
            ));
        }
    };
    Ok(Attachment {
        source,
        name: block.text("title", path)?,
        detail: None,
    })
}

fn tool<'a>(raw: &'a RawValue, path: &str) -> Result<Tool<'a>, ReadError> {
    let definition = Object::read(raw, path)?;
    let kind = definition.text("type", path)?;
    Ok(Tool {
        name: definition.required_text("name", path)?,
        description: definition.text("description", path)?,
        schema: definition
            .get("input_schema")
            .filter(|schema| json::is_object(schema)),
        strict: definition.boolean("strict", path)?,
        cache: cache(&definition, path)?,
        vendor_type: kind.filter(|kind| kind.escaped() != "custom"),
        raw: definition,
    })
}

fn tool_choice<'a>(conversation: &mut Conversation<'a>, choice: &Object<'a>) -> Result<(), ReadError> {
    let path = "tool_choice";
    let kind = choice.required_text("type", path)?;
    conversation.tool_choice = Some(match kind.escaped() {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "any" => ToolChoice::Required,
        "tool" => ToolChoice::Named(choice.required_text("name", path)?),
        _ => return Err(ReadError::member(path, "type", "'auto', 'any', 'tool' or 'none'")),
    });
    conversation.parallel_tool_calls = choice
        .boolean("disable_parallel_tool_use", path)?
        .map(|disabled| !disabled);
    Ok(())
}

fn thinking_of(thinking: &Object<'_>) -> Result<Option<Thinking>, ReadError> {
    let kind = thinking.required_text("type", "thinking")?;
    Ok(match kind.escaped() {
        "enabled" => Some(Thinking::Budget(
            thinking
                .count("budget_tokens", "thinking")?
                .ok_or_else(|| ReadError::missing("thinking", "budget_tokens"))?,
        )),
        "adaptive" => Some(Thinking::Adaptive),
        "disabled" => Some(Thinking::Disabled),
        _ => {
            return Err(ReadError::member(
                "thinking",
                "type",
                "'enabled', 'adaptive' or 'disabled'",
            ));
        }
    })
}

fn response_format<'a>(format: &Object<'a>) -> Result<Option<ResponseFormat<'a>>, ReadError> {
    let path = "output_config.format";
    if !format.required_text("type", path)?.is("json_schema") {
        return Err(ReadError::member(path, "type", "'json_schema'"));
    }
    let schema = format.get("schema").filter(|schema| json::is_object(schema));
    let schema = schema.ok_or_else(|| ReadError::member(path, "schema", "an object"))?;
    Ok(Some(ResponseFormat::JsonSchema {
        name: None,
        description: None,
        schema,
        strict: Some(true),
    }))
}
