//! An estimate of input tokens without a tokenizer.
//!
//! Tokenizers cut text into words, runs of digits and punctuation. Counting those pieces, long words as several, comes close
//! enough for a progress bar and for `count_tokens`, at a few instructions a byte.

use serde_json::value::RawValue;

use crate::conversation::{Content, Conversation, Part, Source};

/// What a picture costs at most; agents send small ones as well, but their size is inside the picture.
const IMAGE: u64 = 1_000;
/// What a turn or a tool costs besides its texts.
const TURN: u64 = 4;

/// Estimates the input tokens of a conversation, never below 1.
pub(crate) fn estimate(conversation: &Conversation<'_>) -> u64 {
    let mut tokens = 0;
    for part in &conversation.system {
        tokens += part_tokens(part);
    }
    for turn in &conversation.turns {
        tokens += TURN + turn.parts.iter().map(part_tokens).sum::<u64>();
    }
    for tool in &conversation.tools {
        tokens += TURN + text(tool.name.escaped());
        tokens += tool.description.as_ref().map_or(0, |description| text(description.escaped()));
        tokens += tool.schema.map_or(0, |schema| text(RawValue::get(schema)));
    }
    tokens.max(1)
}

fn part_tokens(part: &Part<'_>) -> u64 {
    match &part.content {
        Content::Text(piece) => text(piece.escaped()),
        Content::Image(_) => IMAGE,
        Content::File(file) => match &file.source {
            Source::Base64 { data, .. } => data.escaped().len() as u64 / 16,
            Source::Text(content) => text(content.escaped()),
            Source::Url(_) => IMAGE,
        },
        Content::ToolCall(call) => TURN + text(call.name.escaped()) + text(&call.arguments),
        Content::ToolResult(result) => TURN + result.parts.iter().map(part_tokens).sum::<u64>(),
        Content::Thinking { text: thinking, .. } => text(thinking.escaped()),
        Content::Other { .. } => TURN,
    }
}

/// The tokens of a piece of text as it stands in JSON.
fn text(escaped: &str) -> u64 {
    let mut tokens = 0;
    let mut letters = 0u64;
    let mut digits = 0u64;
    let mut bytes = escaped.bytes();
    while let Some(byte) = bytes.next() {
        if byte.is_ascii_alphabetic() {
            letters += 1;
            continue;
        }
        if byte.is_ascii_digit() {
            digits += 1;
            continue;
        }
        tokens += word(letters) + digits.div_ceil(3);
        (letters, digits) = (0, 0);
        tokens += match byte {
            b' ' => 0,
            b'\\' => {
                bytes.next();
                1
            }
            // Three or two bytes of another script are about one and a half, half a token each.
            0x80..=0xbf => 0,
            0xe0..=0xff => 1,
            _ => 1,
        };
    }
    tokens + word(letters) + digits.div_ceil(3)
}

/// The tokens of a run of letters.
fn word(letters: u64) -> u64 {
    letters.div_ceil(8)
}
