//! Answers: `GenerateContentResponse`s, one in each event of a stream (sap-wire.md §3.5). Nothing says the end of a stream
//! but the end of its body, which is regular once a finish reason was given.

use crate::ReadError;
use crate::answer::AnswerOptions;
use crate::error::Path;
use crate::event::{Event, Failure, StopReason, Usage, said};
use crate::gemini::stream::Frame;
use crate::json::{Document, Object, Text, Value, around, write_compact};
use crate::signature::Signer;
use crate::upstream_error::{broken, read_failure};
use crate::vertex::frame::{self, Framed};

/// How a made-up id of a tool call begins.
const CALL_ID_PREFIX: &str = "call_";

/// Reads a stream's payloads.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    started: bool,
    /// Whether the model has said why it stopped.
    stopped: bool,
    calls: usize,
    frame: frame::Frame,
}

impl Decoder {
    /// Gives the events of the next payload.
    pub(crate) fn read(&mut self, payload: &str, emit: &mut impl FnMut(Event<'_>)) {
        if self.read_framed(payload, emit).is_some() {
            return;
        }
        let result = read_object(payload, |chunk| {
            self.read_chunk(chunk, emit)?;
            self.frame.set(payload, chunk);
            Ok(())
        });
        if let Err(failure) = result {
            emit(Event::Failure(failure));
        }
    }

    /// Gives the text of a chunk that differs from an earlier one in nothing but that text and token counts, which the last
    /// chunk has again, and gives back the chunk; nothing where it is no such chunk.
    fn read_framed<'p>(&mut self, payload: &'p str, emit: &mut impl FnMut(Event<'_>)) -> Option<Framed<'p>> {
        let framed = self.frame.read(payload)?;
        if !framed.text.is_empty() {
            emit(if framed.is_thought {
                Event::Thinking(framed.text.clone())
            } else {
                Event::Text(framed.text.clone())
            });
        }
        Some(framed)
    }

    /// Takes the end of the upstream's body, and gives back whether that is the regular end.
    pub(crate) fn end(&self, emit: &mut impl FnMut(Event<'_>)) -> bool {
        if self.stopped {
            emit(Event::End);
        }
        self.stopped
    }

    fn read_chunk(&mut self, chunk: Object<'_>, emit: &mut impl FnMut(Event<'_>)) -> Result<(), Failure> {
        let candidate = candidate(chunk);
        if chunk.get("error").is_some() || candidate.is_none() && chunk.get("message").is_some() {
            return Err(read_failure(chunk.literal()));
        }
        if let Some(Ok(usage)) = chunk.get("usageMetadata").and_then(Value::object).map(usage) {
            emit(Event::Usage(usage));
        }
        if !self.started {
            self.started = true;
            emit(Event::Start {
                id: said(chunk.get("responseId")),
            });
        }
        if let Some(candidate) = candidate {
            for part in parts(candidate) {
                self.read_part(part, emit);
            }
            if let Some(reason) = candidate.get("finishReason") {
                self.read_stop(reason.get(), emit)?;
            }
        } else if blocked(chunk) {
            // The prompt was refused, so there is no candidate.
            self.stop(StopReason::Refusal, emit);
        }
        Ok(())
    }

    fn read_part(&mut self, part: Object<'_>, emit: &mut impl FnMut(Event<'_>)) {
        if let Some(signature) = said(part.get("thoughtSignature")) {
            emit(Event::Signature(Signer::Google.sign(&signature)));
        }
        if let Some(text) = said(part.get("text")) {
            let is_thought = part.get("thought").is_some_and(|thought| thought.get() == "true");
            emit(if is_thought {
                Event::Thinking(text)
            } else {
                Event::Text(text)
            });
        }
        if let Some(call) = part.get("functionCall").and_then(Value::object) {
            let index = self.calls;
            self.calls += 1;
            let name = said(call.get("name")).unwrap_or_else(|| Text::of(""));
            emit(Event::ToolCall {
                index,
                id: said(call.get("id")).unwrap_or_else(|| Text::of("")),
                name: match bare_name(&name) {
                    Some(bare) => Text::from_escaped(bare),
                    None => name,
                },
            });
            if let Some(arguments) = call.get("args").and_then(Value::object) {
                emit(Event::ToolArguments {
                    index,
                    piece: Text::of(arguments.literal()),
                });
            }
        }
    }

    fn read_stop(&mut self, reason: &str, emit: &mut impl FnMut(Event<'_>)) -> Result<(), Failure> {
        let reason = match reason.trim_matches('"') {
            "MAX_TOKENS" => StopReason::MaxTokens,
            "SAFETY"
            | "RECITATION"
            | "LANGUAGE"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "MODEL_ARMOR"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION" => StopReason::Refusal,
            // What the model said is of no use; another try mostly is.
            reason @ ("MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS") => {
                return Err(broken(&format!(
                    "The model called a tool in a way that cannot be read ({reason})."
                )));
            }
            _ if self.calls > 0 => StopReason::ToolUse,
            _ => StopReason::EndTurn,
        };
        self.stop(reason, emit);
        Ok(())
    }

    fn stop(&mut self, reason: StopReason, emit: &mut impl FnMut(Event<'_>)) {
        self.stopped = true;
        emit(Event::Stop {
            reason,
            sequence: None,
        });
    }
}

/// Reads a stream's payloads and gives each as it is to an agent that speaks the same format: with another model's name,
/// and with ids of the calls, which Vertex does not give.
#[derive(Debug)]
pub(crate) struct Copier {
    decoder: Decoder,
    pub(crate) frame: Frame,
    /// The model's name, a JSON string.
    model: Text<'static>,
    /// What waits for the regular end, and the frame as it is then: a stream that breaks must not look like one that is
    /// done.
    ending: Option<(Frame, Vec<u8>)>,
}

impl Copier {
    pub(crate) fn new(options: &AnswerOptions) -> Self {
        Copier {
            decoder: Decoder::default(),
            frame: Frame::new(options.as_array),
            model: Text::of(&options.model),
            ending: None,
        }
    }

    /// Appends the next payload, and tells what it means.
    pub(crate) fn copy(
        &mut self,
        payload: &str,
        options: &AnswerOptions,
        emit: &mut impl FnMut(Event<'_>),
        out: &mut Vec<u8>,
    ) {
        if self.ending.is_none()
            && let Some(framed) = self.decoder.read_framed(payload, emit)
        {
            out.reserve(payload.len() + self.model.literal().len() + 16);
            self.frame.open(out);
            match framed.around_model {
                Some((before, behind)) => {
                    out.extend_from_slice(before.as_bytes());
                    out.extend_from_slice(self.model.literal().as_bytes());
                    out.extend_from_slice(behind.as_bytes());
                }
                None => out.extend_from_slice(payload.as_bytes()),
            }
            self.frame.close(out);
            return;
        }
        let result = read_object(payload, |chunk| {
            let first_call = self.decoder.calls;
            self.decoder.read_chunk(chunk, emit)?;
            let (frame, out) = if self.ending.is_some() || looks_like_the_end(payload) {
                let (frame, ending) = self.ending.get_or_insert_with(|| (self.frame, Vec::new()));
                (frame, ending)
            } else {
                (&mut self.frame, out)
            };
            out.reserve(payload.len() + self.model.literal().len() + 16);
            frame.open(out);
            write_copy(chunk, &self.model, first_call, options, out);
            frame.close(out);
            self.decoder.frame.set(payload, chunk);
            Ok(())
        });
        if let Err(failure) = result {
            emit(Event::Failure(failure));
        }
    }

    /// Takes the end of the upstream's body, and appends what waited for it.
    pub(crate) fn end(&mut self, emit: &mut impl FnMut(Event<'_>), out: &mut Vec<u8>) {
        if self.decoder.end(emit) {
            if let Some((frame, ending)) = self.ending.take() {
                self.frame = frame;
                out.extend_from_slice(&ending);
            }
            self.frame.end(out);
        }
    }
}

/// Reads a whole body.
///
/// # Errors
/// When it cannot be read or holds an error.
pub(crate) fn read_whole(body: &Document<'_>, emit: &mut impl FnMut(Event<'_>)) -> Result<(), Failure> {
    let unreadable = || broken("The upstream's answer cannot be read.");
    let answer = body.root().object().ok_or_else(unreadable)?;
    if candidate(answer).is_none() && !blocked(answer) {
        return Err(read_failure(answer.literal()));
    }
    let mut decoder = Decoder::default();
    decoder.read_chunk(answer, emit)?;
    // A whole body is complete even where no finish reason stands in it.
    emit(Event::End);
    Ok(())
}

/// Reads a whole body, and appends it as it is for an agent that speaks the same format.
///
/// # Errors
/// When it cannot be read or holds an error.
pub(crate) fn copy_whole(
    body: &Document<'_>,
    options: &AnswerOptions,
    emit: &mut impl FnMut(Event<'_>),
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    read_whole(body, emit)?;
    if let Some(answer) = body.root().object() {
        write_copy(answer, &Text::of(&options.model), 0, options, out);
    }
    Ok(())
}

/// Hands a payload to `take` as the object that it is.
fn read_object(payload: &str, take: impl FnOnce(Object<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
    let unreadable = || broken("The upstream sent an event that cannot be read.");
    let document = Document::read(payload).map_err(|_| unreadable())?;
    take(document.root().object().ok_or_else(unreadable)?)
}

/// The first candidate: agents are given one answer.
pub(super) fn candidate(chunk: Object<'_>) -> Option<Object<'_>> {
    chunk.get("candidates")?.list()?.find_map(Value::object)
}

/// Whether an agent could take a payload for the end of the answer, whatever else is in it. Inside a text both quotes of
/// such a name would be escaped.
fn looks_like_the_end(payload: &str) -> bool {
    let has = |name: &[u8]| memchr::memmem::find(payload.as_bytes(), name).is_some();
    has(b"\"finishReason\"") || has(b"\"blockReason\"")
}

fn blocked(chunk: Object<'_>) -> bool {
    let feedback = chunk.get("promptFeedback").and_then(Value::object);
    feedback.is_some_and(|feedback| feedback.get("blockReason").is_some())
}

pub(super) fn parts(candidate: Object<'_>) -> impl Iterator<Item = Object<'_>> {
    let content = candidate.get("content").and_then(Value::object);
    let parts = content.and_then(|content| content.get("parts")?.list());
    parts.into_iter().flatten().filter_map(Value::object)
}

/// A tool's name without what Gemini may put in front of it (`default_api:read_file`), where it does.
fn bare_name<'n>(name: &'n Text<'_>) -> Option<&'n str> {
    let (_, name) = name.escaped().rsplit_once(':')?;
    Some(name)
}

fn usage(counts: Object<'_>) -> Result<Usage, ReadError> {
    let path = &Path::Body;
    let count = |name| counts.count(name, path);
    let cached = count("cachedContentTokenCount")?;
    let thoughts = count("thoughtsTokenCount")?;
    let tools = count("toolUsePromptTokenCount")?.unwrap_or(0);
    Ok(Usage {
        // The prompt's tokens include the cached ones.
        input: count("promptTokenCount")?
            .map(|all| all.saturating_sub(cached.unwrap_or(0)).saturating_add(tools)),
        cache_read: cached,
        cache_write: None,
        // The candidate's tokens exclude the thoughts.
        output: match (count("candidatesTokenCount")?, thoughts) {
            (None, None) => None,
            (said, thoughts) => Some(said.unwrap_or(0).saturating_add(thoughts.unwrap_or(0))),
        },
        reasoning: thoughts,
    })
}

/// Appends a chunk on one line, with `model` (a JSON string) as its model's version, ids for calls that have none, and
/// tools' bare names. `first_call` is the number of its first call.
fn write_copy(
    chunk: Object<'_>,
    model: &Text<'_>,
    first_call: usize,
    options: &AnswerOptions,
    out: &mut Vec<u8>,
) {
    let mut rest = chunk.literal();
    let mut calls = candidate(chunk)
        .into_iter()
        .flat_map(parts)
        .filter_map(|part| part.get("functionCall")?.object());
    let mut number = first_call;
    let mut next_call = calls.next();
    let mut old_model = chunk.get("modelVersion").map(Value::get);
    loop {
        // Edits are made in the order in which they stand.
        let model_first = match (old_model, next_call) {
            (None, None) => break,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(old), Some(call)) => old.as_ptr() < call.literal().as_ptr(),
        };
        if model_first {
            if let Some((before, after)) = old_model.take().and_then(|old| around(rest, old)) {
                write_compact(out, before);
                out.extend_from_slice(model.literal().as_bytes());
                rest = after;
            }
        } else if let Some(call) = next_call {
            if let Some((before, after)) = around(rest, call.literal()) {
                write_compact(out, before);
                write_call(call, number, options, out);
                rest = after;
            }
            number += 1;
            next_call = calls.next();
        }
    }
    write_compact(out, rest);
}

fn write_call(call: Object<'_>, number: usize, options: &AnswerOptions, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":");
    let id = said(call.get("id")).unwrap_or_else(|| Text::of(""));
    options.write_call_id(CALL_ID_PREFIX, &id, number, out);
    for (member, value) in call.members().filter(|(member, _)| !member.is("id")) {
        out.push(b',');
        out.extend_from_slice(member.literal().as_bytes());
        out.push(b':');
        let name = value.text().filter(|_| member.is("name"));
        match name.as_ref().and_then(bare_name) {
            Some(name) => out.extend_from_slice(Text::from_escaped(name).literal().as_bytes()),
            None => write_compact(out, value.get()),
        }
    }
    out.push(b'}');
}
