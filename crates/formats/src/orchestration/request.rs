//! Writes the body of `/v2/completion` (sap-wire.md §4.1, spec `CompletionRequestConfiguration`).
//!
//! One form serves every request: `messages_history` holds everything up to the open turn, which SAP does not template;
//! `prompt.template` holds the open turn, every text of it behind a placeholder. With fallbacks `modules` is a list, one
//! entry for each model, which share everything but what differs by model.

use std::borrow::Cow;
use std::iter;

use crate::conversation::{Cache, Conversation};
use crate::json::write_string;
use crate::model_rules::{Fallback, ModelRules, ThinkingKind};
use crate::openai::messages::{
    Item, ItemContent, Message, forget_detail, leave_out_documents, messages, part_user_from_results,
    place_cache_marks, write_cache, write_message,
};
use crate::orchestration::modules::ModulePieces;
use crate::orchestration::template::{Placeholders, break_braces};
use crate::target::Target;
use crate::{openai, repair, short_call_ids, without_tools};

/// Writes the body, and gives the modules that touch it, in the words of the header `x-coretap-orchestration`.
pub(crate) fn write(
    conversation: &mut Conversation<'_>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Vec<&'static str> {
    let rules = target.rules;
    let modules = &*rules.modules;
    repair::repair(conversation);
    if !rules.tools {
        without_tools::leave_out(conversation);
    }
    if conversation.tools.is_empty() && all_models(rules).any(|rules| !rules.calls_without_tools) {
        without_tools::tell_calls_as_text(conversation);
    }
    share_with_fallbacks(conversation, rules);
    let fallbacks = fallbacks(conversation, target);
    let first = OfModel::of(conversation, target);
    if !rules.takes_response_format(&conversation.tools) {
        repair::ask_for_form_in_words(conversation);
    }
    openai::settle_response_format(conversation, rules);
    repair::report_refused_tool_members(conversation, rules);
    if !rules.cache_ttl {
        repair::forget_cache_ttl(conversation);
    }

    let mut dropped = Vec::new();
    let mut tool_caches: Vec<_> = conversation.tools.iter().map(|tool| tool.cache.clone()).collect();
    if refuses_of_messages(rules, "detail") {
        forget_detail(conversation);
    }
    let mut messages = messages(conversation, rules, &mut dropped);
    if refuses_of_messages(rules, "file") {
        leave_out_documents(&mut messages, &mut dropped);
    }
    if all_models(rules).any(|rules| !rules.user_after_results) {
        part_user_from_results(&mut messages);
    }
    if place_cache_marks(&mut messages, &mut tool_caches, rules.cache_marks) {
        dropped.push(Cow::Borrowed("cache_control.ttl"));
    }
    let added_cache_marks = modules.prompt_caching
        && rules.cache_marks
        && tool_caches.iter().all(Option::is_none)
        && add_cache_marks(&mut messages);
    let has_files = !modules.masking.is_empty() && messages.iter().any(holds_file);
    let (history, open) = messages.split_at(open_turn(&messages));

    let mut placeholders = Placeholders::default();
    out.extend_from_slice(b"{\"config\":{\"modules\":");
    out.extend_from_slice(if fallbacks.is_empty() { b"" } else { b"[" });
    let mut template = 0..0;
    for (position, model) in iter::once(&first).chain(&fallbacks).enumerate() {
        out.extend_from_slice(if position > 0 { b"," } else { b"" });
        out.extend_from_slice(b"{\"prompt_templating\":{\"prompt\":{\"template\":[");
        if position == 0 {
            let start = out.len();
            for (position, message) in open.iter().enumerate() {
                out.extend_from_slice(if position > 0 { b"," } else { b"" });
                write_message(message, Some(&mut placeholders), out);
            }
            template = start..out.len();
        } else {
            // Every model is asked the same, with the same placeholders.
            out.extend_from_within(template.clone());
        }
        out.push(b']');
        if model.rules.tools {
            write_tools(conversation, model.rules, &tool_caches, &mut dropped, out);
        }
        if let Some(format) = &conversation.response_format
            && !model.rules.refuses("response_format")
        {
            out.extend_from_slice(b",\"response_format\":");
            openai::write_response_format(format, |json| neutral("response_format", json, &mut dropped), out);
        }
        model.write(modules, out);
        out.extend_from_slice(modules.filtering.as_bytes());
        let masking = if has_files {
            &modules.masking_with_files
        } else {
            &modules.masking
        };
        out.extend_from_slice(masking.as_bytes());
        out.push(b'}');
    }
    out.extend_from_slice(if fallbacks.is_empty() { b"" } else { b"]" });
    if conversation.stream {
        out.extend_from_slice(b",\"stream\":{\"enabled\":true");
        if !rules.refuses("chunk_size") {
            out.extend_from_slice(modules.chunk_size.as_bytes());
        }
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
    modules.touched(added_cache_marks)
}

/// What a model of the request has for itself.
struct OfModel<'t> {
    name: &'t str,
    rules: &'t ModelRules,
    /// Every parameter begins with its comma.
    parameters: Vec<u8>,
}

impl<'t> OfModel<'t> {
    fn of(conversation: &mut Conversation<'_>, target: &Target<'t>) -> Self {
        let mut parameters = Vec::with_capacity(128);
        openai::write_parameters(conversation, target, &mut parameters);
        if target.rules.tools {
            openai::write_tool_choice(conversation, target.rules, &mut parameters);
        }
        OfModel {
            name: target.model,
            rules: target.rules,
            parameters,
        }
    }

    /// Writes the end of `prompt`, and `model`.
    fn write(&self, modules: &ModulePieces, out: &mut Vec<u8>) {
        out.extend_from_slice(b"},\"model\":{\"name\":");
        write_string(out, self.name);
        out.extend_from_slice(b",\"version\":\"latest\",\"params\":{");
        out.extend_from_slice(self.parameters.get(1..).unwrap_or_default());
        out.push(b'}');
        // What the service does without these is its own default, and nothing that the agent asked for.
        for (name, written) in [
            ("timeout", modules.timeout.as_bytes()),
            ("max_retries", b",\"max_retries\":0"),
        ] {
            out.extend_from_slice(if self.rules.refuses(name) { b"" } else { written });
        }
        out.extend_from_slice(b"}}");
    }
}

/// The models that are asked when the first one fails, each with its own parameters. What one of them does without is not
/// reported: that is about the model that was asked for.
fn fallbacks<'t>(conversation: &Conversation<'_>, target: &Target<'t>) -> Vec<OfModel<'t>> {
    let of = |fallback: &'t Fallback| {
        let target = Target {
            model: &fallback.model,
            rules: &fallback.rules,
            ..*target
        };
        OfModel::of(&mut conversation.clone(), &target)
    };
    target.rules.fallbacks.iter().map(of).collect()
}

/// The rules of every model of the list.
fn all_models(rules: &ModelRules) -> impl Iterator<Item = &ModelRules> {
    iter::once(rules).chain(rules.fallbacks.iter().map(|fallback| &fallback.rules))
}

/// Brings the conversation into a form that every model of the list takes: they share the history. Only calls stay as they
/// are beside a model that knows no tools: told as text they would cost the one that was asked for too much.
fn share_with_fallbacks(conversation: &mut Conversation<'_>, rules: &ModelRules) {
    let others = || rules.fallbacks.iter().map(|fallback| &fallback.rules);
    // Earlier thinking is for models that think alike: they all get it, or all do without.
    let thinks_alike = |other: &ModelRules| {
        other.thinking_replay == rules.thinking_replay
            && other.thinking == rules.thinking
            && other.efforts == rules.efforts
    };
    if !others().all(thinks_alike) {
        repair::drop_thinking(conversation);
    }
    if others().any(|other| !other.prefill || other.thinking != ThinkingKind::None) {
        repair::end_with_user(conversation);
    }
    if all_models(rules).any(|rules| rules.short_call_ids) {
        short_call_ids::shorten(conversation);
    }
}

/// Marks the end of the system prompt and of what the person said last, for agents that mark nothing. Says whether it did:
/// not where the agent has marked anything.
fn add_cache_marks(messages: &mut [Message<'_, '_>]) -> bool {
    let is_marked = |message: &Message<'_, '_>| match message {
        Message::Items { items, .. } => items.iter().any(|item| item.cache.is_some()),
        _ => false,
    };
    if messages.iter().any(is_marked) {
        return false;
    }
    let mut mark = |wanted: &str| {
        let last = messages.iter_mut().rev().find_map(|message| match message {
            Message::Items { role, items } if *role == wanted => items.last_mut(),
            _ => None,
        });
        last.map(|item| item.cache = Some(Cache { ttl: None })).is_some()
    };
    let (system, user) = (mark("system"), mark("user"));
    system || user
}

/// Whether one of the models that the conversation is for refuses a member of messages or their parts.
fn refuses_of_messages(rules: &ModelRules, name: &str) -> bool {
    all_models(rules).any(|rules| rules.refused_message_members.iter().any(|member| member == name))
}

fn holds_file(message: &Message<'_, '_>) -> bool {
    let is_file = |item: &Item<'_, '_>| matches!(item.content, ItemContent::File(_));
    matches!(message, Message::Items { items, .. } if items.iter().any(is_file))
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
