//! The simulator over HTTP: it answers what the service answers and refuses what it refuses.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod ai_api;
mod azure;
mod bedrock;
#[path = "../client/mod.rs"]
mod client;
mod faults;
mod oauth;
mod orchestration;
