//! Contents as Vertex takes them: those of an agent that speaks Gemini's format are copied part by part, others are written.

use std::borrow::Cow;

use crate::AgentFormat;
use crate::conversation::{
    Attachment, Content, Conversation, Part, Role, Source, ToolCall, ToolResult, Turn,
};
use crate::gemini::request::{camel, member};
use crate::json::{Object, Text, write_name, write_string};
use crate::model_rules::ModelRules;
use crate::signature::Signer;
use crate::vertex::request::is_name;

/// What stands in the place of a signature that nobody has, as Google's documentation gives it.
const NO_SIGNATURE: &str = "\"skip_thought_signature_validator\"";

/// Writes contents, and gathers what has no place among them.
pub(crate) struct ContentWriter<'w, 'a> {
    same_format: bool,
    rules: &'w ModelRules,
    /// The tool that each call's id stands for: a result names the tool, not the call.
    names: Vec<(Text<'a>, Text<'a>)>,
    /// Names of what was left out.
    pub(crate) dropped: Vec<Cow<'static, str>>,
}

impl<'w, 'a> ContentWriter<'w, 'a> {
    pub(crate) fn new(conversation: &Conversation<'a>, rules: &'w ModelRules) -> Self {
        let parts = conversation.turns.iter().flat_map(|turn| &turn.parts);
        let names = parts.filter_map(|part| match &part.content {
            Content::ToolCall(call) => Some((call.id.clone(), call.name.clone())),
            _ => None,
        });
        ContentWriter {
            same_format: conversation.origin == AgentFormat::Gemini,
            rules,
            names: names.collect(),
            dropped: Vec::new(),
        }
    }

    /// Writes one content.
    pub(crate) fn write(&mut self, turn: &Turn<'a>, out: &mut Vec<u8>) {
        let is_model = turn.role == Role::Assistant;
        out.extend_from_slice(b"{\"role\":\"");
        out.extend_from_slice(if is_model { b"model" } else { b"user" });
        out.extend_from_slice(b"\",\"parts\":[");
        let start = out.len();
        if is_model {
            self.write_model_parts(&turn.parts, out);
        } else {
            self.write_user_parts(&turn.parts, out);
        }
        if out.len() == start {
            out.extend_from_slice(b"{\"text\":\".\"}");
        }
        out.extend_from_slice(b"]}");
    }

    /// Writes the parts of the system instruction, which are texts.
    pub(crate) fn write_system(&mut self, parts: &[Part<'a>], out: &mut Vec<u8>) {
        out.push(b'[');
        let start = out.len();
        for part in parts {
            if let Content::Text(text) = &part.content {
                separate(start, out);
                write_text(text, out);
                out.push(b'}');
            } else {
                self.dropped.push(Cow::Borrowed("system attachment"));
            }
        }
        if out.len() == start {
            out.extend_from_slice(b"{\"text\":\".\"}");
        }
        out.push(b']');
    }

    /// A signature stands on the part behind the thinking; the thinking itself Google does not want back.
    fn write_model_parts(&mut self, parts: &[Part<'a>], out: &mut Vec<u8>) {
        let start = out.len();
        let mut signature = None;
        let mut called = false;
        for part in parts {
            let is_call = matches!(part.content, Content::ToolCall(_));
            match &part.content {
                Content::Thinking { signature: given, .. } => {
                    let own = given.as_ref().and_then(|given| Signer::Google.own(given));
                    if own.is_none() && (given.is_some() || !self.same_format) {
                        self.dropped.push(Cow::Borrowed("thinking of earlier turns"));
                    }
                    signature = own.or(signature);
                    continue;
                }
                Content::ToolCall(call) => {
                    separate(start, out);
                    write_call(call, out);
                }
                Content::Text(text) => {
                    separate(start, out);
                    match part.raw.filter(|_| self.same_format) {
                        Some(block) => self.copy(block, out),
                        None => write_text(text, out),
                    }
                }
                Content::Other { kind } => {
                    self.dropped.push(Cow::Owned(kind.decode().into_owned()));
                    continue;
                }
                Content::Image(_) | Content::File(_) | Content::ToolResult(_) => {
                    self.dropped.push(Cow::Borrowed("attachment of the assistant"));
                    continue;
                }
            }
            if let Some(signature) = signature.take() {
                write_name("thoughtSignature", out);
                out.extend_from_slice(signature.literal().as_bytes());
            } else if is_call && self.rules.signed_calls && !called {
                write_name("thoughtSignature", out);
                out.extend_from_slice(NO_SIGNATURE.as_bytes());
            }
            called |= is_call;
            out.push(b'}');
        }
    }

    /// Results come first and together, then what they hold besides texts, then what the person says.
    fn write_user_parts(&mut self, parts: &[Part<'a>], out: &mut Vec<u8>) {
        let start = out.len();
        let mut attachments: Vec<&Part<'a>> = Vec::new();
        for part in parts {
            if let Content::ToolResult(result) = &part.content {
                separate(start, out);
                self.write_result(result, part.raw, &mut attachments, out);
            }
        }
        let others = parts
            .iter()
            .filter(|part| !matches!(part.content, Content::ToolResult(_)));
        for part in attachments.into_iter().chain(others) {
            let before = out.len();
            separate(start, out);
            if self.write_part(part, out) {
                out.push(b'}');
            } else {
                out.truncate(before);
            }
        }
    }

    /// Writes a part without its closing brace; says whether Vertex has a place for it.
    fn write_part(&mut self, part: &Part<'a>, out: &mut Vec<u8>) -> bool {
        let copied = part.raw.filter(|_| self.same_format);
        if let Content::Other { kind } = &part.content {
            let takes = |name: &str| self.rules.blocks.iter().any(|block| *block == camel(name));
            let known = copied.filter(|block| {
                let mut members = block.members().filter(|(_, value)| value.object().is_some());
                members.any(|(name, _)| takes(&name.decode()))
            });
            let Some(block) = known else {
                self.dropped.push(Cow::Owned(kind.decode().into_owned()));
                return false;
            };
            self.copy(block, out);
            return true;
        }
        if let Some(block) = copied {
            self.copy(block, out);
            return true;
        }
        match &part.content {
            Content::Text(text) => write_text(text, out),
            Content::Image(attachment) => write_attachment(attachment, "image/jpeg", out),
            Content::File(attachment) => write_attachment(attachment, "application/pdf", out),
            Content::ToolCall(_)
            | Content::ToolResult(_)
            | Content::Thinking { .. }
            | Content::Other { .. } => {
                self.dropped.push(Cow::Borrowed("misplaced block"));
                return false;
            }
        }
        true
    }

    /// Copies a part member by member, without its closing brace; its signature is written anew.
    fn copy(&mut self, block: Object<'_>, out: &mut Vec<u8>) {
        out.push(b'{');
        let start = out.len();
        for (name, value) in block.members().filter(|(_, value)| !value.is_null()) {
            let spelled = camel(&name.decode());
            if matches!(spelled.as_str(), "thoughtSignature" | "thought") {
                continue;
            }
            let refused = self.rules.refused_message_members.contains(&spelled);
            if refused || self.rules.refuses_message_member(&name) {
                self.dropped.push(Cow::Owned(format!("messages.{spelled}")));
                continue;
            }
            separate(start, out);
            write_string(out, &spelled);
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        }
    }

    fn write_result<'p>(
        &mut self,
        result: &'p ToolResult<'a>,
        raw: Option<Object<'a>>,
        attachments: &mut Vec<&'p Part<'a>>,
        out: &mut Vec<u8>,
    ) {
        let mut texts = Vec::with_capacity(result.parts.len());
        let before = attachments.len();
        for part in &result.parts {
            match &part.content {
                Content::Text(text) => texts.push(text.clone()),
                Content::Image(_) | Content::File(_) => attachments.push(part),
                Content::Other { kind } => self.dropped.push(Cow::Owned(kind.decode().into_owned())),
                Content::ToolCall(_) | Content::ToolResult(_) | Content::Thinking { .. } => {
                    self.dropped.push(Cow::Borrowed("nested block"));
                }
            }
        }
        let called = self.names.iter().rfind(|(id, _)| *id == result.call);
        out.extend_from_slice(b"{\"functionResponse\":{\"name\":");
        write_function_name(called.map_or(&Text::of("tool"), |(_, name)| name), out);
        write_name("response", out);
        let own = raw.filter(|_| self.same_format).and_then(|raw| {
            let response = member(raw, "functionResponse", "function_response")?.object()?;
            response.get("response").filter(|given| given.object().is_some())
        });
        if let Some(own) = own {
            out.extend_from_slice(own.get().as_bytes());
        } else {
            if attachments.len() > before {
                texts.push(Text::of("See the attachment below."));
            }
            out.extend_from_slice(if result.is_error {
                b"{\"error\":".as_slice()
            } else {
                b"{\"output\":"
            });
            match (texts.is_empty(), result.is_error) {
                (false, _) => out.extend_from_slice(Text::join(&texts, "\n").literal().as_bytes()),
                (true, true) => out.extend_from_slice(b"\"The tool failed.\""),
                (true, false) => out.extend_from_slice(b"\"\""),
            }
            out.push(b'}');
        }
        out.extend_from_slice(b"}}");
    }
}

fn separate(start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
}

fn write_text(text: &Text<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"text\":");
    out.extend_from_slice(text.literal().as_bytes());
}

/// Writes a call without its part's closing brace. Vertex refuses its id.
fn write_call(call: &ToolCall<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"functionCall\":{\"name\":");
    write_function_name(&call.name, out);
    out.extend_from_slice(b",\"args\":");
    out.extend_from_slice(call.arguments.as_bytes());
    out.push(b'}');
}

/// A name in the history may come from another model, whose rules for names are others.
fn write_function_name(name: &Text<'_>, out: &mut Vec<u8>) {
    let decoded = name.decode();
    if is_name(&decoded) {
        out.extend_from_slice(name.literal().as_bytes());
        return;
    }
    let fit = |letter: char| {
        if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.') {
            letter
        } else {
            '_'
        }
    };
    write_string(
        out,
        &std::iter::once('_')
            .chain(decoded.chars().take(60).map(fit))
            .collect::<String>(),
    );
}

/// Writes a picture or document without its part's closing brace. `fallback` is its type where nothing says another one.
fn write_attachment(attachment: &Attachment<'_>, fallback: &str, out: &mut Vec<u8>) {
    match &attachment.source {
        Source::Base64 { media_type, data } => {
            out.extend_from_slice(b"{\"inlineData\":{\"mimeType\":");
            out.extend_from_slice(media_type.literal().as_bytes());
            write_name("data", out);
            out.extend_from_slice(data.literal().as_bytes());
            out.push(b'}');
        }
        Source::Url(url) => {
            out.extend_from_slice(b"{\"fileData\":{\"mimeType\":");
            write_string(out, media_type(&url.decode()).unwrap_or(fallback));
            write_name("fileUri", out);
            out.extend_from_slice(url.literal().as_bytes());
            out.push(b'}');
        }
        Source::Text(text) => write_text(text, out),
    }
}

/// The type of a file by the ending of its address.
fn media_type(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        _ => return None,
    })
}
