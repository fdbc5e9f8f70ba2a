//! Gemini's answers: a whole one, or chunks of it, as events or as the items of one JSON array.

use bytes::Bytes;
use serde_json::{Value, json};

use super::settings::is_third;
use crate::answer::Answer;
use crate::catalogue::Model;
use crate::json::{quoted, set};
use crate::model::{End, Reply};
use crate::server::Asked;
use crate::tokens;

/// The replies and what is needed to write it.
pub(super) struct Answered<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) model: &'static Model,
    pub(super) prompt_tokens: u64,
    pub(super) cached: u64,
    /// One for each candidate; a stream has one.
    pub(super) replies: &'a [Reply],
    pub(super) shows_thoughts: bool,
}

impl Answered<'_> {
    /// The answer in one piece.
    pub(super) fn whole(&self) -> Answer {
        if self.asked.blocked {
            return self
                .asked
                .with_headers(Answer::json(200, self.blocked().to_string()));
        }
        let candidates = self.replies.iter().enumerate().map(|(index, reply)| {
            let mut candidate = self.candidate(reply);
            // As proto-JSON has it, a 0 is not there.
            if index > 0 {
                set(&mut candidate, "index", json!(index));
            }
            candidate
        });
        let body = self.body(&candidates.collect());
        self.asked.with_headers(Answer::json(200, body.to_string()))
    }

    fn candidate(&self, reply: &Reply) -> Value {
        let mut parts = Vec::new();
        if let Some(thought) = self.thought(reply) {
            parts.push(json!({"text": thought, "thought": true}));
        }
        if !reply.text.is_empty() {
            parts.push(json!({"text": reply.text}));
        }
        parts.extend(self.calls(reply));
        if let (Some(signature), true, Some(last)) =
            (self.signature(reply), reply.calls.is_empty(), parts.last_mut())
        {
            set(last, "thoughtSignature", json!(signature));
        }
        let mut content = json!({"role": "model"});
        // Without anything said there is no list.
        if !parts.is_empty() {
            set(&mut content, "parts", json!(parts));
        }
        let mut candidate = json!({"content": content, "finishReason": finish_reason(reply)});
        rate(reply, &mut candidate);
        candidate
    }

    /// The same as a stream: of server-sent events, or of one JSON array.
    pub(super) fn stream(&self, events: bool) -> Answer {
        let chunks = self.chunks();
        self.asked.with_headers(if events {
            let event = |chunk: &String| Bytes::from(format!("data: {chunk}\n\n"));
            Answer::events(chunks.iter().map(event).collect())
        } else {
            Answer::json_array(&chunks)
        })
    }

    fn chunks(&self) -> Vec<String> {
        if self.asked.blocked {
            return vec![self.blocked().to_string()];
        }
        self.replies
            .iter()
            .flat_map(|reply| self.chunks_of(reply))
            .collect()
    }

    fn chunks_of(&self, reply: &Reply) -> Vec<String> {
        let mut chunks = Vec::new();
        for piece in self.thought(reply).into_iter().flat_map(tokens::pieces) {
            chunks.push(self.chunk(&format!(r#"{{"text":{},"thought":true}}"#, quoted(piece))));
        }
        for piece in tokens::pieces(&reply.text) {
            chunks.push(self.chunk(&format!(r#"{{"text":{}}}"#, quoted(piece))));
        }
        chunks.extend(self.calls(reply).iter().map(|call| self.chunk(&call.to_string())));
        let mut last = json!({"text": ""});
        if let (Some(signature), true) = (self.signature(reply), reply.calls.is_empty()) {
            set(&mut last, "thoughtSignature", json!(signature));
        }
        let mut candidate = json!({
            "content": {"role": "model", "parts": [last]},
            "finishReason": finish_reason(reply),
        });
        rate(reply, &mut candidate);
        chunks.push(self.body(&json!([candidate])).to_string());
        chunks
    }

    fn chunk(&self, part: &str) -> String {
        format!(
            r#"{{"candidates":[{{"content":{{"role":"model","parts":[{part}]}}}}],"usageMetadata":{{"trafficType":"ON_DEMAND"}},"modelVersion":"{}","createTime":"2026-11-21T08:00:00.000000Z","responseId":"{}"}}"#,
            self.model.vendor,
            self.id(),
        )
    }

    fn body(&self, candidates: &Value) -> Value {
        json!({
            "candidates": candidates,
            "usageMetadata": self.usage(),
            "modelVersion": self.model.vendor,
            "createTime": "2026-11-21T08:00:00.000000Z",
            "responseId": self.id(),
        })
    }

    /// The prompt is blocked: there are no candidates.
    fn blocked(&self) -> Value {
        json!({
            "promptFeedback": {
                "blockReason": "PROHIBITED_CONTENT",
                "blockReasonMessage": "The prompt was blocked.",
            },
            "usageMetadata": {
                "promptTokenCount": self.prompt_tokens,
                "totalTokenCount": self.prompt_tokens,
            },
            "modelVersion": self.model.vendor,
            "responseId": self.id(),
        })
    }

    fn thought<'a>(&self, reply: &'a Reply) -> Option<&'a str> {
        let (thought, _) = reply.thinking.as_ref()?;
        self.shows_thoughts.then_some(thought)
    }

    /// Gemini 3 signs every answer, Gemini 2.5 its calls.
    fn signature<'a>(&self, reply: &'a Reply) -> Option<&'a str> {
        let (_, signature) = reply.thinking.as_ref()?;
        (is_third(self.model) || !reply.calls.is_empty()).then_some(signature)
    }

    /// Whole, without ids; the first of them is signed.
    fn calls(&self, reply: &Reply) -> Vec<Value> {
        let calls = reply.calls.iter().enumerate();
        calls
            .map(|(index, (_, name, arguments))| {
                let arguments: Value = serde_json::from_str(arguments).unwrap_or_default();
                let mut part = json!({"functionCall": {"name": name, "args": arguments}});
                if let (0, Some(signature)) = (index, self.signature(reply)) {
                    set(&mut part, "thoughtSignature", json!(signature));
                }
                part
            })
            .collect()
    }

    /// Google counts thoughts apart from the answer, and cached tokens within the prompt.
    fn usage(&self) -> Value {
        let sum = |tokens: fn(&Reply) -> u64| self.replies.iter().map(tokens).sum::<u64>();
        let (all, thought) = (sum(|reply| reply.tokens), sum(|reply| reply.thinking_tokens));
        let said = all - thought;
        let mut usage = json!({
            "promptTokenCount": self.prompt_tokens,
            "candidatesTokenCount": said,
            "totalTokenCount": self.prompt_tokens + all,
            "trafficType": "ON_DEMAND",
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": self.prompt_tokens}],
            "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": said}],
        });
        if thought > 0 {
            set(&mut usage, "thoughtsTokenCount", json!(thought));
        }
        if self.cached > 0 {
            set(&mut usage, "cachedContentTokenCount", json!(self.cached));
        }
        usage
    }

    fn id(&self) -> String {
        format!("{:x}", self.asked.number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

fn finish_reason(reply: &Reply) -> &'static str {
    match reply.end {
        End::Said | End::Called | End::Stopped(_) => "STOP",
        End::Length => "MAX_TOKENS",
        End::Filtered => "SAFETY",
    }
}

/// What the content filter found.
fn rate(reply: &Reply, candidate: &mut Value) {
    if reply.end == End::Filtered {
        let ratings = json!([{
            "category": "HARM_CATEGORY_DANGEROUS_CONTENT",
            "probability": "HIGH",
            "blocked": true,
        }]);
        set(candidate, "safetyRatings", ratings);
    }
}
