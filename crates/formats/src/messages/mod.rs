//! Anthropic's Messages, spoken by agents.

pub(crate) mod answer;
pub(crate) mod request;
pub(crate) mod stream;
