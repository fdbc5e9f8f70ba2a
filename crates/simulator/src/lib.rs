//! A strict stand-in for SAP AI Core: it answers what the service answers and refuses what it refuses, so that
//! Coretap can be tested, shown and measured without a tenant. The facts are those of sap-wire.md; it shares no
//! code with the rooms that talk to SAP, so that a mistake there cannot cancel itself out here.

mod ai_api;
mod answer;
mod azure;
mod bedrock;
mod cache;
mod calls;
mod catalogue;
#[cfg(feature = "certificates")]
mod certificates;
mod chat_completions;
mod cohere;
mod control;
mod conversation;
mod converse;
mod deployments;
mod faults;
mod fill;
mod json;
mod mistral;
mod model;
mod nvidia;
mod oauth;
mod openai;
mod options;
mod orchestration;
mod perplexity;
mod python;
mod query;
mod record;
mod refuses;
mod route;
mod schema;
mod server;
mod shape;
mod titan;
mod tokens;
mod vectors;
mod vertex;
mod wants;

pub use options::{BackendDetails, Chunking, FinishReason, Options};
pub use refuses::Refused;
pub use server::Simulator;

/// Whether `body` is an orchestration request as SAP's spec has it; says what is wrong otherwise.
///
/// # Errors
/// The service's words for the first difference.
pub fn check_orchestration_request(body: &serde_json::Value) -> Result<(), String> {
    orchestration::validate(body)
}

/// Whether `body` is a request for orchestration's embeddings as SAP's spec has it; says what is wrong otherwise.
///
/// # Errors
/// The service's words for the first difference.
pub fn check_embeddings_request(body: &serde_json::Value) -> Result<(), String> {
    orchestration::validate_embeddings(body)
}
