//! Azure OpenAI Responses, as a deployment of SAP AI Core (sap-wire.md §3.2).

pub(crate) mod answer;
pub(crate) mod copy;
mod frame;
mod input;
pub(crate) mod request;
