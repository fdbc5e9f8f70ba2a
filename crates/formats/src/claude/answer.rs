//! Answers: Anthropic's messages and their events. Agents that speak Messages are given them nearly as they come.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::event::{Event, Failure, StopReason, Usage, said};
use crate::json::{Document, Object, Text, around, write_compact};
use crate::upstream_error::{broken, no_answer, read_failure};

/// The members of every event of a stream (sap-wire.md §3.3).
#[derive(Deserialize)]
struct StreamEvent<'a> {
    #[serde(borrow)]
    r#type: Option<&'a RawValue>,
    /// An object in `message_start`, a text in some errors.
    message: Option<&'a RawValue>,
    content_block: Option<Block<'a>>,
    delta: Option<Delta<'a>>,
    usage: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
}

/// A message: as a whole, or as a stream begins with it.
#[derive(Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    pub(crate) model: Option<&'a RawValue>,
    content: Option<Vec<Block<'a>>>,
    stop_reason: Option<&'a RawValue>,
    stop_sequence: Option<&'a RawValue>,
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow)]
    r#type: Option<&'a RawValue>,
    text: Option<&'a RawValue>,
    thinking: Option<&'a RawValue>,
    signature: Option<&'a RawValue>,
    data: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    name: Option<&'a RawValue>,
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    thinking: Option<&'a RawValue>,
    signature: Option<&'a RawValue>,
    partial_json: Option<&'a RawValue>,
    stop_reason: Option<&'a RawValue>,
    stop_sequence: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct TokenUsage {
    #[serde(rename = "input_tokens")]
    input: Option<u64>,
    #[serde(rename = "cache_read_input_tokens")]
    cache_read: Option<u64>,
    #[serde(rename = "cache_creation_input_tokens")]
    cache_write: Option<u64>,
    #[serde(rename = "output_tokens")]
    output: Option<u64>,
}

/// Reads a stream's payloads.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    started: bool,
    /// How many tool calls have begun; argument pieces belong to the last one, as blocks never overlap.
    calls: usize,
}

impl Decoder {
    /// Gives the events of the next payload. What has no meaning for other formats (`ping`, events yet unknown) gives none.
    pub(crate) fn read(&mut self, payload: &str, emit: &mut impl FnMut(Event<'_>)) {
        let Ok(event) = serde_json::from_str::<StreamEvent<'_>>(payload) else {
            emit(Event::Failure(broken(
                "The upstream sent an event that cannot be read.",
            )));
            return;
        };
        match event.r#type.map_or("", RawValue::get) {
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
                read_start(event.message, emit);
            }
            "\"content_block_start\"" => {
                if let Some(block) = &event.content_block {
                    self.read_block(block, emit);
                }
            }
            "\"content_block_delta\"" => {
                if let Some(delta) = &event.delta {
                    self.read_delta(delta, emit);
                }
            }
            "\"message_delta\"" => {
                emit_usage(event.usage, emit);
                if let Some(delta) = &event.delta {
                    emit_stop(delta.stop_reason, delta.stop_sequence, emit);
                }
            }
            "\"message_stop\"" if self.started => emit(Event::End),
            "\"message_stop\"" => emit(Event::Failure(no_answer())),
            "\"error\"" => emit(Event::Failure(read_failure(payload))),
            // Bedrock's own errors have no type, only a text (sap-wire.md §3.3).
            type_name if event.error.is_some() || (type_name.is_empty() && event.message.is_some()) => {
                emit(Event::Failure(read_failure(payload)));
            }
            _ => {}
        }
    }

    /// A block as it begins in a stream. Its texts are empty then, as a rule; its input always.
    fn read_block(&mut self, block: &Block<'_>, emit: &mut impl FnMut(Event<'_>)) {
        match block.r#type.map_or("", RawValue::get) {
            "\"text\"" => emit_said(block.text, Event::Text, emit),
            "\"thinking\"" => {
                emit_said(block.thinking, Event::Thinking, emit);
                emit_said(block.signature, Event::Signature, emit);
            }
            "\"redacted_thinking\"" => emit_said(block.data, Event::RedactedThinking, emit),
            "\"tool_use\"" => {
                let text = |raw| said(raw).unwrap_or_else(|| Text::of(""));
                emit(Event::ToolCall {
                    index: self.calls,
                    id: text(block.id),
                    name: text(block.name),
                });
                self.calls += 1;
            }
            _ => {}
        }
    }

    fn read_delta(&mut self, delta: &Delta<'_>, emit: &mut impl FnMut(Event<'_>)) {
        emit_said(delta.text, Event::Text, emit);
        emit_said(delta.thinking, Event::Thinking, emit);
        emit_said(delta.signature, Event::Signature, emit);
        if let (Some(piece), Some(index)) = (said(delta.partial_json), self.calls.checked_sub(1)) {
            emit(Event::ToolArguments { index, piece });
        }
    }
}

fn read_start(message: Option<&RawValue>, emit: &mut impl FnMut(Event<'_>)) {
    let message = message.and_then(|message| serde_json::from_str::<Message<'_>>(message.get()).ok());
    emit_usage(message.as_ref().and_then(|message| message.usage), emit);
    emit(Event::Start {
        id: message.and_then(|message| said(message.id)),
    });
}

/// Reads a whole message.
///
/// # Errors
/// When it cannot be read or is an error.
pub(crate) fn read_whole<'a>(
    body: &'a str,
    emit: &mut impl FnMut(Event<'_>),
) -> Result<Message<'a>, Failure> {
    let message: Message<'a> =
        serde_json::from_str(body).map_err(|_| broken("The upstream's answer cannot be read."))?;
    let Some(content) = &message.content else {
        return Err(read_failure(body));
    };
    emit_usage(message.usage, emit);
    emit(Event::Start { id: said(message.id) });
    let mut decoder = Decoder::default();
    for block in content {
        decoder.read_block(block, emit);
        let input = block.input.filter(|input| input.get().starts_with('{'));
        if let (Some("\"tool_use\""), Some(input)) = (block.r#type.map(RawValue::get), input) {
            let index = decoder.calls.saturating_sub(1);
            emit(Event::ToolArguments {
                index,
                piece: Text::of(input.get()),
            });
        }
    }
    emit_stop(message.stop_reason, message.stop_sequence, emit);
    emit(Event::End);
    Ok(message)
}

fn emit_said<'a>(
    raw: Option<&'a RawValue>,
    event: impl FnOnce(Text<'a>) -> Event<'a>,
    emit: &mut impl FnMut(Event<'a>),
) {
    if let Some(text) = said(raw) {
        emit(event(text));
    }
}

fn emit_usage(usage: Option<&RawValue>, emit: &mut impl FnMut(Event<'_>)) {
    let usage = usage.and_then(|usage| serde_json::from_str::<TokenUsage>(usage.get()).ok());
    if let Some(usage) = usage {
        emit(Event::Usage(Usage {
            input: usage.input,
            cache_read: usage.cache_read,
            cache_write: usage.cache_write,
            output: usage.output,
            reasoning: None,
        }));
    }
}

fn emit_stop<'a>(
    reason: Option<&'a RawValue>,
    sequence: Option<&'a RawValue>,
    emit: &mut impl FnMut(Event<'a>),
) {
    let Some(reason) = reason else { return };
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
        sequence: said(sequence),
    });
}

/// Whether a payload is a piece of content, told by its first member. They are nearly all of a stream, and for an agent
/// that speaks Messages nothing in them is looked at, only that they are JSON: an agent may pass over what is none, and
/// would take the rest for the whole answer.
pub(crate) fn is_content(payload: &str) -> bool {
    let value = payload.strip_prefix("{\"type\":").map(str::trim_start);
    value.is_some_and(|value| value.starts_with("\"content_block_delta\""))
        && serde_json::from_str::<IgnoredAny>(payload).is_ok()
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
    let Ok(event) = serde_json::from_str::<StreamEvent<'_>>(payload) else {
        return;
    };
    let Some(name) = event.r#type.and_then(Text::from_raw) else {
        return;
    };
    out.reserve(payload.len() + model.len() + 64);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.escaped().as_bytes());
    out.extend_from_slice(b"\ndata: ");
    if name.is("message_start") {
        let message = event
            .message
            .and_then(|message| serde_json::from_str::<Message<'_>>(message.get()).ok());
        let old = message.and_then(|message| message.model);
        match old.and_then(|old| around(payload, old.get())) {
            Some((before, after)) => {
                write_compact(out, before);
                out.extend_from_slice(model.as_bytes());
                write_compact(out, after);
            }
            None => write_compact(out, payload),
        }
    } else if name.is("message_stop") {
        write_without_metrics(payload, out);
    } else {
        write_compact(out, payload);
    }
    out.extend_from_slice(b"\n\n");
}

/// Bedrock's metrics stand in `message_stop` (sap-wire.md §3.3).
fn write_without_metrics(payload: &str, out: &mut Vec<u8>) {
    let Ok(document) = Document::read(payload) else {
        return;
    };
    let members = document.root().object().into_iter().flat_map(Object::members);
    let kept = members.filter(|(name, _)| !name.escaped().starts_with("amazon-bedrock-"));
    for (position, (name, value)) in kept.enumerate() {
        out.push(if position == 0 { b'{' } else { b',' });
        out.extend_from_slice(name.literal().as_bytes());
        out.push(b':');
        write_compact(out, value.get());
    }
    out.push(b'}');
}
