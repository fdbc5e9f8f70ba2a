//! What a vendor's models want of a conversation they want behind orchestration too.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use coretap_formats::rules::Rules;
use coretap_formats::{
    AgentFormat, ModelFormat, OrchestrationModules, RequestHead, Target, UpstreamRequest, write_request,
};
use serde_json::{Value, json};

fn orchestrate(model: &str, fallbacks: &[&str], body: &Value) -> UpstreamRequest {
    let modules = OrchestrationModules {
        fallbacks: fallbacks.iter().map(|name| (*name).to_owned()).collect(),
        ..OrchestrationModules::default()
    };
    let rules = Rules::embedded().for_model_with(ModelFormat::Orchestration, model, &modules);
    let target = Target {
        format: ModelFormat::Orchestration,
        model,
        long_context: false,
        rules: &rules,
        responses: None,
    };
    let head = RequestHead {
        format: AgentFormat::ChatCompletions,
        betas: "",
        streams: false,
    };
    write_request(&head, body.to_string().as_bytes(), &target).unwrap()
}

/// The messages in the order in which the model sees them, and the first model's module.
fn seen(request: &UpstreamRequest) -> (Vec<Value>, Value) {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let modules = &body["config"]["modules"];
    let module = modules.get(0).unwrap_or(modules)["prompt_templating"].clone();
    let mut messages = body["messages_history"].as_array().unwrap().clone();
    messages.extend(module["prompt"]["template"].as_array().unwrap().iter().cloned());
    (messages, module)
}

/// A conversation with a call, a word behind its result, and a beginning of the answer.
fn conversation() -> Value {
    json!({
        "model": "m", "stop": ["END"], "temperature": 1.9, "response_format": {"type": "json_object"},
        "messages": [
            {"role": "user", "content": "Look"},
            {"role": "assistant", "tool_calls": [
                {"id": "call_that_is_long", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "call_that_is_long", "content": "seen"},
            {"role": "user", "content": "Go on"},
            {"role": "assistant", "content": "Well,"},
        ],
        "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
    })
}

fn roles(messages: &[Value]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect()
}

#[test]
fn mistral_has_short_ids_and_no_user_behind_results() {
    let request = orchestrate("mistralai--mistral-medium-instruct", &[], &conversation());
    let (messages, module) = seen(&request);
    assert_eq!(
        roles(&messages),
        [
            "user",
            "assistant",
            "tool",
            "assistant",
            "user",
            "assistant",
            "user"
        ]
    );
    let id = messages[1]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(
        id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "{id}"
    );
    assert_eq!(messages[2]["tool_call_id"], id);
    assert_eq!(module["model"]["params"]["temperature"], 1.5);
    assert!(request.dropped.contains(&"assistant prefill".into()));
}

#[test]
fn perplexity_has_no_tools_and_no_stop() {
    let request = orchestrate("sonar-pro", &[], &conversation());
    let (messages, module) = seen(&request);
    assert_eq!(
        roles(&messages),
        ["system", "user", "assistant", "user", "assistant", "user"]
    );
    assert_eq!(module["prompt"].get("tools"), None);
    assert_eq!(module["prompt"].get("response_format"), None);
    assert_eq!(module["model"]["params"].get("stop"), None);
    for lost in ["tools", "stop", "assistant prefill"] {
        assert!(request.dropped.contains(&lost.into()), "{lost}");
    }
}

#[test]
fn cohere_and_nova_have_their_bounds() {
    let (messages, module) = seen(&orchestrate("cohere--command-a-reasoning", &[], &conversation()));
    assert_eq!(roles(&messages).last(), Some(&"user"));
    assert_eq!(module["model"]["params"]["temperature"].as_f64(), Some(1.0));
    let (messages, module) = seen(&orchestrate("amazon--nova-pro", &[], &conversation()));
    assert_eq!(roles(&messages).last(), Some(&"assistant"));
    assert_eq!(module["model"]["params"]["temperature"].as_f64(), Some(1.0));
}

/// The models of a list share the history.
#[test]
fn a_fallback_finds_a_history_that_it_takes() {
    let request = orchestrate(
        "gpt-4o",
        &["mistralai--mistral-medium-instruct", "sonar-pro"],
        &conversation(),
    );
    let (messages, first) = seen(&request);
    assert_eq!(messages[1]["tool_calls"][0]["id"].as_str().unwrap().len(), 9);
    assert_eq!(roles(&messages)[..4], ["user", "assistant", "tool", "assistant"]);
    assert!(first["prompt"]["tools"].is_array());
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let last = &body["config"]["modules"][2]["prompt_templating"];
    assert_eq!(last["prompt"].get("tools"), None, "it knows none");
    assert!(!request.dropped.contains(&"tools".into()));
}

/// Amazon wants the tools of a conversation that calls some; agents leave them out when they ask for a summary.
#[test]
fn nova_is_told_of_earlier_calls_where_no_tools_are_offered() {
    let mut body = conversation();
    body.as_object_mut().unwrap().remove("tools");
    let (messages, _) = seen(&orchestrate("amazon--nova-pro", &[], &body));
    assert!(!roles(&messages).contains(&"tool"), "{messages:#?}");
    assert!(
        messages.iter().all(|message| message.get("tool_calls").is_none()),
        "{messages:#?}"
    );
    let told = json!(messages).to_string();
    assert!(told.contains("Called "), "{told}");
}

#[test]
fn gemini_ends_with_the_user() {
    let body = json!({"model": "m", "messages": [
        {"role": "user", "content": "Count."}, {"role": "assistant", "content": "One,"}]});
    let (messages, _) = seen(&orchestrate("gemini-2.5-pro", &[], &body));
    assert_eq!(roles(&messages).last(), Some(&"user"), "{messages:#?}");
}

#[test]
fn perplexity_and_cohere_know_no_penalties_as_openai_has_them() {
    let body = json!({"model": "m", "temperature": 2, "frequency_penalty": -1.5, "presence_penalty": 1.5,
        "messages": [{"role": "user", "content": "hi"}]});
    for model in ["sonar", "cohere--command-a-reasoning"] {
        let request = orchestrate(model, &[], &body);
        let (_, module) = seen(&request);
        let parameters = &module["model"]["params"];
        assert!(parameters.get("frequency_penalty").is_none(), "{module}");
        assert!(parameters.get("presence_penalty").is_none(), "{module}");
        assert!(parameters["temperature"].as_f64().unwrap() < 2.0, "{module}");
    }
}
