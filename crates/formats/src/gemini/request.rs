//! Reads a request (agents.md §3). Google reads members with capitals inside (`topK`) or with
//! underscores (`top_k`), and its SDKs mix both.

use crate::conversation::{Conversation, Effort, Part, ResponseFormat, Thinking, Tool, ToolChoice};
use crate::error::Path;
use crate::gemini::contents::{Calls, parts, turn};
use crate::json::{Object, Text, Value};
use crate::{AgentFormat, ReadError, sampling};

/// Members that are read into the conversation; any other is left out on the way to another format.
pub(crate) const UNDERSTOOD: [&str; 9] = [
    "contents",
    "systemInstruction",
    "system_instruction",
    "tools",
    "toolConfig",
    "tool_config",
    "generationConfig",
    "generation_config",
    // The path names it.
    "model",
];

/// Members of `generationConfig` that are read into the conversation, as Google spells them.
const GENERATION_UNDERSTOOD: [&str; 7] = [
    "maxOutputTokens",
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "thinkingConfig",
    // An older name of `responseJsonSchema`.
    "_responseJsonSchema",
];

/// Sampling parameters: how Gemini spells them, and the name that Chat Completions and Messages share.
pub(crate) const PARAMETERS: [(&str, &str); 9] = [
    ("temperature", "temperature"),
    ("topP", "top_p"),
    ("topK", "top_k"),
    ("presencePenalty", "presence_penalty"),
    ("frequencyPenalty", "frequency_penalty"),
    ("seed", "seed"),
    ("candidateCount", "n"),
    ("responseLogprobs", "logprobs"),
    ("logprobs", "top_logprobs"),
];

/// Reads a request. The path says whether the answer shall stream.
///
/// # Errors
/// When a member is missing or of the wrong kind; the error names it.
pub(crate) fn read(body: Object<'_>) -> Result<Conversation<'_>, ReadError> {
    let path = &Path::Body;
    let mut conversation = Conversation::new(AgentFormat::Gemini, body);
    if let Some(system) = member(body, "systemInstruction", "system_instruction") {
        let path = &path.member("systemInstruction");
        conversation.system = match system.text() {
            Some(text) => vec![Part::text(text)],
            None => parts(object(system, path)?, path, &mut Calls::default())?,
        };
    }
    let contents_path = &path.member("contents");
    let contents = body
        .get("contents")
        .ok_or_else(|| ReadError::missing(contents_path))?;
    let mut calls = Calls::default();
    for (position, content) in entries(contents, contents_path)?.into_iter().enumerate() {
        let path = &contents_path.entry(position);
        conversation
            .turns
            .push(turn(object(content, path)?, path, &mut calls)?);
    }
    if conversation.turns.is_empty() {
        return Err(ReadError::new("contents", "at least one content is required"));
    }
    if let Some(tools) = body.get("tools") {
        let path = &path.member("tools");
        for (position, tool) in entries(tools, path)?.into_iter().enumerate() {
            let path = &path.entry(position);
            read_tools(object(tool, path)?, path, &mut conversation)?;
        }
    }
    if let Some(config) = member(body, "toolConfig", "tool_config") {
        tool_choice(config, &path.member("toolConfig"), &mut conversation)?;
    }
    if let Some(config) = generation_config(body) {
        read_generation_config(config, &path.member("generationConfig"), &mut conversation)?;
    }
    Ok(conversation)
}

/// What `countTokens` asks about: the contents themselves, or a whole request in `generateContentRequest`.
pub(crate) fn counted(body: Object<'_>) -> Object<'_> {
    let whole = member(body, "generateContentRequest", "generate_content_request");
    whole.and_then(Value::object).unwrap_or(body)
}

/// Reports what nobody read of `generationConfig`; the members of the body itself are reported as those of other formats.
pub(crate) fn report_unread(conversation: &mut Conversation<'_>) {
    let Some(config) = generation_config(conversation.members) else {
        return;
    };
    for (name, value) in unread_generation_members(config) {
        if !value.is_null() {
            conversation.drop_reported(format!("generationConfig.{name}"));
        }
    }
}

/// The members of `generationConfig` that the conversation has no place for, their names as Google spells them.
pub(crate) fn unread_generation_members(config: Object<'_>) -> impl Iterator<Item = (String, Value<'_>)> {
    config.members().filter_map(|(name, value)| {
        let name = camel(&name.decode());
        let is_read = GENERATION_UNDERSTOOD.contains(&name.as_str())
            || PARAMETERS.iter().any(|(parameter, _)| *parameter == name);
        (!is_read).then_some((name, value))
    })
}

/// How Gemini spells a sampling parameter.
pub(crate) fn spelled(shared: &'static str) -> &'static str {
    let own = PARAMETERS.iter().find(|(_, name)| *name == shared);
    own.map_or(shared, |(own, _)| own)
}

/// The request's `generationConfig`.
pub(crate) fn generation_config(body: Object<'_>) -> Option<Object<'_>> {
    member(body, "generationConfig", "generation_config").and_then(Value::object)
}

/// A member in either spelling.
pub(crate) fn member<'a>(object: Object<'a>, camel: &str, snake: &str) -> Option<Value<'a>> {
    object.get(camel).or_else(|| object.get(snake))
}

/// A name as Google spells it: `top_k` is `topK`. A leading underscore stays.
pub(crate) fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut raise = false;
    for letter in name.chars() {
        if letter == '_' && !out.is_empty() {
            raise = true;
        } else if raise {
            raise = false;
            out.extend(letter.to_uppercase());
        } else {
            out.push(letter);
        }
    }
    out
}

pub(super) fn object<'a>(value: Value<'a>, path: &Path<'_>) -> Result<Object<'a>, ReadError> {
    value
        .object()
        .ok_or_else(|| ReadError::expected(path, "an object"))
}

pub(super) fn text<'a>(value: Value<'a>, path: &Path<'_>) -> Result<Text<'a>, ReadError> {
    value.text().ok_or_else(|| ReadError::expected(path, "a string"))
}

/// The entries of a list, or the one object that stands in its place (sap-wire.md §3.5).
pub(super) fn entries<'a>(value: Value<'a>, path: &Path<'_>) -> Result<Vec<Value<'a>>, ReadError> {
    if value.object().is_some() {
        return Ok(vec![value]);
    }
    let list = value.list().ok_or_else(|| ReadError::expected(path, "a list"))?;
    Ok(list.collect())
}

/// An entry of `tools`: declarations of functions, or what only Google runs, which stands for a tool of its own.
fn read_tools<'a>(
    entry: Object<'a>,
    path: &Path<'_>,
    conversation: &mut Conversation<'a>,
) -> Result<(), ReadError> {
    for (kind, value) in entry.members().filter(|(_, value)| !value.is_null()) {
        if !kind.is("functionDeclarations") && !kind.is("function_declarations") {
            conversation.tools.push(Tool {
                name: kind.clone(),
                description: None,
                schema: None,
                strict: None,
                cache: None,
                vendor_type: Some(kind),
                raw: entry,
            });
            continue;
        }
        let path = &path.member("functionDeclarations");
        for (position, declaration) in entries(value, path)?.into_iter().enumerate() {
            let path = &path.entry(position);
            let declaration = object(declaration, path)?;
            let schema = member(declaration, "parametersJsonSchema", "parameters_json_schema");
            conversation.tools.push(Tool {
                name: declaration.required_text("name", path)?,
                description: declaration.text("description", path)?,
                schema: schema
                    .or_else(|| declaration.get("parameters"))
                    .filter(|schema| schema.object().is_some()),
                strict: None,
                cache: None,
                vendor_type: None,
                raw: declaration,
            });
        }
    }
    Ok(())
}

fn tool_choice<'a>(
    config: Value<'a>,
    path: &Path<'_>,
    conversation: &mut Conversation<'a>,
) -> Result<(), ReadError> {
    let config = object(config, path)?;
    let path = &path.member("functionCallingConfig");
    let Some(calling) = member(config, "functionCallingConfig", "function_calling_config") else {
        return Ok(());
    };
    let calling = object(calling, path)?;
    let allowed = match member(calling, "allowedFunctionNames", "allowed_function_names") {
        Some(names) => entries(names, &path.member("allowedFunctionNames"))?,
        None => Vec::new(),
    };
    let mode = calling.text("mode", path)?;
    let mode = mode.as_ref().map(Text::decode).unwrap_or_default();
    conversation.tool_choice = match (mode.to_ascii_uppercase().as_str(), allowed.as_slice()) {
        ("ANY", [only]) => Some(ToolChoice::Named(text(
            *only,
            &path.member("allowedFunctionNames"),
        )?)),
        ("ANY", _) => Some(ToolChoice::Required),
        ("NONE", _) => Some(ToolChoice::None),
        ("AUTO" | "VALIDATED", _) => Some(ToolChoice::Auto),
        ("" | "MODE_UNSPECIFIED", _) => None,
        _ => {
            return Err(ReadError::expected(
                &path.member("mode"),
                "'AUTO', 'ANY', 'NONE' or 'VALIDATED'",
            ));
        }
    };
    Ok(())
}

fn read_generation_config<'a>(
    config: Object<'a>,
    path: &Path<'_>,
    conversation: &mut Conversation<'a>,
) -> Result<(), ReadError> {
    for (name, value) in config.members().filter(|(_, value)| !value.is_null()) {
        let name = camel(&name.decode());
        if let Some((_, shared)) = PARAMETERS.iter().find(|(parameter, _)| *parameter == name) {
            conversation.parameters.push((shared, value));
        }
    }
    conversation.max_tokens = match config.get("maxOutputTokens") {
        Some(_) => sampling::read_limit(config.member("maxOutputTokens"), path)?,
        None => sampling::read_limit(config.member("max_output_tokens"), path)?,
    };
    if let Some(stop) = member(config, "stopSequences", "stop_sequences") {
        let path = &path.member("stopSequences");
        let list = stop.list().ok_or_else(|| ReadError::expected(path, "a list"))?;
        for (position, sequence) in list.enumerate() {
            conversation.stop.push(text(sequence, &path.entry(position))?);
        }
    }
    let kind = member(config, "responseMimeType", "response_mime_type").and_then(Value::text);
    let schema = member(config, "responseJsonSchema", "response_json_schema")
        .or_else(|| member(config, "_responseJsonSchema", "_response_json_schema"))
        .or_else(|| member(config, "responseSchema", "response_schema"));
    conversation.response_format = match schema.filter(|schema| schema.object().is_some()) {
        Some(schema) => Some(ResponseFormat::JsonSchema {
            name: None,
            description: None,
            schema,
            strict: None,
        }),
        None => kind
            .filter(|kind| kind.is("application/json"))
            .map(|_| ResponseFormat::JsonObject),
    };
    if let Some(thinking) = member(config, "thinkingConfig", "thinking_config") {
        let path = &path.member("thinkingConfig");
        read_thinking(object(thinking, path)?, path, conversation)?;
    }
    Ok(())
}

/// A budget (Gemini 2.5), a level (Gemini 3), or only the wish to see the thinking.
fn read_thinking(
    config: Object<'_>,
    path: &Path<'_>,
    conversation: &mut Conversation<'_>,
) -> Result<(), ReadError> {
    if let Some(level) = member(config, "thinkingLevel", "thinking_level") {
        let level = text(level, &path.member("thinkingLevel"))?;
        let level = level.decode().to_ascii_lowercase();
        conversation.effort = Effort::from_word(&level);
        conversation.thinking = conversation.effort.map(|_| Thinking::Adaptive);
        if conversation.effort.is_none() && level != "thinking_level_unspecified" {
            conversation.drop_reported("generationConfig.thinkingConfig.thinkingLevel");
        }
        return Ok(());
    }
    let wants_to_see = member(config, "includeThoughts", "include_thoughts");
    conversation.thinking = match member(config, "thinkingBudget", "thinking_budget") {
        Some(budget) => Some(match sampling::whole(budget.get()) {
            Some(-1) => Thinking::Adaptive,
            Some(0) => Thinking::Disabled,
            budget => {
                let wrong =
                    || ReadError::expected(&path.member("thinkingBudget"), "a whole number, -1 or more");
                let budget = budget.and_then(|budget| u64::try_from(budget).ok());
                Thinking::Budget(budget.ok_or_else(wrong)?)
            }
        }),
        None => wants_to_see
            .filter(|wanted| wanted.get() == "true")
            .map(|_| Thinking::Adaptive),
    };
    Ok(())
}
