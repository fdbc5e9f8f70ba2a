//! Answers: plain chat completions. Agents that speak Chat Completions are given them nearly as they come.

use crate::chat::completion::{Completion, CompletionReader};
use crate::event::{Event, Failure};
use crate::json::{Document, Text, Value, around, write_compact, write_with_model};
use crate::upstream_error::{broken, read_failure};

/// Reads a stream's payloads.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    reader: CompletionReader,
}

impl Decoder {
    /// Gives the events of the next payload.
    pub(crate) fn read(&mut self, payload: &str, emit: &mut impl FnMut(Event<'_>)) {
        if payload == "[DONE]" {
            self.reader.end(emit);
        } else if self.reader.read_framed(payload, emit).is_none() {
            let result = read_chunk(payload, |chunk| self.reader.read(payload, chunk, emit));
            if let Err(failure) = result {
                emit(Event::Failure(failure));
            }
        }
    }
}

/// Reads a stream's payloads and gives each as it is to an agent that speaks the same format: with another model's name,
/// without Azure's verdict on the prompt, and without token counts that the agent did not ask for.
#[derive(Debug)]
pub(crate) struct Copier {
    reader: CompletionReader,
    /// The model's name, a JSON string.
    model: String,
    include_usage: bool,
    /// The frame of the chunks as the agent is given it.
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Copier {
    pub(crate) fn new(model: &str, include_usage: bool) -> Self {
        Copier {
            reader: CompletionReader::default(),
            model: Text::of(model).literal().to_owned(),
            include_usage,
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    /// Appends the next payload, and tells what it means.
    pub(crate) fn copy(&mut self, payload: &str, emit: &mut impl FnMut(Event<'_>), out: &mut Vec<u8>) {
        if payload == "[DONE]" {
            if self.reader.end(emit) {
                out.extend_from_slice(b"data: [DONE]\n\n");
            }
        } else if let Some(delta) = self.reader.read_framed(payload, emit) {
            out.reserve(self.before.len() + delta.len() + self.after.len());
            out.extend_from_slice(&self.before);
            write_compact(out, delta);
            out.extend_from_slice(&self.after);
        } else if let Err(failure) = self.copy_chunk(payload, emit, out) {
            emit(Event::Failure(failure));
        }
    }

    fn copy_chunk(
        &mut self,
        payload: &str,
        emit: &mut impl FnMut(Event<'_>),
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        read_chunk(payload, |chunk| {
            self.reader.read(payload, chunk, emit)?;
            if chunk.choices == 0 {
                let wanted = if chunk.members.get("usage").is_some() {
                    self.include_usage
                } else {
                    // Azure's verdict on the prompt, in a chunk of its own that opens the stream.
                    chunk.members.get("prompt_filter_results").is_none()
                };
                if !wanted {
                    return Ok(());
                }
            }
            let model = chunk.members.get("model");
            out.extend_from_slice(b"data: ");
            write_with_model(out, payload, model, &self.model);
            out.extend_from_slice(b"\n\n");
            self.keep_frame(payload, model);
            Ok(())
        })
    }

    /// Writes the frame that the reader has found in `payload` as the agent is given it, with the model's name in it.
    fn keep_frame(&mut self, payload: &str, model: Option<Value<'_>>) {
        let Some((before, after)) = self.reader.frame_of(payload) else {
            return;
        };
        self.before.clear();
        self.before.extend_from_slice(b"data: ");
        self.after.clear();
        match model {
            // The name stands on one side of the delta; `around` finds nothing on the other.
            Some(old) if around(after, old.get()).is_some() => {
                write_compact(&mut self.before, before);
                write_with_model(&mut self.after, after, model, &self.model);
            }
            _ => {
                write_with_model(&mut self.before, before, model, &self.model);
                write_compact(&mut self.after, after);
            }
        }
        self.after.extend_from_slice(b"\n\n");
    }
}

/// Hands a payload to `take` as the chunk that it is.
fn read_chunk(
    payload: &str,
    take: impl FnOnce(Completion<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let unreadable = || broken("The upstream sent an event that cannot be read.");
    let document = Document::read(payload).map_err(|_| unreadable())?;
    let members = document.root().object().ok_or_else(unreadable)?;
    // Mistral's errors have no name, only a text.
    let is_error = members.get("choices").is_none() && members.get("message").is_some();
    if members.get("error").is_some() || is_error {
        return Err(read_failure(payload));
    }
    take(Completion::of(members).map_err(|_| unreadable())?)
}

/// Reads a whole body, and gives the completion that it is.
///
/// # Errors
/// When it cannot be read or holds an error.
pub(crate) fn read_whole<'a>(
    body: &'a Document<'_>,
    emit: &mut impl FnMut(Event<'_>),
) -> Result<Completion<'a>, Failure> {
    let unreadable = || broken("The upstream's answer cannot be read.");
    let members = body.root().object().ok_or_else(unreadable)?;
    let completion = Completion::of(members).map_err(|_| unreadable())?;
    if completion.choices == 0 {
        return Err(read_failure(members.literal()));
    }
    CompletionReader::read_whole(completion, emit).map_err(|_| unreadable())?;
    Ok(completion)
}
