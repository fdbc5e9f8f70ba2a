//! Whole answers as Chat Completions, and what they share with streams.

use crate::AnswerOptions;
use crate::event::{Event, StopReason, Usage};
use crate::json::{Text, write_count, write_string};
use crate::signature::Signer;

/// How an answer's id begins at OpenAI.
pub(crate) const ID_PREFIX: &str = "chatcmpl-";

/// How a tool call's id begins at OpenAI.
pub(crate) const CALL_ID_PREFIX: &str = "call_";

/// Gathers a whole answer. Texts are gathered as they stand between quotes.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    id: Option<Text<'static>>,
    text: String,
    thinking: String,
    calls: Vec<Call>,
    /// Google's signature, which the next tool call carries.
    signature: Option<Text<'static>>,
    stop: Option<StopReason>,
    usage: Usage,
}

#[derive(Debug)]
struct Call {
    id: Text<'static>,
    name: Text<'static>,
    arguments: String,
    signature: Option<Text<'static>>,
}

impl Call {
    /// Writes the name and the arguments, and closes the object that they stand in.
    fn write_members(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name.literal().as_bytes());
        out.extend_from_slice(b",\"arguments\":");
        let arguments = if self.arguments.is_empty() {
            "{}"
        } else {
            &self.arguments
        };
        write_quoted(arguments, out);
        out.push(b'}');
    }
}

impl Whole {
    /// Takes the next event. Thinking becomes `reasoning_content`; what only the vendor can read has no place here.
    pub(crate) fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Start { id } => self.id = id.clone().map(Text::into_owned),
            Event::Text(text) => {
                self.signature = None;
                self.text.push_str(text.escaped());
            }
            Event::Thinking(thinking) => self.thinking.push_str(thinking.escaped()),
            Event::ToolCall { id, name, .. } => {
                let (id, name) = (id.clone().into_owned(), name.clone().into_owned());
                self.calls.push(Call {
                    id,
                    name,
                    arguments: String::new(),
                    signature: self.signature.take(),
                });
            }
            Event::ToolArguments { index, piece } => {
                if let Some(call) = self.calls.get_mut(*index) {
                    call.arguments.push_str(piece.escaped());
                }
            }
            Event::Stop { reason, .. } => self.stop = Some(*reason),
            Event::Usage(usage) => self.usage.update(*usage),
            Event::Signature(given) => {
                self.signature = Signer::Google.own(given).map(Text::into_owned);
            }
            Event::RedactedThinking(_) | Event::End | Event::Failure(_) => {}
        }
    }

    /// The body.
    pub(crate) fn into_body(self, options: &AnswerOptions) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.text.len() + self.thinking.len() + options.model.len() + 512);
        out.extend_from_slice(b"{\"id\":");
        options.write_id(ID_PREFIX, self.id.as_ref(), &mut out);
        out.extend_from_slice(b",\"object\":\"chat.completion\",\"created\":");
        write_count(&mut out, options.created);
        out.extend_from_slice(b",\"model\":");
        write_string(&mut out, &options.model);
        out.extend_from_slice(b",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
        if self.text.is_empty() && !self.calls.is_empty() {
            out.extend_from_slice(b"null");
        } else {
            write_quoted(&self.text, &mut out);
        }
        if !self.thinking.is_empty() {
            out.extend_from_slice(b",\"reasoning_content\":");
            write_quoted(&self.thinking, &mut out);
        }
        out.extend_from_slice(b",\"refusal\":null");
        let are_functions = options.tools.are_functions();
        if let Some(call) = self.calls.first().filter(|_| are_functions) {
            out.extend_from_slice(b",\"function_call\":{\"name\":");
            call.write_members(&mut out);
        }
        let calls = if are_functions { &[] } else { self.calls.as_slice() };
        for (index, call) in calls.iter().enumerate() {
            out.extend_from_slice(if index == 0 {
                b",\"tool_calls\":[{\"id\":".as_slice()
            } else {
                b",{\"id\":"
            });
            options.write_call_id(CALL_ID_PREFIX, &call.id, index, &mut out);
            out.extend_from_slice(b",\"type\":\"function\",\"function\":{\"name\":");
            call.write_members(&mut out);
            write_thought_signature(call.signature.as_ref(), &mut out);
            out.push(b'}');
        }
        if !calls.is_empty() {
            out.push(b']');
        }
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":\"");
        out.extend_from_slice(finish_reason(self.stop, options).as_bytes());
        out.extend_from_slice(b"\"}],\"usage\":");
        write_usage(&self.usage, options, &mut out);
        out.push(b'}');
        out
    }
}

/// Writes `,"extra_content":…` behind a tool call's function, as Google's own OpenAI-compatible API has it.
pub(crate) fn write_thought_signature(signature: Option<&Text<'_>>, out: &mut Vec<u8>) {
    if let Some(signature) = signature {
        out.extend_from_slice(b",\"extra_content\":{\"google\":{\"thought_signature\":");
        out.extend_from_slice(signature.literal().as_bytes());
        out.extend_from_slice(b"}}");
    }
}

fn write_quoted(escaped: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(escaped.as_bytes());
    out.push(b'"');
}

/// Token counts as Chat Completions spells them: the prompt's include the cached ones. Where the upstream does not tell
/// the input, Coretap's estimate stands.
pub(crate) fn write_usage(usage: &Usage, options: &AnswerOptions, out: &mut Vec<u8>) {
    let prompt = if usage.input.is_some() {
        usage.total_input()
    } else {
        options.estimated_input
    };
    let completion = usage.output.unwrap_or(0);
    out.extend_from_slice(b"{\"prompt_tokens\":");
    write_count(out, prompt);
    out.extend_from_slice(b",\"completion_tokens\":");
    write_count(out, completion);
    out.extend_from_slice(b",\"total_tokens\":");
    write_count(out, prompt.saturating_add(completion));
    out.extend_from_slice(b",\"prompt_tokens_details\":{\"cached_tokens\":");
    write_count(out, usage.cache_read.unwrap_or(0));
    out.extend_from_slice(b"},\"completion_tokens_details\":{\"reasoning_tokens\":");
    write_count(out, usage.reasoning.unwrap_or(0));
    out.extend_from_slice(b"}}");
}

/// A stop reason as Chat Completions spells it; an answer that gives none has come to its end.
pub(crate) fn finish_reason(reason: Option<StopReason>, options: &AnswerOptions) -> &'static str {
    match reason.unwrap_or(StopReason::EndTurn) {
        StopReason::EndTurn | StopReason::StopSequence | StopReason::PauseTurn => "stop",
        StopReason::MaxTokens => "length",
        StopReason::ToolUse if options.tools.are_functions() => "function_call",
        StopReason::ToolUse => "tool_calls",
        StopReason::Refusal => "content_filter",
    }
}
