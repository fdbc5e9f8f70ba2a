//! What a body may look like: Cohere's chat, fail-closed.

use serde_json::Value;

use crate::refuses::{self, Found, Refused};
use crate::shape::{Misfit, Problem, Shape, check, closed, filled, may, must, open, typed};

/// Whether a body has the form and nothing that this tenant refuses; Cohere's words for what is wrong otherwise.
pub(super) fn validate(body: &Value, refused: &[Refused]) -> Result<(), String> {
    check(&BODY, body).map_err(|misfit| words(&misfit))?;
    match refuses::find(refused, body, body) {
        Some(Found::Member(misfit)) => Err(words(&misfit)),
        _ => Ok(()),
    }
}

static BODY: Shape = closed(&[
    must("model", &Shape::Text),
    must("messages", &filled(&MESSAGE)),
    may("stream", &Shape::Boolean),
    may(
        "tools",
        &Shape::List {
            of: &TOOL,
            least: 1,
            most: 200,
        },
    ),
    may("strict_tools", &Shape::Boolean),
    may("tool_choice", &Shape::OneOf(&["REQUIRED", "NONE"])),
    may("response_format", &RESPONSE_FORMAT),
    may("citation_options", &CITATION_OPTIONS),
    may("safety_mode", &Shape::OneOf(&["CONTEXTUAL", "STRICT", "OFF"])),
    may("max_tokens", &NATURAL),
    may(
        "stop_sequences",
        &Shape::List {
            of: &Shape::FilledText,
            least: 0,
            most: 5,
        },
    ),
    may("temperature", &UP_TO_ONE),
    may("seed", &NATURAL),
    may("frequency_penalty", &UP_TO_ONE),
    may("presence_penalty", &UP_TO_ONE),
    may("k", &Shape::Integer { least: 0, most: 500 }),
    may(
        "p",
        &Shape::Number {
            least: 0.01,
            most: 0.99,
        },
    ),
    may("logprobs", &Shape::Boolean),
    may("thinking", &THINKING),
]);
const NATURAL: Shape = Shape::Integer {
    least: 0,
    most: i64::MAX,
};
const UP_TO_ONE: Shape = Shape::Number {
    least: 0.0,
    most: 1.0,
};
static CITATION_OPTIONS: Shape = closed(&[may("mode", &Shape::OneOf(&["FAST", "ACCURATE", "OFF"]))]);
static THINKING: Shape = closed(&[
    must("type", &Shape::OneOf(&["enabled", "disabled"])),
    may(
        "token_budget",
        &Shape::Integer {
            least: 1,
            most: i64::MAX,
        },
    ),
]);
static RESPONSE_FORMAT: Shape = typed(&[("text", &FORMAT_TEXT), ("json_object", &FORMAT_JSON)]);
static FORMAT_TEXT: Shape = closed(&[must("type", &Shape::Text)]);
static FORMAT_JSON: Shape = closed(&[must("type", &Shape::Text), may("json_schema", &open(&[]))]);
static TOOL: Shape = typed(&[("function", &FUNCTION_TOOL)]);
static FUNCTION_TOOL: Shape = closed(&[must("type", &Shape::Text), must("function", &FUNCTION)]);
static FUNCTION: Shape = closed(&[
    must("name", &Shape::Name { longest: 64 }),
    may("description", &Shape::Text),
    must("parameters", &open(&[must("type", &Shape::OneOf(&["object"]))])),
]);

static MESSAGE: Shape = Shape::Tagged {
    key: "role",
    forms: &[
        ("system", &INSTRUCTION),
        ("user", &USER),
        ("assistant", &ASSISTANT),
        ("tool", &RESULT),
    ],
    default: None,
};
static INSTRUCTION: Shape = closed(&[
    must("role", &Shape::Text),
    must("content", &Shape::Either(&[&Shape::Text, &filled(&TEXT_ONLY)])),
]);
static USER: Shape = closed(&[
    must("role", &Shape::Text),
    must("content", &Shape::Either(&[&Shape::Text, &filled(&USER_PART)])),
]);
static ASSISTANT: Shape = closed(&[
    must("role", &Shape::Text),
    may(
        "content",
        &Shape::Either(&[&Shape::Text, &filled(&ASSISTANT_PART)]),
    ),
    may("tool_plan", &Shape::Text),
    may("tool_calls", &filled(&CALL)),
]);
static RESULT: Shape = closed(&[
    must("role", &Shape::Text),
    must("tool_call_id", &Shape::Text),
    must("content", &Shape::Either(&[&Shape::Text, &filled(&RESULT_PART)])),
]);
static TEXT_ONLY: Shape = typed(&[("text", &TEXT_PART)]);
static USER_PART: Shape = typed(&[("text", &TEXT_PART), ("image_url", &IMAGE_PART)]);
static ASSISTANT_PART: Shape = typed(&[("text", &TEXT_PART), ("thinking", &THOUGHT_PART)]);
static RESULT_PART: Shape = typed(&[("text", &TEXT_PART), ("document", &DOCUMENT_PART)]);
static TEXT_PART: Shape = closed(&[must("type", &Shape::Text), must("text", &Shape::Text)]);
static THOUGHT_PART: Shape = closed(&[must("type", &Shape::Text), must("thinking", &Shape::Text)]);
static IMAGE_PART: Shape = closed(&[
    must("type", &Shape::Text),
    must("image_url", &closed(&[must("url", &Shape::Text)])),
]);
static DOCUMENT_PART: Shape = closed(&[must("type", &Shape::Text), must("document", &DOCUMENT)]);
static DOCUMENT: Shape = closed(&[must("data", &open(&[])), may("id", &Shape::Text)]);
static CALL: Shape = closed(&[
    must("id", &Shape::FilledText),
    must("type", &Shape::OneOf(&["function"])),
    must("function", &CALLED),
]);
static CALLED: Shape = closed(&[
    must("name", &Shape::Name { longest: 64 }),
    must("arguments", &Shape::Text),
]);

fn words(misfit: &Misfit) -> String {
    let place = |more: &str| misfit.dotted(more);
    match &misfit.problem {
        Problem::Unknown(key) => format!("unknown field: parameter '{}' is not a valid field", place(key)),
        Problem::Missing(key) => format!("missing required field: '{}'", place(key)),
        Problem::Type { expected, .. } => format!(
            "invalid type: parameter '{}' must be of type {expected}",
            place("")
        ),
        _ => format!("invalid value for parameter '{}'", place("")),
    }
}
