//! Keeps the agent's texts word for word although SAP's orchestration templates part of what it gets
//! (sap-wire.md §4.2): a text in the template becomes a placeholder with its value beside it, and braces that could
//! open a template anywhere else are broken up.

use std::borrow::Cow;

use crate::json::{Text, write_count};

/// Placeholders of one request and their values, in order.
#[derive(Debug, Default)]
pub(crate) struct Placeholders<'a> {
    values: Vec<Text<'a>>,
}

impl<'a> Placeholders<'a> {
    /// Writes the placeholder that stands for `text`. An empty text needs none: nothing in it can be a template.
    pub(crate) fn write(&mut self, text: &Text<'a>, out: &mut Vec<u8>) {
        if text.is_empty() {
            out.extend_from_slice(b"\"\"");
            return;
        }
        self.values.push(text.clone());
        out.extend_from_slice(b"\"{{?");
        write_placeholder_name(self.values.len(), out);
        out.extend_from_slice(b"}}\"");
    }

    /// Writes `,"placeholder_values":{…}`, exactly those that are used; nothing where none is.
    pub(crate) fn write_values(&self, out: &mut Vec<u8>) {
        for (position, value) in self.values.iter().enumerate() {
            out.extend_from_slice(if position == 0 {
                b",\"placeholder_values\":{\""
            } else {
                b",\""
            });
            write_placeholder_name(position + 1, out);
            out.extend_from_slice(b"\":");
            out.extend_from_slice(value.literal().as_bytes());
        }
        if !self.values.is_empty() {
            out.push(b'}');
        }
    }
}

fn write_placeholder_name(number: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"coretap_");
    write_count(out, number as u64);
}

/// Whether JSON text may hold an opening pair, plain or behind an escape.
fn may_open_template(json: &str) -> bool {
    let bytes = json.as_bytes();
    memchr::memchr_iter(b'{', bytes)
        .any(|position| matches!(bytes.get(position + 1), Some(b'{' | b'%' | b'#' | b'\\')))
        || memchr::memmem::find(bytes, b"\\u007").is_some()
}

/// JSON text in whose strings every pair that opens a template (`{{`, `{%`, `{#`) is broken by one space. Between
/// JSON's own tokens no such pair can stand. Says whether anything was changed by giving it owned.
pub(crate) fn break_braces(json: &str) -> Cow<'_, str> {
    if !may_open_template(json) {
        return Cow::Borrowed(json);
    }
    let mut broken = String::with_capacity(json.len() + 8);
    let mut after_brace = false;
    let mut changed = false;
    for (letter, spelling) in letters(json) {
        if after_brace && matches!(letter, '{' | '%' | '#') {
            broken.push(' ');
            changed = true;
        }
        broken.push_str(spelling);
        after_brace = letter == '{';
    }
    if changed {
        Cow::Owned(broken)
    } else {
        Cow::Borrowed(json)
    }
}

/// JSON text of tool arguments in which the brace that opens such a pair is written `\u007b`: the same value, and no
/// template.
pub(crate) fn escape_braces(json: &str) -> Cow<'_, str> {
    if !may_open_template(json) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    let mut rest = json.chars().peekable();
    while let Some(letter) = rest.next() {
        if letter == '{' && matches!(rest.peek(), Some('{' | '%' | '#')) {
            escaped.push_str("\\u007b");
        } else {
            escaped.push(letter);
        }
    }
    Cow::Owned(escaped)
}

/// The letters of JSON text with the way each is spelt: `\u007b` is a brace too. Other escapes count as a backslash.
fn letters(json: &str) -> impl Iterator<Item = (char, &str)> {
    let mut rest = json;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let escape = if first == '\\' {
            rest.get(..6).filter(|escape| escape.starts_with("\\u"))
        } else {
            None
        };
        let code = escape.and_then(|escape| u32::from_str_radix(escape.get(2..)?, 16).ok());
        let (letter, length) = match (code.and_then(char::from_u32), first) {
            (Some(letter), _) => (letter, 6),
            // A backslash takes its partner along, so that `\\u007b` is not read as an escape.
            (None, '\\') => ('\\', 1 + rest.chars().nth(1).map_or(0, char::len_utf8)),
            (None, letter) => (letter, letter.len_utf8()),
        };
        let (spelling, behind) = rest.split_at_checked(length)?;
        rest = behind;
        Some((letter, spelling))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn opens_template(text: &str) -> bool {
        ["{{", "{%", "{#"].iter().any(|pair| text.contains(pair))
    }

    fn strings(value: &Value) -> Vec<&str> {
        match value {
            Value::String(text) => vec![text],
            Value::Array(values) => values.iter().flat_map(strings).collect(),
            Value::Object(members) => members
                .iter()
                .flat_map(|(name, value)| [vec![name.as_str()], strings(value)].concat())
                .collect(),
            _ => vec![],
        }
    }

    #[test]
    fn braces_are_found_in_decoded_strings() {
        assert_eq!(break_braces(r#"{"a":"{{?x}}"}"#), r#"{"a":"{ {?x}}"}"#);
        assert_eq!(
            break_braces(r#""\u007b\u007B?x}} {% {# {{{""#),
            r#""\u007b \u007B?x}} { % { # { { {""#
        );
        assert_eq!(
            break_braces(r#""\\u007b{""#),
            r#""\\u007b{""#,
            "an escaped backslash and six letters"
        );
        assert!(matches!(
            break_braces(r#"{"type":"object","properties":{}}"#),
            Cow::Borrowed(_)
        ));
    }

    proptest! {
        #[test]
        fn broken_text_opens_no_template(plain in r#"[a{}%#?\\u07bB"\n]{0,24}"#, escaped in any::<bool>()) {
            let mut json = serde_json::to_string(&serde_json::json!({ "k": [plain] })).unwrap();
            if escaped {
                let inside = serde_json::to_string(&plain).unwrap().replace('{', "\\u007b");
                json = format!("{{\"k\":[{inside}]}}");
            }
            let broken = break_braces(&json);
            let value: Value = serde_json::from_str(&broken).unwrap();
            prop_assert!(!opens_template(&broken));
            for text in strings(&value) {
                prop_assert!(!opens_template(text), "{text}");
            }
            prop_assert_eq!(broken.replace(' ', ""), json.replace(' ', ""));
        }

        #[test]
        fn escaped_arguments_are_the_same_value_without_a_template(plain in r#"[a{}%#?\\u07b"\n]{0,24}"#) {
            let json = serde_json::to_string(&serde_json::json!({ &plain: [&plain] })).unwrap();
            let escaped = escape_braces(&json);
            prop_assert!(!opens_template(&escaped), "{escaped}");
            prop_assert_eq!(
                serde_json::from_str::<Value>(&escaped).unwrap(),
                serde_json::from_str::<Value>(&json).unwrap()
            );
        }
    }
}
