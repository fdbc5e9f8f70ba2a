//! Proto-JSON's freedoms: members in `snake_case` as well as `camelCase`, and one item where a list is meant, as SAP's
//! documentation writes `contents` (sap-wire.md §3.5).

use serde_json::{Map, Value};

/// The members of more than one word.
const KNOWN: &[&str] = &[
    "allowedFunctionNames",
    "anyOf",
    "audioTimestamp",
    "cachedContent",
    "candidateCount",
    "displayName",
    "fileData",
    "fileUri",
    "frequencyPenalty",
    "functionCall",
    "functionCallingConfig",
    "functionDeclarations",
    "functionResponse",
    "generationConfig",
    "includeThoughts",
    "inlineData",
    "maxItems",
    "maxLength",
    "maxOutputTokens",
    "maxProperties",
    "mediaResolution",
    "mimeType",
    "minItems",
    "minLength",
    "minProperties",
    "parametersJsonSchema",
    "presencePenalty",
    "propertyOrdering",
    "responseJsonSchema",
    "responseLogprobs",
    "responseMimeType",
    "responseModalities",
    "responseSchema",
    "safetySettings",
    "stopSequences",
    "systemInstruction",
    "thinkingBudget",
    "thinkingConfig",
    "thinkingLevel",
    "thoughtSignature",
    "toolConfig",
    "topK",
    "topP",
];
/// What people put in: it stays as it is.
const FREE: &[&str] = &[
    "args",
    "default",
    "enum",
    "example",
    "labels",
    "parametersJsonSchema",
    "response",
    "responseJsonSchema",
];
/// Lists that may be written as their only item.
const LISTS: &[&str] = &["contents", "parts", "tools"];

/// The same body in camelCase, with lists where lists are meant.
pub(super) fn settle(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(settle).collect(),
        Value::Object(members) => {
            let settled = members
                .iter()
                .map(|(key, value)| settle_member(members, key, value));
            Value::Object(settled.collect())
        }
        other => other.clone(),
    }
}

fn settle_member(members: &Map<String, Value>, key: &str, value: &Value) -> (String, Value) {
    let known = KNOWN.iter().find(|name| snake(name) == key);
    // Where both spellings are there, this one stays what it is, and unknown.
    let known = known.filter(|name| !members.contains_key(**name));
    let name = known.map_or(key, |name| *name);
    let value = match value {
        Value::Object(properties) if name == "properties" => {
            let settled = properties
                .iter()
                .map(|(key, schema)| (key.clone(), settle(schema)));
            Value::Object(settled.collect())
        }
        _ if FREE.contains(&name) => value.clone(),
        Value::Object(_) if LISTS.contains(&name) => Value::Array(vec![settle(value)]),
        _ => settle(value),
    };
    (name.to_owned(), value)
}

/// A member's name as Google's errors write it.
pub(super) fn snake(name: &str) -> String {
    name.chars().fold(String::new(), |mut written, letter| {
        if letter.is_ascii_uppercase() {
            written.push('_');
        }
        written.push(letter.to_ascii_lowercase());
        written
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_spellings_are_one_and_what_people_put_in_stays() {
        let body = json!({
            "contents": {"parts": {"function_call": {"name": "f", "args": {"max_items": 1}}}},
            "tools": [{"function_declarations": [{"name": "f", "parameters": {
                "properties": {"max_items": {"max_items": 2}}
            }}]}],
            "generation_config": {"top_k": 1, "topK": 2, "unknown_member": 3}
        });
        assert_eq!(
            settle(&body),
            json!({
                "contents": [{"parts": [{"functionCall": {"name": "f", "args": {"max_items": 1}}}]}],
                "tools": [{"functionDeclarations": [{"name": "f", "parameters": {
                    "properties": {"max_items": {"maxItems": 2}}
                }}]}],
                "generationConfig": {"topK": 2, "top_k": 1, "unknown_member": 3}
            })
        );
    }
}
