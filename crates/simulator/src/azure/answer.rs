//! Azure's answers: `chat.completion`, and chunks of it (spec fixture
//! azure-openai-chat-completion-stream-chunks.txt).

use bytes::Bytes;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::catalogue::{Family, Model};
use crate::json::{quoted, set};
use crate::model::{End, Reply};
use crate::server::Asked;
use crate::tokens;

/// The first chunk: no choices, only what the content filter says about the prompt.
const PROMPT_FILTER: &str = r#"data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"jailbreak":{"detected":false,"filtered":false},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}}]}

"#;

/// What the content filter says about a piece of the answer.
const SAFE: &str = r#"{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}"#;

/// A reply and what is needed to write it.
pub(super) struct Answered<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) model: &'static Model,
    pub(super) prompt_tokens: u64,
    pub(super) reply: &'a Reply,
}

impl Answered<'_> {
    /// The completion in one piece.
    pub(super) fn whole(&self) -> Answer {
        let reply = self.reply;
        let safe: Value = serde_json::from_str(SAFE).unwrap_or_default();
        let content = (!reply.text.is_empty() || reply.calls.is_empty()).then_some(&reply.text);
        let mut message =
            json!({"role": "assistant", "content": content, "refusal": null, "annotations": []});
        if !reply.calls.is_empty() {
            set(&mut message, "tool_calls", reply.tool_calls());
        }
        let body = json!({
            "id": self.model.answer_id(self.asked.number),
            "object": "chat.completion",
            "created": Asked::created(),
            "model": self.model.vendor,
            "choices": [{
                "index": 0,
                "message": message,
                "finish_reason": self.finish_reason(),
                "logprobs": null,
                "content_filter_results": safe,
            }],
            "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": safe}],
            "system_fingerprint": "fp_f3927aa00d",
            "usage": self.usage(),
        });
        self.with_headers(Answer::json(200, body.to_string()))
    }

    /// The same as a stream; the usage comes only where it is asked for.
    pub(super) fn stream(&self, usage: bool) -> Answer {
        let reply = self.reply;
        let mut events = vec![Bytes::from_static(PROMPT_FILTER.as_bytes())];
        let opening = if reply.calls.is_empty() || !reply.text.is_empty() {
            r#""""#
        } else {
            "null"
        };
        events.push(self.chunk(
            &format!(r#"{{"content":{opening},"refusal":null,"role":"assistant"}}"#),
            "{}",
            usage,
        ));
        for piece in tokens::pieces(&reply.text) {
            events.push(self.chunk(&format!(r#"{{"content":{}}}"#, quoted(piece)), SAFE, usage));
        }
        for (index, (id, name, arguments)) in reply.calls.iter().enumerate() {
            let start = format!(
                r#"{{"tool_calls":[{{"function":{{"arguments":"","name":{}}},"id":"{id}","index":{index},"type":"function"}}]}}"#,
                quoted(name)
            );
            events.push(self.chunk(&start, "{}", usage));
            for piece in tokens::pieces(arguments) {
                let piece = quoted(piece);
                let delta =
                    format!(r#"{{"tool_calls":[{{"function":{{"arguments":{piece}}},"index":{index}}}]}}"#);
                events.push(self.chunk(&delta, "{}", usage));
            }
        }
        events.push(self.event(
            &format!(
                r#"[{{"content_filter_results":{{}},"delta":{{}},"finish_reason":"{}","index":0,"logprobs":null}}]"#,
                self.finish_reason()
            ),
            usage.then_some("null"),
        ));
        if usage {
            events.push(self.event("[]", Some(&self.usage().to_string())));
        }
        events.push(Bytes::from_static(b"data: [DONE]\n\n"));
        self.with_headers(Answer::events(events))
    }

    fn chunk(&self, delta: &str, filter: &str, usage: bool) -> Bytes {
        self.event(
            &format!(
                r#"[{{"content_filter_results":{filter},"delta":{delta},"finish_reason":null,"index":0,"logprobs":null}}]"#
            ),
            usage.then_some("null"),
        )
    }

    fn event(&self, choices: &str, usage: Option<&str>) -> Bytes {
        let usage = usage.map_or_else(String::new, |usage| format!(r#","usage":{usage}"#));
        Bytes::from(format!(
            "data: {{\"choices\":{choices},\"created\":{},\"id\":\"{}\",\"model\":\"{}\",\"object\":\"chat.completion.chunk\",\"system_fingerprint\":\"fp_f3927aa00d\"{usage}}}\n\n",
            Asked::created(),
            self.model.answer_id(self.asked.number),
            self.model.vendor,
        ))
    }

    fn finish_reason(&self) -> &'static str {
        match self.reply.end {
            End::Said | End::Stopped(_) => "stop",
            End::Called => "tool_calls",
            End::Length => "length",
            End::Filtered => "content_filter",
        }
    }

    fn usage(&self) -> Value {
        // A model that reasons spends tokens that nobody sees.
        let reasoning = if self.model.family == Family::GptReasoning {
            64
        } else {
            0
        };
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.reply.tokens + reasoning,
            "total_tokens": self.prompt_tokens + self.reply.tokens + reasoning,
            "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
            "completion_tokens_details": {
                "accepted_prediction_tokens": 0,
                "audio_tokens": 0,
                "reasoning_tokens": reasoning,
                "rejected_prediction_tokens": 0,
            },
        })
    }

    fn with_headers(&self, mut answer: Answer) -> Answer {
        let id = self.asked.uuid();
        answer.headers.push(("x-request-id", id.clone()));
        answer.headers.push(("ai-inference-id", id));
        answer.headers.push(("x-upstream-service-time", "976".to_owned()));
        answer
    }
}
