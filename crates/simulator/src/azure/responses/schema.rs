//! What a JSON Schema must be like where an answer has to follow it strictly (OpenAI's structured outputs).

use serde_json::Value;

use crate::json::items;

/// Words that strict schemas may not use.
const NOT_PERMITTED: [&str; 8] = [
    "allOf",
    "oneOf",
    "not",
    "if",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "propertyNames",
];

/// Says what a strict schema lacks, in OpenAI's words.
pub(super) fn check_strict(schema: &Value) -> Result<(), String> {
    let kind = schema.get("type").and_then(Value::as_str);
    if kind != Some("object") {
        return Err(format!(
            "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{}\"'.",
            kind.unwrap_or("None")
        ));
    }
    check(schema, &mut Vec::new())
}

fn check(schema: &Value, path: &mut Vec<String>) -> Result<(), String> {
    let wrong = |path: &[String], what: &str| Err(format!("In context={}, {what}", context(path)));
    if let Some(word) = NOT_PERMITTED.iter().find(|word| schema.get(**word).is_some()) {
        return wrong(path, &format!("'{word}' is not permitted."));
    }
    let known = ["type", "$ref", "anyOf", "enum", "const"];
    if known.iter().all(|word| schema.get(word).is_none()) {
        return wrong(path, "schema must have a 'type' key.");
    }
    if is_object(schema) {
        if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
            return wrong(
                path,
                "'additionalProperties' is required to be supplied and to be false.",
            );
        }
        let required = items(schema, "required");
        let properties = schema.get("properties").and_then(Value::as_object);
        let missing = properties
            .into_iter()
            .flat_map(|properties| properties.keys())
            .find(|name| {
                !required
                    .iter()
                    .any(|required| required.as_str() == Some(name.as_str()))
            });
        if let Some(name) = missing {
            return wrong(
                path,
                &format!(
                    "'required' is required to be supplied and to be an array including every key in properties. \
                     Missing '{name}'."
                ),
            );
        }
    }
    for word in ["properties", "$defs", "definitions"] {
        for (name, member) in schema.get(word).and_then(Value::as_object).into_iter().flatten() {
            path.extend([word.to_owned(), name.clone()]);
            check(member, path)?;
            path.truncate(path.len() - 2);
        }
    }
    if let Some(item) = schema.get("items") {
        path.push("items".to_owned());
        check(item, path)?;
        path.pop();
    }
    for (index, form) in items(schema, "anyOf").iter().enumerate() {
        path.extend(["anyOf".to_owned(), index.to_string()]);
        check(form, path)?;
        path.truncate(path.len() - 2);
    }
    Ok(())
}

/// Objects may also be `null`.
fn is_object(schema: &Value) -> bool {
    match schema.get("type") {
        Some(Value::String(name)) => name == "object",
        Some(Value::Array(names)) => names.iter().any(|name| name == "object"),
        _ => false,
    }
}

/// A path as the service prints it.
fn context(path: &[String]) -> String {
    let quoted: Vec<String> = path
        .iter()
        .map(|step| match step.parse::<usize>() {
            Ok(index) => index.to_string(),
            Err(_) => format!("'{step}'"),
        })
        .collect();
    match quoted.as_slice() {
        [only] => format!("({only},)"),
        several => format!("({})", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_strict_schema_is_closed_and_requires_all_it_names() {
        let inner = json!({"type": "object", "properties": {}, "additionalProperties": false});
        let closed = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
        assert_eq!(check_strict(&closed(json!({"a": inner}), json!(["a"]))), Ok(()));
        let cases = [
            (
                json!({"type": "array", "items": {"type": "string"}}),
                "got 'type: \"array\"'.",
            ),
            (
                json!({"type": "object"}),
                "In context=(), 'additionalProperties' is required to be supplied and to be false.",
            ),
            (
                closed(json!({"a": {"type": "string"}}), json!([])),
                "Missing 'a'.",
            ),
            (
                closed(
                    json!({"a": {"type": "array", "items": {"type": ["object", "null"]}}}),
                    json!(["a"]),
                ),
                "In context=('properties', 'a', 'items'), 'additionalProperties'",
            ),
            (
                closed(json!({"a": {"oneOf": []}}), json!(["a"])),
                "In context=('properties', 'a'), 'oneOf' is not permitted.",
            ),
            (
                closed(json!({"a": {"anyOf": [{"description": "d"}]}}), json!(["a"])),
                "In context=('properties', 'a', 'anyOf', 0), schema must have a 'type' key.",
            ),
        ];
        for (schema, words) in cases {
            let refused = check_strict(&schema).unwrap_err();
            assert!(refused.contains(words), "{refused} instead of {words}");
        }
    }
}
