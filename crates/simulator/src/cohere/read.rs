//! From a body to a [`Conversation`].

use serde_json::Value;

use crate::catalogue::Model;
use crate::conversation::{Call, Choice, Conversation, Form, Part, Prompt, Role, Tool, Turn};
use crate::json::{items, text};

/// Reads a checked body; refuses prompts that are too long.
pub(super) fn conversation(body: &Value, model: &'static Model) -> Result<Conversation, String> {
    let mut prompt = Prompt::default();
    let tools = items(body, "tools")
        .iter()
        .map(|tool| Tool::openai(tool, &mut prompt))
        .collect();
    let turns = items(body, "messages")
        .iter()
        .map(|message| read_message(message, &mut prompt))
        .collect();
    if prompt.tokens > model.context {
        return Err(format!(
            "too many tokens: total number of tokens in the prompt cannot exceed {} - received {}.",
            model.context, prompt.tokens
        ));
    }
    let thinking = body
        .get("thinking")
        .map_or("enabled", |thinking| text(thinking, "type"));
    Ok(Conversation {
        model,
        turns,
        tools,
        choice: match text(body, "tool_choice") {
            "REQUIRED" => Choice::Required,
            "NONE" => Choice::None,
            _ => Choice::Auto,
        },
        parallel: true,
        stops: items(body, "stop_sequences")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        most_tokens: Some(
            body.get("max_tokens")
                .and_then(Value::as_u64)
                .unwrap_or(model.output),
        ),
        thinking: thinking == "enabled" && model.name.contains("reasoning"),
        form: match body.get("response_format") {
            Some(format) if format.get("json_schema").is_some() => {
                Form::Schema(format.get("json_schema").cloned().unwrap_or_default())
            }
            Some(format) if text(format, "type") == "json_object" => Form::JsonObject,
            _ => Form::Text,
        },
        prompt,
    })
}

fn read_message(message: &Value, prompt: &mut Prompt) -> Turn {
    let role = match text(message, "role") {
        "system" => Role::System,
        "assistant" => Role::Assistant,
        _ => Role::User,
    };
    prompt.message(role);
    let mut parts = Vec::new();
    if let Some(content) = message.get("content").and_then(Value::as_str) {
        prompt.text(content);
        parts.push(Part::Text(content.to_owned()));
    }
    prompt.text(text(message, "tool_plan"));
    for part in items(message, "content") {
        match part.pointer("/document/data") {
            Some(data) => {
                prompt.text(&data.to_string());
                parts.push(Part::Text(data.to_string()));
            }
            None if text(part, "type") == "thinking" => prompt.text(text(part, "thinking")),
            None => {
                prompt.text(text(part, "text"));
                parts.push(Part::Text(text(part, "text").to_owned()));
            }
        }
    }
    if text(message, "role") == "tool" {
        parts = vec![Part::Answer(parts)];
    }
    for call in items(message, "tool_calls") {
        parts.push(Part::Call(Call::openai(call, prompt)));
    }
    Turn { role, parts }
}
