//! Reads the contents of a request: turns, their parts, and which result answers which call.

use std::borrow::Cow;

use crate::conversation::{Attachment, Content, Part, Role, Source, ToolCall, ToolResult, Turn};
use crate::error::Path;
use crate::gemini::request::{entries, member, object, text};
use crate::json::{Object, Text, Value, around};
use crate::{ReadError, signature};

/// The longest id of a tool call that every vendor takes (OpenAI's limit).
const LONGEST_ID: usize = 40;

/// The calls of tools so far. Google's ids are optional: without them results answer by name and order.
#[derive(Default)]
pub(super) struct Calls<'a> {
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

/// One content as a turn.
///
/// # Errors
/// When a part cannot be read; the error names it.
pub(super) fn turn<'a>(
    content: Object<'a>,
    path: &Path<'_>,
    calls: &mut Calls<'a>,
) -> Result<Turn<'a>, ReadError> {
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
pub(super) fn parts<'a>(
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
    let is_of = |family: &str| {
        let beginning = media_type.escaped().as_bytes().get(..family.len());
        beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(family.as_bytes()))
    };
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
