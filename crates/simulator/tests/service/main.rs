//! The simulator over HTTP: it answers what the service answers and refuses what it refuses.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]
#![expect(clippy::too_many_lines, reason = "a table of refusals is long")]
#![expect(clippy::needless_pass_by_value, reason = "a literal is handed over, not lent")]

mod ai_api;
mod azure;
mod bedrock;
mod bedrock_refusals;
mod certificates;
mod choices;
#[path = "../client/mod.rs"]
mod client;
mod cohere;
mod converse;
mod converse_refusals;
mod embeddings;
mod faults;
mod mistral;
mod oauth;
mod orchestration;
mod orchestration_modules;
mod orchestration_refusals;
mod refuses;
mod responses;
mod responses_kept;
mod responses_recorded;
mod responses_refusals;
mod schemas;
mod small_families;
mod vendors;
mod vertex;
mod vertex_refusals;
