//! OpenAI Responses, as agents speak it.

pub(crate) mod answer;
mod input;
pub(crate) mod request;
pub(crate) mod settings;
pub(crate) mod stream;
mod tools;
