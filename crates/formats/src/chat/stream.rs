//! Answers as a stream of Chat Completions' chunks.

use crate::AnswerOptions;
use crate::chat::answer::{CALL_ID_PREFIX, ID_PREFIX, finish_reason, write_thought_signature, write_usage};
use crate::event::{Event, StopReason, Usage};
use crate::json::{Text, write_count, write_string};
use crate::signature::Signer;

/// Writes a stream's chunks.
#[derive(Debug)]
pub(crate) struct Encoder {
    /// What stands before the choices in every chunk of this answer.
    head: Vec<u8>,
    /// Tool calls of which no piece of the arguments has come.
    bare_calls: Vec<usize>,
    /// Google's signature, which the next tool call carries.
    signature: Option<Text<'static>>,
    stop: Option<StopReason>,
    usage: Usage,
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Encoder {
            head: Vec::new(),
            bare_calls: Vec::new(),
            signature: None,
            stop: None,
            usage: Usage::default(),
        }
    }

    /// Appends what an event means to the agent. Thinking becomes `reasoning_content`, a plain string as the vendors of
    /// open models spell it. Of signatures only Google's have a place here, on tool calls; what only the vendor can read has none.
    pub(crate) fn write(&mut self, event: &Event<'_>, options: &AnswerOptions, out: &mut Vec<u8>) {
        match event {
            Event::Start { id } => {
                self.make_head(id.as_ref(), options);
                self.write_delta(out, |out| {
                    out.extend_from_slice(b"\"role\":\"assistant\",\"content\":\"\"");
                });
            }
            Event::Text(text) => {
                self.signature = None;
                self.write_text(b"\"content\":", text, out);
            }
            Event::Thinking(thinking) => self.write_text(b"\"reasoning_content\":", thinking, out),
            Event::Signature(given) => {
                self.signature = Signer::Google.own(given).map(Text::into_owned);
            }
            Event::RedactedThinking(_) | Event::Failure(_) => {}
            Event::ToolCall { index, name, .. } if options.tools.are_functions() => {
                // The agent takes one call at a time.
                if *index == 0 {
                    self.bare_calls.push(*index);
                    self.write_delta(out, |out| {
                        out.extend_from_slice(b"\"function_call\":{\"name\":");
                        out.extend_from_slice(name.literal().as_bytes());
                        out.extend_from_slice(b",\"arguments\":\"\"}");
                    });
                }
            }
            Event::ToolCall { index, id, name } => {
                self.bare_calls.push(*index);
                let signature = self.signature.take();
                self.write_call(*index, out, |out| {
                    out.extend_from_slice(b",\"id\":");
                    options.write_call_id(CALL_ID_PREFIX, id, *index, out);
                    out.extend_from_slice(b",\"type\":\"function\",\"function\":{\"name\":");
                    out.extend_from_slice(name.literal().as_bytes());
                    out.extend_from_slice(b",\"arguments\":\"\"}");
                    write_thought_signature(signature.as_ref(), out);
                });
            }
            Event::ToolArguments { index, piece } => {
                self.bare_calls.retain(|bare| bare != index);
                self.write_arguments(*index, piece.literal(), options, out);
            }
            // What ends the answer waits for its regular end: a stream that breaks must not look like one that is done.
            Event::Stop { reason, .. } => self.stop = Some(*reason),
            Event::Usage(usage) => self.usage.update(*usage),
            Event::End => self.write_end(options, out),
        }
    }

    fn make_head(&mut self, id: Option<&Text<'_>>, options: &AnswerOptions) {
        self.head.extend_from_slice(b"data: {\"id\":");
        options.write_id(ID_PREFIX, id, &mut self.head);
        self.head
            .extend_from_slice(b",\"object\":\"chat.completion.chunk\",\"created\":");
        write_count(&mut self.head, options.created);
        self.head.extend_from_slice(b",\"model\":");
        write_string(&mut self.head, &options.model);
        self.head.extend_from_slice(b",\"choices\":[");
    }

    fn write_text(&self, member: &[u8], text: &Text<'_>, out: &mut Vec<u8>) {
        out.reserve(self.head.len() + text.literal().len() + 96);
        self.write_delta(out, |out| {
            out.extend_from_slice(member);
            out.extend_from_slice(text.literal().as_bytes());
        });
    }

    fn write_arguments(&self, index: usize, literal: &str, options: &AnswerOptions, out: &mut Vec<u8>) {
        if options.tools.are_functions() {
            if index == 0 {
                self.write_delta(out, |out| {
                    out.extend_from_slice(b"\"function_call\":{\"arguments\":");
                    out.extend_from_slice(literal.as_bytes());
                    out.push(b'}');
                });
            }
            return;
        }
        self.write_call(index, out, |out| {
            out.extend_from_slice(b",\"function\":{\"arguments\":");
            out.extend_from_slice(literal.as_bytes());
            out.push(b'}');
        });
    }

    fn write_call(&self, index: usize, out: &mut Vec<u8>, members: impl FnOnce(&mut Vec<u8>)) {
        self.write_delta(out, |out| {
            out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
            write_count(out, index as u64);
            members(out);
            out.extend_from_slice(b"}]");
        });
    }

    fn write_delta(&self, out: &mut Vec<u8>, members: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"{\"index\":0,\"delta\":{");
        members(out);
        out.extend_from_slice(b"},\"finish_reason\":null}]}\n\n");
    }

    fn write_end(&mut self, options: &AnswerOptions, out: &mut Vec<u8>) {
        for bare in std::mem::take(&mut self.bare_calls) {
            self.write_arguments(bare, "\"{}\"", options, out);
        }
        if self.head.is_empty() {
            self.make_head(None, options);
        }
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"{\"index\":0,\"delta\":{},\"finish_reason\":\"");
        out.extend_from_slice(finish_reason(self.stop, options).as_bytes());
        out.extend_from_slice(b"\"}]}\n\n");
        if options.include_usage {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"],\"usage\":");
            write_usage(&self.usage, options, out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}
