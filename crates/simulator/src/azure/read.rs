//! From a chat body to a [`Conversation`].

use serde_json::Value;

use super::Refusal;
use crate::catalogue::Model;
use crate::conversation::{Conversation, Media, Part, Prompt};
use crate::json::items;
use crate::openai;

/// Reads a checked body; refuses images that are none and prompts that are too long.
pub(super) fn conversation(body: &Value, model: &'static Model) -> Result<Conversation, Refusal> {
    let mut prompt = Prompt::default();
    let tools = openai::tools(body, &mut prompt);
    let turns = openai::messages(
        items(body, "messages"),
        &mut prompt,
        |(index, at), part, prompt| read_part(&format!("messages[{index}].content[{at}]"), part, prompt),
    )?;
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
    let number = |name: &str| body.get(name).and_then(Value::as_u64);
    Ok(Conversation {
        model,
        turns,
        tools,
        choice: openai::choice(body.get("tool_choice")),
        parallel: body.get("parallel_tool_calls").and_then(Value::as_bool) != Some(false),
        stops: openai::stops(body.get("stop")),
        most_tokens: Some(
            number("max_completion_tokens")
                .or(number("max_tokens"))
                .unwrap_or(model.output),
        ),
        thinking: false,
        form: openai::form(body.get("response_format")),
        prompt,
    })
}

fn read_part(place: &str, part: &Value, prompt: &mut Prompt) -> Result<Part, Refusal> {
    let invalid = |error| Refusal::of(place, "invalid_image_url", format!("Invalid '{place}': {error}."));
    if let Some(address) = part.pointer("/image_url/url").and_then(Value::as_str) {
        return openai::image(address, prompt).map(Part::Media).map_err(invalid);
    }
    let Some(data) = part.pointer("/file/file_data").and_then(Value::as_str) else {
        let content = part
            .get("text")
            .or_else(|| part.get("refusal"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        prompt.text(content);
        return Ok(Part::Text(content.to_owned()));
    };
    let media = Media::from_data_url(data).map_err(invalid)?;
    if media.media_type != "application/pdf" {
        return Err(invalid(format!("unsupported media type {}", media.media_type)));
    }
    prompt.media(&media, data);
    Ok(Part::Media(media))
}
