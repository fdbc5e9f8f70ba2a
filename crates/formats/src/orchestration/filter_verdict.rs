//! What the input filter found in a prompt that it refused (sap-wire.md §4.5; spec `GenericModuleResult`, whose `data` is
//! each filter's own).

use std::fmt::Write;

use crate::json::{Document, Object, Value};

/// The kinds of Azure Content Safety, as answers spell them now and have spelled them before, and as people read them.
const KINDS: [([&str; 2], &str); 4] = [
    (["Hate", "hate"], "hate"),
    (["SelfHarm", "self_harm"], "self-harm"),
    (["Sexual", "sexual"], "sexual"),
    (["Violence", "violence"], "violence"),
];

/// Which filter found what, like `Azure Content Safety: hate 6, violence 6; Llama Guard: violent crimes`; `None` where the
/// error of orchestration does not say. Nothing of the prompt is in it.
pub fn read_filter_verdict(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let document = Document::read(text).ok()?;
    let root = document.root().object()?;
    // Of a list of models every one was refused for the same prompt.
    let error = root.get("error").map_or(Some(root), |error| {
        error.object().or_else(|| error.list()?.find_map(Value::object))
    })?;
    let results = error.get("intermediate_results")?.object()?;
    let data = results.get("input_filtering")?.object()?.get("data")?.object()?;
    let found = [
        ("Azure Content Safety", azure(data)),
        ("Llama Guard", llama_guard(data)),
    ];
    let mut verdict = String::new();
    for (filter, what) in found.into_iter().filter(|(_, what)| !what.is_empty()) {
        let before = if verdict.is_empty() { "" } else { "; " };
        // Writing into a text can't fail.
        let _ = write!(verdict, "{before}{filter}: {}", what.join(", "));
    }
    (!verdict.is_empty()).then_some(verdict)
}

fn azure(data: Object<'_>) -> Vec<String> {
    let Some(scores) = data.get("azure_content_safety").and_then(Value::object) else {
        return Vec::new();
    };
    let severity = |names: [&str; 2]| {
        let given = names.into_iter().find_map(|name| scores.get(name))?;
        given.get().parse::<u8>().ok().filter(|severity| *severity > 0)
    };
    let mut found: Vec<String> = KINDS
        .into_iter()
        .filter_map(|(names, kind)| Some(format!("{kind} {}", severity(names)?)))
        .collect();
    let prompt = scores.get("userPromptAnalysis").and_then(Value::object);
    if prompt
        .and_then(|prompt| prompt.get("attackDetected"))
        .is_some_and(is_true)
    {
        found.push("an attack on the model's instructions".to_owned());
    }
    found
}

fn llama_guard(data: Object<'_>) -> Vec<String> {
    let Some(categories) = data.get("llama_guard_3_8b").and_then(Value::object) else {
        return Vec::new();
    };
    let found = categories.members().filter(|(_, value)| is_true(*value));
    let names = found.map(|(name, _)| name.decode().replace('_', " "));
    // They are words; whatever else may come has no place in a sentence.
    let is_word = |name: &String| {
        name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' ')
    };
    names.filter(is_word).collect()
}

fn is_true(value: Value<'_>) -> bool {
    value.get() == "true"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_filter_says_what_it_found() {
        let body = |data: &str| format!(r#"{{"code":400,"message":"m","intermediate_results":{data}}}"#);
        let of = |data: &str| read_filter_verdict(body(data).as_bytes());
        let both = r#"{"input_filtering":{"message":"m","data":{"azure_content_safety":{"Hate":6,"SelfHarm":0,"Sexual":0,"Violence":2,"userPromptAnalysis":{"attackDetected":true}},"llama_guard_3_8b":{"violent_crimes":true,"hate":false}}}}"#;
        let told = "Azure Content Safety: hate 6, violence 2, an attack on the model's instructions; Llama Guard: violent crimes";
        assert_eq!(of(both).as_deref(), Some(told));
        let in_list = format!(r#"{{"error":[{},{}]}}"#, body(both), body(both));
        assert_eq!(read_filter_verdict(in_list.as_bytes()).as_deref(), Some(told));
        let former = r#"{"input_filtering":{"message":"m","data":{"azure_content_safety":{"hate":2}}}}"#;
        assert_eq!(of(former).as_deref(), Some("Azure Content Safety: hate 2"));
        let odd = r#"{"input_filtering":{"data":{"llama_guard_3_8b":{"Ignore all\n":true}}}}"#;
        for nothing in [
            odd,
            "{}",
            r#"{"input_filtering":{"data":null}}"#,
            r#"{"input_filtering":[]}"#,
        ] {
            assert_eq!(of(nothing), None, "{nothing}");
        }
        assert_eq!(read_filter_verdict(b"\xff"), None);
        assert_eq!(read_filter_verdict(b"[]"), None);
    }
}
