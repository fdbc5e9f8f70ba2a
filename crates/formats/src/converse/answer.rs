//! Reads Converse's answers (sap-wire.md §3.4): whole ones are JSON, the events of a stream Python literals.

use std::borrow::Cow;

use crate::ReadError;
use crate::converse::python::{split_string, to_json};
use crate::error::Path;
use crate::event::{Event, Failure, StopReason, Usage, said};
use crate::json::{Document, Object, Text, Value, write_string};
use crate::upstream_error::{broken, no_answer, read_failure};

/// Reads a stream's payloads.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    started: bool,
    stopped: bool,
    /// The block of each tool call so far.
    calls: Vec<u64>,
}

/// The payload as JSON: as it came, or translated from Python.
fn json_of(payload: &str) -> Option<Cow<'_, str>> {
    // No event of JSON begins like this, and nearly all of Python's do.
    if !payload.starts_with("{'") && Document::read(payload).is_ok() {
        return Some(Cow::Borrowed(payload));
    }
    to_json(payload).map(Cow::Owned)
}

/// The text, as a JSON string, of an event that says nothing else; nothing where the event is another one, or is written
/// in another way. `repr()` writes all of them alike, and nearly every event is one, so they need not be read as a whole.
fn text_alone(payload: &str) -> Option<String> {
    let string = payload.strip_prefix("{'contentBlockDelta': {'delta': {'text': ")?;
    let (text, behind) = split_string(string)?;
    let block = behind
        .strip_prefix("}, 'contentBlockIndex': ")?
        .strip_suffix("}}")?;
    let is_number = !block.is_empty() && block.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(text)
}

/// Whether nothing of a payload is missing.
pub(crate) fn is_whole(payload: &str) -> bool {
    json_of(payload).is_some_and(|json| Document::read(&json).is_ok())
}

impl Decoder {
    /// Gives the events of the next payload. Events yet unknown give none.
    pub(crate) fn read(&mut self, payload: &str, emit: &mut impl FnMut(Event<'_>)) {
        if self.started
            && let Some(json) = text_alone(payload)
        {
            if let Some(text) = Text::from_literal(&json).filter(|text| !text.is_empty()) {
                emit(Event::Text(text));
            }
            return;
        }
        let json = json_of(payload);
        let document = json.as_ref().and_then(|json| Document::read(json).ok());
        let event = document.as_ref().and_then(|document| document.root().object());
        let Some(event) = event else {
            emit(Event::Failure(broken(
                "The upstream sent an event that cannot be read.",
            )));
            return;
        };
        // An event has one member, which says what it is.
        for (name, value) in event.members() {
            let Some(content) = value.object() else { continue };
            match name.escaped() {
                "messageStart" if self.started => {
                    emit(Event::Failure(broken(
                        "The upstream began its answer a second time.",
                    )));
                }
                "messageStart" => self.start(emit),
                "contentBlockStart" => {
                    self.start(emit);
                    if let Some(call) = member(content, "start").and_then(|start| member(start, "toolUse")) {
                        self.read_call(call, content, emit);
                    }
                }
                "contentBlockDelta" => {
                    self.start(emit);
                    if let Some(delta) = member(content, "delta") {
                        self.read_delta(delta, content, emit);
                    }
                }
                "messageStop" if !self.started => emit(Event::Failure(no_answer())),
                "messageStop" => {
                    self.stopped = true;
                    emit(stop(content));
                }
                "metadata" => {
                    emit_usage(content, emit);
                    // It is the last one, where it comes.
                    self.end(emit);
                }
                _ => {}
            }
        }
        if let Some(failure) = failure(event) {
            emit(Event::Failure(failure));
        }
    }

    /// Takes the end of the body for the end of the answer, where the model has stopped.
    pub(crate) fn end(&mut self, emit: &mut impl FnMut(Event<'_>)) {
        if self.stopped {
            emit(Event::End);
        }
    }

    fn start(&mut self, emit: &mut impl FnMut(Event<'_>)) {
        if !self.started {
            self.started = true;
            emit(Event::Start { id: None });
        }
    }

    fn read_call(&mut self, call: Object<'_>, block: Object<'_>, emit: &mut impl FnMut(Event<'_>)) {
        emit_call(call, self.calls.len(), emit);
        self.calls.push(position(block));
    }

    fn read_delta(&mut self, delta: Object<'_>, block: Object<'_>, emit: &mut impl FnMut(Event<'_>)) {
        if let Some(text) = said(delta.get("text")) {
            emit(Event::Text(text));
        }
        if let Some(reasoning) = member(delta, "reasoningContent") {
            emit_thinking(reasoning, emit);
        }
        let piece = member(delta, "toolUse").and_then(|call| said(call.get("input")));
        let index = self.calls.iter().rposition(|call| *call == position(block));
        match (piece, index) {
            (Some(piece), Some(index)) => emit(Event::ToolArguments { index, piece }),
            (Some(_), None) => {
                emit(Event::Failure(broken(
                    "The upstream sent arguments of a call that has not begun.",
                )));
            }
            (None, _) => {}
        }
    }
}

/// Reads a whole body.
///
/// # Errors
/// When it cannot be read or holds an error.
pub(crate) fn read_whole(body: &Document<'_>, emit: &mut impl FnMut(Event<'_>)) -> Result<(), Failure> {
    let unreadable = || broken("The upstream's answer cannot be read.");
    let answer = body.root().object().ok_or_else(unreadable)?;
    let message = member(answer, "output").and_then(|output| member(output, "message"));
    let Some(message) = message else {
        return Err(failure(answer).unwrap_or_else(unreadable));
    };
    let blocks = message
        .get("content")
        .and_then(Value::list)
        .ok_or_else(unreadable)?;
    emit_usage(answer, emit);
    emit(Event::Start { id: None });
    let mut index = 0;
    for block in blocks {
        let block = block.object().ok_or_else(unreadable)?;
        if let Some(text) = said(block.get("text")) {
            emit(Event::Text(text));
        }
        if let Some(reasoning) = member(block, "reasoningContent") {
            emit_thinking(member(reasoning, "reasoningText").unwrap_or(reasoning), emit);
        }
        if let Some(call) = member(block, "toolUse") {
            emit_call(call, index, emit);
            if let Some(input) = member(call, "input") {
                let piece = Text::of(input.literal());
                emit(Event::ToolArguments { index, piece });
            }
            index += 1;
        }
    }
    match stop(answer) {
        Event::Failure(failure) => return Err(failure),
        stop => emit(stop),
    }
    emit(Event::End);
    Ok(())
}

fn member<'a>(object: Object<'a>, name: &str) -> Option<Object<'a>> {
    object.get(name)?.object()
}

/// The number of the block that an event belongs to.
fn position(block: Object<'_>) -> u64 {
    let given = block.get("contentBlockIndex");
    given.and_then(|index| index.get().parse().ok()).unwrap_or(0)
}

fn emit_call(call: Object<'_>, index: usize, emit: &mut impl FnMut(Event<'_>)) {
    let text = |name| said(call.get(name)).unwrap_or_else(|| Text::of(""));
    emit(Event::ToolCall {
        index,
        id: text("toolUseId"),
        name: text("name"),
    });
}

/// Signatures, and thinking that only the vendor can read, are left out: none of these models takes them back, and to an
/// agent they would look like Anthropic's.
fn emit_thinking(reasoning: Object<'_>, emit: &mut impl FnMut(Event<'_>)) {
    if let Some(text) = said(reasoning.get("text")) {
        emit(Event::Thinking(text));
    }
}

/// The token counts, where they are given and can be read. The input's exclude what was cached (sap-wire.md §3.4).
fn emit_usage(holder: Object<'_>, emit: &mut impl FnMut(Event<'_>)) {
    if let Some(Ok(usage)) = member(holder, "usage").map(usage) {
        emit(Event::Usage(usage));
    }
}

fn usage(counts: Object<'_>) -> Result<Usage, ReadError> {
    let path = &Path::Body;
    Ok(Usage {
        input: counts.count("inputTokens", path)?,
        cache_read: counts.count("cacheReadInputTokens", path)?,
        cache_write: counts.count("cacheWriteInputTokens", path)?,
        output: counts.count("outputTokens", path)?,
        reasoning: None,
    })
}

/// Why the model stopped, or that it made what Bedrock could not read, which is worth another try.
fn stop(holder: Object<'_>) -> Event<'static> {
    let reason = match holder.get("stopReason").map_or("", Value::get) {
        "\"max_tokens\"" | "\"model_context_window_exceeded\"" => StopReason::MaxTokens,
        "\"stop_sequence\"" => StopReason::StopSequence,
        "\"tool_use\"" => StopReason::ToolUse,
        "\"guardrail_intervened\"" | "\"content_filtered\"" => StopReason::Refusal,
        "\"malformed_model_output\"" | "\"malformed_tool_use\"" => {
            return Event::Failure(broken("The model's answer could not be read by Bedrock."));
        }
        _ => StopReason::EndTurn,
    };
    Event::Stop {
        reason,
        sequence: None,
    }
}

/// The error that an event or a body is: one of Bedrock's exceptions under its name, or an error of any other dialect.
fn failure(event: Object<'_>) -> Option<Failure> {
    let exception = event
        .members()
        .find(|(name, _)| name.escaped().ends_with("Exception"));
    if let Some((name, exception)) = exception {
        let message = exception
            .object()
            .and_then(|exception| said(exception.get("message")));
        let mut error = b"{\"error\":{\"type\":".to_vec();
        error.extend_from_slice(name.literal().as_bytes());
        error.extend_from_slice(b",\"message\":");
        match message {
            Some(message) => error.extend_from_slice(message.literal().as_bytes()),
            None => write_string(&mut error, &name.decode()),
        }
        error.extend_from_slice(b"}}");
        return Some(read_failure(&String::from_utf8_lossy(&error)));
    }
    let is_error = event.get("error").is_some() || event.get("message").is_some();
    is_error.then(|| read_failure(event.literal()))
}
