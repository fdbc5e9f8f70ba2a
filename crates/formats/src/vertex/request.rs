//! Writes the body of Vertex's `generateContent` (sap-wire.md §3.5). The deployment is fail-closed: it refuses members that
//! it does not know, so only known ones are sent.
//!
//! A request in Gemini's own format is not written anew: its parts, declarations and settings are copied, and only what
//! Vertex refuses is edited.

use std::borrow::Cow;

use crate::conversation::{Conversation, Effort, Part, ResponseFormat, Thinking, Tool, ToolChoice};
use crate::gemini::request::{
    UNDERSTOOD, camel, generation_config, member, spelled, unread_generation_members,
};
use crate::json::{Object, Text, Value, write_count, write_name, write_string};
use crate::model_rules::ModelRules;
use crate::rules::ThinkingKind;
use crate::target::Target;
use crate::vertex::contents::ContentWriter;
use crate::{AgentFormat, openai, repair, sampling};

/// The most stop sequences that Gemini takes.
const MOST_STOP_SEQUENCES: usize = 5;

/// The longest name of a function.
const LONGEST_NAME: usize = 64;

/// Members of a function's declaration that Vertex takes.
const DECLARATION_MEMBERS: [&str; 6] = [
    "name",
    "description",
    "parameters",
    "parametersJsonSchema",
    "response",
    "responseJsonSchema",
];

/// Writes the body.
pub(crate) fn write(conversation: &mut Conversation<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    let rules = target.rules;
    let same_format = conversation.origin == AgentFormat::Gemini;
    repair::repair(conversation);
    if !rules.prefill {
        repair::end_with_user(conversation);
    }
    let mut config = Vec::new();
    write_generation_config(conversation, rules, &mut config);

    let mut contents = ContentWriter::new(conversation, rules);
    out.extend_from_slice(b"{\"contents\":[");
    for (position, turn) in conversation.turns.iter().enumerate() {
        out.extend_from_slice(if position > 0 { b"," } else { b"" });
        contents.write(turn, out);
    }
    out.push(b']');
    if !conversation.system.is_empty() {
        out.extend_from_slice(b",\"systemInstruction\":{\"parts\":");
        contents.write_system(&conversation.system, out);
        out.push(b'}');
    }
    for name in contents.dropped {
        conversation.drop_reported(name);
    }
    if !conversation.tools.is_empty() {
        out.extend_from_slice(b",\"tools\":[{\"functionDeclarations\":[");
        let mut dropped = Vec::new();
        for (position, tool) in conversation.tools.iter().enumerate() {
            out.extend_from_slice(if position > 0 { b"," } else { b"" });
            write_declaration(tool, same_format, rules, &mut dropped, out);
        }
        out.extend_from_slice(b"]}]");
        for name in dropped {
            conversation.drop_reported(name);
        }
        write_tool_config(conversation, rules, out);
    }
    // Every member of the configuration begins with its comma.
    if let Some(config) = config.get(1..).filter(|config| !config.is_empty()) {
        out.extend_from_slice(b",\"generationConfig\":{");
        out.extend_from_slice(config);
        out.push(b'}');
    }
    if same_format {
        write_other_members(conversation, rules, out);
    }
    out.push(b'}');
}

/// Whether Gemini can call a function by this name. A colon would not tell where the name begins in an answer, which may
/// have `default_api:` in front of it.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    name.len() <= LONGEST_NAME
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(plain)
}

pub(crate) fn drop_unnameable(conversation: &mut Conversation<'_>) {
    let mut dropped = Vec::new();
    conversation.tools.retain(|tool| {
        let name = tool.name.decode();
        let fits = tool.vendor_type.is_some() || is_name(&name);
        if !fits {
            dropped.push(format!("tool {name}"));
        }
        fits
    });
    for name in dropped {
        conversation.drop_reported(name);
    }
}

fn write_declaration(
    tool: &Tool<'_>,
    same_format: bool,
    rules: &ModelRules,
    dropped: &mut Vec<Cow<'static, str>>,
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    if same_format {
        let start = out.len();
        for (name, value) in tool.raw.members().filter(|(_, value)| !value.is_null()) {
            let mut spelled = camel(&name.decode());
            if spelled == "parameters" {
                if tool.raw.get("parametersJsonSchema").is_some() {
                    continue;
                }
                // Its schema has become JSON Schema with all others (`gemini::schema`), which has a member of its own.
                "parametersJsonSchema".clone_into(&mut spelled);
            }
            let refused = rules.refuses_tool_member(&name) || rules.refuses_tool_member(&Text::of(&spelled));
            if refused || !DECLARATION_MEMBERS.contains(&spelled.as_str()) {
                dropped.push(Cow::Owned(format!("tools.{spelled}")));
                continue;
            }
            out.extend_from_slice(if out.len() > start { b"," } else { b"" });
            write_string(out, &spelled);
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        }
    } else {
        out.extend_from_slice(b"\"name\":");
        out.extend_from_slice(tool.name.literal().as_bytes());
        if let Some(description) = &tool.description {
            write_name("description", out);
            out.extend_from_slice(description.literal().as_bytes());
        }
        write_name("parametersJsonSchema", out);
        openai::write_schema(tool.schema, |schema| Cow::Borrowed(schema), out);
    }
    out.push(b'}');
}

/// Writes `,"toolConfig":…` where the agent asked for more than the default.
fn write_tool_config(conversation: &mut Conversation<'_>, rules: &ModelRules, out: &mut Vec<u8>) {
    openai::drop_refused_tool_choice(conversation, rules);
    if conversation.parallel_tool_calls == Some(false) {
        conversation.drop_reported("parallel_tool_calls");
    }
    let Some(choice) = conversation.tool_choice.clone() else {
        return;
    };
    let own = member(conversation.members, "toolConfig", "tool_config").and_then(Value::object);
    let own = own.filter(|_| conversation.origin == AgentFormat::Gemini);
    let own_choice = own.and_then(|own| own_choice(own, &conversation.tools));
    let (mode, names, lost) = own_choice.unwrap_or_else(|| match choice {
        ToolChoice::Auto => ("AUTO", Vec::new(), false),
        ToolChoice::None => ("NONE", Vec::new(), false),
        ToolChoice::Required => ("ANY", Vec::new(), false),
        ToolChoice::Named(name) => ("ANY", vec![name], false),
    });
    if lost {
        conversation.drop_reported("tool_choice");
    }
    write_name("toolConfig", out);
    out.extend_from_slice(b"{\"functionCallingConfig\":{\"mode\":");
    write_string(out, mode);
    for (position, name) in names.iter().enumerate() {
        out.extend_from_slice(if position > 0 {
            b",".as_slice()
        } else {
            b",\"allowedFunctionNames\":["
        });
        out.extend_from_slice(name.literal().as_bytes());
    }
    out.extend_from_slice(if names.is_empty() { b"}}" } else { b"]}}" });
    for (name, _) in own.into_iter().flat_map(Object::members) {
        let name = camel(&name.decode());
        if name != "functionCallingConfig" {
            conversation.drop_reported(format!("toolConfig.{name}"));
        }
    }
}

/// What only Gemini's own format can say of the choice: a mode, and several names of tools. Vertex takes names of tools that
/// there are, and none beside `AUTO`; whether one was lost comes behind them.
fn own_choice<'a>(own: Object<'a>, tools: &[Tool<'_>]) -> Option<(&'static str, Vec<Text<'a>>, bool)> {
    let calling = member(own, "functionCallingConfig", "function_calling_config")?.object()?;
    let mode = calling.get("mode")?.text()?;
    let given = member(calling, "allowedFunctionNames", "allowed_function_names").and_then(Value::list);
    let mut names: Vec<Text<'a>> = given.into_iter().flatten().filter_map(Value::text).collect();
    let given = names.len();
    names.retain(|name| tools.iter().any(|tool| tool.name.decode() == name.decode()));
    let mode = match mode.decode().to_ascii_uppercase().as_str() {
        "VALIDATED" => "VALIDATED",
        "ANY" if given == 0 || !names.is_empty() => "ANY",
        "NONE" => "NONE",
        _ => "AUTO",
    };
    if matches!(mode, "AUTO" | "NONE") {
        names.clear();
    }
    let lost = names.len() < given;
    Some((mode, names, lost))
}

/// Leaves out a seed that Google does not take: it has 32 bits there.
fn drop_long_seed(conversation: &mut Conversation<'_>) {
    let given = conversation.parameters.len();
    let fits =
        |value: Value<'_>| sampling::whole(value.get()).is_some_and(|seed| i32::try_from(seed).is_ok());
    conversation
        .parameters
        .retain(|(name, value)| *name != "seed" || fits(*value));
    if conversation.parameters.len() < given {
        conversation.drop_reported("seed");
    }
}

/// Writes `,"name":value` for every member of `generationConfig`.
fn write_generation_config(conversation: &mut Conversation<'_>, rules: &ModelRules, out: &mut Vec<u8>) {
    let own = generation_config(conversation.members).filter(|_| conversation.origin == AgentFormat::Gemini);
    drop_long_seed(conversation);
    sampling::write_named(conversation, rules, spelled, out);
    if let Some(wanted) = conversation.max_tokens {
        write_name("maxOutputTokens", out);
        let limit = rules.output_limit(conversation, wanted);
        write_count(out, limit);
    }
    write_stop_sequences(conversation, rules, out);
    write_response_format(conversation, rules, own, out);
    write_thinking(conversation, rules, own, out);
    for (name, value) in own.into_iter().flat_map(unread_generation_members) {
        if value.is_null() {
            continue;
        }
        if rules.takes(&name) {
            write_name(&name, out);
            out.extend_from_slice(value.get().as_bytes());
        } else {
            conversation.drop_reported(format!("generationConfig.{name}"));
        }
    }
}

fn write_stop_sequences(conversation: &mut Conversation<'_>, rules: &ModelRules, out: &mut Vec<u8>) {
    let given = conversation.stop.len();
    let stop = &mut conversation.stop;
    stop.retain(|sequence| !sequence.is_empty());
    stop.truncate(if rules.refuses("stop") {
        0
    } else {
        MOST_STOP_SEQUENCES
    });
    for (position, sequence) in stop.iter().enumerate() {
        out.extend_from_slice(if position > 0 {
            b",".as_slice()
        } else {
            b",\"stopSequences\":["
        });
        out.extend_from_slice(sequence.literal().as_bytes());
    }
    if !stop.is_empty() {
        out.push(b']');
    }
    if stop.len() < given {
        conversation.drop_reported("stop");
    }
}

/// The form of the answer; a model that takes none, or none beside tools, is asked for it in words.
fn write_response_format(
    conversation: &mut Conversation<'_>,
    rules: &ModelRules,
    own: Option<Object<'_>>,
    out: &mut Vec<u8>,
) {
    openai::drop_refused_response_format(conversation, rules);
    let Some(format) = &conversation.response_format else {
        return;
    };
    let beside_tools = !conversation.tools.is_empty() && !rules.structured_output_with_tools;
    if !rules.structured_output || beside_tools {
        let words = Text::of(&format.in_words());
        conversation.system.push(Part::text(words));
        return;
    }
    write_name("responseMimeType", out);
    let own_kind = own.and_then(|own| member(own, "responseMimeType", "response_mime_type"));
    out.extend_from_slice(own_kind.map_or("\"application/json\"", Value::get).as_bytes());
    if let ResponseFormat::JsonSchema { schema, .. } = format {
        write_name("responseJsonSchema", out);
        out.extend_from_slice(schema.get().as_bytes());
    }
}

/// Writes `,"thinkingConfig":…`: a budget for models that think within one, a level for the others.
fn write_thinking(
    conversation: &mut Conversation<'_>,
    rules: &ModelRules,
    own: Option<Object<'_>>,
    out: &mut Vec<u8>,
) {
    // Gemini thinks unless it is told not to, so an effort alone says how much.
    let by_effort = conversation.effort.map(|_| Thinking::Adaptive);
    let Some(wanted) = conversation.thinking.or(by_effort) else {
        return;
    };
    if rules.thinking == ThinkingKind::None {
        if wanted != Thinking::Disabled {
            conversation.drop_reported("thinking");
        }
        return;
    }
    let own = own.and_then(|own| member(own, "thinkingConfig", "thinking_config")?.object());
    let asked = own.is_none_or(|own| {
        let shows = member(own, "includeThoughts", "include_thoughts");
        shows.is_some_and(|shows| shows.get() == "true")
    });
    // What is not thought cannot be shown.
    let shows = asked && !matches!(conversation.thinking, None | Some(Thinking::Disabled));
    out.extend_from_slice(b",\"thinkingConfig\":{\"includeThoughts\":");
    out.extend_from_slice(if shows { b"true" } else { b"false" });
    if rules.thinking == ThinkingKind::Adaptive {
        let level = match wanted {
            Thinking::Disabled => rules.effort(Effort::None).or(rules.efforts.first().copied()),
            Thinking::Budget(budget) => rules.effort(Effort::of_budget(budget)),
            Thinking::Adaptive => conversation.effort.and_then(|effort| rules.effort(effort)),
        };
        if let Some(level) = level {
            write_name("thinkingLevel", out);
            write_string(out, &level.word().to_ascii_uppercase());
        }
    } else {
        let (least, most) = rules.thinking_budgets;
        let budget = match wanted {
            Thinking::Disabled if rules.thinking_off => Some(0),
            Thinking::Disabled => Some(least),
            Thinking::Budget(budget) => Some(budget.clamp(least, most.max(least))),
            Thinking::Adaptive => conversation
                .effort
                .map(|effort| effort.budget().clamp(least, most.max(least))),
        };
        write_name("thinkingBudget", out);
        match budget {
            Some(budget) => write_count(out, budget),
            // As much as the model finds fit.
            None => out.extend_from_slice(b"-1"),
        }
    }
    out.push(b'}');
}

/// Members that the conversation has no place for: copied where the rules let them through, reported otherwise.
fn write_other_members(conversation: &mut Conversation<'_>, rules: &ModelRules, out: &mut Vec<u8>) {
    for (name, value) in conversation.members.members() {
        let name = name.decode();
        if UNDERSTOOD.contains(&&*name) || value.is_null() {
            continue;
        }
        let spelled = camel(&name);
        if rules.takes(&spelled) {
            write_name(&spelled, out);
            out.extend_from_slice(value.get().as_bytes());
        } else {
            conversation.drop_reported(name.into_owned());
        }
    }
}
