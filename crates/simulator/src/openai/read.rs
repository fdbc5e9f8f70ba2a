//! From OpenAI's messages and members to those of a [`Conversation`](crate::conversation::Conversation).

use serde_json::{Value, json};

use crate::conversation::{Call, Choice, Form, Media, Part, Prompt, Role, Tool, Turn};
use crate::json::{items, text};

/// Pictures that are seen.
const IMAGES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// The tools of a checked body.
pub(crate) fn tools(body: &Value, prompt: &mut Prompt) -> Vec<Tool> {
    let tools = items(body, "tools").iter();
    tools.map(|tool| Tool::openai(tool, prompt)).collect()
}

/// Reads checked messages. `read_part` reads a part of a content and counts it; it is given the message's index and its own.
pub(crate) fn messages<E>(
    messages: &[Value],
    prompt: &mut Prompt,
    read_part: impl Fn((usize, usize), &Value, &mut Prompt) -> Result<Part, E>,
) -> Result<Vec<Turn>, E> {
    let messages = messages.iter().enumerate();
    messages
        .map(|(index, said)| {
            message(said, prompt, |at, part, prompt| {
                read_part((index, at), part, prompt)
            })
        })
        .collect()
}

fn message<E>(
    message: &Value,
    prompt: &mut Prompt,
    mut read_part: impl FnMut(usize, &Value, &mut Prompt) -> Result<Part, E>,
) -> Result<Turn, E> {
    let role = match text(message, "role") {
        "system" | "developer" => Role::System,
        "assistant" => Role::Assistant,
        _ => Role::User,
    };
    prompt.message(role);
    // What was thought before counts, and is not answered with.
    for block in items(message, "reasoning_content") {
        prompt.text(text(block, "content"));
    }
    prompt.text(text(message, "tool_plan"));
    let mut parts = Vec::new();
    if let Some(content) = message.get("content").and_then(Value::as_str) {
        prompt.text(content);
        parts.push(Part::Text(content.to_owned()));
    }
    for (index, part) in items(message, "content").iter().enumerate() {
        parts.push(read_part(index, part, prompt)?);
    }
    if text(message, "role") == "tool" {
        parts = vec![Part::Answer(parts)];
    }
    for call in items(message, "tool_calls") {
        parts.push(Part::Call(Call::openai(call, prompt)));
    }
    Ok(Turn { role, parts })
}

/// The picture at an address; one that is not in the address itself is not looked at.
pub(crate) fn image(address: &str, prompt: &mut Prompt) -> Result<Media, String> {
    if address.starts_with("https://") {
        return Ok(Media {
            media_type: "an image by its address".to_owned(),
            size: None,
        });
    }
    let media = Media::from_data_url(address)?;
    if !IMAGES.contains(&media.media_type.as_str()) {
        return Err(format!("Unsupported media type {}", media.media_type));
    }
    prompt.media(&media, address);
    Ok(media)
}

/// `tool_choice`; Mistral says `any` for `required`.
pub(crate) fn choice(choice: Option<&Value>) -> Choice {
    match choice {
        Some(Value::String(word)) if word == "none" => Choice::None,
        Some(Value::String(word)) if word == "required" || word == "any" => Choice::Required,
        Some(object @ Value::Object(_)) => {
            let name = object.pointer("/function/name").and_then(Value::as_str);
            Choice::Named(name.unwrap_or_default().to_owned())
        }
        _ => Choice::Auto,
    }
}

/// `stop`: one text or several.
pub(crate) fn stops(stop: Option<&Value>) -> Vec<String> {
    let texts = match stop {
        Some(Value::Array(texts)) => texts.as_slice(),
        Some(text) => std::slice::from_ref(text),
        None => &[],
    };
    let texts = texts.iter().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// `response_format`.
pub(crate) fn form(format: Option<&Value>) -> Form {
    let Some(format) = format else {
        return Form::Text;
    };
    match text(format, "type") {
        "json_object" => Form::JsonObject,
        "json_schema" => {
            let schema = format.pointer("/json_schema/schema").cloned();
            Form::Schema(schema.unwrap_or_else(|| json!({"type": "object"})))
        }
        _ => Form::Text,
    }
}

/// Whether somebody says the word "json": OpenAI answers in its JSON mode to nobody else.
pub(crate) fn asked_for_json(messages: &[Value]) -> bool {
    let says = |said: &Value| {
        said.as_str()
            .is_some_and(|said| said.to_lowercase().contains("json"))
    };
    messages.iter().any(|message| {
        let mut texts = items(message, "content")
            .iter()
            .filter_map(|part| part.get("text"));
        message.get("content").is_some_and(says) || texts.any(says)
    })
}
