//! Writes the body of Claude's `/invoke` and `/invoke-with-response-stream` (sap-wire.md §3.3).
//!
//! A Messages request is not written anew: its members, blocks and tools are copied, and only what a deployment refuses is
//! edited, so that a field nobody here has heard of still arrives.

use std::borrow::Cow;

use crate::claude::blocks::{BlockWriter, write_cache};
use crate::claude::{answer_schema, turns};
use crate::conversation::{Content, Conversation, Effort, ResponseFormat, Role, Thinking, Tool, ToolChoice};
use crate::json::{Text, Value, write_count, write_string};
use crate::model_rules::Beta;
use crate::rules::ThinkingKind;
use crate::target::Target;
use crate::{AgentFormat, messages, openai, repair, sampling};

/// The output limit where the agent gives none and the model's own is not known; a deployment demands one.
const DEFAULT_MAX_TOKENS: u64 = 4096;

/// The smallest thinking budget that Claude takes.
const LEAST_BUDGET: u64 = 1024;

/// Writes the body. `betas` are the flags the agent named, separated by commas.
pub(crate) fn write(
    conversation: &mut Conversation<'_>,
    betas: &str,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) {
    repair::repair(conversation);
    let rules = target.rules;
    // Who names no limit means the model's own, as with orchestration (sap-wire.md §4.1).
    let default = rules.max_output_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
    let limit = rules.output_limit(conversation, default);
    let thinking = thinking(conversation, target, limit);
    if thinking.is_none() {
        repair::drop_open_thinking(conversation);
    }
    if thinking.is_some() || !rules.prefill {
        repair::end_with_user(conversation);
    }
    turns::tidy(conversation);
    repair::limit_cache_marks(conversation, rules);
    let effort = effort(conversation, target);

    out.extend_from_slice(b"{\"anthropic_version\":\"bedrock-2023-05-31\"");
    write_betas(conversation, betas, target, effort.is_some(), out);
    out.extend_from_slice(b",\"max_tokens\":");
    write_count(out, limit);
    match thinking {
        Some(Thinking::Budget(budget)) => {
            out.extend_from_slice(b",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":");
            write_count(out, budget);
            out.push(b'}');
        }
        Some(Thinking::Adaptive) => out.extend_from_slice(b",\"thinking\":{\"type\":\"adaptive\"}"),
        Some(Thinking::Disabled) | None => {}
    }
    write_output_config(conversation, target, effort, out);
    write_parameters(conversation, target, thinking, out);
    let given = conversation.stop.len();
    let takes_stop = !rules.refuses("stop");
    conversation
        .stop
        .retain(|sequence| takes_stop && !sequence.is_blank());
    if conversation.stop.len() < given {
        conversation.drop_reported("stop_sequences");
    }
    if !conversation.stop.is_empty() {
        out.extend_from_slice(b",\"stop_sequences\":[");
        separated(&conversation.stop, out, |text, out| {
            out.extend_from_slice(text.literal().as_bytes());
        });
        out.push(b']');
    }
    write_system(conversation, target, out);
    out.extend_from_slice(b",\"messages\":[");
    let same_format = conversation.origin == AgentFormat::Messages;
    let mut blocks = block_writer(conversation, target);
    separated(&conversation.turns, out, |turn, out| {
        let role: &[u8] = if turn.role == Role::Assistant {
            b"assistant"
        } else {
            b"user"
        };
        out.extend_from_slice(b"{\"role\":\"");
        out.extend_from_slice(role);
        out.extend_from_slice(b"\",\"content\":");
        blocks.write(&turn.parts, out);
        out.push(b'}');
    });
    out.push(b']');
    for kind in blocks.dropped {
        conversation.drop_reported(kind);
    }
    if !conversation.tools.is_empty() {
        out.extend_from_slice(b",\"tools\":[");
        separated(&conversation.tools, out, |tool, out| {
            write_tool(tool, same_format, target, out);
        });
        out.push(b']');
        repair::report_refused_tool_members(conversation, rules);
        openai::drop_refused_tool_choice(conversation, rules);
        if !rules.refuses("tool_choice") {
            write_tool_choice(conversation, out);
        }
    }
    out.push(b'}');
}

fn block_writer<'w>(conversation: &Conversation<'_>, target: &Target<'w>) -> BlockWriter<'w> {
    BlockWriter {
        same_format: conversation.origin == AgentFormat::Messages,
        rules: target.rules,
        dropped: Vec::new(),
    }
}

/// Writes `items` with commas between them.
fn separated<T>(items: &[T], out: &mut Vec<u8>, mut write: impl FnMut(&T, &mut Vec<u8>)) {
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write(item, out);
    }
}

/// What of the thinking the agent asked for this model takes.
fn thinking(conversation: &mut Conversation<'_>, target: &Target<'_>, limit: u64) -> Option<Thinking> {
    let wanted = conversation
        .thinking
        .filter(|thinking| *thinking != Thinking::Disabled)?;
    let kind = target.rules.thinking;
    if kind == ThinkingKind::None || repair::forces_tool(conversation) {
        conversation.drop_reported("thinking");
        return None;
    }
    let adaptive = match wanted {
        Thinking::Budget(_) => kind == ThinkingKind::Adaptive,
        _ => kind != ThinkingKind::Budget,
    };
    if adaptive {
        return Some(Thinking::Adaptive);
    }
    let budget = match wanted {
        Thinking::Budget(budget) => budget,
        _ => conversation.effort.unwrap_or(Effort::High).budget(),
    };
    if limit <= LEAST_BUDGET || repair::lacks_signed_thinking(conversation, true) {
        conversation.drop_reported("thinking");
        return None;
    }
    Some(Thinking::Budget(budget.clamp(LEAST_BUDGET, limit - 1)))
}

fn effort(conversation: &mut Conversation<'_>, target: &Target<'_>) -> Option<Effort> {
    let wanted = conversation.effort?;
    let effort = target.rules.effort(wanted);
    // An effort beside thinking has become its budget, or was reported with it.
    if effort.is_none() && conversation.thinking.is_none() {
        conversation.drop_reported("output_config.effort");
    }
    effort
}

fn write_betas(
    conversation: &mut Conversation<'_>,
    betas: &str,
    target: &Target<'_>,
    effort: bool,
    out: &mut Vec<u8>,
) {
    let named = |flag: &str| betas.split(',').any(|beta| beta.trim() == flag);
    let wanted = |beta: &&Beta| {
        (beta.effort && effort)
            || (beta.long_context && target.long_context)
            || (!beta.effort && named(&beta.flag))
    };
    for beta in target.rules.refused_betas.iter().filter(wanted) {
        conversation.drop_reported(format!("anthropic_beta.{}", beta.flag));
    }
    let mut first = true;
    for beta in target.rules.betas.iter().filter(wanted) {
        out.extend_from_slice(if first { b",\"anthropic_beta\":[" } else { b"," });
        write_string(out, &beta.flag);
        first = false;
    }
    if !first {
        out.push(b']');
    }
}

fn write_output_config(
    conversation: &mut Conversation<'_>,
    target: &Target<'_>,
    effort: Option<Effort>,
    out: &mut Vec<u8>,
) {
    let schema = match &conversation.response_format {
        // Claude follows a schema to the letter or not at all; Gemini always does.
        Some(ResponseFormat::JsonSchema { schema, strict, .. })
            if target.rules.structured_output
                && (*strict == Some(true) || conversation.origin == AgentFormat::Gemini) =>
        {
            // An agent of Claude's own format knows what may stand in it.
            match conversation.origin {
                AgentFormat::Messages => Some(Cow::Borrowed(schema.get())),
                _ => answer_schema::for_claude(*schema).map(Cow::Owned),
            }
        }
        _ => None,
    };
    if effort.is_none() && schema.is_none() {
        return;
    }
    out.extend_from_slice(b",\"output_config\":{");
    if let Some(effort) = effort {
        out.extend_from_slice(b"\"effort\":");
        write_string(out, effort.word());
    }
    if let Some(schema) = schema {
        out.extend_from_slice(if effort.is_some() { b"," } else { b"" });
        out.extend_from_slice(b"\"format\":{\"type\":\"json_schema\",\"schema\":");
        out.extend_from_slice(schema.as_bytes());
        out.push(b'}');
        conversation.response_format = None;
    }
    out.push(b'}');
}

/// Sampling parameters, and in the same format every other member that the rules let through.
fn write_parameters(
    conversation: &mut Conversation<'_>,
    target: &Target<'_>,
    thinking: Option<Thinking>,
    out: &mut Vec<u8>,
) {
    if thinking.is_some() {
        sampling::drop_beside_thinking(conversation);
    }
    sampling::write(conversation, target.rules, out);
    if conversation.origin != AgentFormat::Messages {
        return;
    }
    for (name, value) in conversation.members.members() {
        if messages::request::UNDERSTOOD.contains(&&*name.decode()) || value.is_null() {
            continue;
        }
        if target.rules.takes(name.escaped()) {
            write_member(&name, value, out);
        } else {
            conversation.drop_reported(name.decode().into_owned());
        }
    }
}

fn write_member(name: &Text<'_>, value: Value<'_>, out: &mut Vec<u8>) {
    out.push(b',');
    out.extend_from_slice(name.literal().as_bytes());
    out.push(b':');
    out.extend_from_slice(value.get().as_bytes());
}

fn write_system(conversation: &mut Conversation<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    // A model that takes no schema is asked for it in words.
    repair::ask_for_form_in_words(conversation);
    let given = conversation.system.len();
    conversation
        .system
        .retain(|part| matches!(part.content, Content::Text(_)));
    if conversation.system.len() < given {
        conversation.drop_reported("system attachment");
    }
    if conversation.system.is_empty() {
        return;
    }
    out.extend_from_slice(b",\"system\":");
    let mut blocks = block_writer(conversation, target);
    blocks.write(&conversation.system, out);
    for kind in blocks.dropped {
        conversation.drop_reported(kind);
    }
}

fn write_tool(tool: &Tool<'_>, same_format: bool, target: &Target<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    if same_format {
        let mut first = true;
        for (name, value) in tool.raw.members() {
            let refused = target.rules.tool_members.iter().any(|member| name.is(member));
            if refused
                || target.rules.refuses_tool_member(&name)
                || name.is("cache_control")
                || value.is_null()
            {
                continue;
            }
            if !first {
                out.push(b',');
            }
            first = false;
            out.extend_from_slice(name.literal().as_bytes());
            out.push(b':');
            if name.is("input_schema") {
                openai::write_schema(Some(value), |schema| Cow::Borrowed(schema), out);
            } else if name.is("name") {
                out.extend_from_slice(tool.name.literal().as_bytes());
            } else {
                out.extend_from_slice(value.get().as_bytes());
            }
        }
    } else {
        out.extend_from_slice(b"\"name\":");
        out.extend_from_slice(tool.name.literal().as_bytes());
        if let Some(description) = &tool.description {
            out.extend_from_slice(b",\"description\":");
            out.extend_from_slice(description.literal().as_bytes());
        }
        out.extend_from_slice(b",\"input_schema\":");
        openai::write_schema(tool.schema, |schema| Cow::Borrowed(schema), out);
    }
    write_cache(tool.cache.as_ref(), out);
    out.push(b'}');
}

fn write_tool_choice(conversation: &Conversation<'_>, out: &mut Vec<u8>) {
    let single = conversation.parallel_tool_calls == Some(false);
    let choice = match &conversation.tool_choice {
        None if single => &ToolChoice::Auto,
        None => return,
        Some(choice) => choice,
    };
    out.extend_from_slice(b",\"tool_choice\":{\"type\":");
    match choice {
        ToolChoice::Auto => out.extend_from_slice(b"\"auto\""),
        ToolChoice::None => out.extend_from_slice(b"\"none\""),
        ToolChoice::Required => out.extend_from_slice(b"\"any\""),
        ToolChoice::Named(name) => {
            out.extend_from_slice(b"\"tool\",\"name\":");
            out.extend_from_slice(name.literal().as_bytes());
        }
    }
    if let Some(parallel) = conversation.parallel_tool_calls
        && !matches!(choice, ToolChoice::None)
    {
        out.extend_from_slice(if parallel {
            b",\"disable_parallel_tool_use\":false"
        } else {
            b",\"disable_parallel_tool_use\":true"
        });
    }
    out.push(b'}');
}
