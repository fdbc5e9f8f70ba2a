//! JSON that is looked into only where somebody needs to know what stands there.
//!
//! A string or a schema that merely travels from one body into another stays the JSON text it came as: [`Text`] is a
//! string literal with its quotes and escapes, [`Object`] a list of members whose values are unread. That is why a
//! conversation of a megabyte is scanned and copied, but never decoded and encoded again.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::ReadError;

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
        raw.get().starts_with('"').then(|| Text(Cow::Borrowed(raw.get())))
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
        self.escaped() == plain || (self.0.contains('\\') && self.decode() == plain)
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

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'a RawValue>::deserialize(deserializer)?;
        Text::from_raw(raw).ok_or_else(|| serde::de::Error::custom("expected a string"))
    }
}

/// A JSON object whose members keep their order and whose values are unread.
#[derive(Clone, Debug, Default)]
pub struct Object<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Object<'a> {
    /// Reads the members of `raw`.
    ///
    /// # Errors
    /// When it is not an object; the error names `path`.
    pub fn read(raw: &'a RawValue, path: &str) -> Result<Self, ReadError> {
        serde_json::from_str(raw.get()).map_err(|_| ReadError::expected(path, "an object"))
    }

    /// The members in their order.
    pub fn members(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.members.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// The value of a member. An explicit `null` counts as absent; of two members with one name the last one holds.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.members.iter().rev().find(|(member, _)| member == name);
        found
            .map(|(_, value)| *value)
            .filter(|value| value.get() != "null")
    }

    /// A member that has to be a string where it is given.
    ///
    /// # Errors
    /// When it is something else; the error names the member below `path`.
    pub fn text(&self, name: &str, path: &str) -> Result<Option<Text<'a>>, ReadError> {
        match self.get(name) {
            None => Ok(None),
            Some(raw) => Text::from_raw(raw)
                .map(Some)
                .ok_or_else(|| ReadError::member(path, name, "a string")),
        }
    }

    /// A string that must be there.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub fn required_text(&self, name: &str, path: &str) -> Result<Text<'a>, ReadError> {
        self.text(name, path)?
            .ok_or_else(|| ReadError::missing(path, name))
    }

    /// A member that has to be `true` or `false` where it is given.
    ///
    /// # Errors
    /// When it is something else.
    pub fn boolean(&self, name: &str, path: &str) -> Result<Option<bool>, ReadError> {
        match self.get(name).map(RawValue::get) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(ReadError::member(path, name, "true or false")),
        }
    }

    /// A member that has to be a whole number ≥ 0 where it is given.
    ///
    /// # Errors
    /// When it is something else.
    pub fn count(&self, name: &str, path: &str) -> Result<Option<u64>, ReadError> {
        match self.get(name) {
            None => Ok(None),
            Some(raw) => serde_json::from_str(raw.get())
                .map(Some)
                .map_err(|_| ReadError::member(path, name, "a whole number, 0 or more")),
        }
    }

    /// A member that has to be an object where it is given.
    ///
    /// # Errors
    /// When it is something else.
    pub fn object(&self, name: &str, path: &str) -> Result<Option<Object<'a>>, ReadError> {
        match self.get(name) {
            None => Ok(None),
            Some(raw) => serde_json::from_str(raw.get())
                .map(Some)
                .map_err(|_| ReadError::member(path, name, "an object")),
        }
    }

    /// A member that has to be a list where it is given.
    ///
    /// # Errors
    /// When it is something else.
    pub fn list(&self, name: &str, path: &str) -> Result<Option<Vec<&'a RawValue>>, ReadError> {
        match self.get(name) {
            None => Ok(None),
            Some(raw) => list(raw)
                .map(Some)
                .ok_or_else(|| ReadError::member(path, name, "a list")),
        }
    }
}

/// The entries of a JSON list, unread; nothing when `raw` is not a list.
pub fn list(raw: &RawValue) -> Option<Vec<&RawValue>> {
    struct Entries;
    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<&'de RawValue>;
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = sequence.next_element()? {
                entries.push(entry);
            }
            Ok(entries)
        }
    }
    serde_json::Deserializer::from_str(raw.get())
        .deserialize_seq(Entries)
        .ok()
}

/// Whether a raw value is an object.
pub fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some(name) = map.next_key_seed(Name)? {
                    members.push((name, map.next_value::<&'de RawValue>()?));
                }
                Ok(Object { members })
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A member's name, borrowed where it has no escape. (`Cow<str>` alone comes out owned, and `&str` refuses escapes.)
pub(crate) struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;
    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }
    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }
    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// Appends `plain` as a JSON string literal with its quotes.
pub fn write_string(out: &mut Vec<u8>, plain: &str) {
    out.push(b'"');
    write_escaped(out, plain);
    out.push(b'"');
}

/// Appends `plain` escaped for the inside of a JSON string, without quotes.
pub fn write_escaped(out: &mut Vec<u8>, plain: &str) {
    let bytes = plain.as_bytes();
    let mut copied = 0;
    for (position, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..=0x1f => b"",
            _ => continue,
        };
        out.extend_from_slice(bytes.get(copied..position).unwrap_or_default());
        if escape.is_empty() {
            out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
        } else {
            out.extend_from_slice(escape);
        }
        copied = position + 1;
    }
    out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
}

/// Appends a whole number.
pub fn write_count(out: &mut Vec<u8>, count: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
}

/// Appends a JSON value without the white space between its tokens, so that it holds no newline: a newline would
/// break the `data:` line of an event.
pub fn write_compact(out: &mut Vec<u8>, raw: &str) {
    if memchr::memchr2(b'\n', b'\r', raw.as_bytes()).is_none() {
        out.extend_from_slice(raw.as_bytes());
        return;
    }
    let mut inside_string = false;
    let mut escaped = false;
    for byte in raw.bytes() {
        if inside_string {
            inside_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte == b'"' {
            inside_string = true;
        } else if byte.is_ascii_whitespace() {
            continue;
        }
        out.push(byte);
    }
}

/// What stands before and after `part` in `body`, where `part` is a piece of that very text.
pub(crate) fn around<'a>(body: &'a str, part: &str) -> Option<(&'a str, &'a str)> {
    let start = part.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    Some((body.get(..start)?, body.get(start.checked_add(part.len())?..)?))
}

/// Appends the object `body` on one line, with the JSON string `model` in the place of its member `model`, whose present
/// value is `old` (a piece of `body`); as its first member where it has none.
pub(crate) fn write_with_model(out: &mut Vec<u8>, body: &str, old: Option<&RawValue>, model: &str) {
    if let Some((before, after)) = old.and_then(|old| around(body, old.get())) {
        write_compact(out, before);
        out.extend_from_slice(model.as_bytes());
        write_compact(out, after);
        return;
    }
    let members = body
        .trim_start()
        .strip_prefix('{')
        .unwrap_or_default()
        .trim_start();
    out.extend_from_slice(b"{\"model\":");
    out.extend_from_slice(model.as_bytes());
    if !members.starts_with('}') {
        out.push(b',');
    }
    write_compact(out, members);
}

/// Replaces escapes of lone surrogates (`\ud800` without its partner) by U+FFFD in JSON text; what has none is
/// borrowed. Services and parsers refuse a body that holds one.
pub fn replace_lone_surrogates(body: &str) -> Cow<'_, str> {
    let bytes = body.as_bytes();
    let suspicious = |escape: &[u8]| memchr::memmem::find(bytes, escape).is_some();
    if !suspicious(b"\\ud") && !suspicious(b"\\uD") {
        return Cow::Borrowed(body);
    }
    let mut fixed = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(position) = memchr::memchr(b'\\', rest) {
        let (before, escape) = rest.split_at(position);
        fixed.extend_from_slice(before);
        let taken = match (surrogate(escape), surrogate(escape.get(6..).unwrap_or_default())) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => {
                fixed.extend_from_slice(escape.get(..12).unwrap_or_default());
                12
            }
            (Some(0xd800..=0xdfff), _) => {
                fixed.extend_from_slice(b"\\ufffd");
                6
            }
            _ => {
                fixed.extend_from_slice(escape.get(..2).unwrap_or(escape));
                2
            }
        };
        rest = escape.get(taken..).unwrap_or_default();
    }
    fixed.extend_from_slice(rest);
    // Whole ASCII escapes were replaced by an ASCII escape, so this is UTF-8 still.
    Cow::Owned(String::from_utf8(fixed).unwrap_or_else(|_| body.to_owned()))
}

/// The code unit of a `\uXXXX` escape at the start of `text`.
fn surrogate(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(literal: &str) -> Text<'_> {
        Text::from_raw(serde_json::from_str(literal).unwrap()).unwrap()
    }

    #[test]
    fn lone_surrogates_become_the_replacement_character() {
        assert_eq!(replace_lone_surrogates(r#""a\ud800b""#), r#""a\ufffdb""#);
        assert_eq!(replace_lone_surrogates(r#""\uD83D\uDE00""#), r#""\uD83D\uDE00""#);
        assert_eq!(
            replace_lone_surrogates(r#""\\ud800""#),
            r#""\\ud800""#,
            "an escaped backslash is no escape"
        );
        assert_eq!(replace_lone_surrogates(r#""\udc00\ud800""#), r#""\ufffd\ufffd""#);
        assert_eq!(text(r#""x\ud800""#).decode(), "x\u{fffd}");
    }

    #[test]
    fn blank_is_decided_on_the_decoded_string() {
        assert!(text(r#""""#).is_blank());
        assert!(text(r#"" \n\t\u0020""#).is_blank());
        assert!(!text(r#"" \nx""#).is_blank());
        assert!(!text(r#""\\""#).is_blank());
    }

    #[test]
    fn texts_join_inside_one_pair_of_quotes() {
        assert_eq!(
            Text::join(&[text(r#""a\"""#), text(r#""b""#)], "\n").literal(),
            r#""a\"\nb""#
        );
    }

    proptest! {
        #[test]
        fn any_string_survives_its_literal(plain in ".*") {
            let text = Text::of(&plain);
            prop_assert_eq!(text.decode(), plain);
        }

        #[test]
        fn compact_text_is_the_same_value_on_one_line(plain in ".*", number in 0..9u8) {
            let value = serde_json::json!({ "a\n\\\"": [plain, number, {"b": null}] });
            let mut out = Vec::new();
            write_compact(&mut out, &serde_json::to_string_pretty(&value).unwrap());
            prop_assert!(!out.contains(&b'\n'));
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&out).unwrap(), value);
        }

        #[test]
        fn surrogates_never_break_the_text(body in r#"(\\u[dD][89abcdefABCDEF][0-9]{2}|\\\\|\\n|[a-z{}"é])*"#) {
            let _ = replace_lone_surrogates(&body);
        }
    }
}
