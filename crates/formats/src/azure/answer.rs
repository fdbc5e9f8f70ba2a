//! Answers: plain chat completions. Agents that speak Chat Completions are given them nearly as they come.

use serde_json::value::RawValue;

use crate::chat::completion::{Chunk, CompletionReader, Whole};
use crate::event::{Event, Failure};
use crate::json::{Text, around, write_compact, write_with_model};
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
            let result = read_chunk(payload).and_then(|chunk| self.reader.read(payload, &chunk, emit));
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
    pub(crate) fn copy<'a>(&mut self, payload: &'a str, emit: &mut impl FnMut(Event<'a>), out: &mut Vec<u8>) {
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

    fn copy_chunk<'a>(
        &mut self,
        payload: &'a str,
        emit: &mut impl FnMut(Event<'a>),
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let chunk = read_chunk(payload)?;
        self.reader.read(payload, &chunk, emit)?;
        if chunk.choices.is_empty() {
            let wanted = if chunk.usage.is_some() {
                self.include_usage
            } else {
                chunk.prompt_filter_results.is_none()
            };
            if !wanted {
                return Ok(());
            }
        }
        out.extend_from_slice(b"data: ");
        write_with_model(out, payload, chunk.model, &self.model);
        out.extend_from_slice(b"\n\n");
        self.keep_frame(payload, chunk.model);
        Ok(())
    }

    /// Writes the frame that the reader has found in `payload` as the agent is given it, with the model's name in it.
    fn keep_frame(&mut self, payload: &str, model: Option<&RawValue>) {
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

fn read_chunk(payload: &str) -> Result<Chunk<'_>, Failure> {
    let unreadable = |_| broken("The upstream sent an event that cannot be read.");
    let chunk: Chunk<'_> = serde_json::from_str(payload).map_err(unreadable)?;
    if chunk.error.is_some() {
        Err(read_failure(payload))
    } else {
        Ok(chunk)
    }
}

/// Reads a whole body.
///
/// # Errors
/// When it cannot be read or holds an error.
pub(crate) fn read_whole<'a>(body: &'a str, emit: &mut impl FnMut(Event<'a>)) -> Result<Whole<'a>, Failure> {
    let unreadable = |_| broken("The upstream's answer cannot be read.");
    let completion: Whole<'_> = serde_json::from_str(body).map_err(unreadable)?;
    if completion.choices.is_empty() {
        return Err(read_failure(body));
    }
    CompletionReader::read_whole(&completion, emit);
    Ok(completion)
}
