//! Writes the body of `/chat/completions` for Mistral, Perplexity and other vendors (sap-wire.md §3.6).
//!
//! A Chat Completions request is written anew too: these vendors want the turns in an order and the ids in a form of their
//! own, so that hardly a message could be copied.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::conversation::{Content, Conversation, ResponseFormat};
use crate::json::{Text, write_string};
use crate::openai::messages::{Message, forget_detail, plain_messages, write_message};
use crate::target::Target;
use crate::{openai, repair};

/// How long a tool call's id is for Mistral, which takes no other length, and letters and digits only.
const SHORT_ID_LENGTH: usize = 9;

/// Writes the body.
pub(crate) fn write(conversation: &mut Conversation<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    let rules = target.rules;
    repair::repair(conversation);
    repair::repair_tools(conversation, true);
    forget_detail(conversation);
    if !rules.tools {
        leave_tools_out(conversation);
        // Perplexity, whose models know no tools, takes a schema, but not the wish for any JSON.
        if matches!(conversation.response_format, Some(ResponseFormat::JsonObject)) {
            repair::ask_for_form_in_words(conversation);
        }
    }
    if rules.short_call_ids {
        shorten_call_ids(conversation);
    }
    let mut dropped: Vec<Cow<'static, str>> = Vec::new();
    let mut parameters = Vec::new();
    openai::write_parameters(conversation, target, &mut parameters);
    openai::write_tool_choice(conversation, rules, &mut parameters);
    openai::drop_refused_response_format(conversation, rules);
    openai::write_other_members(conversation, target, &mut parameters);

    out.extend_from_slice(b"{\"model\":");
    write_string(out, target.model);
    out.extend_from_slice(b",\"messages\":[");
    let messages = plain_messages(conversation, rules, &mut dropped);
    for (position, message) in messages.iter().enumerate() {
        out.extend_from_slice(if position > 0 { b"," } else { b"" });
        let former = position.checked_sub(1).and_then(|former| messages.get(former));
        if let (Some(Message::Tool { .. }), Message::Items { .. }) = (former, message) {
            // Mistral: "Unexpected role 'user' after role 'tool'".
            out.extend_from_slice(b"{\"role\":\"assistant\",\"content\":\".\"},");
        }
        write_message(message, None, out);
    }
    out.push(b']');
    if conversation.stream {
        out.extend_from_slice(b",\"stream\":true");
    }
    openai::write_tools(&conversation.tools, rules, out);
    repair::report_refused_tool_members(conversation, rules);
    if let Some(format) = &conversation.response_format {
        out.extend_from_slice(b",\"response_format\":");
        openai::write_response_format(format, |json| Cow::Borrowed(json), out);
    }
    out.extend_from_slice(&parameters);
    out.push(b'}');
    for name in dropped {
        conversation.drop_reported(name);
    }
}

/// Takes the tools away from models that know none.
fn leave_tools_out(conversation: &mut Conversation<'_>) {
    if !conversation.tools.is_empty() {
        conversation.tools.clear();
        conversation.tool_choice = None;
        conversation.drop_reported("tools");
    }
    repair::tell_calls_as_text(conversation);
}

/// Gives each call an id of nine letters and digits that follows from the agent's, so that the prompt stays the same from
/// one request to the next. One that is such an id already keeps it.
fn shorten_call_ids(conversation: &mut Conversation<'_>) {
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
