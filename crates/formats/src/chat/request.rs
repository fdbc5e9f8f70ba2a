//! Reads a Chat Completions request (agents.md §3).

use std::borrow::Cow;

use crate::chat::functions::{self, FunctionCalls};
use crate::conversation::{
    Attachment, Cache, Content, Conversation, Effort, Part, ResponseFormat, Role, Source, Thinking, Tool,
    ToolCall, ToolChoice, ToolResult, Turn,
};
use crate::error::Path;
use crate::json::{Document, Object, Text, Value, replace_lone_surrogates};
use crate::signature::Signer;
use crate::{AgentFormat, ReadError, sampling};

/// Sampling and other plain parameters of Chat Completions.
const PARAMETERS: [&str; 11] = [
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
    "prompt_cache_key",
];

/// The types of parts that OpenAI takes (spec `chatCompletionRequest…MessageContentPart`).
const KNOWN_PARTS: [&str; 5] = ["text", "refusal", "image_url", "file", "input_audio"];

/// Members that are read into the conversation; any other is left out on the way to another format.
pub(crate) const UNDERSTOOD: [&str; 25] = [
    "model",
    "messages",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
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
    "prompt_cache_key",
];

/// Reads a request.
///
/// # Errors
/// When a member is missing or of the wrong kind; the error names it.
pub(crate) fn read(body: Object<'_>) -> Result<Conversation<'_>, ReadError> {
    let path = &Path::Body;
    let mut conversation = Conversation::new(AgentFormat::ChatCompletions, body);
    conversation.stream = body.boolean("stream", path)?.unwrap_or(false);
    let max_tokens = sampling::read_limit(body.member("max_completion_tokens"), path)?;
    conversation.max_tokens = max_tokens.or(sampling::read_limit(body.member("max_tokens"), path)?);
    conversation.parallel_tool_calls = body.boolean("parallel_tool_calls", path)?;
    conversation.parameters = PARAMETERS
        .iter()
        .filter_map(|name| body.get(name).map(|value| (*name, value)))
        .collect();
    let messages_path = &path.member("messages");
    let messages = body
        .list("messages", path)?
        .ok_or_else(|| ReadError::missing(messages_path))?;
    let mut calls = FunctionCalls::default();
    for (position, message) in messages.enumerate() {
        let path = &messages_path.entry(position);
        conversation.turns.push(turn(message, path, &mut calls)?);
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
    functions::read(body, path, &mut conversation)?;
    if let Some(stop) = body.get("stop") {
        conversation.stop = stop_sequences(stop, &path.member("stop"))?;
    }
    if let Some(choice) = body.get("tool_choice") {
        conversation.tool_choice = Some(tool_choice(choice, &path.member("tool_choice"))?);
    }
    if let Some(effort) = body.text("reasoning_effort", path)? {
        conversation.effort = Effort::from_word(&effort.decode());
        if conversation.effort.is_none() {
            conversation.drop_reported("reasoning_effort");
        }
        conversation.thinking = match conversation.effort {
            None => None,
            Some(Effort::None) => Some(Thinking::Disabled),
            Some(_) => Some(Thinking::Adaptive),
        };
    }
    if let Some(format) = body.object("response_format", path)? {
        conversation.response_format = response_format(format, &path.member("response_format"))?;
    }
    Ok(conversation)
}

/// Whether the agent asked for the chunk that carries the usage.
///
/// # Errors
/// When `stream_options` is of the wrong kind.
pub(crate) fn include_usage(body: Object<'_>) -> Result<bool, ReadError> {
    let path = &Path::Body;
    let Some(options) = body.object("stream_options", path)? else {
        return Ok(false);
    };
    Ok(options
        .boolean("include_usage", &path.member("stream_options"))?
        .unwrap_or(false))
}

fn turn<'a>(value: Value<'a>, path: &Path<'_>, calls: &mut FunctionCalls<'a>) -> Result<Turn<'a>, ReadError> {
    let message = value
        .object()
        .ok_or_else(|| ReadError::expected(path, "an object"))?;
    let role = message.required_text("role", path)?;
    let content_path = &path.member("content");
    let content = |required: bool| match message.get("content") {
        Some(content) => parts(content, content_path),
        None if required => Err(ReadError::missing(content_path)),
        None => Ok(Vec::new()),
    };
    // What is spelled in a form of its own can't be copied.
    let mut raw = Some(message);
    let (role, parts) = match &*role.decode() {
        "system" | "developer" => (Role::System, content(true)?),
        "user" => (Role::User, content(true)?),
        "assistant" => {
            let mut parts = content(false)?;
            if parts.is_empty() {
                parts.extend(message.text("refusal", path)?.map(Part::text));
            }
            if let Some(calls) = message.list("tool_calls", path)? {
                for (position, call) in calls.enumerate() {
                    parts.extend(thought_signature(call));
                    parts.push(tool_call(call, &path.member("tool_calls").entry(position))?);
                }
            }
            if let Some(call) = message.object("function_call", path)? {
                raw = None;
                parts.push(calls.read_call(call, &path.member("function_call"))?);
            }
            (Role::Assistant, parts)
        }
        role @ ("tool" | "function") => {
            let is_function = role == "function";
            let mut result = ToolResult {
                call: if is_function {
                    calls.answered_by(message, path)?
                } else {
                    message.required_text("tool_call_id", path)?
                },
                parts: content(false)?,
                is_error: false,
            };
            let is_plain = result.parts.iter().all(|part| part.raw.is_none());
            // A mark inside a result counts as one on it.
            let marks = result.parts.iter_mut().rev().filter_map(|part| part.cache.take());
            let cache = marks.last();
            let part = Part {
                content: Content::ToolResult(result),
                cache,
                raw: raw.filter(|_| !is_function && is_plain),
            };
            return Ok(Turn {
                role: Role::User,
                parts: vec![part],
                raw: None,
            });
        }
        _ => {
            let roles = "'system', 'developer', 'user', 'assistant', 'tool' or 'function'";
            return Err(ReadError::expected(&path.member("role"), roles));
        }
    };
    let is_plain = parts.iter().all(|part| part.raw.is_none());
    Ok(Turn {
        role,
        parts,
        raw: raw.filter(|_| is_plain),
    })
}

/// A string, or a list of content parts. One that OpenAI would refuse keeps what it came as.
fn parts<'a>(value: Value<'a>, path: &Path<'_>) -> Result<Vec<Part<'a>>, ReadError> {
    Part::read_all(value, path, "a string or a list of parts", part)
}

fn part<'a>(value: Value<'a>, path: &Path<'_>) -> Result<Part<'a>, ReadError> {
    let block = value
        .object()
        .ok_or_else(|| ReadError::expected(path, "an object"))?;
    let kind = block.required_text("type", path)?;
    let is_known = KNOWN_PARTS.contains(&kind.escaped());
    let content = match &*kind.decode() {
        // The latter two are Responses' words, which agents that speak both mix up.
        "text" | "input_text" | "output_text" => Content::Text(block.required_text("text", path)?),
        "refusal" => Content::Text(block.required_text("refusal", path)?),
        "image_url" => {
            let path = &path.member("image_url");
            let image = block.get("image_url").and_then(Value::object);
            let image = image.ok_or_else(|| ReadError::expected(path, "an object"))?;
            Content::Image(Attachment {
                source: source(image.required_text("url", path)?),
                name: None,
                detail: image.text("detail", path)?,
            })
        }
        "file" => {
            let path = &path.member("file");
            let file = block.get("file").and_then(Value::object);
            let file = file.ok_or_else(|| ReadError::expected(path, "an object"))?;
            match file.text("file_data", path)? {
                Some(data) => Content::File(Attachment {
                    source: source(data),
                    name: file.text("filename", path)?,
                    detail: None,
                }),
                // A file that only the vendor's file store knows.
                None => Content::Other { kind },
            }
        }
        _ => Content::Other { kind },
    };
    // Not OpenAI's, but agents that know Claude behind a Chat Completions endpoint set it.
    let cache = Cache::read(block, path)?;
    Ok(Part {
        content,
        cache,
        raw: (!is_known).then_some(block),
    })
}

/// A data URL is taken apart; any other address stays one.
pub(crate) fn source(url: Text<'_>) -> Source<'_> {
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

/// Google's signature on a call, where its own OpenAI-compatible API has it.
fn thought_signature(call: Value<'_>) -> Option<Part<'_>> {
    let extra = call.object()?.get("extra_content")?.object()?;
    let signature = extra.get("google")?.object()?.get("thought_signature")?.text()?;
    Some(Part::made(Content::Thinking {
        text: Text::of(""),
        signature: Some(Signer::Google.sign(&signature)),
    }))
}

fn tool_call<'a>(value: Value<'a>, path: &Path<'_>) -> Result<Part<'a>, ReadError> {
    let call = value
        .object()
        .ok_or_else(|| ReadError::expected(path, "an object"))?;
    let function_path = &path.member("function");
    let Some(function) = call.object("function", path)? else {
        return Err(ReadError::new(
            function_path.to_string(),
            "is required; only function calls can be sent back",
        ));
    };
    let arguments = function.text("arguments", function_path)?;
    let arguments = arguments.as_ref().and_then(arguments_of);
    // SDKs send back what they have added to the answer, like `parsed_arguments`.
    let known = |object: Object<'_>, names: &[&str]| {
        object.members().all(|(name, _)| names.contains(&name.escaped()))
    };
    let plain = known(call, &["id", "type", "function"]) && known(function, &["name", "arguments"]);
    Ok(Part::made(Content::ToolCall(ToolCall {
        id: call.required_text("id", path)?,
        name: function.required_text("name", function_path)?,
        untidy: arguments.is_none() || !plain,
        arguments: arguments.map_or(Cow::Borrowed("{}"), Cow::Owned),
    })))
}

/// The arguments as the JSON text of an object; nothing when the model left them empty or broken, because services
/// answer 500 to such a text (sap-wire.md §4.1).
pub(crate) fn arguments_of(arguments: &Text<'_>) -> Option<String> {
    let decoded = arguments.decode();
    let decoded = replace_lone_surrogates(&decoded);
    let document = Document::read(&decoded).ok()?;
    document.root().object()?;
    Some(document.root().get().to_owned())
}

fn tool<'a>(value: Value<'a>, path: &Path<'_>) -> Result<Tool<'a>, ReadError> {
    let definition = value
        .object()
        .ok_or_else(|| ReadError::expected(path, "an object"))?;
    let kind = definition.text("type", path)?.filter(|kind| !kind.is("function"));
    let path = &path.member("function");
    let Some(function) = definition.get("function").and_then(Value::object) else {
        return Ok(Tool {
            name: kind.clone().ok_or_else(|| ReadError::missing(path))?,
            description: None,
            schema: None,
            strict: None,
            cache: None,
            vendor_type: kind,
            raw: definition,
        });
    };
    Ok(Tool {
        vendor_type: kind,
        ..function_tool(function, definition, path)?
    })
}

/// A tool whose function stands in `definition`, or is it.
pub(super) fn function_tool<'a>(
    function: Object<'a>,
    definition: Object<'a>,
    path: &Path<'_>,
) -> Result<Tool<'a>, ReadError> {
    Ok(Tool {
        name: function.required_text("name", path)?,
        description: function.text("description", path)?,
        schema: function
            .get("parameters")
            .filter(|schema| schema.object().is_some()),
        strict: function.boolean("strict", path)?,
        cache: None,
        vendor_type: None,
        raw: definition,
    })
}

fn stop_sequences<'a>(value: Value<'a>, path: &Path<'_>) -> Result<Vec<Text<'a>>, ReadError> {
    if let Some(text) = value.text() {
        return Ok(vec![text]);
    }
    let wrong = || ReadError::expected(path, "a string or a list of strings");
    value
        .list()
        .ok_or_else(wrong)?
        .map(|text| text.text().ok_or_else(wrong))
        .collect()
}

/// A word, a function, or one of the newer forms: a list of allowed tools says how to choose among them, and a choice that
/// only the vendor knows is left to the model.
pub(super) fn tool_choice<'a>(value: Value<'a>, path: &Path<'_>) -> Result<ToolChoice<'a>, ReadError> {
    let wrong = || ReadError::expected(path, "'auto', 'none', 'required' or a function");
    if let Some(word) = value.text() {
        return match &*word.decode() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" | "any" => Ok(ToolChoice::Required),
            _ => Err(wrong()),
        };
    }
    let choice = value.object().ok_or_else(wrong)?;
    for member in ["function", "custom"] {
        if let Some(named) = choice.get(member).and_then(Value::object) {
            return Ok(ToolChoice::Named(
                named.required_text("name", &path.member("function"))?,
            ));
        }
    }
    if let Some(name) = choice.text("name", path)? {
        return Ok(ToolChoice::Named(name));
    }
    let allowed = choice.object("allowed_tools", path)?;
    let mode = allowed.map_or(Ok(None), |allowed| {
        allowed.text("mode", &path.member("allowed_tools"))
    })?;
    Ok(if mode.is_some_and(|mode| mode.is("required")) {
        ToolChoice::Required
    } else {
        ToolChoice::Auto
    })
}

fn response_format<'a>(format: Object<'a>, path: &Path<'_>) -> Result<Option<ResponseFormat<'a>>, ReadError> {
    let kind = format.required_text("type", path)?;
    match &*kind.decode() {
        "text" => Ok(None),
        "json_object" => Ok(Some(ResponseFormat::JsonObject)),
        "json_schema" => {
            let schema_path = &path.member("json_schema");
            let definition = format.object("json_schema", path)?;
            let definition = definition.ok_or_else(|| ReadError::missing(schema_path))?;
            let Some(schema) = definition
                .get("schema")
                .filter(|schema| schema.object().is_some())
            else {
                return Ok(Some(ResponseFormat::JsonObject));
            };
            Ok(Some(ResponseFormat::JsonSchema {
                name: definition.text("name", schema_path)?,
                description: definition.text("description", schema_path)?,
                schema,
                strict: definition.boolean("strict", schema_path)?,
            }))
        }
        _ => Err(ReadError::expected(
            &path.member("type"),
            "'text', 'json_object' or 'json_schema'",
        )),
    }
}
