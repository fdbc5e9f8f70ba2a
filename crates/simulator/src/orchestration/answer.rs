//! Answers of the orchestration service: whole, as a stream, and failed (sap-wire.md §4.3–4.5).

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Failure, Prepared, Refused};
use crate::answer::Answer;
use crate::cache::CacheUse;
use crate::json::{quoted, set};
use crate::model::{End, Reply};
use crate::options::FinishReason;
use crate::server::Asked;
use crate::tokens;

/// A reply and what is needed to write it.
pub(super) struct Answered<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) request_id: &'a str,
    pub(super) prepared: &'a Prepared,
    pub(super) reply: &'a Reply,
    pub(super) cache: CacheUse,
}

impl Answered<'_> {
    /// `chat.completion` in one piece.
    pub(super) fn whole(&self, failures: &[Refused]) -> Answer {
        let reply = self.reply;
        let mut message = json!({"role": "assistant"});
        if !reply.text.is_empty() || reply.calls.is_empty() {
            set(&mut message, "content", json!(reply.text));
        }
        if let Some((thought, signature)) = &reply.thinking {
            let blocks = json!([{"content": thought, "signature": signature}]);
            set(&mut message, "reasoning_content", blocks);
        }
        if !reply.calls.is_empty() {
            set(&mut message, "tool_calls", reply.tool_calls());
        }
        let result = json!({
            "id": self.id(),
            "object": "chat.completion",
            "created": Asked::created(),
            "model": self.prepared.conversation.model.vendor,
            "choices": [{"index": 0, "message": message, "finish_reason": finish_reason(reply)}],
            "usage": self.usage(),
        });
        let mut body = json!({
            "request_id": self.request_id,
            "intermediate_results": {"templating": self.prepared.rendered, "llm": result},
            "final_result": result,
        });
        if !failures.is_empty() {
            set(
                &mut body,
                "intermediate_failures",
                failures
                    .iter()
                    .map(|refused| error(self.request_id, &refused.failure))
                    .collect(),
            );
        }
        self.with_headers(Answer::json(200, body.to_string()))
    }

    /// The same as a stream. `chunk` is the least number of characters of a piece of text.
    pub(super) fn stream(&self, chunk: u64, failures: &[Refused]) -> Answer {
        let mut events = vec![self.opening(failures)];
        let reply = self.reply;
        events.push(self.event(r#"{"role": "assistant", "content": ""}"#, None));
        if let Some((thought, signature)) = &reply.thinking {
            for piece in tokens::pieces(thought) {
                events.push(self.reasoning(piece, ""));
            }
            events.push(self.reasoning("", signature));
        }
        let mut text = String::new();
        for piece in tokens::pieces(&reply.text) {
            text.push_str(piece);
            if text.chars().count() as u64 >= chunk {
                events.push(self.event(&format!(r#"{{"content": {}}}"#, quoted(&text)), None));
                text.clear();
            }
        }
        if !text.is_empty() {
            events.push(self.event(&format!(r#"{{"content": {}}}"#, quoted(&text)), None));
        }
        for (index, (id, name, arguments)) in reply.calls.iter().enumerate() {
            events.push(self.call(&format!(
                r#"{{"index": {index}, "id": {}, "type": "function", "function": {{"name": {}, "arguments": ""}}}}"#,
                quoted(id),
                quoted(name)
            )));
            for piece in tokens::pieces(arguments) {
                let piece = quoted(piece);
                events.push(self.call(&format!(
                    r#"{{"index": {index}, "function": {{"arguments": {piece}}}}}"#
                )));
            }
        }
        events.push(self.event(
            r#"{"role": "assistant", "content": ""}"#,
            Some(finish_reason(reply)),
        ));
        events.push(Bytes::from_static(b"data: [DONE]\n\n"));
        self.with_headers(Answer::events(events))
    }

    fn opening(&self, failures: &[Refused]) -> Bytes {
        let failed = if failures.is_empty() {
            String::new()
        } else {
            let list: Vec<Value> = failures
                .iter()
                .map(|refused| error(self.request_id, &refused.failure))
                .collect();
            format!(r#", "intermediate_failures": {}"#, Value::Array(list))
        };
        let mode = self.asked.options.finish_reason;
        opening(self.request_id, &self.prepared.rendered, mode, &failed)
    }

    fn reasoning(&self, thought: &str, signature: &str) -> Bytes {
        self.event(
            &format!(
                r#"{{"role": "assistant", "content": "", "reasoning_content": [{{"content": {}, "signature": {}}}]}}"#,
                quoted(thought),
                quoted(signature)
            ),
            None,
        )
    }

    fn call(&self, call: &str) -> Bytes {
        self.event(
            &format!(r#"{{"role": "assistant", "content": "", "tool_calls": [{call}]}}"#),
            None,
        )
    }

    /// One event; the payload stands in it twice, as the service sends it.
    fn event(&self, delta: &str, finish: Option<&str>) -> Bytes {
        let reason = match (finish, self.asked.options.finish_reason) {
            (Some(reason), _) => format!(r#", "finish_reason": "{reason}""#),
            (None, FinishReason::Absent) => String::new(),
            (None, FinishReason::Empty) => r#", "finish_reason": """#.to_owned(),
        };
        let usage = if finish.is_some() {
            format!(r#", "usage": {}"#, self.usage())
        } else {
            String::new()
        };
        let result = format!(
            r#"{{"id": "{}", "object": "chat.completion.chunk", "created": {}, "model": "{}", "choices": [{{"index": 0, "delta": {delta}{reason}}}]{usage}}}"#,
            self.id(),
            Asked::created(),
            self.prepared.conversation.model.vendor,
        );
        let request_id = self.request_id;
        Bytes::from(format!(
            "data: {{\"request_id\": \"{request_id}\", \"intermediate_results\": {{\"llm\": {result}}}, \"final_result\": {result}}}\n\n"
        ))
    }

    fn id(&self) -> String {
        self.prepared.conversation.model.answer_id(self.asked.number)
    }

    fn usage(&self) -> Value {
        let prompt = self.prepared.conversation.prompt.tokens;
        let CacheUse {
            read,
            written,
            written_hour,
        } = self.cache;
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": self.reply.tokens,
            "total_tokens": prompt + self.reply.tokens,
            "prompt_tokens_details": {
                "cached_tokens": read,
                "cache_creation_tokens": written + written_hour,
                "cache_creation_token_details": {
                    "ephemeral_5m_input_tokens": written,
                    "ephemeral_1h_input_tokens": written_hour,
                },
            },
            "completion_tokens_details": {"reasoning_tokens": self.reply.thinking_tokens},
        })
    }

    fn with_headers(&self, mut answer: Answer) -> Answer {
        answer.headers.push(("x-request-id", self.request_id.to_owned()));
        answer
    }
}

fn opening(request_id: &str, rendered: &[Value], mode: FinishReason, failed: &str) -> Bytes {
    let (role, reason) = match mode {
        FinishReason::Absent => ("", ""),
        FinishReason::Empty => (r#""role": "", "#, r#", "finish_reason": """#),
    };
    let templating = Value::Array(rendered.to_vec());
    Bytes::from(format!(
        "data: {{\"request_id\": \"{request_id}\", \"intermediate_results\": {{\"templating\": {templating}}}{failed}, \"final_result\": {{\"id\": \"\", \"object\": \"\", \"created\": 0, \"model\": \"\", \"system_fingerprint\": \"\", \"choices\": [{{\"index\": 0, \"delta\": {{{role}\"content\": \"\"}}{reason}}}]}}}}\n\n"
    ))
}

fn finish_reason(reply: &Reply) -> &'static str {
    match reply.end {
        End::Said | End::Stopped(_) => "stop",
        End::Called => "tool_calls",
        End::Length => "length",
        End::Filtered => "content_filter",
    }
}

fn error(request_id: &str, failure: &Failure) -> Value {
    json!({
        "request_id": request_id,
        "code": failure.code,
        "message": failure.message,
        "location": failure.location,
    })
}

/// One failure, as an HTTP error.
pub(super) fn failure(request_id: &str, failure: &Failure) -> Answer {
    let body = json!({"error": error(request_id, failure)});
    Answer::json(failure.code, body.to_string()).because(failure.message.clone())
}

/// Every configuration failed: a list where a list was asked. What is found out behind a stream's begin comes
/// as an event of it.
pub(super) fn failures(request_id: &str, failed: &[Refused], listed: bool) -> Answer {
    let Some(last) = failed.last() else {
        let none = Failure::body("no module configuration is given");
        return failure(request_id, &none);
    };
    let errors: Vec<Value> = failed
        .iter()
        .map(|refused| error(request_id, &refused.failure))
        .collect();
    let body = json!({"error": if listed { Value::Array(errors) } else { error(request_id, &last.failure) }});
    let reason = last.failure.message.clone();
    match &last.streamed {
        Some(rendered) => Answer::events(vec![
            opening(request_id, rendered, FinishReason::Absent, ""),
            Bytes::from(format!("data: {body}\n\n")),
        ])
        .because(reason),
        None => Answer::json(last.failure.code, body.to_string()).because(reason),
    }
}
