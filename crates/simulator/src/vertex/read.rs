//! From a body to a [`Conversation`].

use serde_json::{Value, json};

use super::rules::declarations;
use super::{schema, settings};
use crate::catalogue::Model;
use crate::conversation::{Call, Choice, Conversation, Form, Media, Part, Prompt, Role, Tool, Turn};
use crate::json::{items, text};

/// Media that Gemini sees and hears.
const MEDIA: &[&str] = &[
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/heic",
    "image/heif",
    "application/pdf",
    "text/plain",
    "audio/aac",
    "audio/flac",
    "audio/m4a",
    "audio/mp3",
    "audio/mpeg",
    "audio/ogg",
    "audio/pcm",
    "audio/wav",
    "audio/webm",
];

/// Reads a checked body; refuses media that are none and prompts that are too long.
pub(super) fn conversation(body: &Value, model: &'static Model) -> Result<Conversation, String> {
    let mut prompt = Prompt::default();
    let mut turns = Vec::new();
    if let Some(instruction) = body.get("systemInstruction") {
        turns.push(read_content(Role::System, instruction, &mut prompt)?);
    }
    let mut tools: Vec<Tool> = declarations(body)
        .iter()
        .map(|function| read_tool(function, &mut prompt))
        .collect();
    for content in items(body, "contents") {
        let role = if text(content, "role") == "user" {
            Role::User
        } else {
            Role::Assistant
        };
        turns.push(read_content(role, content, &mut prompt)?);
        // Google caches prefixes by itself.
        prompt.mark(Some(&json!({})));
    }
    if prompt.tokens > model.context {
        return Err(format!(
            "The input token count ({}) exceeds the maximum number of tokens allowed ({}).",
            prompt.tokens, model.context
        ));
    }
    let calling = body
        .pointer("/toolConfig/functionCallingConfig")
        .unwrap_or(&Value::Null);
    let allowed = items(calling, "allowedFunctionNames");
    if !allowed.is_empty() {
        tools.retain(|tool| allowed.iter().any(|name| name == tool.name.as_str()));
    }
    let config = body.get("generationConfig").unwrap_or(&Value::Null);
    Ok(Conversation {
        model,
        turns,
        tools,
        choice: match text(calling, "mode") {
            "ANY" => Choice::Required,
            "NONE" => Choice::None,
            _ => Choice::Auto,
        },
        parallel: true,
        stops: items(config, "stopSequences")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        most_tokens: Some(
            config
                .get("maxOutputTokens")
                .and_then(Value::as_u64)
                .unwrap_or(model.output),
        ),
        thinking: settings::thinks(body),
        form: match (config.get("responseSchema"), config.get("responseJsonSchema")) {
            (Some(open), _) => Form::Schema(schema::json_schema(open)),
            (_, Some(schema)) => Form::Schema(schema.clone()),
            _ if text(config, "responseMimeType") == "application/json" => Form::JsonObject,
            _ => Form::Text,
        },
        prompt,
    })
}

fn read_tool(function: &Value, prompt: &mut Prompt) -> Tool {
    let open = function.get("parameters").map(schema::json_schema);
    let read = Tool {
        name: text(function, "name").to_owned(),
        description: text(function, "description").to_owned(),
        schema: open
            .or_else(|| function.get("parametersJsonSchema").cloned())
            .unwrap_or_else(|| json!({"type": "object"})),
    };
    prompt.text(&read.name);
    prompt.text(&read.description);
    prompt.text(&read.schema.to_string());
    read
}

fn read_content(role: Role, content: &Value, prompt: &mut Prompt) -> Result<Turn, String> {
    prompt.message(role);
    let mut parts = Vec::new();
    for part in items(content, "parts") {
        parts.extend(read_part(part, prompt)?);
    }
    Ok(Turn { role, parts })
}

/// Nothing for a thought: the model is not to answer with what it thought before.
fn read_part(part: &Value, prompt: &mut Prompt) -> Result<Option<Part>, String> {
    if let Some(said) = part.get("text").and_then(Value::as_str) {
        prompt.text(said);
        let thought = part.get("thought").and_then(Value::as_bool) == Some(true);
        return Ok((!thought && !said.is_empty()).then(|| Part::Text(said.to_owned())));
    }
    if let Some(call) = part.get("functionCall") {
        let arguments = call.get("args").cloned().unwrap_or_else(|| json!({}));
        prompt.text(text(call, "name"));
        prompt.text(&arguments.to_string());
        return Ok(Some(Part::Call(Call {
            name: text(call, "name").to_owned(),
            arguments,
        })));
    }
    if let Some(response) = part.get("functionResponse") {
        let response = response.get("response").unwrap_or(&Value::Null);
        let said = result(response);
        prompt.text(&said);
        return Ok(Some(Part::Answer(vec![Part::Text(said)])));
    }
    let inline = part.get("inlineData");
    let source = inline.or_else(|| part.get("fileData")).unwrap_or(&Value::Null);
    let kind = text(source, "mimeType");
    if !MEDIA.contains(&kind) {
        return Err(format!(
            "Unable to submit request because it has a mimeType parameter with value {kind}, which is not supported. \
             Update the mimeType and try again."
        ));
    }
    if inline.is_none() {
        // Only what lies in Google's own storage.
        return Err("Cannot fetch content from the provided URL.".to_owned());
    }
    let data = text(source, "data");
    let media = Media::decode(kind, data).map_err(|error| format!("Provided image is not valid. {error}"))?;
    prompt.media(&media, data);
    Ok(Some(Part::Media(media)))
}

/// What a function gave: Google's customary members `output`, `result` and `error`, else all of it.
fn result(response: &Value) -> String {
    let only = response.as_object().filter(|members| members.len() == 1);
    let said = only.and_then(|members| {
        ["output", "result", "content", "error"]
            .iter()
            .find_map(|name| members.get(*name)?.as_str())
    });
    said.map_or_else(|| response.to_string(), str::to_owned)
}
