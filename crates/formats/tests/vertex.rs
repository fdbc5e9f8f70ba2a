//! What Vertex refuses and agents that speak Google's own format send all the same.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use coretap_formats::{AgentFormat, ModelFormat, ReadError};
use serde_json::{Value, json};

/// What a deployment gets of these members beside a plain conversation, and what was left out.
fn send(format: ModelFormat, model: &str, members: &Value) -> Result<(Value, Vec<String>), ReadError> {
    let mut body = json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]});
    for (name, value) in members.as_object().unwrap() {
        body.as_object_mut().unwrap().insert(name.clone(), value.clone());
    }
    let request = common::write(AgentFormat::Gemini, &body, format, model)?;
    let dropped = request.dropped.iter().map(ToString::to_string).collect();
    Ok((serde_json::from_slice(&request.body).unwrap(), dropped))
}

fn to_vertex(members: &Value) -> (Value, Vec<String>) {
    send(ModelFormat::Vertex, "gemini-2.5-pro", members).unwrap()
}

#[test]
fn the_choice_among_tools_is_spelled_as_google_does_and_names_only_tools_that_there_are() {
    let tools = json!([{"functionDeclarations": [{"name": "look"}, {"name": "find"}]}]);
    let cases = [
        (json!({"mode": "ANY"}), json!({"mode": "ANY"}), ""),
        (
            json!({"mode": "ANY", "allowed_function_names": ["look"]}),
            json!({"mode": "ANY", "allowedFunctionNames": ["look"]}),
            "",
        ),
        (
            json!({"mode": "any", "allowed_function_names": ["look", "gone", "find"]}),
            json!({"mode": "ANY", "allowedFunctionNames": ["look", "find"]}),
            "tool_choice",
        ),
        (
            json!({"mode": "ANY", "allowed_function_names": ["lost", "gone"]}),
            json!({"mode": "AUTO"}),
            "tool_choice",
        ),
        (
            json!({"mode": "ANY", "allowed_function_names": ["gone"]}),
            json!({"mode": "AUTO"}),
            "tool_choice",
        ),
        (
            json!({"mode": "VALIDATED", "allowed_function_names": ["look"]}),
            json!({"mode": "VALIDATED", "allowedFunctionNames": ["look"]}),
            "",
        ),
        (
            json!({"mode": "AUTO", "allowed_function_names": ["look"]}),
            json!({"mode": "AUTO"}),
            "tool_choice",
        ),
        (json!({"mode": "NONE"}), json!({"mode": "NONE"}), ""),
    ];
    for (given, expected, lost) in cases {
        let members = json!({"tools": tools, "tool_config": {"function_calling_config": given}});
        let (sent, dropped) = to_vertex(&members);
        assert_eq!(
            sent["toolConfig"],
            json!({"functionCallingConfig": expected}),
            "{given}"
        );
        assert_eq!(dropped.join(" "), lost, "{given}");
    }
    let (sent, dropped) = to_vertex(&json!({"tools": tools, "toolConfig": {
        "functionCallingConfig": {"mode": "ANY"}, "retrieval_config": {"languageCode": "de"}}}));
    assert_eq!(
        sent["toolConfig"],
        json!({"functionCallingConfig": {"mode": "ANY"}})
    );
    assert_eq!(dropped, ["toolConfig.retrievalConfig"]);
}

#[test]
fn whole_numbers_are_written_as_such() {
    let config = json!({"generation_config": {
        "top_k": 40.0, "seed": 7.0, "max_output_tokens": 100.0, "candidate_count": 1.0,
        "thinking_config": {"thinking_budget": 1024.0}}});
    let (sent, dropped) = to_vertex(&config);
    assert_eq!(
        sent["generationConfig"],
        json!({
            "topK": 40, "seed": 7, "maxOutputTokens": 100, "candidateCount": 1,
            "thinkingConfig": {"includeThoughts": false, "thinkingBudget": 1024},
        })
    );
    assert_eq!(dropped, Vec::<String>::new());
    let claude = json!({"generationConfig": {"topK": 4e1}});
    let (sent, _) = send(ModelFormat::Claude, "anthropic--claude-4.5-sonnet", &claude).unwrap();
    assert_eq!(sent["top_k"], 40);

    for (config, problem) in [
        (
            json!({"topK": 64.5}),
            "generationConfig.topK: expected a whole number",
        ),
        (
            json!({"seed": 1.5}),
            "generationConfig.seed: expected a whole number",
        ),
        (
            json!({"thinkingConfig": {"thinkingBudget": 0.5}}),
            "generationConfig.thinkingConfig.thinkingBudget: expected a whole number, -1 or more",
        ),
    ] {
        let error = send(
            ModelFormat::Vertex,
            "gemini-2.5-pro",
            &json!({"generationConfig": config}),
        );
        assert_eq!(error.unwrap_err().to_string(), problem);
    }
}

#[test]
fn a_seed_has_32_bits() {
    for (seed, sent_seed) in [
        (json!(-2_147_483_648_i64), Some(json!(-2_147_483_648_i64))),
        (json!(2_147_483_648_u64), None),
    ] {
        let (sent, dropped) = to_vertex(&json!({"generationConfig": {"seed": seed}}));
        assert_eq!(sent["generationConfig"].get("seed"), sent_seed.as_ref());
        assert_eq!(dropped.join(" "), if sent_seed.is_some() { "" } else { "seed" });
    }
}
