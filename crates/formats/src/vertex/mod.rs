//! Gemini on Vertex AI, as a deployment of SAP AI Core (sap-wire.md §3.5).

pub(crate) mod answer;
mod contents;
mod frame;
pub(crate) mod request;
