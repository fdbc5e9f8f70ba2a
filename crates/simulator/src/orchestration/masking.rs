//! Data masking (sap-wire.md §4.1, spec `DPIConfig`): what is found is replaced before the model sees it, and put back
//! into the answer when it was pseudonymized. Of the entities it finds e-mail addresses, phone numbers, IBANs and the persons
//! that are called `Mr`, `Mrs` or `Ms`; the others are taken and found nowhere.

use serde_json::{Map, Value, json};

use super::Failure;
use crate::json::{items, set, text};

/// What was replaced in one request.
#[derive(Default)]
pub(super) struct Masks {
    /// What stood there, and what stands there now.
    replaced: Vec<(String, String)>,
    /// Whether the answer gets it back.
    puts_back: bool,
}

/// Masks messages; nothing where no masking is configured.
pub(super) fn mask(modules: &Value, messages: &mut [Value]) -> Result<Option<Masks>, Failure> {
    let Some(module) = modules.get("masking") else {
        return Ok(None);
    };
    let mut masks = Masks::default();
    for key in ["providers", "masking_providers"] {
        for provider in items(module, key) {
            masks.apply(provider, messages)?;
        }
    }
    Ok(Some(masks))
}

impl Masks {
    fn apply(&mut self, provider: &Value, messages: &mut [Value]) -> Result<(), Failure> {
        let has_files = messages.iter().any(|message| {
            items(message, "content")
                .iter()
                .any(|part| part.get("file").is_some())
        });
        if has_files && provider.get("mask_file_input_method").is_none() {
            return Err(Failure {
                code: 400,
                message: "400 - Masking Module - Masking: 'mask_file_input_method' is required if file inputs are provided."
                    .to_owned(),
                location: "Masking Module - Masking",
            });
        }
        self.puts_back |= text(provider, "method") == "pseudonymization";
        let allowed: Vec<&str> = items(provider, "allowlist")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        for entity in items(provider, "entities") {
            let kind = text(entity, "type");
            let constant = entity
                .pointer("/replacement_strategy/value")
                .and_then(Value::as_str);
            for message in messages.iter_mut() {
                self.in_message(message, kind, constant, &allowed);
            }
        }
        Ok(())
    }

    fn in_message(&mut self, message: &mut Value, kind: &str, constant: Option<&str>, allowed: &[&str]) {
        match message {
            Value::Object(members) => {
                for (key, member) in members {
                    match (key.as_str(), &mut *member) {
                        ("content" | "text" | "arguments", Value::String(said)) => {
                            *said = self.in_text(said, kind, constant, allowed);
                        }
                        ("content" | "tool_calls" | "function" | "reasoning_content", inner) => {
                            self.in_message(inner, kind, constant, allowed);
                        }
                        _ => {}
                    }
                }
            }
            Value::Array(entries) => {
                for entry in entries {
                    self.in_message(entry, kind, constant, allowed);
                }
            }
            _ => {}
        }
    }

    fn in_text(&mut self, said: &str, kind: &str, constant: Option<&str>, allowed: &[&str]) -> String {
        let mut masked = said.to_owned();
        for found in find(said, kind) {
            if !allowed.contains(&found) {
                let stand_in = self.stand_in(found, kind, constant);
                masked = masked.replace(found, &stand_in);
            }
        }
        masked
    }

    /// One value has one stand-in; without a way back there is nothing to tell them apart by.
    fn stand_in(&mut self, found: &str, kind: &str, constant: Option<&str>) -> String {
        if let Some((_, known)) = self.replaced.iter().find(|(value, _)| value == found) {
            return known.clone();
        }
        let name = constant.map_or_else(
            || {
                format!(
                    "MASKED_{}",
                    kind.trim_start_matches("profile-")
                        .replace('-', "_")
                        .to_uppercase()
                )
            },
            str::to_owned,
        );
        let count = self
            .replaced
            .iter()
            .filter(|(_, known)| known.starts_with(&name))
            .count();
        let stand_in = if self.puts_back || constant.is_some() {
            format!("{name}_{}", count + 1)
        } else {
            name
        };
        self.replaced.push((found.to_owned(), stand_in.clone()));
        stand_in
    }

    /// What is said with the values in place of their stand-ins.
    pub(super) fn put_back(&self, said: &str) -> String {
        if !self.puts_back {
            return said.to_owned();
        }
        // The longest first, so that `…_1` is not found in `…_10`.
        let mut replaced: Vec<_> = self.replaced.iter().collect();
        replaced.sort_by_key(|(_, stand_in)| std::cmp::Reverse(stand_in.len()));
        let put = |said: String, (value, stand_in): &(String, String)| said.replace(stand_in, value);
        replaced.into_iter().fold(said.to_owned(), put)
    }

    /// What is said with the stand-ins in place of the values, as the model said it.
    pub(super) fn masked(&self, said: &str) -> String {
        let mask = |said: String, (value, stand_in): &(String, String)| said.replace(value, stand_in);
        self.replaced.iter().fold(said.to_owned(), mask)
    }

    /// What the answer tells of it.
    pub(super) fn result(messages: &[Value]) -> Value {
        let mut result = json!({"message": "Input to LLM is masked successfully."});
        let masked = Value::Array(messages.to_vec()).to_string();
        set(
            &mut result,
            "data",
            Value::Object(Map::from_iter([("masked_template".to_owned(), masked.into())])),
        );
        result
    }
}

/// The values of an entity, each once.
fn find<'t>(said: &'t str, kind: &str) -> Vec<&'t str> {
    let mut found: Vec<&str> = match kind {
        "profile-email" => words(said).filter(|word| is_email(word)).collect(),
        "profile-iban" => words(said).filter(|word| is_iban(word)).collect(),
        "profile-phone" => phones(said),
        "profile-person" => persons(said),
        _ => Vec::new(),
    };
    found.sort_unstable();
    found.dedup();
    // A value that is part of another is looked for behind it.
    found.sort_by_key(|value| std::cmp::Reverse(value.len()));
    found
}

/// What stands between blanks, without the marks around it.
fn words(said: &str) -> impl Iterator<Item = &str> {
    let is_mark = |letter: char| !letter.is_alphanumeric();
    said.split(|letter: char| letter.is_whitespace() || "<>()[]{}\"',;:=\\".contains(letter))
        .map(move |word| word.trim_matches(is_mark))
}

fn is_email(word: &str) -> bool {
    word.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && !host.contains('@') && host.split('.').filter(|part| !part.is_empty()).count() > 1
    })
}

fn is_iban(word: &str) -> bool {
    let bytes = word.as_bytes();
    (15..=34).contains(&bytes.len())
        && bytes.iter().take(2).all(u8::is_ascii_uppercase)
        && bytes.iter().skip(2).take(2).all(u8::is_ascii_digit)
        && bytes.iter().all(u8::is_ascii_alphanumeric)
}

/// A plus and at least seven digits, with blanks and hyphens between them.
fn phones(said: &str) -> Vec<&str> {
    let starts = said.match_indices('+').map(|(at, _)| at);
    let number = |start: usize| {
        let rest = said.get(start + 1..)?;
        let end = rest.find(|letter: char| !(letter.is_ascii_digit() || " -".contains(letter)));
        let number = said.get(start..start + 1 + end.unwrap_or(rest.len()))?;
        let number = number.trim_end_matches([' ', '-']);
        (number.bytes().filter(u8::is_ascii_digit).count() >= 7).then_some(number)
    };
    starts.filter_map(number).collect()
}

/// The word behind `Mr`, `Mrs` or `Ms`.
fn persons(said: &str) -> Vec<&str> {
    let words: Vec<&str> = words(said).collect();
    let has_title = |pair: &&[&str]| matches!(pair.first(), Some(&("Mr" | "Mrs" | "Ms")));
    let pairs = words.windows(2).filter(has_title);
    let names = pairs.filter_map(|pair| pair.get(1).copied());
    names
        .filter(|name| name.chars().next().is_some_and(char::is_uppercase))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entity_is_found_as_it_is_written() {
        let said = "Mr Jones <ann@example.com>, bob@x.org. Call +49 170 1234567 or 5551234; DE89370400440532013000, Mrs smith";
        assert_eq!(find(said, "profile-email"), ["ann@example.com", "bob@x.org"]);
        assert_eq!(find(said, "profile-phone"), ["+49 170 1234567"]);
        assert_eq!(find(said, "profile-iban"), ["DE89370400440532013000"]);
        assert_eq!(find(said, "profile-person"), ["Jones"]);
        assert_eq!(find(said, "profile-gender"), [""; 0]);
    }
}
