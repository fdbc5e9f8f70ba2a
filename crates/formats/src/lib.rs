//! The wire formats of coding agents and of SAP AI Core's models, and how one becomes another: bytes in, bytes out.
//!
//! A request goes one way: [`write_request`] reads the agent's format into a [`conversation::Conversation`] and writes the format of the
//! route. The answer comes back as [`event::Event`]s through [`AnswerStream`] or [`answer`]. Each format has one reader
//! and one writer, so N agents' and M models' formats need N + M pieces. Where both sides speak the same format,
//! only what a rule names is edited and everything else is copied.
//!
//! Architecture Invariant: this crate is pure. It knows no clock, no I/O, no HTTP, no SAP path and no secret, and it
//! never panics, whatever the input.

mod answer;
mod azure;
mod chat;
mod claude;
pub mod conversation;
mod embeddings;
mod error;
pub mod event;
pub mod json;
pub mod limitation;
mod messages;
mod model_rules;
mod models;
mod openai;
mod orchestration;
mod refusal;
mod repair;
mod request;
pub mod rules;
mod sampling;
mod sse;
mod target;
mod tokens;
mod upstream_error;

use serde::{Deserialize, Serialize};

pub use answer::{Answer, AnswerOptions, AnswerStream, Outcome, Progress, answer, answer_as_stream};
pub use embeddings::{
    EmbeddingFormat, EmbeddingRequest, Encoding, embedding_answer, write_embedding_request,
};
pub use error::{AgentError, ReadError, error_body};
pub use models::{ListedModel, model_entry, model_list};
pub use refusal::{could_be_left_out, read_refusal};
pub use request::{UpstreamRequest, count_tokens, model_name, write_request};
pub use target::Target;
pub use upstream_error::{UpstreamError, read_upstream_error};

/// What an agent speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentFormat {
    /// Anthropic Messages.
    Messages,
    /// OpenAI Chat Completions.
    ChatCompletions,
}

/// What a route of SAP AI Core speaks. Files of rules name it as it is written behind each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum ModelFormat {
    /// Orchestration v2 completion (sap-wire.md §4): `orchestration`.
    #[serde(rename = "orchestration")]
    Orchestration,
    /// Claude on Bedrock, `/invoke` and `/invoke-with-response-stream` (sap-wire.md §3.3): `claude`.
    #[serde(rename = "claude")]
    Claude,
    /// Azure OpenAI Chat Completions (sap-wire.md §3.2): `azure`.
    #[serde(rename = "azure")]
    AzureChat,
}
