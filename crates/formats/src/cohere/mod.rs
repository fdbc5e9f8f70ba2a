//! Cohere's chat, version 2, as a deployment of SAP AI Core (sap-wire.md §3.6).

pub(crate) mod answer;
pub(crate) mod request;
