//! From the final messages to a [`Conversation`].

use serde_json::Value;

use super::Failure;
use super::rules::Request;
use crate::conversation::{Conversation, Media, Part, Prompt, Tool};
use crate::openai;

/// Reads a checked request; refuses images that are none and prompts that are too long.
pub(super) fn conversation(request: &Request<'_>) -> Result<Conversation, Failure> {
    let mut prompt = Prompt::default();
    let tools = request
        .tools()
        .iter()
        .map(|tool| read_tool(tool, &mut prompt))
        .collect();
    let turns = openai::messages(request.messages, &mut prompt, |_, item, prompt| {
        let part = read_item(request, item, prompt);
        prompt.mark(item.get("cache_control"));
        part
    })?;
    if prompt.tokens > request.model.context {
        return Err(Failure::model(format_args!(
            "prompt is too long: {} tokens > {} maximum",
            prompt.tokens, request.model.context
        )));
    }
    Ok(Conversation {
        model: request.model,
        turns,
        tools,
        choice: openai::choice(request.parameter("tool_choice")),
        parallel: request.parameter("parallel_tool_calls").and_then(Value::as_bool) != Some(false),
        stops: openai::stops(request.parameter("stop")),
        most_tokens: Some(request.most_tokens().unwrap_or(request.model.output)),
        thinking: request.thinks(),
        form: openai::form(request.prompt("response_format")),
        prompt,
    })
}

fn read_tool(tool: &Value, prompt: &mut Prompt) -> Tool {
    let read = Tool::openai(tool, prompt);
    prompt.mark(tool.get("cache_control"));
    read
}

fn read_item(request: &Request<'_>, item: &Value, prompt: &mut Prompt) -> Result<Part, Failure> {
    if let Some(content) = item.get("text").and_then(Value::as_str) {
        prompt.text(content);
        return Ok(Part::Text(content.to_owned()));
    }
    if let Some(address) = item.pointer("/image_url/url").and_then(Value::as_str) {
        // Only OpenAI fetches images by itself.
        if !request.is_openai() && !address.starts_with("data:") {
            return Err(Failure::model(
                "Expected a base64-encoded data URL with a media type",
            ));
        }
        return openai::image(address, prompt)
            .map(Part::Media)
            .map_err(Failure::model);
    }
    let data = item.pointer("/file/file_data").and_then(Value::as_str);
    let data = data.unwrap_or_default();
    let media = Media::from_data_url(data).map_err(Failure::model)?;
    if media.media_type != "application/pdf" {
        return Err(Failure::model(format_args!(
            "Unsupported media type {}",
            media.media_type
        )));
    }
    prompt.media(&media, data);
    Ok(Part::Media(media))
}
