//! Answers of the orchestration service: whole, as a stream, and failed (sap-wire.md §4.3–4.5).

use bytes::Bytes;
use serde_json::{Value, json};

use super::filtering::{self, Finding};
use super::masking::Masks;
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
    pub(super) prepared: &'a Prepared<'a>,
    pub(super) reply: &'a Reply,
    pub(super) cache: CacheUse,
}

impl Answered<'_> {
    /// `chat.completion` in one piece.
    pub(super) fn whole(&self, failures: &[Refused]) -> Answer {
        let llm = self.completion(self.reply);
        let mut results = self.prepared.results.clone();
        let mut last = llm.clone();
        if let Some(finding) = filtering::of_output(self.prepared.modules, &said(self.reply)) {
            if finding.refused {
                let message = json!({"role": "assistant", "content": ""});
                let choice = json!({"index": 0, "message": message, "finish_reason": "content_filter"});
                set(&mut last, "choices", json!([choice]));
            }
            results.insert(
                "output_filtering".to_owned(),
                filter_result(&finding, "1 of 1 choices failed the output filter."),
            );
        }
        if let Some(masks) = &self.prepared.masks {
            last = put_back(masks, &last);
            let choices = last.get("choices").cloned().unwrap_or_default();
            results.insert("output_unmasking".to_owned(), choices);
        }
        results.insert("llm".to_owned(), llm);
        let mut body = json!({
            "request_id": self.request_id,
            "intermediate_results": results,
            "final_result": last,
        });
        if !failures.is_empty() {
            let errors = failures.iter().map(|refused| error(self.request_id, refused));
            set(&mut body, "intermediate_failures", errors.collect());
        }
        self.with_headers(Answer::json(200, body.to_string()))
    }

    /// What the model says.
    fn completion(&self, reply: &Reply) -> Value {
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
        json!({
            "id": self.id(),
            "object": "chat.completion",
            "created": Asked::created(),
            "model": self.prepared.conversation.model.vendor,
            "choices": [{"index": 0, "message": message, "finish_reason": finish_reason(reply)}],
            "usage": self.usage(),
        })
    }

    /// The same as a stream. `chunk` is the least number of characters of a piece of text.
    pub(super) fn stream(&self, chunk: u64, failures: &[Refused]) -> Answer {
        let mut events = vec![self.opening(failures)];
        let reply = self.reply;
        events.push(self.event(r#"{"role": "assistant", "content": ""}"#, None));
        if let Some((thought, signature)) = &reply.thinking {
            for piece in tokens::pieces(&self.put_back(thought)) {
                events.push(self.reasoning(piece, ""));
            }
            events.push(self.reasoning("", signature));
        }
        let is_through = self.stream_text(chunk, &mut events) && self.stream_calls(&mut events);
        let reason = if is_through {
            finish_reason(reply)
        } else {
            "content_filter"
        };
        events.push(self.event(r#"{"role": "assistant", "content": ""}"#, Some(reason)));
        events.push(Bytes::from_static(b"data: [DONE]\n\n"));
        self.with_headers(Answer::events(events))
    }

    /// The text, chunk by chunk; false where the output filter ended it.
    fn stream_text(&self, chunk: u64, events: &mut Vec<Bytes>) -> bool {
        let overlap = filtering::overlap(self.prepared.modules);
        let whole = self.put_back(&self.reply.text);
        let (mut text, mut before) = (String::new(), String::new());
        let mut pieces = tokens::pieces(&whole).peekable();
        while let Some(piece) = pieces.next() {
            text.push_str(piece);
            if (text.chars().count() as u64) < chunk && pieces.peek().is_some() {
                continue;
            }
            let seen = self.masked(&format!("{before}{text}"));
            if filtering::of_output(self.prepared.modules, &seen).is_some_and(|finding| finding.refused) {
                return false;
            }
            events.push(self.event(&format!(r#"{{"content": {}}}"#, quoted(&text)), None));
            before.push_str(&text);
            let surplus = before.chars().count().saturating_sub(overlap);
            before = before.chars().skip(surplus).collect();
            text.clear();
        }
        true
    }

    /// The calls; false where the output filter ended them.
    fn stream_calls(&self, events: &mut Vec<Bytes>) -> bool {
        for (index, (id, name, arguments)) in self.reply.calls.iter().enumerate() {
            if filtering::of_output(self.prepared.modules, arguments).is_some_and(|finding| finding.refused) {
                return false;
            }
            events.push(self.call(&format!(
                r#"{{"index": {index}, "id": {}, "type": "function", "function": {{"name": {}, "arguments": ""}}}}"#,
                quoted(id),
                quoted(name)
            )));
            let arguments = self.put_back(arguments);
            // What is masked is put back in whole values.
            let pieces: Vec<&str> = if self.prepared.masks.is_some() {
                vec![&arguments]
            } else {
                tokens::pieces(&arguments).collect()
            };
            for piece in pieces {
                let piece = quoted(piece);
                events.push(self.call(&format!(
                    r#"{{"index": {index}, "function": {{"arguments": {piece}}}}}"#
                )));
            }
        }
        true
    }

    fn put_back(&self, said: &str) -> String {
        let masks = self.prepared.masks.as_ref();
        masks.map_or_else(|| said.to_owned(), |masks| masks.put_back(said))
    }

    fn masked(&self, said: &str) -> String {
        let masks = self.prepared.masks.as_ref();
        masks.map_or_else(|| said.to_owned(), |masks| masks.masked(said))
    }

    fn opening(&self, failures: &[Refused]) -> Bytes {
        let failed = if failures.is_empty() {
            String::new()
        } else {
            let list: Vec<Value> = failures
                .iter()
                .map(|refused| error(self.request_id, refused))
                .collect();
            format!(r#", "intermediate_failures": {}"#, Value::Array(list))
        };
        let mode = self.asked.options.finish_reason;
        let results = Value::Object(self.prepared.results.clone());
        opening(self.request_id, &results, mode, &failed)
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
        // What the model said has the stand-ins of what was masked.
        let llm = self.masked(&result);
        Bytes::from(format!(
            "data: {{\"request_id\": \"{request_id}\", \"intermediate_results\": {{\"llm\": {llm}}}, \"final_result\": {result}}}\n\n"
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

fn opening(request_id: &str, results: &Value, mode: FinishReason, failed: &str) -> Bytes {
    let (role, reason) = match mode {
        FinishReason::Absent => ("", ""),
        FinishReason::Empty => (r#""role": "", "#, r#", "finish_reason": """#),
    };
    Bytes::from(format!(
        "data: {{\"request_id\": \"{request_id}\", \"intermediate_results\": {results}{failed}, \"final_result\": {{\"id\": \"\", \"object\": \"\", \"created\": 0, \"model\": \"\", \"system_fingerprint\": \"\", \"choices\": [{{\"index\": 0, \"delta\": {{{role}\"content\": \"\"}}{reason}}}]}}}}\n\n"
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

/// What a filter tells of a text. `words` are those of its refusal.
pub(super) fn filter_result(finding: &Finding, words: &str) -> Value {
    let message = if finding.refused {
        words
    } else {
        "Filter passed successfully."
    };
    json!({"message": message, "data": finding.data})
}

/// All that the model says, for the filter.
fn said(reply: &Reply) -> String {
    let arguments = reply.calls.iter().map(|(_, _, arguments)| arguments.as_str());
    let said: Vec<&str> = [reply.text.as_str()].into_iter().chain(arguments).collect();
    said.join("\n")
}

/// A completion with the values in place of their stand-ins.
fn put_back(masks: &Masks, value: &Value) -> Value {
    match value {
        Value::String(said) => Value::String(masks.put_back(said)),
        Value::Array(entries) => entries.iter().map(|entry| put_back(masks, entry)).collect(),
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(key, member)| (key.clone(), put_back(masks, member)));
            Value::Object(members.collect())
        }
        other => other.clone(),
    }
}

fn error(request_id: &str, refused: &Refused) -> Value {
    let failure = &refused.failure;
    let mut error = json!({
        "request_id": request_id,
        "code": failure.code,
        "message": failure.message,
        "location": failure.location,
    });
    if let Some(results) = &refused.results {
        set(&mut error, "intermediate_results", results.clone());
    }
    error
}

/// One failure, as an HTTP error.
pub(super) fn failure(request_id: &str, failure: Failure) -> Answer {
    let refused = Refused::from(failure);
    let body = json!({"error": error(request_id, &refused)});
    Answer::json(refused.failure.code, body.to_string()).because(refused.failure.message)
}

/// Every configuration failed: a list where a list was asked. What is found out behind a stream's begin comes
/// as an event of it.
pub(super) fn failures(request_id: &str, failed: &[Refused], listed: bool) -> Answer {
    let Some(last) = failed.last() else {
        let none = Failure::body("no module configuration is given");
        return failure(request_id, none);
    };
    let errors: Vec<Value> = failed.iter().map(|refused| error(request_id, refused)).collect();
    let body = json!({"error": if listed { Value::Array(errors) } else { error(request_id, last) }});
    let reason = last.failure.message.clone();
    match &last.streamed {
        Some(rendered) => Answer::events(vec![
            opening(
                request_id,
                &json!({"templating": rendered}),
                FinishReason::Absent,
                "",
            ),
            Bytes::from(format!("data: {body}\n\n")),
        ])
        .because(reason),
        None => Answer::json(last.failure.code, body.to_string()).because(reason),
    }
}
