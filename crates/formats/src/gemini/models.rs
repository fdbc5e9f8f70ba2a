//! The list of models as Google's clients read it.

use crate::json::{write_count, write_escaped, write_name, write_string};
use crate::models::ListedModel;

/// Writes one entry without its closing brace. Nobody knows how many tokens of the context an answer may take, so the
/// limits say what fits into one request.
pub(crate) fn write_entry(model: &ListedModel<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"name\":\"models/");
    write_escaped(out, model.id);
    out.extend_from_slice(b"\",\"version\":\"latest\",\"displayName\":");
    write_string(out, model.display_name);
    if let Some(tokens) = model.context_length {
        write_name("inputTokenLimit", out);
        write_count(out, tokens);
    }
    out.extend_from_slice(if model.embeds {
        b",\"supportedGenerationMethods\":[\"embedContent\",\"batchEmbedContents\"]".as_slice()
    } else {
        b",\"supportedGenerationMethods\":[\"generateContent\",\"streamGenerateContent\",\"countTokens\"]"
    });
}
