//! What stands around the text in the chunks of a stream. Nearly all of them differ in nothing but that text and some
//! token counts: whoever knows the rest need not read it again.

use crate::json::{Object, Text, Value, around};
use crate::vertex::answer::{candidate, parts};

/// What stands around the text of a chunk that says nothing else.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// Up to the text. Empty where no frame is known.
    before: String,
    /// Behind the text: pieces with a whole number between each two of them.
    after: Vec<String>,
    is_thought: bool,
    /// The model's version, as bytes from the chunk's end; nothing where it has none.
    model: Option<(usize, usize)>,
}

/// A chunk that stands in a known frame.
pub(super) struct Framed<'p> {
    pub(super) text: Text<'p>,
    pub(super) is_thought: bool,
    /// What stands before and behind the model's version; all of the chunk and nothing where it has none.
    pub(super) around_model: Option<(&'p str, &'p str)>,
}

impl Frame {
    /// Knows the frame of this chunk, whose JSON text is `payload`; none where it says more than a text, or is in an order
    /// that is not known.
    pub(super) fn set(&mut self, payload: &str, chunk: Object<'_>) {
        *self = Frame::of(payload, chunk).unwrap_or_default();
    }

    fn of(payload: &str, chunk: Object<'_>) -> Option<Self> {
        // Line breaks could not be copied into an event.
        if memchr::memchr2(b'\r', b'\n', payload.as_bytes()).is_some() {
            return None;
        }
        let candidate = candidate(chunk)?;
        let is_known = |name: Text<'_>| ["content", "index"].iter().any(|known| name.is(known));
        let mut all_parts = parts(candidate);
        let part = all_parts.next()?;
        let candidates = chunk.get("candidates").and_then(Value::list)?.count();
        if candidates > 1
            || all_parts.next().is_some()
            || !candidate.members().all(|(name, _)| is_known(name))
        {
            return None;
        }
        let is_known = |name: Text<'_>| ["text", "thought"].iter().any(|known| name.is(known));
        if !part.members().all(|(name, _)| is_known(name)) {
            return None;
        }
        let (before, behind) = around(payload, part.get("text")?.text()?.literal())?;
        let after = pieces(behind);
        let model = match chunk.get("modelVersion") {
            Some(model) => {
                let (_, rest) = around(behind, model.get())?;
                let start = rest.len() + model.get().len();
                // A number behind it would move it.
                (start <= after.last()?.len()).then_some(Some((start, rest.len())))?
            }
            None => None,
        };
        Some(Frame {
            before: before.to_owned(),
            after,
            is_thought: part.get("thought").is_some_and(|thought| thought.get() == "true"),
            model,
        })
    }

    /// What a chunk says that stands in this frame; nothing where `payload` is another one.
    pub(super) fn read<'p>(&self, payload: &'p str) -> Option<Framed<'p>> {
        if self.before.is_empty() {
            return None;
        }
        let (text, mut rest) = Text::split_from(payload.strip_prefix(self.before.as_str())?)?;
        for (position, piece) in self.after.iter().enumerate() {
            if position > 0 {
                rest = behind_number(rest)?;
            }
            rest = rest.strip_prefix(piece.as_str())?;
        }
        if !rest.is_empty() {
            return None;
        }
        let at = |from_end: usize| payload.len().checked_sub(from_end);
        let around_model = match self.model {
            Some((start, end)) => Some((payload.get(..at(start)?)?, payload.get(at(end)?..)?)),
            None => None,
        };
        Some(Framed {
            text,
            is_thought: self.is_thought,
            around_model,
        })
    }
}

/// The pieces of JSON text around its whole numbers, as far as they are members' values.
fn pieces(json: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut rest = json;
    while let Some((head, tail)) = rest.split_once(':') {
        piece.push_str(head);
        piece.push(':');
        rest = tail;
        if let Some(behind) = behind_number(tail).filter(|behind| behind.starts_with([',', '}'])) {
            pieces.push(std::mem::take(&mut piece));
            rest = behind;
        }
    }
    piece.push_str(rest);
    pieces.push(piece);
    pieces
}

/// What stands behind the whole number that JSON text begins with.
fn behind_number(json: &str) -> Option<&str> {
    let digits = json.bytes().take_while(u8::is_ascii_digit).count();
    // A number does not begin with a zero that means nothing.
    let is_number = digits == 1 || digits > 1 && !json.starts_with('0');
    json.get(digits..).filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    fn frame(payload: &str) -> Frame {
        let mut frame = Frame::default();
        frame.set(payload, Document::read(payload).unwrap().root().object().unwrap());
        frame
    }

    fn chunk(text: &str, count: &str) -> String {
        format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":{text}}}]}}}}],"usageMetadata":{{"promptTokenCount":7,"totalTokenCount":{count}}},"modelVersion":"m","responseId":"a"}}"#
        )
    }

    #[test]
    fn a_chunk_with_another_text_and_other_counts_is_known() {
        let known = frame(&chunk("\"a\"", "8"));
        let next = chunk(r#""b\"\n\u00e9""#, "1234");
        let framed = known.read(&next).unwrap();
        assert_eq!(framed.text.literal(), r#""b\"\n\u00e9""#);
        let (before, behind) = framed.around_model.unwrap();
        assert!(before.ends_with("\"modelVersion\":") && behind.starts_with(",\"responseId\""));
    }

    #[test]
    fn a_number_behind_the_model_would_move_it() {
        let payload = chunk("\"a\"", "8").replace(r#""responseId":"a""#, r#""n":1"#);
        assert!(frame(&payload).read(&payload).is_none());
    }

    #[test]
    fn whatever_else_differs_is_another_chunk() {
        let known = frame(&chunk("\"a\"", "8"));
        for other in [
            chunk("\"a\"", "08"),
            chunk("\"a\"", ""),
            chunk("\"a\"", "-8"),
            chunk("\"a\"", "8.5"),
            chunk("\"a", "8"),
            chunk("\"\\x\"", "8"),
            chunk("5", "8"),
            chunk("\"a\",\"thought\":true", "8"),
            chunk("\"a\"", "8").replace("}]}", "}],\"finishReason\":\"STOP\"}"),
            chunk("\"a\"", "8") + " ",
            chunk("\"a\"", "8").replace("\"m\"", "\"n\""),
        ] {
            assert!(known.read(&other).is_none(), "{other}");
        }
    }

    #[test]
    fn only_a_text_alone_has_a_frame() {
        for payload in [
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#,
            r#"{"candidates":[{"content":{"parts":[{"text":"a"},{"text":"b"}]}}]}"#,
            r#"{"candidates":[{"content":{"parts":[{"text":"a","thoughtSignature":"x"}]}}]}"#,
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}},{"index":1}]}"#,
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"a"}}]}}]}"#,
            r#"{"modelVersion":"m","candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#,
            "{\n\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}",
            r#"{"usageMetadata":{}}"#,
        ] {
            assert!(frame(payload).read(payload).is_none(), "{payload}");
        }
        let thought = r#"{"candidates":[{"content":{"parts":[{"text":"a","thought":true}]}}]}"#;
        assert!(frame(thought).read(thought).unwrap().is_thought);
    }
}
