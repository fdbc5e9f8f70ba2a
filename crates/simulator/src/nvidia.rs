//! NVIDIA's `/embeddings`: OpenAI's, with `model` and `input_type` required (sap-wire.md §3.6).

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::catalogue::Model;
use crate::json::{parse, set, text};
use crate::server::Asked;
use crate::shape::{Problem, Shape, check, closed, may, must};
use crate::tokens;
use crate::vectors::{Wish, dimensions};

static BODY: Shape = closed(&[
    must("model", &Shape::Text),
    must("input", &Shape::Either(&[&Shape::FilledText, &TEXTS])),
    must("input_type", &Shape::OneOf(&["query", "passage"])),
    may("encoding_format", &Shape::OneOf(&["float", "base64"])),
    may("truncate", &Shape::OneOf(&["NONE", "START", "END"])),
    may("user", &Shape::Text),
    may("dimensions", &Shape::OneOfIntegers(&[384, 512, 768, 1024, 2048])),
]);
static TEXTS: Shape = Shape::List {
    of: &Shape::FilledText,
    least: 1,
    most: 8_192,
};

/// Answers `/embeddings`.
pub(crate) fn embeddings(asked: &Asked<'_>) -> Answer {
    let Some(model) = asked.model() else {
        return refuse(404, "Not found: the model does not exist");
    };
    let body = match parse(asked.body) {
        Ok(body) => body,
        Err(error) => return refuse(400, &format!("Invalid JSON: {error}")),
    };
    if let Err(misfit) = check(&BODY, &body) {
        return refuse(
            422,
            &match misfit.problem {
                Problem::Missing(key) => format!("'{key}' field is required"),
                Problem::Unknown(key) => format!("Unsupported field '{key}': extra fields not permitted"),
                other => format!("The request is not valid: {other:?}"),
            },
        );
    }
    if text(&body, "model") != model.name {
        return refuse(
            404,
            &format!("Not found: model '{}' does not exist", text(&body, "model")),
        );
    }
    let input = body.get("input").unwrap_or(&Value::Null);
    let inputs: Vec<&Value> = input
        .as_array()
        .map_or_else(|| vec![input], |list| list.iter().collect());
    if let Some(words) = too_long(&body, &inputs, model) {
        return refuse(400, &words);
    }
    let (most, _) = dimensions(model);
    let wished = body.get("dimensions").and_then(Value::as_u64);
    let wish = Wish {
        inputs,
        dimensions: wished.map_or(most, |wished| usize::try_from(wished).unwrap_or(most)),
        base64: text(&body, "encoding_format") == "base64",
    };
    let mut list = wish.list(model);
    set(&mut list, "model", json!(model.vendor));
    asked.with_headers(Answer::json(200, list.to_string()))
}

/// Unless it is to be cut, no text may be longer than the model reads.
fn too_long(body: &Value, inputs: &[&Value], model: &Model) -> Option<String> {
    let cut = matches!(text(body, "truncate"), "START" | "END");
    let longest = inputs
        .iter()
        .filter_map(|input| input.as_str())
        .map(tokens::count)
        .max()?;
    (!cut && longest > model.context).then(|| {
        format!(
            "Input length {longest} exceeds maximum allowed token size {}",
            model.context
        )
    })
}

fn refuse(status: u16, message: &str) -> Answer {
    Answer::json(status, json!({ "error": message }).to_string()).because(message)
}
