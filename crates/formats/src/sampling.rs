//! Sampling parameters, as far as a model takes them.

use std::borrow::Cow;

use crate::conversation::Conversation;
use crate::json::{Value, write_name};
use crate::rules::ModelRules;

/// Writes `,"name":value` for every parameter that the model takes.
pub(crate) fn write(conversation: &mut Conversation<'_>, rules: &ModelRules, out: &mut Vec<u8>) {
    for (name, value) in taken(conversation, rules) {
        write_name(name, out);
        out.extend_from_slice(value.as_bytes());
    }
}

/// The parameters that the model takes, with their values. One whose value is the default anyway is left out where the
/// model refuses it; the loss of any other is reported.
pub(crate) fn taken<'a>(
    conversation: &mut Conversation<'a>,
    rules: &ModelRules,
) -> Vec<(&'static str, Cow<'a, str>)> {
    let parameters = std::mem::take(&mut conversation.parameters);
    let temperature = parameters.iter().any(|(name, _)| *name == "temperature") && rules.takes("temperature");
    let taken = parameters.into_iter().filter_map(|(name, value)| {
        let excluded = name == "top_p" && temperature && rules.temperature_excludes_top_p;
        if !rules.takes(name) || excluded {
            if !is_default(name, value) {
                conversation.drop_reported(name);
            }
            return None;
        }
        let value = within_bounds(name, value, rules);
        if let Cow::Owned(_) = value {
            conversation.drop_reported("temperature above the model's highest");
        }
        Some((name, value))
    });
    taken.collect()
}

/// Leaves out what Claude does not take while it thinks: everything but the defaults.
pub(crate) fn drop_beside_thinking(conversation: &mut Conversation<'_>) {
    for (name, value) in std::mem::take(&mut conversation.parameters) {
        if !is_default(name, value) {
            conversation.drop_reported(name);
        }
    }
}

/// The value, lowered to the highest temperature that the model takes.
fn within_bounds<'v>(name: &str, value: Value<'v>, rules: &ModelRules) -> Cow<'v, str> {
    match (rules.max_temperature, value.get().parse::<f64>()) {
        (Some(highest), Ok(wanted)) if name == "temperature" && wanted > highest => {
            Cow::Owned(highest.to_string())
        }
        _ => Cow::Borrowed(value.get()),
    }
}

/// Parameters whose given value is what happens without them.
fn is_default(name: &str, value: Value<'_>) -> bool {
    matches!(
        (name, value.get()),
        ("n" | "temperature" | "top_p", "1" | "1.0")
            | ("logprobs", "false")
            | ("presence_penalty" | "frequency_penalty", "0" | "0.0")
    )
}
