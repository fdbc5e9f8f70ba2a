//! What every vendor wants of the JSON Schema of a tool's arguments: that it describes one object.

use serde_json::Value;

/// What keeps a schema from describing one object.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Its type is another one; `None` where it has none.
    Type(String),
    /// It offers forms beside its type.
    Forms,
}

/// Looks at the root of a schema.
pub(crate) fn root(schema: &Value) -> Result<(), Fault> {
    match schema.get("type") {
        Some(Value::String(kind)) if kind == "object" => {}
        Some(Value::String(kind)) => return Err(Fault::Type(kind.clone())),
        Some(other) => return Err(Fault::Type(other.to_string())),
        None => return Err(Fault::Type("None".to_owned())),
    }
    let forms = ["oneOf", "allOf", "anyOf"];
    if forms.iter().any(|word| schema.get(word).is_some()) {
        return Err(Fault::Forms);
    }
    Ok(())
}
