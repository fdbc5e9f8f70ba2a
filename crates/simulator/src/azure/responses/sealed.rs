//! `encrypted_content`: what only the service can read, and what it gives out is all that it takes back.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE;
use serde_json::{Value, json};

use crate::azure::Refusal;
use crate::json::text;

/// How the vendor's tokens begin.
const START: &str = "gAAAAA";

/// Seals a text as an item's of a model.
pub(super) fn seal(model: &str, id: &str, words: &str) -> String {
    let sum = checksum(model, id, words);
    let content = json!({"model": model, "id": id, "words": words, "sum": sum});
    format!("{START}{}", BASE64_URL_SAFE.encode(content.to_string()))
}

/// The words of what was sealed for this model; `id` is the item's where it names one.
///
/// # Errors
/// `OpenAI`'s refusal of what was sealed elsewhere, changed, or taken from another item.
pub(super) fn open(model: &str, id: Option<&str>, sealed: &str) -> Result<String, Refusal> {
    let content = sealed
        .strip_prefix(START)
        .and_then(|coded| BASE64_URL_SAFE.decode(coded).ok())
        .and_then(|content| serde_json::from_slice::<Value>(&content).ok())
        .filter(|content| {
            let (id, words) = (text(content, "id"), text(content, "words"));
            content.get("sum").and_then(Value::as_u64) == Some(checksum(model, id, words))
        });
    let refuse = |reason: &str| {
        let named = id.map_or_else(
            || format!("{}...", sealed.chars().take(4).collect::<String>()),
            |id| format!("for item {id}"),
        );
        Err(Refusal {
            message: format!("The encrypted content {named} could not be verified. Reason: {reason}"),
            param: None,
            code: Some("invalid_encrypted_content"),
        })
    };
    match content {
        None => refuse("Encrypted content could not be decrypted or parsed."),
        Some(content) if id.is_some_and(|id| id != text(&content, "id")) => {
            refuse("Encrypted content item_id did not match the target item id.")
        }
        Some(content) => Ok(text(&content, "words").to_owned()),
    }
}

fn checksum(model: &str, id: &str, words: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (model, id, words).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_for_the_model_and_the_item_opens() {
        let sealed = seal("gpt-5", "rs_1", "thought");
        assert_eq!(
            open("gpt-5", Some("rs_1"), &sealed).ok().as_deref(),
            Some("thought")
        );
        assert_eq!(open("gpt-5", None, &sealed).ok().as_deref(), Some("thought"));
        for (model, id, sealed) in [
            ("gpt-5.5", "rs_1", sealed.clone()),
            ("gpt-5", "rs_2", sealed.clone()),
            ("gpt-5", "rs_1", sealed.replace('A', "B")),
            ("gpt-5", "rs_1", "cmVjb3JkZXI=".to_owned()),
        ] {
            let refused = open(model, Some(id), &sealed).err().unwrap();
            assert!(
                refused.message.contains("could not be verified"),
                "{}",
                refused.message
            );
        }
    }
}
