//! What stands around the text in the deltas of one item. Nearly all events of a stream are such deltas, and they differ in
//! nothing but their text, their obfuscation and their number: whoever knows the rest need not read it again.

use crate::json::{Object, Text, Value, around};

/// The member that makes all deltas equally long on the wire; agents are not given it.
const OBFUSCATION: &str = ",\"obfuscation\":";

/// What stands around the text, in the order `delta`, perhaps `obfuscation`, `sequence_number`, with which events end.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// Up to the text. Empty where no frame is known.
    before: String,
    /// Between the text and the obfuscation, or the number where there is none.
    between: String,
    /// Between the obfuscation and the number.
    behind: Option<String>,
}

impl Frame {
    /// Knows the frame of this event, whose JSON text is `payload`; none where the event is in another order.
    pub(super) fn set(&mut self, payload: &str, event: Object<'_>) {
        *self = Frame::of(payload, event).unwrap_or_default();
    }

    fn of(payload: &str, event: Object<'_>) -> Option<Self> {
        let member = |name| event.get(name).map(Value::get);
        // Such a line break could not be copied into an event.
        if memchr::memchr(b'\r', payload.as_bytes()).is_some() {
            return None;
        }
        let (before, rest) = around(payload, event.get("delta")?.text()?.literal())?;
        let (rest, end) = around(rest, member("sequence_number")?)?;
        if end != "}" {
            return None;
        }
        let (between, behind) = match event.get("obfuscation").and_then(Value::text) {
            Some(obfuscation) => {
                let (between, behind) = around(rest, obfuscation.literal())?;
                (between.strip_suffix(OBFUSCATION)?, Some(behind.to_owned()))
            }
            None => (rest, None),
        };
        Some(Frame {
            before: before.to_owned(),
            between: between.to_owned(),
            behind,
        })
    }

    /// The text of the delta that stands in this frame, where `payload` is one.
    pub(super) fn read<'a>(&self, payload: &'a str) -> Option<Text<'a>> {
        if self.before.is_empty() {
            return None;
        }
        let (text, rest) = Text::split_from(payload.strip_prefix(self.before.as_str())?)?;
        let mut rest = rest.strip_prefix(self.between.as_str())?;
        if let Some(behind) = &self.behind {
            let (_, after) = Text::split_from(rest.strip_prefix(OBFUSCATION)?)?;
            rest = after.strip_prefix(behind.as_str())?;
        }
        let number = rest.strip_suffix('}')?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        // A number does not begin with a zero that means nothing.
        let is_number = is_number && !number.is_empty() && (number == "0" || !number.starts_with('0'));
        is_number.then_some(text)
    }

    /// What stands before the text, and between the text and the number, without the obfuscation; nothing where no frame is
    /// known.
    pub(super) fn parts(&self) -> Option<(&str, [&str; 2])> {
        let behind = self.behind.as_deref().unwrap_or_default();
        (!self.before.is_empty()).then_some((&self.before, [&self.between, behind]))
    }
}
