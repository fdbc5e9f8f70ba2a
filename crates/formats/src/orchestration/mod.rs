//! SAP's orchestration v2 completion: every provider's models behind one harmonized API (sap-wire.md §4).

pub(crate) mod answer;
pub(crate) mod filter_verdict;
pub(crate) mod modules;
pub(crate) mod request;
pub(crate) mod template;
