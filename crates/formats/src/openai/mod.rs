//! What Azure's Chat Completions and SAP's harmonized API spell alike: both follow OpenAI.

pub(crate) mod messages;
mod strict_schema;

use std::borrow::Cow;

use crate::claude::turns;
use crate::conversation::{Conversation, Effort, ResponseFormat, Thinking, Tool, ToolChoice};
use crate::json::{Text, Value, write_count, write_name, write_string};
use crate::rules::{ModelRules, ThinkingKind};
use crate::target::Target;
use crate::{AgentFormat, chat, repair, sampling};

/// The name of an answer's schema where the agent gives none, or one that OpenAI would refuse.
const SCHEMA_NAME: &str = "answer";

/// The name of an answer's schema: the agent's where OpenAI takes it.
pub(crate) fn schema_name<'t>(name: Option<&'t Text<'_>>) -> Cow<'t, str> {
    name.map(Text::decode)
        .filter(|name| repair::is_openai_name(name))
        .unwrap_or(Cow::Borrowed(SCHEMA_NAME))
}

/// Writes `,"name":value` for every parameter that the model takes; the others are reported.
pub(crate) fn write_parameters(conversation: &mut Conversation<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    let rules = target.rules;
    let is_claude = rules.thinking != ThinkingKind::None;
    if let Some(wanted) = conversation.max_tokens {
        write_name(rules.max_tokens_name.name(), out);
        write_count(out, rules.output_limit(conversation, wanted));
    }
    let effort = effort(conversation, target);
    if is_claude {
        match effort {
            Some(_) => sampling::drop_beside_thinking(conversation),
            None => repair::drop_open_thinking(conversation),
        }
    }
    if is_claude && effort.is_some() || !rules.prefill {
        repair::end_with_user(conversation);
    }
    if is_claude {
        turns::trim_prefill(conversation);
    }
    sampling::write(conversation, rules, out);
    write_stop_sequences(conversation, rules, "stop", out);
    if let Some(effort) = effort {
        write_name("reasoning_effort", out);
        write_string(out, effort.word());
    }
    if conversation.stream && !rules.refuses("stream_options") {
        write_name("stream_options", out);
        out.extend_from_slice(b"{\"include_usage\":true}");
    }
}

/// Writes the stop sequences as a list of this name. OpenAI and Nova take four and no empty one, Claude no blank one; the
/// rest is reported.
pub(crate) fn write_stop_sequences(
    conversation: &mut Conversation<'_>,
    rules: &ModelRules,
    name: &str,
    out: &mut Vec<u8>,
) {
    const MOST: usize = 4;
    let given = conversation.stop.len();
    let stop = &mut conversation.stop;
    stop.retain(|sequence| !(sequence.is_empty() || rules.refuses_blank_stop && sequence.is_blank()));
    stop.truncate(if rules.refuses("stop") { 0 } else { MOST });
    if !stop.is_empty() {
        write_name(name, out);
    }
    for (position, sequence) in stop.iter().enumerate() {
        out.push(if position > 0 { b',' } else { b'[' });
        out.extend_from_slice(sequence.literal().as_bytes());
    }
    if !stop.is_empty() {
        out.push(b']');
    }
    if stop.len() < given {
        conversation.drop_reported("stop");
    }
}

/// Copies the members of a Chat Completions request that the conversation has no place for, where the rules let them through;
/// the others are reported.
pub(crate) fn write_other_members(
    conversation: &mut Conversation<'_>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) {
    if conversation.origin != AgentFormat::ChatCompletions {
        return;
    }
    for (name, value) in conversation.members.members() {
        if chat::request::UNDERSTOOD.contains(&&*name.decode()) || value.is_null() {
            continue;
        }
        if target.rules.takes(name.escaped()) {
            out.push(b',');
            out.extend_from_slice(name.literal().as_bytes());
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        } else {
            conversation.drop_reported(name.decode().into_owned());
        }
    }
}

/// The effort that stands for the thinking the agent asked for (mapping of requests in docs/formats.md).
pub(crate) fn effort(conversation: &mut Conversation<'_>, target: &Target<'_>) -> Option<Effort> {
    let wanted = match (conversation.thinking, conversation.effort) {
        (Some(Thinking::Disabled), _) => Some(Effort::None),
        (Some(Thinking::Budget(budget)), effort) => Some(effort.unwrap_or(Effort::of_budget(budget))),
        (Some(Thinking::Adaptive), effort) => Some(effort.unwrap_or(Effort::Medium)),
        // To Claude an effort is no wish to think, but behind the harmonized API it would switch thinking on. Others think anyway.
        (None, Some(_)) if target.rules.thinking != ThinkingKind::None => None,
        (None, Some(effort)) => Some(effort),
        (None, None) => return None,
    };
    let rules = target.rules;
    let with_tools = conversation.tools.is_empty() || rules.effort_with_tools;
    let effort = wanted
        .and_then(|wanted| rules.effort(wanted))
        .filter(|_| with_tools && !excluded(conversation, rules.thinking));
    if effort.is_none() && wanted != Some(Effort::None) {
        report_thinking(conversation);
    }
    effort
}

/// Says, in the words of the agent's format, that a wish to think was left out.
pub(crate) fn report_thinking(conversation: &mut Conversation<'_>) {
    conversation.drop_reported(match (conversation.origin, conversation.thinking) {
        (AgentFormat::ChatCompletions, _) => "reasoning_effort",
        (AgentFormat::Responses, _) => "reasoning",
        (AgentFormat::Gemini, _) => "generationConfig.thinkingConfig",
        (AgentFormat::Messages, Some(_)) => "thinking",
        (AgentFormat::Messages, None) => "output_config.effort",
    });
}

/// Whether Claude cannot be asked to think in this very request.
fn excluded(conversation: &mut Conversation<'_>, kind: ThinkingKind) -> bool {
    match kind {
        ThinkingKind::None => false,
        ThinkingKind::Adaptive => repair::forces_tool(conversation),
        ThinkingKind::Budget | ThinkingKind::BudgetOrAdaptive => {
            repair::forces_tool(conversation) || repair::lacks_signed_thinking(conversation, false)
        }
    }
}

/// Leaves out of a tool choice what the deployment refuses.
pub(crate) fn drop_refused_tool_choice(conversation: &mut Conversation<'_>, rules: &ModelRules) {
    if conversation.tool_choice.is_some() && rules.refuses("tool_choice") {
        conversation.tool_choice = None;
        conversation.drop_reported("tool_choice");
    }
    if rules.refuses("parallel_tool_calls") && conversation.parallel_tool_calls.take() == Some(false) {
        conversation.drop_reported("parallel_tool_calls");
    }
}

/// Writes `,"tool_choice":…` and `,"parallel_tool_calls":…` as Chat Completions have them, where the agent asked for more
/// than the default.
pub(crate) fn write_tool_choice(conversation: &mut Conversation<'_>, rules: &ModelRules, out: &mut Vec<u8>) {
    let around_name = ["{\"type\":\"function\",\"function\":{\"name\":", "}}"];
    write_tool_choice_with(around_name, conversation, rules, out);
}

/// The same for an API that spells the choice of one tool in another way: what stands before and behind its name.
pub(crate) fn write_tool_choice_with(
    [before, behind]: [&str; 2],
    conversation: &mut Conversation<'_>,
    rules: &ModelRules,
    out: &mut Vec<u8>,
) {
    if conversation.tools.is_empty() {
        return;
    }
    drop_refused_tool_choice(conversation, rules);
    if let Some(choice) = &conversation.tool_choice {
        write_name("tool_choice", out);
        match choice {
            ToolChoice::Auto => out.extend_from_slice(b"\"auto\""),
            ToolChoice::None => out.extend_from_slice(b"\"none\""),
            ToolChoice::Required => out.extend_from_slice(b"\"required\""),
            ToolChoice::Named(name) => {
                out.extend_from_slice(before.as_bytes());
                out.extend_from_slice(name.literal().as_bytes());
                out.extend_from_slice(behind.as_bytes());
            }
        }
    }
    if conversation.parallel_tool_calls == Some(false) {
        out.extend_from_slice(b",\"parallel_tool_calls\":false");
    }
}

/// Leaves out the wish for a form of the answer where the deployment refuses it.
pub(crate) fn drop_refused_response_format(conversation: &mut Conversation<'_>, rules: &ModelRules) {
    if conversation.response_format.is_some() && rules.refuses("response_format") {
        conversation.response_format = None;
        conversation.drop_reported("response_format");
    }
}

/// Brings the wish for a form of the answer into one that OpenAI takes, or leaves it out where the deployment refuses it.
/// A schema of an agent that knows no `strict` is followed to the letter where OpenAI takes it so, and asked for in words where it is
/// none of an object, which OpenAI takes in no other way.
pub(crate) fn settle_response_format(conversation: &mut Conversation<'_>, rules: &ModelRules) {
    drop_refused_response_format(conversation, rules);
    if !matches!(conversation.origin, AgentFormat::Messages | AgentFormat::Gemini) {
        return;
    }
    if let Some(ResponseFormat::JsonSchema { schema, strict, .. }) = &mut conversation.response_format {
        let root = schema.object();
        if root.is_some_and(strict_schema::is_plain_object) {
            *strict = Some(strict_schema::holds_to_the_letter(*schema));
        } else {
            repair::ask_for_form_in_words(conversation);
        }
    }
}

/// Takes `strict` from tools whose schemas OpenAI would not follow to the letter: Anthropic asks less of such a schema than OpenAI
/// does, and a schema that was written anew (`rewritten`) or that nobody gave is open.
pub(crate) fn loosen_tools(conversation: &mut Conversation<'_>, rewritten: bool) {
    let doubtful = rewritten || conversation.origin == AgentFormat::Messages;
    let mut loosened = false;
    for tool in &mut conversation.tools {
        let is_doubtful = tool.strict == Some(true) && (doubtful || tool.schema.is_none());
        if is_doubtful && !tool.schema.is_some_and(strict_schema::holds_to_the_letter) {
            tool.strict = None;
            loosened = true;
        }
    }
    if loosened {
        conversation.drop_reported("tools.strict");
    }
}

/// Writes the value of `response_format`. `text` prepares the strings and schemas for the route.
pub(crate) fn write_response_format(
    format: &ResponseFormat<'_>,
    mut text: impl for<'j> FnMut(&'j str) -> Cow<'j, str>,
    out: &mut Vec<u8>,
) {
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
    out.extend_from_slice(b"{\"type\":\"json_schema\",\"json_schema\":{\"name\":");
    write_string(out, &schema_name(name.as_ref()));
    if let Some(description) = description {
        out.extend_from_slice(b",\"description\":");
        out.extend_from_slice(text(description.literal()).as_bytes());
    }
    if let Some(strict) = strict {
        out.extend_from_slice(if *strict {
            b",\"strict\":true"
        } else {
            b",\"strict\":false"
        });
    }
    out.extend_from_slice(b",\"schema\":");
    out.extend_from_slice(text(schema.get()).as_bytes());
    out.extend_from_slice(b"}}");
}

/// Writes the schema of a tool's arguments. One that does not say that they are an object is told to; OpenAI takes such
/// schemas, other vendors don't. `text` prepares it for the route.
pub(crate) fn write_schema(
    schema: Option<Value<'_>>,
    mut text: impl for<'j> FnMut(&'j str) -> Cow<'j, str>,
    out: &mut Vec<u8>,
) {
    let members = schema.and_then(Value::object);
    let Some(object) = members.filter(|object| object.members().next().is_some()) else {
        out.extend_from_slice(b"{\"type\":\"object\",\"properties\":{}}");
        return;
    };
    let schema = schema.map_or("", Value::get);
    let schema = text(schema);
    if object.get("type").is_none() {
        out.extend_from_slice(b"{\"type\":\"object\",");
        out.extend_from_slice(schema.strip_prefix('{').unwrap_or_default().as_bytes());
    } else {
        out.extend_from_slice(schema.as_bytes());
    }
}

/// Writes a tool without its closing brace, so that more may follow its function. `text` prepares the strings and
/// schemas for the route.
pub(crate) fn write_function(
    tool: &Tool<'_>,
    rules: &ModelRules,
    mut text: impl for<'j> FnMut(&'j str) -> Cow<'j, str>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"type\":\"function\",\"function\":{\"name\":");
    out.extend_from_slice(tool.name.literal().as_bytes());
    if let Some(description) = &tool.description {
        out.extend_from_slice(b",\"description\":");
        out.extend_from_slice(text(description.literal()).as_bytes());
    }
    out.extend_from_slice(b",\"parameters\":");
    write_schema(tool.schema, text, out);
    let takes_strict = !rules.refused_tool_members.iter().any(|member| member == "strict");
    if let Some(strict) = tool.strict.filter(|_| takes_strict) {
        out.extend_from_slice(if strict {
            b",\"strict\":true"
        } else {
            b",\"strict\":false"
        });
    }
    out.push(b'}');
}

/// Writes `,"tools":[…]` where there are any.
pub(crate) fn write_tools(tools: &[Tool<'_>], rules: &ModelRules, out: &mut Vec<u8>) {
    for (position, tool) in tools.iter().enumerate() {
        out.extend_from_slice(if position == 0 { b",\"tools\":[" } else { b"," });
        write_function(tool, rules, |json| Cow::Borrowed(json), out);
        out.push(b'}');
    }
    if !tools.is_empty() {
        out.push(b']');
    }
}
