//! Content filtering (sap-wire.md §4.1, spec `FilteringModuleConfig`): the real filters judge texts by models of their own,
//! these by words that say what is found.
//!
//! `severity:hate=4` is hate of severity 4 to Azure Content Safety (and so on for `self_harm`, `sexual`, `violence`),
//! `attack-on-instructions` is what its Prompt Shield finds, `protected-code` is protected material, and
//! `category:violent_crimes` is a category of Llama Guard.

use serde_json::{Map, Value, json};

use crate::json::{items, text};

/// Azure's kinds: as a configuration spells them, and as an answer does.
const KINDS: [(&str, &str); 4] = [
    ("hate", "Hate"),
    ("self_harm", "SelfHarm"),
    ("sexual", "Sexual"),
    ("violence", "Violence"),
];
const SEVERITIES: [i64; 4] = [6, 4, 2, 0];
/// The most of one chunk that the service gives the filters (spec `GlobalStreamOptions`).
const LONGEST_OVERLAP: u64 = 10_000;

/// What the filters of one side found in a text.
pub(super) struct Finding {
    /// Whether any of it is more than is let through.
    pub(super) refused: bool,
    /// Each filter's own words, by its name.
    pub(super) data: Map<String, Value>,
}

/// The filters of the prompt.
pub(super) fn of_input(modules: &Value, prompt: &str) -> Option<Finding> {
    Some(judge(modules.pointer("/filtering/input")?, prompt, true))
}

/// The filters of the answer.
pub(super) fn of_output(modules: &Value, said: &str) -> Option<Finding> {
    Some(judge(modules.pointer("/filtering/output")?, said, false))
}

/// How many characters before a chunk the filters of a stream see again.
pub(super) fn overlap(modules: &Value) -> usize {
    let given = modules.pointer("/filtering/output/stream_options/overlap");
    let given = given.and_then(Value::as_u64).unwrap_or(0).min(LONGEST_OVERLAP);
    usize::try_from(given).unwrap_or(0)
}

fn judge(side: &Value, said: &str, is_input: bool) -> Finding {
    let mut finding = Finding {
        refused: false,
        data: Map::new(),
    };
    let nothing = Value::Null;
    for filter in items(side, "filters") {
        let name = text(filter, "type");
        let config = filter.get("config").unwrap_or(&nothing);
        let (refused, found) = if name == "azure_content_safety" {
            azure(config, said, is_input)
        } else {
            llama_guard(config, said)
        };
        finding.refused |= refused;
        finding.data.insert(name.to_owned(), found);
    }
    finding
}

/// A kind without a threshold is not looked for.
fn azure(config: &Value, said: &str, is_input: bool) -> (bool, Value) {
    let mut refused = false;
    let mut found = Map::new();
    for (kind, spelled) in KINDS {
        let has = |severity: &&i64| said.contains(&format!("severity:{kind}={severity}"));
        let severity = SEVERITIES.iter().find(has).copied().unwrap_or(0);
        let threshold = config.get(kind).and_then(Value::as_i64);
        refused |= threshold.is_some_and(|threshold| severity > threshold);
        found.insert(spelled.to_owned(), severity.into());
    }
    let looks_for = |flag: &str| config.get(flag).and_then(Value::as_bool) == Some(true);
    if is_input {
        let attacked = looks_for("prompt_shield") && said.contains("attack-on-instructions");
        refused |= attacked;
        found.insert(
            "userPromptAnalysis".to_owned(),
            json!({"attackDetected": attacked}),
        );
    } else {
        let protected = looks_for("protected_material_code") && said.contains("protected-code");
        refused |= protected;
        found.insert("ProtectedMaterialCode".to_owned(), protected.into());
    }
    (refused, Value::Object(found))
}

fn llama_guard(config: &Value, said: &str) -> (bool, Value) {
    let looked_for = config.as_object().into_iter().flatten();
    let found: Map<String, Value> = looked_for
        .filter(|(_, is_on)| **is_on == Value::Bool(true))
        .map(|(category, _)| {
            (
                category.clone(),
                said.contains(&format!("category:{category}")).into(),
            )
        })
        .collect();
    (
        found.values().any(|value| *value == Value::Bool(true)),
        Value::Object(found),
    )
}

/// All that is said in messages, for the filters: texts, results of tools and arguments of calls.
pub(super) fn said(messages: &[Value]) -> String {
    let mut all = String::new();
    for message in messages {
        match message.get("content") {
            Some(Value::String(content)) => all.push_str(content),
            Some(Value::Array(parts)) => parts.iter().for_each(|part| all.push_str(text(part, "text"))),
            _ => {}
        }
        for call in items(message, "tool_calls") {
            let arguments = call.pointer("/function/arguments").and_then(Value::as_str);
            all.push_str(arguments.unwrap_or_default());
        }
        all.push('\n');
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_threshold_is_refused_and_no_threshold_lets_all_through() {
        let refused = |config: Value, said: &str| azure(&config, said, true).0;
        for (threshold, severity, expected) in [
            (0, 0, false),
            (0, 2, true),
            (2, 2, false),
            (4, 6, true),
            (6, 6, false),
        ] {
            let said = format!("a severity:violence={severity} b");
            assert_eq!(
                refused(json!({"violence": threshold}), &said),
                expected,
                "{threshold} {severity}"
            );
        }
        assert!(!refused(json!({"hate": 0}), "severity:violence=6"));
        assert!(refused(json!({"prompt_shield": true}), "attack-on-instructions"));
        assert!(!refused(
            json!({"prompt_shield": false}),
            "attack-on-instructions"
        ));
        assert!(azure(&json!({"protected_material_code": true}), "protected-code", false).0);
        assert!(llama_guard(&json!({"privacy": true}), "category:privacy").0);
        assert!(!llama_guard(&json!({"privacy": false, "hate": true}), "category:privacy").0);
    }
}
