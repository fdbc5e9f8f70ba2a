//! Answers: a model's format in, an agent's format out, whole or as a stream.

use crate::event::{Failure, StopReason, Usage};
use crate::{AgentFormat, ModelFormat};

/// What an answer needs to know besides the upstream's bytes. Ids and times are handed in.
#[derive(Clone, Debug)]
pub struct AnswerOptions {
    /// What the agent speaks.
    pub agent: AgentFormat,
    /// What the upstream speaks.
    pub upstream: ModelFormat,
    /// The model's name as the agent asked for it: it stands in the answer.
    pub model: String,
    /// An id for answers whose upstream gives none, without a prefix.
    pub id: String,
    /// Now, in seconds since 1970.
    pub created: u64,
    /// Chat Completions: whether the agent asked for the usage chunk (`stream_options.include_usage`).
    pub include_usage: bool,
    /// Coretap's estimate of the input tokens, for `message_start` where the upstream does not say yet.
    pub estimated_input: u64,
}

/// How far a stream has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing yet, or only events that open. What was written into `out` may still be thrown away.
    Opening,
    /// The model has said something, or has stopped.
    Running,
    /// The upstream said its regular end, and it is written.
    Ended,
    /// The upstream failed. Nothing was written for it: the caller answers with the status while it still can, and
    /// calls [`AnswerStream::fail`] when it cannot.
    Failed(Failure),
}

/// What is known of an answer when it is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Token counts so far.
    pub usage: Usage,
    /// Why the model stopped.
    pub stop_reason: Option<StopReason>,
}

/// A whole answer in the agent's format.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The body.
    pub body: Vec<u8>,
    /// What is known of it.
    pub outcome: Outcome,
}

/// A stream on its way from the upstream's events to the agent's.
#[derive(Debug)]
pub struct AnswerStream {
    options: AnswerOptions,
}

impl AnswerStream {
    /// A stream that has not begun.
    pub fn new(options: AnswerOptions) -> Self {
        AnswerStream { options }
    }

    /// Takes the next bytes of the upstream, cut anywhere, and appends the agent's events to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Progress {
        let _ = (bytes, out, &self.options);
        Progress::Opening
    }

    /// Says that the upstream's body has ended. Without its regular end this is a failure, never an end.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Progress {
        let _ = out;
        Progress::Opening
    }

    /// Appends the agent's form of a stream that breaks: never a normal end (mapping.md, "a stream that breaks").
    pub fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        let _ = (failure, out);
    }

    /// Appends a sign of life that means nothing. To be called between pushes only.
    pub fn keep_alive(&self, out: &mut Vec<u8>) {
        let _ = out;
    }

    /// What is known so far.
    pub fn outcome(&self) -> Outcome {
        Outcome::default()
    }
}

/// Translates a whole answer.
///
/// # Errors
/// When the body cannot be read or holds an error.
pub fn answer(options: &AnswerOptions, body: &[u8]) -> Result<Answer, Failure> {
    let _ = (options, body);
    Ok(Answer { body: Vec::new(), outcome: Outcome::default() })
}

/// Translates a whole answer into the agent's stream, for models that cannot stream ("Streaming is not supported").
///
/// # Errors
/// When the body cannot be read or holds an error.
pub fn answer_as_stream(options: &AnswerOptions, body: &[u8]) -> Result<Answer, Failure> {
    answer(options, body)
}
