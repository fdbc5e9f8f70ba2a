//! What the service and the vendors behind it refuse beyond the spec (sap-wire.md §4.1, §4.2, §4.5).

use std::collections::BTreeSet;

use serde_json::Value;

use super::Failure;
use crate::bedrock;
use crate::catalogue::{self, Family, Model};
use crate::json::{items, text};
use crate::shape::is_name;

/// What is asked of the model, after templating.
pub(super) struct Request<'a> {
    /// The model.
    pub(super) model: &'static Model,
    /// The final messages.
    pub(super) messages: &'a [Value],
    /// How many of them come from the history.
    pub(super) history: usize,
    /// `prompt_templating`.
    pub(super) configuration: &'a Value,
}

/// The model of a configuration, if the catalogue has it in that version.
pub(super) fn listed(configuration: &Value) -> Option<&'static Model> {
    let (name, version) = name_and_version(configuration);
    catalogue::model(name)
        .filter(|model| version == "latest" || model.versions.iter().any(|known| known.name == version))
}

/// The model of a configuration that is to answer.
pub(super) fn model(configuration: &Value) -> Result<&'static Model, Failure> {
    let (name, version) = name_and_version(configuration);
    listed(configuration)
        .filter(|model| model.family != Family::Embedding)
        .ok_or_else(|| Failure::model(format_args!("Model {name} in version {version} not found.")))
}

fn name_and_version(configuration: &Value) -> (&str, &str) {
    let text = |pointer: &str| configuration.pointer(pointer).and_then(Value::as_str);
    (
        text("/model/name").unwrap_or_default(),
        text("/model/version").unwrap_or("latest"),
    )
}

impl<'a> Request<'a> {
    /// A member of the prompt.
    pub(super) fn prompt(&self, key: &str) -> Option<&'a Value> {
        self.configuration
            .pointer("/prompt")
            .and_then(|prompt| prompt.get(key))
    }

    /// The tools, maybe none.
    pub(super) fn tools(&self) -> &'a [Value] {
        self.prompt("tools")
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// A parameter of the model; `null` is none.
    pub(super) fn parameter(&self, key: &str) -> Option<&'a Value> {
        self.configuration
            .pointer("/model/params")?
            .get(key)
            .filter(|value| !value.is_null())
    }

    /// Whether the model is OpenAI's.
    pub(super) fn is_openai(&self) -> bool {
        self.model.provider == "OpenAI"
    }

    fn is_claude(&self) -> bool {
        self.model.family == Family::Claude
    }

    /// Refuses what the service refuses.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.check_order()?;
        for (index, message) in self.messages.iter().enumerate() {
            self.check_message(index, message)?;
        }
        self.check_tools()?;
        self.check_parameters()?;
        self.check_vendor()?;
        if self.is_claude() {
            let marks = self
                .messages
                .iter()
                .chain(self.tools())
                .map(count_marks)
                .sum::<usize>();
            if marks > 4 {
                return Err(Failure::model(format_args!(
                    "A maximum of 4 blocks with cache_control may be provided. Found {marks}."
                )));
            }
        }
        Ok(())
    }

    /// Who may follow whom: system messages first, and every tool call with its result right behind it.
    fn check_order(&self) -> Result<(), Failure> {
        let mut talked = false;
        let mut open: BTreeSet<&str> = BTreeSet::new();
        let mut answered_here: BTreeSet<&str> = BTreeSet::new();
        for (index, message) in self.messages.iter().enumerate() {
            let role = role(message);
            if role != "tool" && !open.is_empty() {
                return Err(unanswered(index, &open));
            }
            match role {
                "system" | "developer" if talked && index < self.history => {
                    return Err(Failure::model(format_args!(
                        "messages.{index}: a system message is only taken before the conversation begins."
                    )));
                }
                "tool" => {
                    let id = text(message, "tool_call_id");
                    if index == self.history && index > 0 {
                        return Err(Failure::model(format_args!(
                            "messages.{index}: a tool message in the template must follow its tool call there, \
                             not one in the history."
                        )));
                    }
                    if !open.remove(id) {
                        let what = if answered_here.contains(id) {
                            "a second time"
                        } else {
                            "without a call"
                        };
                        return Err(Failure::model(format_args!(
                            "messages.{index}: messages with role 'tool' must be a response to a preceding \
                             message with 'tool_calls': '{id}' comes {what}."
                        )));
                    }
                    answered_here.insert(id);
                }
                _ => {}
            }
            if role == "assistant" {
                answered_here.clear();
                for call in items(message, "tool_calls") {
                    let name = call.pointer("/function/name").and_then(Value::as_str);
                    let name = name.unwrap_or_default();
                    if !is_name(name, 64) {
                        return Err(Failure::model(format_args!(
                            "messages.{index}.tool_calls: function name '{name}' does not match '^[a-zA-Z0-9-_]{{1,64}}$'."
                        )));
                    }
                    let id = text(call, "id");
                    if id.is_empty() || !open.insert(id) {
                        return Err(Failure::model(format_args!(
                            "messages.{index}: tool call ids must be unique and not empty."
                        )));
                    }
                }
            }
            talked |= !matches!(role, "system" | "developer");
        }
        if !open.is_empty() {
            return Err(unanswered(self.messages.len(), &open));
        }
        if self.messages.is_empty() || (self.is_claude() && !talked) {
            return Err(Failure::model("messages: at least one message is required"));
        }
        let last = self.messages.last().map_or("", role);
        if self.is_claude() && last == "assistant" && !self.model.prefill {
            return Err(Failure::model(bedrock::NO_PREFILL));
        }
        Ok(())
    }

    fn check_message(&self, index: usize, message: &Value) -> Result<(), Failure> {
        let content = message.get("content");
        let claude = self.is_claude();
        for call in items(message, "tool_calls") {
            let arguments = call
                .pointer("/function/arguments")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if !serde_json::from_str::<Value>(arguments).is_ok_and(|value| value.is_object()) {
                // The harmoniser falls over what is no JSON object.
                return Err(Failure {
                    code: 500,
                    message: "500 - LLM Module: Internal Server Error".to_owned(),
                    location: "LLM Module",
                });
            }
        }
        match role(message) {
            "tool" if claude && content.is_some_and(Value::is_array) => {
                return Err(Failure::model(
                    "Tool message content must be a string for Anthropic harmonization. Received: list.",
                ));
            }
            "assistant" => {
                let has_calls = !items(message, "tool_calls").is_empty();
                let blank = content.is_none_or(|content| content.as_str() == Some(""));
                if claude && blank && !has_calls {
                    return Err(Failure::model(
                        "Assistant message has neither text nor tool_use blocks.",
                    ));
                }
                if claude && !blank {
                    refuse_blank(content)?;
                }
                self.check_reasoning(index, message)?;
            }
            "tool" => {}
            _ if claude => refuse_blank(content)?,
            _ => {}
        }
        self.check_parts(index, content)
    }

    fn check_reasoning(&self, index: usize, message: &Value) -> Result<(), Failure> {
        let blocks = message.get("reasoning_content").and_then(Value::as_array);
        let unsigned = blocks
            .into_iter()
            .flatten()
            .position(|block| text(block, "signature").is_empty());
        match unsigned {
            // An answer goes back as it came: with an empty list.
            _ if blocks.is_some_and(|blocks| !blocks.is_empty())
                && !matches!(self.model.family, Family::Claude | Family::Gemini) =>
            {
                Err(Failure::model(format_args!(
                    "messages.{index}.reasoning_content: not supported for model {}",
                    self.model.name
                )))
            }
            Some(at) if self.is_claude() => Err(Failure::model(format_args!(
                "messages.{index}.content.{at}.thinking.signature: Field required"
            ))),
            _ => Ok(()),
        }
    }

    /// Each item of a user's content holds what its type says, and only that.
    fn check_parts(&self, index: usize, content: Option<&Value>) -> Result<(), Failure> {
        for (at, part) in content
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate()
        {
            let kind = text(part, "type");
            let others = ["text", "image_url", "file"].iter().filter(|key| **key != kind);
            if part.get(kind).is_none() || others.clone().any(|key| part.get(key).is_some()) {
                return Err(Failure::model(format_args!(
                    "messages.{index}.content.{at}: an item of type '{kind}' must have '{kind}' and no other content"
                )));
            }
            if kind != "text" && !self.model.images {
                return Err(Failure::model(format_args!(
                    "Model {} does not support {kind} input.",
                    self.model.name
                )));
            }
        }
        Ok(())
    }

    fn check_tools(&self) -> Result<(), Failure> {
        let mut names = BTreeSet::new();
        for tool in self.tools() {
            let name = tool
                .pointer("/function/name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if !names.insert(name) {
                return Err(Failure::model("tools: Tool names must be unique."));
            }
        }
        Ok(())
    }
}

fn unanswered(index: usize, open: &BTreeSet<&str>) -> Failure {
    let ids: Vec<&str> = open.iter().copied().collect();
    Failure::model(format_args!(
        "messages.{index}: an assistant message with 'tool_calls' must be followed by tool messages responding \
         to each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        ids.join(", ")
    ))
}

/// Claude takes no empty and no blank text, as a string or in a list.
fn refuse_blank(content: Option<&Value>) -> Result<(), Failure> {
    let is_blank = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
    let blank = match content {
        Some(Value::Array(items)) => items.iter().filter_map(|item| item.get("text")).any(is_blank),
        Some(value) => is_blank(value),
        None => false,
    };
    if blank {
        Err(Failure::model("messages: text content blocks must be non-empty"))
    } else {
        Ok(())
    }
}

fn count_marks(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(count_marks).sum(),
        Value::Object(members) => {
            usize::from(members.contains_key("cache_control")) + members.get("content").map_or(0, count_marks)
        }
        _ => 0,
    }
}

/// The role of a message.
pub(super) fn role(message: &Value) -> &str {
    text(message, "role")
}
