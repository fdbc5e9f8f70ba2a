//! What Coretap can do, as one API: the command line and the desktop app are thin over it.
//!
//! ```text
//! Settings::read(flags, environment) ─▶ Coretap::new ─▶ start ─▶ agents use it ─▶ stop
//! ```
//!
//! Architecture Invariant: this crate knows no command line and no window.

pub mod agents;
mod app;
mod binding;
mod check;
mod connection_secrets;
mod connections;
mod coretap;
mod credential;
mod demo;
pub mod doctor;
mod draft;
mod error;
mod keychain;
mod learned;
mod learned_file;
mod learned_row;
mod local_key;
mod offer;
mod origins;
mod pasted_key;
mod paths;
mod problem_view;
pub mod rules;
mod running;
mod sdk_config_file;
mod secrets;
mod service_key_parts;
mod service_key_sources;
mod settings;
mod settings_file;
mod snapshot;
mod source;
mod status;
mod store;
mod usage;
pub mod view;

pub use app::App;
pub use connections::{ListedConnection, connections};
pub use coretap::Coretap;
pub use coretap_aicore::{Alias, Deployment, SelectableModel, Selection};
pub use coretap_formats::OrchestrationModules;
pub use coretap_proxy::{LocalKey, Problem, RunState};
pub use coretap_simulator::{Options as SimulatorOptions, Simulator};
pub use error::{CODES, Error};
pub use local_key::local_key;
pub use pasted_key::read_service_key;
pub use secrets::SecretError;
pub use settings::{Flags, Settings, port};
pub use source::{OtherConnection, Source};
pub use status::{Listener, listener};

/// What a running Coretap says of itself at `/health`.
pub mod health {
    pub use coretap_proxy::{HealthProblem, HealthReport, HealthState, Mode, RequestCounts};
}
