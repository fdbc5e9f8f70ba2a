//! SAP AI Core as a client sees it: the service key, the token, deployments and models, the names people and
//! agents use for them, where a model is reached, and sending a request there.
//!
//! Architecture Invariant: this crate knows no agent's format. Bodies go in and come out as bytes; only this crate
//! (and the simulator, which shares no code with it) names a path or a header of SAP AI Core.
//!
//! ```text
//! ServiceKey ─▶ Connection ─▶ AiCore ─▶ route("claude-sonnet-4-5") ─▶ Route ─▶ send(route, body) ─▶ Response
//! ```

mod aliases;
mod cached;
mod catalogue;
mod client;
mod client_certificate;
mod clients;
mod deployments;
mod error;
mod error_code;
mod excerpt;
mod extra_roots;
mod gateway;
mod idle_connections;
mod inference_client;
mod known_routes;
mod machine;
mod names;
#[cfg(feature = "panic-injection")]
pub mod panic_injection;
mod restriction;
mod route;
mod routing;
mod selectable;
mod service_key;
mod token;
mod transport;

pub use aliases::{Alias, Aliases};
pub use catalogue::{AllowedScenario, Catalogue, CatalogueModel, ModelVersion};
pub use client::{AiCore, Connection, InferenceRequest};
pub use client_certificate::{Certificate, ClientCertificate};
pub use deployments::{Deployment, Deployments};
pub use error::{Error, Failure};
pub use error_code::CODES;
pub use extra_roots::ExtraRoots;
pub use gateway::Response;
pub use machine::{Change, Machine, Watched};
pub use names::agent_alias;
pub use restriction::Restriction;
pub use route::{AnswerCall, Endpoint, Family, Route, Routes};
pub use routing::Purpose;
pub use selectable::{HiddenModel, Reason, SelectableModel, Selection};
pub use service_key::{Credential, ServiceKey};
pub use transport::Timeouts;
