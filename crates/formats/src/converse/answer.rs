//! Reads answers.

use crate::event::{Event, Failure};
use crate::json::Document;

/// Reads a stream's payloads.
#[derive(Debug, Default)]
pub(crate) struct Decoder {}

impl Decoder {
    /// Gives the events of the next payload.
    pub(crate) fn read(&mut self, payload: &str, emit: &mut impl FnMut(Event<'_>)) {
        let _ = (payload, emit);
    }
}

/// Reads a whole body.
///
/// # Errors
/// When it cannot be read or holds an error.
pub(crate) fn read_whole(body: &Document<'_>, emit: &mut impl FnMut(Event<'_>)) -> Result<(), Failure> {
    let _ = (body, emit);
    Ok(())
}
