//! SAP AI Core as a client sees it: the service key, the token, deployments and models, the names people and
//! agents use for them, where a model is reached, and sending a request there.
//!
//! Architecture Invariant: this crate knows no agent's format. Bodies go in and come out as bytes; only this crate
//! (and the simulator, which shares no code with it) names a path or a header of SAP AI Core.
//!
//! ```text
//! ServiceKey ─▶ Connection ─▶ AiCore ─▶ route("claude-sonnet-4-5") ─▶ Route ─▶ send(route, body) ─▶ Response
//! ```

mod cached;
mod catalogue;
mod client;
mod deployments;
mod error;
mod excerpt;
mod gateway;
mod idle_connections;
mod inference_client;
mod names;
mod route;
mod selectable;
mod service_key;
mod token;
mod transport;

pub use catalogue::{AllowedScenario, Catalogue, CatalogueModel, ModelVersion};
pub use client::{AiCore, Connection, InferenceRequest};
pub use deployments::{Deployment, Deployments};
pub use error::{CODES, Error, Failure};
pub use gateway::Response;
pub use names::agent_alias;
pub use route::{Family, Route};
pub use selectable::{HiddenModel, Reason, SelectableModel, Selection};
pub use service_key::ServiceKey;
pub use transport::Timeouts;
