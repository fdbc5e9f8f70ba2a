//! From a chat body to a [`Conversation`].

use serde_json::Value;

use super::Refusal;
use crate::catalogue::Model;
use crate::conversation::{Call, Conversation, Form, Media, Part, Prompt, Role, Tool, Turn};
use crate::json::{items, text};
use crate::orchestration::choice;

/// Reads a checked body; refuses images that are none and prompts that are too long.
pub(super) fn conversation(body: &Value, model: &'static Model) -> Result<Conversation, Refusal> {
    let mut prompt = Prompt::default();
    let tools = items(body, "tools")
        .iter()
        .map(|tool| Tool::openai(tool, &mut prompt))
        .collect();
    let turns = items(body, "messages")
        .iter()
        .enumerate()
        .map(|(index, message)| read_message(index, message, &mut prompt))
        .collect::<Result<Vec<_>, _>>()?;
    if prompt.tokens > model.context {
        return Err(Refusal::of(
            "messages",
            "context_length_exceeded",
            format!(
                "This model's maximum context length is {} tokens. However, your messages resulted in {} tokens. \
                 Please reduce the length of the messages.",
                model.context, prompt.tokens
            ),
        ));
    }
    let stops = match body.get("stop") {
        Some(Value::String(stop)) => vec![stop.clone()],
        _ => items(body, "stop")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    };
    let number = |name: &str| body.get(name).and_then(Value::as_u64);
    Ok(Conversation {
        model,
        turns,
        tools,
        choice: choice(body.get("tool_choice")),
        parallel: body.get("parallel_tool_calls").and_then(Value::as_bool) != Some(false),
        stops,
        most_tokens: Some(
            number("max_completion_tokens")
                .or(number("max_tokens"))
                .unwrap_or(model.output),
        ),
        thinking: false,
        form: match body.get("response_format").map(|format| text(format, "type")) {
            Some("json_object") => Form::JsonObject,
            Some("json_schema") => {
                let schema = body.pointer("/response_format/json_schema/schema");
                Form::Schema(
                    schema
                        .cloned()
                        .unwrap_or_else(|| serde_json::json!({"type": "object"})),
                )
            }
            _ => Form::Text,
        },
        prompt,
    })
}

fn read_message(index: usize, message: &Value, prompt: &mut Prompt) -> Result<Turn, Refusal> {
    let role = match text(message, "role") {
        "system" | "developer" => Role::System,
        "assistant" => Role::Assistant,
        _ => Role::User,
    };
    prompt.message(role);
    let mut parts = Vec::new();
    if let Some(content) = message.get("content").and_then(Value::as_str) {
        prompt.text(content);
        parts.push(Part::Text(content.to_owned()));
    }
    for (at, part) in items(message, "content").iter().enumerate() {
        parts.push(read_part(
            &format!("messages[{index}].content[{at}]"),
            part,
            prompt,
        )?);
    }
    if text(message, "role") == "tool" {
        parts = vec![Part::Answer(parts)];
    }
    for call in items(message, "tool_calls") {
        parts.push(Part::Call(Call::openai(call, prompt)));
    }
    Ok(Turn { role, parts })
}

fn read_part(place: &str, part: &Value, prompt: &mut Prompt) -> Result<Part, Refusal> {
    let image = part.pointer("/image_url/url").and_then(Value::as_str);
    let file = part.pointer("/file/file_data").and_then(Value::as_str);
    let Some(data) = image.or(file) else {
        let content = part
            .get("text")
            .or_else(|| part.get("refusal"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        prompt.text(content);
        return Ok(Part::Text(content.to_owned()));
    };
    if image.is_some_and(|url| url.starts_with("https://")) {
        return Ok(Part::Media(Media {
            media_type: "an image by its address".to_owned(),
            size: None,
        }));
    }
    let invalid = |error| Refusal::of(place, "invalid_image_url", format!("Invalid '{place}': {error}."));
    let media = Media::from_data_url(data).map_err(invalid)?;
    let fits = if image.is_some() {
        ["image/png", "image/jpeg", "image/gif", "image/webp"].contains(&media.media_type.as_str())
    } else {
        media.media_type == "application/pdf"
    };
    if !fits {
        return Err(invalid(format!("unsupported media type {}", media.media_type)));
    }
    prompt.media(&media, data);
    Ok(Part::Media(media))
}
