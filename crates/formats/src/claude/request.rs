//! Writes the body of Claude's `/invoke` and `/invoke-with-response-stream` (sap-wire.md §3.3).
//!
//! A Messages request is not written anew: its members, blocks and tools are copied, and only what a deployment refuses is
//! edited, so that a field nobody here has heard of still arrives.

use crate::conversation::{
    Attachment, Cache, Content, Conversation, Effort, Part, ResponseFormat, Role, Source, Thinking, Tool,
    ToolChoice, ToolResult,
};
use crate::json::{Object, Text, Value, write_count, write_string};
use crate::repair::{self, CACHE_MARKS, is_blank};
use crate::rules::ThinkingKind;
use crate::target::Target;
use crate::{AgentFormat, ModelFormat, messages, sampling};

/// The output limit where the agent gives none; a deployment demands one.
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
    debug_assert_eq!(target.format, ModelFormat::Claude);
    repair::repair(conversation);
    repair::repair_tools(conversation, false);
    limit_cache_marks(conversation);
    let rules = target.rules;
    let limit = rules.clamp_output(conversation.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS));
    let thinking = thinking(conversation, target, limit);
    let effort = effort(conversation, target);

    out.extend_from_slice(b"{\"anthropic_version\":\"bedrock-2023-05-31\"");
    write_betas(betas, target, effort.is_some(), out);
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
    if !conversation.stop.is_empty() {
        out.extend_from_slice(b",\"stop_sequences\":[");
        separated(&conversation.stop, out, |text, out| {
            out.extend_from_slice(text.literal().as_bytes());
        });
        out.push(b']');
    }
    write_system(conversation, out);
    out.extend_from_slice(b",\"messages\":[");
    let same_format = conversation.origin == AgentFormat::Messages;
    let mut dropped = Vec::new();
    separated(&conversation.turns, out, |turn, out| {
        let role: &[u8] = if turn.role == Role::Assistant {
            b"assistant"
        } else {
            b"user"
        };
        out.extend_from_slice(b"{\"role\":\"");
        out.extend_from_slice(role);
        out.extend_from_slice(b"\",\"content\":");
        write_parts(&turn.parts, same_format, &mut dropped, out);
        out.push(b'}');
    });
    out.push(b']');
    for kind in dropped {
        conversation.drop_reported(kind);
    }
    if !conversation.tools.is_empty() {
        out.extend_from_slice(b",\"tools\":[");
        separated(&conversation.tools, out, |tool, out| {
            write_tool(tool, same_format, target, out);
        });
        out.push(b']');
        write_tool_choice(conversation, out);
    }
    out.push(b'}');
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
        _ => budget_of(conversation.effort.unwrap_or(Effort::High)),
    };
    if limit <= LEAST_BUDGET || repair::lacks_signed_thinking(conversation) {
        conversation.drop_reported("thinking");
        return None;
    }
    Some(Thinking::Budget(budget.clamp(LEAST_BUDGET, limit - 1)))
}

/// The budget for an effort, where a model knows budgets only.
fn budget_of(effort: Effort) -> u64 {
    match effort {
        Effort::None | Effort::Minimal => LEAST_BUDGET,
        Effort::Low => 2048,
        Effort::Medium => 8192,
        Effort::High => 16_384,
        Effort::ExtraHigh => 24_576,
        Effort::Max => 31_999,
    }
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

fn write_betas(betas: &str, target: &Target<'_>, effort: bool, out: &mut Vec<u8>) {
    let named = |flag: &str| betas.split(',').any(|beta| beta.trim() == flag);
    let sent = target.rules.betas.iter().filter(|beta| {
        (beta.effort && effort)
            || (beta.long_context && target.long_context)
            || (!beta.effort && named(&beta.flag))
    });
    let mut first = true;
    for beta in sent {
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
        Some(ResponseFormat::JsonSchema { schema, .. }) if target.rules.structured_output => Some(*schema),
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
        out.extend_from_slice(schema.get().as_bytes());
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
        // While Claude thinks it takes no sampling parameter but the defaults.
        for (name, value) in std::mem::take(&mut conversation.parameters) {
            if !sampling::is_default(name, value) {
                conversation.drop_reported(name);
            }
        }
    }
    sampling::write(conversation, target.rules, out);
    if conversation.origin != AgentFormat::Messages {
        return;
    }
    for (name, value) in conversation.members.members() {
        if messages::request::UNDERSTOOD.contains(&name.escaped()) || value.is_null() {
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

fn write_system(conversation: &mut Conversation<'_>, out: &mut Vec<u8>) {
    // A model that takes no schema is asked for it in words.
    let asked_for = match conversation.response_format.take() {
        Some(ResponseFormat::JsonSchema { schema, .. }) => Some(format!(
            "Answer with JSON that follows this JSON schema, and with nothing else:\n{}",
            schema.get()
        )),
        Some(ResponseFormat::JsonObject) => {
            Some("Answer with one JSON object, and with nothing else.".to_owned())
        }
        None => None,
    };
    if let Some(words) = asked_for {
        conversation.system.push(Part::text(Text::of(&words)));
    }
    if conversation.system.is_empty() {
        return;
    }
    out.extend_from_slice(b",\"system\":");
    let same_format = conversation.origin == AgentFormat::Messages;
    let mut dropped = Vec::new();
    write_parts(&conversation.system, same_format, &mut dropped, out);
    for kind in dropped {
        conversation.drop_reported(kind);
    }
}

/// Writes a list of blocks.
fn write_parts(parts: &[Part<'_>], same_format: bool, dropped: &mut Vec<String>, out: &mut Vec<u8>) {
    out.push(b'[');
    let start = out.len();
    for part in parts.iter().filter(|part| !is_blank(part)) {
        let before = out.len();
        if before > start {
            out.push(b',');
        }
        if !write_part(part, same_format, dropped, out) {
            out.truncate(before);
        }
    }
    out.push(b']');
}

/// Writes one block; says whether Claude has a place for it.
fn write_part(part: &Part<'_>, same_format: bool, dropped: &mut Vec<String>, out: &mut Vec<u8>) -> bool {
    if let Some(block) = part.raw.filter(|_| same_format) {
        copy_block(block, part, dropped, out);
        return true;
    }
    match &part.content {
        Content::Text(text) => {
            out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
            out.extend_from_slice(text.literal().as_bytes());
        }
        Content::Image(image) => write_attachment("image", image, out),
        Content::File(file) => write_attachment("document", file, out),
        Content::ToolCall(call) => {
            out.extend_from_slice(b"{\"type\":\"tool_use\",\"id\":");
            out.extend_from_slice(call.id.literal().as_bytes());
            out.extend_from_slice(b",\"name\":");
            out.extend_from_slice(call.name.literal().as_bytes());
            out.extend_from_slice(b",\"input\":");
            out.extend_from_slice(call.arguments.as_bytes());
        }
        Content::ToolResult(result) => {
            out.extend_from_slice(b"{\"type\":\"tool_result\",\"tool_use_id\":");
            out.extend_from_slice(result.call.literal().as_bytes());
            if !result.parts.is_empty() {
                out.extend_from_slice(b",\"content\":");
                write_result_content(result, same_format, dropped, out);
            }
        }
        Content::Thinking {
            text,
            signature: Some(signature),
        } => {
            out.extend_from_slice(b"{\"type\":\"thinking\",\"thinking\":");
            out.extend_from_slice(text.literal().as_bytes());
            out.extend_from_slice(b",\"signature\":");
            out.extend_from_slice(signature.literal().as_bytes());
        }
        Content::Thinking { signature: None, .. } => {
            dropped.push("thinking without signature".to_owned());
            return false;
        }
        Content::Other { kind } => {
            dropped.push(kind.decode().into_owned());
            return false;
        }
    }
    write_cache(part.cache.as_ref(), out);
    out.push(b'}');
    true
}

/// Copies a block member by member; only its cache mark, a broken input and the inside of a tool result are written anew.
fn copy_block(block: Object<'_>, part: &Part<'_>, dropped: &mut Vec<String>, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut first = true;
    for (name, value) in block.members() {
        if name.is("cache_control") {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        out.extend_from_slice(name.literal().as_bytes());
        out.push(b':');
        match (&part.content, name.escaped()) {
            (Content::ToolCall(call), "input") => out.extend_from_slice(call.arguments.as_bytes()),
            (Content::ToolResult(result), "content") if !result.parts.is_empty() => {
                write_result_content(result, true, dropped, out);
            }
            _ => out.extend_from_slice(value.get().as_bytes()),
        }
    }
    write_cache(part.cache.as_ref(), out);
    out.push(b'}');
}

/// The content of a tool result: a single text stays a string, which a result may be even when it is blank.
fn write_result_content(
    result: &ToolResult<'_>,
    same_format: bool,
    dropped: &mut Vec<String>,
    out: &mut Vec<u8>,
) {
    match result.parts.as_slice() {
        [
            Part {
                content: Content::Text(text),
                raw: None,
                cache: None,
            },
        ] => {
            out.extend_from_slice(text.literal().as_bytes());
        }
        parts if parts.iter().all(is_blank) => out.extend_from_slice(b"\"\""),
        parts => write_parts(parts, same_format, dropped, out),
    }
}

fn write_attachment(kind: &str, attachment: &Attachment<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":");
    write_string(out, kind);
    out.extend_from_slice(b",\"source\":{\"type\":");
    match &attachment.source {
        Source::Base64 { media_type, data } => {
            out.extend_from_slice(b"\"base64\",\"media_type\":");
            out.extend_from_slice(media_type.literal().as_bytes());
            out.extend_from_slice(b",\"data\":");
            out.extend_from_slice(data.literal().as_bytes());
        }
        Source::Url(url) => {
            out.extend_from_slice(b"\"url\",\"url\":");
            out.extend_from_slice(url.literal().as_bytes());
        }
        Source::Text(text) => {
            out.extend_from_slice(b"\"text\",\"media_type\":\"text/plain\",\"data\":");
            out.extend_from_slice(text.literal().as_bytes());
        }
    }
    out.push(b'}');
    if let Some(name) = attachment.name.as_ref().filter(|_| kind == "document") {
        out.extend_from_slice(b",\"title\":");
        out.extend_from_slice(name.literal().as_bytes());
    }
}

fn write_cache(cache: Option<&Cache<'_>>, out: &mut Vec<u8>) {
    let Some(cache) = cache else { return };
    out.extend_from_slice(b",\"cache_control\":{\"type\":\"ephemeral\"");
    if let Some(ttl) = &cache.ttl {
        out.extend_from_slice(b",\"ttl\":");
        out.extend_from_slice(ttl.literal().as_bytes());
    }
    out.push(b'}');
}

/// At most four marks: the last ones hold, since a later prefix contains the earlier ones.
fn limit_cache_marks(conversation: &mut Conversation<'_>) {
    let system = conversation.system.iter_mut().map(|part| &mut part.cache);
    let turns = conversation
        .turns
        .iter_mut()
        .flat_map(|turn| &mut turn.parts)
        .map(|part| &mut part.cache);
    let tools = conversation.tools.iter_mut().map(|tool| &mut tool.cache);
    let mut marks: Vec<_> = tools
        .chain(system)
        .chain(turns)
        .filter(|cache| cache.is_some())
        .collect();
    let surplus = marks.len().saturating_sub(CACHE_MARKS);
    for mark in marks.iter_mut().take(surplus) {
        **mark = None;
    }
}

fn write_tool(tool: &Tool<'_>, same_format: bool, target: &Target<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    if same_format {
        let mut first = true;
        for (name, value) in tool.raw.members() {
            let refused = target.rules.tool_members.iter().any(|member| name.is(member));
            if refused || name.is("cache_control") || value.is_null() {
                continue;
            }
            if !first {
                out.push(b',');
            }
            first = false;
            out.extend_from_slice(name.literal().as_bytes());
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        }
    } else {
        out.extend_from_slice(b"\"name\":");
        out.extend_from_slice(tool.name.literal().as_bytes());
        if let Some(description) = &tool.description {
            out.extend_from_slice(b",\"description\":");
            out.extend_from_slice(description.literal().as_bytes());
        }
        out.extend_from_slice(b",\"input_schema\":");
        let schema = tool
            .schema
            .map_or("{\"type\":\"object\",\"properties\":{}}", Value::get);
        out.extend_from_slice(schema.as_bytes());
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
