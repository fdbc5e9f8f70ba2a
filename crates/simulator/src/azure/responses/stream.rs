//! The same as a stream: `data:` lines without `event:` and without `[DONE]` (spec fixture streamResponse.txt).

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::Answered;
use crate::answer::Answer;
use crate::json::{items, quoted, set, text};
use crate::tokens;

/// A piece of text and what hides its length make up this many letters, or a multiple of it.
const HIDDEN_LENGTH: usize = 16;

/// The events so far.
struct Events {
    events: Vec<Bytes>,
    obfuscation: bool,
}

impl Answered<'_> {
    /// The stream of a response that ends as `finished`.
    pub(super) fn stream(&self, output: &[Value], finished: &Value) -> Answer {
        let hides = self.body.pointer("/stream_options/include_obfuscation");
        let mut events = Events {
            events: Vec::new(),
            obfuscation: hides != Some(&Value::Bool(false)),
        };
        let opened = format!(r#""response":{}"#, self.opened());
        events.push("response.created", &opened);
        events.push("response.in_progress", &opened);
        for (index, item) in output.iter().enumerate() {
            events.item(index, item);
        }
        let last = if self.cut_off().is_some() {
            "response.incomplete"
        } else {
            "response.completed"
        };
        events.push(last, &format!(r#""response":{finished}"#));
        self.with_headers(Answer::events(events.events))
    }
}

impl Events {
    fn push(&mut self, kind: &str, members: &str) {
        let event = format!(
            "data: {{\"type\":\"{kind}\",{members},\"sequence_number\":{}}}\n\n",
            self.events.len()
        );
        self.events.push(Bytes::from(event));
    }

    /// A piece of text.
    fn delta(&mut self, kind: &str, piece: &str, place: &str) {
        let obfuscation = if self.obfuscation {
            format!(r#","obfuscation":"{}""#, hiding(piece, self.events.len()))
        } else {
            String::new()
        };
        let delta = quoted(piece);
        self.push(kind, &format!(r#""delta":{delta}{obfuscation},{place}"#));
    }

    fn item(&mut self, index: usize, item: &Value) {
        let place = format!(r#""item_id":{},"output_index":{index}"#, quoted(text(item, "id")));
        let mut begun = item.clone();
        match text(item, "type") {
            "reasoning" => {
                set(&mut begun, "summary", json!([]));
                self.begin(&begun, index);
                self.summary(item, &place);
            }
            "message" => {
                set(&mut begun, "status", json!("in_progress"));
                set(&mut begun, "content", json!([]));
                self.begin(&begun, index);
                self.content(item, &place);
            }
            _ => {
                set(&mut begun, "status", json!("in_progress"));
                set(&mut begun, "arguments", json!(""));
                self.begin(&begun, index);
                let arguments = text(item, "arguments");
                for piece in tokens::pieces(arguments) {
                    self.delta("response.function_call_arguments.delta", piece, &place);
                }
                let done = format!(r#""arguments":{},{place}"#, quoted(arguments));
                self.push("response.function_call_arguments.done", &done);
            }
        }
        self.push(
            "response.output_item.done",
            &format!(r#""item":{item},"output_index":{index}"#),
        );
    }

    fn begin(&mut self, item: &Value, index: usize) {
        self.push(
            "response.output_item.added",
            &format!(r#""item":{item},"output_index":{index}"#),
        );
    }

    fn summary(&mut self, item: &Value, place: &str) {
        for (at, part) in items(item, "summary").iter().enumerate() {
            let place = format!(r#"{place},"summary_index":{at}"#);
            let empty = json!({"type": "summary_text", "text": ""});
            let words = text(part, "text");
            self.push(
                "response.reasoning_summary_part.added",
                &format!(r#""part":{empty},{place}"#),
            );
            for piece in tokens::pieces(words) {
                self.delta("response.reasoning_summary_text.delta", piece, &place);
            }
            let words = quoted(words);
            self.push(
                "response.reasoning_summary_text.done",
                &format!(r#""text":{words},{place}"#),
            );
            self.push(
                "response.reasoning_summary_part.done",
                &format!(r#""part":{part},{place}"#),
            );
        }
    }

    fn content(&mut self, item: &Value, place: &str) {
        for (at, part) in items(item, "content").iter().enumerate() {
            let place = format!(r#"{place},"content_index":{at}"#);
            let with_probabilities = format!(r#"{place},"logprobs":[]"#);
            let mut empty = part.clone();
            set(&mut empty, "text", json!(""));
            let words = text(part, "text");
            self.push(
                "response.content_part.added",
                &format!(r#""part":{empty},{place}"#),
            );
            for piece in tokens::pieces(words) {
                self.delta("response.output_text.delta", piece, &with_probabilities);
            }
            let words = quoted(words);
            self.push(
                "response.output_text.done",
                &format!(r#""text":{words},{with_probabilities}"#),
            );
            self.push("response.content_part.done", &format!(r#""part":{part},{place}"#));
        }
    }
}

/// Letters that hide how long a piece is from whoever sees only the length of the events.
fn hiding(piece: &str, salt: usize) -> String {
    let letters = HIDDEN_LENGTH - piece.chars().count() % HIDDEN_LENGTH;
    (0..letters)
        .map(|at| {
            let mixed = (salt * 31 + at * 7) % 26;
            u8::try_from(mixed).map_or('x', |mixed| char::from(b'a' + mixed))
        })
        .collect()
}
