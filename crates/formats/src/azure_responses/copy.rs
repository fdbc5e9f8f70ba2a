//! Answers for agents that speak Responses themselves: nearly as they come. The agent is given another model's name, each
//! event's name on a line of its own, its number, no obfuscation, and calls of its tools in the form that it knows.

use crate::AgentTools;
use crate::agent_tools::{AgentTool, AgentToolKind};
use crate::azure_responses::answer::{Decoder, literal};
use crate::event::{Event, arguments_object};
use crate::json::{
    Document, Object, Text, Value, write_compact, write_count, write_string, write_with_model,
};
use crate::responses::answer::custom_input;
use crate::upstream_error::broken;

/// The name of the member with which every event ends.
const NUMBER: &[u8] = b",\"sequence_number\":";

/// Reads a stream's payloads and gives each to an agent that speaks the same format.
#[derive(Debug)]
pub(crate) struct Copier {
    decoder: Decoder,
    /// The model's name, a JSON string.
    model: String,
    tools: AgentTools,
    /// Calls that the agent knows in another form than the model's.
    calls: Vec<OtherCall>,
    /// How many events the agent was given.
    events: u64,
    /// The frame of the deltas as the agent is given it. Empty where a delta has to be looked into.
    before: Vec<u8>,
    after: Vec<u8>,
}

/// A call of which the agent is told when its arguments are whole.
#[derive(Debug)]
struct OtherCall {
    /// The place of its item, as the upstream writes it.
    place: String,
    kind: AgentToolKind,
}

impl Copier {
    pub(crate) fn new(model: &str, tools: AgentTools) -> Self {
        Copier {
            decoder: Decoder::default(),
            model: Text::of(model).literal().to_owned(),
            tools,
            calls: Vec::new(),
            events: 0,
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    /// The number that the next event would have. They are counted anew, because an agent is given more or fewer events about
    /// a call that it knows in another form.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.events
    }

    /// Appends the next payload, and tells what it means.
    pub(crate) fn copy(&mut self, payload: &str, emit: &mut impl FnMut(Event<'_>), out: &mut Vec<u8>) {
        if !self.before.is_empty()
            && let Some(text) = self.decoder.read_framed(payload, emit)
        {
            let text = text.literal();
            out.reserve(self.before.len() + text.len() + self.after.len() + 32);
            out.extend_from_slice(&self.before);
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(&self.after);
            self.end(out);
            return;
        }
        let document = Document::read(payload).ok();
        let Some(event) = document.as_ref().and_then(|document| document.root().object()) else {
            emit(Event::Failure(broken(
                "The upstream sent a response that cannot be read.",
            )));
            return;
        };
        let mut failed = false;
        self.decoder.read_event(payload, event, &mut |event| {
            failed |= matches!(event, Event::Failure(_));
            emit(event);
        });
        if !failed && let Some(kind) = event.get("type").and_then(Value::text) {
            self.write_event(&kind, event, out);
        }
    }

    fn write_event(&mut self, kind: &Text<'_>, event: Object<'_>, out: &mut Vec<u8>) {
        let place = literal(event, "output_index");
        match kind.escaped() {
            // An error follows, which is told instead.
            "response.failed" | "response.cancelled" => return,
            "response.output_item.added" => self.note_call(event, place),
            "response.function_call_arguments.delta" | "response.function_call_arguments.done" => {
                if let Some(call) = self.calls.iter().position(|call| call.place == place) {
                    self.before.clear();
                    self.write_other_call(call, event, out);
                    return;
                }
            }
            _ => {}
        }
        begin(kind.escaped(), out);
        self.write_members(event, out);
        out.extend_from_slice(NUMBER);
        self.end(out);
        self.keep_frame(kind.escaped());
    }

    /// The event's members behind its type.
    fn write_members(&self, event: Object<'_>, out: &mut Vec<u8>) {
        for (name, value) in event.members() {
            match (name.escaped(), value.object()) {
                ("type" | "obfuscation" | "sequence_number", _) => continue,
                ("response", Some(response)) => {
                    out.extend_from_slice(b",\"response\":");
                    write_response(response, response.get("model"), &self.model, &self.tools, out);
                    continue;
                }
                ("item", Some(item)) => {
                    out.extend_from_slice(b",\"item\":");
                    write_item(item, &self.tools, out);
                    continue;
                }
                _ => {}
            }
            out.push(b',');
            out.extend_from_slice(name.literal().as_bytes());
            out.push(b':');
            let tool = value.text().filter(|_| name.is("name"));
            match tool.and_then(|tool| self.tools.of(&tool.decode())) {
                Some(tool) => write_string(out, &tool.name),
                None => write_compact(out, value.get()),
            }
        }
    }

    /// Writes the frame of the deltas to come, where the event was one.
    fn keep_frame(&mut self, kind: &str) {
        self.before.clear();
        self.after.clear();
        if kind.strip_suffix(".delta").is_none() {
            return;
        }
        let Some((before, after)) = self.decoder.frame().parts() else {
            return;
        };
        self.before.extend_from_slice(b"event: ");
        self.before.extend_from_slice(kind.as_bytes());
        self.before.extend_from_slice(b"\ndata: ");
        self.before.extend_from_slice(before.as_bytes());
        for part in after {
            self.after.extend_from_slice(part.as_bytes());
        }
    }

    /// Ends an event with its number, whose name is written.
    fn end(&mut self, out: &mut Vec<u8>) {
        write_count(out, self.events);
        out.extend_from_slice(b"}\n\n");
        self.events += 1;
    }

    fn note_call(&mut self, event: Object<'_>, place: &str) {
        let item = event.get("item").and_then(Value::object);
        let tool = item.and_then(|item| tool_of(item, &self.tools));
        if let Some(tool) = tool.filter(|tool| tool.kind != AgentToolKind::Function) {
            self.calls.push(OtherCall {
                place: place.to_owned(),
                kind: tool.kind,
            });
        }
    }

    /// An event about arguments that the agent is given as free text, once they are whole, or only with the item.
    fn write_other_call(&mut self, call: usize, event: Object<'_>, out: &mut Vec<u8>) {
        let Some(call) = self.calls.get(call) else {
            return;
        };
        let arguments = event.get("arguments").and_then(Value::text);
        let Some(arguments) = arguments.filter(|_| call.kind == AgentToolKind::Custom) else {
            return;
        };
        let input = custom_input(arguments.escaped());
        for (kind, member) in [
            ("response.custom_tool_call_input.delta", "delta"),
            ("response.custom_tool_call_input.done", "input"),
        ] {
            begin(kind, out);
            for name in ["item_id", "output_index"] {
                out.extend_from_slice(b",\"");
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"\":");
                write_compact(out, literal(event, name));
            }
            out.extend_from_slice(b",\"");
            out.extend_from_slice(member.as_bytes());
            out.extend_from_slice(b"\":");
            out.extend_from_slice(input.literal().as_bytes());
            out.extend_from_slice(NUMBER);
            self.end(out);
        }
    }
}

fn begin(kind: &str, out: &mut Vec<u8>) {
    out.reserve(512);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\ndata: {\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.push(b'"');
}

/// Writes a response with `model` (a JSON string) in the place of its own, which is `old`, and the calls of its output as the
/// agent knows them.
pub(crate) fn write_response(
    response: Object<'_>,
    old: Option<Value<'_>>,
    model: &str,
    tools: &AgentTools,
    out: &mut Vec<u8>,
) {
    // A compaction names no model, and is not given one.
    if tools.is_empty() && old.is_some() {
        write_with_model(out, response.literal(), old, model);
        return;
    }
    out.reserve(response.literal().len() + model.len());
    out.push(b'{');
    for (position, (name, value)) in response.members().enumerate() {
        out.extend_from_slice(if position > 0 { b"," } else { b"" });
        out.extend_from_slice(name.literal().as_bytes());
        out.push(b':');
        let output = value.list().filter(|_| name.is("output"));
        if name.is("model") {
            out.extend_from_slice(model.as_bytes());
        } else if let Some(output) = output {
            out.push(b'[');
            for (position, item) in output.enumerate() {
                out.extend_from_slice(if position > 0 { b"," } else { b"" });
                match item.object() {
                    Some(item) => write_item(item, tools, out),
                    None => write_compact(out, item.get()),
                }
            }
            out.push(b']');
        } else {
            write_compact(out, value.get());
        }
    }
    out.push(b'}');
}

/// The agent's tool that an item calls, where the agent knows it in another form.
fn tool_of<'t>(item: Object<'_>, tools: &'t AgentTools) -> Option<&'t AgentTool> {
    if tools.is_empty() || literal(item, "type") != "\"function_call\"" {
        return None;
    }
    tools.of(&item.get("name")?.text()?.decode())
}

fn write_item(item: Object<'_>, tools: &AgentTools, out: &mut Vec<u8>) {
    let Some(tool) = tool_of(item, tools) else {
        write_compact(out, item.literal());
        return;
    };
    out.extend_from_slice(b"{\"type\":");
    write_string(out, tool.kind.call_type());
    for (name, value) in item.members() {
        match (name.escaped(), tool.kind) {
            ("type", _) | ("name", AgentToolKind::ToolSearch) => {}
            ("name", _) => {
                out.extend_from_slice(b",\"name\":");
                write_string(out, &tool.name);
                if let Some(namespace) = &tool.namespace {
                    out.extend_from_slice(b",\"namespace\":");
                    write_string(out, namespace);
                }
            }
            ("arguments", AgentToolKind::Custom) => {
                out.extend_from_slice(b",\"input\":");
                let arguments = value.text().unwrap_or_else(|| Text::of(""));
                out.extend_from_slice(custom_input(arguments.escaped()).literal().as_bytes());
            }
            ("arguments", AgentToolKind::ToolSearch) => {
                let arguments = value
                    .text()
                    .and_then(|arguments| arguments_object(arguments.escaped()));
                out.extend_from_slice(b",\"execution\":\"client\",\"arguments\":");
                write_compact(out, arguments.as_deref().unwrap_or("{}"));
            }
            _ => {
                out.push(b',');
                out.extend_from_slice(name.literal().as_bytes());
                out.push(b':');
                write_compact(out, value.get());
            }
        }
    }
    out.push(b'}');
}

/// An answer that a deployment has kept, as the agent is given it: with the model's name that it asked for, and its own tools.
/// Nothing where it is no JSON object.
pub fn kept_answer(body: &[u8], model: &str, tools: &AgentTools) -> Option<Vec<u8>> {
    let body = std::str::from_utf8(body).ok()?;
    let document = Document::read(body).ok()?;
    let mut out = Vec::with_capacity(body.len() + 64);
    let response = document.root().object()?;
    write_response(
        response,
        response.get("model"),
        Text::of(model).literal(),
        tools,
        &mut out,
    );
    Some(out)
}
