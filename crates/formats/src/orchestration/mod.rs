//! SAP's orchestration v2 completion: every provider's models behind one harmonized API (sap-wire.md §4).

pub(crate) mod answer;
pub(crate) mod request;
pub(crate) mod template;
