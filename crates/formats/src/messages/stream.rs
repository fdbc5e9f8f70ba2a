//! Answers as a stream of Messages' events: one block open at a time, each closed before the next one opens.

use crate::AnswerOptions;
use crate::event::{Event, Failure, StopReason, Usage};
use crate::json::{Text, write_count};
use crate::messages::answer::{stop_reason, write_call_id, write_id, write_usage};
use crate::upstream_error::broken;

/// Writes a stream's events.
#[derive(Debug)]
pub(crate) struct Encoder {
    block: Block,
    /// The number of the open block, or of the next one while none is open.
    index: u64,
    usage: Usage,
    stop: Option<(StopReason, Option<Text<'static>>)>,
}

/// The block that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    None,
    Text,
    Thinking,
    /// Thinking whose signature is written: further thinking is another block.
    SignedThinking,
    Tool {
        index: usize,
        /// Whether no piece of its arguments has come.
        bare: bool,
    },
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Encoder {
            block: Block::None,
            index: 0,
            usage: Usage::default(),
            stop: None,
        }
    }

    /// Appends what an event means to the agent.
    ///
    /// # Errors
    /// When pieces of two tool calls come mixed: a block that is closed takes no more.
    pub(crate) fn write(
        &mut self,
        event: &Event<'_>,
        options: &AnswerOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        match event {
            Event::Start { id } => self.write_start(id.as_ref(), options, out),
            Event::Text(text) => {
                if self.block != Block::Text {
                    self.open(Block::Text, b"{\"type\":\"text\",\"text\":\"\"}", out);
                }
                self.write_delta(b"{\"type\":\"text_delta\",\"text\":", text, out);
            }
            Event::Thinking(thinking) => {
                if self.block != Block::Thinking {
                    self.open_thinking(out);
                }
                self.write_delta(b"{\"type\":\"thinking_delta\",\"thinking\":", thinking, out);
            }
            Event::Signature(signature) => {
                if self.block != Block::Thinking {
                    self.open_thinking(out);
                }
                self.write_delta(b"{\"type\":\"signature_delta\",\"signature\":", signature, out);
                self.block = Block::SignedThinking;
            }
            Event::RedactedThinking(data) => {
                self.begin(out);
                out.extend_from_slice(b"{\"type\":\"redacted_thinking\",\"data\":");
                out.extend_from_slice(data.literal().as_bytes());
                out.extend_from_slice(b"}}\n\n");
                self.write_stop(out);
            }
            Event::ToolCall { index, id, name } => {
                self.begin(out);
                out.extend_from_slice(b"{\"type\":\"tool_use\",\"id\":");
                write_call_id(id, *index, options, out);
                out.extend_from_slice(b",\"name\":");
                out.extend_from_slice(name.literal().as_bytes());
                out.extend_from_slice(b",\"input\":{}}}\n\n");
                self.block = Block::Tool {
                    index: *index,
                    bare: true,
                };
            }
            Event::ToolArguments { index, piece } => {
                if !matches!(self.block, Block::Tool { index: open, .. } if open == *index) {
                    return Err(broken("The upstream mixed the arguments of several tool calls."));
                }
                self.write_delta(b"{\"type\":\"input_json_delta\",\"partial_json\":", piece, out);
                self.block = Block::Tool {
                    index: *index,
                    bare: false,
                };
            }
            // Token counts may follow, and they belong into the same event.
            Event::Stop { reason, sequence } => {
                self.stop = Some((*reason, sequence.clone().map(Text::into_owned)));
            }
            Event::Usage(usage) => self.usage.update(*usage),
            Event::End => self.write_end(options, out),
            Event::Failure(_) => {}
        }
        Ok(())
    }

    fn write_start(&self, id: Option<&Text<'_>>, options: &AnswerOptions, out: &mut Vec<u8>) {
        out.reserve(512);
        out.extend_from_slice(
            b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":",
        );
        write_id(id, options, out);
        out.extend_from_slice(b",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
        crate::json::write_string(out, &options.model);
        out.extend_from_slice(b",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
        write_usage(&self.usage, options, out);
        out.extend_from_slice(b"}}\n\n");
    }

    fn open_thinking(&mut self, out: &mut Vec<u8>) {
        self.open(
            Block::Thinking,
            b"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}",
            out,
        );
    }

    fn open(&mut self, block: Block, start: &[u8], out: &mut Vec<u8>) {
        self.begin(out);
        out.extend_from_slice(start);
        out.extend_from_slice(b"}\n\n");
        self.block = block;
    }

    /// Closes what is open and appends the start of a block, up to the block itself.
    fn begin(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        out.reserve(512);
        out.extend_from_slice(
            b"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":",
        );
        write_count(out, self.index);
        out.extend_from_slice(b",\"content_block\":");
    }

    fn write_delta(&self, start: &[u8], text: &Text<'_>, out: &mut Vec<u8>) {
        out.reserve(160 + text.literal().len());
        out.extend_from_slice(
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":",
        );
        write_count(out, self.index);
        out.extend_from_slice(b",\"delta\":");
        out.extend_from_slice(start);
        out.extend_from_slice(text.literal().as_bytes());
        out.extend_from_slice(b"}}\n\n");
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if let Block::Tool { bare: true, .. } = self.block {
            self.write_delta(
                b"{\"type\":\"input_json_delta\",\"partial_json\":",
                &Text::of("{}"),
                out,
            );
        }
        if self.block != Block::None {
            self.write_stop(out);
        }
    }

    fn write_stop(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":",
        );
        write_count(out, self.index);
        out.extend_from_slice(b"}\n\n");
        self.block = Block::None;
        self.index += 1;
    }

    fn write_end(&mut self, options: &AnswerOptions, out: &mut Vec<u8>) {
        self.close(out);
        let (reason, sequence) = self.stop.take().unwrap_or((StopReason::EndTurn, None));
        out.extend_from_slice(
            b"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"",
        );
        out.extend_from_slice(stop_reason(reason).as_bytes());
        out.extend_from_slice(b"\",\"stop_sequence\":");
        out.extend_from_slice(sequence.as_ref().map_or("null", Text::literal).as_bytes());
        out.extend_from_slice(b"},\"usage\":");
        write_usage(&self.usage, options, out);
        out.extend_from_slice(b"}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }
}
