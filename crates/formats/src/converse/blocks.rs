//! The content of a message as Converse takes it: blocks of text, pictures, documents, calls and results.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::conversation::{Attachment, Content, Part, Role, Source, ToolResult, Turn};
use crate::json::{Text, write_string};
use crate::repair::is_blank;

/// A message may hold nothing but what says something (Amazon's `ContentBlock`), so this stands where nothing is left.
const NOTHING: &[u8] = b"{\"text\":\".\"}";

/// The longest name of a document (Amazon's `DocumentBlock`).
const DOCUMENT_NAME_LENGTH: usize = 200;

/// Writes the blocks of a request's turns, and gathers what has no place among them.
#[derive(Default)]
pub(super) struct BlockWriter {
    /// Names of documents that are taken: no two of a request may be the same.
    names: BTreeSet<String>,
    /// Names of what was left out.
    pub(super) dropped: Vec<Cow<'static, str>>,
}

impl BlockWriter {
    /// Writes the list of a turn's blocks.
    pub(super) fn write_turn(&mut self, turn: &Turn<'_>, out: &mut Vec<u8>) {
        let is_text = |part: &Part<'_>| matches!(part.content, Content::Text(_));
        let is_file = |part: &Part<'_>| matches!(part.content, Content::File(_));
        out.push(b'[');
        let start = out.len();
        for part in turn.parts.iter().filter(|part| !is_blank(part)) {
            let before = separate(start, out);
            let is_written = match &part.content {
                Content::Image(_) | Content::File(_) if turn.role == Role::Assistant => {
                    self.leave_out("attachment of the assistant")
                }
                Content::ToolCall(call) => {
                    out.extend_from_slice(b"{\"toolUse\":{\"toolUseId\":");
                    out.extend_from_slice(call.id.literal().as_bytes());
                    out.extend_from_slice(b",\"name\":");
                    out.extend_from_slice(call.name.literal().as_bytes());
                    out.extend_from_slice(b",\"input\":");
                    out.extend_from_slice(call.arguments.as_bytes());
                    out.extend_from_slice(b"}}");
                    true
                }
                Content::ToolResult(result) => {
                    self.write_result(result, out);
                    true
                }
                content => self.write_content(content, out),
            };
            if !is_written {
                out.truncate(before);
            } else if part.cache.is_some() {
                out.push(b',');
                write_cache_point(out);
            }
        }
        // A document needs a text beside it.
        let lonely = turn.parts.iter().any(is_file) && !turn.parts.iter().any(is_text);
        if lonely || out.len() == start {
            separate(start, out);
            out.extend_from_slice(NOTHING);
        }
        out.push(b']');
    }

    /// Writes what may stand in a turn and in a tool's result alike; says whether it has a place there.
    fn write_content(&mut self, content: &Content<'_>, out: &mut Vec<u8>) -> bool {
        match content {
            Content::Text(text)
            | Content::File(Attachment {
                source: Source::Text(text),
                ..
            }) => write_text(text, out),
            Content::Image(image) => return self.write_attachment("image", image, image_format, out),
            Content::File(file) => return self.write_attachment("document", file, document_format, out),
            Content::Thinking { .. } => return self.leave_out("thinking of earlier turns"),
            Content::Other { kind } => return self.leave_out(kind.decode().into_owned()),
            Content::ToolCall(_) | Content::ToolResult(_) => return self.leave_out("nested block"),
        }
        true
    }

    fn leave_out(&mut self, name: impl Into<Cow<'static, str>>) -> bool {
        self.dropped.push(name.into());
        false
    }

    fn write_result(&mut self, result: &ToolResult<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"toolResult\":{\"toolUseId\":");
        out.extend_from_slice(result.call.literal().as_bytes());
        out.extend_from_slice(b",\"content\":[");
        let start = out.len();
        for part in result.parts.iter().filter(|part| !is_blank(part)) {
            let before = separate(start, out);
            if !self.write_content(&part.content, out) {
                out.truncate(before);
            }
        }
        if out.len() == start {
            out.extend_from_slice(NOTHING);
        }
        out.push(b']');
        if result.is_error {
            out.extend_from_slice(b",\"status\":\"error\"");
        }
        out.extend_from_slice(b"}}");
    }

    /// Writes a picture or a document, whose content must stand in the request; of one that does not, it is said where it is.
    fn write_attachment(
        &mut self,
        kind: &str,
        attachment: &Attachment<'_>,
        format: fn(&str) -> Option<&'static str>,
        out: &mut Vec<u8>,
    ) -> bool {
        let (media_type, data) = match &attachment.source {
            Source::Base64 { media_type, data } => (media_type, data),
            Source::Url(url) => {
                write_text(&Text::of(&format!("The {kind} at {}", url.decode())), out);
                return true;
            }
            Source::Text(text) => {
                write_text(text, out);
                return true;
            }
        };
        let Some(format) = format(&media_type.decode()) else {
            return self.leave_out(format!("{kind} of type {}", media_type.decode()));
        };
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\":{\"format\":");
        write_string(out, format);
        if kind == "document" {
            out.extend_from_slice(b",\"name\":");
            write_string(out, &self.document_name(attachment.name.as_ref()));
        }
        out.extend_from_slice(b",\"source\":{\"bytes\":");
        out.extend_from_slice(data.literal().as_bytes());
        out.extend_from_slice(b"}}}");
        true
    }

    /// The document's name as Amazon's `DocumentBlock` wants it: letters, digits, single blanks, hyphens, round and square
    /// brackets; and no name twice.
    fn document_name(&mut self, given: Option<&Text<'_>>) -> String {
        let given = given.map(Text::decode).unwrap_or_default();
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-()[] ".contains(letter);
        let plain: String = given
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .chars()
            .map(|letter| if allowed(letter) { letter } else { '-' })
            .take(DOCUMENT_NAME_LENGTH - " 99999".len())
            .collect();
        let plain = plain.trim();
        let plain = if plain.is_empty() { "document" } else { plain };
        let mut name = plain.to_owned();
        let mut number = 1;
        while !self.names.insert(name.clone()) {
            number += 1;
            name = format!("{plain} {number}");
        }
        name
    }
}

/// Writes a comma where something stands behind `start`, and gives where the list ended before it.
fn separate(start: usize, out: &mut Vec<u8>) -> usize {
    let before = out.len();
    if before > start {
        out.push(b',');
    }
    before
}

fn write_text(text: &Text<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"text\":");
    out.extend_from_slice(text.literal().as_bytes());
    out.push(b'}');
}

/// Writes the mark that the prompt up to here shall be cached.
pub(super) fn write_cache_point(out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"cachePoint\":{\"type\":\"default\"}}");
}

fn image_format(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpeg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        _ => return None,
    })
}

fn document_format(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "application/pdf" => "pdf",
        "text/csv" => "csv",
        "application/msword" => "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "text/html" => "html",
        "text/plain" => "txt",
        "text/markdown" => "md",
        _ => return None,
    })
}
