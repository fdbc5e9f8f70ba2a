//! OpenAI's Chat Completions, spoken by agents.

pub(crate) mod answer;
pub(crate) mod request;
