//! What OpenAI's models want of a JSON Schema: one of a function's arguments, and one of an answer's form. Where it is to be
//! followed strictly, they take only what Azure documents of structured outputs.

use serde_json::Value;

use crate::json::{items, text};
use crate::schema::{Fault, root};

/// Words that strict schemas may not use.
const NOT_PERMITTED: [&str; 30] = [
    "allOf",
    "contains",
    "default",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "if",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "patternProperties",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "uniqueItems",
];
/// The most properties of a strict schema, and how deep it may be.
const MOST_PROPERTIES: usize = 100;
const DEEPEST: usize = 5;

/// Refuses a function whose parameters no call could follow; it has `name`, `parameters` and `strict`.
pub(crate) fn check_function(function: &Value) -> Result<(), String> {
    let wrong = |what: String| format!("Invalid schema for function '{}': {what}", text(function, "name"));
    let Some(parameters) = function.get("parameters").filter(|schema| !schema.is_null()) else {
        return Ok(());
    };
    check_root(parameters).map_err(wrong)?;
    if is_strict(function) {
        check_strict(parameters).map_err(wrong)?;
    }
    if parameters.get("properties").is_none() {
        return Err(wrong(
            "In context=(), object schema missing properties.".to_owned(),
        ));
    }
    check_lists(parameters, &mut Vec::new()).map_err(wrong)
}

/// Refuses a form of the answer that no answer could have; `format` has `name`, `schema` and `strict`.
pub(crate) fn check_format(format: &Value) -> Result<(), String> {
    let schema = format.get("schema").unwrap_or(&Value::Null);
    let checked = check_root(schema).and_then(|()| {
        if is_strict(format) {
            check_strict(schema)
        } else {
            Ok(())
        }
    });
    checked.map_err(|what| {
        format!(
            "Invalid schema for response_format '{}': {what}",
            text(format, "name")
        )
    })
}

fn is_strict(owner: &Value) -> bool {
    owner.get("strict") == Some(&Value::Bool(true))
}

/// Says what is wrong at the root, in OpenAI's words.
fn check_root(schema: &Value) -> Result<(), String> {
    let more = ["enum", "not"].iter().any(|word| schema.get(word).is_some());
    match root(schema) {
        Err(Fault::Type(kind)) => Err(format!(
            "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
        )),
        Ok(()) if !more => Ok(()),
        _ => Err(
            "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level."
                .to_owned(),
        ),
    }
}

/// Every list says what is in it.
fn check_lists(schema: &Value, path: &mut Vec<String>) -> Result<(), String> {
    if is(schema, "array") && schema.get("items").is_none() {
        return Err(format!(
            "In context={}, array schema missing items.",
            context(path)
        ));
    }
    within(schema, path, &mut check_lists)
}

/// Says what a strict schema lacks, in OpenAI's words.
fn check_strict(schema: &Value) -> Result<(), String> {
    let mut properties = 0;
    check_level(schema, &mut Vec::new(), &mut properties)?;
    if properties > MOST_PROPERTIES {
        return Err(format!(
            "{properties} object properties are too many: at most {MOST_PROPERTIES} are supported."
        ));
    }
    Ok(())
}

fn check_level(schema: &Value, path: &mut Vec<String>, count: &mut usize) -> Result<(), String> {
    let wrong = |path: &[String], what: &str| Err(format!("In context={}, {what}", context(path)));
    if let Some(word) = NOT_PERMITTED.iter().find(|word| schema.get(**word).is_some()) {
        return wrong(path, &format!("'{word}' is not permitted."));
    }
    let known = ["type", "$ref", "anyOf", "enum", "const"];
    if known.iter().all(|word| schema.get(word).is_none()) {
        return wrong(path, "schema must have a 'type' key.");
    }
    if let (Some(_), Some(members)) = (schema.get("$ref"), schema.as_object().filter(|all| all.len() > 1)) {
        let others: Vec<&str> = members
            .keys()
            .map(String::as_str)
            .filter(|key| *key != "$ref")
            .collect();
        return wrong(path, &format!("$ref cannot have keywords {others:?}."));
    }
    if is(schema, "object") {
        check_object(schema).or_else(|what| wrong(path, &what))?;
        *count += schema
            .get("properties")
            .and_then(Value::as_object)
            .map_or(0, serde_json::Map::len);
        let deep = path
            .iter()
            .filter(|step| *step == "properties" || *step == "items")
            .count();
        if deep >= DEEPEST {
            return wrong(path, &format!("the schema is deeper than {DEEPEST} levels."));
        }
    }
    within(schema, path, &mut |member, path| check_level(member, path, count))
}

/// An object that is followed strictly is closed, and has all that it names.
fn check_object(schema: &Value) -> Result<(), String> {
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        return Err("'additionalProperties' is required to be supplied and to be false.".to_owned());
    }
    let required: Vec<&str> = items(schema, "required")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut names = properties.into_iter().flat_map(|properties| properties.keys());
    if let Some(name) = names.find(|name| !required.contains(&name.as_str())) {
        return Err(format!(
            "'required' is required to be supplied and to be an array including every key in properties. Missing \
             '{name}'."
        ));
    }
    let extra = required
        .iter()
        .find(|name| properties.is_none_or(|properties| !properties.contains_key(**name)));
    extra.map_or(Ok(()), |name| {
        Err(format!("Extra required key '{name}' supplied."))
    })
}

/// What looks at a schema at a path.
type Look<'a> = dyn FnMut(&Value, &mut Vec<String>) -> Result<(), String> + 'a;

/// Looks at each schema within a schema; `path` says where it stands.
fn within(schema: &Value, path: &mut Vec<String>, look: &mut Look<'_>) -> Result<(), String> {
    for word in ["properties", "$defs", "definitions"] {
        for (name, member) in schema.get(word).and_then(Value::as_object).into_iter().flatten() {
            path.extend([word.to_owned(), name.clone()]);
            look(member, path)?;
            path.truncate(path.len() - 2);
        }
    }
    if let Some(item) = schema.get("items") {
        path.push("items".to_owned());
        look(item, path)?;
        path.pop();
    }
    for word in ["anyOf", "oneOf", "allOf"] {
        for (index, form) in items(schema, word).iter().enumerate() {
            path.extend([word.to_owned(), index.to_string()]);
            look(form, path)?;
            path.truncate(path.len() - 2);
        }
    }
    Ok(())
}

/// Whether a value may be of a type; it may also be `null`, for instance.
fn is(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(name)) => name == kind,
        Some(Value::Array(names)) => names.iter().any(|name| name == kind),
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

    fn closed(properties: &Value, required: &Value) -> Value {
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    }

    #[test]
    fn a_strict_schema_is_closed_requires_all_it_names_and_uses_few_words() {
        let inner = closed(&json!({}), &json!([]));
        let format = |schema: Value| json!({"name": "n", "schema": schema, "strict": true});
        let one = |member: Value| closed(&json!({"a": member}), &json!(["a"]));
        assert_eq!(check_format(&format(one(inner.clone()))), Ok(()));
        let deep = (0..DEEPEST).fold(inner, |inner, _| one(inner));
        let wide: serde_json::Map<String, Value> = (0..101)
            .map(|number| (number.to_string(), json!({"type": "null"})))
            .collect();
        let all: Vec<&String> = wide.keys().collect();
        let cases = [
            (
                json!({"type": "array", "items": {"type": "string"}}),
                "got 'type: \"array\"'.",
            ),
            (json!({"type": "object", "anyOf": []}), "at the top level."),
            (
                json!({"type": "object"}),
                "In context=(), 'additionalProperties' is required to be supplied and to be false.",
            ),
            (
                closed(&json!({"a": {"type": "string"}}), &json!([])),
                "Missing 'a'.",
            ),
            (
                closed(&json!({}), &json!(["a"])),
                "Extra required key 'a' supplied.",
            ),
            (
                one(json!({"type": "array", "items": {"type": ["object", "null"]}})),
                "In context=('properties', 'a', 'items'), 'additionalProperties'",
            ),
            (
                one(json!({"oneOf": []})),
                "In context=('properties', 'a'), 'oneOf' is not permitted.",
            ),
            (
                one(json!({"type": "string", "minLength": 1})),
                "'minLength' is not permitted.",
            ),
            (
                one(json!({"$ref": "#", "description": "d"})),
                "$ref cannot have keywords [\"description\"].",
            ),
            (
                one(json!({"anyOf": [{"description": "d"}]})),
                "In context=('properties', 'a', 'anyOf', 0), schema must have a 'type' key.",
            ),
            (deep, "deeper than 5 levels"),
            (
                closed(&json!(wide), &json!(all)),
                "101 object properties are too many",
            ),
        ];
        for (schema, words) in cases {
            let refused = check_format(&format(schema)).unwrap_err();
            assert!(refused.contains(words), "{refused} instead of {words}");
        }
    }

    #[test]
    fn the_arguments_of_a_function_are_one_object_whose_lists_say_what_is_in_them() {
        let function = |schema: Value| json!({"name": "f", "parameters": schema});
        let fine = [
            json!({"name": "f"}),
            function(json!({"type": "object", "properties": {}})),
            function(json!({"type": "object", "properties": {"a": {"type": "object", "default": {}}}})),
        ];
        for function in fine {
            assert_eq!(check_function(&function), Ok(()));
        }
        let cases = [
            (json!({}), "got 'type: \"None\"'."),
            (
                json!({"type": ["object", "null"]}),
                "got 'type: \"[\"object\",\"null\"]\"'.",
            ),
            (
                json!({"type": "object", "properties": {}, "oneOf": []}),
                "at the top level.",
            ),
            (
                json!({"type": "object", "properties": {}, "not": {}}),
                "at the top level.",
            ),
            (
                json!({"type": "object"}),
                "In context=(), object schema missing properties.",
            ),
            (
                json!({"type": "object", "properties": {"a": {"anyOf": [{"type": "array"}]}}}),
                "In context=('properties', 'a', 'anyOf', 0), array schema missing items.",
            ),
        ];
        for (schema, words) in cases {
            let refused = check_function(&function(schema)).unwrap_err();
            assert!(refused.contains(words), "{refused} instead of {words}");
        }
    }
}
