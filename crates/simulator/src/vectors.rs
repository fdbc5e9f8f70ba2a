//! The deterministic model for embeddings: one text has one vector, of length 1, whatever it is asked with.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::catalogue::Model;
use crate::tokens;

/// What vectors are made for.
pub(crate) struct Wish<'a> {
    /// The texts, or lists of tokens.
    pub(crate) inputs: Vec<&'a Value>,
    /// How many numbers each has.
    pub(crate) dimensions: usize,
    /// Whether they are written as base64.
    pub(crate) base64: bool,
}

/// How many numbers a vector of the model has, and whether it may have fewer.
pub(crate) fn dimensions(model: &Model) -> (usize, bool) {
    match model.name {
        "text-embedding-3-large" | "gemini-embedding" => (3072, true),
        "text-embedding-3-small" => (1536, true),
        "nvidia--llama-3.2-nv-embedqa-1b" => (2048, true),
        "amazon--titan-embed-text" => (1024, true),
        _ => (1536, false),
    }
}

impl Wish<'_> {
    /// OpenAI's list, as Azure and orchestration give it.
    pub(crate) fn list(&self, model: &Model) -> Value {
        let data: Vec<Value> = self
            .inputs
            .iter()
            .enumerate()
            .map(|(index, input)| json!({"object": "embedding", "embedding": self.vector(input), "index": index}))
            .collect();
        let tokens: u64 = self.inputs.iter().map(|input| count(input)).sum();
        json!({
            "object": "list",
            "data": data,
            "model": model.vendor,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        })
    }

    /// The vector of one input.
    pub(crate) fn vector(&self, input: &Value) -> Value {
        let text = input.as_str().map_or_else(|| input.to_string(), str::to_owned);
        // FNV-1a: the same text has the same seed everywhere.
        let seed = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let mut random = fastrand::Rng::with_seed(seed);
        let numbers: Vec<f32> = (0..self.dimensions).map(|_| random.f32() - 0.5).collect();
        let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
        let numbers = numbers.into_iter().map(|number| number / length);
        if self.base64 {
            let bytes: Vec<u8> = numbers.flat_map(f32::to_le_bytes).collect();
            Value::from(BASE64_STANDARD.encode(bytes))
        } else {
            numbers.map(f64::from).map(Value::from).collect()
        }
    }
}

fn count(input: &Value) -> u64 {
    match input {
        Value::String(text) => tokens::count(text),
        Value::Array(tokens) => tokens.len() as u64,
        _ => 0,
    }
}
