//! The list of models as Google's clients read it.

use crate::json::write_string;
use crate::models::ListedModel;

/// Writes one entry without its closing brace.
pub(crate) fn write_entry(model: &ListedModel<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"name\":\"models/");
    crate::json::write_escaped(out, model.id);
    out.extend_from_slice(b"\",\"displayName\":");
    write_string(out, model.display_name);
}
