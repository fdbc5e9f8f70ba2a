//! Google's own form of schemas, which follows `OpenAPI`: types in capitals, `nullable`, whole numbers as strings. Every
//! other vendor takes JSON Schema.

use crate::gemini::request::{camel, generation_config, member};
use crate::json::{Document, Object, Value, around, write_string};

/// The types as Google spells them.
const TYPES: [&str; 7] = [
    "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL",
];

/// Limits that Google writes as strings, because its whole numbers have 64 bits.
const LIMITS: [&str; 6] = [
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
];

/// The body with JSON Schema in the place of every schema in Google's form; nothing where it has none.
pub(crate) fn as_json_schema(body: &Document<'_>) -> Option<String> {
    let whole = body.root().get();
    let mut out = Vec::with_capacity(whole.len());
    let mut copied = whole;
    let members = body.root().object()?;
    for schema in schemas(members) {
        let mut writer = Writer::default();
        writer.schema(schema);
        // The schemas come in the order in which they stand, so each lies in what is not copied yet.
        if writer.changed
            && let Some((before, after)) = around(copied, schema.get())
        {
            out.extend_from_slice(before.as_bytes());
            out.append(&mut writer.out);
            copied = after;
        }
    }
    if out.is_empty() {
        return None;
    }
    out.extend_from_slice(copied.as_bytes());
    String::from_utf8(out).ok()
}

/// Every schema of a request, in the order in which they stand.
fn schemas(body: Object<'_>) -> Vec<Value<'_>> {
    let mut found = Vec::new();
    for tool in each(body.get("tools")) {
        for declaration in each(member(tool, "functionDeclarations", "function_declarations")) {
            found.extend(
                member(declaration, "parametersJsonSchema", "parameters_json_schema")
                    .or_else(|| declaration.get("parameters")),
            );
        }
    }
    found.extend(answer_schema(body));
    found.sort_by_key(|schema| schema.get().as_ptr().addr());
    found
}

/// The objects of a list, or the one that stands in its place, which Google takes too.
fn each(value: Option<Value<'_>>) -> Vec<Object<'_>> {
    match value.and_then(Value::list) {
        Some(list) => list.filter_map(Value::object).collect(),
        None => value.and_then(Value::object).into_iter().collect(),
    }
}

/// The schema of the answer.
fn answer_schema(body: Object<'_>) -> Option<Value<'_>> {
    let config = generation_config(body)?;
    member(config, "responseJsonSchema", "response_json_schema")
        .or_else(|| member(config, "responseSchema", "response_schema"))
}

/// Writes a schema as JSON Schema.
#[derive(Default)]
struct Writer {
    out: Vec<u8>,
    /// Whether it differs from what was read.
    changed: bool,
}

impl Writer {
    fn schema(&mut self, schema: Value<'_>) {
        let Some(object) = schema.object() else {
            return self.copy(schema);
        };
        let nullable = object.get("nullable").is_some_and(|value| value.get() == "true");
        self.out.push(b'{');
        let start = self.out.len();
        for (name, value) in object.members() {
            let name = camel(&name.decode());
            // Said by the types; the order of members means nothing to others.
            if matches!(name.as_str(), "nullable" | "propertyOrdering") {
                self.changed = true;
                continue;
            }
            if self.out.len() > start {
                self.out.push(b',');
            }
            write_string(&mut self.out, &name);
            self.out.push(b':');
            match name.as_str() {
                "type" => self.types(value, nullable),
                "properties" => self.properties(value),
                "items" | "additionalProperties" => self.schema(value),
                "anyOf" | "oneOf" | "allOf" | "prefixItems" => self.list(value),
                name if LIMITS.contains(&name) && value.text().is_some() => self.limit(value),
                _ => self.copy(value),
            }
        }
        self.out.push(b'}');
    }

    fn copy(&mut self, value: Value<'_>) {
        self.out.extend_from_slice(value.get().as_bytes());
    }

    fn types(&mut self, value: Value<'_>, nullable: bool) {
        let Some(name) = value.text() else {
            return self.copy(value);
        };
        let name = name.decode();
        let lower = if TYPES.contains(&&*name) {
            self.changed = true;
            name.to_ascii_lowercase()
        } else {
            name.into_owned()
        };
        if nullable {
            self.out.push(b'[');
        }
        write_string(&mut self.out, &lower);
        if nullable {
            self.out.extend_from_slice(b",\"null\"]");
        }
    }

    fn properties(&mut self, value: Value<'_>) {
        let Some(object) = value.object() else {
            return self.copy(value);
        };
        self.out.push(b'{');
        for (position, (name, schema)) in object.members().enumerate() {
            self.out.extend_from_slice(if position > 0 { b"," } else { b"" });
            self.out.extend_from_slice(name.literal().as_bytes());
            self.out.push(b':');
            self.schema(schema);
        }
        self.out.push(b'}');
    }

    fn list(&mut self, value: Value<'_>) {
        let Some(list) = value.list() else {
            return self.copy(value);
        };
        self.out.push(b'[');
        for (position, schema) in list.enumerate() {
            self.out.extend_from_slice(if position > 0 { b"," } else { b"" });
            self.schema(schema);
        }
        self.out.push(b']');
    }

    fn limit(&mut self, value: Value<'_>) {
        let number = value.text().and_then(|text| text.decode().parse::<u64>().ok());
        match number {
            Some(number) => {
                self.changed = true;
                self.out.extend_from_slice(number.to_string().as_bytes());
            }
            None => self.copy(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn converted(body: &Json) -> Option<Json> {
        let text = body.to_string();
        as_json_schema(&Document::read(&text).unwrap()).map(|text| serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn every_schema_in_googles_form_becomes_json_schema() {
        let google = json!({
            "type": "OBJECT", "nullable": true, "propertyOrdering": ["type"], "required": ["type"],
            "properties": {
                "type": {"type": "STRING", "enum": ["OBJECT"], "maxLength": "5", "nullable": false},
                "nullable": {"any_of": [{"type": "INTEGER", "format": "int64"}, {"type": "ARRAY", "min_items": "1", "items": {"type": "NUMBER"}}]},
            },
        });
        let plain = json!({
            "type": ["object", "null"], "required": ["type"],
            "properties": {
                "type": {"type": "string", "enum": ["OBJECT"], "maxLength": 5},
                "nullable": {"anyOf": [{"type": "integer", "format": "int64"}, {"type": "array", "minItems": 1, "items": {"type": "number"}}]},
            },
        });
        let body = |schema: &Json, other: &Json| {
            json!({
                "contents": "OBJECT",
                "generation_config": {"responseMimeType": "application/json", "response_schema": schema},
                "tools": [{"functionDeclarations": [{"name": "a", "parameters": schema}, {"name": "b", "parametersJsonSchema": other}]}],
            })
        };
        let untouched = json!({"type": "object", "properties": {"x": {"const": "STRING"}}});
        assert_eq!(
            converted(&body(&google, &untouched)),
            Some(body(&plain, &untouched))
        );
        assert_eq!(converted(&body(&untouched, &untouched)), None);
        assert_eq!(
            converted(&json!({"tools": 5, "generationConfig": [], "contents": []})),
            None
        );
    }
}
