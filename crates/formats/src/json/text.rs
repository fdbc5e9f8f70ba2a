//! Strings as they stand in a body.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::scanner::split_string;
use super::write::{replace_lone_surrogates, write_string};

/// A JSON string as it stands in a body: quotes and escapes included. It cannot hold anything but one valid literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    /// The JSON string literal of `plain`, escaped.
    pub fn of(plain: &str) -> Text<'static> {
        let mut literal = Vec::with_capacity(plain.len() + 2);
        write_string(&mut literal, plain);
        // Escaping UTF-8 gives UTF-8; the lossy reading keeps this free of a panic and costs one check.
        Text(Cow::Owned(String::from_utf8(literal).unwrap_or_else(|error| {
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        })))
    }

    /// The string that stands in `raw`, or nothing when it is another kind of value.
    pub fn from_raw(raw: &'a RawValue) -> Option<Self> {
        Text::from_literal(raw.get())
    }

    /// The string that valid JSON text stands for, or nothing when it is another kind of value.
    pub(crate) fn from_literal(json: &'a str) -> Option<Self> {
        json.starts_with('"').then_some(Text(Cow::Borrowed(json)))
    }

    /// The string that JSON text begins with, and what stands behind it; nothing where it begins with anything else.
    pub(crate) fn split_from(json: &'a str) -> Option<(Self, &'a str)> {
        let (literal, rest) = split_string(json)?;
        Some((Text(Cow::Borrowed(literal)), rest))
    }

    /// The literal whose inside is `escaped`, which must be a run of whole escapes and letters cut out of a literal.
    pub(crate) fn from_escaped(escaped: &str) -> Text<'static> {
        let mut literal = String::with_capacity(escaped.len() + 2);
        literal.push('"');
        literal.push_str(escaped);
        literal.push('"');
        Text(Cow::Owned(literal))
    }

    /// The literal, quotes included: what is copied into another body.
    pub fn literal(&self) -> &str {
        &self.0
    }

    /// What stands between the quotes, escapes untouched: to be joined with other pieces inside one pair of quotes.
    pub fn escaped(&self) -> &str {
        self.0
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or_default()
    }

    /// The string it stands for; borrowed when there is nothing to unescape. Lone surrogates become U+FFFD.
    pub fn decode(&self) -> Cow<'_, str> {
        let escaped = self.escaped();
        if memchr::memchr(b'\\', escaped.as_bytes()).is_none() {
            return Cow::Borrowed(escaped);
        }
        match serde_json::from_str::<String>(&self.0) {
            Ok(decoded) => Cow::Owned(decoded),
            // Only a lone surrogate is a valid literal that does not decode.
            Err(_) => Cow::Owned(serde_json::from_str(&replace_lone_surrogates(&self.0)).unwrap_or_default()),
        }
    }

    /// Whether the string is empty.
    pub fn is_empty(&self) -> bool {
        self.0.len() <= 2
    }

    /// Whether the string is empty or only white space: what Claude refuses as a text block (sap-wire.md §3.3).
    pub fn is_blank(&self) -> bool {
        let escaped = self.escaped();
        match escaped.as_bytes().first() {
            None => true,
            // The common case is decided by the first letter, without decoding.
            Some(first) if *first != b'\\' && first.is_ascii_graphic() => false,
            Some(_) => self.decode().chars().all(char::is_whitespace),
        }
    }

    /// Whether the decoded string is `plain`.
    pub fn is(&self, plain: &str) -> bool {
        let escaped = self.escaped();
        // An escape makes a string longer, so that most others are told by their length.
        escaped == plain || (escaped.len() > plain.len() && escaped.contains('\\') && self.decode() == plain)
    }

    /// The same text, owning its literal.
    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }

    /// Several texts as one, with `separator` (plain text that needs no escape but `\n`) between them.
    pub fn join(texts: &[Text<'a>], separator: &str) -> Text<'a> {
        if let [only] = texts {
            return only.clone();
        }
        let mut joined = String::with_capacity(texts.iter().map(|text| text.0.len() + separator.len()).sum());
        joined.push('"');
        for (position, text) in texts.iter().enumerate() {
            if position > 0 {
                for letter in separator.chars() {
                    match letter {
                        '\n' => joined.push_str("\\n"),
                        letter => joined.push(letter),
                    }
                }
            }
            joined.push_str(text.escaped());
        }
        joined.push('"');
        Text(Cow::Owned(joined))
    }
}
