//! What Azure's Chat Completions and SAP's harmonized API spell alike: both follow OpenAI.

pub(crate) mod messages;

use std::borrow::Cow;

use crate::conversation::{Conversation, Effort, ResponseFormat, Thinking, Tool, ToolChoice};
use crate::json::{Text, Value, write_count, write_name, write_string};
use crate::repair;
use crate::rules::ThinkingKind;
use crate::sampling;
use crate::target::Target;

/// The name of an answer's schema where the agent gives none, or one that OpenAI would refuse.
const SCHEMA_NAME: &str = "answer";

/// Writes `,"name":value` for every parameter that the model takes; the others are reported.
pub(crate) fn write_parameters(conversation: &mut Conversation<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    let rules = target.rules;
    if let Some(wanted) = conversation.max_tokens {
        write_name(rules.max_tokens_name.name(), out);
        write_count(out, rules.clamp_output(wanted));
    }
    sampling::write(conversation, target.rules, out);
    if !conversation.stop.is_empty() {
        if rules.refuses("stop") {
            conversation.drop_reported("stop");
        } else {
            write_name("stop", out);
            out.push(b'[');
            for (position, sequence) in conversation.stop.iter().enumerate() {
                out.extend_from_slice(if position > 0 { b"," } else { b"" });
                out.extend_from_slice(sequence.literal().as_bytes());
            }
            out.push(b']');
        }
    }
    if let Some(effort) = effort(conversation, target) {
        write_name("reasoning_effort", out);
        write_string(out, effort.word());
    }
    if conversation.stream {
        write_name("stream_options", out);
        out.extend_from_slice(b"{\"include_usage\":true}");
    }
}

/// The effort that stands for the thinking the agent asked for (mapping of requests in docs/formats.md).
fn effort(conversation: &mut Conversation<'_>, target: &Target<'_>) -> Option<Effort> {
    let wanted = match (conversation.thinking, conversation.effort) {
        (Some(Thinking::Disabled), _) => Some(Effort::None),
        (Some(Thinking::Budget(budget)), effort) => Some(effort.unwrap_or(match budget {
            ..4096 => Effort::Low,
            4096..16_384 => Effort::Medium,
            _ => Effort::High,
        })),
        (Some(Thinking::Adaptive), effort) => Some(effort.unwrap_or(Effort::Medium)),
        // An effort without thinking is Claude's own notion; it does not switch thinking on.
        (None, Some(_)) => None,
        (None, None) => return None,
    };
    let rules = target.rules;
    let mut effort = wanted.and_then(|wanted| rules.effort(wanted));
    if !conversation.tools.is_empty() && !rules.effort_with_tools {
        effort = None;
    }
    let budgeted = matches!(
        rules.thinking,
        ThinkingKind::Budget | ThinkingKind::BudgetOrAdaptive
    );
    let claude = rules.thinking != ThinkingKind::None;
    if budgeted && repair::lacks_signed_thinking(conversation) || claude && repair::forces_tool(conversation)
    {
        effort = None;
    }
    if effort.is_none() && wanted != Some(Effort::None) {
        conversation.drop_reported(if wanted.is_some() {
            "thinking"
        } else {
            "output_config.effort"
        });
    }
    effort
}

/// Writes `,"tool_choice":…` and `,"parallel_tool_calls":…` where the agent asked for more than the default.
pub(crate) fn write_tool_choice(conversation: &Conversation<'_>, out: &mut Vec<u8>) {
    if conversation.tools.is_empty() {
        return;
    }
    if let Some(choice) = &conversation.tool_choice {
        write_name("tool_choice", out);
        match choice {
            ToolChoice::Auto => out.extend_from_slice(b"\"auto\""),
            ToolChoice::None => out.extend_from_slice(b"\"none\""),
            ToolChoice::Required => out.extend_from_slice(b"\"required\""),
            ToolChoice::Named(name) => {
                out.extend_from_slice(b"{\"type\":\"function\",\"function\":{\"name\":");
                out.extend_from_slice(name.literal().as_bytes());
                out.extend_from_slice(b"}}");
            }
        }
    }
    if conversation.parallel_tool_calls == Some(false) {
        out.extend_from_slice(b",\"parallel_tool_calls\":false");
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
    let name = name
        .as_ref()
        .map(Text::decode)
        .filter(|name| repair::is_openai_name(name));
    write_string(out, name.as_deref().unwrap_or(SCHEMA_NAME));
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

/// Writes a tool without its closing brace, so that more may follow its function. `text` prepares the strings and
/// schemas for the route.
pub(crate) fn write_function(
    tool: &Tool<'_>,
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
    let schema = tool
        .schema
        .map_or("{\"type\":\"object\",\"properties\":{}}", Value::get);
    out.extend_from_slice(text(schema).as_bytes());
    if let Some(strict) = tool.strict {
        out.extend_from_slice(if strict {
            b",\"strict\":true"
        } else {
            b",\"strict\":false"
        });
    }
    out.push(b'}');
}
