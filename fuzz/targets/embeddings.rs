//! Any bytes as a request for embeddings, and as the answer to one: an error that names what is wrong, or JSON.
#![no_main]

use coretap_formats::rules::ModelRules;
use coretap_formats::{EmbeddingFormat, Encoding, embedding_answer, write_embedding_request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let is_json = |text: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
    for format in [
        EmbeddingFormat::Orchestration,
        EmbeddingFormat::AzureOpenAi,
        EmbeddingFormat::Vertex,
        EmbeddingFormat::Titan,
        EmbeddingFormat::Nvidia,
    ] {
        match write_embedding_request(body, format, "text-embedding-3-small", &ModelRules::default()) {
            Ok(request) => assert!(
                request.bodies.iter().all(|body| is_json(body)),
                "what is written is JSON"
            ),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        for encoding in [Encoding::Float, Encoding::Base64] {
            match embedding_answer(&[body], format, "asked", encoding) {
                Ok(answer) => assert!(is_json(&answer.body), "what is answered is JSON"),
                Err(failure) => assert!(failure.status >= 400),
            }
        }
    }
});
