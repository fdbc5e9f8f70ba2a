//! Schemas that OpenAI follows to the letter (its guide to structured outputs; Azure's, which takes fewer words).

use crate::json::{Object, Value};

/// Words that may stand in such a schema. Any other is refused there.
const WORDS: [&str; 14] = [
    "$defs",
    "$ref",
    "$schema",
    "additionalProperties",
    "anyOf",
    "const",
    "definitions",
    "description",
    "enum",
    "items",
    "properties",
    "required",
    "title",
    "type",
];

/// Whether a schema says at its root that it is an object, without alternatives.
pub(super) fn is_plain_object(root: Object<'_>) -> bool {
    let is_object = root.get("type").is_some_and(|kind| kind.get() == "\"object\"");
    is_object
        && ["anyOf", "oneOf", "allOf", "enum", "not"]
            .iter()
            .all(|word| root.get(word).is_none())
}

/// Whether OpenAI takes a schema with `strict`: only words that it knows, every property of an object demanded and no other
/// one let in, and every value described.
pub(super) fn holds_to_the_letter(schema: Value<'_>) -> bool {
    let Some(schema) = schema.object() else {
        return false;
    };
    let is_described = ["type", "anyOf", "$ref", "enum", "const"]
        .iter()
        .any(|word| schema.get(word).is_some());
    is_described
        && is_closed(schema)
        && (!has_type(schema, "\"array\"") || schema.get("items").is_some())
        && schema.members().all(|(name, value)| {
            let name = name.escaped();
            match name {
                "properties" | "$defs" | "definitions" => {
                    let mut schemas = value.object().into_iter().flat_map(Object::members);
                    schemas.all(|(_, schema)| holds_to_the_letter(schema))
                }
                "items" => holds_to_the_letter(value),
                "anyOf" => value.list().into_iter().flatten().all(holds_to_the_letter),
                _ => WORDS.contains(&name),
            }
        })
}

/// Whether an object takes its properties, all of them, and nothing else. True of what is no object.
fn is_closed(schema: Object<'_>) -> bool {
    let properties = schema.get("properties").and_then(Value::object);
    if properties.is_none() && !has_type(schema, "\"object\"") {
        return true;
    }
    let required = schema.get("required").and_then(Value::list);
    let required: Vec<_> = required.into_iter().flatten().filter_map(Value::text).collect();
    let mut properties = properties.into_iter().flat_map(Object::members);
    schema
        .get("additionalProperties")
        .is_some_and(|more| more.get() == "false")
        && properties.all(|(name, _)| required.contains(&name))
}

/// Whether a value of this type, a JSON string, may follow the schema.
fn has_type(schema: Object<'_>, wanted: &str) -> bool {
    let is_wanted = |kind: Value<'_>| kind.get() == wanted;
    schema
        .get("type")
        .is_some_and(|kind| is_wanted(kind) || kind.list().is_some_and(|mut kinds| kinds.any(is_wanted)))
}
