//! What this tenant refuses beyond what every tenant does, so that tests can see what becomes of it.

use serde::Deserialize;
use serde_json::Value;

use crate::json::{items, text};
use crate::shape::{Misfit, Problem, Step};

/// Something that is refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// A member of the body, of a message, a block, a tool or the model's parameters, by its name.
    Member(String),
    /// A flag of `anthropic_beta`.
    Beta(String),
    /// More output tokens than these.
    OutputTokens(u64),
    /// Orchestration: a model that is over its limit (429).
    BusyModel(String),
}

/// What a body has of it.
pub(crate) enum Found {
    /// A member, and where it stands.
    Member(Misfit),
    /// A flag; the service does not say which.
    Beta,
    /// More output tokens than are taken.
    OutputTokens {
        /// The parameter's name.
        name: &'static str,
        /// How many are asked for.
        wished: u64,
        /// How many are taken.
        most: u64,
    },
}

/// The first thing that is refused. `parameters` is the object that holds the limit of output tokens.
pub(crate) fn find(refused: &[Refused], body: &Value, parameters: &Value) -> Option<Found> {
    refused.iter().find_map(|refused| match refused {
        Refused::Member(name) => member(name, body).map(Found::Member),
        Refused::Beta(flag) => items(body, "anthropic_beta")
            .iter()
            .any(|sent| sent.as_str() == Some(flag))
            .then_some(Found::Beta),
        Refused::OutputTokens(most) => [
            "max_tokens",
            "max_completion_tokens",
            "max_output_tokens",
            "maxOutputTokens",
            "maxTokens",
        ]
        .into_iter()
        .find_map(|name| {
            let wished = parameters.get(name).and_then(Value::as_u64)?;
            (wished > *most).then_some(Found::OutputTokens {
                name,
                wished,
                most: *most,
            })
        }),
        Refused::BusyModel(_) => None,
    })
}

/// Where a member of this name stands first. What people put in (schemas, arguments, values) is not looked into.
fn member(name: &str, value: &Value) -> Option<Misfit> {
    const FREE: [&str; 10] = [
        "args",
        "arguments",
        "input",
        "inputSchema",
        "input_schema",
        "parameters",
        "parametersJsonSchema",
        "placeholder_values",
        "response",
        "schema",
    ];
    match value {
        Value::Object(members) if members.contains_key(name) => Some(Misfit {
            path: Vec::new(),
            problem: Problem::Unknown(name.to_owned()),
        }),
        Value::Object(members) => members
            .iter()
            .filter(|(key, _)| !FREE.contains(&key.as_str()))
            .find_map(|(key, value)| Some(within(member(name, value)?, [Step::Key(key.clone())]))),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            let form = form(item).map(Step::Form);
            let steps = [Step::Index(index)].into_iter().chain(form);
            Some(within(member(name, item)?, steps))
        }),
        _ => None,
    }
}

/// The same, seen from further outside.
fn within(mut misfit: Misfit, steps: impl IntoIterator<Item = Step>) -> Misfit {
    misfit.path.splice(0..0, steps);
    misfit
}

/// The name that Anthropic's errors give the form of an entry: a block's type, `custom` for a tool.
fn form(item: &Value) -> Option<&'static str> {
    const FORMS: [&str; 6] = ["document", "image", "text", "thinking", "tool_result", "tool_use"];
    let kind = text(item, "type");
    let block = FORMS.into_iter().find(|form| *form == kind);
    block.or_else(|| item.get("input_schema").map(|_| "custom"))
}
