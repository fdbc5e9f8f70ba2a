//! Chat Completions with the model in the body: Mistral, Perplexity and others (sap-wire.md §3.6).

pub(crate) mod request;
