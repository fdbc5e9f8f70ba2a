//! What is spelt OpenAI's way wherever it stands: Azure's chat, the harmonized API of orchestration, Mistral, Perplexity
//! and Cohere. What each of them refuses is its own, in its own words.

mod read;
pub(crate) mod schema;

pub(crate) use read::{asked_for_json, choice, form, image, messages, stops, tools};
