//! From a body to a [`Conversation`].

use serde_json::Value;

use crate::catalogue::Model;
use crate::conversation::{Choice, Conversation, Form, Part, Prompt};
use crate::json::{items, text};
use crate::openai;

/// Reads a checked body; refuses prompts that are too long.
pub(super) fn conversation(body: &Value, model: &'static Model) -> Result<Conversation, String> {
    let mut prompt = Prompt::default();
    let tools = openai::tools(body, &mut prompt);
    let turns = openai::messages(items(body, "messages"), &mut prompt, |_, part, prompt| {
        Ok::<_, String>(read_part(part, prompt))
    })?;
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

fn read_part(part: &Value, prompt: &mut Prompt) -> Part {
    let said = match part.pointer("/document/data") {
        Some(data) => data.to_string(),
        None => text(part, "text").to_owned(),
    };
    prompt.text(&said);
    prompt.text(text(part, "thinking"));
    Part::Text(said)
}
