//! What Mistral's and Perplexity's bodies have in common with OpenAI's chat completions: how they are read, and how
//! they are answered (sap-wire.md §3.6).

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::catalogue::Model;
use crate::conversation::{Conversation, Part, Prompt};
use crate::json::{items, quoted, set, text};
use crate::model::{End, Reply};
use crate::openai;
use crate::server::Asked;
use crate::tokens;

/// Reads a checked body; refuses images that are none and prompts that are too long.
pub(crate) fn conversation(body: &Value, model: &'static Model) -> Result<Conversation, String> {
    let mut prompt = Prompt::default();
    let tools = openai::tools(body, &mut prompt);
    let turns = openai::messages(items(body, "messages"), &mut prompt, |_, part, prompt| {
        read_part(part, prompt)
    })?;
    if prompt.tokens > model.context {
        return Err(format!(
            "Prompt contains {} tokens and {} draft tokens, too large for model with {} maximum context length",
            prompt.tokens, 0, model.context
        ));
    }
    Ok(Conversation {
        model,
        turns,
        tools,
        choice: openai::choice(body.get("tool_choice")),
        parallel: body.get("parallel_tool_calls").and_then(Value::as_bool) != Some(false),
        stops: openai::stops(body.get("stop")),
        most_tokens: Some(
            body.get("max_tokens")
                .and_then(Value::as_u64)
                .unwrap_or(model.output),
        ),
        thinking: false,
        form: openai::form(body.get("response_format")),
        prompt,
    })
}

fn read_part(part: &Value, prompt: &mut Prompt) -> Result<Part, String> {
    let Some(image) = part.get("image_url") else {
        prompt.text(text(part, "text"));
        return Ok(Part::Text(text(part, "text").to_owned()));
    };
    // Mistral takes the address alone, too.
    let address = image.as_str().unwrap_or_else(|| text(image, "url"));
    openai::image(address, prompt).map(Part::Media)
}

/// A reply and what is needed to write it.
pub(crate) struct Answered<'a> {
    /// What was asked.
    pub(crate) asked: &'a Asked<'a>,
    /// Who answers.
    pub(crate) model: &'static Model,
    /// The prompt's tokens.
    pub(crate) prompt_tokens: u64,
    /// The answer.
    pub(crate) reply: &'a Reply,
    /// Members that the vendor adds to each body.
    pub(crate) more: Map<String, Value>,
    /// How the vendor calls an answer that a content filter ended.
    pub(crate) filtered: &'static str,
}

impl Answered<'_> {
    /// The completion in one piece.
    pub(crate) fn whole(&self) -> Answer {
        let reply = self.reply;
        let calls = if reply.calls.is_empty() {
            Value::Null
        } else {
            reply.tool_calls()
        };
        let message = json!({"role": "assistant", "content": reply.text, "tool_calls": calls});
        let choice = json!({
            "index": 0,
            "message": message,
            "finish_reason": self.finish_reason(),
            "stop_reason": Value::Null,
            "logprobs": Value::Null,
        });
        let mut body = self.body("chat.completion", &json!([choice]));
        set(&mut body, "usage", self.usage());
        self.asked.with_headers(Answer::json(200, body.to_string()))
    }

    /// The same as a stream; its last chunk has the usage.
    pub(crate) fn stream(&self) -> Answer {
        let mut events = vec![self.chunk(r#"{"role":"assistant","content":""}"#)];
        for piece in tokens::pieces(&self.reply.text) {
            events.push(self.chunk(&format!(r#"{{"content":{}}}"#, quoted(piece))));
        }
        // A call comes whole.
        for (index, (id, name, arguments)) in self.reply.calls.iter().enumerate() {
            events.push(self.chunk(&format!(
                r#"{{"tool_calls":[{{"id":"{id}","type":"function","function":{{"name":{},"arguments":{}}},"index":{index}}}]}}"#,
                quoted(name),
                quoted(arguments)
            )));
        }
        let choice = json!({"index": 0, "delta": {"content": ""}, "finish_reason": self.finish_reason()});
        let mut last = self.body("chat.completion.chunk", &json!([choice]));
        set(&mut last, "usage", self.usage());
        events.push(Bytes::from(format!("data: {last}\n\n")));
        events.push(Bytes::from_static(b"data: [DONE]\n\n"));
        self.asked.with_headers(Answer::events(events))
    }

    fn chunk(&self, delta: &str) -> Bytes {
        Bytes::from(format!(
            "data: {{\"id\":\"{}\",\"object\":\"chat.completion.chunk\",\"created\":{},\"model\":\"{}\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]}}\n\n",
            self.id(),
            Asked::created(),
            self.model.vendor,
        ))
    }

    fn body(&self, object: &str, choices: &Value) -> Value {
        let mut body = json!({
            "id": self.id(),
            "object": object,
            "created": Asked::created(),
            "model": self.model.vendor,
            "choices": choices,
        });
        for (name, value) in &self.more {
            set(&mut body, name, value.clone());
        }
        body
    }

    fn id(&self) -> String {
        format!(
            "{:032x}",
            u128::from(self.asked.number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        )
    }

    fn finish_reason(&self) -> &'static str {
        match self.reply.end {
            End::Said | End::Stopped(_) => "stop",
            End::Called => "tool_calls",
            End::Length => "length",
            End::Filtered => self.filtered,
        }
    }

    fn usage(&self) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.reply.tokens,
            "total_tokens": self.prompt_tokens + self.reply.tokens,
        })
    }
}
