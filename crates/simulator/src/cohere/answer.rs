//! Cohere's answers: a whole one, or a stream of events that name themselves.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::json::set;
use crate::model::{End, Reply};
use crate::server::Asked;
use crate::tokens;

/// A reply and what is needed to write it.
pub(super) struct Answered<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) prompt_tokens: u64,
    pub(super) reply: &'a Reply,
}

impl Answered<'_> {
    /// The answer in one piece.
    pub(super) fn whole(&self) -> Answer {
        let reply = self.reply;
        let mut content = Vec::new();
        if let Some((thought, _)) = &reply.thinking {
            content.push(json!({"type": "thinking", "thinking": thought}));
        }
        let mut message = json!({"role": "assistant"});
        if reply.calls.is_empty() {
            content.push(json!({"type": "text", "text": reply.text}));
        } else {
            // What it says beside its calls is its plan.
            set(&mut message, "tool_plan", json!(reply.text));
            set(&mut message, "tool_calls", reply.tool_calls());
        }
        if !content.is_empty() {
            set(&mut message, "content", json!(content));
        }
        let body = json!({
            "id": self.asked.uuid(),
            "message": message,
            "finish_reason": self.finish_reason(),
            "usage": self.usage(),
        });
        self.asked.with_headers(Answer::json(200, body.to_string()))
    }

    /// The same as a stream. SAP AI Core sends no `event:` lines.
    pub(super) fn stream(&self) -> Answer {
        let events = self.events();
        let event = |event: &Value| Bytes::from(format!("data: {event}\n\n"));
        self.asked
            .with_headers(Answer::events(events.iter().map(event).collect()))
    }

    fn events(&self) -> Vec<Value> {
        let reply = self.reply;
        let mut events = vec![json!({
            "id": self.asked.uuid(),
            "type": "message-start",
            "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}},
        })];
        let mut index = 0;
        if let Some((thought, _)) = &reply.thinking {
            content(&mut events, &mut index, "thinking", thought);
        }
        if reply.calls.is_empty() {
            content(&mut events, &mut index, "text", &reply.text);
        } else {
            let plan = tokens::pieces(&reply.text)
                .map(|piece| json!({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": piece}}}));
            events.extend(plan);
        }
        for (index, (id, name, arguments)) in reply.calls.iter().enumerate() {
            let started = json!({"id": id, "type": "function", "function": {"name": name, "arguments": ""}});
            events.push(json!({
                "type": "tool-call-start",
                "index": index,
                "delta": {"message": {"tool_calls": started}},
            }));
            events.extend(tokens::pieces(arguments).map(|piece| {
                json!({
                    "type": "tool-call-delta",
                    "index": index,
                    "delta": {"message": {"tool_calls": {"function": {"arguments": piece}}}},
                })
            }));
            events.push(json!({"type": "tool-call-end", "index": index}));
        }
        events.push(json!({
            "type": "message-end",
            "delta": {"finish_reason": self.finish_reason(), "usage": self.usage()},
        }));
        events
    }

    fn finish_reason(&self) -> &'static str {
        match self.reply.end {
            End::Said => "COMPLETE",
            End::Called => "TOOL_CALL",
            End::Stopped(_) => "STOP_SEQUENCE",
            End::Length => "MAX_TOKENS",
            End::Filtered => "ERROR",
        }
    }

    fn usage(&self) -> Value {
        let counted = json!({"input_tokens": self.prompt_tokens, "output_tokens": self.reply.tokens});
        json!({"billed_units": counted, "tokens": counted})
    }
}

/// The events of one piece of content.
fn content(events: &mut Vec<Value>, index: &mut usize, kind: &str, said: &str) {
    events.push(json!({
        "type": "content-start",
        "index": index,
        "delta": {"message": {"content": {"type": kind, kind: ""}}},
    }));
    events.extend(tokens::pieces(said).map(|piece| {
        json!({"type": "content-delta", "index": index, "delta": {"message": {"content": {kind: piece}}}})
    }));
    events.push(json!({"type": "content-end", "index": index}));
    *index += 1;
}
