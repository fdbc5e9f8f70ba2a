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

/// The replies and what is needed to write it.
pub(super) struct Answered<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) model: &'static Model,
    pub(super) prompt_tokens: u64,
    /// One for each choice.
    pub(super) replies: &'a [Reply],
}

impl Answered<'_> {
    /// The completion in one piece.
    pub(super) fn whole(&self) -> Answer {
        let safe: Value = serde_json::from_str(SAFE).unwrap_or_default();
        let choices = self.replies.iter().enumerate().map(|(index, reply)| {
            let content = (!reply.text.is_empty() || reply.calls.is_empty()).then_some(&reply.text);
            let mut message =
                json!({"role": "assistant", "content": content, "refusal": null, "annotations": []});
            if !reply.calls.is_empty() {
                set(&mut message, "tool_calls", reply.tool_calls());
            }
            json!({
                "index": index,
                "message": message,
                "finish_reason": finish_reason(reply),
                "logprobs": null,
                "content_filter_results": safe,
            })
        });
        let body = json!({
            "id": self.model.answer_id(self.asked.number),
            "object": "chat.completion",
            "created": Asked::created(),
            "model": self.model.vendor,
            "choices": choices.collect::<Value>(),
            "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": safe}],
            "system_fingerprint": "fp_f3927aa00d",
            "usage": self.usage(),
        });
        self.with_headers(Answer::json(200, body.to_string()))
    }

    /// The same as a stream, the choices' chunks in turn; the usage comes only where it is asked for.
    pub(super) fn stream(&self, usage: bool) -> Answer {
        let mut events = vec![Bytes::from_static(PROMPT_FILTER.as_bytes())];
        let mut choices: Vec<_> = self
            .replies
            .iter()
            .enumerate()
            .map(|(index, reply)| self.chunks(index, reply, usage).into_iter())
            .collect();
        loop {
            let round: Vec<Bytes> = choices.iter_mut().filter_map(Iterator::next).collect();
            if round.is_empty() {
                break;
            }
            events.extend(round);
        }
        if usage {
            events.push(self.event("[]", Some(&self.usage().to_string())));
        }
        events.push(Bytes::from_static(b"data: [DONE]\n\n"));
        self.with_headers(Answer::events(events))
    }

    /// The chunks of one choice.
    fn chunks(&self, choice: usize, reply: &Reply, usage: bool) -> Vec<Bytes> {
        let chunk = |delta: &str, filter: &str, reason: &str| {
            let choice = format!(
                r#"[{{"content_filter_results":{filter},"delta":{delta},"finish_reason":{reason},"index":{choice},"logprobs":null}}]"#
            );
            self.event(&choice, usage.then_some("null"))
        };
        let opening = if reply.calls.is_empty() || !reply.text.is_empty() {
            r#""""#
        } else {
            "null"
        };
        let opening = format!(r#"{{"content":{opening},"refusal":null,"role":"assistant"}}"#);
        let mut chunks = vec![chunk(&opening, "{}", "null")];
        for piece in tokens::pieces(&reply.text) {
            chunks.push(chunk(
                &format!(r#"{{"content":{}}}"#, quoted(piece)),
                SAFE,
                "null",
            ));
        }
        for (index, (id, name, arguments)) in reply.calls.iter().enumerate() {
            let start = format!(
                r#"{{"tool_calls":[{{"function":{{"arguments":"","name":{}}},"id":"{id}","index":{index},"type":"function"}}]}}"#,
                quoted(name)
            );
            chunks.push(chunk(&start, "{}", "null"));
            for piece in tokens::pieces(arguments) {
                let piece = quoted(piece);
                let delta =
                    format!(r#"{{"tool_calls":[{{"function":{{"arguments":{piece}}},"index":{index}}}]}}"#);
                chunks.push(chunk(&delta, "{}", "null"));
            }
        }
        chunks.push(chunk("{}", "{}", &quoted(finish_reason(reply))));
        chunks
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

    fn usage(&self) -> Value {
        // A model that reasons spends tokens that nobody sees.
        let reasoning = if self.model.family == Family::GptReasoning {
            64
        } else {
            0
        };
        let completion: u64 = self.replies.iter().map(|reply| reply.tokens + reasoning).sum();
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
            "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
            "completion_tokens_details": {
                "accepted_prediction_tokens": 0,
                "audio_tokens": 0,
                "reasoning_tokens": reasoning * self.replies.len() as u64,
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

fn finish_reason(reply: &Reply) -> &'static str {
    match reply.end {
        End::Said | End::Stopped(_) => "stop",
        End::Called => "tool_calls",
        End::Length => "length",
        End::Filtered => "content_filter",
    }
}
