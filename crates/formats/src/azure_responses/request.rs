//! Writes the body.

use crate::conversation::Conversation;
use crate::target::Target;

/// Writes the body.
pub(crate) fn write(conversation: &mut Conversation<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    let _ = (conversation, target, out);
}
