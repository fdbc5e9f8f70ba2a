//! What Bedrock and Claude refuse beyond the form of the body.

use std::collections::BTreeSet;

use serde_json::Value;

use super::order;
use super::wish::{Wish, too_many_tokens};
use crate::catalogue::Model;
use crate::json::{items, text};
use crate::schema::{Fault, root};

/// The beta flags that pass. Bedrock fails closed: what is not known is an `invalid beta flag`.
const BETAS: &[&str] = &[
    "claude-code-20250219",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "dev-full-thinking-2025-05-14",
    "effort-2025-11-24",
    "fine-grained-tool-streaming-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "output-128k-2025-02-19",
    "structured-outputs-2025-11-13",
    "structured-outputs-2025-12-15",
    "token-efficient-tools-2025-02-19",
    "tool-examples-2025-10-29",
    "tool-search-tool-2025-10-19",
];

/// Refuses what Claude refuses; `body` has the right form.
pub(super) fn check(body: &Value, model: &'static Model) -> Result<(), String> {
    let betas = items(body, "anthropic_beta");
    if betas
        .iter()
        .filter_map(Value::as_str)
        .any(|beta| !BETAS.contains(&beta))
    {
        return Err("invalid beta flag".to_owned());
    }
    let most_tokens = body.get("max_tokens").and_then(Value::as_u64).unwrap_or(0);
    if most_tokens > model.output {
        return Err(too_many_tokens(model, model.output, most_tokens));
    }
    check_sampling(body, model)?;
    check_output_config(body, model)?;
    let thinks = thinks(body);
    let choice = body.get("tool_choice").map_or("", |choice| text(choice, "type"));
    let wish = Wish {
        model,
        thinking: body.get("thinking"),
        thinks,
        most_tokens,
        temperature: body.get("temperature"),
        top_p: body.get("top_p"),
        top_k: body.get("top_k"),
        stops: items(body, "stop_sequences"),
        effort: body.pointer("/output_config/effort"),
        forced: matches!(choice, "any" | "tool"),
    };
    wish.check()?;
    check_tools(body, choice)?;
    check_cache_control(body)?;
    check_texts(body)?;
    order::check(items(body, "messages"), model, body.get("thinking"))
}

/// Whether the model is to think.
pub(super) fn thinks(body: &Value) -> bool {
    body.get("thinking")
        .is_some_and(|thinking| matches!(text(thinking, "type"), "enabled" | "adaptive"))
}

fn check_sampling(body: &Value, model: &Model) -> Result<(), String> {
    let refused = ["temperature", "top_p", "top_k"]
        .into_iter()
        .find(|name| body.get(name).is_some());
    match refused {
        Some(name) if !model.sampling => Err(format!("`{name}` is not supported on this model.")),
        _ => Ok(()),
    }
}

fn check_output_config(body: &Value, model: &Model) -> Result<(), String> {
    let Some(config) = body.get("output_config") else {
        return Ok(());
    };
    if !model.effort && !model.format {
        return Err("output_config: Extra inputs are not permitted".to_owned());
    }
    if config.get("format").is_some() && !model.format {
        return Err("output_config.format: Extra inputs are not permitted".to_owned());
    }
    config.pointer("/format/schema").map_or(Ok(()), check_form)
}

/// The words that say how long or how large something is: Claude can't be held to them.
const SIZES: [&str; 10] = [
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
];

/// Refuses a form of the answer that Claude can't be held to: objects are closed, and nothing has a size.
fn check_form(schema: &Value) -> Result<(), String> {
    let kind = text(schema, "type");
    if kind == "object" && schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        return Err(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
                .to_owned(),
        );
    }
    if let Some(word) = SIZES.iter().find(|word| schema.get(**word).is_some()) {
        return Err(format!(
            "output_config.format.schema: For '{kind}' type, property '{word}' is not supported"
        ));
    }
    if schema.get("minItems").and_then(Value::as_u64) > Some(1) {
        return Err(
            "output_config.format.schema: For 'array' type, 'minItems' values other than 0 or 1 are not supported"
                .to_owned(),
        );
    }
    for word in ["properties", "$defs", "definitions"] {
        let members = schema.get(word).and_then(Value::as_object);
        members
            .into_iter()
            .flat_map(|members| members.values())
            .try_for_each(check_form)?;
    }
    for word in ["anyOf", "allOf"] {
        items(schema, word).iter().try_for_each(check_form)?;
    }
    schema.get("items").map_or(Ok(()), check_form)
}

fn check_tools(body: &Value, choice: &str) -> Result<(), String> {
    let tools = items(body, "tools");
    let mut names = BTreeSet::new();
    if !tools.iter().all(|tool| names.insert(text(tool, "name"))) {
        return Err("tools: Tool names must be unique.".to_owned());
    }
    for (index, tool) in tools.iter().enumerate() {
        check_schema(index, tool.get("input_schema").unwrap_or(&Value::Null))?;
    }
    if !choice.is_empty() && tools.is_empty() {
        return Err("tool_choice: tool_choice may only be specified while providing tools".to_owned());
    }
    let chosen = body.pointer("/tool_choice/name").and_then(Value::as_str);
    if let Some(name) = chosen.filter(|name| !names.contains(name)) {
        return Err(format!("tool_choice: Tool '{name}' not found in provided tools"));
    }
    Ok(())
}

/// Refuses the schema of a tool's arguments that Claude takes from nobody, orchestration included.
pub(crate) fn check_schema(index: usize, schema: &Value) -> Result<(), String> {
    match root(schema) {
        Ok(()) => {}
        Err(Fault::Forms) => {
            return Err(format!(
                "tools.{index}.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level"
            ));
        }
        Err(Fault::Type(kind)) if kind == "None" => {
            return Err(format!("tools.{index}.custom.input_schema.type: Field required"));
        }
        Err(Fault::Type(_)) => {
            return Err(format!(
                "tools.{index}.custom.input_schema.type: Input should be 'object'"
            ));
        }
    }
    let names = schema.get("properties").and_then(Value::as_object);
    let mut names = names.into_iter().flat_map(|properties| properties.keys());
    let fits = |name: &String| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        (1..=64).contains(&name.len()) && name.bytes().all(allowed)
    };
    if names.all(fits) {
        return Ok(());
    }
    Err(format!(
        "tools.{index}.custom.input_schema.properties: Property keys should match pattern '^[a-zA-Z0-9_.-]{{1,64}}$'"
    ))
}

fn check_cache_control(body: &Value) -> Result<(), String> {
    fn count(value: &Value) -> usize {
        match value {
            Value::Array(items) => items.iter().map(count).sum(),
            Value::Object(members) => {
                usize::from(members.contains_key("cache_control")) + members.get("content").map_or(0, count)
            }
            _ => 0,
        }
    }
    let found: usize = ["tools", "system", "messages"]
        .iter()
        .filter_map(|key| body.get(key))
        .map(count)
        .sum();
    if found > 4 {
        return Err(format!(
            "A maximum of 4 blocks with cache_control may be provided. Found {found}."
        ));
    }
    Ok(())
}

/// No text may be empty or blank, save the string of a tool result.
fn check_texts(body: &Value) -> Result<(), String> {
    let refuse = |place: &str, content: &str| {
        if content.is_empty() {
            Err(format!("{place}: text content blocks must be non-empty"))
        } else if content.trim().is_empty() {
            Err(format!(
                "{place}: text content blocks must contain non-whitespace text"
            ))
        } else {
            Ok(())
        }
    };
    let blocks = |place: &str, blocks: &[Value]| {
        let texts = blocks.iter().filter(|block| text(block, "type") == "text");
        texts
            .map(|block| text(block, "text"))
            .try_for_each(|content| refuse(place, content))
    };
    if let Some(system) = body.get("system").and_then(Value::as_str) {
        refuse("system", system)?;
    }
    blocks("system", items(body, "system"))?;
    for (index, message) in items(body, "messages").iter().enumerate() {
        let content = items(message, "content");
        let nothing = match message.get("content") {
            Some(Value::String(content)) => content.is_empty(),
            _ => content.is_empty(),
        };
        if nothing {
            return Err(format!(
                "messages.{index}: all messages must have non-empty content"
            ));
        }
        if let Some(content) = message.get("content").and_then(Value::as_str) {
            refuse("messages", content)?;
        }
        blocks("messages", content)?;
        for block in content {
            blocks("messages", items(block, "content"))?;
        }
    }
    Ok(())
}
