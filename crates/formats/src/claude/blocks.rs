//! Blocks of a message as Claude takes them: those of an agent that speaks Messages are copied, others are written.

use crate::conversation::{Attachment, Cache, Content, Part, Source, ToolResult};
use crate::json::{Object, write_string};
use crate::repair::is_blank;
use crate::rules::ModelRules;
use crate::signature::Signer;

/// Writes lists of blocks, and gathers what has no place among them.
pub(crate) struct BlockWriter<'w> {
    pub(crate) same_format: bool,
    pub(crate) rules: &'w ModelRules,
    /// Names of what was left out.
    pub(crate) dropped: Vec<String>,
}

impl BlockWriter<'_> {
    /// Writes a list of blocks.
    pub(crate) fn write(&mut self, parts: &[Part<'_>], out: &mut Vec<u8>) {
        out.push(b'[');
        let start = out.len();
        for part in parts.iter().filter(|part| !is_blank(part)) {
            let before = out.len();
            if before > start {
                out.push(b',');
            }
            if !self.write_block(part, out) {
                out.truncate(before);
            }
        }
        out.push(b']');
    }

    /// Writes one block; says whether Claude has a place for it.
    fn write_block(&mut self, part: &Part<'_>, out: &mut Vec<u8>) -> bool {
        match &part.content {
            Content::Thinking { signature: None, .. } => {
                self.dropped.push("thinking without signature".to_owned());
                return false;
            }
            Content::Thinking {
                signature: Some(signature),
                ..
            } if Signer::Anthropic.own(signature).is_none() => {
                self.dropped.push("thinking of another vendor's model".to_owned());
                return false;
            }
            Content::Other { kind } if !self.takes(part, &kind.decode()) => {
                self.dropped.push(kind.decode().into_owned());
                return false;
            }
            // A deployment fetches nothing; where it is to be found is said.
            Content::Image(Attachment {
                source: Source::Url(url),
                ..
            })
            | Content::File(Attachment {
                source: Source::Url(url),
                ..
            }) => {
                let kind = if matches!(part.content, Content::Image(_)) {
                    "picture"
                } else {
                    "document"
                };
                out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
                write_string(out, &format!("The {kind} at {}", url.decode()));
                write_cache(part.cache.as_ref(), out);
                out.push(b'}');
                return true;
            }
            _ => {}
        }
        if let Some(block) = part
            .raw
            .filter(|_| self.same_format && !is_written_anew(&part.content))
        {
            self.copy(block, part, out);
            return true;
        }
        match &part.content {
            Content::Text(text) => {
                out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
                out.extend_from_slice(text.literal().as_bytes());
            }
            Content::Image(image) => write_attachment("image", image, out),
            Content::File(file) => write_attachment("document", file, out),
            Content::ToolCall(call) => {
                out.extend_from_slice(b"{\"type\":\"tool_use\",\"id\":");
                out.extend_from_slice(call.id.literal().as_bytes());
                out.extend_from_slice(b",\"name\":");
                out.extend_from_slice(call.name.literal().as_bytes());
                out.extend_from_slice(b",\"input\":");
                out.extend_from_slice(call.arguments.as_bytes());
            }
            Content::ToolResult(result) => {
                out.extend_from_slice(b"{\"type\":\"tool_result\",\"tool_use_id\":");
                out.extend_from_slice(result.call.literal().as_bytes());
                if result.is_error {
                    self.write_failure(result, out);
                } else if !result.parts.is_empty() {
                    out.extend_from_slice(b",\"content\":");
                    self.write_result(result, out);
                }
            }
            Content::Thinking { text, signature } => {
                out.extend_from_slice(b"{\"type\":\"thinking\",\"thinking\":");
                out.extend_from_slice(text.literal().as_bytes());
                if let Some(signature) = signature {
                    out.extend_from_slice(b",\"signature\":");
                    out.extend_from_slice(signature.literal().as_bytes());
                }
            }
            Content::Other { .. } => match part.raw.and_then(|block| block.get("data")) {
                Some(data) => {
                    out.extend_from_slice(b"{\"type\":\"redacted_thinking\",\"data\":");
                    out.extend_from_slice(data.get().as_bytes());
                }
                None => return false,
            },
        }
        write_cache(part.cache.as_ref(), out);
        out.push(b'}');
        true
    }

    /// Whether a block of a type that is not looked into may be copied. A picture or document is such a one where its source is
    /// of an odd kind: a deployment has no store of files, but takes lists of texts.
    fn takes(&self, part: &Part<'_>, kind: &str) -> bool {
        let block = part.raw.filter(|_| self.same_format);
        let source = block.and_then(|block| block.get("source")?.object()?.get("type")?.text());
        let is_stored =
            matches!(kind, "image" | "document") && source.is_some_and(|kind| !kind.is("content"));
        block.is_some() && !is_stored && self.rules.blocks.iter().any(|block| block == kind)
    }

    /// Copies a block member by member; only its cache mark and the inside of a tool result are written anew.
    fn copy(&mut self, block: Object<'_>, part: &Part<'_>, out: &mut Vec<u8>) {
        out.push(b'{');
        let mut first = true;
        for (name, value) in block.members() {
            let is_empty_title = || name.is("title") && value.text().is_some_and(|title| title.is_blank());
            if name.is("cache_control") || value.is_null() || is_empty_title() {
                continue;
            }
            if self.rules.refuses_message_member(&name) {
                self.dropped.push(format!("messages.{}", name.decode()));
                continue;
            }
            if !first {
                out.push(b',');
            }
            first = false;
            out.extend_from_slice(name.literal().as_bytes());
            out.push(b':');
            match &part.content {
                Content::ToolResult(result) if name.is("content") && !result.parts.is_empty() => {
                    self.write_result(result, out);
                }
                Content::File(file) if name.is("source") => write_source(&file.source, out),
                _ => out.extend_from_slice(value.get().as_bytes()),
            }
        }
        write_cache(part.cache.as_ref(), out);
        out.push(b'}');
    }

    /// What is told of a tool that failed. It must say something, and may hold nothing but texts (Anthropic: "content cannot
    /// be empty if `is_error` is true"); beside a picture the failure is left out.
    fn write_failure(&mut self, result: &ToolResult<'_>, out: &mut Vec<u8>) {
        const FAILED: &[u8] = b"\"The tool failed.\"";
        let is_text = |part: &Part<'_>| matches!(part.content, Content::Text(_));
        if result.parts.iter().all(is_text) {
            out.extend_from_slice(b",\"is_error\":true");
        } else {
            self.dropped.push("is_error".to_owned());
        }
        out.extend_from_slice(b",\"content\":");
        let start = out.len();
        if !result.parts.iter().all(is_blank) {
            self.write_result(result, out);
        }
        if let Some(b"" | b"[]") = out.get(start..) {
            out.truncate(start);
            out.extend_from_slice(FAILED);
        } else if !result.parts.iter().any(|part| is_text(part) && !is_blank(part)) {
            let inside = start + 1;
            let failed = [b"{\"type\":\"text\",\"text\":", FAILED, b"},"].concat();
            out.splice(inside..inside, failed);
        }
    }

    /// The content of a tool result: a single text stays a string, which a result may be even when it is blank.
    fn write_result(&mut self, result: &ToolResult<'_>, out: &mut Vec<u8>) {
        match result.parts.as_slice() {
            [
                Part {
                    content: Content::Text(text),
                    raw: None,
                    cache: None,
                },
            ] => {
                out.extend_from_slice(text.literal().as_bytes());
            }
            parts if parts.iter().all(is_blank) => out.extend_from_slice(b"\"\""),
            parts => self.write(parts, out),
        }
    }
}

/// Whether the agent's own block cannot be copied. Claude takes nothing beside thinking, not even a mark.
fn is_written_anew(content: &Content<'_>) -> bool {
    match content {
        Content::ToolCall(call) => call.untidy,
        Content::ToolResult(result) => result.is_error,
        Content::Thinking { .. } => true,
        Content::Other { kind } => kind.is("redacted_thinking"),
        _ => false,
    }
}

fn write_attachment(kind: &str, attachment: &Attachment<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":");
    write_string(out, kind);
    out.extend_from_slice(b",\"source\":");
    write_source(&attachment.source, out);
    if let Some(name) = attachment
        .name
        .as_ref()
        .filter(|name| kind == "document" && !name.is_blank())
    {
        out.extend_from_slice(b",\"title\":");
        out.extend_from_slice(name.literal().as_bytes());
    }
}

fn write_source(source: &Source<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":");
    match source {
        Source::Base64 { media_type, data } => {
            out.extend_from_slice(b"\"base64\",\"media_type\":");
            out.extend_from_slice(media_type.literal().as_bytes());
            out.extend_from_slice(b",\"data\":");
            out.extend_from_slice(data.literal().as_bytes());
        }
        Source::Url(url) => {
            out.extend_from_slice(b"\"url\",\"url\":");
            out.extend_from_slice(url.literal().as_bytes());
        }
        Source::Text(text) => {
            out.extend_from_slice(b"\"text\",\"media_type\":\"text/plain\",\"data\":");
            out.extend_from_slice(text.literal().as_bytes());
        }
    }
    out.push(b'}');
}

/// Writes `,"cache_control":…` where there is a mark.
pub(crate) fn write_cache(cache: Option<&Cache<'_>>, out: &mut Vec<u8>) {
    let Some(cache) = cache else { return };
    out.extend_from_slice(b",\"cache_control\":{\"type\":\"ephemeral\"");
    if let Some(ttl) = &cache.ttl {
        out.extend_from_slice(b",\"ttl\":");
        out.extend_from_slice(ttl.literal().as_bytes());
    }
    out.push(b'}');
}
