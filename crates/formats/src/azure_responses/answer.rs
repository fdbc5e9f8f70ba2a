//! Answers: OpenAI's responses and their events, which come without `event:` lines and without `[DONE]` (sap-wire.md §3.2).

use crate::ReadError;
use crate::azure_responses::frame::Frame;
use crate::error::Path;
use crate::event::{Event, Failure, StopReason, Usage, said};
use crate::json::{Document, Member, Object, Text, Value};
use crate::signature::Signer;
use crate::upstream_error::{broken, no_answer, read_failure};

/// The members of a response that tell how it has ended.
const END: [&str; 3] = ["status", "usage", "incomplete_details"];

/// Reads a stream's payloads.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    started: bool,
    refused: bool,
    calls: Vec<KnownCall>,
    frame: Frame,
    /// What a delta in the frame is a piece of.
    framed: Piece,
}

/// A tool call that has begun.
#[derive(Debug)]
struct KnownCall {
    /// The place of its item, as the upstream writes it.
    place: String,
    /// Whether a piece of its arguments has come.
    has_arguments: bool,
}

/// What a delta is a piece of.
#[derive(Clone, Copy, Debug, Default)]
enum Piece {
    #[default]
    Text,
    Thinking,
    /// The arguments of the call with this number.
    Arguments(usize),
}

impl Decoder {
    /// Gives the events of the next payload.
    pub(crate) fn read(&mut self, payload: &str, emit: &mut impl FnMut(Event<'_>)) {
        if self.read_framed(payload, emit).is_some() {
            return;
        }
        let document = Document::read(payload).ok();
        match document.as_ref().and_then(|document| document.root().object()) {
            Some(event) => self.read_event(payload, event, emit),
            None => emit(Event::Failure(unreadable())),
        }
    }

    /// Gives the event of a delta that differs from an earlier one in its text only, and that text; nothing where the
    /// payload is no such delta.
    pub(super) fn read_framed<'p>(
        &self,
        payload: &'p str,
        emit: &mut impl FnMut(Event<'_>),
    ) -> Option<Text<'p>> {
        let text = self.frame.read(payload)?;
        if !text.is_empty() {
            emit(self.framed.event(text.clone()));
        }
        Some(text)
    }

    pub(super) fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Gives the events of the event whose JSON text is `payload`. What has no meaning for other formats gives none.
    pub(super) fn read_event(&mut self, payload: &str, event: Object<'_>, emit: &mut impl FnMut(Event<'_>)) {
        let kind = literal(event, "type");
        let response = || event.get("response").and_then(Value::object);
        match kind {
            "\"response.created\"" | "\"response.in_progress\"" | "\"response.queued\"" => {
                self.start(response().and_then(|response| response.get("id")), emit);
            }
            "\"response.output_text.delta\"" => self.read_piece(Piece::Text, payload, event, emit),
            "\"response.refusal.delta\"" => {
                self.refused = true;
                self.read_piece(Piece::Text, payload, event, emit);
            }
            "\"response.reasoning_summary_text.delta\"" | "\"response.reasoning_text.delta\"" => {
                self.read_piece(Piece::Thinking, payload, event, emit);
            }
            "\"response.reasoning_summary_part.added\"" if literal(event, "summary_index") != "0" => {
                self.start(None, emit);
                emit(Event::Thinking(Text::of("\n\n")));
            }
            "\"response.function_call_arguments.delta\"" => {
                let place = literal(event, "output_index");
                if let Some(index) = self.calls.iter().position(|call| call.place == place) {
                    self.read_piece(Piece::Arguments(index), payload, event, emit);
                }
            }
            "\"response.output_item.added\"" | "\"response.output_item.done\"" => {
                if let Some(item) = event.get("item").and_then(Value::object) {
                    self.start(None, emit);
                    let is_done = kind == "\"response.output_item.done\"";
                    self.read_item(item, literal(event, "output_index"), is_done, emit);
                }
            }
            "\"response.completed\"" | "\"response.incomplete\"" => match response() {
                Some(response) if self.started => {
                    self.read_end(response.get_each(END), emit);
                }
                _ => emit(Event::Failure(no_answer())),
            },
            "\"response.failed\"" | "\"response.cancelled\"" => {
                // Where it gives no error, the event that follows does.
                let error = response().and_then(|response| response.get("error")?.object());
                if let Some(error) = error {
                    emit(Event::Failure(read_failure(error.literal())));
                }
            }
            "\"error\"" => emit(Event::Failure(read_failure(payload))),
            _ if event.get("error").is_some() => emit(Event::Failure(read_failure(payload))),
            "" => emit(Event::Failure(unreadable())),
            _ => {}
        }
    }

    fn start(&mut self, id: Option<Value<'_>>, emit: &mut impl FnMut(Event<'_>)) {
        if !self.started {
            self.started = true;
            emit(Event::Start { id: said(id) });
        }
    }

    fn read_piece(
        &mut self,
        piece: Piece,
        payload: &str,
        event: Object<'_>,
        emit: &mut impl FnMut(Event<'_>),
    ) {
        self.start(None, emit);
        self.framed = piece;
        self.frame.set(payload, event);
        if let Piece::Arguments(index) = piece
            && let Some(call) = self.calls.get_mut(index)
        {
            call.has_arguments = true;
        }
        if let Some(text) = said(event.get("delta")) {
            emit(piece.event(text));
        }
    }

    /// An item that begins or is done. Its texts came before as deltas; calls may come without them.
    fn read_item(&mut self, item: Object<'_>, place: &str, is_done: bool, emit: &mut impl FnMut(Event<'_>)) {
        match literal(item, "type") {
            "\"function_call\"" => {
                let known = self.calls.iter().position(|call| call.place == place);
                let index = known.unwrap_or(self.calls.len());
                if known.is_none() {
                    self.calls.push(KnownCall {
                        place: place.to_owned(),
                        has_arguments: false,
                    });
                    emit_call(index, item, emit);
                }
                if let Some(call) = self.calls.get_mut(index).filter(|call| !call.has_arguments)
                    && is_done
                    && let Some(piece) = said(item.get("arguments"))
                {
                    call.has_arguments = true;
                    emit(Event::ToolArguments { index, piece });
                }
            }
            "\"reasoning\"" if is_done => emit_signature(item, emit),
            _ => {}
        }
    }

    /// Takes what a response's members of the names in [`END`] say.
    fn read_end(
        &mut self,
        [status, counts, details]: [Option<Value<'_>>; 3],
        emit: &mut impl FnMut(Event<'_>),
    ) {
        if let Some(Ok(usage)) = counts.and_then(Value::object).map(usage) {
            emit(Event::Usage(usage));
        }
        let reason = match status.map_or("", Value::get) {
            "\"incomplete\"" => {
                let details = details.and_then(Value::object);
                match details.map_or("", |details| literal(details, "reason")) {
                    "\"content_filter\"" => StopReason::Refusal,
                    _ => StopReason::MaxTokens,
                }
            }
            _ if self.refused => StopReason::Refusal,
            _ if !self.calls.is_empty() => StopReason::ToolUse,
            _ => StopReason::EndTurn,
        };
        emit(Event::Stop {
            reason,
            sequence: None,
        });
        emit(Event::End);
    }
}

impl Piece {
    fn event(self, text: Text<'_>) -> Event<'_> {
        match self {
            Piece::Text => Event::Text(text),
            Piece::Thinking => Event::Thinking(text),
            Piece::Arguments(index) => Event::ToolArguments { index, piece: text },
        }
    }
}

/// Reads a whole response, and gives its members and its model.
///
/// # Errors
/// When it cannot be read, is an error, or has failed.
pub(crate) fn read_whole<'a>(
    body: &'a Document<'_>,
    emit: &mut impl FnMut(Event<'_>),
) -> Result<(Object<'a>, Option<Value<'a>>), Failure> {
    let response = body.root().object().ok_or_else(unreadable)?;
    // One pass, because a response repeats the settings of its request in some thirty members.
    let [end_status, usage, details] = END;
    let names = ["error", "output", "id", "model", end_status, usage, details];
    let [error, output, id, model, status, usage, details] = response.get_each(names);
    if let Some(error) = error {
        return Err(read_failure(
            error.object().map_or(response.literal(), Object::literal),
        ));
    }
    let output = output.ok_or_else(|| read_failure(response.literal()))?;
    let output = output.list().ok_or_else(unreadable)?;
    if status.is_some_and(|status| status.get() == "\"failed\"") {
        return Err(broken("The model's answer has failed, without a reason."));
    }
    let mut decoder = Decoder::default();
    decoder.start(id, emit);
    for (place, item) in output.enumerate() {
        let item = item.object().ok_or_else(unreadable)?;
        match literal(item, "type") {
            "\"message\"" => {
                let parts = item.get("content").and_then(Value::list);
                for part in parts.into_iter().flatten().filter_map(Value::object) {
                    if let Some(text) = said(part.get("text")) {
                        emit(Event::Text(text));
                    } else if let Some(refusal) = said(part.get("refusal")) {
                        decoder.refused = true;
                        emit(Event::Text(refusal));
                    }
                }
            }
            "\"reasoning\"" => {
                let parts = item.get("summary").and_then(Value::list);
                let texts = parts
                    .into_iter()
                    .flatten()
                    .filter_map(|part| said(part.object()?.get("text")));
                let texts: Vec<_> = texts.collect();
                if !texts.is_empty() {
                    emit(Event::Thinking(Text::join(&texts, "\n\n")));
                }
                emit_signature(item, emit);
            }
            _ => decoder.read_item(item, &place.to_string(), true, emit),
        }
    }
    decoder.read_end([status, usage, details], emit);
    Ok((response, model))
}

fn unreadable() -> Failure {
    broken("The upstream sent a response that cannot be read.")
}

/// A member's JSON text, empty where there is none.
pub(super) fn literal<'a>(object: Object<'a>, name: &str) -> &'a str {
    object.get(name).map_or("", Value::get)
}

fn emit_call(index: usize, item: Object<'_>, emit: &mut impl FnMut(Event<'_>)) {
    let text = |name| said(item.get(name)).unwrap_or_else(|| Text::of(""));
    emit(Event::ToolCall {
        index,
        id: text("call_id"),
        name: text("name"),
    });
}

fn emit_signature(item: Object<'_>, emit: &mut impl FnMut(Event<'_>)) {
    if let Some(encrypted) = said(item.get("encrypted_content")) {
        emit(Event::Signature(Signer::OpenAi.sign(&encrypted)));
    }
}

fn usage(counts: Object<'_>) -> Result<Usage, ReadError> {
    let path = &Path::Body;
    let [input, output, input_details, output_details] = counts.named([
        "input_tokens",
        "output_tokens",
        "input_tokens_details",
        "output_tokens_details",
    ]);
    let detail = |details: Member<'_>, name| match details.value.and_then(Value::object) {
        Some(details) => details.count(name, path),
        None => Ok(None),
    };
    let cache_read = detail(input_details, "cached_tokens")?;
    let input = input.count(path)?;
    Ok(Usage {
        // The input's tokens include the cached ones.
        input: input.map(|all| all.saturating_sub(cache_read.unwrap_or(0))),
        cache_read,
        cache_write: None,
        output: output.count(path)?,
        reasoning: detail(output_details, "reasoning_tokens")?,
    })
}
