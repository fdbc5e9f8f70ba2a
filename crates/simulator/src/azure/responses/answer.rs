//! The response object and its items (spec fixtures createResponse.json and streamResponse.txt).

use serde_json::{Value, json};

use super::sealed::seal;
use crate::answer::Answer;
use crate::catalogue::{Family, Model};
use crate::json::{items, set, text};
use crate::model::{End, Reply};
use crate::server::Asked;

/// A reply and what is needed to write it.
pub(super) struct Answered<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) model: &'static Model,
    pub(super) body: &'a Value,
    pub(super) prompt_tokens: u64,
    pub(super) cached_tokens: u64,
    pub(super) reply: &'a Reply,
    /// When it was made, in seconds since 1970.
    pub(super) created: u64,
}

impl Answered<'_> {
    /// An id in the vendor's fashion, unlike that of any other answer.
    pub(super) fn id(&self, start: &str, index: usize) -> String {
        id(start, self.asked.number, index)
    }

    /// The items in the order in which the model makes them.
    pub(super) fn output(&self) -> Vec<Value> {
        let reply = self.reply;
        let mut output = Vec::new();
        if let Some((thought, _)) = &reply.thinking {
            let id = self.id("rs", output.len());
            let mut item = json!({"id": id, "type": "reasoning", "summary": []});
            if self
                .body
                .pointer("/reasoning/summary")
                .is_some_and(Value::is_string)
            {
                set(
                    &mut item,
                    "summary",
                    json!([{"type": "summary_text", "text": thought}]),
                );
            }
            if !items(self.body, "include").is_empty() {
                set(
                    &mut item,
                    "encrypted_content",
                    json!(seal(self.model.name, &id, thought)),
                );
            }
            output.push(item);
        }
        if !reply.text.is_empty() {
            output.push(json!({
                "id": self.id("msg", output.len()),
                "type": "message",
                "status": if self.cut_off().is_some() { "incomplete" } else { "completed" },
                "role": "assistant",
                "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": reply.text}],
            }));
        }
        for (call_id, name, arguments) in &reply.calls {
            output.push(json!({
                "id": self.id("fc", output.len()),
                "type": "function_call",
                "status": "completed",
                "arguments": arguments,
                "call_id": call_id,
                "name": name,
            }));
        }
        output
    }

    /// Why the answer is not whole.
    pub(super) fn cut_off(&self) -> Option<&'static str> {
        match self.reply.end {
            End::Length => Some("max_output_tokens"),
            End::Filtered => Some("content_filter"),
            End::Said | End::Called | End::Stopped(_) => None,
        }
    }

    /// The response before anything is said.
    pub(super) fn opened(&self) -> Value {
        let body = self.body;
        let given = |name: &str| body.get(name).cloned().unwrap_or_default();
        let or = |name: &str, default: Value| match body.get(name) {
            None | Some(Value::Null) => default,
            Some(value) => value.clone(),
        };
        let reasons = self.model.family == Family::GptReasoning;
        let effort = body
            .pointer("/reasoning/effort")
            .filter(|effort| !effort.is_null());
        let verbosity = body
            .pointer("/text/verbosity")
            .filter(|verbosity| !verbosity.is_null());
        json!({
            "id": self.id("resp", 0),
            "object": "response",
            "created_at": self.created,
            "status": "in_progress",
            "background": or("background", json!(false)),
            "completed_at": null,
            "content_filters": null,
            "error": null,
            "frequency_penalty": 0.0,
            "incomplete_details": null,
            "instructions": given("instructions"),
            "max_output_tokens": given("max_output_tokens"),
            "max_tool_calls": given("max_tool_calls"),
            "model": self.model.vendor,
            "output": [],
            "parallel_tool_calls": or("parallel_tool_calls", json!(true)),
            "presence_penalty": 0.0,
            "previous_response_id": given("previous_response_id"),
            "prompt_cache_key": given("prompt_cache_key"),
            "prompt_cache_retention": given("prompt_cache_retention"),
            "reasoning": {
                "effort": effort.cloned().unwrap_or_else(|| if reasons { json!("medium") } else { Value::Null }),
                "summary": body.pointer("/reasoning/summary").cloned().unwrap_or_default(),
            },
            "safety_identifier": given("safety_identifier"),
            "service_tier": or("service_tier", json!("auto")),
            "store": or("store", json!(true)),
            "temperature": or("temperature", json!(1.0)),
            "text": {
                "format": body.pointer("/text/format").cloned().unwrap_or_else(|| json!({"type": "text"})),
                "verbosity": verbosity.cloned().unwrap_or_else(|| json!("medium")),
            },
            "tool_choice": or("tool_choice", json!("auto")),
            "tools": items(body, "tools").iter().map(told_tool).collect::<Value>(),
            "top_logprobs": or("top_logprobs", json!(0)),
            "top_p": or("top_p", json!(1.0)),
            "truncation": or("truncation", json!("disabled")),
            "usage": null,
            "user": given("user"),
            "metadata": or("metadata", json!({})),
        })
    }

    /// The response when all is said.
    pub(super) fn finished(&self, output: &[Value]) -> Value {
        let mut response = self.opened();
        let status = if self.cut_off().is_some() {
            "incomplete"
        } else {
            set(&mut response, "completed_at", json!(Asked::created()));
            "completed"
        };
        for (name, value) in [
            ("status", json!(status)),
            ("output", json!(output)),
            ("service_tier", json!("default")),
            ("usage", self.usage()),
        ] {
            set(&mut response, name, value);
        }
        if let Some(reason) = self.cut_off() {
            set(&mut response, "incomplete_details", json!({"reason": reason}));
        }
        response
    }

    /// The response in one piece; only here it says what the content filters found.
    pub(super) fn whole(&self, mut finished: Value) -> Answer {
        let filtered = self.reply.end == End::Filtered;
        let found = json!([
            found("prompt", self.prompt_tokens, false),
            found("completion", self.reply.tokens, filtered)
        ]);
        set(&mut finished, "content_filters", found);
        self.with_headers(Answer::json(200, finished.to_string()))
    }

    fn usage(&self) -> Value {
        let most = self.body.get("max_output_tokens").and_then(Value::as_u64);
        // A thought is never cut in the middle, but nobody pays for more than was asked.
        let output = self.reply.tokens.min(most.unwrap_or(u64::MAX));
        usage(
            self.prompt_tokens,
            self.cached_tokens,
            output,
            self.reply.thinking_tokens.min(output),
        )
    }

    pub(super) fn with_headers(&self, mut answer: Answer) -> Answer {
        let id = self.asked.uuid();
        answer.headers.push(("x-request-id", id.clone()));
        answer.headers.push(("ai-inference-id", id));
        answer.headers.push(("x-upstream-service-time", "976".to_owned()));
        answer
    }
}

/// An id in the vendor's fashion.
pub(super) fn id(start: &str, number: u64, index: usize) -> String {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let more = mixed.rotate_left(23) ^ (index as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    format!("{start}_0{mixed:016x}00{more:016x}{number:012x}")
}

/// Tokens as this API counts them.
pub(super) fn usage(input: u64, cached: u64, output: u64, reasoning: u64) -> Value {
    json!({
        "input_tokens": input,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": input + output,
    })
}

/// A tool as the response tells it: strict unless it said otherwise.
fn told_tool(tool: &Value) -> Value {
    json!({
        "type": "function",
        "name": text(tool, "name"),
        "description": tool.get("description").cloned().unwrap_or_default(),
        "parameters": tool.get("parameters").cloned().unwrap_or_default(),
        "strict": tool.get("strict").and_then(Value::as_bool).unwrap_or(true),
    })
}

/// What a content filter found.
fn found(source: &str, length: u64, filtered: bool) -> Value {
    let severity = if filtered { "medium" } else { "safe" };
    let mut found = json!({
        "blocked": filtered,
        "content_filter_offsets": {"check_offset": 0, "end_offset": length, "start_offset": 0},
        "content_filter_raw": [],
        "content_filter_results": {
            "hate": {"filtered": filtered, "severity": severity},
            "self_harm": {"filtered": false, "severity": "safe"},
            "sexual": {"filtered": false, "severity": "safe"},
            "violence": {"filtered": false, "severity": "safe"},
        },
        "source_type": source,
    });
    if let (true, Some(results)) = (source == "completion", found.get_mut("content_filter_results")) {
        set(
            results,
            "protected_material_code",
            json!({"detected": false, "filtered": false}),
        );
    }
    found
}
