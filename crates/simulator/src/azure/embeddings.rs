//! Azure OpenAI embeddings: `/embeddings?api-version=…` (spec foundation-models, sap-wire.md §3.2), fail-closed.

use serde_json::{Value, json};

use super::request::{check_tenant, words};
use super::{Refusal, opened, refuse};
use crate::answer::Answer;
use crate::catalogue::{Family, Model};
use crate::json::text;
use crate::server::Asked;
use crate::shape::{Shape, check, closed, may, must};
use crate::vectors::{Wish, dimensions};

const MOST_INPUTS: usize = 2048;

static BODY: Shape = closed(&[
    must("input", &INPUT),
    may("user", &Shape::Text),
    may("input_type", &Shape::Text),
    may("model", &Shape::Text),
    may(
        "encoding_format",
        &Shape::OrNull(&Shape::OneOf(&["float", "base64"])),
    ),
    may(
        "dimensions",
        &Shape::OrNull(&Shape::Integer {
            least: 1,
            most: i64::MAX,
        }),
    ),
]);
static INPUT: Shape = Shape::Either(&[&Shape::Text, &TEXTS, &TOKENS, &TOKEN_LISTS]);
static TEXTS: Shape = several(&Shape::Text);
static TOKEN_LISTS: Shape = several(&TOKENS);
static TOKENS: Shape = Shape::List {
    of: &TOKEN,
    least: 1,
    most: usize::MAX,
};
static TOKEN: Shape = Shape::Integer {
    least: 0,
    most: 200_000,
};

const fn several(of: &'static Shape) -> Shape {
    Shape::List {
        of,
        least: 1,
        most: usize::MAX,
    }
}

/// Answers `/embeddings`.
pub(crate) fn embeddings(asked: &Asked<'_>) -> Answer {
    let (model, body) = match opened(asked) {
        Ok(opened) => opened,
        Err(refused) => return refused,
    };
    let wish = check(&BODY, &body)
        .map_err(|misfit| words(&misfit))
        .and_then(|()| check_tenant(&body, &asked.options.refuses))
        .and_then(|()| wish(&body, model));
    match wish {
        Ok(wish) => {
            let mut answer = Answer::json(200, wish.list(model).to_string());
            answer.headers.push(("x-request-id", asked.uuid()));
            answer
        }
        Err(refusal) => refuse(&refusal),
    }
}

fn wish<'a>(body: &'a Value, model: &Model) -> Result<Wish<'a>, Refusal> {
    if model.family != Family::Embedding {
        return Err(Refusal::unsupported("embeddings", model));
    }
    let input = body.get("input").unwrap_or(&Value::Null);
    let inputs: Vec<&Value> = match input {
        Value::Array(list) if !list.iter().any(Value::is_number) => list.iter().collect(),
        one => vec![one],
    };
    if inputs.contains(&&json!("")) {
        return Err(Refusal::new(
            "'$.input' is invalid. Please check the API reference.",
        ));
    }
    if inputs.len() > MOST_INPUTS {
        return Err(Refusal::of(
            "input",
            "array_above_max_length",
            format!("Invalid 'input': array too long. Expected an array with maximum length {MOST_INPUTS}."),
        ));
    }
    let (most, may_have_fewer) = dimensions(model);
    let dimensions = match body.get("dimensions").and_then(Value::as_u64) {
        None => most,
        Some(_) if !may_have_fewer => {
            return Err(Refusal::new("This model does not support specifying dimensions."));
        }
        Some(wanted) => usize::try_from(wanted)
            .ok()
            .filter(|wanted| *wanted <= most)
            .ok_or_else(|| {
                Refusal::new(format!(
                    "Invalid value for 'dimensions' = {wanted}. Must be less than or equal to {most}."
                ))
            })?,
    };
    Ok(Wish {
        inputs,
        dimensions,
        base64: text(body, "encoding_format") == "base64",
    })
}
