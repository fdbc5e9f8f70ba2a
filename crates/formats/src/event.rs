//! What any model can answer, piece by piece. A decoder of a model's format gives events, an encoder of an agent's
//! format takes them; a whole answer is the same events with longer texts.

use crate::json::{Document, Text, Value};

/// One piece of an answer, in the order in which it came. Texts borrow from the upstream's bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// The answer has opened; nothing of it is said yet. At most once, before everything but token counts.
    Start {
        /// The vendor's id of the answer, where it gives one that is not empty.
        id: Option<Text<'a>>,
    },
    /// A piece of the visible text.
    Text(Text<'a>),
    /// A piece of the model's thinking.
    Thinking(Text<'a>),
    /// The signature that closes the thinking so far; the agent must send it back with the thinking.
    Signature(Text<'a>),
    /// Thinking that only the vendor can read, whole.
    RedactedThinking(Text<'a>),
    /// A tool call begins. `index` tells parallel calls apart within one answer.
    ToolCall {
        /// Position among the answer's tool calls, from 0.
        index: usize,
        /// The call's id, which the result must name; empty where the upstream gives none.
        id: Text<'a>,
        /// The tool's name.
        name: Text<'a>,
    },
    /// A piece of a tool call's arguments: JSON text inside a JSON string, so a piece may end anywhere.
    ToolArguments {
        /// The call it belongs to.
        index: usize,
        /// The piece.
        piece: Text<'a>,
    },
    /// Why the model stopped. Usage may still follow.
    Stop {
        /// The reason.
        reason: StopReason,
        /// The stop sequence that was met, where the vendor says it.
        sequence: Option<Text<'a>>,
    },
    /// Token counts. Later ones replace the counts they carry.
    Usage(Usage),
    /// The upstream said that this is the regular end (`[DONE]`, `message_stop`, or the end of a whole body).
    End,
    /// The upstream failed in the middle. Nothing follows.
    Failure(Failure),
}

impl Event<'_> {
    /// The same event, owning its texts.
    pub(crate) fn into_owned(self) -> Event<'static> {
        match self {
            Event::Start { id } => Event::Start {
                id: id.map(Text::into_owned),
            },
            Event::Text(text) => Event::Text(text.into_owned()),
            Event::Thinking(thinking) => Event::Thinking(thinking.into_owned()),
            Event::Signature(signature) => Event::Signature(signature.into_owned()),
            Event::RedactedThinking(data) => Event::RedactedThinking(data.into_owned()),
            Event::ToolCall { index, id, name } => Event::ToolCall {
                index,
                id: id.into_owned(),
                name: name.into_owned(),
            },
            Event::ToolArguments { index, piece } => Event::ToolArguments {
                index,
                piece: piece.into_owned(),
            },
            Event::Stop { reason, sequence } => Event::Stop {
                reason,
                sequence: sequence.map(Text::into_owned),
            },
            Event::Usage(usage) => Event::Usage(usage),
            Event::End => Event::End,
            Event::Failure(failure) => Event::Failure(failure),
        }
    }
}

/// Why a model stopped, in no vendor's spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// It was done.
    EndTurn,
    /// It ran into the limit of output tokens.
    MaxTokens,
    /// It met a stop sequence.
    StopSequence,
    /// It wants tools called.
    ToolUse,
    /// A content filter stopped it, or it refused.
    Refusal,
    /// It paused a long turn and wants to be called again with what it has.
    PauseTurn,
}

/// Token counts in the shape that loses nothing: input without cache, and what was read from and written to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input tokens that came neither from nor went into a cache.
    pub input: Option<u64>,
    /// Input tokens read from the prompt cache.
    pub cache_read: Option<u64>,
    /// Input tokens written to the prompt cache.
    pub cache_write: Option<u64>,
    /// Output tokens, thinking included.
    pub output: Option<u64>,
    /// How many of the output tokens were thinking.
    pub reasoning: Option<u64>,
}

impl Usage {
    /// Takes over every count that `newer` carries.
    pub fn update(&mut self, newer: Usage) {
        self.input = newer.input.or(self.input);
        self.cache_read = newer.cache_read.or(self.cache_read);
        self.cache_write = newer.cache_write.or(self.cache_write);
        self.output = newer.output.or(self.output);
        self.reasoning = newer.reasoning.or(self.reasoning);
    }

    /// All input tokens, cached or not.
    pub fn total_input(&self) -> u64 {
        let cached = self
            .cache_read
            .unwrap_or(0)
            .saturating_add(self.cache_write.unwrap_or(0));
        self.input.unwrap_or(0).saturating_add(cached)
    }
}

/// The string that stands there, where it is one and not empty: what an event can carry.
pub(crate) fn said(value: Option<Value<'_>>) -> Option<Text<'_>> {
    value.and_then(Value::text).filter(|text| !text.is_empty())
}

/// The JSON object that a tool call's arguments spell, given as they stand between quotes; nothing where they are none,
/// broken or not yet whole.
pub(crate) fn arguments_object(escaped: &str) -> Option<String> {
    let text = Text::from_escaped(escaped).decode().trim().to_owned();
    let is_object = Document::read(&text).is_ok_and(|document| document.root().object().is_some());
    is_object.then_some(text)
}

/// A failure that the upstream reported inside a body or a stream it had begun with 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status it stands for: 429 for throttling in any spelling (sap-wire.md §3.2), 529 for overload,
    /// the vendor's own code where it is one, otherwise 500.
    pub status: u16,
    /// The upstream's text, word for word.
    pub message: String,
    /// Seconds to wait, where the upstream says so.
    pub retry_after: Option<u64>,
}
