//! Whole answers as a `GenerateContentResponse`, and what they share with streams.

use crate::answer::AnswerOptions;
use crate::event::{Event, StopReason, Usage, arguments_object};
use crate::json::{Text, write_compact, write_count, write_name, write_string};
use crate::signature;

/// How a made-up id of a tool call begins.
const CALL_ID_PREFIX: &str = "call_";

/// A tool call that is gathered.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) index: usize,
    id: Text<'static>,
    name: Text<'static>,
    /// The signature that the part carries.
    signature: Option<Text<'static>>,
    /// Its arguments so far, as they stand between quotes.
    pub(crate) arguments: String,
}

impl Call {
    pub(crate) fn new(
        index: usize,
        id: &Text<'_>,
        name: &Text<'_>,
        signature: Option<Text<'static>>,
    ) -> Self {
        Call {
            index,
            id: id.clone().into_owned(),
            name: name.clone().into_owned(),
            signature,
            arguments: String::new(),
        }
    }
}

/// Collects an answer.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    id: Option<Text<'static>>,
    parts: Vec<Piece>,
    /// The signature that the next part carries.
    signature: Option<Text<'static>>,
    stop: Option<StopReason>,
    usage: Usage,
}

/// A part. Texts are gathered as they stand between quotes.
#[derive(Debug)]
enum Piece {
    Text {
        text: String,
        signature: Option<Text<'static>>,
    },
    Thought(String),
    Call(Call),
}

impl Whole {
    /// Takes the next event.
    pub(crate) fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Start { id } => self.id = id.clone().map(Text::into_owned),
            Event::Text(piece) => match self.parts.last_mut() {
                Some(Piece::Text { text, .. }) if self.signature.is_none() => {
                    text.push_str(piece.escaped());
                }
                _ => {
                    let signature = self.signature.take();
                    let text = piece.escaped().to_owned();
                    self.parts.push(Piece::Text { text, signature });
                }
            },
            Event::Thinking(piece) => match self.parts.last_mut() {
                Some(Piece::Thought(text)) if self.signature.is_none() => text.push_str(piece.escaped()),
                _ => {
                    self.leave_signature();
                    self.parts.push(Piece::Thought(piece.escaped().to_owned()));
                }
            },
            Event::Signature(given) => {
                self.leave_signature();
                self.signature = Some(signature::to_google_field(given).into_owned());
            }
            Event::ToolCall { index, id, name } => {
                let signature = self.signature.take();
                self.parts
                    .push(Piece::Call(Call::new(*index, id, name, signature)));
            }
            Event::ToolArguments { index: of, piece } => {
                let mut parts = self.parts.iter_mut().rev();
                let call = parts.find_map(|part| match part {
                    Piece::Call(call) if call.index == *of => Some(call),
                    _ => None,
                });
                if let Some(call) = call {
                    call.arguments.push_str(piece.escaped());
                }
            }
            Event::Stop { reason, .. } => self.stop = Some(*reason),
            Event::Usage(usage) => self.usage.update(*usage),
            Event::RedactedThinking(_) | Event::End | Event::Failure(_) => {}
        }
    }

    /// A signature that no part has taken stands on an empty text.
    fn leave_signature(&mut self) {
        if let Some(signature) = self.signature.take() {
            self.parts.push(Piece::Text {
                text: String::new(),
                signature: Some(signature),
            });
        }
    }

    /// The body.
    pub(crate) fn into_body(mut self, options: &AnswerOptions) -> Vec<u8> {
        self.leave_signature();
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(b"{\"candidates\":[{\"content\":{\"parts\":[");
        for (position, piece) in self.parts.iter().enumerate() {
            out.extend_from_slice(if position > 0 { b"," } else { b"" });
            match piece {
                Piece::Text { text, signature } => {
                    out.extend_from_slice(b"{\"text\":\"");
                    out.extend_from_slice(text.as_bytes());
                    out.push(b'"');
                    write_signature(signature.as_ref(), &mut out);
                    out.push(b'}');
                }
                Piece::Thought(text) => {
                    out.extend_from_slice(b"{\"thought\":true,\"text\":\"");
                    out.extend_from_slice(text.as_bytes());
                    out.extend_from_slice(b"\"}");
                }
                Piece::Call(call) => write_call(call, options, &mut out),
            }
        }
        if self.parts.is_empty() {
            out.extend_from_slice(b"{\"text\":\"\"}");
        }
        out.extend_from_slice(b"],\"role\":\"model\"},\"finishReason\":\"");
        out.extend_from_slice(finish_reason(self.stop.unwrap_or(StopReason::EndTurn)).as_bytes());
        out.extend_from_slice(b"\",\"index\":0}],\"usageMetadata\":");
        write_usage(&self.usage, options, &mut out);
        write_name("modelVersion", &mut out);
        write_string(&mut out, &options.model);
        write_name("responseId", &mut out);
        options.write_id("", self.id.as_ref(), &mut out);
        out.push(b'}');
        out
    }
}

/// Writes the part that is a call. Its arguments are an object; an empty one stands for those that are none or broken.
pub(crate) fn write_call(call: &Call, options: &AnswerOptions, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"functionCall\":{\"id\":");
    options.write_call_id(CALL_ID_PREFIX, &call.id, call.index, out);
    out.extend_from_slice(b",\"name\":");
    out.extend_from_slice(call.name.literal().as_bytes());
    out.extend_from_slice(b",\"args\":");
    let arguments = arguments_object(&call.arguments);
    write_compact(out, arguments.as_deref().unwrap_or("{}"));
    out.push(b'}');
    write_signature(call.signature.as_ref(), out);
    out.push(b'}');
}

fn write_signature(signature: Option<&Text<'_>>, out: &mut Vec<u8>) {
    if let Some(signature) = signature {
        write_name("thoughtSignature", out);
        out.extend_from_slice(signature.literal().as_bytes());
    }
}

/// Token counts as Google spells them: the prompt's include the cached ones, the candidate's exclude the thoughts. Where
/// the upstream does not tell the input, Coretap's estimate stands.
pub(crate) fn write_usage(usage: &Usage, options: &AnswerOptions, out: &mut Vec<u8>) {
    let prompt = match usage.input {
        Some(_) => usage.total_input(),
        None => options.estimated_input,
    };
    let output = usage.output.unwrap_or(0);
    let thoughts = usage.reasoning.unwrap_or(0).min(output);
    out.extend_from_slice(b"{\"promptTokenCount\":");
    write_count(out, prompt);
    write_name("candidatesTokenCount", out);
    write_count(out, output - thoughts);
    if let Some(cached) = usage.cache_read.filter(|cached| *cached > 0) {
        write_name("cachedContentTokenCount", out);
        write_count(out, cached);
    }
    if thoughts > 0 {
        write_name("thoughtsTokenCount", out);
        write_count(out, thoughts);
    }
    write_name("totalTokenCount", out);
    write_count(out, prompt.saturating_add(output));
    out.push(b'}');
}

/// A stop reason as Google spells it. That tools are to be called is seen by the calls.
pub(crate) fn finish_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolUse | StopReason::PauseTurn => {
            "STOP"
        }
        StopReason::MaxTokens => "MAX_TOKENS",
        StopReason::Refusal => "SAFETY",
    }
}
