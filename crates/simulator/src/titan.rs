//! Amazon's Titan embeddings: `/invoke`, one text a call (sap-wire.md §3.4).

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::converse::words;
use crate::json::{self, items, text};
use crate::server::Asked;
use crate::shape::{Shape, check, closed, may, must};
use crate::tokens;
use crate::vectors::Wish;

static BODY: Shape = closed(&[
    must("inputText", &Shape::FilledText),
    may("dimensions", &Shape::OneOfIntegers(&[256, 512, 1024])),
    may("normalize", &Shape::Boolean),
    may(
        "embeddingTypes",
        &Shape::List {
            of: &Shape::OneOf(&["float", "binary"]),
            least: 1,
            most: 2,
        },
    ),
]);

/// Answers `/invoke`.
pub(crate) fn invoke(asked: &Asked<'_>) -> Answer {
    let body = json::parse(asked.body)
        .map_err(|error| format!("Malformed input request: {error}, please reformat your input."))
        .and_then(|body| {
            check(&BODY, &body).map_err(|misfit| words(&misfit))?;
            check_length(asked, text(&body, "inputText"))?;
            Ok(body)
        });
    match body {
        Ok(body) => asked.with_headers(Answer::json(200, embedding(&body).to_string())),
        Err(message) => Answer::json(400, json!({ "message": message }).to_string()).because(message),
    }
}

fn check_length(asked: &Asked<'_>, input: &str) -> Result<(), String> {
    let most = asked.model().map_or(0, |model| model.context);
    let counted = tokens::count(input);
    if counted > most {
        return Err(format!(
            "400 Bad Request: Too many input tokens. Max input tokens: {most}, request input token count: {counted}"
        ));
    }
    Ok(())
}

fn embedding(body: &Value) -> Value {
    let input = body.get("inputText").unwrap_or(&Value::Null);
    let dimensions = body.get("dimensions").and_then(Value::as_u64).unwrap_or(1_024);
    let wish = Wish {
        inputs: vec![input],
        dimensions: usize::try_from(dimensions).unwrap_or(0),
        base64: false,
    };
    let vector = wish.vector(input);
    let tokens = tokens::count(text(body, "inputText"));
    let binary: Value = vector
        .as_array()
        .into_iter()
        .flatten()
        .map(|number| json!(u8::from(number.as_f64() > Some(0.0))))
        .collect();
    let wished = |kind: &str| items(body, "embeddingTypes").iter().any(|wished| wished == kind);
    let mut by_type = json!({});
    if wished("binary") {
        json::set(&mut by_type, "binary", binary);
    }
    let mut answer = json!({"inputTextTokenCount": tokens});
    if wished("float") || !wished("binary") {
        json::set(&mut by_type, "float", vector.clone());
        json::set(&mut answer, "embedding", vector);
    }
    json::set(&mut answer, "embeddingsByType", by_type);
    answer
}
