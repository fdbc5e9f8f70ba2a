//! The answers that a tenant keeps (`store`, on unless it is switched off), each known to its deployment only.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::json::{set, text};

/// How many are kept.
const KEPT: usize = 1_000;
/// How many bytes are kept in all: the oldest go first.
const BYTES: usize = 32 * 1024 * 1024;

/// How far an answer has come. One made in the background goes a step further whenever it is looked at, so that no
/// client has to wait for a clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// It waits.
    Queued,
    /// It is being made.
    InProgress,
    /// It is there.
    Done,
    /// Its client called it off.
    Cancelled,
}

/// An answer and what was asked.
pub(super) struct Response {
    pub(super) id: String,
    /// The id of the deployment that gave it.
    pub(super) deployment: &'static str,
    /// Whether it was made in the background.
    pub(super) background: bool,
    pub(super) stage: Stage,
    /// The whole answer as JSON text: smaller than a value.
    pub(super) body: String,
    /// The items that it consists of.
    pub(super) output: Vec<Value>,
    /// The items that this request sent, as JSON text.
    pub(super) input: String,
    /// The items of the answers before it, as JSON text.
    pub(super) before: String,
}

impl Response {
    fn bytes(&self) -> usize {
        self.body.len() + self.input.len() + self.before.len()
    }

    /// The answer as far as it has come.
    fn shown(&self) -> Value {
        let mut shown: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let status = match self.stage {
            // Of what the filter said nothing is kept (spec fixture retrieveResponse.json).
            Stage::Done => {
                set(&mut shown, "content_filters", json!([]));
                return shown;
            }
            Stage::Queued => "queued",
            Stage::InProgress => "in_progress",
            Stage::Cancelled => "cancelled",
        };
        for (name, value) in [
            ("status", json!(status)),
            ("output", json!([])),
            ("usage", Value::Null),
            ("completed_at", Value::Null),
            ("content_filters", Value::Null),
            ("incomplete_details", Value::Null),
            ("service_tier", json!("auto")),
        ] {
            set(&mut shown, name, value);
        }
        shown
    }
}

/// What became of the wish to call an answer off.
pub(super) enum Cancelling {
    /// It is called off, now or before.
    Cancelled(Value),
    /// There was no time to: it was no background answer.
    Synchronous,
    /// It is there already.
    Completed,
}

/// All answers that are kept.
#[derive(Default)]
pub(crate) struct Kept {
    responses: Mutex<VecDeque<Response>>,
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Response>> {
        self.responses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an answer, and gives it as its client first sees it.
    pub(super) fn keep(&self, response: Response) -> Value {
        let shown = response.shown();
        let mut responses = self.lock();
        responses.push_back(response);
        let mut bytes: usize = responses.iter().map(Response::bytes).sum();
        while responses.len() > KEPT || bytes > BYTES {
            let Some(oldest) = responses.pop_front() else {
                break;
            };
            bytes -= oldest.bytes();
        }
        shown
    }

    fn with<T>(&self, deployment: &str, id: &str, then: impl FnOnce(&mut Response) -> T) -> Option<T> {
        self.lock()
            .iter_mut()
            .find(|response| response.id == id && response.deployment == deployment)
            .map(then)
    }

    /// All items up to and with an answer: what a request that names it goes on from. `Err` while it isn't there yet.
    pub(super) fn conversation(&self, deployment: &str, id: &str) -> Option<Result<Vec<Value>, Stage>> {
        self.with(deployment, id, |response| {
            if response.stage != Stage::Done {
                return Err(response.stage);
            }
            let read = |items: &str| serde_json::from_str::<Vec<Value>>(items).unwrap_or_default();
            let mut items = read(&response.before);
            items.extend(read(&response.input));
            items.extend(response.output.iter().cloned());
            Ok(items)
        })
    }

    /// An item of any answer.
    pub(super) fn item(&self, deployment: &str, id: &str) -> Option<Value> {
        let responses = self.lock();
        let own = responses
            .iter()
            .filter(|response| response.deployment == deployment && response.stage == Stage::Done);
        own.flat_map(|response| &response.output)
            .find(|item| text(item, "id") == id)
            .cloned()
    }

    /// The reasoning that must come with an item of an answer.
    pub(super) fn reasoning_of(&self, deployment: &str, id: &str) -> Option<String> {
        let responses = self.lock();
        let output = &responses
            .iter()
            .find(|response| {
                response.deployment == deployment && response.output.iter().any(|item| text(item, "id") == id)
            })?
            .output;
        output
            .iter()
            .find(|item| text(item, "type") == "reasoning")
            .map(|item| text(item, "id").to_owned())
    }

    /// An answer as it is now.
    pub(super) fn look(&self, deployment: &str, id: &str) -> Option<Value> {
        self.with(deployment, id, |response| {
            response.stage = match response.stage {
                Stage::Queued => Stage::InProgress,
                Stage::InProgress => Stage::Done,
                ended => ended,
            };
            response.shown()
        })
    }

    /// The items that a request sent.
    pub(super) fn input_items(&self, deployment: &str, id: &str) -> Option<Vec<Value>> {
        self.with(deployment, id, |response| {
            serde_json::from_str(&response.input).unwrap_or_default()
        })
    }

    /// Calls an answer off.
    pub(super) fn cancel(&self, deployment: &str, id: &str) -> Option<Cancelling> {
        self.with(deployment, id, |response| {
            if !response.background {
                return Cancelling::Synchronous;
            }
            if response.stage == Stage::Done {
                return Cancelling::Completed;
            }
            response.stage = Stage::Cancelled;
            Cancelling::Cancelled(response.shown())
        })
    }

    /// Forgets an answer; says whether it was there.
    pub(super) fn delete(&self, deployment: &str, id: &str) -> bool {
        let mut responses = self.lock();
        let before = responses.len();
        responses.retain(|response| response.id != id || response.deployment != deployment);
        responses.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(number: usize, bytes: usize) -> Response {
        Response {
            id: format!("resp_{number}"),
            deployment: "d1",
            background: false,
            stage: Stage::Done,
            body: "{}".to_owned(),
            output: Vec::new(),
            input: " ".repeat(bytes),
            before: String::new(),
        }
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_they_are_too_large() {
        let kept = Kept::default();
        (0..=KEPT).for_each(|number| drop(kept.keep(response(number, 0))));
        assert!(kept.look("d1", "resp_0").is_none() && kept.look("d1", "resp_1").is_some());
        kept.keep(response(KEPT + 1, BYTES - 20));
        assert!(kept.look("d1", &format!("resp_{}", KEPT + 1)).is_some());
        assert!(
            kept.look("d1", "resp_2").is_none(),
            "only what fits beside it stays"
        );
        assert!(kept.look("d1", &format!("resp_{KEPT}")).is_some());
    }
}
