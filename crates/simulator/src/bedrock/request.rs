//! What an invoke body may look like: Anthropic's Messages without `model` and `stream`, fail-closed.

use serde_json::Value;

use super::wish::too_many_tokens;
use crate::catalogue::Model;
use crate::refuses::{self, Found, Refused};
use crate::shape::{Misfit, Problem, Shape, Step, check, closed, filled, list, may, must, open, typed};

/// Whether a body has the form; Anthropic's words for what is wrong otherwise.
pub(super) fn validate(body: &Value) -> Result<(), String> {
    check(&BODY, body).map_err(|misfit| words(&misfit))
}

/// Refuses what this tenant refuses.
pub(super) fn check_tenant(body: &Value, refused: &[Refused], model: &Model) -> Result<(), String> {
    Err(match refuses::find(refused, body, body) {
        None => return Ok(()),
        Some(Found::Member(misfit)) => words(&misfit),
        Some(Found::Beta) => "invalid beta flag".to_owned(),
        Some(Found::OutputTokens { wished, most, .. }) => too_many_tokens(model, most, wished),
    })
}

static BODY: Shape = closed(&[
    must("anthropic_version", &Shape::OneOf(&["bedrock-2023-05-31"])),
    must(
        "max_tokens",
        &Shape::Integer {
            least: 1,
            most: i64::MAX,
        },
    ),
    must("messages", &MESSAGES),
    may("anthropic_beta", &TEXTS),
    may("system", &SYSTEM),
    may("stop_sequences", &TEXTS),
    may(
        "temperature",
        &Shape::Number {
            least: 0.0,
            most: 1.0,
        },
    ),
    may(
        "top_p",
        &Shape::Number {
            least: 0.0,
            most: 1.0,
        },
    ),
    may("top_k", &Shape::Integer { least: 0, most: 500 }),
    may("tools", &TOOLS),
    may("tool_choice", &TOOL_CHOICE),
    may("thinking", &THINKING),
    may("output_config", &OUTPUT_CONFIG),
    may("metadata", &METADATA),
]);
static TEXTS: Shape = list(&Shape::Text);
static METADATA: Shape = closed(&[may("user_id", &Shape::OrNull(&Shape::Text))]);
static SYSTEM: Shape = Shape::Either(&[&Shape::Text, &SYSTEM_BLOCKS]);
static SYSTEM_BLOCKS: Shape = list(&SYSTEM_BLOCK);
static SYSTEM_BLOCK: Shape = typed(&[("text", &TEXT)]);

static THINKING: Shape = typed(&[
    ("enabled", &THINKING_ENABLED),
    ("adaptive", &THINKING_ADAPTIVE),
    ("disabled", &THINKING_DISABLED),
]);
static THINKING_ENABLED: Shape = closed(&[
    must("type", &Shape::Text),
    must(
        "budget_tokens",
        &Shape::Integer {
            least: 1_024,
            most: i64::MAX,
        },
    ),
]);
static THINKING_ADAPTIVE: Shape = closed(&[must("type", &Shape::Text)]);
static THINKING_DISABLED: Shape = closed(&[must("type", &Shape::Text)]);
static OUTPUT_CONFIG: Shape = closed(&[
    may(
        "effort",
        &Shape::OneOf(&["low", "medium", "high", "xhigh", "max"]),
    ),
    may("format", &OUTPUT_FORMAT),
]);
static OUTPUT_FORMAT: Shape = typed(&[("json_schema", &OUTPUT_SCHEMA)]);
static OUTPUT_SCHEMA: Shape = closed(&[must("type", &Shape::Text), must("schema", &open(&[]))]);

static TOOLS: Shape = list(&TOOL);
static TOOL: Shape = Shape::Tagged {
    key: "type",
    forms: &[("custom", &CUSTOM_TOOL)],
    default: Some("custom"),
};
static CUSTOM_TOOL: Shape = closed(&[
    may("type", &Shape::Text),
    must("name", &Shape::Name { longest: 128 }),
    may("description", &Shape::Text),
    must("input_schema", &INPUT_SCHEMA),
    may("cache_control", &CACHE_CONTROL),
    may("strict", &Shape::Boolean),
]);
static INPUT_SCHEMA: Shape = open(&[must("type", &Shape::OneOf(&["object"]))]);
static TOOL_CHOICE: Shape = typed(&[
    ("auto", &CHOICE_AUTO),
    ("any", &CHOICE_AUTO),
    ("tool", &CHOICE_TOOL),
    ("none", &CHOICE_NONE),
]);
static CHOICE_AUTO: Shape = closed(&[
    must("type", &Shape::Text),
    may("disable_parallel_tool_use", &Shape::Boolean),
]);
static CHOICE_TOOL: Shape = closed(&[
    must("type", &Shape::Text),
    must("name", &Shape::Text),
    may("disable_parallel_tool_use", &Shape::Boolean),
]);
static CHOICE_NONE: Shape = closed(&[must("type", &Shape::Text)]);
static CACHE_CONTROL: Shape = closed(&[
    must("type", &Shape::OneOf(&["ephemeral"])),
    may("ttl", &Shape::OneOf(&["5m", "1h"])),
]);

static MESSAGES: Shape = filled(&MESSAGE);
static MESSAGE: Shape = closed(&[
    must("role", &Shape::OneOf(&["user", "assistant"])),
    must("content", &CONTENT),
]);
static CONTENT: Shape = Shape::Either(&[&Shape::Text, &BLOCKS]);
static BLOCKS: Shape = list(&BLOCK);
static BLOCK: Shape = typed(&[
    ("document", &DOCUMENT),
    ("image", &IMAGE),
    ("redacted_thinking", &REDACTED_THINKING),
    ("search_result", &SEARCH_RESULT),
    ("text", &TEXT),
    ("thinking", &THOUGHT),
    ("tool_result", &TOOL_RESULT),
    ("tool_use", &TOOL_USE),
]);
static TEXT: Shape = closed(&[
    must("type", &Shape::Text),
    must("text", &Shape::Text),
    may("cache_control", &CACHE_CONTROL),
    may("citations", &Shape::OrNull(&list(&Shape::Anything))),
]);
static IMAGE: Shape = closed(&[
    must("type", &Shape::Text),
    must("source", &IMAGE_SOURCE),
    may("cache_control", &CACHE_CONTROL),
]);
static IMAGE_SOURCE: Shape = typed(&[("base64", &IMAGE_DATA)]);
static IMAGE_DATA: Shape = closed(&[
    must("type", &Shape::Text),
    must(
        "media_type",
        &Shape::OneOf(&["image/jpeg", "image/png", "image/gif", "image/webp"]),
    ),
    must("data", &Shape::Text),
]);
static DOCUMENT: Shape = closed(&[
    must("type", &Shape::Text),
    must("source", &DOCUMENT_SOURCE),
    may("title", &Shape::OrNull(&Shape::Text)),
    may("context", &Shape::OrNull(&Shape::Text)),
    may("citations", &CITATIONS),
    may("cache_control", &CACHE_CONTROL),
]);
static CITATIONS: Shape = closed(&[may("enabled", &Shape::Boolean)]);
static DOCUMENT_SOURCE: Shape = typed(&[
    ("base64", &PDF),
    ("text", &PLAIN_DOCUMENT),
    ("content", &CONTENT_DOCUMENT),
]);
static PDF: Shape = closed(&[
    must("type", &Shape::Text),
    must("media_type", &Shape::OneOf(&["application/pdf"])),
    must("data", &Shape::Text),
]);
static PLAIN_DOCUMENT: Shape = closed(&[
    must("type", &Shape::Text),
    must("media_type", &Shape::OneOf(&["text/plain"])),
    must("data", &Shape::Text),
]);
static CONTENT_DOCUMENT: Shape = closed(&[
    must("type", &Shape::Text),
    must("content", &Shape::Either(&[&Shape::Text, &SYSTEM_BLOCKS])),
]);
static SEARCH_RESULT: Shape = closed(&[
    must("type", &Shape::Text),
    must("source", &Shape::Text),
    must("title", &Shape::Text),
    must("content", &SYSTEM_BLOCKS),
    may("citations", &CITATIONS),
    may("cache_control", &CACHE_CONTROL),
]);
static TOOL_USE: Shape = closed(&[
    must("type", &Shape::Text),
    must("id", &Shape::Name { longest: 256 }),
    must("name", &Shape::Name { longest: 200 }),
    must("input", &open(&[])),
    may("cache_control", &CACHE_CONTROL),
]);
static TOOL_RESULT: Shape = closed(&[
    must("type", &Shape::Text),
    must("tool_use_id", &Shape::Name { longest: 256 }),
    may("content", &RESULT_CONTENT),
    may("is_error", &Shape::Boolean),
    may("cache_control", &CACHE_CONTROL),
]);
static RESULT_CONTENT: Shape = Shape::Either(&[&Shape::Text, &RESULT_BLOCKS]);
static RESULT_BLOCKS: Shape = list(&RESULT_BLOCK);
static RESULT_BLOCK: Shape = typed(&[
    ("document", &DOCUMENT),
    ("image", &IMAGE),
    ("search_result", &SEARCH_RESULT),
    ("text", &TEXT),
]);
static THOUGHT: Shape = closed(&[
    must("type", &Shape::Text),
    must("signature", &Shape::Text),
    must("thinking", &Shape::Text),
]);
static REDACTED_THINKING: Shape = closed(&[must("type", &Shape::Text), must("data", &Shape::Text)]);

/// Anthropic's words: the path with the names of the forms in it, and what pydantic says.
fn words(misfit: &Misfit) -> String {
    let mut path: Vec<String> = misfit
        .path
        .iter()
        .map(|step| match step {
            Step::Key(key) => key.clone(),
            Step::Index(index) => index.to_string(),
            Step::Form(form) => (*form).to_owned(),
        })
        .collect();
    let what = match &misfit.problem {
        Problem::Missing(key) => {
            path.push((*key).to_owned());
            "Field required".to_owned()
        }
        Problem::Unknown(key) => {
            path.push(key.clone());
            "Extra inputs are not permitted".to_owned()
        }
        Problem::Type { expected, .. } => format!("Input should be a valid {}", expected_word(expected)),
        Problem::NotOneOf { allowed, .. } => {
            let quoted: Vec<String> = allowed.iter().map(|text| format!("'{text}'")).collect();
            match quoted.split_last() {
                Some((last, [])) => format!("Input should be {last}"),
                Some((last, others)) => format!("Input should be {} or {last}", others.join(", ")),
                None => "Input is not allowed".to_owned(),
            }
        }
        Problem::UnknownForm { key, allowed, found } => {
            let quoted: Vec<String> = allowed.iter().map(|text| format!("'{text}'")).collect();
            format!(
                "Input tag '{found}' found using '{key}' does not match any of the expected tags: {}",
                quoted.join(", ")
            )
        }
        Problem::TooFew { least, .. } => {
            format!("List should have at least {least} item after validation, not 0")
        }
        Problem::TooMany { most } => format!("List should have at most {most} items"),
        Problem::TooSmall { least, .. } => format!("Input should be greater than or equal to {least}"),
        Problem::TooLarge { most, .. } => format!("Input should be less than or equal to {most}"),
        Problem::BadName { longest, .. } => {
            format!("String should match pattern '^[a-zA-Z0-9_-]{{1,{longest}}}$'")
        }
        Problem::Ambiguous => "Input matches more than one form".to_owned(),
    };
    if path.is_empty() {
        what
    } else {
        format!("{}: {what}", path.join("."))
    }
}

fn expected_word(expected: &str) -> &str {
    match expected {
        "array" => "list",
        "object" => "dictionary",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_names_the_path_in_anthropics_words() {
        let body = |messages: Value| json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "messages": messages});
        let with = |key: &str, value: Value| {
            let mut body = body(json!([{"role": "user", "content": "x"}]));
            body[key] = value;
            body
        };
        let user = |block: Value| body(json!([{"role": "user", "content": [block]}]));
        let cases = [
            (json!({"max_tokens": 1}), "anthropic_version: Field required"),
            (
                with("model", json!("claude")),
                "model: Extra inputs are not permitted",
            ),
            (
                with("context_management", json!({})),
                "context_management: Extra inputs are not permitted",
            ),
            (
                body(json!([{"role": "system", "content": "x"}])),
                "messages.0.role: Input should be 'user' or 'assistant'",
            ),
            (
                user(
                    json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "scope": "global"}}),
                ),
                "messages.0.content.0.text.cache_control.scope: Extra inputs are not permitted",
            ),
            (
                with(
                    "tools",
                    json!([{"name": "f", "input_schema": {"type": "object"}, "defer_loading": true}]),
                ),
                "tools.0.custom.defer_loading: Extra inputs are not permitted",
            ),
            (
                with(
                    "tools",
                    json!([{"name": "web_search", "type": "web_search_20250305"}]),
                ),
                "tools.0: Input tag 'web_search_20250305' found using 'type' does not match any of the expected tags: 'custom'",
            ),
            (
                with("thinking", json!({"type": "adaptive", "display": "omitted"})),
                "thinking.adaptive.display: Extra inputs are not permitted",
            ),
            (
                user(
                    json!({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "tool_reference", "tool_name": "x"}]}),
                ),
                "messages.0.content.0.tool_result.content.0: Input tag 'tool_reference' found using 'type' does not match any of the expected tags: 'document', 'image', 'search_result', 'text'",
            ),
        ];
        for (body, words) in cases {
            assert_eq!(validate(&body).unwrap_err(), words);
        }
    }
}
