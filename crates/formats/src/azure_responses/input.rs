//! Writes the items of the input: what was said, calls and their results, and reasoning. Items go without their ids: they are
//! whole, and an id that the deployment has not given itself is refused (sap-wire.md §3.2).

use std::borrow::Cow;

use crate::conversation::{Content, Part, Role, Source, ToolResult, Turn};
use crate::json::{Object, Text, write_escaped, write_name, write_string};
use crate::openai::messages::{file_name, write_url};
use crate::rules::ModelRules;
use crate::signature::Signer;

/// The message that stands for one of which nothing had a place, and for an input in which nothing else is left: both are
/// refused when they are empty.
const SAID_NOTHING: &[u8] =
    b"{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\".\"}]}";

/// Writes the items of the input, and gathers what has no place among them.
pub(super) struct InputWriter<'w> {
    rules: &'w ModelRules,
    same_format: bool,
    /// What had no place.
    pub(super) dropped: Vec<Cow<'static, str>>,
    /// Where the list begins in the body.
    start: usize,
    /// Where in the body reasoning begins behind which nothing of the model's stands yet.
    open_reasoning: Option<usize>,
}

impl<'w> InputWriter<'w> {
    /// A writer of a list that begins at the end of `out`. `same_format`: the agent speaks Responses itself.
    pub(super) fn new(rules: &'w ModelRules, same_format: bool, out: &[u8]) -> Self {
        InputWriter {
            rules,
            same_format,
            dropped: Vec::new(),
            start: out.len(),
            open_reasoning: None,
        }
    }

    /// Ends the list. `may_be_empty`: the deployment has kept what the request goes on from.
    pub(super) fn end(&mut self, may_be_empty: bool, out: &mut Vec<u8>) {
        self.leave_out_open_reasoning(out);
        if out.len() == self.start && !may_be_empty {
            out.extend_from_slice(SAID_NOTHING);
        }
    }

    /// Begins an item that the model has not made.
    fn begin(&mut self, out: &mut Vec<u8>) {
        self.leave_out_open_reasoning(out);
        self.separate(out);
    }

    /// Begins an item that the model has made, which closes its reasoning before it.
    fn begin_of_model(&mut self, out: &mut Vec<u8>) {
        self.open_reasoning = None;
        self.separate(out);
    }

    /// OpenAI: "Item of type 'reasoning' was provided without its required following item."
    fn leave_out_open_reasoning(&mut self, out: &mut Vec<u8>) {
        if let Some(start) = self.open_reasoning.take() {
            out.truncate(start);
            self.dropped.push(Cow::Borrowed("thinking of earlier turns"));
        }
    }

    fn separate(&self, out: &mut Vec<u8>) {
        if out.len() > self.start {
            out.push(b',');
        }
    }

    /// Writes a turn: what was said in one go as one message, everything else as an item of its own.
    pub(super) fn write_turn(&mut self, turn: &Turn<'_>, out: &mut Vec<u8>) {
        let mut parts = turn.parts.as_slice();
        if turn.role == Role::User && parts.iter().all(is_other) {
            // The person has said something, though nothing that the route takes.
            self.begin(out);
            out.extend_from_slice(SAID_NOTHING);
        }
        while let Some(first) = parts.first() {
            let said = parts
                .iter()
                .take_while(|part| is_said(part) && self.is_beside(part, first));
            let said = said.count();
            if said > 0 {
                let (message, rest) = parts.split_at(said);
                self.write_message(turn.role, message, out);
                parts = rest;
                continue;
            }
            self.write_item(first, out);
            parts = parts.get(1..).unwrap_or_default();
        }
    }

    /// Writes what was said in one go: texts and attachments.
    fn write_message(&mut self, role: Role, parts: &[Part<'_>], out: &mut Vec<u8>) {
        if role == Role::Assistant {
            if !parts.iter().any(|part| matches!(part.content, Content::Text(_))) {
                self.dropped.push(Cow::Borrowed("attachment of the assistant"));
                return;
            }
            self.begin_of_model(out);
        } else {
            self.begin(out);
        }
        out.extend_from_slice(b"{\"type\":\"message\",\"role\":");
        let message = parts.first().and_then(|part| part.raw);
        let own = message.filter(|_| self.same_format && role == Role::System);
        match own.and_then(|message| message.get("role")) {
            Some(role) => out.extend_from_slice(role.get().as_bytes()),
            None => out.extend_from_slice(match role {
                Role::System => b"\"developer\"".as_slice(),
                Role::User => b"\"user\"",
                Role::Assistant => b"\"assistant\"",
            }),
        }
        out.extend_from_slice(b",\"content\":[");
        let start = out.len();
        for part in parts {
            self.write_part(part, role == Role::Assistant, start, out);
        }
        out.extend_from_slice(b"]}");
    }

    /// Writes a part of a message or of a tool's result, whose list begins at `start`.
    fn write_part(&mut self, part: &Part<'_>, output: bool, start: usize, out: &mut Vec<u8>) {
        let comma: &[u8] = if out.len() > start { b"," } else { b"" };
        let text = |text: &Text<'_>, out: &mut Vec<u8>| {
            out.extend_from_slice(comma);
            out.extend_from_slice(if output {
                b"{\"type\":\"output_text\",\"text\":".as_slice()
            } else {
                b"{\"type\":\"input_text\",\"text\":"
            });
            out.extend_from_slice(text.literal().as_bytes());
            out.push(b'}');
        };
        match &part.content {
            Content::Text(said) => text(said, out),
            Content::Image(_) | Content::File(_) if output => {
                self.dropped.push(Cow::Borrowed("attachment of the assistant"));
            }
            Content::Image(image) => {
                out.extend_from_slice(comma);
                out.extend_from_slice(b"{\"type\":\"input_image\",\"image_url\":");
                write_url(&image.source, out);
                if let Some(detail) = &image.detail {
                    write_name("detail", out);
                    out.extend_from_slice(detail.literal().as_bytes());
                }
                out.push(b'}');
            }
            Content::File(file) => match &file.source {
                // A document of plain text is text.
                Source::Text(content) => text(content, out),
                Source::Url(_) => {
                    out.extend_from_slice(comma);
                    out.extend_from_slice(b"{\"type\":\"input_file\",\"file_url\":");
                    write_url(&file.source, out);
                    out.push(b'}');
                }
                Source::Base64 { .. } => {
                    out.extend_from_slice(comma);
                    out.extend_from_slice(b"{\"type\":\"input_file\",\"file_data\":");
                    write_url(&file.source, out);
                    write_name("filename", out);
                    write_string(out, &file_name(file));
                    out.push(b'}');
                }
            },
            Content::Other { kind } => self.dropped.push(Cow::Owned(kind.decode().into_owned())),
            Content::ToolCall(_) | Content::ToolResult(_) | Content::Thinking { .. } => {
                self.dropped.push(Cow::Borrowed("nested block"));
            }
        }
    }

    fn write_item(&mut self, part: &Part<'_>, out: &mut Vec<u8>) {
        match &part.content {
            Content::ToolCall(call) => {
                self.begin_of_model(out);
                out.extend_from_slice(b"{\"type\":\"function_call\",\"call_id\":");
                out.extend_from_slice(call.id.literal().as_bytes());
                write_name("name", out);
                out.extend_from_slice(call.name.literal().as_bytes());
                write_name("arguments", out);
                out.push(b'"');
                write_escaped(out, &call.arguments);
                out.extend_from_slice(b"\"}");
            }
            Content::ToolResult(result) => {
                self.begin(out);
                out.extend_from_slice(b"{\"type\":\"function_call_output\",\"call_id\":");
                out.extend_from_slice(result.call.literal().as_bytes());
                write_name("output", out);
                self.write_result(result, out);
                out.push(b'}');
            }
            Content::Thinking { text, signature } => {
                self.write_reasoning(part, text, signature.as_ref(), out);
            }
            Content::Other { kind } => match part.raw.filter(|_| self.takes(kind)) {
                Some(item) => {
                    self.begin_of_model(out);
                    out.extend_from_slice(item.literal().as_bytes());
                }
                None => self.dropped.push(Cow::Owned(kind.decode().into_owned())),
            },
            Content::Text(_) | Content::Image(_) | Content::File(_) => {}
        }
    }

    /// Whether two parts belong into one message: of the same format those of one message of the agent's.
    fn is_beside(&self, part: &Part<'_>, first: &Part<'_>) -> bool {
        let place = |part: &Part<'_>| part.raw.map(|message| message.literal().as_ptr());
        !self.same_format || place(part) == place(first)
    }

    fn takes(&self, kind: &Text<'_>) -> bool {
        self.same_format && self.rules.blocks.iter().any(|block| kind.is(block))
    }

    /// A result is a string, or a list where it holds more than text.
    fn write_result(&mut self, result: &ToolResult<'_>, out: &mut Vec<u8>) {
        let texts: Option<Vec<Text<'_>>> = result
            .parts
            .iter()
            .map(|part| match &part.content {
                Content::Text(text) => Some(text.clone()),
                _ => None,
            })
            .collect();
        if result.is_error && !result.parts.is_empty() {
            // There is no place for it; what a failed tool says mostly tells it.
            self.dropped.push(Cow::Borrowed("is_error"));
        }
        match texts {
            Some(texts) if texts.is_empty() && result.is_error => {
                out.extend_from_slice(b"\"The tool failed.\"");
            }
            Some(texts) if texts.is_empty() => out.extend_from_slice(b"\"\""),
            Some(texts) => out.extend_from_slice(Text::join(&texts, "\n").literal().as_bytes()),
            None => {
                out.push(b'[');
                let start = out.len();
                for part in &result.parts {
                    self.write_part(part, false, start, out);
                }
                if out.len() == start {
                    // Nothing of it had a place, and an empty list is refused.
                    out.truncate(start - 1);
                    out.extend_from_slice(b"\"\"");
                } else {
                    out.push(b']');
                }
            }
        }
    }

    /// Only OpenAI's own reasoning goes back to OpenAI's models; without its encrypted content they would look for it among
    /// what they have kept.
    fn write_reasoning(
        &mut self,
        part: &Part<'_>,
        text: &Text<'_>,
        signature: Option<&Text<'_>>,
        out: &mut Vec<u8>,
    ) {
        let own = signature.and_then(|signature| Signer::OpenAi.own(signature));
        let reasons = !self.rules.efforts.is_empty();
        let Some(encrypted) = own.filter(|_| reasons) else {
            self.dropped.push(Cow::Borrowed("thinking of earlier turns"));
            return;
        };
        self.open_reasoning.get_or_insert(out.len());
        self.separate(out);
        out.extend_from_slice(b"{\"type\":\"reasoning\",\"summary\":");
        let summary = part.raw.filter(|_| self.same_format);
        match summary.and_then(|item: Object<'_>| item.get("summary")) {
            Some(summary) => out.extend_from_slice(summary.get().as_bytes()),
            None if text.is_empty() => out.extend_from_slice(b"[]"),
            None => {
                out.extend_from_slice(b"[{\"type\":\"summary_text\",\"text\":");
                out.extend_from_slice(text.literal().as_bytes());
                out.extend_from_slice(b"}]");
            }
        }
        write_name("encrypted_content", out);
        out.extend_from_slice(encrypted.literal().as_bytes());
        out.push(b'}');
    }
}

fn is_other(part: &Part<'_>) -> bool {
    matches!(part.content, Content::Other { .. })
}

/// Whether a part belongs into a message.
fn is_said(part: &Part<'_>) -> bool {
    match &part.content {
        Content::Text(_) | Content::Image(_) | Content::File(_) => true,
        Content::ToolCall(_) | Content::ToolResult(_) | Content::Thinking { .. } | Content::Other { .. } => {
            false
        }
    }
}
