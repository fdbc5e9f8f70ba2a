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

/// Reads a route's answers, one for each body that was sent, and writes OpenAI's list. `model` is the name that the agent
/// asked for, `encoding` how it wants the vectors written: one that comes so keeps its text, any other is converted.
///
/// # Errors
/// When a body is an error, or is no answer.
pub fn embedding_answer(
    bodies: &[impl AsRef<[u8]>],
    format: EmbeddingFormat,
    model: &str,
    encoding: Encoding,
) -> Result<Answer, Failure> {
    let lists: Vec<List<'_>> = bodies
        .iter()
        .map(|body| read(body.as_ref(), format))
        .collect::<Result<_, _>>()?;
    let length: usize = bodies.iter().map(|body| body.as_ref().len()).sum();

    let mut out = Vec::with_capacity(length + 128);
    out.extend_from_slice(b"{\"object\":\"list\",\"data\":[");
    for (position, entry) in lists.iter().flat_map(|list| &list.data).enumerate() {
        out.extend_from_slice(if position > 0 { b"," } else { b"" });
        out.extend_from_slice(b"{\"object\":\"embedding\",\"index\":");
        // Each of several answers counts for itself.
        let index = entry.index.filter(|_| lists.len() == 1);
        write_count(&mut out, index.unwrap_or(position as u64));
        out.extend_from_slice(b",\"embedding\":");
        write_vector(entry.embedding.get(), encoding, &mut out)
            .ok_or_else(|| broken("The upstream sent a vector that cannot be read."))?;
        out.push(b'}');
    }
    let counts = || lists.iter().filter_map(|list| list.usage.as_ref());
    let sum = |count: fn(&Counts) -> u64| counts().map(count).fold(0, u64::saturating_add);
    let (prompt_tokens, total_tokens) = (
        sum(|counts| counts.prompt_tokens),
        sum(|counts| counts.total_tokens),
    );
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
        id: None,
        failed_models: 0,
    })
}

/// Reads one answer.
fn read(body: &[u8], format: EmbeddingFormat) -> Result<List<'_>, Failure> {
    let text =
        std::str::from_utf8(body).map_err(|_| broken("The upstream sent an answer that is no text."))?;
    match format {
        EmbeddingFormat::Orchestration => {
            serde_json::from_str::<Envelope<'_>>(text).map(|envelope| envelope.final_result)
        }
        EmbeddingFormat::AzureOpenAi | EmbeddingFormat::Nvidia => serde_json::from_str(text),
        EmbeddingFormat::Vertex => serde_json::from_str::<Predictions<'_>>(text).map(List::from),
        EmbeddingFormat::Titan => serde_json::from_str::<TitanVector<'_>>(text).map(List::from),
    }
    .map_err(|_| failure(text))
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

/// The answer of Vertex AI's `:predict` (sap-wire.md §3.5) to one text.
#[derive(Deserialize)]
struct Predictions<'a> {
    #[serde(borrow)]
    predictions: [Prediction<'a>; 1],
}

#[derive(Deserialize)]
struct Prediction<'a> {
    #[serde(borrow)]
    embeddings: VertexVector<'a>,
}

#[derive(Deserialize)]
struct VertexVector<'a> {
    #[serde(borrow)]
    values: &'a RawValue,
    statistics: Option<Statistics>,
}

#[derive(Deserialize)]
struct Statistics {
    /// A whole number, which a JSON of Google's may write as `5.0`.
    token_count: Option<f64>,
}

impl<'a> From<Predictions<'a>> for List<'a> {
    fn from(
        Predictions {
            predictions: [prediction],
        }: Predictions<'a>,
    ) -> Self {
        let VertexVector { values, statistics } = prediction.embeddings;
        let tokens = statistics.and_then(|statistics| statistics.token_count);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "what is no count of tokens becomes the nearest one"
        )]
        List::of_one(values, tokens.map(|tokens| tokens as u64))
    }
}

/// Titan's answer (sap-wire.md §3.4).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TitanVector<'a> {
    #[serde(borrow)]
    embedding: &'a RawValue,
    input_text_token_count: Option<u64>,
}

impl<'a> From<TitanVector<'a>> for List<'a> {
    fn from(vector: TitanVector<'a>) -> Self {
        List::of_one(vector.embedding, vector.input_text_token_count)
    }
}

impl<'a> List<'a> {
    fn of_one(embedding: &'a RawValue, tokens: Option<u64>) -> Self {
        let data = vec![Entry {
            index: None,
            embedding,
        }];
        let usage = tokens.map(|tokens| Counts {
            prompt_tokens: tokens,
            total_tokens: tokens,
        });
        List { data, usage }
    }
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
        #[serde(borrow)]
        error: Option<&'a RawValue>,
        #[serde(borrow)]
        message: Option<&'a RawValue>,
    }
    match serde_json::from_str(body) {
        Ok(Refusal { error, message }) if error.or(message).is_some() => read_failure(body),
        _ => broken("The upstream's answer holds no embeddings."),
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
