//! Google's `generateContent`, as agents speak it.

pub(crate) mod answer;
mod contents;
pub(crate) mod embeddings;
pub(crate) mod models;
pub(crate) mod request;
pub(crate) mod schema;
pub(crate) mod stream;
