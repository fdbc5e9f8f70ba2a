//! Answers with embeddings.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answer::{Answer, Outcome};
use crate::embeddings::{EmbeddingFormat, Encoding};
use crate::event::{Failure, Usage};
use crate::json::{Text, write_count, write_string};
use crate::upstream_error::{broken, read_failure};

/// Reads a route's answer and writes OpenAI's list. `model` is the name that the agent asked for, `encoding` how it wants
/// the vectors written: one that comes so keeps its text, any other is converted.
///
/// # Errors
/// When the body is an error, or is no answer.
pub fn embedding_answer(
    body: &[u8],
    format: EmbeddingFormat,
    model: &str,
    encoding: Encoding,
) -> Result<Answer, Failure> {
    let text =
        std::str::from_utf8(body).map_err(|_| broken("The upstream sent an answer that is no text."))?;
    let list = match format {
        EmbeddingFormat::Orchestration => {
            serde_json::from_str::<Envelope<'_>>(text).map(|envelope| envelope.final_result)
        }
        EmbeddingFormat::AzureOpenAi
        | EmbeddingFormat::Vertex
        | EmbeddingFormat::Titan
        | EmbeddingFormat::Nvidia => serde_json::from_str::<List<'_>>(text),
    }
    .map_err(|_| failure(text))?;

    let mut out = Vec::with_capacity(body.len() + 128);
    out.extend_from_slice(b"{\"object\":\"list\",\"data\":[");
    for (position, entry) in list.data.iter().enumerate() {
        out.extend_from_slice(if position > 0 { b"," } else { b"" });
        out.extend_from_slice(b"{\"object\":\"embedding\",\"index\":");
        write_count(&mut out, entry.index.unwrap_or(position as u64));
        out.extend_from_slice(b",\"embedding\":");
        write_vector(entry.embedding.get(), encoding, &mut out)
            .ok_or_else(|| broken("The upstream sent a vector that cannot be read."))?;
        out.push(b'}');
    }
    let Counts {
        prompt_tokens,
        total_tokens,
    } = list.usage.unwrap_or_default();
    out.extend_from_slice(b"],\"model\":");
    write_string(&mut out, model);
    out.extend_from_slice(b",\"usage\":{\"prompt_tokens\":");
    write_count(&mut out, prompt_tokens);
    out.extend_from_slice(b",\"total_tokens\":");
    write_count(&mut out, total_tokens);
    out.extend_from_slice(b"}}");
    let usage = Usage {
        input: Some(prompt_tokens),
        output: Some(0),
        ..Usage::default()
    };
    Ok(Answer {
        body: out,
        outcome: Outcome {
            usage,
            ..Outcome::default()
        },
        failed_models: 0,
    })
}

/// Orchestration's answer (spec `EmbeddingsPostResponse`).
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    final_result: List<'a>,
}

/// The list, as OpenAI, Azure and orchestration write it.
#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    data: Vec<Entry<'a>>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    embedding: &'a RawValue,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// A vector in each of the encodings that were asked for (spec `EmbeddingMultiFormat`).
#[derive(Deserialize)]
struct Encodings<'a> {
    #[serde(borrow)]
    float: Option<&'a RawValue>,
    #[serde(borrow)]
    base64: Option<&'a RawValue>,
}

fn failure(body: &str) -> Failure {
    #[derive(Deserialize)]
    struct Refusal<'a> {
        #[serde(borrow, rename = "error")]
        _error: &'a RawValue,
    }
    match serde_json::from_str::<Refusal<'_>>(body) {
        Ok(_) => read_failure(body),
        Err(_) => broken("The upstream's answer holds no embeddings."),
    }
}

/// Writes a vector in the encoding; nothing if it is none.
fn write_vector(json: &str, encoding: Encoding, out: &mut Vec<u8>) -> Option<()> {
    if json.starts_with('{') {
        let Encodings { float, base64 } = serde_json::from_str(json).ok()?;
        let vector = match encoding {
            Encoding::Float => float.or(base64),
            Encoding::Base64 => base64.or(float),
        };
        return write_vector(
            vector.map(RawValue::get).filter(|json| !json.starts_with('{'))?,
            encoding,
            out,
        );
    }
    match (json.starts_with('"'), encoding) {
        (true, Encoding::Base64) => out.extend_from_slice(json.as_bytes()),
        (false, Encoding::Float) if json.starts_with('[') => out.extend_from_slice(json.as_bytes()),
        (true, Encoding::Float) => {
            let text: &RawValue = serde_json::from_str(json).ok()?;
            let bytes = BASE64_STANDARD
                .decode(Text::from_raw(text)?.decode().as_bytes())
                .ok()?;
            serde_json::to_writer(out, &floats(&bytes)?).ok()?;
        }
        (false, _) => {
            let numbers: Vec<&RawValue> = serde_json::from_str(json).ok()?;
            let mut bytes = Vec::with_capacity(numbers.len() * 4);
            for number in numbers {
                // Not by way of a 64-bit float, which would round twice.
                let float: f32 = number.get().parse().ok()?;
                bytes.extend_from_slice(&Some(float).filter(|float| float.is_finite())?.to_le_bytes());
            }
            out.push(b'"');
            out.extend_from_slice(BASE64_STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
    }
    Some(())
}

/// The numbers of a vector; nothing if a byte is left over, or one is none that JSON can write.
fn floats(bytes: &[u8]) -> Option<Vec<f32>> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    let floats: Vec<f32> = numbers.iter().copied().map(f32::from_le_bytes).collect();
    (rest.is_empty() && floats.iter().all(|float| float.is_finite())).then_some(floats)
}
