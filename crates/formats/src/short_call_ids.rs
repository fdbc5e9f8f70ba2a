//! Ids of tool calls as Mistral takes them.

use std::collections::{BTreeMap, BTreeSet};

use crate::conversation::{Content, Conversation};
use crate::json::Text;

/// How long a tool call's id is for Mistral, which takes no other length, and letters and digits only.
const SHORT_ID_LENGTH: usize = 9;

/// Gives each call an id of nine letters and digits that follows from the agent's, so that the prompt stays the same from
/// one request to the next. One that is such an id already keeps it.
pub(crate) fn shorten(conversation: &mut Conversation<'_>) {
    let mut taken = BTreeSet::new();
    let mut short_ids: BTreeMap<String, Text<'static>> = BTreeMap::new();
    for part in conversation.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        match &mut part.content {
            Content::ToolCall(call) => {
                let mut short = call.id.decode().into_owned();
                while !is_short_id(&short) || !taken.insert(short.clone()) {
                    short = short_id(&short);
                }
                let short = Text::of(&short);
                short_ids.insert(call.id.decode().into_owned(), short.clone());
                call.id = short;
            }
            Content::ToolResult(result) => {
                if let Some(short) = short_ids.get(&*result.call.decode()) {
                    result.call = short.clone();
                }
            }
            _ => {}
        }
    }
}

fn is_short_id(id: &str) -> bool {
    id.len() == SHORT_ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Nine letters and digits that follow from `id` (its 64-bit FNV-1a hash, written with 62 digits).
fn short_id(id: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let digit = |_| {
        let digit = DIGITS.get((hash % 62) as usize).copied().unwrap_or(b'0');
        hash /= 62;
        char::from(digit)
    };
    (0..SHORT_ID_LENGTH).map(digit).collect()
}
