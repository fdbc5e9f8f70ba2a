//! Claude on Bedrock, as a deployment of SAP AI Core: Messages with differences (sap-wire.md §3.3).

pub(crate) mod answer;
mod answer_schema;
mod blocks;
pub(crate) mod request;
pub(crate) mod turns;
