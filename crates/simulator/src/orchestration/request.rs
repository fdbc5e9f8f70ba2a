//! What an orchestration request may look like (spec `CompletionPostRequest`, version 0.110.12).

use serde_json::Value;

use super::modules::{FILTERING, GROUNDING, MASKING, TRANSLATION};
use crate::shape::{Misfit, Problem, Shape, check, closed, filled, list, may, must, open};

/// Whether a body has one of the three forms; the service's words for what is wrong otherwise.
pub(crate) fn validate(body: &Value) -> Result<(), String> {
    check(&REQUEST, body).map_err(|misfit| words(&misfit))
}

static REQUEST: Shape = Shape::Either(&[&WITH_CONFIG, &WITH_CONFIG_ID, &WITH_CONFIG_NAME]);
static WITH_CONFIG: Shape = closed(&[
    must("config", &CONFIG),
    may("placeholder_values", &VALUES),
    may("messages_history", &HISTORY),
]);
static WITH_CONFIG_ID: Shape = closed(&[
    must("config_ref", &CONFIG_ID),
    may("config", &PARTIAL_CONFIG),
    may("placeholder_values", &VALUES),
    may("messages_history", &HISTORY),
]);
static WITH_CONFIG_NAME: Shape = closed(&[
    must("config_ref", &CONFIG_NAME),
    may("config", &PARTIAL_CONFIG),
    may("placeholder_values", &VALUES),
    may("messages_history", &HISTORY),
]);
static CONFIG_ID: Shape = closed(&[must("id", &Shape::Text)]);
static CONFIG_NAME: Shape = closed(&[
    must("scenario", &Shape::Text),
    must("name", &Shape::Text),
    must("version", &Shape::Text),
]);

static VALUES: Shape = Shape::Map(&Shape::Text);
static HISTORY: Shape = list(&MESSAGE);

static CONFIG: Shape = closed(&[must("modules", &MODULES), may("stream", &STREAM)]);
static MODULES: Shape = Shape::Either(&[&MODULE, &MODULE_LIST]);
static MODULE_LIST: Shape = filled(&MODULE);
static MODULE: Shape = closed(&[
    must("prompt_templating", &PROMPT_TEMPLATING),
    may("filtering", &FILTERING),
    may("masking", &MASKING),
    may("grounding", &GROUNDING),
    may("translation", &TRANSLATION),
]);
static PARTIAL_CONFIG: Shape = closed(&[may("modules", &PARTIAL_MODULE), may("stream", &STREAM)]);
static PARTIAL_MODULE: Shape = closed(&[
    may("prompt_templating", &PARTIAL_PROMPT_TEMPLATING),
    may("filtering", &FILTERING),
    may("masking", &MASKING),
    may("grounding", &GROUNDING),
    may("translation", &TRANSLATION),
]);
static STREAM: Shape = closed(&[
    may("enabled", &Shape::Boolean),
    may(
        "chunk_size",
        &Shape::Integer {
            least: 1,
            most: 10_000,
        },
    ),
    may("delimiters", &DELIMITERS),
]);
static DELIMITERS: Shape = filled(&Shape::Text);

static PROMPT_TEMPLATING: Shape = closed(&[may("prompt", &PROMPT), must("model", &MODEL)]);
static PARTIAL_PROMPT_TEMPLATING: Shape = closed(&[may("prompt", &PROMPT), may("model", &MODEL)]);
static MODEL: Shape = closed(&[
    must("name", &Shape::Text),
    may("version", &Shape::Text),
    may("params", &ANY_OBJECT),
    may(
        "timeout",
        &Shape::Integer {
            least: 1,
            most: 1_200,
        },
    ),
    may("max_retries", &Shape::Integer { least: 0, most: 5 }),
]);
static ANY_OBJECT: Shape = open(&[]);

static PROMPT: Shape = Shape::Either(&[&TEMPLATE, &TEMPLATE_REF]);
static TEMPLATE: Shape = closed(&[
    must("template", &TEMPLATE_MESSAGES),
    may("defaults", &VALUES),
    may("response_format", &RESPONSE_FORMAT),
    may("tools", &TOOLS),
]);
static TEMPLATE_MESSAGES: Shape = filled(&MESSAGE);
static TEMPLATE_REF: Shape = closed(&[must("template_ref", &TEMPLATE_REFERENCE)]);
static TEMPLATE_REFERENCE: Shape = Shape::Either(&[&TEMPLATE_BY_ID, &TEMPLATE_BY_NAME]);
const SCOPE: Shape = Shape::OneOf(&["resource_group", "tenant"]);
static TEMPLATE_BY_ID: Shape = closed(&[must("id", &Shape::Text), may("scope", &SCOPE)]);
static TEMPLATE_BY_NAME: Shape = closed(&[
    must("scenario", &Shape::Text),
    must("name", &Shape::Text),
    must("version", &Shape::Text),
    may("scope", &SCOPE),
]);

static RESPONSE_FORMAT: Shape = Shape::Either(&[&FORMAT_TEXT, &FORMAT_OBJECT, &FORMAT_SCHEMA]);
static FORMAT_TEXT: Shape = closed(&[must("type", &Shape::OneOf(&["text"]))]);
static FORMAT_OBJECT: Shape = closed(&[must("type", &Shape::OneOf(&["json_object"]))]);
static FORMAT_SCHEMA: Shape = closed(&[
    must("type", &Shape::OneOf(&["json_schema"])),
    must("json_schema", &JSON_SCHEMA),
]);
const NAME: Shape = Shape::Name { longest: 64 };
static JSON_SCHEMA: Shape = closed(&[
    may("description", &Shape::Text),
    must("name", &NAME),
    may("schema", &ANY_OBJECT),
    may("strict", &Shape::OrNull(&Shape::Boolean)),
]);
static TOOLS: Shape = list(&TOOL);
static TOOL: Shape = closed(&[
    must("type", &Shape::OneOf(&["function"])),
    must("function", &FUNCTION),
    may("cache_control", &CACHE_CONTROL),
]);
static FUNCTION: Shape = closed(&[
    may("description", &Shape::Text),
    must("name", &NAME),
    may("parameters", &ANY_OBJECT),
    may("strict", &Shape::OrNull(&Shape::Boolean)),
]);
static CACHE_CONTROL: Shape = closed(&[
    must("type", &Shape::OneOf(&["ephemeral"])),
    may("ttl", &Shape::OneOf(&["5m", "1h"])),
]);

static MESSAGE: Shape = Shape::Either(&[&SYSTEM, &USER, &ASSISTANT, &TOOL_RESULT, &DEVELOPER]);
static SYSTEM: Shape = closed(&[must("role", &Shape::OneOf(&["system"])), must("content", &TEXTS)]);
static DEVELOPER: Shape = closed(&[
    must("role", &Shape::OneOf(&["developer"])),
    must("content", &TEXTS),
]);
static USER: Shape = closed(&[
    must("role", &Shape::OneOf(&["user"])),
    must("content", &USER_CONTENT),
]);
static ASSISTANT: Shape = closed(&[
    must("role", &Shape::OneOf(&["assistant"])),
    may("content", &TEXTS),
    may("refusal", &Shape::Text),
    may("tool_calls", &TOOL_CALLS),
    may("reasoning_content", &REASONING),
]);
static TOOL_RESULT: Shape = closed(&[
    must("role", &Shape::OneOf(&["tool"])),
    must("content", &TEXTS),
    must("tool_call_id", &Shape::Text),
]);
static TEXTS: Shape = Shape::Either(&[&Shape::Text, &TEXT_ITEMS]);
static TEXT_ITEMS: Shape = filled(&TEXT_ITEM);
static TEXT_ITEM: Shape = closed(&[
    must("type", &Shape::OneOf(&["text"])),
    must("text", &Shape::Text),
    may("cache_control", &CACHE_CONTROL),
]);
static USER_CONTENT: Shape = Shape::Either(&[&Shape::Text, &USER_ITEMS]);
static USER_ITEMS: Shape = filled(&USER_ITEM);
static USER_ITEM: Shape = closed(&[
    must("type", &Shape::OneOf(&["text", "image_url", "file"])),
    may("text", &Shape::Text),
    may("image_url", &IMAGE_URL),
    may("file", &FILE),
    may("cache_control", &CACHE_CONTROL),
]);
static IMAGE_URL: Shape = closed(&[must("url", &Shape::Text), may("detail", &Shape::Text)]);
static FILE: Shape = closed(&[must("file_data", &Shape::Text), may("filename", &Shape::Text)]);
static TOOL_CALLS: Shape = list(&TOOL_CALL);
static TOOL_CALL: Shape = open(&[
    must("id", &Shape::Text),
    must("type", &Shape::OneOf(&["function"])),
    must("function", &CALLED_FUNCTION),
]);
static CALLED_FUNCTION: Shape = open(&[must("name", &Shape::Text), must("arguments", &Shape::Text)]);
static REASONING: Shape = list(&REASONING_BLOCK);
static REASONING_BLOCK: Shape = closed(&[may("content", &Shape::Text), may("signature", &Shape::Text)]);

/// The words of the service, which is written in Python (sap-wire.md §4.1: "True is not of type 'object' -
/// 'config.stream'").
pub(super) fn words(misfit: &Misfit) -> String {
    let what = match &misfit.problem {
        Problem::Missing(key) => format!("'{key}' is a required property"),
        Problem::Unknown(key) => {
            format!("Additional properties are not allowed ('{key}' was unexpected)")
        }
        Problem::Type { expected, found } => format!("{} is not of type '{expected}'", python(found)),
        Problem::NotOneOf { allowed, found } => {
            let allowed: Vec<String> = match found {
                Value::String(_) => allowed.iter().map(|text| format!("'{text}'")).collect(),
                _ => allowed.clone(),
            };
            format!("{} is not one of [{}]", python(found), allowed.join(", "))
        }
        Problem::UnknownForm { found, .. } => format!("'{found}' is not one of the known forms"),
        Problem::TooFew { found, .. } => format!("{} should be non-empty", python(found)),
        Problem::TooMany { most } => format!("more than {most} properties are not allowed"),
        Problem::TooSmall { found, least } => format!("{found} is less than the minimum of {least}"),
        Problem::TooLarge { found, most } => format!("{found} is greater than the maximum of {most}"),
        Problem::BadName { found, .. } => {
            format!("'{found}' does not match '^[a-zA-Z0-9-_]+$' or is too long")
        }
        Problem::Ambiguous => "the value is valid under more than one of the given schemas".to_owned(),
    };
    let path = misfit.dotted("");
    if path.is_empty() {
        what
    } else {
        format!("{what} - '{path}'")
    }
}

/// A value as Python prints it, and not too much of it.
fn python(value: &Value) -> String {
    let text = match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    };
    if text.chars().count() > 200 {
        format!("{}...", text.chars().take(200).collect::<String>())
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn base() -> Value {
        json!({"config": {"modules": {"prompt_templating": {
            "prompt": {"template": [{"role": "user", "content": "x"}]},
            "model": {"name": "gpt-4o"}
        }}}})
    }

    fn with(pointer: &str, key: &str, value: Value) -> Value {
        let mut body = base();
        body.pointer_mut(pointer).unwrap()[key] = value;
        body
    }

    #[test]
    fn what_the_spec_takes_is_taken() {
        let call =
            json!({"id": "1", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{}"}});
        for body in [
            base(),
            with("", "messages_history", json!([])),
            with(
                "",
                "messages_history",
                json!([{"role": "developer", "content": "x"}]),
            ),
            with(
                "",
                "messages_history",
                json!([{"role": "assistant", "tool_calls": [call]}]),
            ),
            with("/config", "stream", json!({})),
            json!({"config_ref": {"id": "x"}}),
        ] {
            assert_eq!(validate(&body), Ok(()), "{body}");
        }
    }

    #[test]
    fn a_refusal_names_the_place_in_the_words_of_the_service() {
        let cases = [
            (json!({}), "'config' is a required property"),
            (
                with("/config", "stream", json!(true)),
                "True is not of type 'object' - 'config.stream'",
            ),
            (
                with(
                    "",
                    "messages_history",
                    json!([{"role": "user", "content": "x", "name": "n"}]),
                ),
                "Additional properties are not allowed ('name' was unexpected) - 'messages_history.0'",
            ),
            (
                with(
                    "",
                    "messages_history",
                    json!([{"role": "assistant", "content": null}]),
                ),
                "None is not of type 'string' - 'messages_history.0.content'",
            ),
            (
                with("", "placeholder_values", json!({"a": 1})),
                "1 is not of type 'string' - 'placeholder_values.a'",
            ),
        ];
        for (body, words) in cases {
            assert_eq!(validate(&body).unwrap_err(), words);
        }
    }
}
