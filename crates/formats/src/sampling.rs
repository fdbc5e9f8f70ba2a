//! Sampling parameters and the limit of output tokens: values that can be, as far as a model takes them.

use std::borrow::Cow;

use crate::ReadError;
use crate::conversation::Conversation;
use crate::error::Path;
use crate::json::{Member, Value, write_name};
use crate::rules::ModelRules;

/// The numbers that every vendor takes at most; a model's own bounds are in its rules.
const BOUNDS: [(&str, [f64; 2]); 4] = [
    ("temperature", [0.0, 2.0]),
    ("top_p", [0.0, 1.0]),
    ("presence_penalty", [-2.0, 2.0]),
    ("frequency_penalty", [-2.0, 2.0]),
];

/// Parameters that are whole numbers. Google's Python SDK writes them as 40.0.
const WHOLE: [&str; 4] = ["n", "seed", "top_k", "top_logprobs"];

/// Refuses values that no model takes. `spell` gives the agent's own name of a parameter.
///
/// # Errors
/// When there is one; the error names it and what it may be.
pub(crate) fn check(
    conversation: &Conversation<'_>,
    spell: impl Fn(&'static str) -> String,
) -> Result<(), ReadError> {
    for (name, value) in &conversation.parameters {
        let value = value.get();
        let bounds = BOUNDS.iter().find(|(bounded, _)| bounded == name);
        let expected = match bounds {
            Some((_, [least, most])) => {
                let is_right = |number: &f64| (*least..=*most).contains(number);
                (!value.parse().is_ok_and(|number| is_right(&number)))
                    .then(|| format!("expected a number from {least} to {most}"))
            }
            // JSON has numbers that no vendor's reader has room for, like 1e400.
            None if value.parse().is_ok_and(f64::is_infinite) => {
                Some("expected a number that 64 bits can hold".to_owned())
            }
            None if *name == "n" => whole(value)
                .is_none_or(|count| count <= 0)
                .then(|| "expected a whole number, 1 or more".to_owned()),
            None if WHOLE.contains(name) => whole(value)
                .is_none()
                .then(|| "expected a whole number".to_owned()),
            None => None,
        };
        if let Some(expected) = expected {
            return Err(ReadError::new(spell(name), expected));
        }
    }
    Ok(())
}

/// Beyond this, floating-point numbers have gaps.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

/// The whole number that a value is, however it is written.
pub(crate) fn whole(value: &str) -> Option<i64> {
    if let Ok(number) = value.parse() {
        return Some(number);
    }
    let number: f64 = value.parse().ok()?;
    (number.fract() == 0.0 && number.abs() <= MOST_EXACT).then(|| format!("{number:.0}").parse().ok())?
}

/// A member that limits the output's tokens.
///
/// # Errors
/// When it is given and no whole number, or 0: no model answers with nothing.
pub(crate) fn read_limit(limit: Member<'_>, path: &Path<'_>) -> Result<Option<u64>, ReadError> {
    let tokens = limit.count(path);
    if tokens.as_ref().is_ok_and(|tokens| *tokens != Some(0)) {
        return tokens;
    }
    Err(ReadError::expected(
        &path.member(limit.name),
        "a whole number, 1 or more",
    ))
}

/// Writes `,"name":value` for every parameter that the model takes. One whose value is the default anyway is left out
/// where the model refuses it; the loss of any other is reported.
pub(crate) fn write(conversation: &mut Conversation<'_>, rules: &ModelRules, out: &mut Vec<u8>) {
    write_named(conversation, rules, |name| name, out);
}

/// The same for a route that spells the names in its own way.
pub(crate) fn write_named(
    conversation: &mut Conversation<'_>,
    rules: &ModelRules,
    spell: impl Fn(&'static str) -> &'static str,
    out: &mut Vec<u8>,
) {
    let parameters = std::mem::take(&mut conversation.parameters);
    let temperature = parameters.iter().any(|(name, _)| *name == "temperature") && rules.takes("temperature");
    for (name, value) in parameters {
        let excluded = name == "top_p" && temperature && rules.temperature_excludes_top_p;
        if !rules.takes(name) || excluded {
            if !is_default(name, value) {
                conversation.drop_reported(name);
            }
            continue;
        }
        let value = within_bounds(name, value, rules);
        if name == "temperature" && matches!(value, Cow::Owned(_)) {
            conversation.drop_reported("temperature above the model's highest");
        }
        write_name(spell(name), out);
        out.extend_from_slice(value.as_bytes());
    }
}

/// Leaves out what only an answer that is copied can hold: one that is translated has one choice, and says nothing of how
/// probable its words were.
pub(crate) fn drop_beside_translation(conversation: &mut Conversation<'_>) {
    const OF_COPIES: [&str; 3] = ["n", "logprobs", "top_logprobs"];
    let is_of_copies = |(name, _): &(&'static str, Value<'_>)| OF_COPIES.contains(name);
    if !conversation.parameters.iter().any(is_of_copies) {
        return;
    }
    let parameters = std::mem::take(&mut conversation.parameters);
    let (left_out, kept): (Vec<_>, Vec<_>) = parameters.into_iter().partition(is_of_copies);
    conversation.parameters = kept;
    for (name, value) in left_out {
        if !is_default(name, value) {
            conversation.drop_reported(name);
        }
    }
}

/// Leaves out what Claude does not take while it thinks: everything but the defaults.
pub(crate) fn drop_beside_thinking(conversation: &mut Conversation<'_>) {
    for (name, value) in std::mem::take(&mut conversation.parameters) {
        if !is_default(name, value) {
            conversation.drop_reported(name);
        }
    }
}

/// The value as vendors read it, lowered to the highest temperature that the model takes.
fn within_bounds<'v>(name: &str, value: Value<'v>, rules: &ModelRules) -> Cow<'v, str> {
    if WHOLE.contains(&name) && value.get().contains(['.', 'e', 'E']) {
        return whole(value.get()).map_or(Cow::Borrowed(value.get()), |number| {
            Cow::Owned(number.to_string())
        });
    }
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
            | ("top_logprobs", "0")
            | ("presence_penalty" | "frequency_penalty", "0" | "0.0")
    )
}
