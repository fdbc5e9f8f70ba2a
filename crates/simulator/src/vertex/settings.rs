//! `generationConfig` and `safetySettings`: what each model takes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::request::out_of_range;
use super::rules::declarations;
use super::schema;
use crate::catalogue::Model;
use crate::json::{items, text};

/// Whether the model is of the third generation: it takes levels of thinking and wants its signatures back.
pub(crate) fn is_third(model: &Model) -> bool {
    model.name.starts_with("gemini-3")
}

/// Whether the model is to think: each does, unless its budget is 0.
pub(super) fn thinks(body: &Value) -> bool {
    thinking(body, "thinkingBudget").and_then(Value::as_i64) != Some(0)
}

/// Whether the answer shows what was thought.
pub(super) fn shows_thoughts(body: &Value) -> bool {
    thinking(body, "includeThoughts").and_then(Value::as_bool) == Some(true)
}

fn thinking<'a>(body: &'a Value, name: &str) -> Option<&'a Value> {
    body.get("generationConfig")?.get("thinkingConfig")?.get(name)
}

/// Refuses settings that the model doesn't take.
pub(super) fn check(body: &Value, model: &Model) -> Result<(), String> {
    let mut categories = BTreeSet::new();
    let mut settings = items(body, "safetySettings").iter();
    if !settings.all(|setting| categories.insert(text(setting, "category"))) {
        return Err("The same harm category is set twice in safety_settings.".to_owned());
    }
    let Some(config) = body.get("generationConfig") else {
        return Ok(());
    };
    check_numbers(config, model)?;
    check_stops(config)?;
    check_form(body, config, model)?;
    check_thinking(body, model)
}

fn check_numbers(config: &Value, model: &Model) -> Result<(), String> {
    let number = |name: &str| config.get(name).and_then(Value::as_f64);
    for (name, most) in [("temperature", 2.0), ("topP", 1.0)] {
        if let Some(found) = number(name).filter(|found| !(0.0..=most).contains(found)) {
            return Err(format!(
                "Unable to submit request because it has a {name} value of {found} but the supported range is from 0 \
                 (inclusive) to {most} (inclusive). Update the value and try again."
            ));
        }
    }
    if let Some(found) = number("topK").filter(|found| !(1.0..65.0).contains(found)) {
        return Err(out_of_range("topK", found, "1 (inclusive)", 65));
    }
    for name in ["presencePenalty", "frequencyPenalty"] {
        if let Some(found) = number(name).filter(|found| !(-2.0..2.0).contains(found)) {
            return Err(out_of_range(name, found, "-2 (inclusive)", 2));
        }
    }
    let integer = |name: &str| config.get(name).and_then(Value::as_i64);
    let most = i64::try_from(model.output).unwrap_or(i64::MAX);
    if let Some(found) = integer("maxOutputTokens").filter(|found| !(1..=most).contains(found)) {
        return Err(out_of_range("maxOutputTokens", found, "1 (inclusive)", most + 1));
    }
    if let Some(found) = integer("candidateCount").filter(|found| !(1..=8).contains(found)) {
        return Err(out_of_range("candidateCount", found, "1 (inclusive)", 9));
    }
    if config.get("logprobs").is_some()
        && config.get("responseLogprobs").and_then(Value::as_bool) != Some(true)
    {
        return Err("logprobs is only allowed when response_logprobs is true.".to_owned());
    }
    Ok(())
}

fn check_stops(config: &Value) -> Result<(), String> {
    let stops = items(config, "stopSequences");
    if stops.len() > 5 {
        return Err(out_of_range("stopSequences", stops.len(), "0 (inclusive)", 6));
    }
    if stops.iter().any(|stop| stop.as_str() == Some("")) {
        return Err("Unable to submit request because it has an empty stop sequence.".to_owned());
    }
    Ok(())
}

fn check_form(body: &Value, config: &Value, model: &Model) -> Result<(), String> {
    let kind = match text(config, "responseMimeType") {
        "" => "text/plain",
        kind @ ("text/plain" | "application/json" | "text/x.enum") => kind,
        other => {
            return Err(format!(
                "response_mime_type: allowed mimetypes are `text/plain`, `application/json`, `text/x.enum`; found \
                 `{other}`"
            ));
        }
    };
    let schemas = ["responseSchema", "responseJsonSchema"].map(|name| config.get(name));
    if schemas.iter().all(Option::is_some) {
        return Err("Only one of response_schema and response_json_schema may be set.".to_owned());
    }
    if schemas.iter().any(Option::is_some) && kind == "text/plain" {
        return Err(format!(
            "Unable to submit request because controlled generation is not supported with {kind} MIME type."
        ));
    }
    if kind != "text/plain" && !declarations(body).is_empty() && !is_third(model) {
        return Err(format!(
            "Function calling with a response mime type: '{kind}' is unsupported"
        ));
    }
    let [open, _] = schemas;
    open.map_or(Ok(()), |schema| {
        schema::check(schema, "generation_config.response_schema")
    })
}

fn check_thinking(body: &Value, model: &Model) -> Result<(), String> {
    let budget = thinking(body, "thinkingBudget").and_then(Value::as_i64);
    let level = thinking(body, "thinkingLevel").and_then(Value::as_str);
    let is_pro = model.name.contains("-pro");
    if budget.is_some() && level.is_some() {
        return Err("You can only set only one of thinking budget and thinking level.".to_owned());
    }
    if level.is_some() && !is_third(model) {
        return Err("Thinking level is not supported for this model.".to_owned());
    }
    if let Some(level) = level.filter(|level| is_pro && level.to_lowercase() == "minimal") {
        return Err(format!(
            "Thinking level {} is not supported for this model. Please retry with other thinking level.",
            level.to_uppercase()
        ));
    }
    let (may_be_off, least, most) = match (is_pro, model.name.contains("-lite")) {
        (true, _) => (false, 128, 32_768),
        (false, true) => (true, 512, 24_576),
        (false, false) => (true, 1, 24_576),
    };
    match budget {
        None | Some(-1) => {}
        Some(0) if may_be_off => {}
        Some(0) => return Err("Budget 0 is invalid. This model only works in thinking mode.".to_owned()),
        Some(budget) if !(least..=most).contains(&budget) => {
            return Err(format!(
                "The thinking budget {budget} is invalid. Please choose a value between {least} and {most}."
            ));
        }
        Some(_) => {}
    }
    if budget == Some(0) && shows_thoughts(body) {
        return Err(
            "Unable to submit request because thinking_config.include_thoughts is only enabled when thinking is enabled."
                .to_owned(),
        );
    }
    Ok(())
}
