//! Writes streams.

use crate::answer::AnswerOptions;
use crate::event::{Event, Failure};

/// Writes an answer as a stream.
#[derive(Debug, Default)]
pub(crate) struct Encoder {}

impl Encoder {
    /// Appends what the event comes to.
    pub(crate) fn write(&mut self, event: &Event<'_>, options: &AnswerOptions, out: &mut Vec<u8>) {
        let _ = (event, options, out);
    }
}

/// Appends the form of a stream that breaks.
pub(crate) fn write_failure(failure: &Failure, options: &AnswerOptions, out: &mut Vec<u8>) {
    let _ = (failure, options, out);
}
