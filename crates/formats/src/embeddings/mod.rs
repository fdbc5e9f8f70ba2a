//! OpenAI's embeddings: texts in, vectors out. Agents, Azure and SAP's orchestration spell them nearly alike, so that
//! requests and answers are copied and only edited where they differ.

mod answer;
mod request;

pub use answer::embedding_answer;
pub use request::{EmbeddingRequest, write_embedding_request};

/// What a route for embeddings speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddingFormat {
    /// Orchestration v2 embeddings (sap-wire.md §4.6).
    Orchestration,
    /// Azure OpenAI embeddings (sap-wire.md §3.2).
    AzureOpenAi,
    /// Gemini's embeddings on Vertex AI, `:predict` (sap-wire.md §3.5).
    Vertex,
    /// Amazon's Titan, `/invoke`, one text a call (sap-wire.md §3.4).
    Titan,
    /// NVIDIA's embeddings (sap-wire.md §3.6).
    Nvidia,
}

/// How a vector is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// A list of numbers.
    #[default]
    Float,
    /// The base64 of its 32-bit floats, the least byte of each first.
    Base64,
}
