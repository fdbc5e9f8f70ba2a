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

/// The replies and what is needed to write it.
pub(super) struct Answered<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) request_id: &'a str,
    pub(super) prepared: &'a Prepared<'a>,
    /// One for each choice.
    pub(super) replies: &'a [Reply],
    pub(super) cache: CacheUse,
}

impl Answered<'_> {
    /// `chat.completion` in one piece.
    pub(super) fn whole(&self, failures: &[Refused]) -> Answer {
        let mut results = self.prepared.results.clone();
        let llm = self.completion(self.replies.iter().map(message));
        let mut last = llm.clone();
        let modules = self.prepared.modules;
        let findings: Vec<Finding> = self
            .replies
            .iter()
            .filter_map(|reply| filtering::of_output(modules, &said(reply)))
            .collect();
        if let Some(worst) = findings.iter().max_by_key(|finding| finding.refused) {
            let refused = findings.iter().filter(|finding| finding.refused).count();
            let let_through = self.replies.iter().zip(&findings).map(|(reply, finding)| {
                if finding.refused {
                    (json!({"role": "assistant", "content": ""}), "content_filter")
                } else {
                    message(reply)
                }
            });
            last = self.completion(let_through);
            let words = format!(
                "{refused} of {} choices failed the output filter.",
                findings.len()
            );
            results.insert("output_filtering".to_owned(), filter_result(worst, &words));
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

    /// `chat.completion` with these messages and why they ended.
    fn completion(&self, said: impl Iterator<Item = (Value, &'static str)>) -> Value {
        let choices = said.enumerate().map(
            |(index, (message, reason))| json!({"index": index, "message": message, "finish_reason": reason}),
        );
        json!({
            "id": self.id(),
            "object": "chat.completion",
            "created": Asked::created(),
            "model": self.prepared.conversation.model.vendor,
            "choices": choices.collect::<Value>(),
            "usage": self.usage(),
        })
    }

    /// The same as a stream. `chunk` is the least number of characters of a piece of text.
    pub(super) fn stream(&self, chunk: u64, failures: &[Refused]) -> Answer {
        let mut events = vec![self.opening(failures)];
        for (choice, reply) in self.replies.iter().enumerate() {
            let mut said = Saying {
                answered: self,
                choice,
                events: &mut events,
            };
            said.all(reply, chunk, choice + 1 == self.replies.len());
        }
        events.push(Bytes::from_static(b"data: [DONE]\n\n"));
        self.with_headers(Answer::events(events))
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

    fn id(&self) -> String {
        self.prepared.conversation.model.answer_id(self.asked.number)
    }

    fn usage(&self) -> Value {
        let prompt = self.prepared.conversation.prompt.tokens;
        let sum = |tokens: fn(&Reply) -> u64| self.replies.iter().map(tokens).sum::<u64>();
        let CacheUse {
            read,
            written,
            written_hour,
        } = self.cache;
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": sum(|reply| reply.tokens),
            "total_tokens": prompt + sum(|reply| reply.tokens),
            "prompt_tokens_details": {
                "cached_tokens": read,
                "cache_creation_tokens": written + written_hour,
                "cache_creation_token_details": {
                    "ephemeral_5m_input_tokens": written,
                    "ephemeral_1h_input_tokens": written_hour,
                },
            },
            "completion_tokens_details": {"reasoning_tokens": sum(|reply| reply.thinking_tokens)},
        })
    }

    fn with_headers(&self, mut answer: Answer) -> Answer {
        answer.headers.push(("x-request-id", self.request_id.to_owned()));
        answer
    }
}

/// One choice of a stream while it is said.
struct Saying<'a> {
    answered: &'a Answered<'a>,
    choice: usize,
    events: &'a mut Vec<Bytes>,
}

impl Saying<'_> {
    /// Thoughts, text and calls; the last choice of all tells the usage.
    fn all(&mut self, reply: &Reply, chunk: u64, is_last: bool) {
        self.event(r#"{"role": "assistant", "content": ""}"#, None, false);
        if let Some((thought, signature)) = &reply.thinking {
            for piece in tokens::pieces(&self.answered.put_back(thought)) {
                self.reasoning(piece, "");
            }
            self.reasoning("", signature);
        }
        let is_through = self.text(&reply.text, chunk) && self.calls(reply);
        let reason = if is_through {
            finish_reason(reply)
        } else {
            "content_filter"
        };
        self.event(r#"{"role": "assistant", "content": ""}"#, Some(reason), is_last);
    }

    /// The text, chunk by chunk; false where the output filter ended it.
    fn text(&mut self, said: &str, chunk: u64) -> bool {
        let modules = self.answered.prepared.modules;
        let overlap = filtering::overlap(modules);
        let whole = self.answered.put_back(said);
        let (mut text, mut before) = (String::new(), String::new());
        let mut pieces = tokens::pieces(&whole).peekable();
        while let Some(piece) = pieces.next() {
            text.push_str(piece);
            if (text.chars().count() as u64) < chunk && pieces.peek().is_some() {
                continue;
            }
            let seen = self.answered.masked(&format!("{before}{text}"));
            if filtering::of_output(modules, &seen).is_some_and(|finding| finding.refused) {
                return false;
            }
            self.event(&format!(r#"{{"content": {}}}"#, quoted(&text)), None, false);
            before.push_str(&text);
            let surplus = before.chars().count().saturating_sub(overlap);
            before = before.chars().skip(surplus).collect();
            text.clear();
        }
        true
    }

    /// The calls; false where the output filter ended them.
    fn calls(&mut self, reply: &Reply) -> bool {
        let prepared = self.answered.prepared;
        for (index, (id, name, arguments)) in reply.calls.iter().enumerate() {
            if filtering::of_output(prepared.modules, arguments).is_some_and(|finding| finding.refused) {
                return false;
            }
            self.call(&format!(
                r#"{{"index": {index}, "id": {}, "type": "function", "function": {{"name": {}, "arguments": ""}}}}"#,
                quoted(id),
                quoted(name)
            ));
            let arguments = self.answered.put_back(arguments);
            // What is masked is put back in whole values.
            let pieces: Vec<&str> = if prepared.masks.is_some() {
                vec![&arguments]
            } else {
                tokens::pieces(&arguments).collect()
            };
            for piece in pieces {
                let piece = quoted(piece);
                self.call(&format!(
                    r#"{{"index": {index}, "function": {{"arguments": {piece}}}}}"#
                ));
            }
        }
        true
    }

    fn reasoning(&mut self, thought: &str, signature: &str) {
        self.event(
            &format!(
                r#"{{"role": "assistant", "content": "", "reasoning_content": [{{"content": {}, "signature": {}}}]}}"#,
                quoted(thought),
                quoted(signature)
            ),
            None,
            false,
        );
    }

    fn call(&mut self, call: &str) {
        self.event(
            &format!(r#"{{"role": "assistant", "content": "", "tool_calls": [{call}]}}"#),
            None,
            false,
        );
    }

    /// One event; the payload stands in it twice, as the service sends it.
    fn event(&mut self, delta: &str, finish: Option<&str>, is_last: bool) {
        let answered = self.answered;
        let reason = match (finish, answered.asked.options.finish_reason) {
            (Some(reason), _) => format!(r#", "finish_reason": "{reason}""#),
            (None, FinishReason::Absent) => String::new(),
            (None, FinishReason::Empty) => r#", "finish_reason": """#.to_owned(),
        };
        let usage = if is_last {
            format!(r#", "usage": {}"#, answered.usage())
        } else {
            String::new()
        };
        let result = format!(
            r#"{{"id": "{}", "object": "chat.completion.chunk", "created": {}, "model": "{}", "choices": [{{"index": {}, "delta": {delta}{reason}}}]{usage}}}"#,
            answered.id(),
            Asked::created(),
            answered.prepared.conversation.model.vendor,
            self.choice,
        );
        let request_id = answered.request_id;
        // What the model said has the stand-ins of what was masked.
        let llm = answered.masked(&result);
        self.events.push(Bytes::from(format!(
            "data: {{\"request_id\": \"{request_id}\", \"intermediate_results\": {{\"llm\": {llm}}}, \"final_result\": {result}}}\n\n"
        )));
    }
}

/// What the model says, and why it ended.
fn message(reply: &Reply) -> (Value, &'static str) {
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
    (message, finish_reason(reply))
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
