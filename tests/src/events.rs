//! Server-sent events as an agent reads them, and what a whole stream of each agent format looks like.

use serde_json::Value;

/// One event: its name, if it has one, and its data.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The `event:` line, "" when there is none.
    pub name: String,
    /// The `data:` line.
    pub data: String,
}

impl Event {
    /// The data as JSON, `null` when it is none (`[DONE]`).
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_default()
    }
}

/// The events of a body. Comments (keep-alives) are left out; a line of another kind fails the test.
pub fn events(body: &str) -> Vec<Event> {
    let mut all = Vec::new();
    for block in body.split("\n\n").filter(|block| !block.is_empty()) {
        let mut event = Event {
            name: String::new(),
            data: String::new(),
        };
        for line in block.lines().filter(|line| !line.starts_with(':')) {
            match line.split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut event.name),
                Some(("data", data)) if event.data.is_empty() => data.clone_into(&mut event.data),
                _ => panic!("not a line of an event: {line:?}"),
            }
        }
        if !event.data.is_empty() {
            all.push(event);
        }
    }
    all
}

/// The agents' formats that are tested alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's Chat Completions.
    Chat,
}

impl Format {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Messages, Self::Chat];

    /// Where the format's requests go.
    pub fn path(self) -> &'static str {
        match self {
            Self::Messages => "/v1/messages",
            Self::Chat => "/v1/chat/completions",
        }
    }

    /// A request with one user message.
    pub fn ask(self, model: &str, text: &str, stream: bool) -> Value {
        serde_json::json!({
            "model": model,
            (if self == Self::Messages { "max_tokens" } else { "max_completion_tokens" }): 2048,
            "stream": stream,
            "messages": [{"role": "user", "content": text}],
        })
    }

    /// The text of a whole answer that wasn't streamed.
    pub fn text(self, answer: &Value) -> String {
        match self {
            Self::Messages => answer["content"]
                .as_array()
                .unwrap_or_else(|| panic!("not a message: {answer}"))
                .iter()
                .filter_map(|block| block["text"].as_str())
                .collect(),
            Self::Chat => answer["choices"][0]["message"]["content"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        }
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
        })
    }

    /// What the stream's error event says, if it has one.
    pub fn streamed_error(self, events: &[Event]) -> Option<Value> {
        let data = events.last()?.json();
        let named = self == Self::Chat || events.last()?.name == "error";
        (named && data["error"].is_object()).then(|| data["error"].clone())
    }

    /// The rules every whole stream keeps: panics with `context` where one is broken.
    pub fn check_stream(self, events: &[Event], context: &str) {
        let fail = |rule: &str| panic!("{context}: {rule}\n{events:#?}");
        if !self.ended(events) {
            fail("the stream has no normal end");
        }
        if self == Self::Chat {
            if events.last().map(|event| event.data.as_str()) != Some("[DONE]") {
                fail("something follows [DONE]");
            }
            if !events
                .iter()
                .any(|event| event.json()["choices"][0]["finish_reason"].is_string())
            {
                fail("no finish_reason");
            }
            return;
        }
        let mut open = None;
        let mut blocks = 0;
        for (position, event) in events.iter().enumerate() {
            let data = event.json();
            if data["type"] != event.name.as_str() {
                fail("an event is named otherwise than its type");
            }
            let last = position + 1 == events.len();
            match event.name.as_str() {
                "message_start" if position == 0 => {}
                "ping" => {}
                "content_block_start" if open.is_none() && data["index"] == blocks => open = Some(blocks),
                "content_block_delta" if open.is_some() && data["index"] == open.unwrap_or(0) => {}
                "content_block_stop" if open.is_some() && data["index"] == open.unwrap_or(0) => {
                    open = None;
                    blocks += 1;
                }
                "message_delta" if open.is_none() && data["delta"]["stop_reason"].is_string() => {}
                "message_stop" if last => {}
                other => fail(&format!("{other} does not belong at position {position}")),
            }
        }
    }
}
