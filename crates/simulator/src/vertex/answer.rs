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

/// A reply and what is needed to write it.
pub(super) struct Answered<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) model: &'static Model,
    pub(super) prompt_tokens: u64,
    pub(super) cached: u64,
    pub(super) reply: &'a Reply,
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
        let mut parts = Vec::new();
        if let Some(thought) = self.thought() {
            parts.push(json!({"text": thought, "thought": true}));
        }
        if !self.reply.text.is_empty() {
            parts.push(json!({"text": self.reply.text}));
        }
        parts.extend(self.calls());
        if let (Some(signature), true, Some(last)) =
            (self.signature(), self.reply.calls.is_empty(), parts.last_mut())
        {
            set(last, "thoughtSignature", json!(signature));
        }
        let mut content = json!({"role": "model"});
        // Without anything said there is no list.
        if !parts.is_empty() {
            set(&mut content, "parts", json!(parts));
        }
        let mut candidate = json!({"content": content, "finishReason": self.finish_reason()});
        self.rate(&mut candidate);
        let body = self.body(&candidate);
        self.asked.with_headers(Answer::json(200, body.to_string()))
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
        let mut chunks = Vec::new();
        for piece in self.thought().into_iter().flat_map(tokens::pieces) {
            chunks.push(self.chunk(&format!(r#"{{"text":{},"thought":true}}"#, quoted(piece))));
        }
        for piece in tokens::pieces(&self.reply.text) {
            chunks.push(self.chunk(&format!(r#"{{"text":{}}}"#, quoted(piece))));
        }
        chunks.extend(self.calls().iter().map(|call| self.chunk(&call.to_string())));
        let mut last = json!({"text": ""});
        if let (Some(signature), true) = (self.signature(), self.reply.calls.is_empty()) {
            set(&mut last, "thoughtSignature", json!(signature));
        }
        let mut candidate = json!({
            "content": {"role": "model", "parts": [last]},
            "finishReason": self.finish_reason(),
        });
        self.rate(&mut candidate);
        chunks.push(self.body(&candidate).to_string());
        chunks
    }

    fn chunk(&self, part: &str) -> String {
        format!(
            r#"{{"candidates":[{{"content":{{"role":"model","parts":[{part}]}}}}],"usageMetadata":{{"trafficType":"ON_DEMAND"}},"modelVersion":"{}","createTime":"2026-11-21T08:00:00.000000Z","responseId":"{}"}}"#,
            self.model.vendor,
            self.id(),
        )
    }

    fn body(&self, candidate: &Value) -> Value {
        json!({
            "candidates": [candidate],
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

    fn thought(&self) -> Option<&str> {
        let (thought, _) = self.reply.thinking.as_ref()?;
        self.shows_thoughts.then_some(thought)
    }

    /// Gemini 3 signs every answer, Gemini 2.5 its calls.
    fn signature(&self) -> Option<&str> {
        let (_, signature) = self.reply.thinking.as_ref()?;
        (is_third(self.model) || !self.reply.calls.is_empty()).then_some(signature)
    }

    /// Whole, without ids; the first of them is signed.
    fn calls(&self) -> Vec<Value> {
        let calls = self.reply.calls.iter().enumerate();
        calls
            .map(|(index, (_, name, arguments))| {
                let arguments: Value = serde_json::from_str(arguments).unwrap_or_default();
                let mut part = json!({"functionCall": {"name": name, "args": arguments}});
                if let (0, Some(signature)) = (index, self.signature()) {
                    set(&mut part, "thoughtSignature", json!(signature));
                }
                part
            })
            .collect()
    }

    fn finish_reason(&self) -> &'static str {
        match self.reply.end {
            End::Said | End::Called | End::Stopped(_) => "STOP",
            End::Length => "MAX_TOKENS",
            End::Filtered => "SAFETY",
        }
    }

    /// What the content filter found.
    fn rate(&self, candidate: &mut Value) {
        if self.reply.end == End::Filtered {
            let ratings = json!([{
                "category": "HARM_CATEGORY_DANGEROUS_CONTENT",
                "probability": "HIGH",
                "blocked": true,
            }]);
            set(candidate, "safetyRatings", ratings);
        }
    }

    /// Google counts thoughts apart from the answer, and cached tokens within the prompt.
    fn usage(&self) -> Value {
        let said = self.reply.tokens - self.reply.thinking_tokens;
        let mut usage = json!({
            "promptTokenCount": self.prompt_tokens,
            "candidatesTokenCount": said,
            "totalTokenCount": self.prompt_tokens + self.reply.tokens,
            "trafficType": "ON_DEMAND",
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": self.prompt_tokens}],
            "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": said}],
        });
        if self.reply.thinking_tokens > 0 {
            set(
                &mut usage,
                "thoughtsTokenCount",
                json!(self.reply.thinking_tokens),
            );
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
