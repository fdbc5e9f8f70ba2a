//! OpenAI Responses, as agents speak it.

pub(crate) mod answer;
pub(crate) mod request;
pub(crate) mod stream;
