//! The agents' formats as an agent of each writes requests and reads answers: nothing of Coretap's own is used.

mod chat;
mod gemini;
mod messages;
mod responses;

use serde_json::{Value, json};

use crate::events::Event;
use crate::http::Answer;

/// A PNG of 8 by 8 pixels.
pub const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAIAQAAAADsdIMmAAAAC0lEQVR4nGNgQAUAABAAATm9j2UAAAAASUVORK5CYII=";

/// What an agent speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's Chat Completions.
    Chat,
    /// OpenAI's Responses.
    Responses,
    /// Google's `generateContent`.
    Gemini,
}

/// What an agent asks for.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// The user's first message.
    pub text: String,
    /// Whether the answer shall stream.
    pub stream: bool,
    /// The names of tools on offer; each takes an object with one string, `place`.
    pub tools: &'static [&'static str],
    /// Whether a picture stands beside the text.
    pub image: bool,
    /// Whether the model shall think.
    pub think: bool,
    /// The JSON schema of the answer.
    pub schema: Option<Value>,
    /// What follows the first message, in the format's own words.
    pub history: Vec<Value>,
}

/// What an answer said.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// The visible text.
    pub text: String,
    /// The visible thinking.
    pub thinking: String,
    /// How many tokens of thinking are counted.
    pub thinking_tokens: u64,
    /// The tools it calls.
    pub calls: Vec<Call>,
    /// The answer as the agent keeps it for its next request.
    pub history: Vec<Value>,
}

/// A call of a tool.
#[derive(Debug, Clone)]
pub struct Call {
    /// The id that the result names; Gemini need not have one.
    pub id: Value,
    /// The tool.
    pub name: String,
    /// The arguments.
    pub arguments: Value,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Messages, Self::Chat, Self::Responses, Self::Gemini];

    /// Where a request for this model goes.
    pub fn path(self, model: &str, stream: bool) -> String {
        match self {
            Self::Messages => "/v1/messages".to_owned(),
            Self::Chat => "/v1/chat/completions".to_owned(),
            Self::Responses => "/v1/responses".to_owned(),
            Self::Gemini => gemini::path(model, stream),
        }
    }

    /// A request with one user message.
    pub fn ask(self, model: &str, text: &str, stream: bool) -> Value {
        let ask = Ask {
            text: text.to_owned(),
            stream,
            ..Ask::default()
        };
        self.body(model, &ask)
    }

    /// The body of a request.
    pub fn body(self, model: &str, ask: &Ask) -> Value {
        match self {
            Self::Messages => messages::body(model, ask),
            Self::Chat => chat::body(model, ask),
            Self::Responses => responses::body(model, ask),
            Self::Gemini => gemini::body(ask),
        }
    }

    /// What a tool's result looks like in the next request's history.
    pub fn result(self, call: &Call, text: &str) -> Value {
        match self {
            Self::Messages => messages::result(call, text),
            Self::Chat => chat::result(call, text),
            Self::Responses => responses::result(call, text),
            Self::Gemini => gemini::result(call, text),
        }
    }

    /// The results of all calls of one answer, as history.
    pub fn results(self, results: Vec<Value>) -> Vec<Value> {
        match self {
            Self::Messages => vec![json!({"role": "user", "content": results})],
            Self::Gemini => vec![json!({"role": "user", "parts": results})],
            Self::Chat | Self::Responses => results,
        }
    }

    /// What an answer said; a stream is put together as an agent does it.
    pub fn said(self, answer: &Answer, stream: bool) -> Said {
        if !stream {
            let whole = answer.json();
            return self.said_whole(&whole);
        }
        let events = answer.events();
        match self {
            Self::Messages => messages::said_whole(&messages::assembled(&events)),
            Self::Chat => chat::said_whole(&chat::assembled(&events)),
            Self::Responses => responses::said_whole(&responses::assembled(&events)),
            Self::Gemini => gemini::said_whole(&gemini::assembled(&events)),
        }
    }

    fn said_whole(self, answer: &Value) -> Said {
        match self {
            Self::Messages => messages::said_whole(answer),
            Self::Chat => chat::said_whole(answer),
            Self::Responses => responses::said_whole(answer),
            Self::Gemini => gemini::said_whole(answer),
        }
    }

    /// The text of a whole answer that wasn't streamed.
    pub fn text(self, answer: &Value) -> String {
        self.said_whole(answer).text
    }

    /// The text that the events of a stream carry.
    pub fn streamed_text(self, events: &[Event]) -> String {
        self.pieces(events).concat()
    }

    /// The same piece by piece, as the events bring it; those that bring nothing are left out.
    pub fn pieces(self, events: &[Event]) -> Vec<String> {
        let delta = |event: &Event| {
            let data = event.json();
            let text = match self {
                Self::Messages => &data["delta"]["text"],
                Self::Chat => &data["choices"][0]["delta"]["content"],
                Self::Responses if data["type"] == "response.output_text.delta" => &data["delta"],
                Self::Responses => &Value::Null,
                Self::Gemini => return Some(gemini::text(&data)).filter(|text| !text.is_empty()),
            };
            text.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
        };
        events.iter().filter_map(delta).collect()
    }

    /// Whether a stream came to its normal end.
    pub fn ended(self, events: &[Event]) -> bool {
        events.iter().any(|event| match self {
            Self::Messages => event.name == "message_stop",
            Self::Chat => event.data == "[DONE]",
            Self::Responses => matches!(event.name.as_str(), "response.completed" | "response.incomplete"),
            Self::Gemini => event.json()["candidates"][0]["finishReason"].is_string(),
        })
    }

    /// What the stream's error event says, if it has one.
    pub fn streamed_error(self, events: &[Event]) -> Option<Value> {
        let last = events.last()?;
        let data = last.json();
        match self {
            Self::Messages if last.name != "error" => None,
            Self::Responses => (last.name == "error").then_some(data),
            _ => data["error"].is_object().then(|| data["error"].clone()),
        }
    }

    /// Whether a stream that breaks ends with an error event. Agents that speak Responses take one for the last word and do
    /// not try again, so those are only cut (mapping.md, "Answers").
    pub fn tells_of_breaks(self) -> bool {
        self != Self::Responses
    }

    /// Whether the body of a stream that breaks is cut. Gemini CLI gives up on a cut, and tries again after an error event.
    pub fn is_cut(self) -> bool {
        self != Self::Gemini
    }

    /// The type that an error of this status has.
    pub fn error_type(self, status: u16) -> &'static str {
        match (self, status) {
            (Self::Gemini, 401) => "UNAUTHENTICATED",
            (Self::Gemini, 403) => "PERMISSION_DENIED",
            (Self::Gemini, 404) => "NOT_FOUND",
            (Self::Gemini, 429) => "RESOURCE_EXHAUSTED",
            (Self::Gemini, 503) => "UNAVAILABLE",
            (Self::Gemini, 504) => "DEADLINE_EXCEEDED",
            (Self::Gemini, 500..) => "INTERNAL",
            (Self::Gemini, _) => "INVALID_ARGUMENT",
            (_, 401) => "authentication_error",
            (_, 403) => "permission_error",
            (_, 404) => "not_found_error",
            (_, 429) => "rate_limit_error",
            (Self::Messages, 413) => "request_too_large",
            (Self::Messages, 504) => "timeout_error",
            (Self::Messages, 529) => "overloaded_error",
            (Self::Messages, 500..) => "api_error",
            (_, 500..) => "server_error",
            _ => "invalid_request_error",
        }
    }

    /// The rules every whole stream keeps: panics with `context` where one is broken.
    pub fn check_stream(self, events: &[Event], context: &str) {
        assert!(
            self.ended(events),
            "{context}: the stream has no normal end\n{events:#?}"
        );
        let broken = match self {
            Self::Messages => messages::broken_rule(events),
            Self::Chat => chat::broken_rule(events),
            Self::Responses => responses::broken_rule(events),
            Self::Gemini => gemini::broken_rule(events),
        };
        if let Some(rule) = broken {
            panic!("{context}: {rule}\n{events:#?}");
        }
    }
}

/// The schema of each tool's arguments.
fn place() -> Value {
    json!({"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]})
}

/// The text of a JSON value that must be one.
fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
