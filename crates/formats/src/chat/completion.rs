//! Reading chat completions, whole ones and the chunks of streams: Azure's, and those that orchestration makes of every
//! provider's answers (sap-wire.md §3.2, §4.3, §4.4).

use crate::ReadError;
use crate::error::Path;
use crate::event::{Event, Failure, StopReason, Usage, arguments_object, said};
use crate::json::{Document, Object, Text, Value, around};
use crate::upstream_error::{broken, no_answer};

/// A completion, whole or one chunk of a stream. What a vendor may spell in an unexpected type stays unread.
#[derive(Clone, Copy)]
pub(crate) struct Completion<'a> {
    pub(crate) members: Object<'a>,
    /// The first choice: agents are given one answer.
    choice: Option<Object<'a>>,
    /// How many choices there are.
    pub(crate) choices: usize,
}

impl<'a> Completion<'a> {
    /// Takes an object for a completion.
    ///
    /// # Errors
    /// When its choices are none.
    pub(crate) fn of(members: Object<'a>) -> Result<Self, ReadError> {
        let path = &Path::Body;
        let (mut choice, mut choices) = (None, 0);
        for (position, entry) in members.list("choices", path)?.into_iter().flatten().enumerate() {
            let choices_path = &path.member("choices");
            let path = &choices_path.entry(position);
            let entry = entry
                .object()
                .ok_or_else(|| ReadError::expected(path, "an object"))?;
            choices += 1;
            if choice.is_none() && entry.count("index", path)?.unwrap_or(0) == 0 {
                choice = Some(entry);
            }
        }
        Ok(Completion {
            members,
            choice,
            choices,
        })
    }

    /// The token counts, where they are given and can be read.
    pub(crate) fn usage(&self) -> Option<Usage> {
        usage(self.members.get("usage")?.object()?).ok()
    }

    /// The first choice's message, or its delta.
    ///
    /// # Errors
    /// When it is no object.
    fn delta(&self) -> Result<Option<Object<'a>>, ReadError> {
        let path = &Path::Body;
        let Some(choice) = self.choice else {
            return Ok(None);
        };
        Ok(choice.object("delta", path)?.or(choice.object("message", path)?))
    }

    /// Why the model stopped; `""` means that it has not (sap-wire.md §4.4).
    fn stop(&self) -> Option<Value<'a>> {
        let reason = self.choice?.get("finish_reason")?;
        (reason.get() != "\"\"").then_some(reason)
    }
}

fn usage(counts: Object<'_>) -> Result<Usage, ReadError> {
    let path = &Path::Body;
    let prompt = counts.object("prompt_tokens_details", path)?;
    let completion = counts.object("completion_tokens_details", path)?;
    let of = |details: Option<Object<'_>>, name| match details {
        Some(details) => details.count(name, path),
        None => Ok(None),
    };
    let cache_read = of(prompt, "cached_tokens")?;
    let cache_write = of(prompt, "cache_creation_tokens")?;
    let cached = cache_read.unwrap_or(0).saturating_add(cache_write.unwrap_or(0));
    Ok(Usage {
        // The prompt's tokens include the cached ones ("Cached tokens present in the prompt", spec `TokenUsage`). Where
        // that cannot be, the vendor's own counts came through, which exclude them.
        input: counts
            .count("prompt_tokens", path)?
            .map(|all| all.checked_sub(cached).unwrap_or(all)),
        cache_read,
        cache_write,
        output: counts.count("completion_tokens", path)?,
        reasoning: of(completion, "reasoning_tokens")?,
    })
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

    fn set(&mut self, chunk: &str, delta: Object<'_>) {
        if let Some((before, after)) = around(chunk, delta.literal()) {
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
    pub(crate) fn read_framed<'c>(
        &mut self,
        chunk: &'c str,
        emit: &mut impl FnMut(Event<'_>),
    ) -> Option<&'c str> {
        let text = self.frame.delta(chunk)?;
        let document = Document::read(text).ok()?;
        self.read_delta(document.root().object()?, emit);
        Some(text)
    }

    /// Gives the events of the next chunk. `text` is what `chunk` was read from.
    ///
    /// # Errors
    /// When the first choice cannot be read.
    pub(crate) fn read(
        &mut self,
        text: &str,
        chunk: Completion<'_>,
        emit: &mut impl FnMut(Event<'_>),
    ) -> Result<(), Failure> {
        let usage = self.open(chunk, emit);
        let unreadable = |_| broken("The upstream sent a message that cannot be read.");
        if let Some(delta) = chunk.delta().map_err(unreadable)? {
            self.read_delta(delta, emit);
            if chunk.stop().is_none() && usage.is_none() && chunk.choices == 1 {
                self.frame.set(text, delta);
            }
        }
        self.read_stop(chunk, emit);
        Ok(())
    }

    /// Gives the events of a whole completion.
    ///
    /// # Errors
    /// When it has no choice, or its message cannot be read.
    pub(crate) fn read_whole(
        completion: Completion<'_>,
        emit: &mut impl FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        if completion.choices == 0 {
            return Err(ReadError::missing(&Path::Body.member("choices")));
        }
        let mut reader = CompletionReader::default();
        let message = completion.delta()?;
        reader.open(completion, emit);
        if let Some(message) = message {
            reader.read_delta(message, emit);
        }
        reader.read_stop(completion, emit);
        reader.end(emit);
        Ok(())
    }

    /// Takes the upstream's word that the answer is complete, and gives back whether that can be: an answer that has not
    /// even opened is a failure. Calls want to be run also where no finish reason says so (sap-wire.md §4.4).
    pub(crate) fn end(&self, emit: &mut impl FnMut(Event<'_>)) -> bool {
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

    fn open(&mut self, completion: Completion<'_>, emit: &mut impl FnMut(Event<'_>)) -> Option<Usage> {
        let usage = completion.usage();
        if let Some(usage) = usage {
            emit(Event::Usage(usage));
        }
        self.start(completion.members.get("id"), emit);
        usage
    }

    fn read_stop(&mut self, completion: Completion<'_>, emit: &mut impl FnMut(Event<'_>)) {
        if let Some(stop) = completion.stop() {
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
    pub(crate) fn start(&mut self, id: Option<Value<'_>>, emit: &mut impl FnMut(Event<'_>)) {
        if !self.started {
            self.started = true;
            emit(Event::Start { id: said(id) });
        }
    }

    fn read_delta(&mut self, delta: Object<'_>, emit: &mut impl FnMut(Event<'_>)) {
        if let Some(reasoning) = delta.get("reasoning_content") {
            read_reasoning(reasoning, emit);
        }
        let content = delta.get("content");
        if let Some(text) = said(content) {
            emit(Event::Text(text));
        } else if let Some(parts) = content.and_then(Value::list) {
            // Some vendors give the text in items, as it is sent to them; Mistral its thinking too.
            for part in parts.filter_map(Value::object) {
                if let Some(thinking) = part.get("thinking") {
                    read_reasoning(thinking, emit);
                }
                if let Some(text) = said(part.get("text")) {
                    emit(Event::Text(text));
                }
            }
        }
        if let Some(refusal) = said(delta.get("refusal")) {
            self.refused = true;
            emit(Event::Text(refusal));
        }
        let calls = delta.get("tool_calls").and_then(Value::list);
        for (position, call) in calls.into_iter().flatten().enumerate() {
            if let Some(call) = call.object() {
                let given = call.get("index").and_then(|index| index.get().parse().ok());
                self.read_call(given.unwrap_or(position), call, emit);
            }
        }
    }

    fn read_call(&mut self, position: usize, call: Object<'_>, emit: &mut impl FnMut(Event<'_>)) {
        let id = said(call.get("id"));
        let function = call.get("function").and_then(Value::object);
        let (name, arguments) = function.map_or((None, None), |function| {
            (said(function.get("name")), said(function.get("arguments")))
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
    fn stop_reason(&self, literal: Value<'_>) -> StopReason {
        match literal.get() {
            "\"length\"" | "\"model_length\"" => StopReason::MaxTokens,
            "\"tool_calls\"" | "\"function_call\"" => StopReason::ToolUse,
            "\"content_filter\"" => StopReason::Refusal,
            _ if self.refused => StopReason::Refusal,
            _ if !self.calls.is_empty() => StopReason::ToolUse,
            _ => StopReason::EndTurn,
        }
    }
}

/// Orchestration gives a list of blocks (spec `ReasoningBlock`), OpenAI-compatible vendors a plain string, Mistral a list of
/// texts.
fn read_reasoning(reasoning: Value<'_>, emit: &mut impl FnMut(Event<'_>)) {
    if let Some(thinking) = said(Some(reasoning)) {
        emit(Event::Thinking(thinking));
        return;
    }
    for block in reasoning.list().into_iter().flatten().filter_map(Value::object) {
        if let Some(thinking) = said(block.get("content").or(block.get("text"))) {
            emit(Event::Thinking(thinking));
        }
        if let Some(signature) = said(block.get("signature")) {
            emit(Event::Signature(signature));
        }
    }
}
