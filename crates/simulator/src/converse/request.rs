//! What a body may look like: Amazon's Converse API, fail-closed.

use serde_json::Value;

use crate::refuses::{self, Found, Refused};
use crate::shape::{
    Field, Fields, Misfit, Problem, Shape, Step, check, closed, filled, list, may, must, open,
};

/// Whether a body has the form; Bedrock's words for what is wrong otherwise.
pub(super) fn validate(body: &Value) -> Result<(), String> {
    check(&BODY, body).map_err(|misfit| words(&misfit))
}

/// Refuses what this tenant refuses.
pub(super) fn check_tenant(body: &Value, refused: &[Refused]) -> Result<(), String> {
    let parameters = body.get("inferenceConfig").unwrap_or(&Value::Null);
    Err(match refuses::find(refused, body, parameters) {
        None | Some(Found::Beta) => return Ok(()),
        Some(Found::Member(misfit)) => words(&misfit),
        Some(Found::OutputTokens { most, .. }) => too_many_tokens(most),
    })
}

/// Bedrock's words for too many tokens.
pub(super) fn too_many_tokens(most: u64) -> String {
    format!(
        "The maximum tokens you requested exceeds the model limit of {most}. Try again with a maximum tokens value that \
         is lower than {most}."
    )
}

/// An object with exactly one of the members.
const fn one_of(known: &'static [Field]) -> Shape {
    Shape::Object(Fields {
        known,
        open: false,
        least: 1,
        most: 1,
    })
}

static BODY: Shape = closed(&[
    must("messages", &filled(&MESSAGE)),
    may("system", &filled(&SYSTEM_BLOCK)),
    may("inferenceConfig", &INFERENCE_CONFIG),
    may("toolConfig", &TOOL_CONFIG),
    may("additionalModelRequestFields", &open(&[])),
]);
static INFERENCE_CONFIG: Shape = closed(&[
    may(
        "maxTokens",
        &Shape::Integer {
            least: 1,
            most: i64::MAX,
        },
    ),
    may("temperature", &UP_TO_ONE),
    may("topP", &UP_TO_ONE),
    may(
        "stopSequences",
        &Shape::List {
            of: &Shape::FilledText,
            least: 0,
            most: 4,
        },
    ),
]);
const UP_TO_ONE: Shape = Shape::Number {
    least: 0.0,
    most: 1.0,
};
const NAME: Shape = Shape::Name { longest: 64 };

static TOOL_CONFIG: Shape = closed(&[must("tools", &filled(&TOOL)), may("toolChoice", &TOOL_CHOICE)]);
static TOOL: Shape = one_of(&[may("toolSpec", &TOOL_SPEC), may("cachePoint", &CACHE_POINT)]);
static TOOL_SPEC: Shape = closed(&[
    must("name", &NAME),
    may("description", &Shape::FilledText),
    must("inputSchema", &closed(&[must("json", &INPUT_SCHEMA)])),
]);
static INPUT_SCHEMA: Shape = open(&[must("type", &Shape::OneOf(&["object"]))]);
static TOOL_CHOICE: Shape = one_of(&[
    may("auto", &NOTHING),
    may("any", &NOTHING),
    may("tool", &closed(&[must("name", &NAME)])),
]);
static NOTHING: Shape = closed(&[]);
static CACHE_POINT: Shape = closed(&[
    must("type", &Shape::OneOf(&["default"])),
    may("ttl", &Shape::OneOf(&["5m", "1h"])),
]);

static SYSTEM_BLOCK: Shape = one_of(&[may("text", &Shape::FilledText), may("cachePoint", &CACHE_POINT)]);
static MESSAGE: Shape = closed(&[
    must("role", &Shape::OneOf(&["user", "assistant"])),
    must("content", &list(&BLOCK)),
]);
static BLOCK: Shape = one_of(&[
    may("text", &Shape::Text),
    may("image", &IMAGE),
    may("document", &DOCUMENT),
    may("toolUse", &TOOL_USE),
    may("toolResult", &TOOL_RESULT),
    may("cachePoint", &CACHE_POINT),
    may("reasoningContent", &REASONING),
]);
static IMAGE: Shape = closed(&[
    must("format", &Shape::OneOf(&["png", "jpeg", "gif", "webp"])),
    must("source", &SOURCE),
]);
static DOCUMENT: Shape = closed(&[
    must(
        "format",
        &Shape::OneOf(&["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"]),
    ),
    must("name", &Shape::FilledText),
    must("source", &SOURCE),
]);
static SOURCE: Shape = closed(&[must("bytes", &Shape::FilledText)]);
static TOOL_USE: Shape = closed(&[
    must("toolUseId", &NAME),
    must("name", &NAME),
    must("input", &open(&[])),
]);
static TOOL_RESULT: Shape = closed(&[
    must("toolUseId", &NAME),
    must("content", &list(&RESULT_BLOCK)),
    may("status", &Shape::OneOf(&["success", "error"])),
]);
static RESULT_BLOCK: Shape = one_of(&[
    may("text", &Shape::Text),
    may("json", &open(&[])),
    may("image", &IMAGE),
    may("document", &DOCUMENT),
]);
static REASONING: Shape = one_of(&[
    may("reasoningText", &REASONING_TEXT),
    may("redactedContent", &Shape::FilledText),
]);
static REASONING_TEXT: Shape = closed(&[must("text", &Shape::Text), may("signature", &Shape::Text)]);

/// Bedrock's words: the path as a JSON pointer, and what a JSON Schema's validator says.
pub(crate) fn words(misfit: &Misfit) -> String {
    let path = misfit.path.iter().fold("#".to_owned(), |path, step| match step {
        Step::Key(key) => format!("{path}/{key}"),
        Step::Index(index) => format!("{path}/{index}"),
        Step::Form(_) => path,
    });
    let what = match &misfit.problem {
        Problem::Missing(key) => format!("required key [{key}] not found"),
        Problem::Unknown(key) => format!("extraneous key [{key}] is not permitted"),
        Problem::Type { expected, .. } => format!("expected type: {expected}"),
        Problem::NotOneOf { found, .. } => format!("{found} is not a valid enum value"),
        Problem::TooFew { least, .. } => format!("expected minimum count: {least}"),
        Problem::TooMany { most } => format!("expected maximum count: {most}"),
        Problem::TooSmall { found, least } => format!("{found} is not greater or equal to {least}"),
        Problem::TooLarge { found, most } => format!("{found} is not less or equal to {most}"),
        Problem::BadName { found, longest } => {
            format!("string [{found}] does not match pattern [a-zA-Z0-9_-]{{1,{longest}}}")
        }
        Problem::UnknownForm { .. } | Problem::Ambiguous => "no subschema matched".to_owned(),
    };
    format!("Malformed input request: {path}: {what}, please reformat your input and try again.")
}
