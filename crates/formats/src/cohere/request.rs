//! Writes the body of Cohere's `/v2/chat` (sap-wire.md §3.6; Cohere's API reference, "Chat"). Its messages are OpenAI's but
//! for those with calls; the parameters have names of their own.

use std::borrow::Cow;

use crate::conversation::{Conversation, Effort, ResponseFormat, Thinking, ToolChoice};
use crate::json::{write_count, write_name, write_string};
use crate::openai::messages::{Message, forget_detail, plain_messages, write_message, write_tool_call_list};
use crate::rules::{ModelRules, ThinkingKind};
use crate::target::Target;
use crate::{openai, repair, sampling};

/// Writes the body.
pub(crate) fn write(conversation: &mut Conversation<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    let rules = target.rules;
    repair::repair(conversation);
    forget_detail(conversation);
    if !rules.prefill {
        repair::end_with_user(conversation);
    }
    if !conversation.tools.is_empty() {
        // A form of the answer excludes tools.
        repair::ask_for_form_in_words(conversation);
    }
    let mut parameters = Vec::new();
    write_parameters(conversation, rules, &mut parameters);
    write_tool_choice(conversation, rules, &mut parameters);
    write_response_format(conversation, rules, &mut parameters);

    out.extend_from_slice(b"{\"model\":");
    write_string(out, target.model);
    out.extend_from_slice(b",\"messages\":[");
    let mut dropped: Vec<Cow<'static, str>> = Vec::new();
    for (position, message) in plain_messages(conversation, rules, &mut dropped)
        .iter()
        .enumerate()
    {
        out.extend_from_slice(if position > 0 { b"," } else { b"" });
        match message {
            Message::Assistant { text, calls, .. } if !calls.is_empty() => {
                out.extend_from_slice(b"{\"role\":\"assistant\"");
                if let Some(plan) = text {
                    write_name("tool_plan", out);
                    out.extend_from_slice(plan.literal().as_bytes());
                }
                write_name("tool_calls", out);
                write_tool_call_list(calls, false, out);
                out.push(b'}');
            }
            message => write_message(message, None, out),
        }
    }
    out.push(b']');
    for name in dropped {
        conversation.drop_reported(name);
    }
    if conversation.stream {
        out.extend_from_slice(b",\"stream\":true");
    }
    openai::write_tools(&conversation.tools, rules, out);
    repair::report_refused_tool_members(conversation, rules);
    out.extend_from_slice(&parameters);
    out.push(b'}');
}

fn write_parameters(conversation: &mut Conversation<'_>, rules: &ModelRules, out: &mut Vec<u8>) {
    let limit = conversation
        .max_tokens
        .map(|wanted| rules.output_limit(conversation, wanted));
    if let Some(limit) = limit {
        write_name("max_tokens", out);
        write_count(out, limit);
    }
    let spell = |name| match name {
        "top_p" => "p",
        "top_k" => "k",
        name => name,
    };
    sampling::write_named(conversation, rules, spell, out);
    openai::write_stop_sequences(conversation, rules, "stop_sequences", out);
    write_thinking(conversation, rules, limit, out);
}

/// A budget stays one; any other wish to think leaves it to the model, which knows no effort.
fn write_thinking(
    conversation: &mut Conversation<'_>,
    rules: &ModelRules,
    limit: Option<u64>,
    out: &mut Vec<u8>,
) {
    let wanted = match (conversation.thinking, conversation.effort) {
        (Some(thinking), _) => thinking,
        (None, Some(Effort::None)) => Thinking::Disabled,
        (None, Some(_)) => Thinking::Adaptive,
        (None, None) => return,
    };
    if rules.thinking == ThinkingKind::None {
        if wanted != Thinking::Disabled {
            openai::report_thinking(conversation);
        }
        return;
    }
    write_name("thinking", out);
    match wanted {
        Thinking::Disabled => out.extend_from_slice(b"{\"type\":\"disabled\"}"),
        Thinking::Adaptive => out.extend_from_slice(b"{\"type\":\"enabled\"}"),
        Thinking::Budget(budget) => {
            let most = Some(rules.thinking_budgets.1).filter(|most| *most > 0);
            let most = most.into_iter().chain(limit).min();
            out.extend_from_slice(b"{\"type\":\"enabled\",\"token_budget\":");
            write_count(out, most.map_or(budget, |most| budget.min(most)));
            out.push(b'}');
        }
    }
}

/// Cohere can force a call or forbid all. One certain tool is forced by offering no other.
fn write_tool_choice(conversation: &mut Conversation<'_>, rules: &ModelRules, out: &mut Vec<u8>) {
    openai::drop_refused_tool_choice(conversation, rules);
    if conversation.tools.is_empty() {
        return;
    }
    let word = match &conversation.tool_choice {
        None | Some(ToolChoice::Auto) => None,
        Some(ToolChoice::None) => Some("NONE"),
        Some(ToolChoice::Required) => Some("REQUIRED"),
        Some(ToolChoice::Named(name)) => {
            let name = name.decode();
            conversation.tools.retain(|tool| tool.name.is(&name));
            Some("REQUIRED")
        }
    };
    if let Some(word) = word {
        write_name("tool_choice", out);
        write_string(out, word);
    }
    if conversation.parallel_tool_calls == Some(false) {
        conversation.drop_reported("parallel_tool_calls");
    }
}

fn write_response_format(conversation: &mut Conversation<'_>, rules: &ModelRules, out: &mut Vec<u8>) {
    openai::settle_response_format(conversation, rules);
    let Some(format) = &conversation.response_format else {
        return;
    };
    write_name("response_format", out);
    out.extend_from_slice(b"{\"type\":\"json_object\"");
    if let ResponseFormat::JsonSchema { schema, .. } = format {
        write_name("json_schema", out);
        out.extend_from_slice(schema.get().as_bytes());
    }
    out.push(b'}');
}
