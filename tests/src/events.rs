//! Server-sent events as an agent reads them.

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
