//! Reads a request (agents.md §3). Google reads members with capitals inside (`topK`) or with
//! underscores (`top_k`), and its SDKs mix both.

use std::borrow::Cow;

use crate::conversation::{
    Attachment, Content, Conversation, Effort, Part, ResponseFormat, Role, Source, Thinking, Tool, ToolCall,
    ToolChoice, ToolResult, Turn,
};
use crate::error::Path;
use crate::json::{Object, Text, Value, around};
use crate::{AgentFormat, ReadError, sampling, signature};

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

/// The longest id of a tool call that every vendor takes (OpenAI's limit).
const LONGEST_ID: usize = 40;

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

fn object<'a>(value: Value<'a>, path: &Path<'_>) -> Result<Object<'a>, ReadError> {
    value
        .object()
        .ok_or_else(|| ReadError::expected(path, "an object"))
}

fn text<'a>(value: Value<'a>, path: &Path<'_>) -> Result<Text<'a>, ReadError> {
    value.text().ok_or_else(|| ReadError::expected(path, "a string"))
}

/// The entries of a list, or the one object that stands in its place (sap-wire.md §3.5).
fn entries<'a>(value: Value<'a>, path: &Path<'_>) -> Result<Vec<Value<'a>>, ReadError> {
    if value.object().is_some() {
        return Ok(vec![value]);
    }
    let list = value.list().ok_or_else(|| ReadError::expected(path, "a list"))?;
    Ok(list.collect())
}

/// The calls of tools so far. Google's ids are optional: without them results answer by name and order.
#[derive(Default)]
struct Calls<'a> {
    /// How many calls there were.
    count: usize,
    /// Those that no result answers yet.
    open: Vec<OpenCall<'a>>,
}

struct OpenCall<'a> {
    /// The agent's own id.
    asked: Option<Text<'a>>,
    /// The id in the conversation.
    id: Text<'a>,
    name: Text<'a>,
}

impl<'a> Calls<'a> {
    /// Takes a call, and gives the id that it has in the conversation: the agent's, where every vendor takes it.
    fn call(&mut self, asked: Option<Text<'a>>, name: &Text<'a>) -> Text<'a> {
        self.count += 1;
        let is_plain = |id: &&Text<'a>| {
            let id = id.escaped().as_bytes();
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_';
            (1..=LONGEST_ID).contains(&id.len()) && id.iter().all(plain)
        };
        let id = match asked.as_ref().filter(is_plain) {
            Some(id) => id.clone(),
            None => Text::of(&format!("call_{}", self.count)),
        };
        self.open.push(OpenCall {
            asked,
            id: id.clone(),
            name: name.clone(),
        });
        id
    }

    /// The call that a result answers; an empty id where there is none, so that the result is left out.
    fn answer(&mut self, asked: Option<&Text<'a>>, name: Option<&Text<'a>>) -> Text<'a> {
        let by_id = |open: &OpenCall<'a>| asked.is_some() && open.asked.as_ref() == asked;
        let by_name = |open: &OpenCall<'a>| name.is_some_and(|name| open.name == *name);
        let place = self.open.iter().position(by_id);
        match place.or_else(|| self.open.iter().position(by_name)) {
            Some(place) => self.open.remove(place).id,
            None => Text::of(""),
        }
    }
}

fn turn<'a>(content: Object<'a>, path: &Path<'_>, calls: &mut Calls<'a>) -> Result<Turn<'a>, ReadError> {
    let role = match content.text("role", path)? {
        None => Role::User,
        Some(role) => match &*role.decode() {
            "" | "user" | "function" | "tool" => Role::User,
            "model" => Role::Assistant,
            "system" => Role::System,
            _ => {
                return Err(ReadError::expected(&path.member("role"), "'user' or 'model'"));
            }
        },
    };
    Ok(Turn {
        role,
        parts: parts(content, path, calls)?,
        raw: None,
    })
}

/// The parts of a content. A signature stands on the part behind the thinking that it closes.
fn parts<'a>(
    content: Object<'a>,
    path: &Path<'_>,
    calls: &mut Calls<'a>,
) -> Result<Vec<Part<'a>>, ReadError> {
    let path = &path.member("parts");
    let Some(value) = content.get("parts") else {
        return Ok(Vec::new());
    };
    let mut read: Vec<Part<'a>> = Vec::new();
    for (position, value) in entries(value, path)?.into_iter().enumerate() {
        let path = &path.entry(position);
        let block = object(value, path)?;
        let mut content = part(block, path, calls)?;
        if let Some(Content::Thinking { text, .. }) = &content {
            think(text, &mut read);
            content = None;
        }
        if let Some(signature) = member(block, "thoughtSignature", "thought_signature") {
            sign(&text(signature, &path.member("thoughtSignature"))?, &mut read);
        }
        read.extend(content.map(|content| Part {
            raw: (!is_rewritten(&content, block)).then_some(block),
            content,
            cache: None,
        }));
    }
    Ok(read)
}

/// Whether the content of a part is no longer what stands in `block`.
fn is_rewritten(content: &Content<'_>, block: Object<'_>) -> bool {
    match content {
        Content::Image(Attachment { source, .. }) | Content::File(Attachment { source, .. }) => {
            matches!(source, Source::Base64 { data, .. } if around(block.literal(), data.literal()).is_none())
        }
        _ => false,
    }
}

/// Adds a piece of thinking. Agents gather a stream's pieces, or they don't.
fn think<'a>(piece: &Text<'a>, parts: &mut Vec<Part<'a>>) {
    match parts.last_mut().map(|part| &mut part.content) {
        Some(Content::Thinking {
            text,
            signature: None,
        }) => *text = Text::join(&[text.clone(), piece.clone()], ""),
        _ => parts.push(Part::made(Content::Thinking {
            text: piece.clone(),
            signature: None,
        })),
    }
}

/// Closes the thinking so far with a part's signature.
fn sign(field: &Text<'_>, parts: &mut Vec<Part<'_>>) {
    if field.is_empty() {
        return;
    }
    let given = Some(signature::from_google_field(field));
    match parts.last_mut().map(|part| &mut part.content) {
        Some(Content::Thinking {
            signature: signature @ None,
            ..
        }) => *signature = given,
        _ => parts.push(Part::made(Content::Thinking {
            text: Text::of(""),
            signature: given,
        })),
    }
}

/// What a part is; nothing where it only carries a signature.
fn part<'a>(
    block: Object<'a>,
    path: &Path<'_>,
    calls: &mut Calls<'a>,
) -> Result<Option<Content<'a>>, ReadError> {
    if let Some(text) = block.text("text", path)? {
        let is_thought = block.boolean("thought", path)?.unwrap_or(false);
        let signed = member(block, "thoughtSignature", "thought_signature").is_some();
        return Ok(match (is_thought, text.is_empty()) {
            (_, true) if signed => None,
            (true, _) => Some(Content::Thinking {
                text,
                signature: None,
            }),
            (false, _) => Some(Content::Text(text)),
        });
    }
    if let Some(data) = member(block, "inlineData", "inline_data") {
        return attachment(data, &path.member("inlineData"), "data", "data").map(Some);
    }
    if let Some(file) = member(block, "fileData", "file_data") {
        return attachment(file, &path.member("fileData"), "fileUri", "file_uri").map(Some);
    }
    if let Some(call) = member(block, "functionCall", "function_call") {
        let path = &path.member("functionCall");
        let call = object(call, path)?;
        let name = call.required_text("name", path)?;
        let arguments = call.get("args").filter(|args| args.object().is_some());
        return Ok(Some(Content::ToolCall(ToolCall {
            id: calls.call(call.text("id", path)?, &name),
            name,
            arguments: Cow::Borrowed(arguments.map_or("{}", Value::get)),
            untidy: false,
        })));
    }
    if let Some(response) = member(block, "functionResponse", "function_response") {
        let path = &path.member("functionResponse");
        return result(object(response, path)?, path, calls).map(Some);
    }
    let kind = block.members().find(|(name, value)| {
        !(value.is_null() || name.is("thoughtSignature") || name.is("thought_signature"))
    });
    Ok(kind.map(|(kind, _)| Content::Other { kind }))
}

/// A picture or a document. What no other vendor can see or read (sound, film) stays as it came.
fn attachment<'a>(
    value: Value<'a>,
    path: &Path<'_>,
    camel: &'static str,
    snake: &'static str,
) -> Result<Content<'a>, ReadError> {
    let file = object(value, path)?;
    let media_type = match member(file, "mimeType", "mime_type") {
        Some(media_type) => text(media_type, &path.member("mimeType"))?,
        None => return Err(ReadError::missing(&path.member("mimeType"))),
    };
    let content = member(file, camel, snake).ok_or_else(|| ReadError::missing(&path.member(camel)))?;
    let content = text(content, &path.member(camel))?;
    let is_of = |family: &str| media_type.escaped().starts_with(family);
    if is_of("audio/") || is_of("video/") {
        return Ok(Content::Other { kind: media_type });
    }
    let is_image = is_of("image/");
    let source = if camel == "data" {
        Source::Base64 {
            media_type,
            data: standard_base64(content),
        }
    } else {
        Source::Url(content)
    };
    let attachment = Attachment {
        source,
        name: member(file, "displayName", "display_name").and_then(Value::text),
        detail: None,
    };
    Ok(if is_image {
        Content::Image(attachment)
    } else {
        Content::File(attachment)
    })
}

/// Google takes both alphabets of base64, and its Python SDK writes the one for addresses; everybody else wants the other.
fn standard_base64(data: Text<'_>) -> Text<'_> {
    if memchr::memchr2(b'-', b'_', data.escaped().as_bytes()).is_none() {
        return data;
    }
    let mut standard = data.escaped().replace('-', "+").replace('_', "/");
    while !standard.len().is_multiple_of(4) {
        standard.push('=');
    }
    Text::from_escaped(&standard)
}

/// What a tool gave. Agents put a text into an object with one member; any other object goes as JSON.
fn result<'a>(
    response: Object<'a>,
    path: &Path<'_>,
    calls: &mut Calls<'a>,
) -> Result<Content<'a>, ReadError> {
    let name = response.text("name", path)?;
    let asked = response.text("id", path)?.filter(|id| !id.is_empty());
    let mut result = ToolResult {
        call: calls.answer(asked.as_ref(), name.as_ref()),
        parts: Vec::new(),
        is_error: false,
    };
    if let Some(given) = response.get("response") {
        let given = object(given, &path.member("response"))?;
        let mut members = given
            .members()
            .filter(|(member, value)| !(member.is("name") && name == value.text()));
        let only = members.next().filter(|_| members.next().is_none());
        let said = only.and_then(|(member, value)| {
            let known = ["output", "result", "content", "error"];
            let known = known.iter().any(|known| member.is(known));
            value
                .text()
                .filter(|_| known)
                .map(|text| (member.is("error"), text))
        });
        match said {
            Some((is_error, text)) => {
                result.is_error = is_error;
                result.parts.push(Part::text(text));
            }
            None if given.members().next().is_some() => {
                result.parts.push(Part::text(Text::of(given.literal())));
            }
            None => {}
        }
    }
    if let Some(more) = response.get("parts") {
        let path = &path.member("parts");
        for (position, value) in entries(more, path)?.into_iter().enumerate() {
            let path = &path.entry(position);
            let block = object(value, path)?;
            result
                .parts
                .extend(part(block, path, &mut Calls::default())?.map(Part::made));
        }
    }
    Ok(Content::ToolResult(result))
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
        Some(_) => sampling::read_limit(config, "maxOutputTokens", path)?,
        None => sampling::read_limit(config, "max_output_tokens", path)?,
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
