//! What a body may look like: Google's messages in proto-JSON, fail-closed. The spelling is settled before.

use serde_json::Value;

use super::spelling::snake;
use crate::refuses::{self, Found, Refused};
use crate::shape::{Misfit, Problem, Shape, Step, check, closed, list, may, must, open};

/// Whether a body has the form; Google's words for what is wrong otherwise.
pub(super) fn validate(body: &Value) -> Result<(), String> {
    check(&BODY, body).map_err(|misfit| words(&misfit))
}

/// The same for `:countTokens`.
pub(super) fn validate_count(body: &Value) -> Result<(), String> {
    check(&COUNT_BODY, body).map_err(|misfit| words(&misfit))
}

/// Refuses what this tenant refuses.
pub(super) fn check_tenant(body: &Value, refused: &[Refused]) -> Result<(), String> {
    let parameters = body.get("generationConfig").unwrap_or(&Value::Null);
    Err(match refuses::find(refused, body, parameters) {
        None | Some(Found::Beta) => return Ok(()),
        Some(Found::Member(misfit)) => words(&misfit),
        Some(Found::OutputTokens { name, wished, most }) => {
            out_of_range(name, wished, "1 (inclusive)", most + 1)
        }
    })
}

/// Google's words for a number that is too small or too large.
pub(super) fn out_of_range(
    name: &str,
    found: impl std::fmt::Display,
    least: &str,
    excluded: impl std::fmt::Display,
) -> String {
    format!(
        "Unable to submit request because it has a {name} value of {found} but the supported range is from {least} to \
         {excluded} (exclusive). Update the value and try again."
    )
}

static BODY: Shape = closed(&[
    must("contents", &CONTENTS),
    may("systemInstruction", &CONTENT),
    may("tools", &list(&TOOL)),
    may("toolConfig", &TOOL_CONFIG),
    may("safetySettings", &list(&SAFETY_SETTING)),
    may("generationConfig", &GENERATION_CONFIG),
    may("labels", &Shape::Map(&Shape::Text)),
]);
static COUNT_BODY: Shape = closed(&[
    must("contents", &CONTENTS),
    may("systemInstruction", &CONTENT),
    may("tools", &list(&TOOL)),
    may("generationConfig", &GENERATION_CONFIG),
]);

static CONTENTS: Shape = list(&CONTENT);
static CONTENT: Shape = closed(&[may("role", &Shape::Text), may("parts", &list(&PART))]);
static PART: Shape = closed(&[
    may("text", &Shape::Text),
    may("inlineData", &INLINE_DATA),
    may("fileData", &FILE_DATA),
    may("functionCall", &FUNCTION_CALL),
    may("functionResponse", &FUNCTION_RESPONSE),
    may("thought", &Shape::Boolean),
    may("thoughtSignature", &Shape::Text),
]);
static INLINE_DATA: Shape = closed(&[
    must("mimeType", &Shape::Text),
    must("data", &Shape::Text),
    may("displayName", &Shape::Text),
]);
static FILE_DATA: Shape = closed(&[
    must("mimeType", &Shape::Text),
    must("fileUri", &Shape::Text),
    may("displayName", &Shape::Text),
]);
// No `id`: only the Gemini API of Google's own has one.
static FUNCTION_CALL: Shape = closed(&[must("name", &Shape::Text), may("args", &open(&[]))]);
static FUNCTION_RESPONSE: Shape = closed(&[must("name", &Shape::Text), must("response", &open(&[]))]);

static TOOL: Shape = closed(&[may("functionDeclarations", &list(&DECLARATION))]);
static DECLARATION: Shape = closed(&[
    must("name", &Shape::Text),
    may("description", &Shape::Text),
    // Looked at apart: a schema's form depends on its type.
    may("parameters", &open(&[])),
    may("parametersJsonSchema", &open(&[])),
    may("response", &open(&[])),
    may("responseJsonSchema", &open(&[])),
]);
static TOOL_CONFIG: Shape = closed(&[may("functionCallingConfig", &CALLING_CONFIG)]);
static CALLING_CONFIG: Shape = closed(&[
    may(
        "mode",
        &Shape::OneOf(&["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"]),
    ),
    may("allowedFunctionNames", &list(&Shape::Text)),
]);

static SAFETY_SETTING: Shape = closed(&[
    must(
        "category",
        &Shape::OneOf(&[
            "HARM_CATEGORY_HATE_SPEECH",
            "HARM_CATEGORY_DANGEROUS_CONTENT",
            "HARM_CATEGORY_HARASSMENT",
            "HARM_CATEGORY_SEXUALLY_EXPLICIT",
        ]),
    ),
    must(
        "threshold",
        &Shape::OneOf(&[
            "BLOCK_LOW_AND_ABOVE",
            "BLOCK_MEDIUM_AND_ABOVE",
            "BLOCK_ONLY_HIGH",
            "BLOCK_NONE",
            "OFF",
        ]),
    ),
    may("method", &Shape::OneOf(&["SEVERITY", "PROBABILITY"])),
]);

static GENERATION_CONFIG: Shape = closed(&[
    may("temperature", &NUMBER),
    may("topP", &NUMBER),
    may("topK", &NUMBER),
    may("candidateCount", &INTEGER),
    may("maxOutputTokens", &INTEGER),
    may("stopSequences", &list(&Shape::Text)),
    may("responseLogprobs", &Shape::Boolean),
    may("logprobs", &Shape::Integer { least: 1, most: 20 }),
    may("presencePenalty", &NUMBER),
    may("frequencyPenalty", &NUMBER),
    may("seed", &INTEGER),
    may("responseMimeType", &Shape::Text),
    may("responseSchema", &open(&[])),
    may("responseJsonSchema", &open(&[])),
    may("responseModalities", &list(&Shape::OneOf(&["TEXT"]))),
    may("audioTimestamp", &Shape::Boolean),
    may(
        "mediaResolution",
        &Shape::OneOf(&[
            "MEDIA_RESOLUTION_LOW",
            "MEDIA_RESOLUTION_MEDIUM",
            "MEDIA_RESOLUTION_HIGH",
        ]),
    ),
    may("thinkingConfig", &THINKING_CONFIG),
]);
static THINKING_CONFIG: Shape = closed(&[
    may("includeThoughts", &Shape::Boolean),
    may("thinkingBudget", &INTEGER),
    may(
        "thinkingLevel",
        &Shape::OneOf(&[
            "MINIMAL", "LOW", "MEDIUM", "HIGH", "minimal", "low", "medium", "high",
        ]),
    ),
]);
const NUMBER: Shape = Shape::Number {
    least: f64::MIN,
    most: f64::MAX,
};
const INTEGER: Shape = Shape::Integer {
    least: i32::MIN as i64,
    most: i32::MAX as i64,
};

/// Google's words: the path in `snake_case`, and what proto-JSON says.
pub(super) fn words(misfit: &Misfit) -> String {
    let mut path = String::new();
    for step in &misfit.path {
        match step {
            Step::Key(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&snake(key));
            }
            Step::Index(index) => path.extend(["[", &index.to_string(), "]"]),
            Step::Form(_) => {}
        }
    }
    let at = if path.is_empty() {
        String::new()
    } else {
        format!(" at '{path}'")
    };
    match &misfit.problem {
        Problem::Unknown(key) => unknown(key, &path),
        Problem::Missing(key) => format!(
            "Unable to submit request because it must have a {} field{at}. Add the field and try again.",
            snake(key)
        ),
        Problem::Type { expected, found } => invalid(expected, found, &at),
        Problem::NotOneOf { found, .. } => format!("Invalid value{at} (TYPE_ENUM), {found}"),
        Problem::TooSmall { found, .. } | Problem::TooLarge { found, .. } => {
            format!("Invalid value{at} (TYPE_INT32), {found}")
        }
        _ => format!("Invalid value{at}"),
    }
}

/// A member that the message at `path` does not have.
pub(super) fn unknown(name: &str, path: &str) -> String {
    if path.is_empty() {
        format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot find field.")
    } else {
        format!("Invalid JSON payload received. Unknown name \"{name}\" at '{path}': Cannot find field.")
    }
}

fn invalid(expected: &str, found: &Value, at: &str) -> String {
    let kind = match expected {
        "string" => "TYPE_STRING",
        "boolean" => "TYPE_BOOL",
        "integer" => "TYPE_INT32",
        "number" => "TYPE_DOUBLE",
        "array" => "TYPE_REPEATED",
        _ => "TYPE_MESSAGE",
    };
    format!("Invalid value{at} ({kind}), {found}")
}
