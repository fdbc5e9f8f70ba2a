//! The items of a Responses request's input: messages, calls and their results, reasoning.
//!
//! Each part keeps the item that it came from, so that a writer of the same format sees which message it belongs to.

use std::borrow::Cow;

use crate::ReadError;
use crate::chat::request::{arguments_of, source};
use crate::conversation::{Attachment, Content, Conversation, Part, Role, ToolCall, ToolResult, Turn};
use crate::error::Path;
use crate::json::{Object, Text, Value};
use crate::responses::tools;
use crate::signature::signature_of;

/// Reads one item into the conversation. What the model said and called in a row is one turn of it.
///
/// # Errors
/// When a member is missing or of the wrong kind; the error names it.
pub(super) fn read<'a>(
    item: Value<'a>,
    path: &Path<'_>,
    conversation: &mut Conversation<'a>,
) -> Result<(), ReadError> {
    let item = item
        .object()
        .ok_or_else(|| ReadError::expected(path, "an object"))?;
    let kind = item.text("type", path)?.unwrap_or_else(|| {
        // A message need not say what it is, and an id alone refers to an item that was kept.
        let is_reference = item.get("role").is_none() && item.get("id").is_some();
        Text::of(if is_reference { "item_reference" } else { "message" })
    });
    let (role, content) = match &*kind.decode() {
        "message" => return read_message(item, path, conversation),
        // Its tools were read before.
        "additional_tools" => return Ok(()),
        "function_call" => {
            let arguments = item.text("arguments", path)?;
            let arguments = arguments.as_ref().and_then(arguments_of);
            (
                Role::Assistant,
                call(item, "name", arguments, path, conversation)?,
            )
        }
        "custom_tool_call" => {
            let input = item.required_text("input", path)?;
            let arguments = Some(format!("{{\"input\":{}}}", input.literal()));
            (
                Role::Assistant,
                call(item, "name", arguments, path, conversation)?,
            )
        }
        "tool_search_call" if item.get("call_id").is_some() => {
            let arguments = item.get("arguments").and_then(Value::object);
            let arguments = arguments.map(|arguments| arguments.literal().to_owned());
            (
                Role::Assistant,
                call(item, "type", arguments, path, conversation)?,
            )
        }
        "local_shell_call" if item.get("call_id").is_some() => {
            let action = item.get("action").and_then(Value::object);
            let arguments = action.map(|action| action.literal().to_owned());
            (
                Role::Assistant,
                call(item, "type", arguments, path, conversation)?,
            )
        }
        "function_call_output" | "custom_tool_call_output" | "local_shell_call_output" => {
            // A local shell's output names its call as its own id.
            let id = item.text("call_id", path)?;
            let id = if id.is_some() { id } else { item.text("id", path)? };
            let parts = match item.get("output") {
                Some(output) => Part::read_all(
                    output,
                    &path.member("output"),
                    "a string or a list of parts",
                    part,
                )?,
                None => Vec::new(),
            };
            (Role::User, result(id, parts, path)?)
        }
        "tool_search_output" if item.get("call_id").is_some() => {
            let parts = tools::found(item, path)?.into_iter().map(Part::text).collect();
            (Role::User, result(item.text("call_id", path)?, parts, path)?)
        }
        "reasoning" => (Role::Assistant, reasoning(item, path)?),
        _ => (Role::Assistant, Content::Other { kind }),
    };
    let part = Part {
        content,
        cache: None,
        raw: Some(item),
    };
    push(role, vec![part], conversation);
    Ok(())
}

fn push<'a>(role: Role, parts: Vec<Part<'a>>, conversation: &mut Conversation<'a>) {
    match conversation.turns.last_mut() {
        Some(last) if role == Role::Assistant && last.role == role => last.parts.extend(parts),
        _ => conversation.turns.push(Turn {
            role,
            parts,
            raw: None,
        }),
    }
}

fn read_message<'a>(
    item: Object<'a>,
    path: &Path<'_>,
    conversation: &mut Conversation<'a>,
) -> Result<(), ReadError> {
    let role = item.required_text("role", path)?;
    let role = match &*role.decode() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" | "developer" => Role::System,
        _ => {
            let roles = "'user', 'assistant', 'system' or 'developer'";
            return Err(ReadError::expected(&path.member("role"), roles));
        }
    };
    let path = &path.member("content");
    let content = item.get("content").ok_or_else(|| ReadError::missing(path))?;
    let mut parts = Part::read_all(content, path, "a string or a list of parts", part)?;
    for part in &mut parts {
        part.raw = Some(item);
    }
    push(role, parts, conversation);
    Ok(())
}

/// A part of a message or of a result.
fn part<'a>(value: Value<'a>, path: &Path<'_>) -> Result<Part<'a>, ReadError> {
    let block = value
        .object()
        .ok_or_else(|| ReadError::expected(path, "an object"))?;
    let kind = block.required_text("type", path)?;
    let attachment = |source, name| Attachment {
        source,
        name,
        detail: None,
    };
    Ok(Part::made(match &*kind.decode() {
        "input_text" | "output_text" | "text" => Content::Text(block.required_text("text", path)?),
        "refusal" => Content::Text(block.required_text("refusal", path)?),
        "input_image" => match block.text("image_url", path)? {
            Some(url) => Content::Image(Attachment {
                detail: block.text("detail", path)?,
                ..attachment(source(url), None)
            }),
            // A picture that only OpenAI's file store knows.
            None => Content::Other { kind },
        },
        "input_file" => {
            let name = block.text("filename", path)?;
            let data = block.text("file_data", path)?;
            let url = if data.is_some() {
                data
            } else {
                block.text("file_url", path)?
            };
            match url {
                Some(url) => Content::File(attachment(source(url), name)),
                None => Content::Other { kind },
            }
        }
        _ => Content::Other { kind },
    }))
}

/// A call of a tool whose name stands in the member `name`.
fn call<'a>(
    item: Object<'a>,
    name: &'static str,
    arguments: Option<String>,
    path: &Path<'_>,
    conversation: &Conversation<'a>,
) -> Result<Content<'a>, ReadError> {
    let name = match &*item.required_text(name, path)?.decode() {
        "tool_search_call" => Text::of("tool_search"),
        "local_shell_call" => Text::of("local_shell"),
        _ => item.required_text(name, path)?,
    };
    let namespace = item.text("namespace", path)?;
    Ok(Content::ToolCall(ToolCall {
        id: item.required_text("call_id", path)?,
        name: tools::called_name(namespace.as_ref(), name, conversation),
        untidy: arguments.is_none(),
        arguments: arguments.map_or(Cow::Borrowed("{}"), Cow::Owned),
    }))
}

fn result<'a>(
    call: Option<Text<'a>>,
    parts: Vec<Part<'a>>,
    path: &Path<'_>,
) -> Result<Content<'a>, ReadError> {
    Ok(Content::ToolResult(ToolResult {
        call: call.ok_or_else(|| ReadError::missing(&path.member("call_id")))?,
        parts,
        is_error: false,
    }))
}

/// What the model thought: the summary, or the thinking itself where a model shows it.
fn reasoning<'a>(item: Object<'a>, path: &Path<'_>) -> Result<Content<'a>, ReadError> {
    let texts = |name| -> Result<Vec<Text<'a>>, ReadError> {
        let parts = item.list(name, path)?.into_iter().flatten();
        Ok(parts
            .filter_map(|part| part.object()?.get("text")?.text())
            .collect())
    };
    let mut said = texts("summary")?;
    if said.is_empty() {
        said = texts("content")?;
    }
    let encrypted = item.text("encrypted_content", path)?;
    Ok(Content::Thinking {
        text: if said.is_empty() {
            Text::of("")
        } else {
            Text::join(&said, "\n\n")
        },
        signature: encrypted
            .filter(|encrypted| !encrypted.is_empty())
            .map(|encrypted| signature_of(&encrypted)),
    })
}
