//! Whole answers as Messages, and what they share with streams.

use crate::AnswerOptions;
use crate::event::{Event, StopReason, Usage, arguments_object};
use crate::json::{Text, write_count, write_string};

/// How an answer's id begins at Anthropic.
pub(crate) const ID_PREFIX: &str = "msg_";

/// How a tool call's id begins at Anthropic.
pub(crate) const CALL_ID_PREFIX: &str = "toolu_";

/// Gathers a whole answer.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    id: Option<Text<'static>>,
    /// The finished blocks, with commas between them.
    content: Vec<u8>,
    block: Block,
    usage: Usage,
    stop: Option<(StopReason, Option<Text<'static>>)>,
}

/// The block that is open, its texts as they stand between quotes.
#[derive(Debug, Default)]
enum Block {
    #[default]
    None,
    Text(String),
    Thinking {
        thinking: String,
        signature: Option<Text<'static>>,
    },
    Tool {
        index: usize,
        id: Text<'static>,
        name: Text<'static>,
        arguments: String,
    },
}

impl Whole {
    /// Takes the next event.
    pub(crate) fn take(&mut self, event: &Event<'_>, options: &AnswerOptions) {
        match event {
            Event::Start { id } => self.id = id.clone().map(Text::into_owned),
            Event::Text(text) => {
                if let Block::Text(open) = &mut self.block {
                    open.push_str(text.escaped());
                } else {
                    self.open(Block::Text(text.escaped().to_owned()), options);
                }
            }
            Event::Thinking(piece) => {
                if let Block::Thinking {
                    thinking,
                    signature: None,
                } = &mut self.block
                {
                    thinking.push_str(piece.escaped());
                } else {
                    let thinking = piece.escaped().to_owned();
                    self.open(
                        Block::Thinking {
                            thinking,
                            signature: None,
                        },
                        options,
                    );
                }
            }
            Event::Signature(given) => {
                let given = Some(given.clone().into_owned());
                if let Block::Thinking {
                    signature: signature @ None,
                    ..
                } = &mut self.block
                {
                    *signature = given;
                } else {
                    self.open(
                        Block::Thinking {
                            thinking: String::new(),
                            signature: given,
                        },
                        options,
                    );
                }
            }
            Event::RedactedThinking(data) => {
                self.open(Block::None, options);
                self.separate();
                self.content
                    .extend_from_slice(b"{\"type\":\"redacted_thinking\",\"data\":");
                self.content.extend_from_slice(data.literal().as_bytes());
                self.content.push(b'}');
            }
            Event::ToolCall { index, id, name } => {
                let (id, name) = (id.clone().into_owned(), name.clone().into_owned());
                self.open(
                    Block::Tool {
                        index: *index,
                        id,
                        name,
                        arguments: String::new(),
                    },
                    options,
                );
            }
            Event::ToolArguments { index: of, piece } => {
                if let Block::Tool { index, arguments, .. } = &mut self.block
                    && index == of
                {
                    arguments.push_str(piece.escaped());
                }
            }
            Event::Stop { reason, sequence } => {
                self.stop = Some((*reason, sequence.clone().map(Text::into_owned)));
            }
            Event::Usage(usage) => self.usage.update(*usage),
            Event::End | Event::Failure(_) => self.open(Block::None, options),
        }
    }

    /// The body.
    pub(crate) fn into_body(self, options: &AnswerOptions) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.content.len() + options.model.len() + 320);
        out.extend_from_slice(b"{\"id\":");
        options.write_id(ID_PREFIX, self.id.as_ref(), &mut out);
        out.extend_from_slice(b",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
        write_string(&mut out, &options.model);
        out.extend_from_slice(b",\"content\":[");
        out.extend_from_slice(&self.content);
        out.extend_from_slice(b"],\"stop_reason\":\"");
        let (reason, sequence) = self.stop.unwrap_or((StopReason::EndTurn, None));
        out.extend_from_slice(stop_reason(reason).as_bytes());
        out.extend_from_slice(b"\",\"stop_sequence\":");
        out.extend_from_slice(sequence.as_ref().map_or("null", Text::literal).as_bytes());
        out.extend_from_slice(b",\"usage\":");
        write_usage(&self.usage, options, &mut out);
        out.push(b'}');
        out
    }

    /// Writes the block that is open and opens the next one.
    fn open(&mut self, next: Block, options: &AnswerOptions) {
        let finished = std::mem::replace(&mut self.block, next);
        if matches!(finished, Block::None) {
            return;
        }
        self.separate();
        let out = &mut self.content;
        match finished {
            Block::None => {}
            Block::Text(text) => {
                out.reserve(text.len() + 32);
                out.extend_from_slice(b"{\"type\":\"text\",\"text\":\"");
                out.extend_from_slice(text.as_bytes());
                out.extend_from_slice(b"\"}");
            }
            Block::Thinking { thinking, signature } => {
                out.extend_from_slice(b"{\"type\":\"thinking\",\"thinking\":\"");
                out.extend_from_slice(thinking.as_bytes());
                out.extend_from_slice(b"\",\"signature\":");
                out.extend_from_slice(signature.as_ref().map_or("\"\"", Text::literal).as_bytes());
                out.push(b'}');
            }
            Block::Tool {
                index,
                id,
                name,
                arguments,
            } => {
                out.extend_from_slice(b"{\"type\":\"tool_use\",\"id\":");
                options.write_call_id(CALL_ID_PREFIX, &id, index, out);
                out.extend_from_slice(b",\"name\":");
                out.extend_from_slice(name.literal().as_bytes());
                out.extend_from_slice(b",\"input\":");
                out.extend_from_slice(input(&arguments).as_bytes());
                out.push(b'}');
            }
        }
    }

    fn separate(&mut self) {
        if !self.content.is_empty() {
            self.content.push(b',');
        }
    }
}

/// The object that a tool call's arguments spell, as they stand between quotes; an empty one where they are none or
/// broken.
pub(crate) fn input(arguments: &str) -> String {
    arguments_object(arguments).unwrap_or_else(|| "{}".to_owned())
}

/// Token counts as Messages spells them. Where the upstream does not tell the input, Coretap's estimate stands.
pub(crate) fn write_usage(usage: &Usage, options: &AnswerOptions, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"input_tokens\":");
    write_count(out, usage.input.unwrap_or(options.estimated_input));
    out.extend_from_slice(b",\"cache_creation_input_tokens\":");
    write_count(out, usage.cache_write.unwrap_or(0));
    out.extend_from_slice(b",\"cache_read_input_tokens\":");
    write_count(out, usage.cache_read.unwrap_or(0));
    out.extend_from_slice(b",\"output_tokens\":");
    write_count(out, usage.output.unwrap_or(0));
    out.push(b'}');
}

/// A stop reason as Messages spells it.
pub(crate) fn stop_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::EndTurn => "end_turn",
        StopReason::MaxTokens => "max_tokens",
        StopReason::StopSequence => "stop_sequence",
        StopReason::ToolUse => "tool_use",
        StopReason::Refusal => "refusal",
        StopReason::PauseTurn => "pause_turn",
    }
}
