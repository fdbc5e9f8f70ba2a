//! The server on localhost that coding agents talk to.
//!
//! A request goes one way: `server` accepts it, `admission` lets it in, `routes` finds what it wants, `forward` takes
//! it through `coretap-formats` and `coretap-aicore`, `stream` hands the answer on event by event, and `problem`
//! answers whatever goes wrong. What is known of a finished request is an [`Exchange`].
//!
//! Architecture Invariant: it binds to loopback only and demands the local key on every path but `GET /health`,
//! `HEAD /` and `HEAD /api/hello`.
//!
//! Architecture Invariant: it reads its configuration from a `watch` and knows no file, no keychain, no environment.

mod admission;
mod attempt;
mod balance;
mod candidates;
mod compression;
mod configuration;
mod connection;
mod embeddings;
mod endpoint;
mod exchange;
mod forward;
mod gemini_path;
mod heal;
mod health;
mod health_report;
mod kept_answers;
mod knowledge;
mod models;
mod network;
mod open_files;
mod port_owner;
mod prepare;
mod problem;
mod request_body;
mod response_head;
mod retry;
mod routes;
mod server;
mod stream;
mod wish;

pub use configuration::{Configuration, Connected, Limits, LocalKey};
pub use exchange::Exchange;
pub use health_report::{HealthProblem, HealthReport, HealthState, Mode, RequestCounts};
pub use knowledge::{Knowledge, Lesson};
pub use port_owner::PortOwner;
pub use problem::{CODES, Problem};
pub use server::{Proxy, RunState, StartError, check_port};
