//! An instance that is valid for a JSON Schema.

use serde_json::{Map, Value, json};

/// What goes into the free places of a schema.
#[derive(Default)]
pub(crate) struct Filling<'a> {
    /// Strings without any rule hold this text.
    pub(crate) text: &'a str,
    /// Numbers take these, in order.
    pub(crate) numbers: Vec<i64>,
    /// Also fill what isn't required.
    pub(crate) all: bool,
}

/// How deep a schema is followed: a schema may refer to itself.
const DEEPEST: usize = 16;

impl Filling<'_> {
    /// A value for `schema`: constants and the first of an enum, otherwise by type.
    pub(crate) fn instance(&mut self, schema: &Value) -> Value {
        self.value(schema, schema, 0)
    }

    fn value(&mut self, root: &Value, schema: &Value, depth: usize) -> Value {
        if depth > DEEPEST {
            return Value::Null;
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let found = reference
                .strip_prefix('#')
                .and_then(|pointer| root.pointer(pointer));
            return found.map_or(Value::Null, |target| self.value(root, target, depth + 1));
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(first) = schema
            .get("enum")
            .and_then(Value::as_array)
            .and_then(|values| values.first())
        {
            return first.clone();
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            return self.value(root, &merged(root, schema, parts), depth + 1);
        }
        for word in ["anyOf", "oneOf"] {
            let forms = schema.get(word).and_then(Value::as_array);
            if let Some(form) = forms.and_then(|forms| forms.iter().find(|form| !is_null_type(form))) {
                return self.value(root, form, depth + 1);
            }
        }
        match type_of(schema) {
            "object" => self.object(root, schema, depth),
            "array" => self.list(root, schema, depth),
            "integer" | "number" => json!(self.number(schema)),
            "boolean" => Value::Bool(true),
            "null" => Value::Null,
            _ => Value::String(self.string(schema)),
        }
    }

    fn object(&mut self, root: &Value, schema: &Value, depth: usize) -> Value {
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let mut object = Map::new();
        for (name, member) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            if self.all || required.contains(&name.as_str()) {
                object.insert(name.clone(), self.value(root, member, depth + 1));
            }
        }
        for name in required {
            if !object.contains_key(name) {
                object.insert(name.to_owned(), Value::String(self.text.to_owned()));
            }
        }
        Value::Object(object)
    }

    fn list(&mut self, root: &Value, schema: &Value, depth: usize) -> Value {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let most = schema.get("maxItems").and_then(Value::as_u64).unwrap_or(u64::MAX);
        let wanted = least.max(u64::from(self.all)).min(most).min(100);
        let anything = json!({"type": "string"});
        let item = schema
            .get("items")
            .filter(|items| items.is_object())
            .unwrap_or(&anything);
        Value::Array((0..wanted).map(|_| self.value(root, item, depth + 1)).collect())
    }

    fn number(&mut self, schema: &Value) -> i64 {
        let whole = |word: &str| schema.get(word).and_then(Value::as_f64).and_then(whole_above);
        let least = whole("minimum").or_else(|| whole("exclusiveMinimum").map(|number| number + 1));
        let most = whole("maximum").or_else(|| whole("exclusiveMaximum").map(|number| number - 1));
        let wished = if self.numbers.is_empty() {
            1
        } else {
            self.numbers.remove(0)
        };
        let step = whole("multipleOf").unwrap_or(1).max(1);
        let bounded = wished
            .max(least.unwrap_or(i64::MIN))
            .min(most.unwrap_or(i64::MAX));
        bounded - bounded.rem_euclid(step)
    }

    fn string(&self, schema: &Value) -> String {
        let formatted = match schema.get("format").and_then(Value::as_str) {
            Some("date-time") => "2026-01-02T03:04:05Z",
            Some("date") => "2026-01-02",
            Some("time") => "03:04:05Z",
            Some("email") => "someone@example.com",
            Some("uri" | "url") => "https://example.com/",
            Some("uuid") => "00000000-0000-4000-8000-000000000000",
            _ => self.text,
        };
        let length = |word: &str| {
            schema
                .get(word)
                .and_then(Value::as_u64)
                .and_then(|length| usize::try_from(length).ok())
        };
        let mut text: String = formatted
            .chars()
            .take(length("maxLength").unwrap_or(200))
            .collect();
        while text.chars().count() < length("minLength").unwrap_or(0) {
            text.push('x');
        }
        text
    }
}

/// The least whole number that isn't below; schemas write bounds as `1` and as `1.0`.
fn whole_above(number: f64) -> Option<i64> {
    format!("{:.0}", number.ceil()).parse().ok()
}

/// The type of a schema; the first that isn't null of several.
pub(crate) fn type_of(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(name)) => name,
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null")
            .unwrap_or("null"),
        _ if schema.get("properties").is_some() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "string",
    }
}

fn is_null_type(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// A schema and the parts of its `allOf` as one.
fn merged(root: &Value, schema: &Value, parts: &[Value]) -> Value {
    let mut whole = schema.as_object().cloned().unwrap_or_default();
    whole.remove("allOf");
    for part in parts {
        let reference = part
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|name| name.strip_prefix('#'));
        let part = reference
            .and_then(|pointer| root.pointer(pointer))
            .unwrap_or(part);
        for (word, value) in part.as_object().into_iter().flatten() {
            match (whole.get_mut(word), value) {
                (Some(Value::Object(into)), Value::Object(from)) => into.extend(from.clone()),
                (Some(Value::Array(into)), Value::Array(from)) => into.extend(from.iter().cloned()),
                _ => drop(whole.insert(word.clone(), value.clone())),
            }
        }
    }
    Value::Object(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_valid_for_its_schema() {
        let schema = json!({
            "type": "object",
            "$defs": {"tree": {"type": "object", "required": ["name"],
                "properties": {"name": {"type": "string", "minLength": 3},
                               "kids": {"type": "array", "items": {"type": "string"}, "maxItems": 2}}}},
            "properties": {
                "kind": {"enum": ["a", "b"]},
                "count": {"type": "integer", "minimum": 10, "multipleOf": 4},
                "ratio": {"type": ["null", "number"], "exclusiveMaximum": 1},
                "tree": {"$ref": "#/$defs/tree"},
                "mixed": {"allOf": [{"$ref": "#/$defs/tree"}, {"required": ["kids"]}]},
                "either": {"anyOf": [{"type": "null"}, {"const": 7}]},
                "when": {"type": "string", "format": "date"}
            },
            "required": ["kind", "count", "ratio", "tree", "mixed", "either", "when", "unlisted"]
        });
        let validator = jsonschema::validator_for(&schema).unwrap();
        for all in [true, false] {
            let instance = Filling {
                text: "t",
                numbers: vec![13],
                all,
            }
            .instance(&schema);
            assert!(validator.is_valid(&instance), "{instance}");
        }
    }
}
