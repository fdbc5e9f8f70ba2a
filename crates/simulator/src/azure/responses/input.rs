//! The items of `input`: which of them belong together, and what they refer to.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::kept::Kept;
use super::sealed;
use crate::azure::Refusal;
use crate::azure::rules::check_length;
use crate::catalogue::Model;
use crate::json::{items, set, text};

/// The longest id of an item or a call.
const LONGEST_ID: usize = 64;

/// What the items of a request stand in.
pub(super) struct Surroundings<'a> {
    pub(super) model: &'static Model,
    /// The deployment's id.
    pub(super) deployment: &'static str,
    /// The answers that items may refer to.
    pub(super) kept: &'a Kept,
    /// Whether this request's items will be kept.
    pub(super) store: bool,
    /// The items of the answers that the request goes on from.
    pub(super) before: &'a [Value],
}

impl Surroundings<'_> {
    /// The items of a body in the one form that the service keeps them in, references replaced by what they name.
    /// The body has the right form.
    pub(super) fn items(&self, body: &Value) -> Result<Vec<Value>, Refusal> {
        let items = match body.get("input") {
            Some(Value::String(said)) if !said.is_empty() => vec![json!({
                "type": "message", "role": "user", "content": [{"type": "input_text", "text": said}],
            })],
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| self.resolved(item))
                .collect::<Result<_, _>>()?,
            _ => Vec::new(),
        };
        if items.is_empty() && self.before.is_empty() {
            return Err(Refusal {
                message:
                    "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' must be \
                          provided."
                        .to_owned(),
                param: Some("input".to_owned()),
                code: Some("missing_required_parameter"),
            });
        }
        for (index, item) in items.iter().enumerate() {
            self.check_item(&format!("input[{index}]"), item)?;
        }
        self.check_ids(&items)?;
        check_reasoning(&items)?;
        check_calls(self.before, &items)?;
        Ok(items)
    }

    fn resolved(&self, item: &Value) -> Result<Value, Refusal> {
        let mut item = item.clone();
        if text(&item, "type") == "item_reference" {
            let id = text(&item, "id");
            return self
                .kept
                .item(self.deployment, id)
                .ok_or_else(|| self.not_found(id));
        }
        if item.get("type").is_none() {
            set(&mut item, "type", json!("message"));
        }
        Ok(item)
    }

    fn not_found(&self, id: &str) -> Refusal {
        let why = if self.store {
            ""
        } else {
            " Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove \
             this item from your input."
        };
        Refusal {
            message: format!("Item with id '{id}' not found.{why}"),
            param: Some("input".to_owned()),
            code: None,
        }
    }

    fn check_item(&self, place: &str, item: &Value) -> Result<(), Refusal> {
        let kind = text(item, "type");
        let id = item.get("id").and_then(Value::as_str);
        if let Some(id) = id {
            // Ids of outputs begin with `fco_`, and `fc` is what the service looks for in both.
            let (starts, named) = match kind {
                "function_call" => (["fc_", "fc_"], "fc"),
                "function_call_output" => (["fc_", "fco_"], "fc"),
                "reasoning" => (["rs_", "rs_"], "rs"),
                "compaction" => (["cmp_", "cmp_"], "cmp"),
                _ => (["msg_", "msg_"], "msg"),
            };
            if !starts.iter().any(|start| id.starts_with(start)) {
                return Err(Refusal::of(
                    format!("{place}.id"),
                    "invalid_value",
                    format!("Invalid '{place}.id': '{id}'. Expected an ID that begins with '{named}'."),
                ));
            }
            check_length(&format!("{place}.id"), id, LONGEST_ID)?;
        }
        if kind.starts_with("function_call") {
            check_call(place, item)?;
        }
        let sealed = item.get("encrypted_content").and_then(Value::as_str);
        match (sealed, id) {
            (Some(sealed), id) => sealed::open(self.model.name, id, sealed).map(drop),
            (None, None) if kind == "reasoning" => Err(Refusal::of(
                format!("{place}.id"),
                "missing_required_parameter",
                format!("Missing required parameter: '{place}.id'."),
            )),
            (None, Some(id)) if kind == "reasoning" && self.kept.item(self.deployment, id).is_none() => {
                Err(self.not_found(id))
            }
            _ => Ok(()),
        }
    }

    /// No item stands twice, and what was kept with its reasoning comes back with it.
    fn check_ids(&self, items: &[Value]) -> Result<(), Refusal> {
        let mut seen = BTreeSet::new();
        for id in self.before.iter().chain(items).filter_map(id_of) {
            if !seen.insert(id) {
                return Err(Refusal {
                    message: format!(
                        "Duplicate item found with id {id}. Remove duplicate items from your input and try again."
                    ),
                    param: Some("input".to_owned()),
                    code: None,
                });
            }
        }
        for item in items {
            let kind = text(item, "type");
            let answered =
                kind == "function_call" || (kind == "message" && text(item, "role") == "assistant");
            let Some(id) = id_of(item).filter(|_| answered) else {
                continue;
            };
            let needed = self.kept.reasoning_of(self.deployment, id);
            if let Some(reasoning) = needed.filter(|needed| !seen.contains(needed.as_str())) {
                return Err(Refusal {
                    message: format!(
                        "Item '{id}' of type '{kind}' was provided without its required 'reasoning' item: \
                         '{reasoning}'."
                    ),
                    param: Some("input".to_owned()),
                    code: None,
                });
            }
        }
        Ok(())
    }
}

/// What was thought comes with what was then said or done.
fn check_reasoning(items: &[Value]) -> Result<(), Refusal> {
    let mut lone = None;
    for item in items {
        match (text(item, "type"), text(item, "role")) {
            ("reasoning", _) => lone = lone.or(Some(item)),
            ("function_call", _) | ("message", "assistant") => lone = None,
            _ if lone.is_some() => break,
            _ => {}
        }
    }
    lone.map_or(Ok(()), |item| {
        Err(Refusal {
            message: format!(
                "Item '{}' of type 'reasoning' was provided without its required following item.",
                id_of(item).unwrap_or("reasoning")
            ),
            param: Some("input".to_owned()),
            code: None,
        })
    })
}

fn id_of(item: &Value) -> Option<&str> {
    item.get("id").and_then(Value::as_str)
}

fn check_call(place: &str, item: &Value) -> Result<(), Refusal> {
    let call_id = text(item, "call_id");
    let place_of_id = format!("{place}.call_id");
    if call_id.is_empty() {
        return Err(Refusal::of(
            place_of_id.as_str(),
            "empty_string",
            format!(
                "Invalid '{place_of_id}': empty string. Expected a string with minimum length 1, but got an empty \
                 string instead."
            ),
        ));
    }
    check_length(&place_of_id, call_id, LONGEST_ID)?;
    let arguments = item.get("arguments").and_then(Value::as_str);
    if arguments.is_some_and(|arguments| serde_json::from_str::<Value>(arguments).is_err()) {
        return Err(Refusal::of(
            format!("{place}.arguments"),
            "invalid_value",
            format!("Invalid '{place}.arguments': expected a string that is valid JSON."),
        ));
    }
    Ok(())
}

/// Every call has one output behind it, and every output a call before it.
fn check_calls(before: &[Value], items: &[Value]) -> Result<(), Refusal> {
    let refuse = |message: String| {
        Err(Refusal {
            message,
            param: Some("input".to_owned()),
            code: None,
        })
    };
    let (mut made, mut open) = (BTreeSet::new(), Vec::new());
    for item in before.iter().chain(items) {
        let call_id = text(item, "call_id");
        match text(item, "type") {
            "function_call" if made.insert(call_id) => open.push(call_id),
            "function_call" => {
                return refuse(format!("Duplicate function call found with call_id {call_id}."));
            }
            "function_call_output" => match open.iter().position(|open| *open == call_id) {
                Some(at) => drop(open.remove(at)),
                None => {
                    return refuse(format!(
                        "No tool call found for function call output with call_id {call_id}."
                    ));
                }
            },
            _ => {}
        }
    }
    match open.first() {
        None => Ok(()),
        Some(call_id) => refuse(format!("No tool output found for function call {call_id}.")),
    }
}

/// The items with an id each, as `input_items` lists them.
pub(super) fn identified(mut sent: Vec<Value>, id: impl Fn(&str, usize) -> String) -> Vec<Value> {
    for (index, item) in sent.iter_mut().enumerate() {
        if id_of(item).is_none() {
            let start = match text(item, "type") {
                "function_call" => "fc",
                "function_call_output" => "fco",
                "reasoning" => "rs",
                "compaction" => "cmp",
                _ => "msg",
            };
            let given = id(start, index);
            set(item, "id", json!(given));
        }
        let said = text(item, "content").to_owned();
        if item.get("content").is_some_and(Value::is_string) {
            let kind = if text(item, "role") == "assistant" {
                "output_text"
            } else {
                "input_text"
            };
            set(item, "content", json!([{"type": kind, "text": said}]));
        }
        if text(item, "type") == "message" && item.get("status").is_none() {
            set(item, "status", json!("completed"));
        }
    }
    sent
}

/// The items that a compaction keeps word for word: what the user said.
pub(super) fn said_by_the_user(sent: &[Value]) -> Vec<Value> {
    sent.iter()
        .filter(|item| text(item, "type") == "message" && text(item, "role") == "user")
        .filter(|item| !items(item, "content").is_empty())
        .cloned()
        .collect()
}
