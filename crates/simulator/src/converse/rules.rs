//! What Bedrock and its models refuse beyond the form of the body.

use std::collections::BTreeSet;

use serde_json::Value;

use super::order;
use super::request::too_many_tokens;
use crate::bedrock::Wish;
use crate::catalogue::{Family, Model};
use crate::json::{items, text};
use crate::schema::root;

/// Refuses what the model refuses; `body` has the right form.
pub(super) fn check(body: &Value, model: &'static Model) -> Result<(), String> {
    let claude = model.family == Family::Claude;
    let wished = body.pointer("/inferenceConfig/maxTokens").and_then(Value::as_u64);
    if wished.is_some_and(|wished| wished > model.output) {
        return Err(too_many_tokens(model.output));
    }
    check_tools(body, claude)?;
    check_cache_points(body, claude)?;
    if claude {
        check_claude(body, model, wished.unwrap_or(model.output))?;
    } else {
        check_nova(body)?;
    }
    for (index, block) in items(body, "system").iter().enumerate() {
        if block.get("cachePoint").is_none() && text(block, "text").trim().is_empty() {
            return Err(blank("SystemContentBlock", &format!("system.{index}")));
        }
    }
    order::check(body, model)
}

/// Bedrock's words for a text without letters.
pub(super) fn blank(object: &str, place: &str) -> String {
    format!(
        "The text field in the {object} object at {place} is blank. Add text to the text field, and try again."
    )
}

/// Whether a Claude model is to think.
pub(super) fn thinks(body: &Value) -> bool {
    body.pointer("/additionalModelRequestFields/thinking")
        .is_some_and(|thinking| matches!(text(thinking, "type"), "enabled" | "adaptive"))
}

fn check_tools(body: &Value, claude: bool) -> Result<(), String> {
    let Some(config) = body.get("toolConfig") else {
        return Ok(());
    };
    let mut names = BTreeSet::new();
    for (index, tool) in items(config, "tools").iter().enumerate() {
        let Some(spec) = tool.get("toolSpec") else {
            if claude {
                continue;
            }
            return Err("This model doesn't support cachePoint in toolConfig.tools.".to_owned());
        };
        if !names.insert(text(spec, "name")) {
            return Err(format!(
                "The tool names in toolConfig.tools must be unique. Duplicate name: {}",
                text(spec, "name")
            ));
        }
        let schema = spec.pointer("/inputSchema/json").unwrap_or(&Value::Null);
        root(schema).map_err(|_| {
            format!(
                "The value at toolConfig.tools.{index}.toolSpec.inputSchema.json is invalid. It must describe one object: \
                 input_schema does not support oneOf, allOf, or anyOf at the top level."
            )
        })?;
    }
    let chosen = config.pointer("/toolChoice/tool/name").and_then(Value::as_str);
    match chosen.filter(|name| !names.contains(name)) {
        Some(name) => Err(format!(
            "The tool {name} in toolConfig.toolChoice is not in toolConfig.tools."
        )),
        None => Ok(()),
    }
}

fn check_cache_points(body: &Value, claude: bool) -> Result<(), String> {
    let messages = items(body, "messages").iter();
    let blocks = messages
        .flat_map(|message| items(message, "content"))
        .chain(items(body, "system"))
        .chain(
            body.get("toolConfig")
                .map_or(&[][..], |config| items(config, "tools")),
        );
    let points: Vec<&Value> = blocks.filter_map(|block| block.get("cachePoint")).collect();
    if points.len() > 4 {
        return Err(format!(
            "You can include up to 4 cache points in a request. Found {}.",
            points.len()
        ));
    }
    if !claude && points.iter().any(|point| point.get("ttl").is_some()) {
        return Err("This model doesn't support the ttl field of cachePoint.".to_owned());
    }
    Ok(())
}

/// Nova takes one more setting, and only there.
fn check_nova(body: &Value) -> Result<(), String> {
    let Some(Value::Object(fields)) = body.get("additionalModelRequestFields") else {
        return Ok(());
    };
    let unknown = |key: &str| {
        format!(
            "Malformed input request: #: extraneous key [{key}] is not permitted, please reformat your input and try \
             again."
        )
    };
    for (key, value) in fields {
        let inner = value.as_object().filter(|_| key == "inferenceConfig");
        let Some(inner) = inner else {
            return Err(unknown(key));
        };
        for (key, value) in inner {
            if key != "topK" {
                return Err(unknown(key));
            }
            if !value.as_u64().is_some_and(|wished| (1..=128).contains(&wished)) {
                return Err(format!(
                    "Malformed input request: #/inferenceConfig/topK: {value} is not between 1 and 128, please \
                     reformat your input and try again."
                ));
            }
        }
    }
    Ok(())
}

fn check_claude(body: &Value, model: &'static Model, most_tokens: u64) -> Result<(), String> {
    let fields = body.get("additionalModelRequestFields").unwrap_or(&Value::Null);
    for key in fields.as_object().into_iter().flat_map(|fields| fields.keys()) {
        if !["thinking", "top_k"].contains(&key.as_str()) {
            return Err(format!(
                "The model returned the following errors: {key}: Extra inputs are not permitted"
            ));
        }
    }
    let config = body.get("inferenceConfig").unwrap_or(&Value::Null);
    if !model.sampling
        && (config
            .get("temperature")
            .or(config.get("topP"))
            .or(fields.get("top_k")))
        .is_some()
    {
        return Err(
            "The model returned the following errors: `temperature`, `top_p` and `top_k` are not supported on this \
             model."
                .to_owned(),
        );
    }
    let choice = body.pointer("/toolConfig/toolChoice").unwrap_or(&Value::Null);
    let wish = Wish {
        model,
        thinking: fields.get("thinking"),
        thinks: thinks(body),
        most_tokens,
        temperature: config.get("temperature"),
        top_p: config.get("topP"),
        top_k: fields.get("top_k"),
        stops: items(config, "stopSequences"),
        effort: None,
        forced: choice.get("any").or(choice.get("tool")).is_some(),
    };
    wish.check()
        .map_err(|words| format!("The model returned the following errors: {words}"))
}
