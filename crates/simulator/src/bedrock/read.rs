//! From an invoke body to a [`Conversation`].

use serde_json::Value;

use super::rules::thinks;
use crate::catalogue::Model;
use crate::conversation::{Call, Choice, Conversation, Form, Media, Part, Prompt, Role, Tool, Turn};
use crate::json::{items, text};

/// Reads a checked body; refuses images that are none and prompts that are too long.
pub(super) fn conversation(body: &Value, model: &'static Model) -> Result<Conversation, String> {
    let mut prompt = Prompt::default();
    let tools = items(body, "tools")
        .iter()
        .map(|tool| read_tool(tool, &mut prompt))
        .collect();
    let mut turns = Vec::new();
    if let Some(system) = body.get("system") {
        turns.push(read_turn("system", Role::System, system, &mut prompt)?);
    }
    for (index, message) in items(body, "messages").iter().enumerate() {
        let role = if text(message, "role") == "user" {
            Role::User
        } else {
            Role::Assistant
        };
        let content = message.get("content").unwrap_or(&Value::Null);
        turns.push(read_turn(
            &format!("messages.{index}"),
            role,
            content,
            &mut prompt,
        )?);
    }
    if prompt.tokens > model.context {
        return Err(format!(
            "prompt is too long: {} tokens > {} maximum",
            prompt.tokens, model.context
        ));
    }
    let choice = body.get("tool_choice");
    let serial = choice
        .and_then(|choice| choice.get("disable_parallel_tool_use"))
        .and_then(Value::as_bool);
    Ok(Conversation {
        model,
        turns,
        tools,
        choice: match choice.map(|choice| text(choice, "type")) {
            Some("any") => Choice::Required,
            Some("none") => Choice::None,
            Some("tool") => Choice::Named(
                choice
                    .map(|choice| text(choice, "name"))
                    .unwrap_or_default()
                    .to_owned(),
            ),
            _ => Choice::Auto,
        },
        parallel: serial != Some(true),
        stops: items(body, "stop_sequences")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        most_tokens: body.get("max_tokens").and_then(Value::as_u64),
        thinking: thinks(body),
        form: body
            .pointer("/output_config/format/schema")
            .map_or(Form::Text, |schema| Form::Schema(schema.clone())),
        prompt,
    })
}

fn read_tool(tool: &Value, prompt: &mut Prompt) -> Tool {
    let read = Tool {
        name: text(tool, "name").to_owned(),
        description: text(tool, "description").to_owned(),
        schema: tool.get("input_schema").cloned().unwrap_or(Value::Null),
    };
    prompt.text(&read.name);
    prompt.text(&read.description);
    prompt.text(&read.schema.to_string());
    prompt.mark(tool.get("cache_control"));
    read
}

fn read_turn(place: &str, role: Role, content: &Value, prompt: &mut Prompt) -> Result<Turn, String> {
    prompt.message(role);
    Ok(Turn {
        role,
        parts: read_content(place, content, prompt)?,
    })
}

fn read_content(place: &str, content: &Value, prompt: &mut Prompt) -> Result<Vec<Part>, String> {
    match content {
        Value::String(text) => {
            prompt.text(text);
            Ok(vec![Part::Text(text.clone())])
        }
        Value::Array(blocks) => {
            let mut parts = Vec::new();
            for (at, block) in blocks.iter().enumerate() {
                parts.extend(read_block(&format!("{place}.content.{at}"), block, prompt)?);
                prompt.mark(block.get("cache_control"));
            }
            Ok(parts)
        }
        _ => Ok(Vec::new()),
    }
}

fn read_block(place: &str, block: &Value, prompt: &mut Prompt) -> Result<Option<Part>, String> {
    Ok(match text(block, "type") {
        "text" => {
            prompt.text(text(block, "text"));
            Some(Part::Text(text(block, "text").to_owned()))
        }
        "image" | "document" => Some(read_media(place, block, prompt)?),
        "tool_use" => {
            let arguments = block.get("input").cloned().unwrap_or(Value::Null);
            prompt.text(text(block, "name"));
            prompt.text(&arguments.to_string());
            Some(Part::Call(Call {
                name: text(block, "name").to_owned(),
                arguments,
            }))
        }
        "tool_result" => {
            let content = block.get("content").unwrap_or(&Value::Null);
            Some(Part::Answer(read_content(
                &format!("{place}.tool_result"),
                content,
                prompt,
            )?))
        }
        "search_result" => {
            let content = block.get("content").unwrap_or(&Value::Null);
            Some(Part::Answer(read_content(place, content, prompt)?))
        }
        _ => {
            prompt.text(text(block, "thinking"));
            None
        }
    })
}

fn read_media(place: &str, block: &Value, prompt: &mut Prompt) -> Result<Part, String> {
    let source = block.get("source").unwrap_or(&Value::Null);
    let data = text(source, "data");
    match text(source, "type") {
        "base64" => {
            let media = Media::decode(text(source, "media_type"), data)
                .map_err(|error| format!("{place}.{}.source.base64: {error}", text(block, "type")))?;
            prompt.media(&media, data);
            Ok(Part::Media(media))
        }
        "text" => {
            prompt.text(data);
            Ok(Part::Text(data.to_owned()))
        }
        _ => {
            let content = source.get("content").unwrap_or(&Value::Null);
            Ok(Part::Answer(read_content(place, content, prompt)?))
        }
    }
}
