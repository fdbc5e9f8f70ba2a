//! Answers: plain chat completions. Agents that speak Chat Completions are given them nearly as they come.

use crate::chat::completion::{Completion, CompletionReader};
use crate::event::{Event, Failure};
use crate::json::write_with_model;
use crate::upstream_error::{broken, read_failure};

/// Reads a stream's payloads.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    reader: CompletionReader,
}

impl Decoder {
    /// Gives the events of the next payload, and the chunk itself where it is one.
    pub(crate) fn read<'a>(
        &mut self,
        payload: &'a str,
        emit: &mut impl FnMut(Event<'a>),
    ) -> Option<Completion<'a>> {
        if payload == "[DONE]" {
            emit(Event::End);
            return None;
        }
        match serde_json::from_str::<Completion<'a>>(payload) {
            Ok(chunk) if chunk.error.is_none() => {
                self.reader.read(&chunk, emit);
                return Some(chunk);
            }
            Ok(_) => emit(Event::Failure(read_failure(payload))),
            Err(_) => emit(Event::Failure(broken(
                "The upstream sent an event that cannot be read.",
            ))),
        }
        None
    }
}

/// Reads a whole body.
///
/// # Errors
/// When it cannot be read or holds an error.
pub(crate) fn read_whole<'a>(
    body: &'a str,
    emit: &mut impl FnMut(Event<'a>),
) -> Result<Completion<'a>, Failure> {
    let unreadable = |_| broken("The upstream's answer cannot be read.");
    let completion: Completion<'_> = serde_json::from_str(body).map_err(unreadable)?;
    if completion.choices.is_empty() {
        return Err(read_failure(body));
    }
    CompletionReader::default().read(&completion, emit);
    emit(Event::End);
    Ok(completion)
}

/// Appends a chunk as an event for an agent that speaks the same format: with `model` (a JSON string) as its model, and
/// otherwise as it came. Left out are Azure's verdict on the prompt and token counts that the agent did not ask for.
pub(crate) fn write_chunk(
    payload: &str,
    chunk: &Completion<'_>,
    model: &str,
    include_usage: bool,
    out: &mut Vec<u8>,
) {
    if chunk.choices.is_empty() {
        let wanted = if chunk.usage.is_some() {
            include_usage
        } else {
            chunk.prompt_filter_results.is_none()
        };
        if !wanted {
            return;
        }
    }
    out.reserve(payload.len() + model.len() + 32);
    out.extend_from_slice(b"data: ");
    write_with_model(out, payload, chunk.model, model);
    out.extend_from_slice(b"\n\n");
}
