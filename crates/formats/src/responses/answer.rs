//! Whole answers as Responses, and what they share with streams.

use crate::AnswerOptions;
use crate::agent_tools::{AgentTool, AgentToolKind};
use crate::event::{Event, StopReason, Usage, arguments_object};
use crate::json::{Document, Text, write_count, write_escaped, write_string};
use crate::signature::encrypted_content;

/// How an answer's id begins at OpenAI.
pub(crate) const ID_PREFIX: &str = "resp_";

/// How a tool call's id begins at OpenAI.
const CALL_ID_PREFIX: &str = "call_";

/// Gathers a whole answer.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    id: Option<Text<'static>>,
    output: Output,
    usage: Usage,
    stop: Option<StopReason>,
}

impl Whole {
    /// Takes the next event. Redacted thinking has no place here.
    pub(crate) fn take(&mut self, event: &Event<'_>, options: &AnswerOptions) {
        match event {
            Event::Start { id } => self.id = id.clone().map(Text::into_owned),
            Event::Usage(usage) => self.usage.update(*usage),
            Event::Stop { reason, .. } => self.stop = Some(*reason),
            event => drop(self.output.take(event, options)),
        }
    }

    /// The body.
    pub(crate) fn into_body(self, options: &AnswerOptions) -> Vec<u8> {
        let mut out = Vec::with_capacity(2048);
        let status = Status::of(self.stop);
        write_response(
            &status,
            self.id.as_ref(),
            &self.output,
            Some(&self.usage),
            options,
            &mut out,
        );
        out
    }
}

/// The items of an answer, in their order. Texts are gathered as they stand between quotes.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) items: Vec<Item>,
}

/// One item of an answer.
#[derive(Debug)]
pub(crate) enum Item {
    /// Visible text.
    Message(String),
    /// Thinking, as a summary of one part.
    Reasoning {
        summary: String,
        signature: Option<Text<'static>>,
    },
    Call(Call),
}

/// A call of a tool.
#[derive(Debug)]
pub(crate) struct Call {
    /// Its number among the answer's calls.
    index: usize,
    id: Text<'static>,
    /// The name that the model knows.
    name: Text<'static>,
    pub(crate) arguments: String,
    /// The agent's tool, where the model knows it in another form.
    tool: Option<AgentTool>,
}

impl Call {
    pub(crate) fn kind(&self) -> AgentToolKind {
        self.tool
            .as_ref()
            .map_or(AgentToolKind::Function, |tool| tool.kind)
    }

    /// Whether nothing of the arguments is missing.
    pub(crate) fn is_whole(&self) -> bool {
        arguments_object(&self.arguments).is_some()
    }

    /// The JSON text of the arguments as it stands between quotes.
    pub(crate) fn arguments(&self) -> &str {
        if self.arguments.is_empty() {
            "{}"
        } else {
            &self.arguments
        }
    }
}

impl Output {
    /// Takes an event in; gives the place of the item that it belongs to, and whether it began that item.
    pub(crate) fn take(&mut self, event: &Event<'_>, options: &AnswerOptions) -> Option<(usize, bool)> {
        let before = self.items.len();
        let last = self.items.last_mut();
        match (event, last) {
            (Event::Text(text), Some(Item::Message(message))) => message.push_str(text.escaped()),
            (Event::Text(text), _) => self.items.push(Item::Message(text.escaped().to_owned())),
            (
                Event::Thinking(thinking),
                Some(Item::Reasoning {
                    summary,
                    signature: None,
                }),
            ) => summary.push_str(thinking.escaped()),
            (Event::Thinking(thinking), _) => self.items.push(Item::Reasoning {
                summary: thinking.escaped().to_owned(),
                signature: None,
            }),
            (
                Event::Signature(given),
                Some(Item::Reasoning {
                    signature: signature @ None,
                    ..
                }),
            ) => *signature = Some(given.clone().into_owned()),
            (Event::Signature(given), _) => self.items.push(Item::Reasoning {
                summary: String::new(),
                signature: Some(given.clone().into_owned()),
            }),
            (Event::ToolCall { index, id, name }, _) => self.items.push(Item::Call(Call {
                index: *index,
                id: id.clone().into_owned(),
                name: name.clone().into_owned(),
                arguments: String::new(),
                tool: options.tools.of(&name.decode()).cloned(),
            })),
            (Event::ToolArguments { index, piece }, _) => {
                let (place, call) = self.call(*index)?;
                call.arguments.push_str(piece.escaped());
                return Some((place, false));
            }
            _ => return None,
        }
        let place = self.items.len().checked_sub(1)?;
        Some((place, place == before))
    }

    fn call(&mut self, of: usize) -> Option<(usize, &mut Call)> {
        let calls = self.items.iter_mut().enumerate().rev();
        calls
            .filter_map(|(place, item)| match item {
                Item::Call(call) => Some((place, call)),
                _ => None,
            })
            .find(|(_, call)| call.index == of)
    }

    fn write(&self, options: &AnswerOptions, out: &mut Vec<u8>) {
        out.push(b'[');
        for (place, item) in self.items.iter().enumerate() {
            out.extend_from_slice(if place > 0 { b"," } else { b"" });
            item.write(place, Stage::Done, options, out);
        }
        out.push(b']');
    }
}

/// How far an item has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It begins: nothing stands in it.
    Begun,
    /// Nothing more follows.
    Done,
}

impl Item {
    /// Writes the id of the item at `place` as a JSON string, with the prefix that OpenAI gives its kind.
    pub(crate) fn write_id(&self, place: usize, options: &AnswerOptions, out: &mut Vec<u8>) {
        out.extend_from_slice(match self {
            Item::Message(_) => b"\"msg_".as_slice(),
            Item::Reasoning { .. } => b"\"rs_",
            Item::Call(call) => match call.kind() {
                AgentToolKind::Function => b"\"fc_",
                AgentToolKind::Custom => b"\"ctc_",
                AgentToolKind::ToolSearch => b"\"tsc_",
            },
        });
        write_escaped(out, &options.id);
        out.push(b'_');
        write_count(out, place as u64);
        out.push(b'"');
    }

    /// Writes the item that stands at `place`.
    pub(crate) fn write(&self, place: usize, stage: Stage, options: &AnswerOptions, out: &mut Vec<u8>) {
        let done = stage == Stage::Done;
        let status: &[u8] = if done {
            b",\"status\":\"completed\""
        } else {
            b",\"status\":\"in_progress\""
        };
        out.extend_from_slice(b"{\"id\":");
        self.write_id(place, options, out);
        match self {
            Item::Message(text) => {
                out.extend_from_slice(b",\"type\":\"message\"");
                out.extend_from_slice(status);
                out.extend_from_slice(b",\"role\":\"assistant\",\"content\":[");
                if done {
                    write_text_part(text, out);
                }
                out.push(b']');
            }
            Item::Reasoning { summary, signature } => {
                out.extend_from_slice(b",\"type\":\"reasoning\",\"summary\":[");
                if done && !summary.is_empty() {
                    write_summary_part(summary, out);
                }
                out.push(b']');
                if let Some(signature) = signature.as_ref().filter(|_| done) {
                    out.extend_from_slice(b",\"encrypted_content\":");
                    out.extend_from_slice(encrypted_content(signature).literal().as_bytes());
                }
            }
            Item::Call(call) => {
                out.extend_from_slice(b",\"type\":\"");
                out.extend_from_slice(call.kind().call_type().as_bytes());
                out.push(b'"');
                out.extend_from_slice(status);
                out.extend_from_slice(b",\"call_id\":");
                options.write_call_id(CALL_ID_PREFIX, &call.id, call.index, out);
                call.write_members(done, out);
            }
        }
        out.push(b'}');
    }
}

impl Call {
    /// Writes the tool's name as the agent knows it, with the comma before it.
    pub(crate) fn write_name(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"name\":");
        match &self.tool {
            Some(tool) => write_string(out, &tool.name),
            None => out.extend_from_slice(self.name.literal().as_bytes()),
        }
    }

    fn write_members(&self, done: bool, out: &mut Vec<u8>) {
        if self.kind() == AgentToolKind::ToolSearch {
            out.extend_from_slice(b",\"execution\":\"client\",\"arguments\":");
            let arguments = arguments_object(&self.arguments).filter(|_| done);
            out.extend_from_slice(arguments.as_deref().unwrap_or("{}").as_bytes());
            return;
        }
        self.write_name(out);
        if let Some(namespace) = self.tool.as_ref().and_then(|tool| tool.namespace.as_ref()) {
            out.extend_from_slice(b",\"namespace\":");
            write_string(out, namespace);
        }
        if self.kind() == AgentToolKind::Custom {
            out.extend_from_slice(b",\"input\":");
            if done {
                out.extend_from_slice(custom_input(&self.arguments).literal().as_bytes());
            } else {
                out.extend_from_slice(b"\"\"");
            }
        } else {
            out.extend_from_slice(b",\"arguments\":");
            write_quoted(if done { self.arguments() } else { "" }, out);
        }
    }
}

/// The free text that a custom tool is called with, out of the arguments of the function that stands for it (as they stand
/// between quotes). What a model gives instead of them is taken for the text itself.
pub(crate) fn custom_input(arguments: &str) -> Text<'static> {
    let arguments = Text::from_escaped(arguments);
    let decoded = arguments.decode();
    let document = Document::read(&decoded).ok();
    let input = document
        .as_ref()
        .and_then(|document| document.root().object()?.get("input")?.text());
    match input {
        Some(input) => input.into_owned(),
        None => arguments.clone(),
    }
}

pub(crate) fn write_quoted(escaped: &str, out: &mut Vec<u8>) {
    out.reserve(escaped.len() + 2);
    out.push(b'"');
    out.extend_from_slice(escaped.as_bytes());
    out.push(b'"');
}

/// Writes a message's part with this text.
pub(crate) fn write_text_part(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":");
    write_quoted(text, out);
    out.push(b'}');
}

/// Writes a reasoning item's part with this text.
pub(crate) fn write_summary_part(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"summary_text\",\"text\":");
    write_quoted(text, out);
    out.push(b'}');
}

/// How far an answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    InProgress,
    Completed,
    /// It ended early, for this reason.
    Incomplete(&'static str),
}

impl Status {
    /// The status that a stop reason stands for.
    pub(crate) fn of(stop: Option<StopReason>) -> Self {
        match stop {
            Some(StopReason::MaxTokens) => Status::Incomplete("max_output_tokens"),
            Some(StopReason::Refusal) => Status::Incomplete("content_filter"),
            Some(
                StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolUse | StopReason::PauseTurn,
            )
            | None => Status::Completed,
        }
    }

    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Status::InProgress => "in_progress",
            Status::Completed => "completed",
            Status::Incomplete(_) => "incomplete",
        }
    }
}

/// Writes the response object, with every member that OpenAI's SDKs demand: of the settings what the agent has sent. Nothing
/// of it is kept, and it says so.
pub(crate) fn write_response(
    status: &Status,
    id: Option<&Text<'_>>,
    output: &Output,
    usage: Option<&Usage>,
    options: &AnswerOptions,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"id\":");
    options.write_id(ID_PREFIX, id, out);
    out.extend_from_slice(b",\"object\":\"response\",\"created_at\":");
    write_count(out, options.created);
    out.extend_from_slice(b",\"status\":\"");
    out.extend_from_slice(status.word().as_bytes());
    out.extend_from_slice(b"\",\"background\":false,\"error\":null,\"incomplete_details\":");
    if let Status::Incomplete(reason) = status {
        out.extend_from_slice(b"{\"reason\":\"");
        out.extend_from_slice(reason.as_bytes());
        out.extend_from_slice(b"\"}");
    } else {
        out.extend_from_slice(b"null");
    }
    out.extend_from_slice(b",\"model\":");
    write_string(out, &options.model);
    out.extend_from_slice(b",\"output\":");
    output.write(options, out);
    out.extend_from_slice(b",\"previous_response_id\":null,\"store\":false");
    options.settings.write(out);
    out.extend_from_slice(b",\"usage\":");
    match usage {
        Some(usage) => write_usage(usage, options, out),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b'}');
}

/// Token counts as Responses spells them: the input's include the cached ones. Where the upstream does not tell the input,
/// Coretap's estimate stands.
fn write_usage(usage: &Usage, options: &AnswerOptions, out: &mut Vec<u8>) {
    let input = if usage.input.is_some() {
        usage.total_input()
    } else {
        options.estimated_input
    };
    let output = usage.output.unwrap_or(0);
    out.extend_from_slice(b"{\"input_tokens\":");
    write_count(out, input);
    out.extend_from_slice(b",\"input_tokens_details\":{\"cached_tokens\":");
    write_count(out, usage.cache_read.unwrap_or(0));
    out.extend_from_slice(b"},\"output_tokens\":");
    write_count(out, output);
    out.extend_from_slice(b",\"output_tokens_details\":{\"reasoning_tokens\":");
    write_count(out, usage.reasoning.unwrap_or(0));
    out.extend_from_slice(b"},\"total_tokens\":");
    write_count(out, input.saturating_add(output));
    out.push(b'}');
}
