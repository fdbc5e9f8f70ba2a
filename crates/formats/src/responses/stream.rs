//! Answers as a stream of Responses' events. Each item is closed before the next one begins, except a tool call whose
//! arguments are not whole by then: every event names its item, so that such a call stays open beside the next one.

use crate::AgentFormat;
use crate::AnswerOptions;
use crate::agent_tools::AgentToolKind;
use crate::error::error_type;
use crate::event::{Event, Failure, StopReason, Usage};
use crate::json::{Text, write_count, write_string};
use crate::responses::answer::{
    Item, Output, Stage, Status, custom_input, write_quoted, write_response, write_summary_part,
    write_text_part,
};

/// Writes a stream's events.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    started: bool,
    id: Option<Text<'static>>,
    output: Output,
    /// Which of the items are closed, by their places.
    closed: Vec<bool>,
    /// The number of the next event.
    sequence: u64,
    /// What stands before the piece in every further event of the item at this place.
    head: Vec<u8>,
    head_of: usize,
    usage: Usage,
    stop: Option<StopReason>,
}

impl Encoder {
    /// Appends what an event means to the agent. Redacted thinking has no place here.
    pub(crate) fn write(&mut self, event: &Event<'_>, options: &AnswerOptions, out: &mut Vec<u8>) {
        match event {
            Event::Start { id } => {
                self.id = id.clone().map(Text::into_owned);
                self.write_start(options, out);
            }
            Event::Usage(usage) => self.usage.update(*usage),
            // What ends the answer waits for its regular end: a stream that breaks must not look like one that is done.
            Event::Stop { reason, .. } => self.stop = Some(*reason),
            Event::End => self.write_end(options, out),
            Event::RedactedThinking(_) | Event::Failure(_) => {}
            Event::Text(piece) | Event::Thinking(piece) | Event::ToolArguments { piece, .. } => {
                if let Some(place) = self.take(event, options, out) {
                    self.write_piece(place, piece, options, out);
                }
            }
            Event::Signature(_) | Event::ToolCall { .. } => {
                self.take(event, options, out);
            }
        }
    }

    /// The number that the next event would have.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.sequence
    }

    fn write_start(&mut self, options: &AnswerOptions, out: &mut Vec<u8>) {
        self.started = true;
        let id = self.id.take();
        for kind in ["response.created", "response.in_progress"] {
            out.reserve(1024);
            begin(kind, out);
            out.extend_from_slice(b",\"response\":");
            let nothing = Output::default();
            write_response(&Status::InProgress, id.as_ref(), &nothing, None, options, out);
            self.end(out);
        }
        self.id = id;
    }

    /// Takes what the model says in; gives the place of its item, which has begun then. A piece for an item that is closed
    /// could only break it.
    fn take(&mut self, event: &Event<'_>, options: &AnswerOptions, out: &mut Vec<u8>) -> Option<usize> {
        let (place, is_new) = self.output.take(event, options)?;
        if is_new {
            for earlier in 0..place {
                let stays_open = match self.output.items.get(earlier) {
                    Some(Item::Call(call)) => !call.is_whole(),
                    _ => false,
                };
                if !stays_open {
                    self.close(earlier, options, out);
                }
            }
            self.open(place, options, out);
        }
        let is_open = self.closed.get(place) == Some(&false);
        is_open.then_some(place)
    }

    fn open(&mut self, place: usize, options: &AnswerOptions, out: &mut Vec<u8>) {
        self.closed.push(false);
        let Some(item) = self.output.items.get(place) else {
            return;
        };
        begin("response.output_item.added", out);
        write_index(place, out);
        out.extend_from_slice(b",\"item\":");
        item.write(place, Stage::Begun, options, out);
        end(&mut self.sequence, out);
        match item {
            Item::Message(_) => {
                begin("response.content_part.added", out);
                write_place(place, item, b",\"content_index\":0", options, out);
                out.extend_from_slice(b",\"part\":");
                write_text_part("", out);
                end(&mut self.sequence, out);
            }
            Item::Reasoning { summary, .. } if !summary.is_empty() => {
                begin("response.reasoning_summary_part.added", out);
                write_place(place, item, b",\"summary_index\":0", options, out);
                out.extend_from_slice(b",\"part\":");
                write_summary_part("", out);
                end(&mut self.sequence, out);
            }
            Item::Reasoning { .. } | Item::Call(_) => {}
        }
        self.make_head(place, options);
    }

    fn make_head(&mut self, place: usize, options: &AnswerOptions) {
        self.head.clear();
        self.head_of = place;
        let Some(item) = self.output.items.get(place) else {
            return;
        };
        let out = &mut self.head;
        match item {
            Item::Message(_) => {
                begin("response.output_text.delta", out);
                write_place(place, item, b",\"content_index\":0,\"logprobs\":[]", options, out);
            }
            Item::Reasoning { .. } => {
                begin("response.reasoning_summary_text.delta", out);
                write_place(place, item, b",\"summary_index\":0", options, out);
            }
            Item::Call(_) => {
                begin("response.function_call_arguments.delta", out);
                write_place(place, item, b"", options, out);
            }
        }
        out.extend_from_slice(b",\"delta\":");
    }

    fn write_piece(&mut self, place: usize, piece: &Text<'_>, options: &AnswerOptions, out: &mut Vec<u8>) {
        if let Some(Item::Call(call)) = self.output.items.get(place)
            && call.kind() != AgentToolKind::Function
        {
            // The text is inside the arguments, which are read when they are whole.
            return;
        }
        if self.head_of != place {
            self.make_head(place, options);
        }
        out.reserve(self.head.len() + piece.literal().len() + 48);
        out.extend_from_slice(&self.head);
        out.extend_from_slice(piece.literal().as_bytes());
        self.end(out);
    }

    fn close(&mut self, place: usize, options: &AnswerOptions, out: &mut Vec<u8>) {
        let (Some(item), Some(closed @ false)) = (self.output.items.get(place), self.closed.get_mut(place))
        else {
            return;
        };
        *closed = true;
        let sequence = &mut self.sequence;
        match item {
            Item::Message(text) => {
                begin("response.output_text.done", out);
                write_place(place, item, b",\"content_index\":0,\"logprobs\":[]", options, out);
                out.extend_from_slice(b",\"text\":");
                write_quoted(text, out);
                end(sequence, out);
                begin("response.content_part.done", out);
                write_place(place, item, b",\"content_index\":0", options, out);
                out.extend_from_slice(b",\"part\":");
                write_text_part(text, out);
                end(sequence, out);
            }
            Item::Reasoning { summary, .. } if !summary.is_empty() => {
                begin("response.reasoning_summary_text.done", out);
                write_place(place, item, b",\"summary_index\":0", options, out);
                out.extend_from_slice(b",\"text\":");
                write_quoted(summary, out);
                end(sequence, out);
                begin("response.reasoning_summary_part.done", out);
                write_place(place, item, b",\"summary_index\":0", options, out);
                out.extend_from_slice(b",\"part\":");
                write_summary_part(summary, out);
                end(sequence, out);
            }
            Item::Reasoning { .. } => {}
            Item::Call(call) => match call.kind() {
                AgentToolKind::Function => {
                    if call.arguments.is_empty() {
                        begin("response.function_call_arguments.delta", out);
                        write_place(place, item, b"", options, out);
                        out.extend_from_slice(b",\"delta\":\"{}\"");
                        end(sequence, out);
                    }
                    begin("response.function_call_arguments.done", out);
                    write_place(place, item, b"", options, out);
                    call.write_name(out);
                    out.extend_from_slice(b",\"arguments\":");
                    write_quoted(call.arguments(), out);
                    end(sequence, out);
                }
                AgentToolKind::Custom => {
                    let input = custom_input(&call.arguments);
                    for (kind, member) in [
                        ("response.custom_tool_call_input.delta", b",\"delta\":".as_slice()),
                        ("response.custom_tool_call_input.done", b",\"input\":"),
                    ] {
                        begin(kind, out);
                        write_place(place, item, b"", options, out);
                        out.extend_from_slice(member);
                        out.extend_from_slice(input.literal().as_bytes());
                        end(sequence, out);
                    }
                }
                AgentToolKind::ToolSearch => {}
            },
        }
        begin("response.output_item.done", out);
        write_index(place, out);
        out.extend_from_slice(b",\"item\":");
        item.write(place, Stage::Done, options, out);
        end(sequence, out);
    }

    fn write_end(&mut self, options: &AnswerOptions, out: &mut Vec<u8>) {
        if !self.started {
            self.write_start(options, out);
        }
        for place in 0..self.closed.len() {
            self.close(place, options, out);
        }
        let status = Status::of(self.stop);
        begin(
            match status {
                Status::Incomplete(_) => "response.incomplete",
                Status::Completed | Status::InProgress => "response.completed",
            },
            out,
        );
        out.extend_from_slice(b",\"response\":");
        let id = self.id.as_ref();
        write_response(&status, id, &self.output, Some(&self.usage), options, out);
        self.end(out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        end(&mut self.sequence, out);
    }
}

/// Begins an event: its name on a line of its own, and its payload up to the type.
fn begin(kind: &str, out: &mut Vec<u8>) {
    out.reserve(256);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\ndata: {\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.push(b'"');
}

/// Ends an event with its number.
fn end(sequence: &mut u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"sequence_number\":");
    write_count(out, *sequence);
    out.extend_from_slice(b"}\n\n");
    *sequence += 1;
}

fn write_index(place: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"output_index\":");
    write_count(out, place as u64);
}

/// Writes which item, and which part of it (`part`), an event is about.
fn write_place(place: usize, item: &Item, part: &[u8], options: &AnswerOptions, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"item_id\":");
    item.write_id(place, options, out);
    write_index(place, out);
    out.extend_from_slice(part);
}

/// Appends the form of a stream that breaks, as the event with this number. `response.failed` would be a regular end, after
/// which Codex does not try again (agents.md §4); SDKs raise this as an error.
pub(crate) fn write_failure(failure: &Failure, mut sequence: u64, out: &mut Vec<u8>) {
    begin("error", out);
    out.extend_from_slice(b",\"error\":{\"type\":\"");
    out.extend_from_slice(error_type(AgentFormat::Responses, failure.status).as_bytes());
    out.extend_from_slice(b"\",\"code\":\"");
    write_count(out, failure.status.into());
    out.extend_from_slice(b"\",\"message\":");
    write_string(out, &failure.message);
    out.extend_from_slice(b",\"param\":null}");
    end(&mut sequence, out);
}
