//! What OpenAI's models refuse of a Responses request beyond its form; `input` is looked at in [`super::input`].

use std::collections::BTreeSet;

use serde_json::Value;

use super::request::too_many_tokens;
use crate::azure::Refusal;
use crate::azure::rules::check_length;
use crate::catalogue::{Family, Model};
use crate::json::{items, text};
use crate::openai::asked_for_json;
use crate::openai::schema::{check_format, check_function};

/// Tools of OpenAI's that run at OpenAI or are no functions: deployments of SAP AI Core have none of them.
const NOT_ALLOWED: [&str; 16] = [
    "apply_patch",
    "code_interpreter",
    "computer",
    "computer_use_preview",
    "custom",
    "file_search",
    "image_generation",
    "local_shell",
    "mcp",
    "namespace",
    "shell",
    "tool_search",
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "web_search_preview_2025_03_11",
];
/// The fewest tokens that may be asked for.
const FEWEST_TOKENS: i64 = 16;
/// The longest key or identifier.
const LONGEST_KEY: usize = 64;

/// Refuses the tools that no deployment has, whatever else they hold.
pub(super) fn check_kinds_of_tools(body: &Value, model: &Model) -> Result<(), Refusal> {
    let kinds: BTreeSet<&str> = items(body, "tools")
        .iter()
        .map(|tool| text(tool, "type"))
        .filter(|kind| NOT_ALLOWED.contains(kind))
        .collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    let named = match kinds.split_last() {
        None => return Ok(()),
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    };
    Err(Refusal {
        message: format!(
            "The following tools are not allowed for model '{}': {named}.",
            model.name
        ),
        param: Some("tools".to_owned()),
        code: None,
    })
}

/// Refuses what the model refuses; `body` has the right form.
pub(super) fn check(body: &Value, model: &Model) -> Result<(), Refusal> {
    check_most_tokens(body, model)?;
    check_keys(body)?;
    check_sampling(body, model)?;
    check_reasoning(body, model)?;
    check_text(body, model)?;
    check_state(body)?;
    check_tools(body)
}

/// A parameter that is there and not `null`.
fn given<'a>(body: &'a Value, pointer: &str) -> Option<&'a Value> {
    body.pointer(pointer).filter(|value| !value.is_null())
}

fn check_most_tokens(body: &Value, model: &Model) -> Result<(), Refusal> {
    let Some(wished) = given(body, "/max_output_tokens").and_then(Value::as_i64) else {
        return Ok(());
    };
    if wished < FEWEST_TOKENS {
        return Err(Refusal::of(
            "max_output_tokens",
            "integer_below_min_value",
            format!(
                "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {FEWEST_TOKENS}, but \
                 got {wished} instead."
            ),
        ));
    }
    match u64::try_from(wished) {
        Ok(wished) if wished > model.output => {
            Err(too_many_tokens("max_output_tokens", model.output, wished))
        }
        _ => Ok(()),
    }
}

fn check_keys(body: &Value) -> Result<(), Refusal> {
    for name in ["prompt_cache_key", "safety_identifier", "user"] {
        check_length(name, text(body, name), LONGEST_KEY)?;
    }
    let metadata = body.get("metadata").and_then(Value::as_object);
    let (keys, longest) = metadata.map_or((0, ""), |metadata| {
        let longest = metadata.keys().max_by_key(|key| key.len());
        (metadata.len(), longest.map_or("", String::as_str))
    });
    if keys > 16 {
        return Err(Refusal::of(
            "metadata",
            "object_above_max_properties",
            format!(
                "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got {keys}."
            ),
        ));
    }
    check_length("metadata", longest, LONGEST_KEY)
}

fn unsupported_parameter(name: &str) -> Refusal {
    Refusal::of(
        name,
        "unsupported_parameter",
        format!("Unsupported parameter: '{name}' is not supported with this model."),
    )
}

/// Refuses a value that this model does not know, though others do.
fn check_value(body: &Value, name: &str, model: &Model, allowed: &[&str]) -> Result<(), Refusal> {
    let pointer = format!("/{}", name.replace('.', "/"));
    let Some(value) = given(body, &pointer)
        .and_then(Value::as_str)
        .filter(|value| !allowed.contains(value))
    else {
        return Ok(());
    };
    let quoted: Vec<String> = allowed.iter().map(|value| format!("'{value}'")).collect();
    let supported = match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{}, and {last}", others.join(", ")),
        _ => quoted.join(""),
    };
    Err(Refusal::of(
        name,
        "unsupported_value",
        format!(
            "Unsupported value: '{value}' is not supported with the '{}' model. Supported values are: {supported}.",
            model.vendor
        ),
    ))
}

fn check_sampling(body: &Value, model: &Model) -> Result<(), Refusal> {
    let refused = ["temperature", "top_p", "top_logprobs"]
        .into_iter()
        .find(|name| body.get(name).is_some_and(|value| !value.is_null()));
    match refused {
        Some(name) if !model.sampling => Err(unsupported_parameter(name)),
        _ => Ok(()),
    }
}

fn check_reasoning(body: &Value, model: &Model) -> Result<(), Refusal> {
    if model.family != Family::GptReasoning {
        if !items(body, "include").is_empty() {
            return Err(Refusal {
                message: "Encrypted content is not supported with this model.".to_owned(),
                param: Some("include".to_owned()),
                code: None,
            });
        }
        let refused = ["effort", "summary"]
            .into_iter()
            .find(|name| given(body, &format!("/reasoning/{name}")).is_some());
        return refused.map_or(Ok(()), |name| {
            Err(unsupported_parameter(&format!("reasoning.{name}")))
        });
    }
    let newer = model.name.starts_with("gpt-5.");
    check_value(body, "reasoning.effort", model, efforts(model))?;
    let summaries: &[&str] = if newer {
        &["auto", "concise", "detailed"]
    } else {
        &["auto", "detailed"]
    };
    check_value(body, "reasoning.summary", model, summaries)
}

/// The efforts that a model knows (spec/models-known.json).
fn efforts(model: &Model) -> &'static [&'static str] {
    if model.responses_only {
        &["low", "medium", "high", "xhigh"]
    } else if model.name.starts_with("gpt-5.") {
        &["none", "low", "medium", "high", "xhigh"]
    } else if model.name.starts_with("gpt-5") {
        &["minimal", "low", "medium", "high"]
    } else {
        &["low", "medium", "high"]
    }
}

fn check_text(body: &Value, model: &Model) -> Result<(), Refusal> {
    let verbosities: &[&str] = if model.name.starts_with("gpt-5") && !model.responses_only {
        &["low", "medium", "high"]
    } else {
        &["medium"]
    };
    check_value(body, "text.verbosity", model, verbosities)?;
    let Some(format) = body.pointer("/text/format") else {
        return Ok(());
    };
    match text(format, "type") {
        "json_object" => {
            if text(body, "input").to_lowercase().contains("json") || asked_for_json(items(body, "input")) {
                return Ok(());
            }
            Err(Refusal {
                message: "Response input messages must contain the word 'json' in some form to use 'text.format' of \
                          type 'json_object'."
                    .to_owned(),
                param: Some("input".to_owned()),
                code: None,
            })
        }
        "json_schema" => check_format(format)
            .map_err(|words| Refusal::of("text.format.schema", "invalid_json_schema", words)),
        _ => Ok(()),
    }
}

/// What of streams and kept answers does not go together.
fn check_state(body: &Value) -> Result<(), Refusal> {
    let is = |name: &str, value: bool| body.get(name) == Some(&Value::Bool(value));
    if given(body, "/stream_options").is_some() && !is("stream", true) {
        return Err(Refusal::of(
            "stream_options",
            "invalid_value",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ));
    }
    if is("background", true) && is("store", false) {
        return Err(Refusal::of(
            "background",
            "invalid_value",
            "Background mode requires 'store' to be true.",
        ));
    }
    if is("background", true) && is("stream", true) {
        // OpenAI can; SAP documents background and streams, and not the two together.
        return Err(Refusal::of(
            "stream",
            "invalid_value",
            "Streaming is not supported in background mode.",
        ));
    }
    Ok(())
}

fn check_tools(body: &Value) -> Result<(), Refusal> {
    let tools = items(body, "tools");
    let mut names = BTreeSet::new();
    for (index, tool) in tools.iter().enumerate() {
        let name = text(tool, "name");
        if !names.insert(name) {
            return Err(Refusal::of(
                "tools",
                "invalid_value",
                format!("tools: Tool names must be unique: '{name}'."),
            ));
        }
        check_function(tool).map_err(|words| {
            Refusal::of(
                format!("tools[{index}].parameters"),
                "invalid_function_parameters",
                words,
            )
        })?;
    }
    let choice = body.get("tool_choice").unwrap_or(&Value::Null);
    if choice == "required" && tools.is_empty() {
        return Err(Refusal {
            message: "Tool choice 'required' must be specified with 'tools' parameter.".to_owned(),
            param: Some("tool_choice".to_owned()),
            code: None,
        });
    }
    if choice.is_object() && !names.contains(text(choice, "name")) {
        return Err(Refusal {
            message: "Tool choice 'function' not found in 'tools' parameter.".to_owned(),
            param: Some("tool_choice".to_owned()),
            code: None,
        });
    }
    Ok(())
}
