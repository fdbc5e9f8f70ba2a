//! Answers: a model's format in, an agent's format out, whole or as a stream.

use std::borrow::Cow;

use crate::error::error_type;
use crate::event::{Event, Failure, StopReason, Usage};
use crate::json::{Document, Text, write_count, write_escaped, write_string, write_with_model};
use crate::sse::Lines;
use crate::upstream_error::{broken, read_failure_list};
use crate::{
    AgentFormat, AgentTools, ModelFormat, RequestSettings, azure, azure_responses, chat, claude, cohere,
    converse, gemini, messages, orchestration, responses, vertex,
};

/// What an answer needs to know besides the upstream's bytes. Ids and times are handed in.
#[derive(Clone, Debug)]
pub struct AnswerOptions {
    /// What the agent speaks.
    pub agent: AgentFormat,
    /// What the upstream speaks.
    pub upstream: ModelFormat,
    /// The model's name as the agent asked for it: it stands in the answer.
    pub model: String,
    /// An id for answers whose upstream gives none, without a prefix.
    pub id: String,
    /// Now, in seconds since 1970.
    pub created: u64,
    /// Chat Completions: whether the agent asked for the usage chunk (`stream_options.include_usage`).
    pub include_usage: bool,
    /// Gemini: whether a stream is a JSON array instead of events (`alt=sse` was not asked for).
    pub as_array: bool,
    /// The tools whose calls the agent expects in another form than the model makes them.
    pub tools: AgentTools,
    /// Responses: the request's settings, which the answer repeats.
    pub settings: RequestSettings,
    /// Orchestration: whether the request named further models, one of which may have answered.
    pub has_fallbacks: bool,
    /// Coretap's estimate of the input tokens, for `message_start` where the upstream does not say yet.
    pub estimated_input: u64,
}

impl AnswerOptions {
    /// The event with the name of a tool as the agent gave it. Responses has forms of its own for its tools.
    fn in_agents_names<'a>(&self, event: Event<'a>) -> Event<'a> {
        match event {
            Event::ToolCall { index, id, name }
                if !self.tools.is_empty() && self.agent != AgentFormat::Responses =>
            {
                let own = self.tools.of(&name.decode()).map(|tool| Text::of(&tool.name));
                Event::ToolCall {
                    index,
                    id,
                    name: own.unwrap_or(name),
                }
            }
            event => event,
        }
    }

    /// Writes the answer's id as a JSON string: the upstream's where it begins as the agent's format wants it, otherwise
    /// Coretap's own.
    pub(crate) fn write_id(&self, prefix: &str, id: Option<&Text<'_>>, out: &mut Vec<u8>) {
        if let Some(id) = id.filter(|id| id.escaped().starts_with(prefix)) {
            out.extend_from_slice(id.literal().as_bytes());
        } else {
            out.push(b'"');
            out.extend_from_slice(prefix.as_bytes());
            write_escaped(out, &self.id);
            out.push(b'"');
        }
    }

    /// Writes a tool call's id as a JSON string: the upstream's, or Coretap's own where it gave none.
    pub(crate) fn write_call_id(&self, prefix: &str, id: &Text<'_>, index: usize, out: &mut Vec<u8>) {
        if !id.is_empty() {
            out.extend_from_slice(id.literal().as_bytes());
            return;
        }
        out.push(b'"');
        out.extend_from_slice(prefix.as_bytes());
        write_escaped(out, &self.id);
        out.push(b'_');
        write_count(out, index as u64);
        out.push(b'"');
    }
}

/// How far a stream has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing yet, or only events that open. What was written into `out` may still be thrown away.
    Opening,
    /// The model has said something, or has stopped.
    Running,
    /// The upstream said its regular end, and it is written.
    Ended,
    /// The upstream told a failure, or sent what nobody can read. Nothing was written for it: the caller answers with the
    /// status while it still can, and calls [`AnswerStream::fail`] when it cannot.
    Failed(Failure),
    /// The upstream's body ended without the answer's end and without a word about it. The failure is in Coretap's words;
    /// the rest is as with `Failed`.
    Cut(Failure),
}

/// What is known of an answer when it is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Token counts so far.
    pub usage: Usage,
    /// Why the model stopped.
    pub stop_reason: Option<StopReason>,
}

/// A whole answer in the agent's format.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The body.
    pub body: Vec<u8>,
    /// What is known of it.
    pub outcome: Outcome,
    /// The upstream's id of it, where both sides speak Responses and it may be asked for again.
    pub id: Option<String>,
    /// Orchestration: how many models of the request's list failed before the one that answered.
    pub failed_models: usize,
}

/// A stream on its way from the upstream's events to the agent's.
#[derive(Debug)]
pub struct AnswerStream {
    options: AnswerOptions,
    lines: Lines,
    way: Way,
    seen: Seen,
    failure_told: bool,
}

/// From which format into which.
#[derive(Debug)]
enum Way {
    /// Both sides speak Messages: events are copied, and read only for what Coretap wants to know.
    CopyMessages {
        decoder: claude::answer::Decoder,
        model: Text<'static>,
    },
    /// Both sides speak Chat Completions.
    CopyChat(azure::answer::Copier),
    /// Both sides speak Responses.
    CopyResponses(azure_responses::copy::Copier),
    /// Both sides speak Gemini's format.
    CopyGemini(vertex::answer::Copier),
    Translate {
        decoder: Decoder,
        encoder: Encoder,
    },
}

#[derive(Debug)]
enum Decoder {
    Orchestration(orchestration::answer::Decoder),
    Claude(claude::answer::Decoder),
    /// Azure and everybody else who speaks plain Chat Completions.
    Azure(azure::answer::Decoder),
    AzureResponses(azure_responses::answer::Decoder),
    Vertex(vertex::answer::Decoder),
    Converse(converse::answer::Decoder),
    Cohere(cohere::answer::Decoder),
}

impl Decoder {
    fn new(options: &AnswerOptions) -> Self {
        match options.upstream {
            ModelFormat::Orchestration => {
                Decoder::Orchestration(orchestration::answer::Decoder::new(options.has_fallbacks))
            }
            ModelFormat::Claude => Decoder::Claude(claude::answer::Decoder::default()),
            ModelFormat::AzureChat | ModelFormat::OpenAiCompatible => {
                Decoder::Azure(azure::answer::Decoder::default())
            }
            ModelFormat::AzureResponses => {
                Decoder::AzureResponses(azure_responses::answer::Decoder::default())
            }
            ModelFormat::Vertex => Decoder::Vertex(vertex::answer::Decoder::default()),
            ModelFormat::Converse => Decoder::Converse(converse::answer::Decoder::default()),
            ModelFormat::Cohere => Decoder::Cohere(cohere::answer::Decoder::default()),
        }
    }

    fn read(&mut self, payload: &str, emit: &mut impl FnMut(Event<'_>)) {
        match self {
            Decoder::Orchestration(decoder) => decoder.read(payload, emit),
            Decoder::Claude(decoder) => decoder.read(payload, emit),
            Decoder::Azure(decoder) => decoder.read(payload, emit),
            Decoder::AzureResponses(decoder) => decoder.read(payload, emit),
            Decoder::Vertex(decoder) => decoder.read(payload, emit),
            Decoder::Converse(decoder) => decoder.read(payload, emit),
            Decoder::Cohere(decoder) => decoder.read(payload, emit),
        }
    }

    /// Takes the end of the upstream's body: the formats that say their end in no other way end there.
    fn end(&mut self, emit: &mut impl FnMut(Event<'_>)) {
        match self {
            Decoder::Vertex(decoder) => {
                decoder.end(emit);
            }
            Decoder::Converse(decoder) => decoder.end(emit),
            _ => {}
        }
    }
}

#[derive(Debug)]
enum Encoder {
    Messages(messages::stream::Encoder),
    Chat(chat::stream::Encoder),
    Responses(responses::stream::Encoder),
    Gemini(gemini::stream::Encoder),
}

impl Encoder {
    fn new(options: &AnswerOptions) -> Self {
        match options.agent {
            AgentFormat::Messages => Encoder::Messages(messages::stream::Encoder::new()),
            AgentFormat::ChatCompletions => Encoder::Chat(chat::stream::Encoder::new()),
            AgentFormat::Responses => Encoder::Responses(responses::stream::Encoder::default()),
            AgentFormat::Gemini => Encoder::Gemini(gemini::stream::Encoder::new(options.as_array)),
        }
    }

    fn write(&mut self, event: &Event<'_>, options: &AnswerOptions, out: &mut Vec<u8>) {
        match self {
            Encoder::Messages(encoder) => encoder.write(event, options, out),
            Encoder::Chat(encoder) => encoder.write(event, options, out),
            Encoder::Responses(encoder) => encoder.write(event, options, out),
            Encoder::Gemini(encoder) => encoder.write(event, options, out),
        }
    }
}

/// What an answer has shown so far.
#[derive(Debug)]
struct Seen {
    started: bool,
    /// Whether the upstream's id of the answer matters.
    wants_id: bool,
    id: Option<String>,
    progress: Progress,
    outcome: Outcome,
}

impl Seen {
    fn new(options: &AnswerOptions) -> Self {
        Seen {
            started: false,
            wants_id: options.upstream == ModelFormat::AzureResponses
                && options.agent == AgentFormat::Responses,
            id: None,
            progress: Progress::Opening,
            outcome: Outcome::default(),
        }
    }

    fn is_over(&self) -> bool {
        matches!(
            self.progress,
            Progress::Ended | Progress::Failed(_) | Progress::Cut(_)
        )
    }

    fn observe(&mut self, event: &Event<'_>) {
        match event {
            Event::Start { id } => {
                self.started = true;
                let id = id.as_ref().filter(|_| self.wants_id);
                self.id = id.map(|id| id.decode().into_owned());
            }
            Event::Usage(usage) => self.outcome.usage.update(*usage),
            Event::Stop { reason, .. } => {
                self.outcome.stop_reason = Some(*reason);
                self.progress = Progress::Running;
            }
            Event::End => self.progress = Progress::Ended,
            Event::Failure(failure) => self.progress = Progress::Failed(failure.clone()),
            Event::Text(_)
            | Event::Thinking(_)
            | Event::Signature(_)
            | Event::RedactedThinking(_)
            | Event::ToolCall { .. }
            | Event::ToolArguments { .. } => self.progress = Progress::Running,
        }
    }
}

impl AnswerStream {
    /// A stream that has not begun.
    pub fn new(options: AnswerOptions) -> Self {
        let way = match (options.upstream, options.agent) {
            (ModelFormat::Claude, AgentFormat::Messages) if options.tools.is_empty() => Way::CopyMessages {
                decoder: claude::answer::Decoder::default(),
                model: Text::of(&options.model),
            },
            (ModelFormat::AzureChat, AgentFormat::ChatCompletions) if !options.tools.are_functions() => {
                Way::CopyChat(azure::answer::Copier::new(&options.model, options.include_usage))
            }
            (ModelFormat::Vertex, AgentFormat::Gemini) => {
                Way::CopyGemini(vertex::answer::Copier::new(&options))
            }
            (ModelFormat::AzureResponses, AgentFormat::Responses) => Way::CopyResponses(
                azure_responses::copy::Copier::new(&options.model, options.tools.clone()),
            ),
            _ => Way::Translate {
                decoder: Decoder::new(&options),
                encoder: Encoder::new(&options),
            },
        };
        let seen = Seen::new(&options);
        AnswerStream {
            options,
            lines: Lines::default(),
            way,
            seen,
            failure_told: false,
        }
    }

    /// Takes the next bytes of the upstream, cut anywhere, and appends the agent's events to `out`: whatever is complete
    /// in the bytes is appended before this returns. After the end or a failure nothing is taken any more.
    ///
    /// In one call a failure may follow events that were appended; they may still be thrown away as long as nothing has
    /// gone out.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Progress {
        let AnswerStream {
            options,
            lines,
            way,
            seen,
            ..
        } = self;
        if !seen.is_over()
            && lines
                .push(bytes, |payload| way.take(payload, options, seen, out))
                .is_err()
            && !seen.is_over()
        {
            seen.progress = Progress::Failed(broken("The upstream sent an event that is too long."));
        }
        seen.progress.clone()
    }

    /// Says that the upstream's body has ended. Without its regular end this is a cut, or the failure that the upstream told
    /// last; never an end.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Progress {
        let AnswerStream {
            options,
            lines,
            way,
            seen,
            ..
        } = self;
        if !seen.is_over() {
            lines.finish(|payload| {
                // A last line without a line break counts when nothing of it is missing.
                let text: &str = &text_of(payload);
                let is_whole = match options.upstream {
                    ModelFormat::Converse => converse::answer::is_whole(text),
                    _ => text == "[DONE]" || Document::read(text).is_ok(),
                };
                if is_whole {
                    way.take(payload, options, seen, out);
                }
            });
        }
        if !seen.is_over() {
            way.end(options, seen, out);
        }
        if !seen.is_over() {
            seen.progress = Progress::Cut(broken("The upstream ended before its answer was complete."));
        }
        seen.progress.clone()
    }

    /// Appends the agent's form of a stream that breaks: never a normal end (docs/formats.md).
    /// After the end, or a second time, it appends nothing.
    pub fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        if self.failure_told || self.seen.progress == Progress::Ended {
            return;
        }
        self.failure_told = true;
        if !self.seen.is_over() {
            self.seen.progress = Progress::Failed(failure.clone());
        }
        let error_type = error_type(self.options.agent, failure.status);
        match self.options.agent {
            AgentFormat::Messages => {
                out.extend_from_slice(b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"");
                out.extend_from_slice(error_type.as_bytes());
                out.extend_from_slice(b"\",\"message\":");
                write_string(out, &failure.message);
                out.extend_from_slice(b"}}\n\n");
            }
            AgentFormat::Responses => {
                responses::stream::write_failure(failure, self.way.next_sequence(), out);
            }
            AgentFormat::Gemini => {
                if let Some(frame) = self.way.gemini_frame() {
                    frame.write_failure(failure, out);
                }
            }
            AgentFormat::ChatCompletions => {
                out.extend_from_slice(b"data: {\"error\":{\"message\":");
                write_string(out, &failure.message);
                out.extend_from_slice(b",\"type\":\"");
                out.extend_from_slice(error_type.as_bytes());
                out.extend_from_slice(b"\",\"param\":null,\"code\":\"");
                write_count(out, failure.status.into());
                out.extend_from_slice(b"\"}}\n\n");
            }
        }
    }

    /// Appends a sign of life that means nothing. To be called between pushes only. Before the answer has opened and after
    /// it is over there is none.
    pub fn keep_alive(&self, out: &mut Vec<u8>) {
        if self.seen.is_over() || !self.seen.started {
            return;
        }
        out.extend_from_slice(match self.options.agent {
            AgentFormat::Messages => b"event: ping\ndata: {\"type\":\"ping\"}\n\n".as_slice(),
            // An array has no place for a comment, but white space between its entries means nothing.
            AgentFormat::Gemini if self.options.as_array => b"\n",
            AgentFormat::ChatCompletions | AgentFormat::Responses | AgentFormat::Gemini => {
                b": keep-alive\n\n"
            }
        });
    }

    /// The upstream's id of the answer, where both sides speak Responses and it may be asked for again.
    pub fn id(&self) -> Option<&str> {
        self.seen.id.as_deref()
    }

    /// What is known so far.
    pub fn outcome(&self) -> Outcome {
        self.seen.outcome
    }

    /// Orchestration: how many models of the request's list failed before the one that answers.
    pub fn failed_models(&self) -> usize {
        match &self.way {
            Way::Translate {
                decoder: Decoder::Orchestration(decoder),
                ..
            } => decoder.failed_models(),
            _ => 0,
        }
    }
}

impl Way {
    /// The number of the next event, where the agent's format counts them.
    fn next_sequence(&self) -> u64 {
        match self {
            Way::CopyResponses(copier) => copier.next_sequence(),
            Way::Translate {
                encoder: Encoder::Responses(encoder),
                ..
            } => encoder.next_sequence(),
            _ => 0,
        }
    }

    /// Takes one payload.
    fn take(&mut self, payload: &[u8], options: &AnswerOptions, seen: &mut Seen, out: &mut Vec<u8>) {
        if seen.is_over() {
            return;
        }
        let payload: &str = &text_of(payload);
        if let Some(failure) = read_failure_list(payload.as_bytes()) {
            seen.observe(&Event::Failure(failure));
            return;
        }
        match self {
            Way::CopyMessages { .. } if seen.started && claude::answer::is_content(payload) => {
                seen.progress = Progress::Running;
                claude::answer::write_content(payload, out);
            }
            Way::CopyMessages { decoder, model } => {
                decoder.read(payload, &mut |event| seen.observe(&event));
                if !matches!(seen.progress, Progress::Failed(_)) {
                    claude::answer::write_event(payload, model.literal(), out);
                }
            }
            Way::CopyChat(copier) => copier.copy(payload, &mut |event| seen.observe(&event), out),
            Way::CopyResponses(copier) => copier.copy(payload, &mut |event| seen.observe(&event), out),
            Way::CopyGemini(copier) => {
                copier.copy(payload, options, &mut |event| seen.observe(&event), out);
            }
            Way::Translate { decoder, encoder } => decoder.read(payload, &mut |event| {
                if seen.is_over() {
                    return;
                }
                seen.observe(&event);
                encoder.write(&options.in_agents_names(event), options, out);
            }),
        }
    }
}

impl Way {
    /// Takes the end of the upstream's body, which is the regular end of a format that has no other.
    fn end(&mut self, options: &AnswerOptions, seen: &mut Seen, out: &mut Vec<u8>) {
        match self {
            Way::CopyGemini(copier) => copier.end(&mut |event| seen.observe(&event), out),
            Way::Translate { decoder, encoder } => decoder.end(&mut |event| {
                seen.observe(&event);
                encoder.write(&event, options, out);
            }),
            _ => {}
        }
    }

    /// What stands around the chunks for an agent that speaks Gemini's format.
    fn gemini_frame(&mut self) -> Option<&mut gemini::stream::Frame> {
        match self {
            Way::CopyGemini(copier) => Some(&mut copier.frame),
            Way::Translate {
                encoder: Encoder::Gemini(encoder),
                ..
            } => Some(&mut encoder.frame),
            _ => None,
        }
    }
}

/// Translates a whole answer.
///
/// # Errors
/// When the body cannot be read or holds an error.
pub fn answer(options: &AnswerOptions, body: &[u8]) -> Result<Answer, Failure> {
    if let Some(failure) = read_failure_list(body) {
        return Err(failure);
    }
    let mut seen = Seen::new(options);
    let mut out = Vec::new();
    match (options.upstream, options.agent) {
        (ModelFormat::Claude, AgentFormat::Messages) if options.tools.is_empty() => {
            let body: &str = &text_of(body);
            let document = &document(body)?;
            let message = claude::answer::read_whole(document, &mut |event| seen.observe(&event))?;
            let model = Text::of(&options.model);
            write_with_model(&mut out, body, message.get("model"), model.literal());
        }
        (ModelFormat::AzureChat, AgentFormat::ChatCompletions) if !options.tools.are_functions() => {
            let body: &str = &text_of(body);
            let document = &document(body)?;
            let completion = azure::answer::read_whole(document, &mut |event| seen.observe(&event))?;
            let model = Text::of(&options.model);
            write_with_model(&mut out, body, completion.members.get("model"), model.literal());
        }
        (ModelFormat::AzureResponses, AgentFormat::Responses) => {
            let body = text_of(body);
            let document = &document(&body)?;
            let (response, old) =
                azure_responses::answer::read_whole(document, &mut |event| seen.observe(&event))?;
            let (model, tools) = (Text::of(&options.model), &options.tools);
            azure_responses::copy::write_response(response, old, model.literal(), tools, &mut out);
        }
        (ModelFormat::Vertex, AgentFormat::Gemini) => {
            let body: &str = &text_of(body);
            let document = &document(body)?;
            vertex::answer::copy_whole(document, options, &mut |event| seen.observe(&event), &mut out)?;
        }
        (_, AgentFormat::Messages) => {
            let mut whole = messages::answer::Whole::default();
            read_whole(options, body, &mut |event| {
                seen.observe(&event);
                whole.take(&event, options);
            })?;
            out = whole.into_body(options);
        }
        (_, AgentFormat::Responses) => {
            let mut whole = responses::answer::Whole::default();
            read_whole(options, body, &mut |event| {
                seen.observe(&event);
                whole.take(&event, options);
            })?;
            out = whole.into_body(options);
        }
        (_, AgentFormat::Gemini) => {
            let mut whole = gemini::answer::Whole::default();
            read_whole(options, body, &mut |event| {
                seen.observe(&event);
                whole.take(&event);
            })?;
            out = whole.into_body(options);
        }
        (_, AgentFormat::ChatCompletions) => {
            let mut whole = chat::answer::Whole::default();
            read_whole(options, body, &mut |event| {
                seen.observe(&event);
                whole.take(&event);
            })?;
            out = whole.into_body(options);
        }
    }
    Ok(Answer {
        body: out,
        outcome: seen.outcome,
        id: seen.id,
        failed_models: failed_models(options, body),
    })
}

/// Translates a whole answer into the agent's stream, for models that cannot stream ("Streaming is not supported").
///
/// # Errors
/// When the body cannot be read or holds an error.
pub fn answer_as_stream(options: &AnswerOptions, body: &[u8]) -> Result<Answer, Failure> {
    if let Some(failure) = read_failure_list(body) {
        return Err(failure);
    }
    let mut seen = Seen::new(options);
    let mut out = Vec::with_capacity(1024 + body.len());
    let mut encoder = Encoder::new(options);
    read_whole(options, body, &mut |event| {
        seen.observe(&event);
        let event = match event {
            // An agent that speaks Messages cannot be told broken arguments: they are an object there.
            Event::ToolArguments { index, piece } if options.agent == AgentFormat::Messages => {
                Event::ToolArguments {
                    index,
                    piece: Text::of(&messages::answer::input(piece.escaped())),
                }
            }
            event => event,
        };
        encoder.write(&event, options, &mut out);
    })?;
    Ok(Answer {
        body: out,
        outcome: seen.outcome,
        id: seen.id,
        failed_models: failed_models(options, body),
    })
}

fn failed_models(options: &AnswerOptions, body: &[u8]) -> usize {
    match options.upstream {
        ModelFormat::Orchestration if options.has_fallbacks => orchestration::answer::failed_models(body),
        _ => 0,
    }
}

fn read_whole(options: &AnswerOptions, body: &[u8], emit: &mut impl FnMut(Event<'_>)) -> Result<(), Failure> {
    let emit = &mut |event: Event<'_>| emit(options.in_agents_names(event));
    match options.upstream {
        ModelFormat::Orchestration => orchestration::answer::read_whole(body, emit),
        ModelFormat::Claude => claude::answer::read_whole(&document(&text_of(body))?, emit).map(|_| ()),
        ModelFormat::AzureChat | ModelFormat::OpenAiCompatible => {
            azure::answer::read_whole(&document(&text_of(body))?, emit).map(|_| ())
        }
        ModelFormat::AzureResponses => {
            azure_responses::answer::read_whole(&document(&text_of(body))?, emit).map(|_| ())
        }
        ModelFormat::Vertex => vertex::answer::read_whole(&document(&text_of(body))?, emit),
        ModelFormat::Converse => converse::answer::read_whole(&document(&text_of(body))?, emit),
        ModelFormat::Cohere => cohere::answer::read_whole(&document(&text_of(body))?, emit),
    }
}

fn document(body: &str) -> Result<Document<'_>, Failure> {
    Document::read(body).map_err(|_| broken("The upstream's answer cannot be read."))
}

/// JSON is UTF-8; what is not becomes U+FFFD instead of an end to the answer.
pub(crate) fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    // Checking first is several times quicker than replacing what need not be replaced.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}
