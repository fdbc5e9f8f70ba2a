//! Writes the body of Azure's `/responses` (sap-wire.md §3.2). The deployment is fail-closed: it refuses members, items and
//! tools that it does not know, so only known ones are sent.

use std::borrow::Cow;

use crate::azure_responses::input::InputWriter;
use crate::conversation::{Content, Conversation, Effort, Part, ResponseFormat, Tool};
use crate::json::{Text, Value, write_count, write_name, write_string};
use crate::rules::ModelRules;
use crate::target::Target;
use crate::{AgentFormat, openai, repair, responses, sampling};

/// The least that OpenAI takes as a limit of output tokens.
const LEAST_OUTPUT: u64 = 16;

/// The one addition to an answer that is asked for: what lets a model go on with its own reasoning.
const ENCRYPTED_REASONING: &str = "reasoning.encrypted_content";

/// Members that are read into the conversation and yet copied.
const COPIED: [&str; 3] = ["store", "previous_response_id", "background"];

/// Writes the body.
pub(crate) fn write(conversation: &mut Conversation<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    let rules = target.rules;
    let same_format = conversation.origin == AgentFormat::Responses;
    if !same_format {
        repair::repair(conversation);
    } else if !responses::request::continues_earlier(conversation) {
        repair::pair_tool_calls(conversation);
    }
    let mut parameters = Vec::with_capacity(256);
    write_parameters(conversation, target, same_format, &mut parameters);
    let dropped = write_input(conversation, target, out);
    if conversation.stream {
        out.extend_from_slice(b",\"stream\":true");
    }
    write_tools(&conversation.tools, rules, out);
    repair::report_refused_tool_members(conversation, rules);
    out.extend_from_slice(&parameters);
    out.push(b'}');
    for name in dropped {
        conversation.drop_reported(name);
    }
}

/// Writes the body of a request to compact the conversation, which has fewer members.
pub(crate) fn write_compaction(conversation: &mut Conversation<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    if !responses::request::continues_earlier(conversation) {
        repair::pair_tool_calls(conversation);
    }
    let dropped = write_input(conversation, target, out);
    for name in ["previous_response_id", "prompt_cache_key"] {
        if let Some(value) = conversation.members.get(name) {
            write_name(name, out);
            out.extend_from_slice(value.get().as_bytes());
        }
    }
    out.push(b'}');
    for name in dropped {
        conversation.drop_reported(name);
    }
}

/// Writes the model and the conversation; gives what had no place.
fn write_input(
    conversation: &Conversation<'_>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Vec<Cow<'static, str>> {
    let mut dropped = Vec::new();
    out.extend_from_slice(b"{\"model\":");
    write_string(out, target.model);
    write_instructions(&conversation.system, &mut dropped, out);
    out.extend_from_slice(b",\"input\":[");
    let same_format = conversation.origin == AgentFormat::Responses;
    let mut input = InputWriter::new(target.rules, same_format, out);
    for turn in &conversation.turns {
        input.write_turn(turn, out);
    }
    input.end(responses::request::continues_earlier(conversation), out);
    out.push(b']');
    dropped.append(&mut input.dropped);
    dropped
}

fn write_parameters(
    conversation: &mut Conversation<'_>,
    target: &Target<'_>,
    same_format: bool,
    out: &mut Vec<u8>,
) {
    let rules = target.rules;
    if let Some(wanted) = conversation.max_tokens {
        write_name("max_output_tokens", out);
        write_count(out, rules.output_limit(conversation, wanted).max(LEAST_OUTPUT));
    }
    if !std::mem::take(&mut conversation.stop).is_empty() {
        conversation.drop_reported("stop");
    }
    write_reasoning(conversation, target, out);
    sampling::write(conversation, rules, out);
    openai::write_tool_choice_with(
        ["{\"type\":\"function\",\"name\":", "}"],
        conversation,
        rules,
        out,
    );
    write_text(conversation, rules, out);
    if same_format {
        write_other_members(conversation, rules, out);
    } else {
        out.extend_from_slice(b",\"store\":false");
    }
    write_include(conversation, rules, same_format, out);
}

/// The effort, and whether a summary of the reasoning is wanted: by the agent, or because its format shows thinking.
fn write_reasoning(conversation: &mut Conversation<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    let same_format = conversation.origin == AgentFormat::Responses;
    let asked = conversation.members.get("reasoning").and_then(Value::object);
    let asked = asked.filter(|_| same_format);
    let effort = openai::effort(conversation, target);
    let summary = match (asked, effort) {
        (Some(asked), _) => asked.get("summary").map(Value::get),
        (None, Some(effort)) if effort > Effort::Minimal => Some("\"auto\""),
        _ => None,
    };
    let summary =
        summary.filter(|_| !target.rules.efforts.is_empty() && !target.rules.refuses("reasoning_summary"));
    if asked.is_some_and(|asked| asked.get("context").is_some()) {
        conversation.drop_reported("reasoning.context");
    }
    if effort.is_none() && summary.is_none() {
        return;
    }
    write_name("reasoning", out);
    out.push(b'{');
    if let Some(effort) = effort {
        out.extend_from_slice(b"\"effort\":");
        write_string(out, effort.word());
    }
    if let Some(summary) = summary {
        out.extend_from_slice(if effort.is_some() {
            b",\"summary\":"
        } else {
            b"\"summary\":"
        });
        out.extend_from_slice(summary.as_bytes());
    }
    out.push(b'}');
}

/// The form of the answer, and how many words it may make.
fn write_text(conversation: &mut Conversation<'_>, rules: &ModelRules, out: &mut Vec<u8>) {
    openai::settle_response_format(conversation, rules);
    let text = conversation.members.get("text").and_then(Value::object);
    let verbosity = text.and_then(|text| text.get("verbosity"));
    let verbosity = verbosity.filter(|_| conversation.origin == AgentFormat::Responses);
    let taken = verbosity.filter(|_| rules.takes("verbosity"));
    if verbosity.is_some() && taken.is_none() {
        conversation.drop_reported("text.verbosity");
    }
    if conversation.response_format.is_none() && taken.is_none() {
        return;
    }
    write_name("text", out);
    out.push(b'{');
    if let Some(verbosity) = taken {
        out.extend_from_slice(b"\"verbosity\":");
        out.extend_from_slice(verbosity.get().as_bytes());
    }
    if let Some(format) = &conversation.response_format {
        out.extend_from_slice(if taken.is_some() {
            b",\"format\":"
        } else {
            b"\"format\":"
        });
        write_format(format, out);
    }
    out.push(b'}');
}

fn write_format(format: &ResponseFormat<'_>, out: &mut Vec<u8>) {
    let ResponseFormat::JsonSchema {
        name,
        description,
        schema,
        strict,
    } = format
    else {
        out.extend_from_slice(b"{\"type\":\"json_object\"}");
        return;
    };
    out.extend_from_slice(b"{\"type\":\"json_schema\",\"name\":");
    write_string(out, &openai::schema_name(name.as_ref()));
    if let Some(description) = description {
        write_name("description", out);
        out.extend_from_slice(description.literal().as_bytes());
    }
    write_strict(*strict, out);
    write_name("schema", out);
    out.extend_from_slice(schema.get().as_bytes());
    out.push(b'}');
}

fn write_strict(strict: Option<bool>, out: &mut Vec<u8>) {
    if let Some(strict) = strict {
        write_name("strict", out);
        out.extend_from_slice(if strict { b"true" } else { b"false" });
    }
}

/// The agent's members that the conversation has no place for: copied where the rules let them through, reported otherwise.
fn write_other_members(conversation: &mut Conversation<'_>, rules: &ModelRules, out: &mut Vec<u8>) {
    for (name, value) in conversation.members.members() {
        let is_written = |name| responses::request::UNDERSTOOD.contains(&name) && !COPIED.contains(&name);
        // Hardly any name holds an escape.
        if value.is_null() || is_written(name.escaped()) {
            continue;
        }
        let known = name.decode();
        if is_written(&known) {
            continue;
        }
        if rules.takes(&known) {
            out.push(b',');
            out.extend_from_slice(name.literal().as_bytes());
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        } else {
            conversation.drop_reported(known.into_owned());
        }
    }
}

/// Asks for the encrypted reasoning, of models that reason: where the agent does, and for agents whose format carries
/// signatures, so that the model gets it back.
fn write_include(
    conversation: &mut Conversation<'_>,
    rules: &ModelRules,
    same_format: bool,
    out: &mut Vec<u8>,
) {
    let reasons = !rules.efforts.is_empty() && !rules.refuses("include");
    let mut wanted = reasons && conversation.origin != AgentFormat::ChatCompletions;
    if same_format {
        let included = conversation.members.get("include").and_then(Value::list);
        let names: Vec<Text<'_>> = included.into_iter().flatten().filter_map(Value::text).collect();
        let (encrypted, others): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| name.is(ENCRYPTED_REASONING));
        wanted &= !encrypted.is_empty();
        for other in others {
            conversation.drop_reported(format!("include {}", other.decode()));
        }
    }
    if wanted {
        write_name("include", out);
        out.push(b'[');
        write_string(out, ENCRYPTED_REASONING);
        out.push(b']');
    }
}

fn write_instructions(system: &[Part<'_>], dropped: &mut Vec<Cow<'static, str>>, out: &mut Vec<u8>) {
    let mut texts = Vec::with_capacity(system.len());
    for part in system {
        match &part.content {
            Content::Text(text) => texts.push(text.clone()),
            _ => dropped.push(Cow::Borrowed("system attachment")),
        }
    }
    if !texts.is_empty() {
        write_name("instructions", out);
        out.extend_from_slice(Text::join(&texts, "\n\n").literal().as_bytes());
    }
}

fn write_tools(tools: &[Tool<'_>], rules: &ModelRules, out: &mut Vec<u8>) {
    let takes_strict = !rules.refused_tool_members.iter().any(|member| member == "strict");
    for (position, tool) in tools.iter().enumerate() {
        out.extend_from_slice(if position == 0 { b",\"tools\":[" } else { b"," });
        out.extend_from_slice(b"{\"type\":\"function\",\"name\":");
        out.extend_from_slice(tool.name.literal().as_bytes());
        if let Some(description) = &tool.description {
            write_name("description", out);
            out.extend_from_slice(description.literal().as_bytes());
        }
        write_name("parameters", out);
        openai::write_schema(tool.schema, |json| Cow::Borrowed(json), out);
        // Without a word Responses holds every tool to its schema, Chat Completions none.
        write_strict(Some(tool.strict.unwrap_or(false)).filter(|_| takes_strict), out);
        out.push(b'}');
    }
    if !tools.is_empty() {
        out.push(b']');
    }
}
