//! From a body to a [`Conversation`].

use serde_json::Value;

use super::rules::thinks;
use crate::catalogue::Model;
use crate::conversation::{Call, Choice, Conversation, Form, Media, Part, Prompt, Role, Tool, Turn};
use crate::json::{items, text};

/// Reads a checked body; refuses images that are none and prompts that are too long.
pub(super) fn conversation(body: &Value, model: &'static Model) -> Result<Conversation, String> {
    let mut prompt = Prompt::default();
    let config = body.get("toolConfig").unwrap_or(&Value::Null);
    let mut tools = Vec::new();
    for tool in items(config, "tools") {
        tools.extend(tool.get("toolSpec").map(|spec| read_tool(spec, &mut prompt)));
        prompt.mark(tool.get("cachePoint"));
    }
    let mut turns = Vec::new();
    if body.get("system").is_some() {
        turns.push(read_turn(
            "system",
            Role::System,
            items(body, "system"),
            &mut prompt,
        )?);
    }
    for (index, message) in items(body, "messages").iter().enumerate() {
        let role = if text(message, "role") == "user" {
            Role::User
        } else {
            Role::Assistant
        };
        let place = format!("messages.{index}.content");
        turns.push(read_turn(&place, role, items(message, "content"), &mut prompt)?);
    }
    if prompt.tokens > model.context {
        return Err(format!(
            "Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update the input to try \
             again: {} tokens > {}.",
            prompt.tokens, model.context
        ));
    }
    let choice = config.get("toolChoice").unwrap_or(&Value::Null);
    let named = choice.pointer("/tool/name").and_then(Value::as_str);
    let inference = body.get("inferenceConfig").unwrap_or(&Value::Null);
    Ok(Conversation {
        model,
        turns,
        tools,
        choice: match named {
            Some(name) => Choice::Named(name.to_owned()),
            None if choice.get("any").is_some() => Choice::Required,
            None => Choice::Auto,
        },
        parallel: true,
        stops: items(inference, "stopSequences")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        most_tokens: Some(
            inference
                .get("maxTokens")
                .and_then(Value::as_u64)
                .unwrap_or(model.output),
        ),
        thinking: thinks(body),
        form: Form::Text,
        prompt,
    })
}

fn read_tool(spec: &Value, prompt: &mut Prompt) -> Tool {
    let read = Tool {
        name: text(spec, "name").to_owned(),
        description: text(spec, "description").to_owned(),
        schema: spec.pointer("/inputSchema/json").cloned().unwrap_or(Value::Null),
    };
    prompt.text(&read.name);
    prompt.text(&read.description);
    prompt.text(&read.schema.to_string());
    read
}

fn read_turn(place: &str, role: Role, blocks: &[Value], prompt: &mut Prompt) -> Result<Turn, String> {
    prompt.message(role);
    Ok(Turn {
        role,
        parts: read_blocks(place, blocks, prompt)?,
    })
}

fn read_blocks(place: &str, blocks: &[Value], prompt: &mut Prompt) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        parts.extend(read_block(&format!("{place}.{at}"), block, prompt)?);
        prompt.mark(block.get("cachePoint"));
    }
    Ok(parts)
}

fn read_block(place: &str, block: &Value, prompt: &mut Prompt) -> Result<Option<Part>, String> {
    if let Some(said) = block.get("text").and_then(Value::as_str) {
        prompt.text(said);
        return Ok(Some(Part::Text(said.to_owned())));
    }
    if let Some(value) = block.get("json") {
        prompt.text(&value.to_string());
        return Ok(Some(Part::Text(value.to_string())));
    }
    if let Some(call) = block.get("toolUse") {
        let arguments = call.get("input").cloned().unwrap_or(Value::Null);
        prompt.text(text(call, "name"));
        prompt.text(&arguments.to_string());
        return Ok(Some(Part::Call(Call {
            name: text(call, "name").to_owned(),
            arguments,
        })));
    }
    if let Some(result) = block.get("toolResult") {
        let parts = read_blocks(&format!("{place}.toolResult"), items(result, "content"), prompt)?;
        return Ok(Some(Part::Answer(parts)));
    }
    let (image, document) = (block.get("image"), block.get("document"));
    let Some(media) = image.or(document) else {
        let thought = block.pointer("/reasoningContent/reasoningText/text");
        prompt.text(thought.and_then(Value::as_str).unwrap_or_default());
        return Ok(None);
    };
    let kind = match (image, text(media, "format")) {
        (Some(_), format) => format!("image/{format}"),
        (None, "pdf") => "application/pdf".to_owned(),
        (None, format) => format!("text/{format}"),
    };
    let data = media
        .pointer("/source/bytes")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let read = Media::decode(&kind, data)
        .map_err(|error| format!("Could not process the content block at {place}: {error}."))?;
    prompt.media(&read, data);
    Ok(Some(Part::Media(read)))
}
