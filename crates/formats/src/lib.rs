//! The wire formats of coding agents and of SAP AI Core's models, and how one becomes another: bytes in, bytes out.
//!
//! A request goes one way: [`write_request`] reads the agent's format into a [`conversation::Conversation`] and writes the format of the
//! route. The answer comes back as [`event::Event`]s through [`AnswerStream`] or [`answer`]. Each format has one reader
//! and one writer, so N agents' and M models' formats need N + M pieces. Where both sides speak the same format,
//! only what a rule names is edited and everything else is copied.
//!
//! Architecture Invariant: this crate is pure. It knows no clock, no I/O, no HTTP, no SAP path and no secret, and it
//! never panics, whatever the input.

mod agent_tools;
mod answer;
mod array_items;
mod attachments;
mod azure;
mod azure_responses;
mod beginning;
mod chat;
mod claude;
mod cohere;
pub mod conversation;
mod converse;
mod embeddings;
mod error;
pub mod event;
mod gemini;
pub mod json;
pub mod limitation;
mod messages;
mod model_rules;
mod models;
mod openai;
mod openai_compatible;
mod orchestration;
mod plain_parts;
mod refusal;
mod repair;
mod request;
mod responses;
pub mod rules;
mod sampling;
mod short_call_ids;
mod signature;
mod sse;
mod target;
mod tokens;
mod tool_limit;
mod tool_names;
mod tool_schema;
mod upstream_error;
mod vertex;
mod without_tools;

use serde::{Deserialize, Serialize};

pub use agent_tools::{AgentTool, AgentToolKind, AgentTools};
pub use answer::{Answer, AnswerOptions, AnswerStream, Outcome, Progress, answer, answer_as_stream};
pub use azure_responses::copy::kept_answer;
pub use beginning::hash_beginning;
pub use embeddings::{
    EmbeddingFormat, EmbeddingRequest, Encoding, embedding_answer, write_embedding_request,
};
pub use error::{AgentError, ReadError, error_body};
pub use gemini::embeddings::{gemini_embedding_answer, gemini_embedding_request};
pub use models::{ListedModel, model_entry, model_list};
pub use orchestration::filter_verdict::read_filter_verdict;
pub use orchestration::modules::{
    AzureContentSafety, InputFilter, LONGEST_TIMEOUT, LlamaGuardCategory, MaskedEntity, Masking,
    MaskingMethod, OrchestrationModules, OutputFilter, Threshold,
};
pub use refusal::{could_be_left_out, read_refusal};
pub use request::{
    RequestHead, UpstreamRequest, count_tokens, model_name, previous_answer, write_compaction, write_request,
};
pub use responses::settings::RequestSettings;
pub use target::Target;
pub use upstream_error::{UpstreamError, read_upstream_error};

/// What an agent speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentFormat {
    /// Anthropic Messages.
    Messages,
    /// OpenAI Chat Completions.
    ChatCompletions,
    /// OpenAI Responses.
    Responses,
    /// Google's `generateContent`, as the Gemini API spells it.
    Gemini,
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
    /// Azure OpenAI Responses (sap-wire.md §3.2): `azure-responses`.
    #[serde(rename = "azure-responses")]
    AzureResponses,
    /// Gemini on Vertex AI, `generateContent` (sap-wire.md §3.5): `vertex`.
    #[serde(rename = "vertex")]
    Vertex,
    /// Amazon Bedrock's Converse, which Nova needs (sap-wire.md §3.4): `converse`.
    #[serde(rename = "converse")]
    Converse,
    /// Chat Completions with the model's name in the body: Mistral, Perplexity and others (sap-wire.md §3.6):
    /// `openai-compatible`.
    #[serde(rename = "openai-compatible")]
    OpenAiCompatible,
    /// Cohere's chat, version 2 (sap-wire.md §3.6): `cohere`.
    #[serde(rename = "cohere")]
    Cohere,
}
