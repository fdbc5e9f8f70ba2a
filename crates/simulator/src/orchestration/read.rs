//! From the final messages to a [`Conversation`].

use serde_json::Value;

use super::Failure;
use super::rules::{Request, role};
use crate::catalogue::Family;
use crate::conversation::{Call, Choice, Conversation, Form, Media, Part, Prompt, Role, Tool, Turn};
use crate::json::{items, text};

/// Reads a checked request; refuses images that are none and prompts that are too long.
pub(super) fn conversation(request: &Request<'_>) -> Result<Conversation, Failure> {
    let mut prompt = Prompt::default();
    let tools = request
        .tools()
        .iter()
        .map(|tool| read_tool(tool, &mut prompt))
        .collect();
    let turns = request
        .messages
        .iter()
        .map(|message| read_message(request, message, &mut prompt))
        .collect::<Result<Vec<_>, _>>()?;
    if prompt.tokens > request.model.context {
        return Err(Failure::model(format_args!(
            "prompt is too long: {} tokens > {} maximum",
            prompt.tokens, request.model.context
        )));
    }
    let stops = match request.parameter("stop") {
        Some(Value::String(stop)) => vec![stop.clone()],
        Some(Value::Array(stops)) => stops
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    };
    let format = request.prompt("response_format");
    Ok(Conversation {
        model: request.model,
        turns,
        tools,
        choice: choice(request.parameter("tool_choice")),
        parallel: request.parameter("parallel_tool_calls").and_then(Value::as_bool) != Some(false),
        stops,
        most_tokens: Some(request.most_tokens().unwrap_or(request.model.output)),
        thinking: request.thinks(),
        form: match format.map(|format| text(format, "type")) {
            Some("json_object") => Form::JsonObject,
            Some("json_schema") => {
                let schema = format.and_then(|format| format.pointer("/json_schema/schema"));
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

/// OpenAI's `tool_choice`.
pub(crate) fn choice(choice: Option<&Value>) -> Choice {
    match choice {
        Some(Value::String(word)) if word == "none" => Choice::None,
        Some(Value::String(word)) if word == "required" => Choice::Required,
        Some(object @ Value::Object(_)) => {
            let name = object
                .pointer("/function/name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            Choice::Named(name.to_owned())
        }
        _ => Choice::Auto,
    }
}

fn read_tool(tool: &Value, prompt: &mut Prompt) -> Tool {
    let read = Tool::openai(tool, prompt);
    prompt.mark(tool.get("cache_control"));
    read
}

fn read_message(request: &Request<'_>, message: &Value, prompt: &mut Prompt) -> Result<Turn, Failure> {
    let role = match role(message) {
        "system" | "developer" => Role::System,
        "assistant" => Role::Assistant,
        _ => Role::User,
    };
    prompt.message(role);
    let mut parts = Vec::new();
    for block in message
        .get("reasoning_content")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        prompt.text(text(block, "content"));
    }
    match message.get("content") {
        Some(Value::String(content)) => {
            prompt.text(content);
            parts.push(Part::Text(content.clone()));
        }
        Some(Value::Array(items)) => {
            for item in items {
                parts.push(read_item(request, item, prompt)?);
                prompt.mark(item.get("cache_control"));
            }
        }
        _ => {}
    }
    if text(message, "role") == "tool" {
        parts = vec![Part::Answer(parts)];
    }
    for call in items(message, "tool_calls") {
        parts.push(Part::Call(Call::openai(call, prompt)));
    }
    Ok(Turn { role, parts })
}

fn read_item(request: &Request<'_>, item: &Value, prompt: &mut Prompt) -> Result<Part, Failure> {
    if let Some(content) = item.get("text").and_then(Value::as_str) {
        prompt.text(content);
        return Ok(Part::Text(content.to_owned()));
    }
    let image = item.pointer("/image_url/url");
    let data = image
        .or_else(|| item.pointer("/file/file_data"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    // Only OpenAI fetches images by itself.
    let fetched = matches!(request.model.family, Family::Gpt | Family::GptReasoning);
    if fetched && image.is_some() && data.starts_with("https://") {
        return Ok(Part::Media(Media {
            media_type: "an image by its address".to_owned(),
            size: None,
        }));
    }
    let media = Media::from_data_url(data).map_err(Failure::model)?;
    let allowed: &[&str] = if image.is_some() {
        &["image/png", "image/jpeg", "image/gif", "image/webp"]
    } else {
        &["application/pdf"]
    };
    if !allowed.contains(&media.media_type.as_str()) {
        return Err(Failure::model(format_args!(
            "Unsupported media type {}",
            media.media_type
        )));
    }
    prompt.media(&media, data);
    Ok(Part::Media(media))
}
