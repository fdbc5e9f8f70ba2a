//! What a Responses body may look like, fail-closed: what SAP documents of the API, and no more (sap-wire.md §3.2).

use serde_json::Value;

use crate::azure::Refusal;
use crate::azure::request::words as chat_words;
use crate::refuses::{self, Found, Refused};
use crate::shape::{Misfit, Problem, Shape, Step, check, closed, filled, list, may, must, open, typed};

/// Whether a body has the form; OpenAI's words for what is wrong otherwise.
pub(super) fn validate(body: &Value) -> Result<(), Refusal> {
    check(&BODY, body).map_err(|misfit| words(&misfit))
}

/// The same for `/responses/compact`.
pub(super) fn validate_compaction(body: &Value) -> Result<(), Refusal> {
    check(&COMPACTION_BODY, body).map_err(|misfit| words(&misfit))
}

/// Refuses what this tenant refuses.
pub(super) fn check_tenant(body: &Value, refused: &[Refused]) -> Result<(), Refusal> {
    let input = body.get("input").unwrap_or(&Value::Null);
    // `input` is not looked into from outside, because it is what people put in elsewhere.
    let within_input = || match refuses::find(refused, input, &Value::Null)? {
        Found::Member(mut misfit) => {
            misfit.path.insert(0, Step::Key("input".to_owned()));
            Some(Found::Member(misfit))
        }
        _ => None,
    };
    Err(match refuses::find(refused, body, body).or_else(within_input) {
        None | Some(Found::Beta) => return Ok(()),
        Some(Found::Member(misfit)) => words(&misfit),
        Some(Found::OutputTokens { name, wished, most }) => too_many_tokens(name, most, wished),
    })
}

/// OpenAI's words for too many tokens; they name the limit.
pub(super) fn too_many_tokens(name: &str, most: u64, wished: u64) -> Refusal {
    Refusal::of(
        name,
        "integer_above_max_value",
        format!(
            "Invalid '{name}': integer above maximum value. Expected a value <= {most}, but got {wished} instead."
        ),
    )
}

/// This API names an unknown parameter as such, also at the top.
fn words(misfit: &Misfit) -> Refusal {
    match &misfit.problem {
        Problem::Unknown(key) if misfit.path.is_empty() => Refusal::of(
            key.as_str(),
            "unknown_parameter",
            format!("Unknown parameter: '{key}'."),
        ),
        _ => chat_words(misfit),
    }
}

static BODY: Shape = closed(&[
    may("input", &INPUT),
    may("model", &Shape::Text),
    may("instructions", &Shape::OrNull(&Shape::Text)),
    may("stream", &Shape::OrNull(&Shape::Boolean)),
    may("stream_options", &Shape::OrNull(&STREAM_OPTIONS)),
    may("store", &Shape::OrNull(&Shape::Boolean)),
    may("background", &Shape::OrNull(&Shape::Boolean)),
    may("previous_response_id", &Shape::OrNull(&Shape::Text)),
    may("include", &Shape::OrNull(&list(&INCLUDED))),
    may("max_output_tokens", &Shape::OrNull(&INTEGER)),
    may("max_tool_calls", &Shape::OrNull(&INTEGER)),
    may("metadata", &Shape::OrNull(&METADATA)),
    may("parallel_tool_calls", &Shape::OrNull(&Shape::Boolean)),
    may("prompt_cache_key", &Shape::OrNull(&Shape::Text)),
    may(
        "prompt_cache_retention",
        &Shape::OrNull(&Shape::OneOf(&["in-memory", "24h"])),
    ),
    may("reasoning", &Shape::OrNull(&REASONING)),
    may("safety_identifier", &Shape::OrNull(&Shape::Text)),
    may(
        "service_tier",
        &Shape::OrNull(&Shape::OneOf(&["auto", "default"])),
    ),
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
    may(
        "top_logprobs",
        &Shape::OrNull(&Shape::Integer { least: 0, most: 20 }),
    ),
    may("text", &Shape::OrNull(&TEXT)),
    may("tools", &TOOLS),
    may("tool_choice", &TOOL_CHOICE),
    may("truncation", &Shape::OrNull(&Shape::OneOf(&["auto", "disabled"]))),
    may("user", &Shape::OrNull(&Shape::Text)),
]);
static COMPACTION_BODY: Shape = closed(&[
    may("input", &INPUT),
    may("model", &Shape::Text),
    may("instructions", &Shape::OrNull(&Shape::Text)),
    may("previous_response_id", &Shape::OrNull(&Shape::Text)),
    may("prompt_cache_key", &Shape::OrNull(&Shape::Text)),
]);

const INTEGER: Shape = Shape::Integer {
    least: i64::MIN,
    most: i64::MAX,
};
const NAME: Shape = Shape::Name { longest: 64 };
static STREAM_OPTIONS: Shape = closed(&[may("include_obfuscation", &Shape::Boolean)]);
static INCLUDED: Shape = Shape::OneOf(&["reasoning.encrypted_content"]);
static METADATA: Shape = Shape::Map(&Shape::ShortText { longest: 512 });
static REASONING: Shape = closed(&[
    may(
        "effort",
        &Shape::OrNull(&Shape::OneOf(&[
            "none", "minimal", "low", "medium", "high", "xhigh",
        ])),
    ),
    may(
        "summary",
        &Shape::OrNull(&Shape::OneOf(&["auto", "concise", "detailed"])),
    ),
]);

static TEXT: Shape = closed(&[
    may("format", &FORMAT),
    may(
        "verbosity",
        &Shape::OrNull(&Shape::OneOf(&["low", "medium", "high"])),
    ),
]);
static FORMAT: Shape = typed(&[
    ("text", &FORMAT_PLAIN),
    ("json_object", &FORMAT_PLAIN),
    ("json_schema", &FORMAT_SCHEMA),
]);
static FORMAT_PLAIN: Shape = closed(&[must("type", &Shape::Text)]);
static FORMAT_SCHEMA: Shape = closed(&[
    must("type", &Shape::Text),
    must("name", &NAME),
    must("schema", &open(&[])),
    may("description", &Shape::Text),
    may("strict", &Shape::OrNull(&Shape::Boolean)),
]);

static TOOLS: Shape = Shape::List {
    of: &TOOL,
    least: 0,
    most: 128,
};
static TOOL: Shape = typed(&[("function", &FUNCTION_TOOL)]);
static FUNCTION_TOOL: Shape = closed(&[
    must("type", &Shape::Text),
    must("name", &NAME),
    may("description", &Shape::OrNull(&Shape::Text)),
    may("parameters", &Shape::OrNull(&open(&[]))),
    may("strict", &Shape::OrNull(&Shape::Boolean)),
]);
static TOOL_CHOICE: Shape = Shape::Either(&[&CHOICE_WORD, &CHOICE_NAMED]);
static CHOICE_WORD: Shape = Shape::OneOf(&["none", "auto", "required"]);
static CHOICE_NAMED: Shape = closed(&[
    must("type", &Shape::OneOf(&["function"])),
    must("name", &Shape::Text),
]);

static INPUT: Shape = Shape::Either(&[&Shape::Text, &ITEMS]);
static ITEMS: Shape = list(&ITEM);
static ITEM: Shape = Shape::Tagged {
    key: "type",
    forms: &[
        ("message", &MESSAGE),
        ("function_call", &FUNCTION_CALL),
        ("function_call_output", &FUNCTION_CALL_OUTPUT),
        ("reasoning", &REASONING_ITEM),
        ("item_reference", &ITEM_REFERENCE),
        ("compaction", &COMPACTION),
    ],
    default: Some("message"),
};
static MESSAGE: Shape = Shape::Tagged {
    key: "role",
    forms: &[
        ("user", &SAID_TO_THE_MODEL),
        ("assistant", &SAID_BY_THE_MODEL),
        ("system", &SAID_TO_THE_MODEL),
        ("developer", &SAID_TO_THE_MODEL),
    ],
    default: None,
};
static STATUS: Shape = Shape::OrNull(&Shape::OneOf(&["in_progress", "completed", "incomplete"]));
static SAID_TO_THE_MODEL: Shape = closed(&[
    may("type", &Shape::Text),
    must("role", &Shape::Text),
    must("content", &CONTENT),
    may("id", &Shape::OrNull(&Shape::Text)),
    may("status", &STATUS),
]);
static SAID_BY_THE_MODEL: Shape = closed(&[
    may("type", &Shape::Text),
    must("role", &Shape::Text),
    must("content", &MODEL_CONTENT),
    may("id", &Shape::OrNull(&Shape::Text)),
    may("status", &STATUS),
]);
static CONTENT: Shape = Shape::Either(&[&Shape::Text, &PARTS]);
static PARTS: Shape = filled(&PART);
static PART: Shape = typed(&[
    ("input_text", &TEXT_PART),
    ("input_image", &IMAGE_PART),
    ("input_file", &FILE_PART),
]);
static TEXT_PART: Shape = closed(&[must("type", &Shape::Text), must("text", &Shape::Text)]);
static IMAGE_PART: Shape = closed(&[
    must("type", &Shape::Text),
    must("image_url", &Shape::Text),
    may("detail", &Shape::OneOf(&["low", "high", "auto"])),
]);
static FILE_PART: Shape = Shape::Either(&[&FILE_DATA, &FILE_URL]);
static FILE_DATA: Shape = closed(&[
    must("type", &Shape::Text),
    must("filename", &Shape::Text),
    must("file_data", &Shape::Text),
]);
// An address says the name itself.
static FILE_URL: Shape = closed(&[
    must("type", &Shape::Text),
    must("file_url", &Shape::Text),
    may("filename", &Shape::Text),
]);
static MODEL_CONTENT: Shape = Shape::Either(&[&Shape::Text, &MODEL_PARTS]);
static MODEL_PARTS: Shape = list(&MODEL_PART);
static MODEL_PART: Shape = typed(&[("output_text", &OUTPUT_TEXT), ("refusal", &REFUSAL)]);
static OUTPUT_TEXT: Shape = closed(&[
    must("type", &Shape::Text),
    must("text", &Shape::Text),
    may("annotations", &EMPTY),
    may("logprobs", &Shape::OrNull(&EMPTY)),
]);
static REFUSAL: Shape = closed(&[must("type", &Shape::Text), must("refusal", &Shape::Text)]);
/// What comes from tools that this tenant does not have stays empty.
static EMPTY: Shape = Shape::List {
    of: &Shape::Anything,
    least: 0,
    most: 0,
};
static FUNCTION_CALL: Shape = closed(&[
    must("type", &Shape::Text),
    must("call_id", &Shape::Text),
    must("name", &NAME),
    must("arguments", &Shape::Text),
    may("id", &Shape::OrNull(&Shape::Text)),
    may("status", &STATUS),
]);
static FUNCTION_CALL_OUTPUT: Shape = closed(&[
    must("type", &Shape::Text),
    must("call_id", &Shape::Text),
    must("output", &CONTENT),
    may("id", &Shape::OrNull(&Shape::Text)),
    may("status", &STATUS),
]);
static REASONING_ITEM: Shape = closed(&[
    must("type", &Shape::Text),
    must("summary", &SUMMARY),
    may("id", &Shape::OrNull(&Shape::Text)),
    may("content", &Shape::OrNull(&EMPTY)),
    may("encrypted_content", &Shape::OrNull(&Shape::Text)),
    may("status", &STATUS),
]);
static SUMMARY: Shape = list(&SUMMARY_PART);
static SUMMARY_PART: Shape = typed(&[("summary_text", &TEXT_PART)]);
static ITEM_REFERENCE: Shape = closed(&[must("type", &Shape::Text), must("id", &Shape::Text)]);
static COMPACTION: Shape = closed(&[
    must("type", &Shape::Text),
    must("encrypted_content", &Shape::Text),
    may("id", &Shape::OrNull(&Shape::Text)),
]);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_names_the_path_in_openais_words() {
        let cases = [
            (json!({"beta": true}), "Unknown parameter: 'beta'."),
            (
                json!({"reasoning": {"context": "all_turns"}}),
                "Unknown parameter: 'reasoning.context'.",
            ),
            (
                json!({"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]}),
                "Invalid value: 'input_text'. Supported values are: 'output_text', and 'refusal'.",
            ),
            (
                json!({"input": [{"type": "function_call_output", "call_id": "c"}]}),
                "Missing required parameter: 'input[0].output'.",
            ),
            (
                json!({"input": [{"role": "user", "content": "x", "phase": "commentary"}]}),
                "Unknown parameter: 'input[0].phase'.",
            ),
        ];
        for (body, words) in cases {
            assert_eq!(validate(&body).unwrap_err().message, words);
        }
    }
}
