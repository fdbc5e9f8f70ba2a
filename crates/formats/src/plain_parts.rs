//! What only Anthropic's format has and what is text all the same, for models of every other kind: search results, and
//! documents that are made of texts.

use crate::conversation::{Attachment, Content, Conversation, Part, Source};
use crate::json::{Object, Text, Value};

/// Puts texts in the place of search results and of documents that are lists of texts or carry a title and a context.
pub(crate) fn tell_as_text(conversation: &mut Conversation<'_>) {
    for turn in &mut conversation.turns {
        tell_parts(&mut turn.parts);
    }
}

fn tell_parts(parts: &mut [Part<'_>]) {
    for part in parts {
        match &mut part.content {
            Content::ToolResult(result) => tell_parts(&mut result.parts),
            Content::Other { kind } if kind.is("search_result") || kind.is("document") => {
                if let Some(text) = part.raw.and_then(told) {
                    part.content = Content::Text(text);
                    part.raw = None;
                }
            }
            Content::File(Attachment {
                source: Source::Text(text),
                name,
                ..
            }) => {
                let context = part
                    .raw
                    .and_then(|block| block.get("context"))
                    .and_then(Value::text);
                let lines: Vec<Text<'_>> = name.iter().chain(&context).chain([&*text]).cloned().collect();
                if lines.len() > 1 {
                    part.content = Content::Text(Text::join(&lines, "\n"));
                    part.raw = None;
                }
            }
            _ => {}
        }
    }
}

/// Where it is from, what it is called, what stands beside it, and its texts; nothing where it has none.
fn told<'a>(block: Object<'a>) -> Option<Text<'a>> {
    let text = |name: &str| block.get(name).and_then(Value::text);
    let source = block.get("source");
    let content = block.get("content").or_else(|| {
        source
            .and_then(Value::object)
            .and_then(|source| source.get("content"))
    })?;
    let mut lines: Vec<Text<'a>> = [source.and_then(Value::text), text("title"), text("context")]
        .into_iter()
        .flatten()
        .collect();
    let before = lines.len();
    lines.extend(content.text());
    for part in content.list().into_iter().flatten().filter_map(Value::object) {
        lines.extend(part.get("text").and_then(Value::text));
    }
    (lines.len() > before).then(|| Text::join(&lines, "\n"))
}
