//! Writes the body of Azure's `/chat/completions` (sap-wire.md §3.2). The deployment is fail-closed: it refuses members that
//! it does not know, so only known ones are sent.
//!
//! A Chat Completions request is not written anew: its messages and tools are copied, and only what the model refuses is edited.

use std::borrow::Cow;

use crate::conversation::{Content, Conversation, Part, Role, Turn};
use crate::json::{Object, Value};
use crate::openai::messages::{
    Message, assistant, messages, place_cache_marks, user, write_message, write_tool_call_list,
};
use crate::rules::ModelRules;
use crate::target::Target;
use crate::{AgentFormat, openai, repair};

/// Members of a message that Azure takes (spec chatCompletionRequest…Message).
const MESSAGE_MEMBERS: [&str; 6] = ["role", "content", "name", "tool_calls", "tool_call_id", "refusal"];

/// Writes the body.
pub(crate) fn write(conversation: &mut Conversation<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    let same_format = conversation.origin == AgentFormat::ChatCompletions;
    if same_format {
        repair::pair_tool_calls(conversation);
    } else {
        repair::repair(conversation);
    }
    let mut dropped: Vec<Cow<'static, str>> = Vec::new();
    let mut parameters = Vec::new();
    openai::write_parameters(conversation, target, &mut parameters);
    openai::write_tool_choice(conversation, target.rules, &mut parameters);
    openai::settle_response_format(conversation, target.rules);
    openai::write_other_members(conversation, target, &mut parameters);

    out.extend_from_slice(b"{\"messages\":[");
    let start = out.len();
    if same_format {
        for turn in &conversation.turns {
            copy_turn(turn, target.rules, start, &mut dropped, out);
        }
    } else {
        let mut messages = messages(conversation, target.rules, &mut dropped);
        place_cache_marks(&mut messages, &mut [], false);
        for message in &messages {
            separate(start, out);
            write_message(message, None, out);
        }
    }
    out.push(b']');
    if conversation.stream {
        out.extend_from_slice(b",\"stream\":true");
    }
    write_tools(conversation, target.rules, same_format, out);
    repair::report_refused_tool_members(conversation, target.rules);
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

fn separate(start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
}

/// Copies the agent's messages of one turn.
fn copy_turn(
    turn: &Turn<'_>,
    rules: &ModelRules,
    start: usize,
    dropped: &mut Vec<Cow<'static, str>>,
    out: &mut Vec<u8>,
) {
    if let Some(message) = turn.raw {
        separate(start, out);
        copy_message(message, &turn.parts, rules, dropped, out);
        return;
    }
    // A turn without a message of its own holds results of tools, each a message.
    if let Some(results) = turn.parts.iter().map(plain_result).collect::<Option<Vec<_>>>() {
        for message in results {
            separate(start, out);
            copy_message(message, &turn.parts, rules, dropped, out);
        }
        return;
    }
    let mut messages = Vec::new();
    if turn.role == Role::Assistant {
        messages.push(assistant(turn, rules, dropped));
    } else {
        user(turn, &mut messages, dropped);
        if messages.is_empty() {
            messages.push(Message::said_by_user("."));
        }
    }
    if turn.role == Role::System {
        for message in &mut messages {
            if let Message::Items { role, .. } = message {
                *role = "system";
            }
        }
    }
    place_cache_marks(&mut messages, &mut [], false);
    for message in &messages {
        separate(start, out);
        write_message(message, None, out);
    }
}

/// The agent's own message for a result that Azure takes as it is: texts, without a cache mark.
fn plain_result<'a>(part: &Part<'a>) -> Option<Object<'a>> {
    let Content::ToolResult(result) = &part.content else {
        return None;
    };
    let texts = result
        .parts
        .iter()
        .all(|part| matches!(part.content, Content::Text(_)));
    part.raw
        .filter(|_| texts && !result.parts.is_empty() && part.cache.is_none())
}

fn copy_message(
    message: Object<'_>,
    parts: &[Part<'_>],
    rules: &ModelRules,
    dropped: &mut Vec<Cow<'static, str>>,
    out: &mut Vec<u8>,
) {
    // Agents that know Claude behind this format mark parts for its cache; OpenAI refuses the mark.
    let marked = parts.iter().any(|part| part.cache.is_some());
    let untidy = |part: &Part<'_>| matches!(&part.content, Content::ToolCall(call) if call.untidy);
    let untidy = parts.iter().any(untidy);
    out.push(b'{');
    let start = out.len();
    for (name, value) in message.members() {
        let empty = match &*name.decode() {
            "tool_calls" | "annotations" => value.is_null() || is_empty_list(value),
            "content" => parts.is_empty() || is_empty_list(value),
            "name" | "refusal" | "audio" | "function_call" => value.is_null(),
            _ => false,
        };
        if empty {
            continue;
        }
        if name.is("name") && !value.text().is_some_and(|name| is_speaker(&name.decode())) {
            dropped.push(Cow::Borrowed("messages.name"));
            continue;
        }
        if !MESSAGE_MEMBERS.contains(&&*name.decode()) || rules.refuses_message_member(&name) {
            dropped.push(Cow::Owned(format!("messages.{}", name.escaped())));
            continue;
        }
        separate(start, out);
        out.extend_from_slice(name.literal().as_bytes());
        out.push(b':');
        if name.is("content") && marked {
            write_unmarked(value, out);
        } else if name.is("tool_calls") && untidy {
            write_tidy_calls(parts, out);
        } else {
            out.extend_from_slice(value.get().as_bytes());
        }
    }
    if parts.is_empty() {
        separate(start, out);
        out.extend_from_slice(b"\"content\":\".\"");
    }
    out.push(b'}');
}

fn is_empty_list(value: Value<'_>) -> bool {
    value.list().is_some_and(|mut entries| entries.next().is_none())
}

/// Whether OpenAI takes the name of somebody who speaks ("Expected a string that matches the pattern '^[^\s<|\\/>]+$'").
fn is_speaker(name: &str) -> bool {
    let is_refused = |letter: char| letter.is_whitespace() || "<|\\/>".contains(letter);
    (1..=repair::TOOL_NAME_LENGTH).contains(&name.len()) && !name.contains(is_refused)
}

/// The tool calls as OpenAI spells them, and nothing else.
fn write_tidy_calls(parts: &[Part<'_>], out: &mut Vec<u8>) {
    let calls: Vec<_> = parts
        .iter()
        .filter_map(|part| match &part.content {
            Content::ToolCall(call) => Some(call),
            _ => None,
        })
        .collect();
    write_tool_call_list(&calls, false, out);
}

/// A list of content parts without their cache marks.
fn write_unmarked(content: Value<'_>, out: &mut Vec<u8>) {
    out.push(b'[');
    let list = out.len();
    for part in content.list().into_iter().flatten().filter_map(Value::object) {
        separate(list, out);
        out.push(b'{');
        let start = out.len();
        for (name, value) in part.members().filter(|(name, _)| !name.is("cache_control")) {
            separate(start, out);
            out.extend_from_slice(name.literal().as_bytes());
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        }
        out.push(b'}');
    }
    out.push(b']');
}

fn write_tools(conversation: &Conversation<'_>, rules: &ModelRules, same_format: bool, out: &mut Vec<u8>) {
    for (position, tool) in conversation.tools.iter().enumerate() {
        out.extend_from_slice(if position == 0 { b",\"tools\":[" } else { b"," });
        let function = tool.raw.get("function").and_then(Value::object);
        match function.filter(|_| same_format) {
            Some(function) => copy_function(function, tool.strict.is_some(), rules, out),
            None => openai::write_function(tool, rules, |json| Cow::Borrowed(json), out),
        }
        out.push(b'}');
    }
    if !conversation.tools.is_empty() {
        out.push(b']');
    }
}

/// Copies a function's definition without its closing brace; a member that is `null` is as good as absent, but refused. Its
/// schema says that it is an object.
fn copy_function(function: Object<'_>, with_strict: bool, rules: &ModelRules, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"function\",\"function\":{");
    let start = out.len();
    for (name, value) in function.members().filter(|(_, value)| !value.is_null()) {
        // Without parameters a function takes none; what is no schema is refused.
        let is_no_schema = name.is("parameters") && value.object().is_none();
        let is_loosened = name.is("strict") && !with_strict;
        if is_no_schema || is_loosened || rules.refuses_tool_member(&name) {
            continue;
        }
        separate(start, out);
        out.extend_from_slice(name.literal().as_bytes());
        out.push(b':');
        if name.is("parameters") {
            openai::write_schema(Some(value), |json| Cow::Borrowed(json), out);
        } else {
            out.extend_from_slice(value.get().as_bytes());
        }
    }
    out.push(b'}');
}
