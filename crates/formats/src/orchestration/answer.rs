//! Answers: a completion in `final_result`, beside what the modules did on the way, which doubles it and is passed over.

use std::ops::Range;
use std::sync::LazyLock;

use crate::ReadError;
use crate::answer::text_of;
use crate::chat::completion::{Completion, CompletionReader};
use crate::error::Path;
use crate::event::{Event, Failure};
use crate::json::{Document, Object};
use crate::upstream_error::{broken, read_failure};
use memchr::memmem::Finder;

/// Whether an answer or an event is an error; an old form of errors has its members at the top.
fn is_error(envelope: Object<'_>) -> bool {
    let has = |name| envelope.get(name).is_some();
    has("error") || (!has("final_result") && has("code") && has("message"))
}

/// The completion that a text is.
fn completion<'a>(document: &'a Document<'_>) -> Option<Completion<'a>> {
    Completion::of(document.root().object()?).ok()
}

/// How many models of the request's list failed before the one that answers (spec `CompletionPostResponse`,
/// `intermediate_failures`): the list is gone through in its order.
pub(crate) fn failed_models(answer: &[u8]) -> usize {
    static NAME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"intermediate_failures\""));
    if NAME.find(answer).is_none() {
        return 0;
    }
    // The name may also stand in what is said.
    let text = text_of(answer);
    let document = Document::read(&text).ok();
    let envelope = document.as_ref().and_then(|document| document.root().object());
    let failures = envelope.and_then(|envelope| envelope.get("intermediate_failures")?.list());
    failures.map_or(0, Iterator::count)
}

/// Reads a stream's payloads.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    reader: CompletionReader,
    /// Told with the first payload, where the request named further models.
    failed_models: Option<usize>,
}

impl Decoder {
    /// `has_fallbacks` says whether the request named further models, one of which may answer.
    pub(crate) fn new(has_fallbacks: bool) -> Self {
        Decoder {
            failed_models: (!has_fallbacks).then_some(0),
            ..Decoder::default()
        }
    }

    /// How many models of the request's list failed before the one that answers.
    pub(crate) fn failed_models(&self) -> usize {
        self.failed_models.unwrap_or(0)
    }

    /// Gives the events of the next payload.
    pub(crate) fn read(&mut self, payload: &str, emit: &mut impl FnMut(Event<'_>)) {
        if payload == "[DONE]" {
            self.reader.end(emit);
            return;
        }
        self.failed_models
            .get_or_insert_with(|| failed_models(payload.as_bytes()));
        let short_way = final_result(payload.as_bytes()).and_then(|place| payload.get(place));
        if short_way.is_some_and(|text| self.reader.read_framed(text, emit).is_some()) {
            return;
        }
        let document = short_way.and_then(|text| Document::read(text).ok());
        let result = match (short_way, document.as_ref().and_then(completion)) {
            (Some(text), Some(completion)) => self.reader.read(text, completion, emit),
            _ => self.read_envelope(payload, emit),
        };
        if let Err(failure) = result {
            emit(Event::Failure(failure));
        }
    }

    fn read_envelope(&mut self, payload: &str, emit: &mut impl FnMut(Event<'_>)) -> Result<(), Failure> {
        let unreadable = || broken("The upstream sent an event that cannot be read.");
        let document = Document::read(payload).map_err(|_| unreadable())?;
        let envelope = document.root().object().ok_or_else(unreadable)?;
        if is_error(envelope) {
            return Err(read_failure(payload));
        }
        let Some(completion) = envelope.get("final_result") else {
            self.reader.start(None, emit);
            return Ok(());
        };
        let completion = completion.object().ok_or_else(unreadable)?;
        let completion = Completion::of(completion).map_err(|_| unreadable())?;
        self.reader.read(payload, completion, emit)
    }
}

/// Reads a whole body. Of what stands before the completion not even the letters are checked: it is as long.
///
/// # Errors
/// When it cannot be read or holds an error.
pub(crate) fn read_whole(body: &[u8], emit: &mut impl FnMut(Event<'_>)) -> Result<(), Failure> {
    let unreadable = |_: ReadError| broken("The upstream's answer cannot be read.");
    let short_way = final_result(body).and_then(|place| body.get(place)).map(text_of);
    let document = short_way.as_ref().and_then(|text| Document::read(text).ok());
    let short_way = document.as_ref().and_then(completion);
    if let Some(completion) = short_way.filter(|completion| completion.choices > 0) {
        return CompletionReader::read_whole(completion, emit).map_err(unreadable);
    }
    let body = text_of(body);
    let document = Document::read(&body).map_err(unreadable)?;
    let envelope = document.root().object();
    if envelope.is_some_and(is_error) {
        return Err(read_failure(&body));
    }
    let completion = envelope.and_then(|envelope| envelope.get("final_result")?.object());
    let completion = completion.map_or_else(
        || Err(ReadError::missing(&Path::Body.member("final_result"))),
        Completion::of,
    );
    completion
        .and_then(|completion| CompletionReader::read_whole(completion, emit))
        .map_err(unreadable)
}

/// Where the completion stands in an event whose last member is `final_result`, as SAP writes them, without a look at the
/// rest.
///
/// The name with both its quotes unescaped can only be a member's name. It is the last member of the outermost object
/// exactly when its value reaches to the brace that ends the payload: one level deeper there would be a second brace
/// behind it, and what is given here could not be read. Then the payload has to be read as a whole.
fn final_result(payload: &[u8]) -> Option<Range<usize>> {
    static NAME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"final_result\":"));
    let name = NAME.find(payload)?;
    let (before, found) = payload.split_at_checked(name)?;
    let behind = found.get(NAME.needle().len()..)?;
    let completion = behind.trim_ascii_end().strip_suffix(b"}")?;
    let start = name + NAME.needle().len();
    (!before.ends_with(b"\\")).then_some(start..start + completion.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(payload: &str) -> Option<String> {
        let document = Document::read(payload.get(final_result(payload.as_bytes())?)?).ok()?;
        Some(completion(&document)?.members.get("id")?.get().to_owned())
    }

    #[test]
    fn the_short_way_takes_only_the_outermost_last_member() {
        assert_eq!(
            id(r#"{"a":"\"final_result\":{}","final_result": {"id":"1"}}"#),
            Some("\"1\"".to_owned())
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
