//! What Coretap can do, as one API: the command line and the desktop app are thin over it.
//!
//! ```text
//! Settings::read(flags, environment) ─▶ Coretap::new ─▶ start ─▶ agents use it ─▶ stop
//! ```
//!
//! Architecture Invariant: this crate knows no command line and no window.

pub mod agents;
mod coretap;
mod demo;
mod error;
mod local_key;
mod settings;
mod settings_file;

pub use coretap::Coretap;
pub use coretap_aicore::{Deployment, SelectableModel};
pub use coretap_proxy::{LocalKey, Problem, RunState};
pub use coretap_simulator::{Options as SimulatorOptions, Simulator};
pub use error::{CODES, Error};
pub use settings::{Flags, Settings, Source, local_key, port};
