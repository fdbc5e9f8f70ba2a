//! Amazon Bedrock's Converse, as a deployment of SAP AI Core (sap-wire.md §3.4).

pub(crate) mod answer;
mod blocks;
mod python;
pub(crate) mod request;
