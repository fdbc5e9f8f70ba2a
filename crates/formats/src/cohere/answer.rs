//! Reads Cohere's answers (sap-wire.md §3.6; Cohere's API reference, "Chat with Streaming").

use crate::ReadError;
use crate::error::Path;
use crate::event::{Event, Failure, StopReason, Usage, said};
use crate::json::{Document, Object, Text, Value};
use crate::upstream_error::{broken, no_answer, read_failure};

/// Reads a stream's payloads.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    started: bool,
    /// How many tool calls have begun; argument pieces belong to the last one, as calls never overlap.
    calls: usize,
}

impl Decoder {
    /// Gives the events of the next payload. Citations, and events yet unknown, give none.
    pub(crate) fn read(&mut self, payload: &str, emit: &mut impl FnMut(Event<'_>)) {
        let document = Document::read(payload).ok();
        let Some(event) = document.as_ref().and_then(|document| document.root().object()) else {
            emit(Event::Failure(broken(
                "The upstream sent an event that cannot be read.",
            )));
            return;
        };
        let delta = member(event, "delta");
        let message = delta.and_then(|delta| member(delta, "message"));
        match event.get("type").map_or("", Value::get) {
            "\"message-start\"" if self.started => {
                emit(Event::Failure(broken(
                    "The upstream began its answer a second time.",
                )));
            }
            "\"message-start\"" => {
                self.started = true;
                emit(Event::Start {
                    id: said(event.get("id")),
                });
            }
            "\"content-start\""
            | "\"content-delta\""
            | "\"tool-plan-delta\""
            | "\"tool-call-start\""
            | "\"tool-call-delta\""
                if !self.started =>
            {
                emit(Event::Failure(broken("The upstream's answer has no beginning.")));
            }
            "\"content-start\"" | "\"content-delta\"" => {
                if let Some(content) = message.and_then(|message| member(message, "content")) {
                    emit_content(content, emit);
                }
            }
            "\"tool-plan-delta\"" => emit_plan(message, emit),
            "\"tool-call-start\"" => {
                if let Some(call) = message.and_then(|message| member(message, "tool_calls")) {
                    emit_call(call, self.calls, emit);
                    self.calls += 1;
                }
            }
            "\"tool-call-delta\"" => {
                let call = message.and_then(|message| member(message, "tool_calls"));
                if let (Some(call), Some(index)) = (call, self.calls.checked_sub(1)) {
                    emit_arguments(call, index, emit);
                }
            }
            "\"message-end\"" if !self.started => emit(Event::Failure(no_answer())),
            "\"message-end\"" => {
                let Some(delta) = delta else { return };
                emit_usage(delta, emit);
                match stop(delta) {
                    Ok(reason) => {
                        emit(Event::Stop {
                            reason,
                            sequence: None,
                        });
                        emit(Event::End);
                    }
                    Err(failure) => emit(Event::Failure(failure)),
                }
            }
            kind if event.get("error").is_some() || (kind.is_empty() && event.get("message").is_some()) => {
                emit(Event::Failure(read_failure(payload)));
            }
            _ => {}
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
    let Some(message) = member(answer, "message") else {
        return Err(read_failure(answer.literal()));
    };
    let reason = stop(answer)?;
    if answer.get("finish_reason").is_none() {
        return Err(unreadable());
    }
    emit_usage(answer, emit);
    emit(Event::Start {
        id: said(answer.get("id")),
    });
    emit_plan(Some(message), emit);
    for content in message.get("content").and_then(Value::list).into_iter().flatten() {
        emit_content(content.object().ok_or_else(unreadable)?, emit);
    }
    let calls = message.get("tool_calls").and_then(Value::list);
    for (index, call) in calls.into_iter().flatten().enumerate() {
        let call = call.object().ok_or_else(unreadable)?;
        emit_call(call, index, emit);
    }
    emit(Event::Stop {
        reason,
        sequence: None,
    });
    emit(Event::End);
    Ok(())
}

fn member<'a>(object: Object<'a>, name: &str) -> Option<Object<'a>> {
    object.get(name)?.object()
}

fn emit_content(content: Object<'_>, emit: &mut impl FnMut(Event<'_>)) {
    if let Some(thinking) = said(content.get("thinking")) {
        emit(Event::Thinking(thinking));
    }
    if let Some(text) = said(content.get("text")) {
        emit(Event::Text(text));
    }
}

/// What the model means to do with the tools is its thinking.
fn emit_plan(message: Option<Object<'_>>, emit: &mut impl FnMut(Event<'_>)) {
    if let Some(plan) = message.and_then(|message| said(message.get("tool_plan"))) {
        emit(Event::Thinking(plan));
    }
}

fn emit_call(call: Object<'_>, index: usize, emit: &mut impl FnMut(Event<'_>)) {
    let nothing = || Text::of("");
    let function = member(call, "function");
    let name = function.and_then(|function| said(function.get("name")));
    emit(Event::ToolCall {
        index,
        id: said(call.get("id")).unwrap_or_else(nothing),
        name: name.unwrap_or_else(nothing),
    });
    emit_arguments(call, index, emit);
}

fn emit_arguments(call: Object<'_>, index: usize, emit: &mut impl FnMut(Event<'_>)) {
    let function = member(call, "function");
    if let Some(piece) = function.and_then(|function| said(function.get("arguments"))) {
        emit(Event::ToolArguments { index, piece });
    }
}

/// The token counts, where they are given and can be read.
fn emit_usage(holder: Object<'_>, emit: &mut impl FnMut(Event<'_>)) {
    let tokens = member(holder, "usage").and_then(|usage| member(usage, "tokens"));
    if let Some(Ok(usage)) = tokens.map(usage) {
        emit(Event::Usage(usage));
    }
}

fn usage(tokens: Object<'_>) -> Result<Usage, ReadError> {
    let path = &Path::Body;
    Ok(Usage {
        input: tokens.count("input_tokens", path)?,
        output: tokens.count("output_tokens", path)?,
        ..Usage::default()
    })
}

/// Why the model stopped.
///
/// # Errors
/// When it did not come to an end of its own.
fn stop(holder: Object<'_>) -> Result<StopReason, Failure> {
    Ok(match holder.get("finish_reason").map_or("", Value::get) {
        "\"MAX_TOKENS\"" => StopReason::MaxTokens,
        "\"STOP_SEQUENCE\"" => StopReason::StopSequence,
        "\"TOOL_CALL\"" => StopReason::ToolUse,
        "\"TIMEOUT\"" => return Err(broken("The model ran out of time.")),
        "\"ERROR\"" => {
            let reason = said(holder.get("error"));
            let reason = reason.map(|reason| reason.decode().into_owned());
            return Err(broken(reason.as_deref().unwrap_or("The model's answer failed.")));
        }
        _ => StopReason::EndTurn,
    })
}
