//! Answers as a stream of Messages' events: one block open at a time, each closed before the next one opens.
//!
//! A closed block takes no more. So a tool call's block is closed only when its arguments are whole, and what comes before
//! that waits for its turn: the next call, or text between the pieces.

use std::collections::VecDeque;

use crate::AnswerOptions;
use crate::event::{Event, StopReason, Usage, arguments_object};
use crate::json::{Text, write_count};
use crate::messages::answer::{CALL_ID_PREFIX, ID_PREFIX, stop_reason, write_usage};

/// Writes a stream's events.
#[derive(Debug)]
pub(crate) struct Encoder {
    block: Block,
    /// The number of the open block, or of the next one while none is open.
    index: u64,
    /// The arguments of the call that is open, or was the last one, as they stand between quotes.
    arguments: String,
    /// What waits for the open call. Empty while its arguments come in one run, as they nearly always do.
    waiting: VecDeque<Waiting>,
    usage: Usage,
    stop: Option<(StopReason, Option<Text<'static>>)>,
}

/// An event that waits for its turn.
#[derive(Debug)]
struct Waiting {
    event: Event<'static>,
    /// Where the event begins a tool call: its arguments so far, as they stand between quotes.
    arguments: String,
}

/// The block that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    None,
    Text,
    Thinking,
    /// Thinking whose signature is written: further thinking is another block.
    SignedThinking,
    /// The tool call with this number.
    Tool(usize),
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Encoder {
            block: Block::None,
            index: 0,
            arguments: String::new(),
            waiting: VecDeque::new(),
            usage: Usage::default(),
            stop: None,
        }
    }

    /// Appends what an event means to the agent, as soon as it is its turn.
    pub(crate) fn write(&mut self, event: &Event<'_>, options: &AnswerOptions, out: &mut Vec<u8>) {
        match (self.block, event) {
            (Block::Tool(open), Event::ToolArguments { index, piece }) if *index == open => {
                self.write_piece(piece, out);
                self.arguments.push_str(piece.escaped());
                if !self.waiting.is_empty() && piece.escaped().contains('}') {
                    self.write_waiting(options, out);
                }
            }
            (Block::Tool(_), event) if self.must_wait(event) => self.wait(event),
            _ => self.write_now(event, options, out),
        }
    }

    fn write_now(&mut self, event: &Event<'_>, options: &AnswerOptions, out: &mut Vec<u8>) {
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
                options.write_call_id(CALL_ID_PREFIX, id, *index, out);
                out.extend_from_slice(b",\"name\":");
                out.extend_from_slice(name.literal().as_bytes());
                out.extend_from_slice(b",\"input\":{}}}\n\n");
                self.arguments.clear();
                self.block = Block::Tool(*index);
            }
            // A closed call's arguments are whole: what still comes for it can only break them.
            Event::ToolArguments { .. } | Event::Failure(_) => {}
            // Token counts may follow, and they belong into the same event.
            Event::Stop { reason, sequence } => {
                self.stop = Some((*reason, sequence.clone().map(Text::into_owned)));
            }
            Event::Usage(usage) => self.usage.update(*usage),
            Event::End => self.write_end(options, out),
        }
    }

    /// Whether an event has to wait until the arguments of the open call are whole.
    fn must_wait(&self, event: &Event<'_>) -> bool {
        match event {
            Event::Start { .. } | Event::Stop { .. } | Event::Usage(_) | Event::End | Event::Failure(_) => {
                false
            }
            // Something waits already, so they are not.
            _ => !self.waiting.is_empty() || arguments_object(&self.arguments).is_none(),
        }
    }

    fn wait(&mut self, event: &Event<'_>) {
        if let Event::ToolArguments { index: of, piece } = event {
            let mut waiting = self.waiting.iter_mut();
            let call =
                waiting.rfind(|next| matches!(next.event, Event::ToolCall { index, .. } if index == *of));
            if let Some(call) = call {
                call.arguments.push_str(piece.escaped());
            }
            return;
        }
        self.waiting.push_back(Waiting {
            event: event.clone().into_owned(),
            arguments: String::new(),
        });
    }

    /// Writes what waits, up to the next call whose arguments are not whole.
    fn write_waiting(&mut self, options: &AnswerOptions, out: &mut Vec<u8>) {
        while !matches!(self.block, Block::Tool(_)) || arguments_object(&self.arguments).is_some() {
            let Some(next) = self.waiting.pop_front() else {
                return;
            };
            self.write_next(next, options, out);
        }
    }

    fn write_next(&mut self, next: Waiting, options: &AnswerOptions, out: &mut Vec<u8>) {
        self.write_now(&next.event, options, out);
        if !next.arguments.is_empty() {
            self.write_piece(&Text::from_escaped(&next.arguments), out);
            self.arguments = next.arguments;
        }
    }

    fn write_start(&self, id: Option<&Text<'_>>, options: &AnswerOptions, out: &mut Vec<u8>) {
        out.reserve(512);
        out.extend_from_slice(
            b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":",
        );
        options.write_id(ID_PREFIX, id, out);
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

    fn write_piece(&self, piece: &Text<'_>, out: &mut Vec<u8>) {
        self.write_delta(b"{\"type\":\"input_json_delta\",\"partial_json\":", piece, out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if matches!(self.block, Block::Tool(_)) && self.arguments.is_empty() {
            self.write_piece(&Text::of("{}"), out);
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
        while let Some(next) = self.waiting.pop_front() {
            self.write_next(next, options, out);
        }
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
