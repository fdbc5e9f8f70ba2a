//! Writes the body of `/v2/completion` (sap-wire.md §4.1, spec `CompletionRequestConfiguration`).
//!
//! One form serves every request: `messages_history` holds everything up to the open turn, which SAP does not template;
//! `prompt.template` holds the open turn, every text of it behind a placeholder.

use std::borrow::Cow;

use crate::conversation::{Cache, Conversation};
use crate::json::write_string;
use crate::openai::messages::{Message, messages, place_cache_marks, write_cache, write_message};
use crate::orchestration::template::{Placeholders, break_braces};
use crate::rules::ModelRules;
use crate::target::Target;
use crate::{openai, repair};

/// Writes the body.
pub(crate) fn write(conversation: &mut Conversation<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    repair::repair(conversation);
    repair::repair_tools(conversation, true);
    let mut dropped = Vec::new();
    let mut parameters = Vec::with_capacity(128);
    openai::write_parameters(conversation, target, &mut parameters);
    openai::write_tool_choice(conversation, target.rules, &mut parameters);
    openai::drop_refused_response_format(conversation, target.rules);
    repair::report_refused_tool_members(conversation, target.rules);
    if !target.rules.cache_ttl {
        repair::forget_cache_ttl(conversation);
    }

    let mut tool_caches: Vec<_> = conversation.tools.iter().map(|tool| tool.cache.clone()).collect();
    let mut messages = messages(conversation, target.rules, &mut dropped);
    place_cache_marks(&mut messages, &mut tool_caches, target.rules.cache_marks);
    let (history, open) = messages.split_at(open_turn(&messages));

    let mut placeholders = Placeholders::default();
    out.extend_from_slice(b"{\"config\":{\"modules\":{\"prompt_templating\":{\"prompt\":{\"template\":[");
    for (position, message) in open.iter().enumerate() {
        out.extend_from_slice(if position > 0 { b"," } else { b"" });
        write_message(message, Some(&mut placeholders), out);
    }
    out.push(b']');
    write_tools(conversation, target.rules, &tool_caches, &mut dropped, out);
    if let Some(format) = &conversation.response_format {
        out.extend_from_slice(b",\"response_format\":");
        openai::write_response_format(format, |json| neutral("response_format", json, &mut dropped), out);
    }
    out.extend_from_slice(b"},\"model\":{\"name\":");
    write_string(out, target.model);
    out.extend_from_slice(b",\"version\":\"latest\",\"params\":{");
    // Every parameter begins with its comma.
    out.extend_from_slice(parameters.get(1..).unwrap_or_default());
    out.push(b'}');
    // What the service does without these is its own default, and nothing that the agent asked for.
    for (name, written) in [
        ("timeout", &b",\"timeout\":1200"[..]),
        ("max_retries", b",\"max_retries\":0"),
    ] {
        out.extend_from_slice(if target.rules.refuses(name) { b"" } else { written });
    }
    out.extend_from_slice(b"}}}");
    if conversation.stream {
        let chunk_size: &[u8] = if target.rules.refuses("chunk_size") {
            b""
        } else {
            b",\"chunk_size\":10"
        };
        out.extend_from_slice(b",\"stream\":{\"enabled\":true");
        out.extend_from_slice(chunk_size);
        out.push(b'}');
    }
    out.push(b'}');
    placeholders.write_values(out);
    out.extend_from_slice(b",\"messages_history\":[");
    for (position, message) in history.iter().enumerate() {
        out.extend_from_slice(if position > 0 { b"," } else { b"" });
        write_message(message, None, out);
    }
    out.extend_from_slice(b"]}");
    drop(messages);
    for name in dropped {
        conversation.drop_reported(name);
    }
}

/// Where the open turn begins: the last user message or, when the conversation ends in tool results, the model's
/// message with those calls.
fn open_turn(messages: &[Message<'_, '_>]) -> usize {
    let opens = |message: &Message<'_, '_>| match messages.last() {
        Some(Message::Tool { .. }) => matches!(message, Message::Assistant { .. }),
        _ => matches!(message, Message::Items { .. }),
    };
    messages.iter().rposition(opens).unwrap_or(0)
}

fn write_tools(
    conversation: &Conversation<'_>,
    rules: &ModelRules,
    caches: &[Option<Cache<'_>>],
    dropped: &mut Vec<Cow<'static, str>>,
    out: &mut Vec<u8>,
) {
    for (position, tool) in conversation.tools.iter().enumerate() {
        out.extend_from_slice(if position == 0 { b",\"tools\":[" } else { b"," });
        openai::write_function(tool, rules, |json| neutral("tools", json, dropped), out);
        if let Some(Some(cache)) = caches.get(position) {
            write_cache(cache, out);
        }
        out.push(b'}');
    }
    if !conversation.tools.is_empty() {
        out.push(b']');
    }
}

/// JSON text without anything that could be taken for a template; a change is reported.
fn neutral<'j>(what: &str, json: &'j str, dropped: &mut Vec<Cow<'static, str>>) -> Cow<'j, str> {
    match break_braces(json) {
        Cow::Borrowed(json) => Cow::Borrowed(json),
        Cow::Owned(broken) => {
            dropped.push(Cow::Owned(format!("template braces in {what}")));
            Cow::Owned(broken)
        }
    }
}
