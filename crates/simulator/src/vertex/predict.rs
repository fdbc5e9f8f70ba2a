//! Google's embeddings: `:predict` (sap-wire.md §3.5).

use serde_json::{Value, json};

use super::request::words;
use crate::answer::Answer;
use crate::catalogue::Model;
use crate::json::{items, text};
use crate::server::Asked;
use crate::shape::{Shape, check, closed, list, may, must};
use crate::tokens;
use crate::vectors::{Wish, dimensions};

static BODY: Shape = closed(&[
    must("instances", &list(&INSTANCE)),
    may("parameters", &PARAMETERS),
]);
static INSTANCE: Shape = closed(&[
    must("content", &Shape::Text),
    may("title", &Shape::Text),
    may(
        "task_type",
        &Shape::OneOf(&[
            "RETRIEVAL_QUERY",
            "RETRIEVAL_DOCUMENT",
            "SEMANTIC_SIMILARITY",
            "CLASSIFICATION",
            "CLUSTERING",
            "QUESTION_ANSWERING",
            "FACT_VERIFICATION",
            "CODE_RETRIEVAL_QUERY",
        ]),
    ),
]);
static PARAMETERS: Shape = closed(&[
    may("autoTruncate", &Shape::Boolean),
    may(
        "outputDimensionality",
        &Shape::Integer {
            least: 1,
            most: i32::MAX as i64,
        },
    ),
]);

/// Answers `:predict`.
pub(super) fn predict(asked: &Asked<'_>, model: &Model, body: &Value) -> Result<Answer, String> {
    check(&BODY, body).map_err(|misfit| words(&misfit))?;
    let [instance] = items(body, "instances") else {
        return Err(format!(
            "{} instance(s) is not allowed. The model accepts exactly 1 instance per request.",
            items(body, "instances").len()
        ));
    };
    let content = text(instance, "content");
    if content.is_empty() {
        return Err("The text content is empty.".to_owned());
    }
    if instance.get("title").is_some() && text(instance, "task_type") != "RETRIEVAL_DOCUMENT" {
        return Err("`title` is only supported with task_type=RETRIEVAL_DOCUMENT.".to_owned());
    }
    let counted = tokens::count(content);
    let truncates = body.pointer("/parameters/autoTruncate").and_then(Value::as_bool) != Some(false);
    if counted > model.context && !truncates {
        return Err(format!(
            "The input token count is {counted} but the model supports up to {}.",
            model.context
        ));
    }
    let (most, _) = dimensions(model);
    let wished = body
        .pointer("/parameters/outputDimensionality")
        .and_then(Value::as_u64);
    let wished = wished.map_or(most, |wished| usize::try_from(wished).unwrap_or(usize::MAX));
    if wished > most {
        return Err(format!(
            "outputDimensionality must be less than or equal to {most}, but got {wished}."
        ));
    }
    let content = json!(content);
    let wish = Wish {
        inputs: vec![&content],
        dimensions: wished,
        base64: false,
    };
    let body = json!({"predictions": [{"embeddings": {
        "values": wish.vector(&content),
        "statistics": {
            "token_count": counted.min(model.context),
            "truncated": counted > model.context,
        },
    }}]});
    Ok(asked.with_headers(Answer::json(200, body.to_string())))
}
