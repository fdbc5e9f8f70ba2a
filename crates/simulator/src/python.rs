//! Values as Python's `repr()` writes them: so SAP AI Core sends the events of `/converse-stream` (sap-wire.md §3.4).

use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::Value;

/// A server-sent event whose data is a dictionary of Python.
pub(crate) fn event(value: &Value) -> Bytes {
    Bytes::from(format!("data: {}\n\n", repr(value)))
}

/// A value as Python writes it.
pub(crate) fn repr(value: &Value) -> String {
    let mut written = String::new();
    write(value, &mut written);
    written
}

fn write(value: &Value, into: &mut String) {
    match value {
        Value::Null => into.push_str("None"),
        Value::Bool(true) => into.push_str("True"),
        Value::Bool(false) => into.push_str("False"),
        Value::Number(number) => into.push_str(&number.to_string()),
        Value::String(text) => write_text(text, into),
        Value::Array(items) => {
            into.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    into.push_str(", ");
                }
                write(item, into);
            }
            into.push(']');
        }
        Value::Object(members) => {
            into.push('{');
            for (index, (key, member)) in members.iter().enumerate() {
                if index > 0 {
                    into.push_str(", ");
                }
                write_text(key, into);
                into.push_str(": ");
                write(member, into);
            }
            into.push('}');
        }
    }
}

/// Single quotes, unless there is one inside and no double one.
fn write_text(text: &str, into: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    into.push(quote);
    for letter in text.chars() {
        let code = u32::from(letter);
        // Writing into a string cannot fail.
        let _ = match letter {
            '\\' => into.write_str("\\\\"),
            '\n' => into.write_str("\\n"),
            '\r' => into.write_str("\\r"),
            '\t' => into.write_str("\\t"),
            _ if letter == quote => write!(into, "\\{letter}"),
            _ if is_printable(letter) => into.write_char(letter),
            _ if code <= 0xff => write!(into, "\\x{code:02x}"),
            _ if code <= 0xffff => write!(into, "\\u{code:04x}"),
            _ => write!(into, "\\U{code:08x}"),
        };
    }
    into.push(quote);
}

/// Whether Python's `str.isprintable` says so: no control, format, separator or private character.
fn is_printable(letter: char) -> bool {
    !matches!(letter,
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{a0}'
        | '\u{ad}'
        | '\u{600}'..='\u{605}'
        | '\u{61c}'
        | '\u{6dd}'
        | '\u{70f}'
        | '\u{1680}'
        | '\u{180e}'
        | '\u{2000}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}'
        | '\u{205f}'..='\u{206f}'
        | '\u{3000}'
        | '\u{e000}'..='\u{f8ff}'
        | '\u{fdd0}'..='\u{fdef}'
        | '\u{feff}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{fffe}'..='\u{ffff}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Each pair was written down from `python3 -c 'print(repr(…))'`.
    #[test]
    fn it_is_what_python_writes() {
        let cases = [
            (
                json!({"a": [1, 1.5, null, true, false]}),
                "{'a': [1, 1.5, None, True, False]}",
            ),
            (json!("It's"), r#""It's""#),
            (json!("It's \"so\""), r#"'It\'s "so"'"#),
            (json!("a\\b\n\r\t\u{1b}\u{7f}"), r"'a\\b\n\r\t\x1b\x7f'"),
            (
                json!("é漢😀 \u{a0}\u{2028}\u{feff}\u{e0001}"),
                r"'é漢😀 \xa0\u2028\ufeff\U000e0001'",
            ),
        ];
        for (value, written) in cases {
            assert_eq!(repr(&value), written);
        }
    }
}
