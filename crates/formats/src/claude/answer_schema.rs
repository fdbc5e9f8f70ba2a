//! Schemas for the form of Claude's answers. Its structured output knows a part of JSON Schema only and refuses the rest
//! (Anthropic's documentation of structured outputs, "JSON Schema limitations"). What is left out of a schema stands in
//! its description, so that the model still reads it.

use std::collections::BTreeSet;

use crate::json::{Object, Text, Value};

/// Members that are copied.
const COPIED: [&str; 4] = ["type", "title", "default", "required"];

/// Members that say what a value must be beyond its type, of which Claude's structured output knows none.
const LIMITS: [&str; 21] = [
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "if",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "pattern",
    "then",
    "uniqueItems",
];

/// Formats of strings that it follows.
const FORMATS: [&str; 9] = [
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "time",
    "uri",
];

/// Where schemas stand that others refer to.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// The schema as Claude takes it; nothing where it can be followed in words only: objects with members of any name, values
/// of any kind, schemas that refer to themselves.
pub(crate) fn for_claude(schema: Value<'_>) -> Option<String> {
    let mut writer = Writer {
        root: schema.object()?,
        out: String::with_capacity(schema.get().len() + 64),
        place: String::new(),
        references: Vec::new(),
    };
    writer.schema(schema)?;
    (!writer.refers_to_itself()).then_some(writer.out)
}

struct Writer<'a> {
    root: Object<'a>,
    out: String,
    /// The definition that is being written, empty outside of them.
    place: String,
    /// From which definition to which.
    references: Vec<(String, String)>,
}

impl<'a> Writer<'a> {
    fn schema(&mut self, schema: Value<'a>) -> Option<()> {
        let object = schema.object()?;
        let mut alternatives = object.get("allOf").and_then(Value::list);
        if let Some(entries) = &mut alternatives {
            // One part of one is how some libraries put a description beside a reference.
            let only = entries.next().filter(|_| entries.next().is_none())?;
            return if is_constrained(object) {
                None
            } else {
                self.schema(only)
            };
        }
        self.out.push('{');
        let start = self.out.len();
        if let Some(reference) = object.get("$ref") {
            self.reference(&reference.text()?)?;
            self.definitions(object)?;
            self.out.push('}');
            return Some(());
        }
        let mut limits = Vec::new();
        let mut says_something = false;
        for (name, value) in object.members().filter(|(_, value)| !value.is_null()) {
            let name = name.decode();
            says_something |= matches!(
                &*name,
                "type" | "properties" | "enum" | "const" | "anyOf" | "oneOf"
            );
            match &*name {
                "properties" => {
                    self.name(start, &name);
                    self.schemas(value.object()?)?;
                }
                "items" => {
                    self.name(start, &name);
                    self.schema(value)?;
                }
                "anyOf" | "oneOf" => self.alternatives(start, value)?,
                "enum" if value.list()?.all(is_plain) => self.copy(start, &name, value),
                "const" if is_plain(value) => self.copy(start, &name, value),
                "enum" | "const" | "prefixItems" | "patternProperties" | "propertyNames" => return None,
                "format"
                    if value
                        .text()
                        .is_some_and(|format| FORMATS.contains(&&*format.decode())) =>
                {
                    self.copy(start, &name, value);
                }
                "minItems" if matches!(value.get(), "0" | "1") => self.copy(start, &name, value),
                "format" | "minItems" => limits.push(format!("{name}: {}", value.get())),
                name if COPIED.contains(&name) => self.copy(start, name, value),
                name if LIMITS.contains(&name) => limits.push(format!("{name}: {}", value.get())),
                // Notes to people, and what is written below.
                _ => {}
            }
        }
        if !says_something || says_type(object, "array") && object.get("items").is_none() {
            return None;
        }
        self.definitions(object)?;
        self.close(start, object)?;
        self.description(start, object, &limits);
        self.out.push('}');
        Some(())
    }

    fn name(&mut self, start: usize, name: &str) {
        if self.out.len() > start {
            self.out.push(',');
        }
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
    }

    fn copy(&mut self, start: usize, name: &str, value: Value<'_>) {
        self.name(start, name);
        self.out.push_str(value.get());
    }

    fn schemas(&mut self, schemas: Object<'a>) -> Option<()> {
        self.out.push('{');
        for (position, (name, schema)) in schemas.members().enumerate() {
            self.out.push_str(if position > 0 { "," } else { "" });
            self.out.push_str(name.literal());
            self.out.push(':');
            self.schema(schema)?;
        }
        self.out.push('}');
        Some(())
    }

    fn alternatives(&mut self, start: usize, value: Value<'a>) -> Option<()> {
        self.name(start, "anyOf");
        self.out.push('[');
        for (position, schema) in value.list()?.enumerate() {
            self.out.push_str(if position > 0 { "," } else { "" });
            self.schema(schema)?;
        }
        self.out.push(']');
        Some(())
    }

    /// Writes a reference to a definition of the root; there is no other that Claude follows.
    fn reference(&mut self, reference: &Text<'a>) -> Option<()> {
        let decoded = reference.decode();
        let (holder, name) = decoded.strip_prefix("#/")?.split_once('/')?;
        DEFINITIONS.contains(&holder).then_some(())?;
        self.root.get(holder)?.object()?.get(name)?;
        self.out.push_str("\"$ref\":");
        self.out.push_str(reference.literal());
        self.references
            .push((self.place.clone(), decoded.clone().into_owned()));
        Some(())
    }

    /// Writes what others refer to, behind the members of the root. References begin there, so nobody can mean others.
    fn definitions(&mut self, object: Object<'a>) -> Option<()> {
        if !std::ptr::eq(object.literal(), self.root.literal()) {
            return Some(());
        }
        for holder in DEFINITIONS {
            let Some(definitions) = object.get(holder) else {
                continue;
            };
            self.out.push_str(",\"");
            self.out.push_str(holder);
            self.out.push_str("\":{");
            for (position, (name, schema)) in definitions.object()?.members().enumerate() {
                self.out.push_str(if position > 0 { "," } else { "" });
                self.out.push_str(name.literal());
                self.out.push(':');
                self.place = format!("#/{holder}/{}", name.decode());
                self.schema(schema)?;
            }
            self.place.clear();
            self.out.push('}');
        }
        Some(())
    }

    /// Says of an object that it holds nothing else than what is named.
    fn close(&mut self, start: usize, object: Object<'a>) -> Option<()> {
        let named = object.get("properties").is_some();
        if !named && !says_type(object, "object") {
            return Some(());
        }
        let others = object.get("additionalProperties").map(Value::get);
        if others.is_some_and(|others| others.starts_with('{')) || !named && others != Some("false") {
            return None;
        }
        if object.get("type").is_none() {
            self.name(start, "type");
            self.out.push_str("\"object\"");
        }
        self.name(start, "additionalProperties");
        self.out.push_str("false");
        Some(())
    }

    fn description(&mut self, start: usize, object: Object<'a>, limits: &[String]) {
        let given = object.get("description").and_then(Value::text);
        if limits.is_empty() {
            if let Some(given) = given {
                self.name(start, "description");
                self.out.push_str(given.literal());
            }
            return;
        }
        let given = given.as_ref().map(Text::decode).unwrap_or_default();
        let told = format!("{given}\n({})", limits.join(", "));
        self.name(start, "description");
        self.out.push_str(Text::of(told.trim_start()).literal());
    }

    /// Whether a definition leads back to itself. Those that refer to nothing are taken away until none is left, or only such
    /// as refer to each other.
    fn refers_to_itself(&mut self) -> bool {
        loop {
            let before = self.references.len();
            let referring: BTreeSet<String> = self.references.iter().map(|(from, _)| from.clone()).collect();
            self.references.retain(|(_, to)| referring.contains(to));
            if self.references.len() == before {
                return before > 0;
            }
        }
    }
}

/// Whether a schema says anything about values beside what its parts say.
fn is_constrained(object: Object<'_>) -> bool {
    let says = |name: &str| {
        matches!(
            name,
            "type" | "properties" | "enum" | "const" | "anyOf" | "oneOf" | "$ref" | "items"
        ) || DEFINITIONS.contains(&name)
    };
    object.members().any(|(name, _)| says(&name.decode()))
}

/// Whether a value is no list and no object: nothing else may stand in an `enum`.
fn is_plain(value: Value<'_>) -> bool {
    !value.get().starts_with(['{', '['])
}

fn says_type(object: Object<'_>, kind: &str) -> bool {
    let is_it = |value: Value<'_>| value.text().is_some_and(|name| name.is(kind));
    object
        .get("type")
        .is_some_and(|types| is_it(types) || types.list().is_some_and(|mut types| types.any(is_it)))
}
