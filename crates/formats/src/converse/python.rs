//! Python literals as JSON: `/converse-stream` gives the `repr()` of each event (sap-wire.md §3.4).
//!
//! Only what differs from JSON is looked at: strings, bytes and the words. The rest is copied, and whoever reads the JSON sees
//! whether it was a value.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::json::{replace_lone_surrogates, write_escaped};

/// The JSON text of a literal of dictionaries, lists, tuples, strings, bytes (base64 in JSON), numbers, `True`, `False` and `None`.
/// Nothing where a string in it cannot be read or does not end; anything else that is no literal becomes a text that is no JSON.
pub(super) fn to_json(literal: &str) -> Option<String> {
    let mut json = Vec::with_capacity(literal.len() + 16);
    let mut has_surrogates = false;
    let mut rest = literal;
    while let Some(byte) = rest.bytes().next() {
        let inside = rest.get(1..).unwrap_or_default();
        rest = match byte {
            b'\'' | b'"' => {
                let mut string = Piece::new(inside, byte);
                json.push(b'"');
                string.write_text(&mut json, &mut has_surrogates)?;
                json.push(b'"');
                string.rest
            }
            b'b' => {
                let quote = inside
                    .bytes()
                    .next()
                    .filter(|byte| matches!(byte, b'\'' | b'"'))?;
                let mut string = Piece::new(inside.get(1..)?, quote);
                let bytes = string.bytes()?;
                json.push(b'"');
                json.extend_from_slice(BASE64_STANDARD.encode(bytes).as_bytes());
                json.push(b'"');
                string.rest
            }
            b'T' | b'F' | b'N' => {
                let (word, translated) = WORDS.into_iter().find(|(word, _)| rest.starts_with(word))?;
                json.extend_from_slice(translated.as_bytes());
                rest.get(word.len()..)?
            }
            // Tuples are lists; one of a single value ends with a comma.
            b'(' => {
                json.push(b'[');
                inside
            }
            b')' => {
                let end = json.trim_ascii_end();
                let end = end.strip_suffix(b",").unwrap_or(end).len();
                json.truncate(end);
                json.push(b']');
                inside
            }
            _ => {
                let plain = inside.find(['\'', '"', '(', ')', 'b', 'T', 'F', 'N']);
                let (plain, behind) = rest.split_at_checked(plain.map_or(rest.len(), |at| at + 1))?;
                json.extend_from_slice(plain.as_bytes());
                behind
            }
        };
    }
    let json = String::from_utf8(json).ok()?;
    Some(if has_surrogates {
        replace_lone_surrogates(&json).into_owned()
    } else {
        json
    })
}

/// The string that a literal begins with, as a JSON string, and what stands behind it. Nothing where it begins with anything
/// else, cannot be read, or holds a surrogate, which has to be looked at beside what stands next to it.
pub(super) fn split_string(literal: &str) -> Option<(String, &str)> {
    let quote = literal
        .bytes()
        .next()
        .filter(|byte| matches!(byte, b'\'' | b'"'))?;
    let mut string = Piece::new(literal.get(1..)?, quote);
    let mut json = Vec::with_capacity(64);
    let mut has_surrogates = false;
    json.push(b'"');
    string.write_text(&mut json, &mut has_surrogates)?;
    json.push(b'"');
    let json = String::from_utf8(json).ok().filter(|_| !has_surrogates)?;
    Some((json, string.rest))
}

const WORDS: [(&str, &str); 3] = [("True", "true"), ("False", "false"), ("None", "null")];

/// The rest of a literal, which begins inside a string.
struct Piece<'a> {
    rest: &'a str,
    quote: u8,
}

/// What comes next in a string.
enum Next<'a> {
    /// Letters that stand for themselves, none of them a quote or a backslash.
    Plain(&'a str),
    /// The character of this number.
    Character(u32),
    /// A backslash and a line break, which stand for nothing.
    Nothing,
    /// The quote that ends it.
    End,
}

impl<'a> Piece<'a> {
    fn new(rest: &'a str, quote: u8) -> Self {
        Piece { rest, quote }
    }

    /// Appends the string as the inside of a JSON string.
    fn write_text(&mut self, json: &mut Vec<u8>, has_surrogates: &mut bool) -> Option<()> {
        loop {
            match self.next()? {
                Next::Plain(plain) => write_escaped(json, plain),
                Next::Character(number @ 0xd800..=0xdfff) => {
                    // Two halves that stand side by side are one character in JSON.
                    json.extend_from_slice(format!("\\u{number:04x}").as_bytes());
                    *has_surrogates = true;
                }
                Next::Character(number) => {
                    write_escaped(json, char::from_u32(number)?.encode_utf8(&mut [0; 4]));
                }
                Next::Nothing => {}
                Next::End => return Some(()),
            }
        }
    }

    /// The string as bytes.
    fn bytes(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            match self.next()? {
                Next::Plain(plain) => bytes.extend_from_slice(plain.as_bytes()),
                Next::Character(number) => bytes.push(u8::try_from(number).ok()?),
                Next::Nothing => {}
                Next::End => return Some(bytes),
            }
        }
    }

    fn next(&mut self) -> Option<Next<'a>> {
        let at = memchr::memchr3(b'\\', b'\'', b'"', self.rest.as_bytes())?;
        let (plain, rest) = self.rest.split_at_checked(at)?;
        if !plain.is_empty() {
            self.rest = rest;
            return Some(Next::Plain(plain));
        }
        let (mark, rest) = rest.split_at_checked(1)?;
        self.rest = rest;
        match mark.bytes().next()? {
            b'\\' => self.escape(),
            mark_byte if mark_byte == self.quote => Some(Next::End),
            // The other kind of quote needs no escape in Python; `write_escaped` gives it the one that JSON wants.
            mark_byte => Some(Next::Character(mark_byte.into())),
        }
    }

    /// What stands behind a backslash (Python's reference, "String and Bytes literals").
    fn escape(&mut self) -> Option<Next<'a>> {
        let letter = self.rest.chars().next()?;
        let behind = self.rest.get(letter.len_utf8()..)?;
        let character = match letter {
            '\n' => {
                self.rest = behind;
                return Some(Next::Nothing);
            }
            '\\' | '\'' | '"' => letter.into(),
            'a' => 0x07,
            'b' => 0x08,
            'f' => 0x0c,
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            'v' => 0x0b,
            'x' => return self.number(1, 2, 16),
            'u' => return self.number(1, 4, 16),
            'U' => return self.number(1, 8, 16),
            '0'..='7' => {
                let digits = self.rest.bytes().take(3);
                let digits = digits.take_while(|byte| matches!(byte, b'0'..=b'7')).count();
                return self.number(0, digits, 8);
            }
            // Names of characters need a table of all of them, and `repr` never writes one.
            'N' => return None,
            // Any other backslash stands for itself.
            _ => return Some(Next::Character('\\'.into())),
        };
        self.rest = behind;
        Some(Next::Character(character))
    }

    /// The character whose number is written in `length` digits from `start` on.
    fn number(&mut self, start: usize, length: usize, base: u32) -> Option<Next<'a>> {
        let digits = self.rest.get(start..start + length)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = self.rest.get(start + length..)?;
        u32::from_str_radix(digits, base).ok().map(Next::Character)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Python's `repr` of a string, after its rules: double quotes where only single ones stand in it, and escapes for what
    /// cannot be printed. Which characters those are decides `printable`, because Python's tables are large.
    fn repr(text: &str, printable: impl Fn(char) -> bool) -> String {
        let quote = if text.contains('\'') && !text.contains('"') {
            '"'
        } else {
            '\''
        };
        let mut out = String::from(quote);
        for letter in text.chars() {
            let number = u32::from(letter);
            match letter {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                _ if letter == quote => out.extend(['\\', quote]),
                ' '..='~' => out.push(letter),
                _ if number >= 0xa0 && printable(letter) => out.push(letter),
                _ if number <= 0xff => write!(out, "\\x{number:02x}").unwrap(),
                _ if number <= 0xffff => write!(out, "\\u{number:04x}").unwrap(),
                _ => write!(out, "\\U{number:08x}").unwrap(),
            }
        }
        out.push(quote);
        out
    }

    fn repr_of(value: &Value, printable: bool) -> String {
        let joined = |parts: Vec<String>| parts.join(", ");
        match value {
            Value::Null => "None".to_owned(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::Number(number) => number.to_string(),
            Value::String(text) => repr(text, |_| printable),
            Value::Array(list) => {
                format!(
                    "[{}]",
                    joined(list.iter().map(|entry| repr_of(entry, printable)).collect())
                )
            }
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| {
                    format!("{}: {}", repr(name, |_| printable), repr_of(value, printable))
                };
                format!("{{{}}}", joined(members.iter().map(member).collect()))
            }
        }
    }

    fn read(literal: &str) -> Option<Value> {
        serde_json::from_str(&to_json(literal)?).ok()
    }

    #[test]
    fn every_kind_of_value_is_read() {
        for (literal, expected) in [
            (
                r#"{'a': "It's", 'b': 'say "x"'}"#,
                json!({"a": "It's", "b": "say \"x\""}),
            ),
            (
                r"{'a': True, 'b': False, 'c': None}",
                json!({"a": true, "b": false, "c": null}),
            ),
            (r"[1, -2, 1.5, 1e-05, []]", json!([1, -2, 1.5, 1e-05, []])),
            (
                r"'\a\b\f\n\r\t\v\\\'\0\101\1012\x1b'",
                json!("\u{7}\u{8}\u{c}\n\r\t\u{b}\\'\0AA2\u{1b}"),
            ),
            (r"'\u2028 \U0001f600 \d'", json!("\u{2028} \u{1f600} \\d")),
            ("'one \\\nline'", json!("one line")),
            // A lone half of a pair is no character; two halves are one.
            (r"'\ud83d x \ud83d\ude00'", json!("\u{fffd} x \u{1f600}")),
            (r#"b'\x00\xffab\'"'"#, json!("AP9hYici")),
            (r#"{'data': b"it's"}"#, json!({"data": "aXQncw=="})),
            (
                r"[(1, 'a(b)'), ('x',), ((), (None ,))]",
                json!([[1, "a(b)"], ["x"], [[], [null]]]),
            ),
            ("'b' ", json!("b")),
            (r"{'None': 'True b\'x\''}", json!({"None": "True b'x'"})),
        ] {
            assert_eq!(read(literal), Some(expected), "{literal}");
        }
    }

    #[test]
    fn what_is_no_literal_is_told() {
        for literal in [
            "",
            "'",
            "'a",
            r"'a\",
            r"'\x4'",
            r"'\x+1'",
            r"'\u12'",
            r"'\U00110000'",
            r"'\N{DASH}'",
            "b'\u{e9}'x",
            r"b'\u0101'",
            "b",
            "Tru",
            "{'a' 1}",
            "{'a': 1",
            "{1: 2}",
            "nan",
            "'a' 'b'",
            "\u{e9}",
            "print('x')",
            "(1",
            "(,)x",
        ] {
            assert_eq!(read(literal), None, "{literal}");
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            r#"[\\'"nxuUb0-9\n\r\t\x00-\x1f \x7f-\xff\u{1F600}]{0,12}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_is_read_back_from_its_repr(value in any_value(), printable in any::<bool>()) {
            let literal = repr_of(&value, printable);
            prop_assert_eq!(read(&literal), Some(value), "{}", literal);
        }

        #[test]
        fn a_string_alone_is_the_string_that_it_is_in_a_literal(text in any::<String>(), printable in any::<bool>()) {
            let literal = repr_of(&Value::from(text.as_str()), printable) + "}, 'x'";
            let (json, behind) = split_string(&literal).unwrap();
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            prop_assert_eq!(behind, "}, 'x'");
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), odd in r#"[\\'"bxuUN0-7{}\[\]:, \u{e9}]{0,30}"#) {
            for text in [&text, &odd] {
                let _ = to_json(text);
                let _ = split_string(text);
            }
        }
    }
}
