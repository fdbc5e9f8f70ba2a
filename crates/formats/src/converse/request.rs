//! Writes the body of `/converse` and `/converse-stream` (sap-wire.md §3.4; Amazon's `ConverseRequest`). The model stands in
//! neither: the deployment knows it.

use std::borrow::Cow;

use crate::conversation::{Content, Conversation, Effort, Role, Thinking, Tool, ToolChoice};
use crate::converse::blocks::{BlockWriter, write_cache_point};
use crate::json::{Object, Value, write_count, write_name};
use crate::rules::ModelRules;
use crate::target::Target;
use crate::{openai, repair, sampling, without_tools};

/// What Nova takes at the top of a tool's schema: any other member is an "extraneous key", and refused.
const SCHEMA_MEMBERS: [&str; 3] = ["type", "properties", "required"];

/// What may be left out at the top of a schema without a word: nothing of it tells the model what to give.
const SILENT_SCHEMA_MEMBERS: [&str; 4] = ["$schema", "additionalProperties", "title", "description"];

/// Writes the body.
pub(crate) fn write(conversation: &mut Conversation<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    let rules = target.rules;
    repair::repair(conversation);
    if conversation.tools.is_empty() {
        // Calls without tools are refused.
        without_tools::tell_calls_as_text(conversation);
    }
    // There is a place for them behind a tool, but Nova refuses it there.
    for tool in &mut conversation.tools {
        tool.cache = None;
    }
    repair::limit_cache_marks(conversation, rules);
    if !rules.prefill {
        repair::end_with_user(conversation);
    }
    drop_unknown_wishes(conversation);
    repair::ask_for_form_in_words(conversation);

    out.push(b'{');
    write_system(conversation, out);
    out.extend_from_slice(b"\"messages\":[");
    let mut blocks = BlockWriter::default();
    for (position, turn) in conversation.turns.iter().enumerate() {
        out.extend_from_slice(if position > 0 { b"," } else { b"" });
        out.extend_from_slice(if turn.role == Role::Assistant {
            b"{\"role\":\"assistant\",\"content\":".as_slice()
        } else {
            b"{\"role\":\"user\",\"content\":"
        });
        blocks.write_turn(turn, out);
        out.push(b'}');
    }
    out.push(b']');
    for name in blocks.dropped {
        conversation.drop_reported(name);
    }
    write_inference(conversation, rules, out);
    write_tools(conversation, rules, out);
    out.push(b'}');
}

/// Converse has no place for these.
fn drop_unknown_wishes(conversation: &mut Conversation<'_>) {
    let wants_none = matches!(
        (conversation.thinking, conversation.effort),
        (Some(Thinking::Disabled), _) | (None, None | Some(Effort::None))
    );
    if !wants_none {
        openai::report_thinking(conversation);
    }
    if conversation.parallel_tool_calls == Some(false) && !conversation.tools.is_empty() {
        conversation.drop_reported("parallel_tool_calls");
    }
}

fn write_system(conversation: &mut Conversation<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    let mut has_attachment = false;
    for part in &conversation.system {
        let Content::Text(text) = &part.content else {
            has_attachment = true;
            continue;
        };
        out.extend_from_slice(if out.len() > start { b"," } else { b"\"system\":[" });
        out.extend_from_slice(b"{\"text\":");
        out.extend_from_slice(text.literal().as_bytes());
        out.push(b'}');
        if part.cache.is_some() {
            out.push(b',');
            write_cache_point(out);
        }
    }
    if out.len() > start {
        out.extend_from_slice(b"],");
    }
    if has_attachment {
        conversation.drop_reported("system attachment");
    }
}

fn write_inference(conversation: &mut Conversation<'_>, rules: &ModelRules, out: &mut Vec<u8>) {
    let mut members = Vec::new();
    if let Some(wanted) = conversation.max_tokens {
        write_name("maxTokens", &mut members);
        write_count(&mut members, rules.output_limit(conversation, wanted));
    }
    let spell = |name| if name == "top_p" { "topP" } else { name };
    sampling::write_named(conversation, rules, spell, &mut members);
    openai::write_stop_sequences(conversation, rules, "stopSequences", &mut members);
    if let Some(members) = members.get(1..) {
        out.extend_from_slice(b",\"inferenceConfig\":{");
        out.extend_from_slice(members);
        out.push(b'}');
    }
}

/// Writes the tools. There is no word for a model that shall call none; it is offered none, unless it has called some before:
/// calls without tools are refused.
fn write_tools(conversation: &mut Conversation<'_>, rules: &ModelRules, out: &mut Vec<u8>) {
    openai::drop_refused_tool_choice(conversation, rules);
    if matches!(conversation.tool_choice, Some(ToolChoice::None)) {
        let mut parts = conversation.turns.iter().flat_map(|turn| &turn.parts);
        if !parts.any(|part| matches!(part.content, Content::ToolCall(_))) {
            return;
        }
        conversation.drop_reported("tool_choice");
    }
    if conversation.tools.is_empty() {
        return;
    }
    let mut lost = Vec::new();
    for (position, tool) in conversation.tools.iter().enumerate() {
        out.extend_from_slice(if position > 0 {
            b",".as_slice()
        } else {
            b",\"toolConfig\":{\"tools\":["
        });
        out.extend_from_slice(b"{\"toolSpec\":{\"name\":");
        out.extend_from_slice(tool.name.literal().as_bytes());
        if let Some(description) = tool.description.as_ref().filter(|text| !text.is_blank()) {
            write_name("description", out);
            out.extend_from_slice(description.literal().as_bytes());
        }
        out.extend_from_slice(b",\"inputSchema\":{\"json\":");
        write_schema(tool, &mut lost, out);
        out.extend_from_slice(b"}}}");
    }
    out.push(b']');
    match &conversation.tool_choice {
        Some(ToolChoice::Required) => out.extend_from_slice(b",\"toolChoice\":{\"any\":{}}"),
        Some(ToolChoice::Named(name)) => {
            out.extend_from_slice(b",\"toolChoice\":{\"tool\":{\"name\":");
            out.extend_from_slice(name.literal().as_bytes());
            out.extend_from_slice(b"}}");
        }
        Some(ToolChoice::Auto | ToolChoice::None) | None => {}
    }
    out.push(b'}');
    for name in lost {
        conversation.drop_reported(name);
    }
}

/// Writes the schema of a tool's arguments, with nothing at its top but what Nova takes.
fn write_schema(tool: &Tool<'_>, lost: &mut Vec<Cow<'static, str>>, out: &mut Vec<u8>) {
    let schema = tool.schema.and_then(Value::object);
    let member = |name: &str| schema.and_then(|schema| schema.get(name));
    out.extend_from_slice(b"{\"type\":\"object\",\"properties\":");
    let properties = member("properties").filter(|properties| properties.object().is_some());
    out.extend_from_slice(properties.map_or("{}", Value::get).as_bytes());
    if let Some(required) = member("required").filter(|required| required.list().is_some()) {
        write_name("required", out);
        out.extend_from_slice(required.get().as_bytes());
    }
    out.push(b'}');
    for (name, _) in schema.into_iter().flat_map(Object::members) {
        let name = name.decode();
        if !SCHEMA_MEMBERS.contains(&&*name) && !SILENT_SCHEMA_MEMBERS.contains(&&*name) {
            lost.push(Cow::Owned(format!("tools.{name}")));
        }
    }
}
