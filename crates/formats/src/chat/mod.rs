//! OpenAI's Chat Completions, spoken by agents.

pub(crate) mod answer;
pub(crate) mod completion;
mod functions;
pub(crate) mod request;
pub(crate) mod stream;
