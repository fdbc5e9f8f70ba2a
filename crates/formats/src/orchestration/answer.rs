//! Answers: a completion in `final_result`, beside what the modules did on the way, which doubles it and is passed over.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::completion::{Chunk, CompletionReader, Whole};
use crate::event::{Event, Failure};
use crate::upstream_error::{broken, read_failure};

/// An answer or an event as a whole; an old form of errors has their members at the top.
#[derive(Deserialize)]
struct Envelope<'a, C> {
    final_result: Option<C>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    code: Option<&'a RawValue>,
    message: Option<&'a RawValue>,
}

impl<C> Envelope<'_, C> {
    fn is_error(&self) -> bool {
        self.error.is_some() || (self.final_result.is_none() && self.code.is_some() && self.message.is_some())
    }
}

/// Reads a stream's payloads.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    reader: CompletionReader,
}

impl Decoder {
    /// Gives the events of the next payload.
    pub(crate) fn read(&mut self, payload: &str, emit: &mut impl FnMut(Event<'_>)) {
        if payload == "[DONE]" {
            self.reader.end(emit);
            return;
        }
        let short_way = final_result(payload);
        if short_way.is_some_and(|text| self.reader.read_framed(text, emit).is_some()) {
            return;
        }
        let completion = short_way.and_then(|text| Some((text, serde_json::from_str(text).ok()?)));
        let result = match completion {
            Some((text, completion)) => self.reader.read(text, &completion, emit),
            None => self.read_envelope(payload, emit),
        };
        if let Err(failure) = result {
            emit(Event::Failure(failure));
        }
    }

    fn read_envelope(&mut self, payload: &str, emit: &mut impl FnMut(Event<'_>)) -> Result<(), Failure> {
        let unreadable = |_| broken("The upstream sent an event that cannot be read.");
        let envelope: Envelope<'_, Chunk<'_>> = serde_json::from_str(payload).map_err(unreadable)?;
        if envelope.is_error() {
            return Err(read_failure(payload));
        }
        let Some(completion) = envelope.final_result else {
            self.reader.start(None, emit);
            return Ok(());
        };
        self.reader.read(payload, &completion, emit)
    }
}

/// Reads a whole body.
///
/// # Errors
/// When it cannot be read or holds an error.
pub(crate) fn read_whole(body: &str, emit: &mut impl FnMut(Event<'_>)) -> Result<(), Failure> {
    let unreadable = || broken("The upstream's answer cannot be read.");
    let short_way = final_result(body).and_then(|text| serde_json::from_str::<Whole<'_>>(text).ok());
    if let Some(completion) = short_way.filter(|completion| !completion.choices.is_empty()) {
        CompletionReader::read_whole(&completion, emit);
        return Ok(());
    }
    let envelope: Envelope<'_, Whole<'_>> = serde_json::from_str(body).map_err(|_| unreadable())?;
    if envelope.is_error() {
        return Err(read_failure(body));
    }
    let completion = envelope
        .final_result
        .filter(|completion| !completion.choices.is_empty())
        .ok_or_else(unreadable)?;
    CompletionReader::read_whole(&completion, emit);
    Ok(())
}

/// The text of the completion in an event whose last member is `final_result`, as SAP writes them, without a look at the
/// rest.
///
/// The name with both its quotes unescaped can only be a member's name. It is the last member of the outermost object
/// exactly when its value reaches to the brace that ends the payload: one level deeper there would be a second brace
/// behind it, and what is given here could not be read. Then the payload has to be read as a whole.
fn final_result(payload: &str) -> Option<&str> {
    static NAME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"final_result\":"));
    let (before, found) = payload.split_at_checked(NAME.find(payload.as_bytes())?)?;
    if before.ends_with('\\') {
        return None;
    }
    Some(
        found
            .get(NAME.needle().len()..)?
            .trim_end()
            .strip_suffix('}')?
            .trim_start(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(payload: &str) -> Option<&str> {
        let completion: Chunk<'_> = serde_json::from_str(final_result(payload)?).ok()?;
        Some(completion.id?.get())
    }

    #[test]
    fn the_short_way_takes_only_the_outermost_last_member() {
        assert_eq!(
            id(r#"{"a":"\"final_result\":{}","final_result": {"id":"1"}}"#),
            Some("\"1\"")
        );
        assert_eq!(id(r#"{"final_result":{"id":"1"},"request_id":"r"}"#), None);
        assert_eq!(
            id(r#"{"intermediate_results":{"final_result":{"id":"1"}}}"#),
            None
        );
        assert_eq!(
            id(r#"{"intermediate_results":{"final_result":{"id":"1"}},"final_result":{"id":"2"}}"#),
            None
        );
        assert_eq!(id(r#"{"x\"final_result":{"id":"1"}}"#), None);
    }

    #[test]
    fn an_event_in_another_order_is_read_as_a_whole() {
        let mut texts = Vec::new();
        let payload =
            r#"{"final_result":{"choices":[{"index":0,"delta":{"content":"a"}}]},"request_id":"r"}"#;
        Decoder::default().read(payload, &mut |event| {
            if let Event::Text(text) = event {
                texts.push(text.decode().into_owned());
            }
        });
        assert_eq!(texts, ["a"]);
    }
}
