//! Lists in the schemas of tools that do not say of what they are. That is good JSON Schema, and OpenAI refuses it: "array schema
//! missing items". Anything may stand in such a list, so `items` that let everything in say the same.

use memchr::memmem;

use crate::json::{Document, Object, Value, around};

/// The type of a list, as it stands in a schema.
const LIST: &str = "\"array\"";

/// Members of a schema that hold schemas by name.
const NAMED_SCHEMAS: [&str; 5] = [
    "properties",
    "$defs",
    "definitions",
    "patternProperties",
    "dependentSchemas",
];

/// Members of a schema that hold values, which may look like schemas.
const VALUES: [&str; 4] = ["enum", "const", "default", "examples"];

/// Whether a schema has a list that does not say of what.
pub(crate) fn are_missing(schema: Value<'_>) -> bool {
    // Most schemas have no list at all, and this is quicker than looking into them.
    if memmem::find(schema.get().as_bytes(), LIST.as_bytes()).is_none() {
        return false;
    }
    let mut found = Vec::new();
    find(schema, &mut found);
    !found.is_empty()
}

/// The schema with `items` wherever they are missing; nothing where they are nowhere.
pub(crate) fn complete(schema: &str) -> Option<String> {
    let document = Document::read(schema).ok()?;
    let mut found = Vec::new();
    find(document.root(), &mut found);
    if found.is_empty() {
        return None;
    }
    let brace = |list: Object<'_>| Some(schema.len() - around(schema, list.literal())?.1.len() - 1);
    let mut braces = found.into_iter().map(brace).collect::<Option<Vec<_>>>()?;
    braces.sort_unstable();
    let mut completed = String::with_capacity(schema.len() + 16 * braces.len());
    let mut copied = 0;
    for brace in braces {
        completed.push_str(schema.get(copied..brace)?);
        completed.push_str(",\"items\":{}");
        copied = brace;
    }
    completed.push_str(schema.get(copied..)?);
    Some(completed)
}

/// Gathers the lists that do not say of what they are.
fn find<'a>(schema: Value<'a>, found: &mut Vec<Object<'a>>) {
    let Some(object) = schema.object() else {
        for branch in schema.list().into_iter().flatten() {
            find(branch, found);
        }
        return;
    };
    let (mut is_list, mut has_items) = (false, false);
    for (name, value) in object.members() {
        match name.escaped() {
            "type" => {
                let is_word = |kind: Value<'_>| kind.get() == LIST;
                is_list = is_word(value) || value.list().is_some_and(|mut kinds| kinds.any(is_word));
            }
            "items" => {
                has_items = true;
                find(value, found);
            }
            name if NAMED_SCHEMAS.contains(&name) => {
                for (_, schema) in value.object().into_iter().flat_map(Object::members) {
                    find(schema, found);
                }
            }
            name if VALUES.contains(&name) => {}
            _ => find(value, found),
        }
    }
    if is_list && !has_items {
        found.push(object);
    }
}
