//! Reading chat completions, whole ones and the chunks of streams: Azure's, and those that orchestration makes of every
//! provider's answers (sap-wire.md §3.2, §4.3, §4.4).

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::event::{Event, Failure, StopReason, Usage, arguments_object, said};
use crate::json::{Text, around};
use crate::upstream_error::{broken, no_answer};

/// One chunk of a stream, whose delta's text is wanted besides what it says.
pub(crate) type Chunk<'a> = Completion<'a, &'a RawValue>;

/// A whole completion.
pub(crate) type Whole<'a> = Completion<'a, Delta<'a>>;

/// A completion with its messages, or with the text of its deltas. What a vendor may spell in an unexpected type stays
/// unread.
#[derive(Debug, serde::Deserialize)]
#[serde(bound(deserialize = "M: Deserialize<'de>, 'de: 'a"))]
pub(crate) struct Completion<'a, M> {
    #[serde(borrow)]
    pub(crate) id: Option<&'a RawValue>,
    pub(crate) model: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) choices: Few<Choice<'a, M>>,
    pub(crate) usage: Option<&'a RawValue>,
    pub(crate) error: Option<&'a RawValue>,
    /// Azure's verdict on the prompt, in a chunk of its own that opens the stream.
    pub(crate) prompt_filter_results: Option<IgnoredAny>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(bound(deserialize = "M: Deserialize<'de>, 'de: 'a"))]
pub(crate) struct Choice<'a, M> {
    #[serde(default)]
    index: u64,
    #[serde(alias = "message")]
    delta: Option<M>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Debug, serde::Deserialize)]
pub(crate) struct Delta<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    refusal: Option<&'a RawValue>,
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Few<ToolCall<'a>>,
}

/// An item of a `content` that is a list.
#[derive(serde::Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

/// `reasoning_content` of orchestration: a list of these (spec `ReasoningBlock`).
#[derive(serde::Deserialize)]
struct ReasoningBlock<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    signature: Option<&'a RawValue>,
}

#[derive(Debug, serde::Deserialize)]
struct ToolCall<'a> {
    index: Option<usize>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    function: Option<Function<'a>>,
}

#[derive(Debug, serde::Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    arguments: Option<&'a RawValue>,
}

#[derive(serde::Deserialize)]
struct TokenUsage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(serde::Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    cache_creation_tokens: Option<u64>,
}

#[derive(serde::Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

impl<'a, M> Completion<'a, M> {
    /// The first choice: agents are given one answer.
    fn first(&self) -> Option<&Choice<'a, M>> {
        self.choices.iter().find(|choice| choice.index == 0)
    }

    /// The token counts, where they are given and can be read.
    pub(crate) fn usage(&self) -> Option<Usage> {
        let usage: TokenUsage = serde_json::from_str(self.usage?.get()).ok()?;
        let (cache_read, cache_write) = usage.prompt_tokens_details.map_or((None, None), |details| {
            (details.cached_tokens, details.cache_creation_tokens)
        });
        let cached = cache_read.unwrap_or(0).saturating_add(cache_write.unwrap_or(0));
        Some(Usage {
            // The prompt's tokens include the cached ones ("Cached tokens present in the prompt", spec `TokenUsage`). Where
            // that cannot be, the vendor's own counts came through, which exclude them.
            input: usage
                .prompt_tokens
                .map(|all| all.checked_sub(cached).unwrap_or(all)),
            cache_read,
            cache_write,
            output: usage.completion_tokens,
            reasoning: usage
                .completion_tokens_details
                .and_then(|details| details.reasoning_tokens),
        })
    }
}

impl<'a, M> Choice<'a, M> {
    /// Why the model stopped; `""` means that it has not (sap-wire.md §4.4).
    fn stop(&self) -> Option<&'a RawValue> {
        self.finish_reason.filter(|reason| reason.get() != "\"\"")
    }
}

/// Makes events of completions. It remembers what one chunk does not say: which tool call a piece belongs to.
#[derive(Debug, Default)]
pub(crate) struct CompletionReader {
    started: bool,
    refused: bool,
    stopped: bool,
    calls: Vec<KnownCall>,
    frame: Frame,
}

/// What stands around the delta in a chunk that says nothing else. The chunks of a stream hardly ever differ in it, so
/// that most of them need not be read but for their delta: a JSON value between the same two texts means the same.
#[derive(Debug, Default)]
struct Frame {
    before: String,
    after: String,
}

impl Frame {
    /// The text of the delta, where `chunk` has this frame.
    fn delta<'a>(&self, chunk: &'a str) -> Option<&'a str> {
        if self.before.is_empty() {
            return None;
        }
        chunk
            .strip_prefix(self.before.as_str())?
            .strip_suffix(self.after.as_str())
    }

    fn set(&mut self, chunk: &str, delta: &RawValue) {
        if let Some((before, after)) = around(chunk, delta.get()) {
            self.before.clear();
            self.before.push_str(before);
            self.after.clear();
            self.after.push_str(after);
        }
    }
}

/// A tool call that has begun.
#[derive(Debug)]
struct KnownCall {
    /// The position that the upstream gives it.
    position: usize,
    id: String,
    name: String,
    /// Its arguments so far as they stand between quotes, where no id tells it from the next call.
    arguments: String,
}

impl CompletionReader {
    /// Gives the events of a chunk that differs from an earlier one in nothing but its delta, and the delta's text; nothing
    /// where it is no such chunk.
    pub(crate) fn read_framed<'a>(
        &mut self,
        chunk: &'a str,
        emit: &mut impl FnMut(Event<'a>),
    ) -> Option<&'a str> {
        let text = self.frame.delta(chunk)?;
        let delta: Delta<'a> = serde_json::from_str(text).ok()?;
        self.read_delta(&delta, emit);
        Some(text)
    }

    /// Gives the events of the next chunk. `text` is what `chunk` was read from.
    ///
    /// # Errors
    /// When the first choice cannot be read.
    pub(crate) fn read<'a>(
        &mut self,
        text: &'a str,
        chunk: &Chunk<'a>,
        emit: &mut impl FnMut(Event<'a>),
    ) -> Result<(), Failure> {
        let usage = self.open(chunk, emit);
        let Some(choice) = chunk.first() else {
            return Ok(());
        };
        if let Some(raw) = choice.delta {
            let unreadable = |_| broken("The upstream sent a message that cannot be read.");
            let delta: Delta<'a> = serde_json::from_str(raw.get()).map_err(unreadable)?;
            self.read_delta(&delta, emit);
            if choice.stop().is_none() && usage.is_none() && chunk.choices.more.is_empty() {
                self.frame.set(text, raw);
            }
        }
        self.read_stop(choice, emit);
        Ok(())
    }

    /// Gives the events of a whole completion.
    pub(crate) fn read_whole<'a>(completion: &Whole<'a>, emit: &mut impl FnMut(Event<'a>)) {
        let mut reader = CompletionReader::default();
        reader.open(completion, emit);
        if let Some(choice) = completion.first() {
            if let Some(message) = &choice.delta {
                reader.read_delta(message, emit);
            }
            reader.read_stop(choice, emit);
        }
        reader.end(emit);
    }

    /// Takes the upstream's word that the answer is complete, and gives back whether that can be: an answer that has not
    /// even opened is a failure. Calls want to be run also where no finish reason says so (sap-wire.md §4.4).
    pub(crate) fn end<'a>(&self, emit: &mut impl FnMut(Event<'a>)) -> bool {
        if !self.started {
            emit(Event::Failure(no_answer()));
            return false;
        }
        if !self.stopped && !self.calls.is_empty() {
            emit(Event::Stop {
                reason: StopReason::ToolUse,
                sequence: None,
            });
        }
        emit(Event::End);
        true
    }

    fn open<'a, M>(
        &mut self,
        completion: &Completion<'a, M>,
        emit: &mut impl FnMut(Event<'a>),
    ) -> Option<Usage> {
        let usage = completion.usage();
        if let Some(usage) = usage {
            emit(Event::Usage(usage));
        }
        self.start(completion.id, emit);
        usage
    }

    fn read_stop<'a, M>(&mut self, choice: &Choice<'a, M>, emit: &mut impl FnMut(Event<'a>)) {
        if let Some(stop) = choice.stop() {
            self.stopped = true;
            emit(Event::Stop {
                reason: self.stop_reason(stop),
                sequence: None,
            });
        }
    }

    /// What stands before and after the delta in `chunk`, where that is the frame that is kept.
    pub(crate) fn frame_of<'a>(&self, chunk: &'a str) -> Option<(&'a str, &'a str)> {
        around(chunk, self.frame.delta(chunk)?)
    }

    /// Gives the event that opens the answer, once.
    pub(crate) fn start<'a>(&mut self, id: Option<&'a RawValue>, emit: &mut impl FnMut(Event<'a>)) {
        if !self.started {
            self.started = true;
            emit(Event::Start { id: said(id) });
        }
    }

    fn read_delta<'a>(&mut self, delta: &Delta<'a>, emit: &mut impl FnMut(Event<'a>)) {
        if let Some(reasoning) = delta.reasoning_content {
            read_reasoning(reasoning, emit);
        }
        if let Some(text) = said(delta.content) {
            emit(Event::Text(text));
        } else if let Some(parts) = delta.content.filter(|content| content.get().starts_with('[')) {
            read_parts(parts, emit);
        }
        if let Some(refusal) = said(delta.refusal) {
            self.refused = true;
            emit(Event::Text(refusal));
        }
        for (position, call) in delta.tool_calls.iter().enumerate() {
            self.read_call(call.index.unwrap_or(position), call, emit);
        }
    }

    fn read_call<'a>(&mut self, position: usize, call: &ToolCall<'a>, emit: &mut impl FnMut(Event<'a>)) {
        let id = said(call.id);
        let (name, arguments) = call.function.as_ref().map_or((None, None), |function| {
            (said(function.name), said(function.arguments))
        });
        let known = self.calls.iter().rposition(|known| known.position == position);
        let known = known.filter(|&known| !self.is_another(known, id.as_ref(), name.as_ref()));
        let index = known.unwrap_or(self.calls.len());
        if known.is_none() {
            let id = id.unwrap_or_else(|| Text::of(""));
            let name = name.unwrap_or_else(|| Text::of(""));
            self.calls.push(KnownCall {
                position,
                id: id.escaped().to_owned(),
                name: name.escaped().to_owned(),
                arguments: String::new(),
            });
            emit(Event::ToolCall { index, id, name });
        }
        if let Some(piece) = arguments {
            if let Some(call) = self.calls.get_mut(index)
                && call.id.is_empty()
            {
                call.arguments.push_str(piece.escaped());
            }
            emit(Event::ToolArguments { index, piece });
        }
    }

    /// Whether a piece begins another call although its position is taken: some providers give every parallel call the
    /// position 0, each with its own id or with none. Where there are no ids, a repeated name begins another call only
    /// when the arguments of the one before it are whole: others repeat the name with every piece.
    fn is_another(&self, known: usize, id: Option<&Text<'_>>, name: Option<&Text<'_>>) -> bool {
        let (Some(call), Some(name)) = (self.calls.get(known), name) else {
            return false;
        };
        match id {
            Some(id) => id.escaped() != call.id,
            None if !call.id.is_empty() => false,
            None => name.escaped() != call.name || arguments_object(&call.arguments).is_some(),
        }
    }

    /// What a finish reason means. Some providers say "stop" after calling tools.
    fn stop_reason(&self, literal: &RawValue) -> StopReason {
        match literal.get() {
            "\"length\"" => StopReason::MaxTokens,
            "\"tool_calls\"" | "\"function_call\"" => StopReason::ToolUse,
            "\"content_filter\"" => StopReason::Refusal,
            _ if self.refused => StopReason::Refusal,
            _ if !self.calls.is_empty() => StopReason::ToolUse,
            _ => StopReason::EndTurn,
        }
    }
}

/// Some vendors give the text in items, as it is sent to them.
fn read_parts<'a>(parts: &'a RawValue, emit: &mut impl FnMut(Event<'a>)) {
    let parts: Few<Part<'a>> = serde_json::from_str(parts.get()).unwrap_or_default();
    for text in parts.iter().filter_map(|part| said(part.text)) {
        emit(Event::Text(text));
    }
}

/// Orchestration gives a list of blocks, OpenAI-compatible vendors a plain string.
fn read_reasoning<'a>(reasoning: &'a RawValue, emit: &mut impl FnMut(Event<'a>)) {
    if let Some(thinking) = said(Some(reasoning)) {
        emit(Event::Thinking(thinking));
        return;
    }
    let Ok(blocks) = serde_json::from_str::<Few<ReasoningBlock<'a>>>(reasoning.get()) else {
        return;
    };
    for block in blocks.iter() {
        if let Some(thinking) = said(block.content) {
            emit(Event::Thinking(thinking));
        }
        if let Some(signature) = said(block.signature) {
            emit(Event::Signature(signature));
        }
    }
}

/// A list that nearly always has at most one entry, so that reading it takes no memory; `null` is an empty one.
#[derive(Debug)]
pub(crate) struct Few<T> {
    first: Option<T>,
    more: Vec<T>,
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Few {
            first: None,
            more: Vec::new(),
        }
    }
}

impl<T> Few<T> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.more)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Few<T>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Few::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                let mut few = Few {
                    first: sequence.next_element()?,
                    more: Vec::new(),
                };
                while let Some(entry) = sequence.next_element()? {
                    few.more.push(entry);
                }
                Ok(few)
            }
        }
        deserializer.deserialize_any(Entries(PhantomData))
    }
}
