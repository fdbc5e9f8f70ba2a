//! Reads a request.

use crate::conversation::Conversation;
use crate::json::Object;
use crate::{AgentFormat, ReadError};

/// Members that are read into the conversation; any other is left out on the way to another format.
pub(crate) const UNDERSTOOD: [&str; 0] = [];

/// Reads a request.
///
/// # Errors
/// When a member is missing or of the wrong kind; the error names it.
pub(crate) fn read(body: Object<'_>) -> Result<Conversation<'_>, ReadError> {
    Ok(Conversation::new(AgentFormat::Responses, body))
}
