//! What a chat body may look like (spec foundation-models, and the parameters newer versions take), fail-closed.

use serde_json::Value;

use super::Refusal;
use super::rules::too_many_tokens;
use crate::refuses::{self, Found, Refused};
use crate::shape::{Misfit, Problem, Shape, Step, check, closed, filled, may, must, open, typed};

/// Whether a body has the form; OpenAI's words for what is wrong otherwise.
pub(super) fn validate(body: &Value) -> Result<(), Refusal> {
    check(&BODY, body).map_err(|misfit| words(&misfit))
}

/// Refuses what this tenant refuses.
pub(super) fn check_tenant(body: &Value, refused: &[Refused]) -> Result<(), Refusal> {
    Err(match refuses::find(refused, body, body) {
        None | Some(Found::Beta) => return Ok(()),
        Some(Found::Member(misfit)) => words(&misfit),
        Some(Found::OutputTokens { name, wished, most }) => too_many_tokens(name, most, wished),
    })
}

static BODY: Shape = closed(&[
    must("messages", &MESSAGES),
    may("model", &Shape::Text),
    may("stream", &Shape::OrNull(&Shape::Boolean)),
    may("stream_options", &Shape::OrNull(&STREAM_OPTIONS)),
    may("max_tokens", &Shape::OrNull(&POSITIVE)),
    may("max_completion_tokens", &Shape::OrNull(&POSITIVE)),
    may(
        "temperature",
        &Shape::OrNull(&Shape::Number {
            least: 0.0,
            most: 2.0,
        }),
    ),
    may(
        "top_p",
        &Shape::OrNull(&Shape::Number {
            least: 0.0,
            most: 1.0,
        }),
    ),
    may("presence_penalty", &Shape::OrNull(&PENALTY)),
    may("frequency_penalty", &Shape::OrNull(&PENALTY)),
    may("logit_bias", &Shape::OrNull(&LOGIT_BIAS)),
    may("logprobs", &Shape::OrNull(&Shape::Boolean)),
    may(
        "top_logprobs",
        &Shape::OrNull(&Shape::Integer { least: 0, most: 20 }),
    ),
    may("n", &Shape::OrNull(&Shape::Integer { least: 1, most: 128 })),
    may(
        "seed",
        &Shape::OrNull(&Shape::Integer {
            least: i64::MIN,
            most: i64::MAX,
        }),
    ),
    may("stop", &STOP),
    may("user", &Shape::Text),
    may("store", &Shape::OrNull(&Shape::Boolean)),
    may("metadata", &Shape::OrNull(&METADATA)),
    may("prediction", &Shape::OrNull(&open(&[]))),
    may("response_format", &RESPONSE_FORMAT),
    may("tools", &TOOLS),
    may("tool_choice", &TOOL_CHOICE),
    may("parallel_tool_calls", &Shape::Boolean),
    may("reasoning_effort", &Shape::OrNull(&EFFORT)),
    may(
        "verbosity",
        &Shape::OrNull(&Shape::OneOf(&["low", "medium", "high"])),
    ),
]);
const POSITIVE: Shape = Shape::Integer {
    least: 1,
    most: i64::MAX,
};
const PENALTY: Shape = Shape::Number {
    least: -2.0,
    most: 2.0,
};
static EFFORT: Shape = Shape::OneOf(&["none", "minimal", "low", "medium", "high", "xhigh"]);
static STREAM_OPTIONS: Shape = closed(&[may("include_usage", &Shape::Boolean)]);
static LOGIT_BIAS: Shape = Shape::Map(&Shape::Integer {
    least: -100,
    most: 100,
});
static METADATA: Shape = Shape::Map(&Shape::Text);
static STOP: Shape = Shape::OrNull(&Shape::Either(&[&Shape::Text, &STOPS]));
static STOPS: Shape = Shape::List {
    of: &Shape::Text,
    least: 1,
    most: 4,
};

static RESPONSE_FORMAT: Shape = typed(&[
    ("text", &FORMAT_PLAIN),
    ("json_object", &FORMAT_PLAIN),
    ("json_schema", &FORMAT_SCHEMA),
]);
static FORMAT_PLAIN: Shape = closed(&[must("type", &Shape::Text)]);
static FORMAT_SCHEMA: Shape = closed(&[must("type", &Shape::Text), must("json_schema", &JSON_SCHEMA)]);
const NAME: Shape = Shape::Name { longest: 64 };
static JSON_SCHEMA: Shape = closed(&[
    must("name", &NAME),
    may("description", &Shape::Text),
    may("schema", &open(&[])),
    may("strict", &Shape::OrNull(&Shape::Boolean)),
]);
static TOOLS: Shape = Shape::List {
    of: &TOOL,
    least: 1,
    most: 128,
};
static TOOL: Shape = typed(&[("function", &FUNCTION_TOOL)]);
static FUNCTION_TOOL: Shape = closed(&[must("type", &Shape::Text), must("function", &FUNCTION)]);
static FUNCTION: Shape = closed(&[
    must("name", &NAME),
    may("description", &Shape::Text),
    may("parameters", &open(&[])),
    may("strict", &Shape::OrNull(&Shape::Boolean)),
]);
static TOOL_CHOICE: Shape = Shape::Either(&[&CHOICE_WORD, &CHOICE_NAMED]);
static CHOICE_WORD: Shape = Shape::OneOf(&["none", "auto", "required"]);
static CHOICE_NAMED: Shape = closed(&[
    must("type", &Shape::OneOf(&["function"])),
    must("function", &CHOSEN_FUNCTION),
]);
static CHOSEN_FUNCTION: Shape = closed(&[must("name", &Shape::Text)]);

static MESSAGES: Shape = filled(&MESSAGE);
static MESSAGE: Shape = Shape::Tagged {
    key: "role",
    forms: &[
        ("system", &INSTRUCTION),
        ("assistant", &ASSISTANT),
        ("user", &USER),
        ("tool", &TOOL_RESULT),
        ("developer", &INSTRUCTION),
    ],
    default: None,
};
static INSTRUCTION: Shape = closed(&[
    must("role", &Shape::Text),
    must("content", &TEXTS),
    may("name", &Shape::Text),
]);
static USER: Shape = closed(&[
    must("role", &Shape::Text),
    must("content", &USER_CONTENT),
    may("name", &Shape::Text),
]);
static ASSISTANT: Shape = closed(&[
    must("role", &Shape::Text),
    may("content", &Shape::OrNull(&ASSISTANT_CONTENT)),
    may("refusal", &Shape::OrNull(&Shape::Text)),
    may("name", &Shape::Text),
    may("tool_calls", &TOOL_CALLS),
    // SAP's samples send an answer back as it came: with these, which say nothing.
    may("annotations", &Shape::Anything),
    may("audio", &NULL),
    may("function_call", &NULL),
]);
static NULL: Shape = Shape::OrNull(&Shape::OneOf(&[]));
static TOOL_RESULT: Shape = closed(&[
    must("role", &Shape::Text),
    must("content", &TEXTS),
    must("tool_call_id", &Shape::Text),
]);
static TEXTS: Shape = Shape::Either(&[&Shape::Text, &TEXT_PARTS]);
static TEXT_PARTS: Shape = filled(&TEXT_PART_ONLY);
static TEXT_PART_ONLY: Shape = typed(&[("text", &TEXT_PART)]);
static TEXT_PART: Shape = closed(&[must("type", &Shape::Text), must("text", &Shape::Text)]);
static ASSISTANT_CONTENT: Shape = Shape::Either(&[&Shape::Text, &ASSISTANT_PARTS]);
static ASSISTANT_PARTS: Shape = filled(&ASSISTANT_PART);
static ASSISTANT_PART: Shape = typed(&[("text", &TEXT_PART), ("refusal", &REFUSAL_PART)]);
static REFUSAL_PART: Shape = closed(&[must("type", &Shape::Text), must("refusal", &Shape::Text)]);
static USER_CONTENT: Shape = Shape::Either(&[&Shape::Text, &USER_PARTS]);
static USER_PARTS: Shape = filled(&USER_PART);
static USER_PART: Shape = typed(&[
    ("text", &TEXT_PART),
    ("image_url", &IMAGE_PART),
    ("file", &FILE_PART),
]);
static IMAGE_PART: Shape = closed(&[must("type", &Shape::Text), must("image_url", &IMAGE_URL)]);
static IMAGE_URL: Shape = closed(&[
    must("url", &Shape::Text),
    may("detail", &Shape::OneOf(&["auto", "low", "high"])),
]);
static FILE_PART: Shape = closed(&[must("type", &Shape::Text), must("file", &FILE)]);
static FILE: Shape = closed(&[must("file_data", &Shape::Text), may("filename", &Shape::Text)]);
static TOOL_CALLS: Shape = filled(&TOOL_CALL);
static TOOL_CALL: Shape = closed(&[
    must("id", &Shape::Text),
    must("type", &Shape::OneOf(&["function"])),
    must("function", &CALLED_FUNCTION),
]);
static CALLED_FUNCTION: Shape = closed(&[must("name", &NAME), must("arguments", &Shape::Text)]);

/// OpenAI's words: `messages[0].content[1].type` and what is wrong there.
pub(super) fn words(misfit: &Misfit) -> Refusal {
    let mut path = String::new();
    for step in &misfit.path {
        match step {
            Step::Key(key) => push(&mut path, key),
            Step::Index(index) => path.extend(["[", &index.to_string(), "]"]),
            Step::Form(_) => {}
        }
    }
    match &misfit.problem {
        Problem::Missing(key) => {
            push(&mut path, key);
            Refusal::of(
                path.clone(),
                "missing_required_parameter",
                format!("Missing required parameter: '{path}'."),
            )
        }
        Problem::Unknown(key) if path.is_empty() => {
            Refusal::new(format!("Unrecognized request argument supplied: {key}"))
        }
        Problem::Unknown(key) => {
            push(&mut path, key);
            Refusal::of(
                path.clone(),
                "unknown_parameter",
                format!("Unknown parameter: '{path}'."),
            )
        }
        Problem::Type { expected, found } => Refusal::of(
            path.clone(),
            "invalid_type",
            format!(
                "Invalid type for '{path}': expected {}, but got {} instead.",
                article(expected),
                kind(found)
            ),
        ),
        Problem::NotOneOf { allowed, found } => {
            let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            invalid_value(path, &found, allowed)
        }
        Problem::UnknownForm { key, allowed, found } => {
            push(&mut path, key);
            let allowed: Vec<String> = allowed.iter().map(|form| (*form).to_owned()).collect();
            invalid_value(path, found, &allowed)
        }
        Problem::TooFew { least, .. } => Refusal::of(
            path.clone(),
            "empty_array",
            format!(
                "Invalid '{path}': empty array. Expected an array with minimum length {least}, but got an empty array instead."
            ),
        ),
        Problem::TooMany { most } => Refusal::of(
            path.clone(),
            "array_above_max_length",
            format!("Invalid '{path}': array too long. Expected an array with maximum length {most}."),
        ),
        Problem::TooSmall { found, least } => Refusal::of(
            path.clone(),
            "integer_below_min_value",
            format!(
                "Invalid '{path}': value below minimum. Expected a value >= {least}, but got {found} instead."
            ),
        ),
        Problem::TooLarge { found, most } => Refusal::of(
            path.clone(),
            "integer_above_max_value",
            format!(
                "Invalid '{path}': value above maximum. Expected a value <= {most}, but got {found} instead."
            ),
        ),
        Problem::BadName { found, longest } => Refusal::of(
            path.clone(),
            "invalid_value",
            format!("Invalid '{path}': '{found}' does not match pattern '^[a-zA-Z0-9_-]{{1,{longest}}}$'."),
        ),
        Problem::Ambiguous => Refusal::of(
            path.clone(),
            "invalid_value",
            format!("Invalid value for '{path}'."),
        ),
    }
}

fn push(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

fn invalid_value(path: String, found: &str, allowed: &[String]) -> Refusal {
    let quoted: Vec<String> = allowed.iter().map(|text| format!("'{text}'")).collect();
    let supported = match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{}, and {last}", others.join(", ")),
        _ => quoted.join(""),
    };
    Refusal::of(
        path,
        "invalid_value",
        format!("Invalid value: '{found}'. Supported values are: {supported}."),
    )
}

fn article(expected: &str) -> String {
    let article = if expected.starts_with(['a', 'i', 'o']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {expected}")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal number",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_names_the_path_in_openais_words() {
        let with = |key: &str, value: Value| {
            let mut body = json!({"messages": [{"role": "user", "content": "x"}]});
            body[key] = value;
            body
        };
        let cases = [
            (json!({}), "Missing required parameter: 'messages'."),
            (
                with("beta", json!(1)),
                "Unrecognized request argument supplied: beta",
            ),
            (
                with("messages", json!([])),
                "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            ),
            (
                with(
                    "messages",
                    json!([{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {}}]}]),
                ),
                "Unknown parameter: 'messages[0].content[0].cache_control'.",
            ),
            (
                with("messages", json!([{"role": "function", "content": "x"}])),
                "Invalid value: 'function'. Supported values are: 'system', 'assistant', 'user', 'tool', and 'developer'.",
            ),
            (
                with("temperature", json!("hot")),
                "Invalid type for 'temperature': expected a number, but got a string instead.",
            ),
        ];
        for (body, words) in cases {
            assert_eq!(validate(&body).unwrap_err().message, words);
        }
    }
}
