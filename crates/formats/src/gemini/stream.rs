//! Answers as a stream of `GenerateContentResponse`s, as events or as the entries of a JSON array.

use crate::answer::AnswerOptions;
use crate::error::error_type;
use crate::event::{Event, Failure, StopReason, Usage};
use crate::gemini::answer::{Call, finish_reason, write_call, write_usage};
use crate::json::{Text, write_count, write_string};
use crate::{AgentFormat, signature};

/// What stands around the chunks of a stream: `data:` lines, or an array with commas where `alt=sse` was not asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    as_array: bool,
    /// Whether a chunk is written.
    begun: bool,
}

impl Frame {
    pub(crate) fn new(as_array: bool) -> Self {
        Frame {
            as_array,
            begun: false,
        }
    }

    /// Appends what stands before a chunk.
    pub(crate) fn open(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(match (self.as_array, self.begun) {
            (false, _) => b"data: ",
            (true, false) => b"[",
            (true, true) => b",\n",
        });
        self.begun = true;
    }

    /// Appends what stands behind a chunk.
    pub(crate) fn close(self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.as_array { b"\n" } else { b"\n\n" });
    }

    /// Appends what stands behind the last chunk.
    pub(crate) fn end(self, out: &mut Vec<u8>) {
        if self.as_array {
            out.extend_from_slice(if self.begun { b"]" } else { b"[]" });
        }
    }

    /// Appends the form of a stream that breaks: an error object as its last entry.
    pub(crate) fn write_failure(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        self.open(out);
        out.extend_from_slice(b"{\"error\":{\"code\":");
        write_count(out, failure.status.into());
        out.extend_from_slice(b",\"message\":");
        write_string(out, &failure.message);
        out.extend_from_slice(b",\"status\":\"");
        out.extend_from_slice(error_type(AgentFormat::Gemini, failure.status).as_bytes());
        out.extend_from_slice(b"\"}}");
        self.close(out);
        self.end(out);
    }
}

/// Writes an answer as a stream.
#[derive(Debug)]
pub(crate) struct Encoder {
    pub(crate) frame: Frame,
    /// What stands behind the candidate in every chunk of this answer.
    tail: Vec<u8>,
    /// The signature that the next part carries.
    signature: Option<Text<'static>>,
    /// Google gives a call as a whole, so calls wait until all of their arguments have come.
    calls: Vec<Call>,
    stop: Option<StopReason>,
    usage: Usage,
}

impl Encoder {
    pub(crate) fn new(as_array: bool) -> Self {
        Encoder {
            frame: Frame::new(as_array),
            tail: Vec::new(),
            signature: None,
            calls: Vec::new(),
            stop: None,
            usage: Usage::default(),
        }
    }

    /// Appends what an event means to the agent. Thinking that only its vendor can read has no place here.
    pub(crate) fn write(&mut self, event: &Event<'_>, options: &AnswerOptions, out: &mut Vec<u8>) {
        match event {
            Event::Start { id } => self.make_tail(id.as_ref(), options),
            Event::Text(text) => {
                let signature = self.signature.take();
                self.write_text(b"{\"text\":", text.literal(), signature.as_ref(), out);
            }
            Event::Thinking(thinking) => {
                self.write_signature(out);
                self.write_text(b"{\"thought\":true,\"text\":", thinking.literal(), None, out);
            }
            Event::Signature(given) => {
                self.write_signature(out);
                self.signature = Some(signature::to_google_field(given).into_owned());
            }
            Event::ToolCall { index, id, name } => {
                let signature = self.signature.take();
                self.calls.push(Call::new(*index, id, name, signature));
            }
            Event::ToolArguments { index, piece } => {
                if let Some(call) = self.calls.iter_mut().rfind(|call| call.index == *index) {
                    call.arguments.push_str(piece.escaped());
                }
            }
            Event::RedactedThinking(_) | Event::Failure(_) => {}
            // What ends the answer waits for its regular end: a stream that breaks must not look like one that is done.
            Event::Stop { reason, .. } => self.stop = Some(*reason),
            Event::Usage(usage) => self.usage.update(*usage),
            Event::End => self.write_end(options, out),
        }
    }

    fn make_tail(&mut self, id: Option<&Text<'_>>, options: &AnswerOptions) {
        self.tail.extend_from_slice(b",\"modelVersion\":");
        write_string(&mut self.tail, &options.model);
        self.tail.extend_from_slice(b",\"responseId\":");
        options.write_id("", id, &mut self.tail);
        self.tail.push(b'}');
    }

    fn write_text(&mut self, start: &[u8], literal: &str, signature: Option<&Text<'_>>, out: &mut Vec<u8>) {
        out.reserve(start.len() + literal.len() + self.tail.len() + 96);
        self.begin(out);
        out.extend_from_slice(start);
        out.extend_from_slice(literal.as_bytes());
        if let Some(signature) = signature {
            out.extend_from_slice(b",\"thoughtSignature\":");
            out.extend_from_slice(signature.literal().as_bytes());
        }
        out.extend_from_slice(b"}],\"role\":\"model\"},\"index\":0}]");
        out.extend_from_slice(&self.tail);
        self.frame.close(out);
    }

    /// A signature that no part has taken stands on an empty thought.
    fn write_signature(&mut self, out: &mut Vec<u8>) {
        if let Some(signature) = self.signature.take() {
            self.write_text(b"{\"thought\":true,\"text\":", "\"\"", Some(&signature), out);
        }
    }

    /// Appends the start of a chunk up to its first part.
    fn begin(&mut self, out: &mut Vec<u8>) {
        self.frame.open(out);
        out.extend_from_slice(b"{\"candidates\":[{\"content\":{\"parts\":[");
    }

    fn write_end(&mut self, options: &AnswerOptions, out: &mut Vec<u8>) {
        if self.tail.is_empty() {
            self.make_tail(None, options);
        }
        self.begin(out);
        let start = out.len();
        for call in std::mem::take(&mut self.calls) {
            out.extend_from_slice(if out.len() > start { b"," } else { b"" });
            write_call(&call, options, out);
        }
        match self.signature.take() {
            Some(signature) => {
                out.extend_from_slice(if out.len() > start { b"," } else { b"" });
                out.extend_from_slice(b"{\"text\":\"\",\"thoughtSignature\":");
                out.extend_from_slice(signature.literal().as_bytes());
                out.push(b'}');
            }
            None if out.len() == start => out.extend_from_slice(b"{\"text\":\"\"}"),
            None => {}
        }
        out.extend_from_slice(b"],\"role\":\"model\"},\"finishReason\":\"");
        out.extend_from_slice(finish_reason(self.stop.unwrap_or(StopReason::EndTurn)).as_bytes());
        out.extend_from_slice(b"\",\"index\":0}],\"usageMetadata\":");
        write_usage(&self.usage, options, out);
        out.extend_from_slice(&self.tail);
        self.frame.close(out);
        self.frame.end(out);
    }
}
