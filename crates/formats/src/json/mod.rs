//! JSON that is looked into only where somebody needs to know what stands there.
//!
//! A string or a schema that merely travels from one body into another stays the JSON text it came as: [`Text`] is a
//! string literal with its quotes and escapes, a [`Document`] knows where each value of a body begins and ends and has
//! decoded none of them. That is why a conversation of a megabyte is scanned and copied once.

mod document;
mod scanner;
mod special;
mod text;
mod write;

pub use document::{Document, Object, Value};
pub(crate) use document::{Member, find_text};
pub use text::Text;
pub(crate) use write::{around, replace_lone_surrogates, write_name, write_with_model};
pub use write::{write_compact, write_count, write_escaped, write_string};
