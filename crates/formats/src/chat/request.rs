//! Reads a Chat Completions request (agents.md §3).

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::conversation::{
    Attachment, Cache, Content, Conversation, Effort, Part, ResponseFormat, Role, Source, Thinking, Tool,
    ToolCall, ToolChoice, ToolResult, Turn,
};
use crate::error::join;
use crate::json::{self, Object, Text};
use crate::{AgentFormat, ReadError};

/// Sampling parameters of Chat Completions.
const PARAMETERS: [&str; 10] = [
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "seed",
    "n",
    "user",
];

/// Members that are read into the conversation; any other is left out on the way to another format.
pub(crate) const UNDERSTOOD: [&str; 22] = [
    "model",
    "messages",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "stream",
    "stream_options",
    "reasoning_effort",
    "response_format",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "seed",
    "n",
    "user",
];

/// Reads a request.
///
/// # Errors
/// When a member is missing or of the wrong kind; the error names it.
pub(crate) fn read(body: Object<'_>) -> Result<Conversation<'_>, ReadError> {
    let mut conversation = Conversation::new(AgentFormat::ChatCompletions, body);
    let body = conversation.members.clone();
    conversation.stream = body.boolean("stream", "")?.unwrap_or(false);
    let max_tokens = body.count("max_completion_tokens", "")?;
    conversation.max_tokens = max_tokens.or(body.count("max_tokens", "")?);
    conversation.parallel_tool_calls = body.boolean("parallel_tool_calls", "")?;
    conversation.parameters = PARAMETERS
        .iter()
        .filter_map(|name| body.get(name).map(|value| (*name, value)))
        .collect();
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
    if let Some(stop) = body.get("stop") {
        conversation.stop = stop_sequences(stop)?;
    }
    if let Some(choice) = body.get("tool_choice") {
        conversation.tool_choice = Some(tool_choice(choice)?);
    }
    if let Some(effort) = body.text("reasoning_effort", "")? {
        conversation.effort = Effort::from_word(&effort.decode());
        conversation.thinking = match conversation.effort {
            None => None,
            Some(Effort::None) => Some(Thinking::Disabled),
            Some(_) => Some(Thinking::Adaptive),
        };
    }
    if let Some(format) = body.object("response_format", "")? {
        conversation.response_format = response_format(&format)?;
    }
    Ok(conversation)
}

/// Whether the agent asked for the chunk that carries the usage.
///
/// # Errors
/// When `stream_options` is of the wrong kind.
pub(crate) fn include_usage(body: &Object<'_>) -> Result<bool, ReadError> {
    let options = body.object("stream_options", "")?;
    Ok(options
        .map_or(Ok(None), |options| {
            options.boolean("include_usage", "stream_options")
        })?
        .unwrap_or(false))
}

fn turn<'a>(raw: &'a RawValue, path: &str) -> Result<Turn<'a>, ReadError> {
    let message = Object::read(raw, path)?;
    let role = message.required_text("role", path)?;
    let content_path = join(path, "content");
    let content = |required: bool| match message.get("content") {
        Some(content) => parts(content, &content_path),
        None if required => Err(ReadError::missing(path, "content")),
        None => Ok(Vec::new()),
    };
    let (role, parts) = match role.escaped() {
        "system" | "developer" => (Role::System, content(true)?),
        "user" => (Role::User, content(true)?),
        "assistant" => {
            let mut parts = content(false)?;
            for (position, call) in message
                .list("tool_calls", path)?
                .unwrap_or_default()
                .into_iter()
                .enumerate()
            {
                parts.push(tool_call(call, &format!("{path}.tool_calls.{position}"))?);
            }
            (Role::Assistant, parts)
        }
        "tool" => {
            let result = ToolResult {
                call: message.required_text("tool_call_id", path)?,
                parts: content(false)?,
                is_error: false,
            };
            let part = Part {
                content: Content::ToolResult(result),
                cache: None,
                raw: Some(message),
            };
            return Ok(Turn {
                role: Role::User,
                parts: vec![part],
                raw: None,
            });
        }
        _ => {
            return Err(ReadError::member(
                path,
                "role",
                "'system', 'developer', 'user', 'assistant' or 'tool'",
            ));
        }
    };
    Ok(Turn {
        role,
        parts,
        raw: Some(message),
    })
}

/// A string, or a list of content parts.
fn parts<'a>(raw: &'a RawValue, path: &str) -> Result<Vec<Part<'a>>, ReadError> {
    if let Some(text) = Text::from_raw(raw) {
        return Ok(vec![Part::text(text)]);
    }
    let blocks = json::list(raw).ok_or_else(|| ReadError::expected(path, "a string or a list of parts"))?;
    blocks
        .into_iter()
        .enumerate()
        .map(|(position, block)| part(block, &format!("{path}.{position}")))
        .collect()
}

fn part<'a>(raw: &'a RawValue, path: &str) -> Result<Part<'a>, ReadError> {
    let block = Object::read(raw, path)?;
    let kind = block.required_text("type", path)?;
    let content = match kind.escaped() {
        "text" => Content::Text(block.required_text("text", path)?),
        "refusal" => Content::Text(block.required_text("refusal", path)?),
        "image_url" => {
            let image = block
                .object("image_url", path)?
                .ok_or_else(|| ReadError::missing(path, "image_url"))?;
            let image_path = join(path, "image_url");
            Content::Image(Attachment {
                source: source(image.required_text("url", &image_path)?),
                name: None,
                detail: image.text("detail", &image_path)?,
            })
        }
        "file" => {
            let file = block
                .object("file", path)?
                .ok_or_else(|| ReadError::missing(path, "file"))?;
            let file_path = join(path, "file");
            match file.text("file_data", &file_path)? {
                Some(data) => Content::File(Attachment {
                    source: source(data),
                    name: file.text("filename", &file_path)?,
                    detail: None,
                }),
                // A file that only the vendor's file store knows.
                None => Content::Other { kind },
            }
        }
        _ => Content::Other { kind },
    };
    // Not OpenAI's, but agents that know Claude behind a Chat Completions endpoint set it.
    let cache = match block.object("cache_control", path)? {
        Some(mark) => Some(Cache {
            ttl: mark.text("ttl", "cache_control")?,
        }),
        None => None,
    };
    Ok(Part {
        content,
        cache,
        raw: None,
    })
}

/// A data URL is taken apart; any other address stays one.
fn source(url: Text<'_>) -> Source<'_> {
    let parts = url
        .escaped()
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(";base64,"));
    match parts {
        Some((media_type, data)) => Source::Base64 {
            // Parts of a literal without quotes are literals once they are quoted again.
            media_type: Text::from_escaped(media_type.split(';').next().unwrap_or(media_type)),
            data: Text::from_escaped(data),
        },
        None => Source::Url(url),
    }
}

fn tool_call<'a>(raw: &'a RawValue, path: &str) -> Result<Part<'a>, ReadError> {
    let call = Object::read(raw, path)?;
    let Some(function) = call.object("function", path)? else {
        return Err(ReadError::new(
            join(path, "function"),
            "is required; only function calls can be sent back",
        ));
    };
    let function_path = join(path, "function");
    let arguments = function
        .text("arguments", &function_path)?
        .as_ref()
        .and_then(arguments_of);
    Ok(Part::made(Content::ToolCall(ToolCall {
        id: call.required_text("id", path)?,
        name: function.required_text("name", &function_path)?,
        broken: arguments.is_none(),
        arguments: arguments.map_or(Cow::Borrowed("{}"), Cow::Owned),
    })))
}

/// The arguments as the JSON text of an object; nothing when the model left them empty or broken, because services
/// answer 500 to such a text (sap-wire.md §4.1).
fn arguments_of(arguments: &Text<'_>) -> Option<String> {
    let decoded = arguments.decode();
    let value = serde_json::from_str::<&RawValue>(&decoded)
        .ok()
        .filter(|value| json::is_object(value))?;
    Some(value.get().to_owned())
}

fn tool<'a>(raw: &'a RawValue, path: &str) -> Result<Tool<'a>, ReadError> {
    let definition = Object::read(raw, path)?;
    let kind = definition.text("type", path)?.filter(|kind| !kind.is("function"));
    let Some(function) = definition.object("function", path)? else {
        let name = kind.clone().ok_or_else(|| ReadError::missing(path, "function"))?;
        return Ok(Tool {
            name,
            description: None,
            schema: None,
            strict: None,
            cache: None,
            vendor_type: kind,
            raw: definition,
        });
    };
    let function_path = join(path, "function");
    Ok(Tool {
        name: function.required_text("name", &function_path)?,
        description: function.text("description", &function_path)?,
        schema: function
            .get("parameters")
            .filter(|schema| json::is_object(schema)),
        strict: function.boolean("strict", &function_path)?,
        cache: None,
        vendor_type: kind,
        raw: definition,
    })
}

fn stop_sequences(raw: &RawValue) -> Result<Vec<Text<'_>>, ReadError> {
    if let Some(text) = Text::from_raw(raw) {
        return Ok(vec![text]);
    }
    let wrong = || ReadError::expected("stop", "a string or a list of strings");
    json::list(raw)
        .ok_or_else(wrong)?
        .into_iter()
        .map(|text| Text::from_raw(text).ok_or_else(wrong))
        .collect()
}

fn tool_choice(raw: &RawValue) -> Result<ToolChoice<'_>, ReadError> {
    let expected = "'auto', 'none', 'required' or a function";
    if let Some(word) = Text::from_raw(raw) {
        return match word.escaped() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Required),
            _ => Err(ReadError::expected("tool_choice", expected)),
        };
    }
    let choice = Object::read(raw, "tool_choice")?;
    match choice.object("function", "tool_choice")? {
        Some(function) => Ok(ToolChoice::Named(
            function.required_text("name", "tool_choice.function")?,
        )),
        None => Err(ReadError::expected("tool_choice", expected)),
    }
}

fn response_format<'a>(format: &Object<'a>) -> Result<Option<ResponseFormat<'a>>, ReadError> {
    let kind = format.required_text("type", "response_format")?;
    match kind.escaped() {
        "text" => Ok(None),
        "json_object" => Ok(Some(ResponseFormat::JsonObject)),
        "json_schema" => {
            let path = "response_format.json_schema";
            let schema = format.object("json_schema", "response_format")?;
            let definition = schema.ok_or_else(|| ReadError::missing("response_format", "json_schema"))?;
            let Some(schema) = definition.get("schema").filter(|schema| json::is_object(schema)) else {
                return Ok(Some(ResponseFormat::JsonObject));
            };
            Ok(Some(ResponseFormat::JsonSchema {
                name: definition.text("name", path)?,
                description: definition.text("description", path)?,
                schema,
                strict: definition.boolean("strict", path)?,
            }))
        }
        _ => Err(ReadError::member(
            "response_format",
            "type",
            "'text', 'json_object' or 'json_schema'",
        )),
    }
}
