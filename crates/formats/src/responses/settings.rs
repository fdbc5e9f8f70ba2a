//! The settings of a request as its answer repeats them: agents read in an answer what it was made with.

use std::sync::Arc;

use crate::json::{Object, Value, write_compact, write_name};

/// The settings, each with what stands for one that the agent does not name. One that stands for nothing is left out.
const SETTINGS: [(&str, &str); 16] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", ""),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("prompt_cache_key", ""),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", ""),
    ("temperature", "null"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_logprobs", ""),
    ("top_p", "null"),
    ("truncation", "\"disabled\""),
    ("user", "null"),
];

/// The settings of one request, as the agent has written them, whether or not the model could be given them.
#[derive(Clone, Debug, Default)]
pub struct RequestSettings {
    /// Members of the answer; empty where no request is known.
    written: Arc<[u8]>,
}

impl RequestSettings {
    /// Takes them out of the request.
    pub(crate) fn of(request: Object<'_>) -> Self {
        let mut written = Vec::with_capacity(512);
        write_members(|name| request.get(name), &mut written);
        RequestSettings {
            written: written.into(),
        }
    }

    /// Writes each as a member, with the comma before it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if self.written.is_empty() {
            write_members(|_| None, out);
        } else {
            out.extend_from_slice(&self.written);
        }
    }
}

fn write_members<'a>(asked: impl Fn(&str) -> Option<Value<'a>>, out: &mut Vec<u8>) {
    for (name, default) in SETTINGS {
        let asked = asked(name);
        if asked.is_none() && default.is_empty() {
            continue;
        }
        write_name(name, out);
        match asked {
            // SDKs look for the form, which an agent that only wants few words does not name.
            Some(text) if name == "text" => write_text(text, out),
            Some(value) => write_compact(out, value.get()),
            None => out.extend_from_slice(default.as_bytes()),
        }
    }
}

fn write_text(text: Value<'_>, out: &mut Vec<u8>) {
    let members = text.object().into_iter().flat_map(Object::members);
    let named = members.filter(|(name, _)| !name.is("format"));
    let format = text.object().and_then(|text| text.get("format"));
    out.extend_from_slice(b"{\"format\":");
    write_compact(out, format.map_or(r#"{"type":"text"}"#, Value::get));
    for (name, value) in named {
        out.push(b',');
        out.extend_from_slice(name.literal().as_bytes());
        out.push(b':');
        write_compact(out, value.get());
    }
    out.push(b'}');
}
