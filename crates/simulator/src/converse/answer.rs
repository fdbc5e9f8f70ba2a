//! Converse's answers: a message, or a stream of Python's dictionaries, or AWS's binary event stream where the client
//! asks for it.

use bytes::Bytes;
use http::header;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::bedrock::aws_event;
use crate::cache::CacheUse;
use crate::model::{End, Reply};
use crate::python;
use crate::server::Asked;
use crate::tokens;

/// A reply and what is needed to write it.
pub(super) struct Answered<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) prompt_tokens: u64,
    pub(super) cache: CacheUse,
    pub(super) reply: &'a Reply,
}

impl Answered<'_> {
    /// The message in one piece.
    pub(super) fn whole(&self) -> Answer {
        let reply = self.reply;
        let mut content = Vec::new();
        if let Some((thought, signature)) = &reply.thinking {
            content.push(
                json!({"reasoningContent": {"reasoningText": {"text": thought, "signature": signature}}}),
            );
        }
        if !reply.text.is_empty() {
            content.push(json!({"text": reply.text}));
        }
        for (id, name, arguments) in &reply.calls {
            let input: Value = serde_json::from_str(arguments).unwrap_or_default();
            content.push(json!({"toolUse": {"toolUseId": id, "name": name, "input": input}}));
        }
        let body = json!({
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": self.stop_reason(),
            "usage": self.usage(),
            "metrics": {"latencyMs": 976},
        });
        self.asked.with_headers(Answer::json(200, body.to_string()))
    }

    /// The same as a stream, in the framing that the client takes.
    pub(super) fn stream(&self) -> Answer {
        let binary = self.asked.headers.get_all(header::ACCEPT).iter().any(|accept| {
            accept
                .to_str()
                .is_ok_and(|accept| accept.contains("application/vnd.amazon.eventstream"))
        });
        let events = self.events();
        self.asked.with_headers(if binary {
            Answer::aws_events(events.iter().filter_map(binary_event).collect())
        } else {
            Answer::python_events(events.iter().map(python::event).collect())
        })
    }

    fn events(&self) -> Vec<Value> {
        let reply = self.reply;
        let mut events = vec![json!({"messageStart": {"role": "assistant"}})];
        let mut index = 0;
        if let Some((thought, signature)) = &reply.thinking {
            let deltas = tokens::pieces(thought)
                .map(|piece| json!({"reasoningContent": {"text": piece}}))
                .chain([json!({"reasoningContent": {"signature": signature}})]);
            block(&mut events, &mut index, deltas);
        }
        if !reply.text.is_empty() {
            let deltas = tokens::pieces(&reply.text).map(|piece| json!({"text": piece}));
            block(&mut events, &mut index, deltas);
        }
        for (id, name, arguments) in &reply.calls {
            // Only calls have a start.
            events.push(json!({"contentBlockStart": {
                "start": {"toolUse": {"toolUseId": id, "name": name}},
                "contentBlockIndex": index,
            }}));
            let deltas = tokens::pieces(arguments).map(|piece| json!({"toolUse": {"input": piece}}));
            block(&mut events, &mut index, deltas);
        }
        events.push(json!({"messageStop": {"stopReason": self.stop_reason()}}));
        events.push(json!({"metadata": {"usage": self.usage(), "metrics": {"latencyMs": 976}}}));
        events
    }

    fn stop_reason(&self) -> &'static str {
        match self.reply.end {
            End::Said => "end_turn",
            End::Called => "tool_use",
            End::Stopped(_) => "stop_sequence",
            End::Length => "max_tokens",
            End::Filtered => "content_filtered",
        }
    }

    /// Cached tokens are counted apart, and in the total.
    fn usage(&self) -> Value {
        let CacheUse {
            read,
            written,
            written_hour,
        } = self.cache;
        json!({
            "inputTokens": self.prompt_tokens - read - written - written_hour,
            "outputTokens": self.reply.tokens,
            "totalTokens": self.prompt_tokens + self.reply.tokens,
            "cacheReadInputTokens": read,
            "cacheWriteInputTokens": written + written_hour,
        })
    }
}

/// The deltas and the end of one content block.
fn block(events: &mut Vec<Value>, index: &mut usize, deltas: impl Iterator<Item = Value>) {
    events.extend(
        deltas.map(|delta| json!({"contentBlockDelta": {"delta": delta, "contentBlockIndex": index}})),
    );
    events.push(json!({"contentBlockStop": {"contentBlockIndex": index}}));
    *index += 1;
}

/// An event in AWS's binary framing: its name is a header.
fn binary_event(event: &Value) -> Option<Bytes> {
    let (name, payload) = event.as_object()?.iter().next()?;
    Some(aws_event(name, payload.to_string().as_bytes()))
}
