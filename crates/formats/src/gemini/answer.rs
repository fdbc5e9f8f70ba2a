//! Writes whole answers.

use crate::answer::AnswerOptions;
use crate::event::Event;

/// Collects an answer.
#[derive(Debug, Default)]
pub(crate) struct Whole {}

impl Whole {
    /// Takes the next event.
    pub(crate) fn take(&mut self, event: &Event<'_>, options: &AnswerOptions) {
        let _ = (event, options);
    }

    /// The body.
    pub(crate) fn into_body(self, options: &AnswerOptions) -> Vec<u8> {
        let _ = options;
        Vec::new()
    }
}
