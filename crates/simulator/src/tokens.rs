//! Tokens without a vocabulary: a text is cut where a byte-pair tokenizer of the o200k kind usually cuts it.
//!
//! One piece is one token, for counting, for cutting an answer at `max_tokens`, and for streaming it.

/// The letters of one word up to which it usually is one token.
const WHOLE_WORD: usize = 10;
/// The letters of a word up to which the sign before it usually is in the same token.
const SHORT_WORD: usize = 4;
/// How many letters of a longer word go into one token.
const WORD_PIECE: usize = 6;

/// The pieces of a text, in order; together they are the text.
pub(crate) fn pieces(text: &str) -> Pieces<'_> {
    Pieces { rest: text }
}

/// How many tokens a text has.
pub(crate) fn count(text: &str) -> u64 {
    pieces(text).count() as u64
}

/// See [`pieces`].
pub(crate) struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (piece, rest) = self.rest.split_at_checked(piece_length(self.rest))?;
        self.rest = rest;
        Some(piece)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Letter,
    OtherLetter,
    Ideograph,
    Digit,
    Space,
    Sign,
    Symbol,
}

fn kind(letter: char) -> Kind {
    match letter {
        'a'..='z' | 'A'..='Z' => Kind::Letter,
        '0'..='9' => Kind::Digit,
        ' ' | '\n' | '\t' | '\r' => Kind::Space,
        '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' => Kind::Ideograph,
        _ if letter.is_ascii() => Kind::Sign,
        _ if letter.is_alphabetic() => Kind::OtherLetter,
        _ => Kind::Symbol,
    }
}

fn piece_length(text: &str) -> usize {
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return 0 };
    let second = letters.next().map(kind);
    match kind(first) {
        Kind::Space => match (first, second) {
            // One blank belongs to the word that follows.
            (' ', Some(Kind::Letter | Kind::OtherLetter | Kind::Sign)) => {
                1 + text.get(1..).map_or(0, piece_length)
            }
            _ => space_length(text),
        },
        Kind::Letter | Kind::OtherLetter => word_length(text),
        Kind::Digit => text.bytes().take(3).take_while(u8::is_ascii_digit).count(),
        Kind::Sign => signs_length(text),
        Kind::Ideograph | Kind::Symbol => first.len_utf8(),
    }
}

/// A lone sign belongs to the short word that follows it; several stay together, with the end of the line.
fn signs_length(text: &str) -> usize {
    let run = text
        .bytes()
        .take_while(|&byte| byte.is_ascii() && kind(byte.into()) == Kind::Sign)
        .count();
    let behind = text.as_bytes().get(run..).unwrap_or_default();
    let word = behind
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    if run == 1 && (1..=SHORT_WORD).contains(&word) {
        return 1 + text.get(1..).map_or(0, word_length);
    }
    if run > 3 {
        return 3;
    }
    run + behind.iter().take_while(|&&byte| byte == b'\n').count()
}

/// A run of white space, without the last blank if a word follows it.
fn space_length(text: &str) -> usize {
    let run = text
        .bytes()
        .take_while(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r'))
        .count();
    let bytes = text.as_bytes();
    let word_follows = bytes.get(run).is_some_and(u8::is_ascii_alphabetic);
    if run > 1 && word_follows && bytes.get(run - 1) == Some(&b' ') {
        run - 1
    } else {
        run
    }
}

/// The first part of a word: up to the next hump of a camelCase word, and cut when it is long.
fn word_length(text: &str) -> usize {
    let (mut letters, mut length, mut foreign, mut lower) = (0_usize, 0_usize, 0_usize, false);
    let mut capitals = 0_usize;
    for letter in text.chars() {
        let kind = kind(letter);
        if !matches!(kind, Kind::Letter | Kind::OtherLetter) || (lower && letter.is_ascii_uppercase()) {
            break;
        }
        lower = letter.is_ascii_lowercase();
        foreign += usize::from(kind == Kind::OtherLetter);
        capitals += usize::from(letter.is_ascii_uppercase());
        letters += 1;
        length += letter.len_utf8();
        if letters > WHOLE_WORD {
            break;
        }
    }
    let whole = if foreign > 0 || capitals > 1 {
        4
    } else {
        WHOLE_WORD
    };
    if letters <= whole {
        return length;
    }
    let piece = if whole == WHOLE_WORD { WORD_PIECE } else { 3 };
    text.chars().take(piece).map(char::len_utf8).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_are_the_text() {
        for text in [
            "",
            "Hello, wörld!  x",
            "{\"a\":[1,22,4444]}\n\n  let getFile = 漢字 😀é;",
            " ",
            "\u{301}a",
        ] {
            assert_eq!(pieces(text).collect::<String>(), text);
            assert!(pieces(text).all(|piece| !piece.is_empty()));
        }
    }

    #[test]
    fn the_count_is_close_to_that_of_o200k() {
        let cases = [
            (
                "The quick brown fox jumps over the lazy dog, and then it sleeps in the shade of a large tree. Nobody \
                 knows why it does that every single afternoon, but the neighbours have stopped asking about it.",
                41,
            ),
            (
                r#"{"type":"object","properties":{"file_path":{"type":"string","description":"The absolute path to the file to read"},"limit":{"type":"integer","minimum":1}},"required":["file_path"],"additionalProperties":false}"#,
                48,
            ),
            (
                "pub fn pieces(text: &str) -> Pieces<'_> {\n    let mut letters = text.chars();\n    if \
                 letters.next().is_none() {\n        return Pieces { rest: text };\n    }\n}\n",
                43,
            ),
        ];
        for (text, known) in cases {
            let counted = count(text);
            assert!(
                counted.abs_diff(known) * 10 <= known,
                "{counted} instead of {known}: {text}"
            );
        }
    }
}
