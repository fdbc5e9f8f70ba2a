//! From a Responses body and its items to a [`Conversation`].

use serde_json::{Value, json};

use crate::azure::Refusal;
use crate::catalogue::{Family, Model};
use crate::conversation::{Call, Choice, Conversation, Form, Media, Part, Prompt, Role, Tool, Turn};
use crate::json::{items, text};
use crate::openai;

/// Reads a checked body; `before` are the items that it goes on from, `sent` are its own. Refuses images that are
/// none and prompts that are too long.
pub(super) fn conversation(
    body: &Value,
    before: &[Value],
    sent: &[Value],
    model: &'static Model,
) -> Result<Conversation, Refusal> {
    let mut prompt = Prompt::default();
    let tools = items(body, "tools")
        .iter()
        .map(|tool| read_tool(tool, &mut prompt))
        .collect();
    let mut turns = Vec::new();
    let instructions = text(body, "instructions");
    if !instructions.is_empty() {
        prompt.message(Role::System);
        prompt.text(instructions);
        turns.push(Turn {
            role: Role::System,
            parts: vec![Part::Text(instructions.to_owned())],
        });
    }
    // OpenAI caches by itself: after every item stands a prefix that a later request can have in common.
    let everywhere = json!({});
    // What went before is there already, so a place in it can't be wrong.
    let numbered = before.iter().map(|item| (0, item)).chain(sent.iter().enumerate());
    for (index, item) in numbered {
        if let Some(turn) = read_item(&format!("input[{index}]"), item, model, &mut prompt)? {
            add(&mut turns, turn);
        }
        prompt.mark(Some(&everywhere));
    }
    if prompt.tokens > model.context && text(body, "truncation") != "auto" {
        return Err(Refusal::of(
            "input",
            "context_length_exceeded",
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
        ));
    }
    let effort = body
        .pointer("/reasoning/effort")
        .and_then(Value::as_str)
        .unwrap_or("medium");
    Ok(Conversation {
        model,
        turns,
        tools,
        choice: choice(body.get("tool_choice")),
        parallel: body.get("parallel_tool_calls").and_then(Value::as_bool) != Some(false),
        stops: Vec::new(),
        most_tokens: Some(
            body.get("max_output_tokens")
                .and_then(Value::as_u64)
                .unwrap_or(model.output),
        ),
        thinking: model.family == Family::GptReasoning && !["none", "minimal"].contains(&effort),
        form: form(body.pointer("/text/format").unwrap_or(&Value::Null)),
        prompt,
    })
}

/// The model's items of one answer are one turn.
fn add(turns: &mut Vec<Turn>, turn: Turn) {
    match turns.last_mut() {
        Some(last) if last.role == Role::Assistant && turn.role == Role::Assistant => {
            last.parts.extend(turn.parts);
        }
        _ => turns.push(turn),
    }
}

fn choice(choice: Option<&Value>) -> Choice {
    match choice {
        Some(Value::String(word)) if word == "none" => Choice::None,
        Some(Value::String(word)) if word == "required" => Choice::Required,
        Some(named @ Value::Object(_)) => Choice::Named(text(named, "name").to_owned()),
        _ => Choice::Auto,
    }
}

fn form(format: &Value) -> Form {
    match text(format, "type") {
        "json_object" => Form::JsonObject,
        "json_schema" => Form::Schema(format.get("schema").cloned().unwrap_or_default()),
        _ => Form::Text,
    }
}

fn read_tool(tool: &Value, prompt: &mut Prompt) -> Tool {
    let parameters = tool.get("parameters").filter(|parameters| !parameters.is_null());
    let read = Tool {
        name: text(tool, "name").to_owned(),
        description: text(tool, "description").to_owned(),
        schema: parameters.cloned().unwrap_or_else(|| json!({"type": "object"})),
    };
    prompt.text(&read.name);
    prompt.text(&read.description);
    prompt.text(&read.schema.to_string());
    read
}

fn read_item(place: &str, item: &Value, model: &Model, prompt: &mut Prompt) -> Result<Option<Turn>, Refusal> {
    let turn = |role, parts| Some(Turn { role, parts });
    Ok(match text(item, "type") {
        "message" => {
            let role = match text(item, "role") {
                "system" | "developer" => Role::System,
                "assistant" => Role::Assistant,
                _ => Role::User,
            };
            prompt.message(role);
            turn(role, read_parts(place, item, "content", model, prompt)?)
        }
        "function_call" => {
            let (name, arguments) = (text(item, "name"), text(item, "arguments"));
            prompt.text(name);
            prompt.text(arguments);
            let call = Call {
                name: name.to_owned(),
                arguments: serde_json::from_str(arguments).unwrap_or_default(),
            };
            turn(Role::Assistant, vec![Part::Call(call)])
        }
        "function_call_output" => {
            prompt.message(Role::User);
            let parts = read_parts(place, item, "output", model, prompt)?;
            turn(Role::User, vec![Part::Answer(parts)])
        }
        // What was thought, or said before it was made shorter, is for the model alone.
        _ => {
            prompt.text(text(item, "encrypted_content"));
            None
        }
    })
}

fn read_parts(
    place: &str,
    item: &Value,
    key: &str,
    model: &Model,
    prompt: &mut Prompt,
) -> Result<Vec<Part>, Refusal> {
    if let Some(said) = item.get(key).and_then(Value::as_str) {
        prompt.text(said);
        return Ok(vec![Part::Text(said.to_owned())]);
    }
    let parts = items(item, key).iter().enumerate();
    parts
        .map(|(at, part)| read_part(&format!("{place}.{key}[{at}]"), part, model, prompt))
        .collect()
}

fn read_part(place: &str, part: &Value, model: &Model, prompt: &mut Prompt) -> Result<Part, Refusal> {
    let (key, data) = match text(part, "type") {
        "input_image" => ("image_url", text(part, "image_url")),
        "input_file" if part.get("file_url").is_some() => ("file_url", text(part, "file_url")),
        "input_file" => ("file_data", text(part, "file_data")),
        kind => {
            let said = text(part, if kind == "refusal" { "refusal" } else { "text" });
            prompt.text(said);
            return Ok(Part::Text(said.to_owned()));
        }
    };
    if !model.images {
        return Err(Refusal::of(
            place,
            "invalid_value",
            format!(
                "Invalid content type. {} is only supported by certain models.",
                text(part, "type")
            ),
        ));
    }
    let place = format!("{place}.{key}");
    let invalid = |error: String| {
        Refusal::of(
            place.as_str(),
            "invalid_value",
            format!("Invalid '{place}'. {error}."),
        )
    };
    if key == "image_url" {
        return openai::image(data, prompt).map(Part::Media).map_err(invalid);
    }
    if key == "file_url" {
        if !data.starts_with("https://") {
            return Err(invalid("Expected a URL".to_owned()));
        }
        return Ok(Part::Media(Media {
            media_type: "a file by its address".to_owned(),
            size: None,
        }));
    }
    let media = Media::from_data_url(data).map_err(invalid)?;
    if media.media_type != "application/pdf" {
        return Err(invalid(format!("unsupported media type {}", media.media_type)));
    }
    prompt.media(&media, data);
    Ok(Part::Media(media))
}
