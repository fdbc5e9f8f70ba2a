//! Google's `Schema`: a part of `OpenAPI` 3.0's, not JSON Schema. What is not in it is refused.

use serde_json::{Map, Value};

use super::request::unknown;
use super::spelling::snake;

/// The members of the message `Schema`.
const MEMBERS: &[&str] = &[
    "anyOf",
    "default",
    "description",
    "enum",
    "example",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "nullable",
    "pattern",
    "properties",
    "propertyOrdering",
    "required",
    "title",
    "type",
];
const TYPES: &[&str] = &[
    "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL",
];
/// How deep a schema may be.
const DEEPEST: usize = 32;

/// Refuses what Google's `Schema` has not; `path` is where the schema stands, in `snake_case`.
pub(super) fn check(schema: &Value, path: &str) -> Result<(), String> {
    check_level(schema, path, 0)
}

fn check_level(schema: &Value, path: &str, depth: usize) -> Result<(), String> {
    let Some(members) = schema.as_object() else {
        return Err(format!("Invalid value at '{path}' (TYPE_MESSAGE), {schema}"));
    };
    if depth > DEEPEST {
        return Err(format!(
            "The schema at '{path}' exceeds the maximum allowed nesting depth."
        ));
    }
    if let Some(name) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(unknown(name, path));
    }
    check_values(members, path)?;
    if let Some(forms) = members.get("anyOf").and_then(Value::as_array) {
        if members.len() > 1 {
            return Err(format!(
                "Unable to submit request because the schema at '{path}' specified other fields alongside any_of. When \
                 using any_of, it must be the only field set."
            ));
        }
        let mut forms = forms.iter().enumerate();
        return forms
            .try_for_each(|(index, form)| check_level(form, &format!("{path}.any_of[{index}]"), depth + 1));
    }
    check_type(members, path)?;
    for (index, (_, property)) in object(members, "properties").enumerate() {
        check_level(property, &format!("{path}.properties[{index}].value"), depth + 1)?;
    }
    members.get("items").map_or(Ok(()), |items| {
        check_level(items, &format!("{path}.items"), depth + 1)
    })
}

/// The members' own types.
fn check_values(members: &Map<String, Value>, path: &str) -> Result<(), String> {
    for (name, value) in members {
        let place = format!("{path}.{}", snake(name));
        let fits = match name.as_str() {
            "type" if value.is_array() => {
                return Err(format!(
                    "Invalid JSON payload received. Unknown name \"type\" at '{path}': Proto field is not repeating, \
                     cannot start list."
                ));
            }
            "type" => value
                .as_str()
                .is_some_and(|name| TYPES.contains(&name.to_uppercase().as_str())),
            "description" | "format" | "pattern" | "title" => value.is_string(),
            "enum" | "required" | "propertyOrdering" => {
                let list = value.as_array().map_or(&[][..], Vec::as_slice);
                if let Some(index) = list.iter().position(|item| !item.is_string()) {
                    return Err(format!(
                        "Invalid value at '{place}[{index}]' (TYPE_STRING), {value}"
                    ));
                }
                value.is_array()
            }
            "nullable" => value.is_boolean(),
            "minimum" | "maximum" => value.is_number(),
            "anyOf" => value.is_array(),
            "items" | "properties" => value.is_object(),
            "default" | "example" => true,
            _ => value.is_u64(),
        };
        if !fits {
            return Err(format!("Invalid value at '{place}', {value}"));
        }
    }
    Ok(())
}

/// What one type wants of the others.
fn check_type(members: &Map<String, Value>, path: &str) -> Result<(), String> {
    let kind = members.get("type").and_then(Value::as_str).map(str::to_uppercase);
    let has = |name: &str| members.contains_key(name);
    let format = members.get("format").and_then(Value::as_str);
    let formats: &[&str] = match kind.as_deref() {
        None => {
            return Err(format!(
                "Unable to submit request because the schema at '{path}' didn't specify the schema type field."
            ));
        }
        Some("STRING") => &["enum", "date-time"],
        Some("NUMBER") => &["float", "double"],
        Some("INTEGER") => &["int32", "int64"],
        Some("ARRAY") if !has("items") => return Err(format!("{path}.items: missing field.")),
        Some("OBJECT") if object(members, "properties").next().is_none() => {
            return Err(format!("{path}.properties: should be non-empty for OBJECT type"));
        }
        Some(_) => &[],
    };
    if let Some(format) = format.filter(|format| !formats.contains(format)) {
        return Err(format!(
            "{path}.format: '{format}' is not supported for this type"
        ));
    }
    if has("enum") && kind.as_deref() != Some("STRING") {
        return Err(format!("{path}.enum: only allowed for STRING type"));
    }
    let undefined = members
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .position(|name| !object(members, "properties").any(|(property, _)| property == name));
    match undefined {
        Some(index) => Err(format!("{path}.required[{index}]: property is not defined")),
        None => Ok(()),
    }
}

fn object<'a>(members: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    members.get(name).and_then(Value::as_object).into_iter().flatten()
}

/// The same as a JSON Schema.
pub(super) fn json_schema(schema: &Value) -> Value {
    let members = schema.as_object().into_iter().flatten();
    let translated = members.map(|(name, value)| {
        let value = match (name.as_str(), value) {
            ("type", Value::String(kind)) => Value::String(kind.to_lowercase()),
            ("items", item) => json_schema(item),
            ("anyOf", Value::Array(forms)) => forms.iter().map(json_schema).collect(),
            ("properties", Value::Object(properties)) => {
                let properties = properties
                    .iter()
                    .map(|(name, schema)| (name.clone(), json_schema(schema)));
                Value::Object(properties.collect())
            }
            (_, other) => other.clone(),
        };
        (name.clone(), value)
    });
    Value::Object(translated.collect())
}
