//! What Gemini refuses beyond the form of the body: names and schemas of functions. Settings and the order of the
//! turns have files of their own.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{schema, settings, turns};
use crate::catalogue::Model;
use crate::json::{items, text};

/// Refuses what the model refuses; `body` has the right form.
pub(super) fn check(body: &Value, model: &Model) -> Result<(), String> {
    check_tools(body)?;
    settings::check(body, model)?;
    turns::check(body, model)
}

/// The functions on offer.
pub(super) fn declarations(body: &Value) -> &[Value] {
    items(body, "tools")
        .first()
        .map_or(&[], |tool| items(tool, "functionDeclarations"))
}

fn check_tools(body: &Value) -> Result<(), String> {
    let tools = items(body, "tools");
    if tools.len() > 1 {
        return Err("Multiple tools are supported only when they are all search tools.".to_owned());
    }
    let functions = declarations(body);
    if tools.len() > functions.len() {
        return Err(
            "Unable to submit request because one of its tools has no function declarations. Add one and try again."
                .to_owned(),
        );
    }
    if functions.len() > 512 {
        return Err("The number of function declarations exceeds the maximum of 512.".to_owned());
    }
    let mut names = BTreeSet::new();
    for (index, function) in functions.iter().enumerate() {
        let name = text(function, "name");
        check_name(name)?;
        if !names.insert(name) {
            return Err(format!("Duplicate function declaration found: {name}"));
        }
        check_parameters(index, function)?;
    }
    check_choice(body, &names)
}

/// Refuses a name that no function may have.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let rest = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte));
    if starts && rest && name.len() <= 64 {
        return Ok(());
    }
    Err(format!(
        "Invalid function name '{name}'. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), \
         underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 64."
    ))
}

fn check_parameters(index: usize, function: &Value) -> Result<(), String> {
    let path = format!("tools[0].function_declarations[{index}]");
    for (open, json) in [
        ("parameters", "parametersJsonSchema"),
        ("response", "responseJsonSchema"),
    ] {
        if function.get(open).is_some() && function.get(json).is_some() {
            return Err(format!("{path}: {open} and {json} must not both be set."));
        }
        if let Some(parameters) = function.get(open) {
            schema::check(parameters, &format!("{path}.{open}"))?;
        }
    }
    let kinds = ["parameters", "parametersJsonSchema"].map(|name| function.get(name));
    for parameters in kinds.into_iter().flatten() {
        let forms = ["anyOf", "oneOf", "allOf"];
        let offers = forms.iter().any(|word| parameters.get(word).is_some());
        if offers || text(parameters, "type").to_uppercase() != "OBJECT" {
            return Err(format!(
                "Unable to submit request because `{}` functionDeclaration parameters schema should be of type OBJECT.",
                text(function, "name")
            ));
        }
    }
    Ok(())
}

fn check_choice(body: &Value, names: &BTreeSet<&str>) -> Result<(), String> {
    let Some(config) = body.pointer("/toolConfig/functionCallingConfig") else {
        return Ok(());
    };
    if names.is_empty() {
        return Err("Function calling config is set without function_declarations.".to_owned());
    }
    let allowed = items(config, "allowedFunctionNames");
    if !allowed.is_empty() && text(config, "mode") != "ANY" {
        return Err(
            "Allowed function names should only be set when function calling mode is ANY.".to_owned(),
        );
    }
    match allowed
        .iter()
        .filter_map(Value::as_str)
        .find(|name| !names.contains(name))
    {
        Some(name) => Err(format!(
            "Allowed function name '{name}' is not in the function declarations."
        )),
        None => Ok(()),
    }
}
