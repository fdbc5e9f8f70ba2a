//! Orchestration's embeddings, `/v2/embeddings` (sap-wire.md §4.6, spec `EmbeddingsPostRequest`).

use serde_json::{Value, json};

use super::answer::failure;
use super::modules::MASKING;
use super::request::words;
use super::{Failure, masking, rules};
use crate::answer::Answer;
use crate::catalogue::{self, Family, Model};
use crate::json::{self, text};
use crate::refuses::{self, Found};
use crate::server::Asked;
use crate::shape::{Fields, Problem, Shape, Step, check, closed, filled, may, must};
use crate::vectors::{Wish, dimensions};

static REQUEST: Shape = closed(&[must("config", &CONFIG), must("input", &INPUT)]);
static CONFIG: Shape = closed(&[must("modules", &MODULES)]);
static MODULES: Shape = closed(&[must("embeddings", &EMBEDDINGS), may("masking", &MASKING)]);
static EMBEDDINGS: Shape = closed(&[must("model", &MODEL)]);
static MODEL: Shape = closed(&[
    must("name", &Shape::Text),
    may("version", &Shape::Text),
    may("params", &PARAMETERS),
    may(
        "timeout",
        &Shape::Integer {
            least: 1,
            most: 1_200,
        },
    ),
    may("max_retries", &Shape::Integer { least: 0, most: 5 }),
]);
static PARAMETERS: Shape = Shape::Object(Fields {
    known: &[
        may(
            "dimensions",
            &Shape::Integer {
                least: i64::MIN,
                most: i64::MAX,
            },
        ),
        may("encoding_format", &ENCODINGS),
        may("normalize", &Shape::Boolean),
    ],
    open: true,
    least: 0,
    most: usize::MAX,
});
static ENCODINGS: Shape = Shape::Either(&[&ENCODING, &ENCODING_LIST]);
static ENCODING: Shape = Shape::OneOf(&["float", "base64", "binary", "int8", "uint8", "ubinary"]);
static ENCODING_LIST: Shape = filled(&ENCODING);
static INPUT: Shape = closed(&[must("text", &TEXT), may("type", &TYPE)]);
static TYPE: Shape = Shape::OneOf(&[
    "text",
    "document",
    "query",
    "search_document",
    "search_query",
    "classification",
    "clustering",
    "image",
]);
static TEXT: Shape = Shape::Either(&[&Shape::Text, &TEXTS]);
static TEXTS: Shape = filled(&FILLED_TEXT);
static FILLED_TEXT: Shape = Shape::FilledText;

/// Whether a body has the form; the service's words for what is wrong otherwise.
pub(crate) fn validate(body: &Value) -> Result<(), String> {
    check(&REQUEST, body).map_err(|misfit| words(&misfit))
}

/// Answers `/v2/embeddings`.
pub(crate) fn embed(asked: &Asked<'_>) -> Answer {
    let request_id = asked.uuid();
    let answered = json::parse(asked.body)
        .map_err(|error| Failure::body(format!("no valid JSON: {error}")))
        .and_then(|body| {
            validate(&body).map_err(Failure::body)?;
            list(asked, &body)
        });
    match answered {
        Ok(list) => {
            let body = json!({"request_id": request_id, "final_result": list});
            let mut answer = Answer::json(200, body.to_string());
            answer.headers.push(("x-request-id", request_id));
            answer
        }
        Err(refused) => failure(&request_id, refused),
    }
}

fn list(asked: &Asked<'_>, body: &Value) -> Result<Value, Failure> {
    let module = body.pointer("/config/modules/embeddings").unwrap_or(&Value::Null);
    let model = rules::listed(module)
        .filter(|model| model.family == Family::Embedding)
        .ok_or_else(|| {
            let names =
                catalogue::of_group(asked.deployment.group).filter(|model| model.family == Family::Embedding);
            let names: Vec<String> = names.map(|model| format!("'{}'", model.name)).collect();
            refused(format!(
                "Model name must be one of dict_keys([{}])",
                names.join(", ")
            ))
        })?;
    asked.check_restriction(model, "Embedding Module")?;
    let parameters = module.pointer("/model/params").unwrap_or(&Value::Null);
    check_tenant(body, &asked.options.refuses)?;
    let masked = masked(body)?;
    let wish = wish(&masked, parameters, model)?;
    Ok(wish.list(model))
}

/// The same request with its input as the model gets it.
fn masked(body: &Value) -> Result<Value, Failure> {
    let mut masked = body.clone();
    let modules = body.pointer("/config/modules").unwrap_or(&Value::Null);
    let texts = match body.pointer("/input/text") {
        Some(Value::Array(list)) => list.clone(),
        one => one.cloned().into_iter().collect(),
    };
    let mut messages: Vec<Value> = texts.iter().map(|one| json!({"content": one})).collect();
    if masking::mask(modules, &mut messages)?.is_some() {
        let texts: Vec<Value> = messages
            .iter()
            .map(|message| text(message, "content").into())
            .collect();
        if let Some(input) = masked.pointer_mut("/input") {
            json::set(input, "text", Value::Array(texts));
        }
    }
    Ok(masked)
}

/// Refuses what this tenant refuses: a parameter as the model's vendor does, any other member as the service itself.
fn check_tenant(body: &Value, refuses: &[refuses::Refused]) -> Result<(), Failure> {
    let Some(Found::Member(misfit)) = refuses::find(refuses, body, &Value::Null) else {
        return Ok(());
    };
    Err(match (misfit.path.last(), &misfit.problem) {
        (Some(Step::Key(place)), Problem::Unknown(name)) if place == "params" => {
            refused(format!("Unrecognized request argument supplied: {name}"))
        }
        _ => Failure::body(words(&misfit)),
    })
}

fn wish<'a>(body: &'a Value, parameters: &Value, model: &Model) -> Result<Wish<'a>, Failure> {
    let known = ["dimensions", "encoding_format", "normalize"];
    let unknown = parameters
        .as_object()
        .and_then(|members| members.keys().find(|key| !known.contains(&key.as_str())));
    if let Some(key) = unknown {
        return Err(refused(format!("Unrecognized request argument supplied: {key}")));
    }
    let base64 = match parameters.get("encoding_format") {
        None => false,
        Some(Value::String(name)) if name == "float" => false,
        Some(Value::String(name)) if name == "base64" => true,
        // Several at once, and others, are Cohere's.
        Some(other) => {
            return Err(refused(format!(
                "Invalid value for 'encoding_format': {other}. Supported values are: 'float' and 'base64'."
            )));
        }
    };
    let (most, may_have_fewer) = dimensions(model);
    let dimensions = match parameters.get("dimensions") {
        None => most,
        Some(_) if !may_have_fewer => {
            return Err(refused("This model does not support specifying dimensions."));
        }
        Some(wanted) => wanted
            .as_u64()
            .and_then(|wanted| usize::try_from(wanted).ok())
            .filter(|wanted| (1..=most).contains(wanted))
            .ok_or_else(|| {
                refused(format!(
                    "Invalid value for 'dimensions' = {wanted}. Must be less than or equal to {most}."
                ))
            })?,
    };
    let input = body.pointer("/input").unwrap_or(&Value::Null);
    let inputs: Vec<&Value> = match input.get("text") {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    if inputs.iter().any(|input| **input == "") {
        return Err(refused("input cannot be an empty string."));
    }
    Ok(Wish {
        inputs,
        dimensions,
        base64,
    })
}

fn refused(words: impl std::fmt::Display) -> Failure {
    Failure {
        code: 400,
        message: format!("400 - Embedding Module: {words}"),
        location: "Embedding Module",
    }
}
