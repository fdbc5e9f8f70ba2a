//! Writing JSON, and repairing its text.

use std::borrow::Cow;

use super::document::Value;
use super::special::find_special;

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
    while let Some(position) = find_special(bytes, copied) {
        out.extend_from_slice(bytes.get(copied..position).unwrap_or_default());
        match bytes.get(position).copied().unwrap_or_default() {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control @ 0..=0x1f => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
            special => out.extend_from_slice(&[b'\\', special]),
        }
        copied = position + 1;
    }
    out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
}

/// Appends a member's name that needs no escape, with the comma before it and the colon behind it.
pub(crate) fn write_name(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
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
pub(crate) fn write_with_model(out: &mut Vec<u8>, body: &str, old: Option<Value<'_>>, model: &str) {
    out.reserve(body.len() + model.len() + 16);
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
pub(crate) fn replace_lone_surrogates(body: &str) -> Cow<'_, str> {
    let bytes = body.as_bytes();
    let suspicious = |escape: &[u8]| memchr::memmem::find(bytes, escape).is_some();
    if !suspicious(b"\\ud") && !suspicious(b"\\uD") {
        return Cow::Borrowed(body);
    }
    let mut fixed = Vec::with_capacity(bytes.len());
    let mut is_changed = false;
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
                is_changed = true;
                6
            }
            _ => {
                fixed.extend_from_slice(escape.get(..2).unwrap_or(escape));
                2
            }
        };
        rest = escape.get(taken..).unwrap_or_default();
    }
    if !is_changed {
        return Cow::Borrowed(body);
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
    use crate::json::Text;
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
