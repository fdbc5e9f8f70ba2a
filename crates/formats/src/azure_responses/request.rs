//! Writes the body of Azure's `/responses` (sap-wire.md §3.2). The deployment is fail-closed: it refuses members, items and
//! tools that it does not know, so only known ones are sent. Items go without their ids: they are whole, and an id that the
//! deployment has not given itself is refused.

use std::borrow::Cow;

use crate::conversation::{
    Content, Conversation, Effort, Part, ResponseFormat, Role, Source, Tool, ToolResult, Turn,
};
use crate::json::{Object, Text, Value, write_count, write_escaped, write_name, write_string};
use crate::openai::messages::{file_name, write_url};
use crate::rules::ModelRules;
use crate::signature::Signer;
use crate::target::Target;
use crate::{AgentFormat, openai, repair, responses, sampling};

/// The least that OpenAI takes as a limit of output tokens.
const LEAST_OUTPUT: u64 = 16;

/// The one addition to an answer that is asked for: what lets a model go on with its own reasoning.
const ENCRYPTED_REASONING: &str = "reasoning.encrypted_content";

/// The message that stands for one of which nothing had a place, and for an input in which nothing else is left: both are
/// refused when they are empty.
const SAID_NOTHING: &[u8] =
    b"{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\".\"}]}";

/// Members that are read into the conversation and yet copied.
const COPIED: [&str; 3] = ["store", "previous_response_id", "background"];

/// Writes the body.
pub(crate) fn write(conversation: &mut Conversation<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    let rules = target.rules;
    let same_format = conversation.origin == AgentFormat::Responses;
    if !same_format {
        repair::repair(conversation);
    } else if !responses::request::continues_earlier(conversation) {
        repair::pair_tool_calls(conversation);
    }
    repair::repair_tools(conversation, true);
    let mut parameters = Vec::new();
    write_parameters(conversation, target, same_format, &mut parameters);
    let dropped = write_input(conversation, target, out);
    if conversation.stream {
        out.extend_from_slice(b",\"stream\":true");
    }
    write_tools(&conversation.tools, rules, out);
    repair::report_refused_tool_members(conversation, rules);
    out.extend_from_slice(&parameters);
    out.push(b'}');
    for name in dropped {
        conversation.drop_reported(name);
    }
}

/// Writes the body of a request to compact the conversation, which has fewer members.
pub(crate) fn write_compaction(conversation: &mut Conversation<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    if !responses::request::continues_earlier(conversation) {
        repair::pair_tool_calls(conversation);
    }
    let dropped = write_input(conversation, target, out);
    for name in ["previous_response_id", "prompt_cache_key"] {
        if let Some(value) = conversation.members.get(name) {
            write_name(name, out);
            out.extend_from_slice(value.get().as_bytes());
        }
    }
    out.push(b'}');
    for name in dropped {
        conversation.drop_reported(name);
    }
}

/// Writes the model and the conversation; gives what had no place.
fn write_input(
    conversation: &Conversation<'_>,
    target: &Target<'_>,
    out: &mut Vec<u8>,
) -> Vec<Cow<'static, str>> {
    let mut input = InputWriter {
        rules: target.rules,
        same_format: conversation.origin == AgentFormat::Responses,
        dropped: Vec::new(),
        start: 0,
        open_reasoning: None,
    };
    out.extend_from_slice(b"{\"model\":");
    write_string(out, target.model);
    write_instructions(&conversation.system, &mut input.dropped, out);
    out.extend_from_slice(b",\"input\":[");
    input.start = out.len();
    for turn in &conversation.turns {
        input.write_turn(turn, out);
    }
    input.leave_out_open_reasoning(out);
    if out.len() == input.start && !responses::request::continues_earlier(conversation) {
        out.extend_from_slice(SAID_NOTHING);
    }
    out.push(b']');
    input.dropped
}

fn write_parameters(
    conversation: &mut Conversation<'_>,
    target: &Target<'_>,
    same_format: bool,
    out: &mut Vec<u8>,
) {
    let rules = target.rules;
    if let Some(wanted) = conversation.max_tokens {
        write_name("max_output_tokens", out);
        write_count(out, rules.output_limit(conversation, wanted).max(LEAST_OUTPUT));
    }
    if !std::mem::take(&mut conversation.stop).is_empty() {
        conversation.drop_reported("stop");
    }
    write_reasoning(conversation, target, out);
    sampling::write(conversation, rules, out);
    openai::write_tool_choice_with(
        ["{\"type\":\"function\",\"name\":", "}"],
        conversation,
        rules,
        out,
    );
    write_text(conversation, rules, out);
    if same_format {
        write_other_members(conversation, rules, out);
    } else {
        out.extend_from_slice(b",\"store\":false");
    }
    write_include(conversation, rules, same_format, out);
}

/// The effort, and whether a summary of the reasoning is wanted: by the agent, or because its format shows thinking.
fn write_reasoning(conversation: &mut Conversation<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    let same_format = conversation.origin == AgentFormat::Responses;
    let asked = conversation.members.get("reasoning").and_then(Value::object);
    let asked = asked.filter(|_| same_format);
    let effort = openai::effort(conversation, target);
    let summary = match (asked, effort) {
        (Some(asked), _) => asked.get("summary").map(Value::get),
        (None, Some(effort)) if effort > Effort::Minimal => Some("\"auto\""),
        _ => None,
    };
    let summary =
        summary.filter(|_| !target.rules.efforts.is_empty() && !target.rules.refuses("reasoning_summary"));
    if asked.is_some_and(|asked| asked.get("context").is_some()) {
        conversation.drop_reported("reasoning.context");
    }
    if effort.is_none() && summary.is_none() {
        return;
    }
    write_name("reasoning", out);
    out.push(b'{');
    if let Some(effort) = effort {
        out.extend_from_slice(b"\"effort\":");
        write_string(out, effort.word());
    }
    if let Some(summary) = summary {
        out.extend_from_slice(if effort.is_some() {
            b",\"summary\":"
        } else {
            b"\"summary\":"
        });
        out.extend_from_slice(summary.as_bytes());
    }
    out.push(b'}');
}

/// The form of the answer, and how many words it may make.
fn write_text(conversation: &mut Conversation<'_>, rules: &ModelRules, out: &mut Vec<u8>) {
    openai::settle_response_format(conversation, rules);
    let text = conversation.members.get("text").and_then(Value::object);
    let verbosity = text.and_then(|text| text.get("verbosity"));
    let verbosity = verbosity.filter(|_| conversation.origin == AgentFormat::Responses);
    let taken = verbosity.filter(|_| rules.takes("verbosity"));
    if verbosity.is_some() && taken.is_none() {
        conversation.drop_reported("text.verbosity");
    }
    if conversation.response_format.is_none() && taken.is_none() {
        return;
    }
    write_name("text", out);
    out.push(b'{');
    if let Some(verbosity) = taken {
        out.extend_from_slice(b"\"verbosity\":");
        out.extend_from_slice(verbosity.get().as_bytes());
    }
    if let Some(format) = &conversation.response_format {
        out.extend_from_slice(if taken.is_some() {
            b",\"format\":"
        } else {
            b"\"format\":"
        });
        write_format(format, out);
    }
    out.push(b'}');
}

fn write_format(format: &ResponseFormat<'_>, out: &mut Vec<u8>) {
    let ResponseFormat::JsonSchema {
        name,
        description,
        schema,
        strict,
    } = format
    else {
        out.extend_from_slice(b"{\"type\":\"json_object\"}");
        return;
    };
    out.extend_from_slice(b"{\"type\":\"json_schema\",\"name\":");
    write_string(out, &openai::schema_name(name.as_ref()));
    if let Some(description) = description {
        write_name("description", out);
        out.extend_from_slice(description.literal().as_bytes());
    }
    write_strict(*strict, out);
    write_name("schema", out);
    out.extend_from_slice(schema.get().as_bytes());
    out.push(b'}');
}

fn write_strict(strict: Option<bool>, out: &mut Vec<u8>) {
    if let Some(strict) = strict {
        write_name("strict", out);
        out.extend_from_slice(if strict { b"true" } else { b"false" });
    }
}

/// The agent's members that the conversation has no place for: copied where the rules let them through, reported otherwise.
fn write_other_members(conversation: &mut Conversation<'_>, rules: &ModelRules, out: &mut Vec<u8>) {
    for (name, value) in conversation.members.members() {
        let known = name.decode();
        let is_written = responses::request::UNDERSTOOD.contains(&&*known) && !COPIED.contains(&&*known);
        if is_written || value.is_null() {
            continue;
        }
        if rules.takes(&known) {
            out.push(b',');
            out.extend_from_slice(name.literal().as_bytes());
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        } else {
            conversation.drop_reported(known.into_owned());
        }
    }
}

/// Asks for the encrypted reasoning, of models that reason: where the agent does, and for agents whose format carries
/// signatures, so that the model gets it back.
fn write_include(
    conversation: &mut Conversation<'_>,
    rules: &ModelRules,
    same_format: bool,
    out: &mut Vec<u8>,
) {
    let reasons = !rules.efforts.is_empty() && !rules.refuses("include");
    let mut wanted = reasons && conversation.origin != AgentFormat::ChatCompletions;
    if same_format {
        let included = conversation.members.get("include").and_then(Value::list);
        let names: Vec<Text<'_>> = included.into_iter().flatten().filter_map(Value::text).collect();
        let (encrypted, others): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| name.is(ENCRYPTED_REASONING));
        wanted &= !encrypted.is_empty();
        for other in others {
            conversation.drop_reported(format!("include {}", other.decode()));
        }
    }
    if wanted {
        write_name("include", out);
        out.push(b'[');
        write_string(out, ENCRYPTED_REASONING);
        out.push(b']');
    }
}

fn write_instructions(system: &[Part<'_>], dropped: &mut Vec<Cow<'static, str>>, out: &mut Vec<u8>) {
    let mut texts = Vec::with_capacity(system.len());
    for part in system {
        match &part.content {
            Content::Text(text) => texts.push(text.clone()),
            _ => dropped.push(Cow::Borrowed("system attachment")),
        }
    }
    if !texts.is_empty() {
        write_name("instructions", out);
        out.extend_from_slice(Text::join(&texts, "\n\n").literal().as_bytes());
    }
}

fn write_tools(tools: &[Tool<'_>], rules: &ModelRules, out: &mut Vec<u8>) {
    let takes_strict = !rules.refused_tool_members.iter().any(|member| member == "strict");
    for (position, tool) in tools.iter().enumerate() {
        out.extend_from_slice(if position == 0 { b",\"tools\":[" } else { b"," });
        out.extend_from_slice(b"{\"type\":\"function\",\"name\":");
        out.extend_from_slice(tool.name.literal().as_bytes());
        if let Some(description) = &tool.description {
            write_name("description", out);
            out.extend_from_slice(description.literal().as_bytes());
        }
        write_name("parameters", out);
        openai::write_schema(tool.schema, |json| Cow::Borrowed(json), out);
        // Without a word Responses holds every tool to its schema, Chat Completions none.
        write_strict(Some(tool.strict.unwrap_or(false)).filter(|_| takes_strict), out);
        out.push(b'}');
    }
    if !tools.is_empty() {
        out.push(b']');
    }
}

/// Writes the items of the input, and gathers what has no place among them.
struct InputWriter<'w> {
    rules: &'w ModelRules,
    same_format: bool,
    dropped: Vec<Cow<'static, str>>,
    /// Where the list begins in the body.
    start: usize,
    /// Where in the body reasoning begins behind which nothing of the model's stands yet.
    open_reasoning: Option<usize>,
}

impl InputWriter<'_> {
    /// Begins an item that the model has not made.
    fn begin(&mut self, out: &mut Vec<u8>) {
        self.leave_out_open_reasoning(out);
        self.separate(out);
    }

    /// Begins an item that the model has made, which closes its reasoning before it.
    fn begin_of_model(&mut self, out: &mut Vec<u8>) {
        self.open_reasoning = None;
        self.separate(out);
    }

    /// OpenAI: "Item of type 'reasoning' was provided without its required following item."
    fn leave_out_open_reasoning(&mut self, out: &mut Vec<u8>) {
        if let Some(start) = self.open_reasoning.take() {
            out.truncate(start);
            self.dropped.push(Cow::Borrowed("thinking of earlier turns"));
        }
    }

    fn separate(&self, out: &mut Vec<u8>) {
        if out.len() > self.start {
            out.push(b',');
        }
    }

    fn write_turn(&mut self, turn: &Turn<'_>, out: &mut Vec<u8>) {
        let mut parts = turn.parts.as_slice();
        if turn.role == Role::User && parts.iter().all(is_other) {
            // The person has said something, though nothing that the route takes.
            self.begin(out);
            out.extend_from_slice(SAID_NOTHING);
        }
        while let Some(first) = parts.first() {
            let said = parts
                .iter()
                .take_while(|part| is_said(part) && self.is_beside(part, first));
            let said = said.count();
            if said > 0 {
                let (message, rest) = parts.split_at(said);
                self.write_message(turn.role, message, out);
                parts = rest;
                continue;
            }
            self.write_item(first, out);
            parts = parts.get(1..).unwrap_or_default();
        }
    }

    /// Writes what was said in one go: texts and attachments.
    fn write_message(&mut self, role: Role, parts: &[Part<'_>], out: &mut Vec<u8>) {
        if role == Role::Assistant {
            if !parts.iter().any(|part| matches!(part.content, Content::Text(_))) {
                self.dropped.push(Cow::Borrowed("attachment of the assistant"));
                return;
            }
            self.begin_of_model(out);
        } else {
            self.begin(out);
        }
        out.extend_from_slice(b"{\"type\":\"message\",\"role\":");
        let message = parts.first().and_then(|part| part.raw);
        let own = message.filter(|_| self.same_format && role == Role::System);
        match own.and_then(|message| message.get("role")) {
            Some(role) => out.extend_from_slice(role.get().as_bytes()),
            None => out.extend_from_slice(match role {
                Role::System => b"\"developer\"".as_slice(),
                Role::User => b"\"user\"",
                Role::Assistant => b"\"assistant\"",
            }),
        }
        out.extend_from_slice(b",\"content\":[");
        let start = out.len();
        for part in parts {
            self.write_part(part, role == Role::Assistant, start, out);
        }
        out.extend_from_slice(b"]}");
    }

    /// Writes a part of a message or of a tool's result, whose list begins at `start`.
    fn write_part(&mut self, part: &Part<'_>, output: bool, start: usize, out: &mut Vec<u8>) {
        let comma: &[u8] = if out.len() > start { b"," } else { b"" };
        let text = |text: &Text<'_>, out: &mut Vec<u8>| {
            out.extend_from_slice(comma);
            out.extend_from_slice(if output {
                b"{\"type\":\"output_text\",\"text\":".as_slice()
            } else {
                b"{\"type\":\"input_text\",\"text\":"
            });
            out.extend_from_slice(text.literal().as_bytes());
            out.push(b'}');
        };
        match &part.content {
            Content::Text(said) => text(said, out),
            Content::Image(_) | Content::File(_) if output => {
                self.dropped.push(Cow::Borrowed("attachment of the assistant"));
            }
            Content::Image(image) => {
                out.extend_from_slice(comma);
                out.extend_from_slice(b"{\"type\":\"input_image\",\"image_url\":");
                write_url(&image.source, out);
                if let Some(detail) = &image.detail {
                    write_name("detail", out);
                    out.extend_from_slice(detail.literal().as_bytes());
                }
                out.push(b'}');
            }
            Content::File(file) => match &file.source {
                // A document of plain text is text.
                Source::Text(content) => text(content, out),
                Source::Url(_) => {
                    out.extend_from_slice(comma);
                    out.extend_from_slice(b"{\"type\":\"input_file\",\"file_url\":");
                    write_url(&file.source, out);
                    out.push(b'}');
                }
                Source::Base64 { .. } => {
                    out.extend_from_slice(comma);
                    out.extend_from_slice(b"{\"type\":\"input_file\",\"file_data\":");
                    write_url(&file.source, out);
                    write_name("filename", out);
                    write_string(out, &file_name(file));
                    out.push(b'}');
                }
            },
            Content::Other { kind } => self.dropped.push(Cow::Owned(kind.decode().into_owned())),
            Content::ToolCall(_) | Content::ToolResult(_) | Content::Thinking { .. } => {
                self.dropped.push(Cow::Borrowed("nested block"));
            }
        }
    }

    fn write_item(&mut self, part: &Part<'_>, out: &mut Vec<u8>) {
        match &part.content {
            Content::ToolCall(call) => {
                self.begin_of_model(out);
                out.extend_from_slice(b"{\"type\":\"function_call\",\"call_id\":");
                out.extend_from_slice(call.id.literal().as_bytes());
                write_name("name", out);
                out.extend_from_slice(call.name.literal().as_bytes());
                write_name("arguments", out);
                out.push(b'"');
                write_escaped(out, &call.arguments);
                out.extend_from_slice(b"\"}");
            }
            Content::ToolResult(result) => {
                self.begin(out);
                out.extend_from_slice(b"{\"type\":\"function_call_output\",\"call_id\":");
                out.extend_from_slice(result.call.literal().as_bytes());
                write_name("output", out);
                self.write_result(result, out);
                out.push(b'}');
            }
            Content::Thinking { text, signature } => {
                self.write_reasoning(part, text, signature.as_ref(), out);
            }
            Content::Other { kind } => match part.raw.filter(|_| self.takes(kind)) {
                Some(item) => {
                    self.begin_of_model(out);
                    out.extend_from_slice(item.literal().as_bytes());
                }
                None => self.dropped.push(Cow::Owned(kind.decode().into_owned())),
            },
            Content::Text(_) | Content::Image(_) | Content::File(_) => {}
        }
    }

    /// Whether two parts belong into one message: of the same format those of one message of the agent's.
    fn is_beside(&self, part: &Part<'_>, first: &Part<'_>) -> bool {
        let place = |part: &Part<'_>| part.raw.map(|message| message.literal().as_ptr());
        !self.same_format || place(part) == place(first)
    }

    fn takes(&self, kind: &Text<'_>) -> bool {
        self.same_format && self.rules.blocks.iter().any(|block| kind.is(block))
    }

    /// A result is a string, or a list where it holds more than text.
    fn write_result(&mut self, result: &ToolResult<'_>, out: &mut Vec<u8>) {
        let texts: Option<Vec<Text<'_>>> = result
            .parts
            .iter()
            .map(|part| match &part.content {
                Content::Text(text) => Some(text.clone()),
                _ => None,
            })
            .collect();
        if result.is_error && !result.parts.is_empty() {
            // There is no place for it; what a failed tool says mostly tells it.
            self.dropped.push(Cow::Borrowed("is_error"));
        }
        match texts {
            Some(texts) if texts.is_empty() && result.is_error => {
                out.extend_from_slice(b"\"The tool failed.\"");
            }
            Some(texts) if texts.is_empty() => out.extend_from_slice(b"\"\""),
            Some(texts) => out.extend_from_slice(Text::join(&texts, "\n").literal().as_bytes()),
            None => {
                out.push(b'[');
                let start = out.len();
                for part in &result.parts {
                    self.write_part(part, false, start, out);
                }
                out.push(b']');
            }
        }
    }

    /// Only OpenAI's own reasoning goes back to OpenAI's models; without its encrypted content they would look for it among
    /// what they have kept.
    fn write_reasoning(
        &mut self,
        part: &Part<'_>,
        text: &Text<'_>,
        signature: Option<&Text<'_>>,
        out: &mut Vec<u8>,
    ) {
        let own = signature.and_then(|signature| Signer::OpenAi.own(signature));
        let reasons = !self.rules.efforts.is_empty();
        let Some(encrypted) = own.filter(|_| reasons) else {
            self.dropped.push(Cow::Borrowed("thinking of earlier turns"));
            return;
        };
        self.open_reasoning.get_or_insert(out.len());
        self.separate(out);
        out.extend_from_slice(b"{\"type\":\"reasoning\",\"summary\":");
        let summary = part.raw.filter(|_| self.same_format);
        match summary.and_then(|item: Object<'_>| item.get("summary")) {
            Some(summary) => out.extend_from_slice(summary.get().as_bytes()),
            None if text.is_empty() => out.extend_from_slice(b"[]"),
            None => {
                out.extend_from_slice(b"[{\"type\":\"summary_text\",\"text\":");
                out.extend_from_slice(text.literal().as_bytes());
                out.extend_from_slice(b"}]");
            }
        }
        write_name("encrypted_content", out);
        out.extend_from_slice(encrypted.literal().as_bytes());
        out.push(b'}');
    }
}

fn is_other(part: &Part<'_>) -> bool {
    matches!(part.content, Content::Other { .. })
}

/// Whether a part belongs into a message.
fn is_said(part: &Part<'_>) -> bool {
    match &part.content {
        Content::Text(_) | Content::Image(_) | Content::File(_) => true,
        Content::ToolCall(_) | Content::ToolResult(_) | Content::Thinking { .. } | Content::Other { .. } => {
            false
        }
    }
}
