//! Answers: Anthropic's messages and their events. Agents that speak Messages are given them nearly as they come.

use serde::de::IgnoredAny;

use crate::ReadError;
use crate::error::Path;
use crate::event::{Event, Failure, StopReason, Usage, said};
use crate::json::{Document, Object, Text, Value, around, write_compact};
use crate::upstream_error::{broken, no_answer, read_failure};

/// Reads a stream's payloads (sap-wire.md §3.3).
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    started: bool,
    /// How many tool calls have begun; argument pieces belong to the last one, as blocks never overlap.
    calls: usize,
}

impl Decoder {
    /// Gives the events of the next payload. What has no meaning for other formats (`ping`, events yet unknown) gives none.
    pub(crate) fn read(&mut self, payload: &str, emit: &mut impl FnMut(Event<'_>)) {
        let document = Document::read(payload).ok();
        let Some(event) = document.as_ref().and_then(|document| document.root().object()) else {
            emit(Event::Failure(broken(
                "The upstream sent an event that cannot be read.",
            )));
            return;
        };
        let object = |name| event.get(name).and_then(Value::object);
        match literal(event, "type") {
            "\"message_start\"" if self.started => {
                emit(Event::Failure(broken(
                    "The upstream began its answer a second time.",
                )));
            }
            "\"content_block_start\"" | "\"content_block_delta\"" | "\"message_delta\"" if !self.started => {
                emit(Event::Failure(broken("The upstream's answer has no beginning.")));
            }
            "\"message_start\"" => {
                self.started = true;
                let message = object("message");
                emit_usage(message, emit);
                emit(Event::Start {
                    id: said(message.and_then(|message| message.get("id"))),
                });
            }
            "\"content_block_start\"" => {
                if let Some(block) = object("content_block") {
                    self.read_block(block, emit);
                }
            }
            "\"content_block_delta\"" => {
                if let Some(delta) = object("delta") {
                    self.read_delta(delta, emit);
                }
            }
            "\"message_delta\"" => {
                emit_usage(Some(event), emit);
                if let Some(delta) = object("delta") {
                    emit_stop(delta, emit);
                }
            }
            "\"message_stop\"" if self.started => emit(Event::End),
            "\"message_stop\"" => emit(Event::Failure(no_answer())),
            "\"error\"" => emit(Event::Failure(read_failure(payload))),
            // Bedrock's own errors have no type, only a text (sap-wire.md §3.3).
            type_name
                if event.get("error").is_some()
                    || (type_name.is_empty() && event.get("message").is_some()) =>
            {
                emit(Event::Failure(read_failure(payload)));
            }
            _ => {}
        }
    }

    /// A block as it begins in a stream. Its texts are empty then, as a rule; its input always.
    fn read_block(&mut self, block: Object<'_>, emit: &mut impl FnMut(Event<'_>)) {
        match literal(block, "type") {
            "\"text\"" => emit_said(block, "text", Event::Text, emit),
            "\"thinking\"" => {
                emit_said(block, "thinking", Event::Thinking, emit);
                emit_said(block, "signature", Event::Signature, emit);
            }
            "\"redacted_thinking\"" => emit_said(block, "data", Event::RedactedThinking, emit),
            "\"tool_use\"" => {
                let text = |name| said(block.get(name)).unwrap_or_else(|| Text::of(""));
                emit(Event::ToolCall {
                    index: self.calls,
                    id: text("id"),
                    name: text("name"),
                });
                self.calls += 1;
            }
            _ => {}
        }
    }

    fn read_delta(&mut self, delta: Object<'_>, emit: &mut impl FnMut(Event<'_>)) {
        emit_said(delta, "text", Event::Text, emit);
        emit_said(delta, "thinking", Event::Thinking, emit);
        emit_said(delta, "signature", Event::Signature, emit);
        if let (Some(piece), Some(index)) = (said(delta.get("partial_json")), self.calls.checked_sub(1)) {
            emit(Event::ToolArguments { index, piece });
        }
    }
}

/// Reads a whole message, and gives its members.
///
/// # Errors
/// When it cannot be read or is an error.
pub(crate) fn read_whole<'a>(
    body: &'a Document<'_>,
    emit: &mut impl FnMut(Event<'_>),
) -> Result<Object<'a>, Failure> {
    let unreadable = || broken("The upstream's answer cannot be read.");
    let message = body.root().object().ok_or_else(unreadable)?;
    let content = message.get("content");
    let content = content.ok_or_else(|| read_failure(message.literal()))?;
    let content = content.list().ok_or_else(unreadable)?;
    emit_usage(Some(message), emit);
    emit(Event::Start {
        id: said(message.get("id")),
    });
    let mut decoder = Decoder::default();
    for block in content {
        let block = block.object().ok_or_else(unreadable)?;
        decoder.read_block(block, emit);
        let input = block.get("input").and_then(Value::object);
        if let ("\"tool_use\"", Some(input)) = (literal(block, "type"), input) {
            let index = decoder.calls.saturating_sub(1);
            emit(Event::ToolArguments {
                index,
                piece: Text::of(input.literal()),
            });
        }
    }
    emit_stop(message, emit);
    emit(Event::End);
    Ok(message)
}

/// A member's JSON text, empty where there is none.
fn literal<'a>(object: Object<'a>, name: &str) -> &'a str {
    object.get(name).map_or("", Value::get)
}

fn emit_said<'a>(
    object: Object<'a>,
    name: &str,
    event: impl FnOnce(Text<'a>) -> Event<'a>,
    emit: &mut impl FnMut(Event<'a>),
) {
    if let Some(text) = said(object.get(name)) {
        emit(event(text));
    }
}

/// The token counts of a message or event, where they are given and can be read.
fn emit_usage(holder: Option<Object<'_>>, emit: &mut impl FnMut(Event<'_>)) {
    let counts = holder.and_then(|holder| holder.get("usage")?.object());
    if let Some(Ok(usage)) = counts.map(usage) {
        emit(Event::Usage(usage));
    }
}

fn usage(counts: Object<'_>) -> Result<Usage, ReadError> {
    let path = &Path::Body;
    Ok(Usage {
        input: counts.count("input_tokens", path)?,
        cache_read: counts.count("cache_read_input_tokens", path)?,
        cache_write: counts.count("cache_creation_input_tokens", path)?,
        output: counts.count("output_tokens", path)?,
        reasoning: None,
    })
}

fn emit_stop(holder: Object<'_>, emit: &mut impl FnMut(Event<'_>)) {
    let Some(reason) = holder.get("stop_reason") else {
        return;
    };
    let reason = match reason.get() {
        "\"max_tokens\"" | "\"model_context_window_exceeded\"" => StopReason::MaxTokens,
        "\"stop_sequence\"" => StopReason::StopSequence,
        "\"tool_use\"" => StopReason::ToolUse,
        "\"refusal\"" => StopReason::Refusal,
        "\"pause_turn\"" => StopReason::PauseTurn,
        _ => StopReason::EndTurn,
    };
    emit(Event::Stop {
        reason,
        sequence: said(holder.get("stop_sequence")),
    });
}

/// Whether a payload is a piece of content, told by its first member. They are nearly all of a stream, and for an agent
/// that speaks Messages nothing in them is looked at, only that they are whole: an agent may pass over what is no JSON, and
/// would take the rest for the whole answer. One that ends with its last string and both its objects was not cut; any other
/// is read.
pub(crate) fn is_content(payload: &str) -> bool {
    let value = payload.strip_prefix("{\"type\":").map(str::trim_start);
    value.is_some_and(|value| value.starts_with("\"content_block_delta\""))
        && (payload.ends_with("\"}}") || serde_json::from_str::<IgnoredAny>(payload).is_ok())
}

/// Appends a piece of content as an event for an agent that speaks Messages.
pub(crate) fn write_content(payload: &str, out: &mut Vec<u8>) {
    out.reserve(payload.len() + 48);
    out.extend_from_slice(b"event: content_block_delta\ndata: ");
    write_compact(out, payload);
    out.extend_from_slice(b"\n\n");
}

/// Appends an event for an agent that speaks Messages: named on a line of its own, with `model` (a JSON string) as the
/// message's model, without Bedrock's metrics, and otherwise as it came.
pub(crate) fn write_event(payload: &str, model: &str, out: &mut Vec<u8>) {
    let Ok(document) = Document::read(payload) else {
        return;
    };
    let event = document.root().object();
    let Some(name) = event.and_then(|event| event.get("type")?.text()) else {
        return;
    };
    out.reserve(payload.len() + model.len() + 64);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.escaped().as_bytes());
    out.extend_from_slice(b"\ndata: ");
    if name.is("message_start") {
        let old = event.and_then(|event| event.get("message")?.object()?.get("model"));
        match old.and_then(|old| around(payload, old.get())) {
            Some((before, after)) => {
                write_compact(out, before);
                out.extend_from_slice(model.as_bytes());
                write_compact(out, after);
            }
            None => write_compact(out, payload),
        }
    } else if name.is("message_stop") {
        write_without_metrics(event, out);
    } else {
        write_compact(out, payload);
    }
    out.extend_from_slice(b"\n\n");
}

/// Bedrock's metrics stand in `message_stop` (sap-wire.md §3.3).
fn write_without_metrics(event: Option<Object<'_>>, out: &mut Vec<u8>) {
    let members = event.into_iter().flat_map(Object::members);
    let kept = members.filter(|(name, _)| !name.escaped().starts_with("amazon-bedrock-"));
    for (position, (name, value)) in kept.enumerate() {
        out.push(if position == 0 { b'{' } else { b',' });
        out.extend_from_slice(name.literal().as_bytes());
        out.push(b':');
        write_compact(out, value.get());
    }
    out.push(b'}');
}
