//! Writes the body of `/chat/completions` for Mistral, Perplexity and other vendors (sap-wire.md §3.6).
//!
//! A Chat Completions request is written anew too: these vendors want the turns in an order and the ids in a form of their
//! own, so that hardly a message could be copied.

use std::borrow::Cow;

use crate::conversation::Conversation;
use crate::json::write_string;
use crate::openai::messages::{forget_detail, part_user_from_results, plain_messages, write_message};
use crate::target::Target;
use crate::{openai, repair, short_call_ids, without_tools};

/// Writes the body.
pub(crate) fn write(conversation: &mut Conversation<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    let rules = target.rules;
    repair::repair(conversation);
    forget_detail(conversation);
    if !rules.tools {
        without_tools::leave_out(conversation);
    }
    if rules.short_call_ids {
        short_call_ids::shorten(conversation);
    }
    let mut dropped: Vec<Cow<'static, str>> = Vec::new();
    let mut parameters = Vec::new();
    openai::write_parameters(conversation, target, &mut parameters);
    openai::write_tool_choice(conversation, rules, &mut parameters);
    openai::settle_response_format(conversation, rules);
    openai::write_other_members(conversation, target, &mut parameters);

    out.extend_from_slice(b"{\"model\":");
    write_string(out, target.model);
    out.extend_from_slice(b",\"messages\":[");
    let mut messages = plain_messages(conversation, rules, &mut dropped);
    if !rules.user_after_results {
        part_user_from_results(&mut messages);
    }
    for (position, message) in messages.iter().enumerate() {
        out.extend_from_slice(if position > 0 { b"," } else { b"" });
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
