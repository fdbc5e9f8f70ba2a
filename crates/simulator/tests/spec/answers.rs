//! What the simulator answers against SAP's spec: whole answers, each event of a stream, and errors.

use jsonschema::Validator;
use serde_json::{Value, json};

use super::client::{HUB_ORCHESTRATION, Running};
use super::{spec, validator};

/// Requests whose answers have every member that answers may have.
fn requests() -> Vec<Value> {
    let read = json!({"type": "function", "function": {"name": "read_file", "parameters": {
        "type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]
    }}});
    let ask = |model: &str, text: &str, params: Value| {
        json!({"config": {"modules": {"prompt_templating": {
            "prompt": {"template": [{"role": "user", "content": text}], "tools": [read]},
            "model": {"name": model, "params": params}
        }}}})
    };
    let with = |mut body: Value, name: &str, module: Value| {
        body["config"]["modules"][name] = module;
        body
    };
    let claude = "anthropic--claude-4.5-sonnet";
    let filters = json!({"filters": [{"type": "azure_content_safety", "config": {"hate": 0}}]});
    let masking = json!({"providers": [{
        "type": "sap_data_privacy_integration", "method": "pseudonymization", "entities": [{"type": "profile-email"}]
    }]});
    let mut list = ask("gpt-4o", "hello", json!({}));
    let mut unknown = list["config"]["modules"].clone();
    unknown["prompt_templating"]["model"]["name"] = json!("gpt-9");
    list["config"]["modules"] = json!([unknown, list["config"]["modules"]]);
    let mut none = list.clone();
    none["config"]["modules"] = json!([unknown]);
    vec![
        ask("gpt-4o", "hello", json!({"n": 2})),
        ask("gpt-4o", "Read a.txt and b.txt", json!({"max_tokens": 2})),
        ask(claude, "Read a.txt and b.txt", json!({"reasoning_effort": "low"})),
        ask("gemini-2.5-pro", "hello", json!({"reasoning_effort": "low"})),
        with(
            ask("gpt-4o", "severity:hate=2", json!({})),
            "filtering",
            json!({"input": filters}),
        ),
        with(
            ask("gpt-4o", "severity:hate=2", json!({})),
            "filtering",
            json!({"output": filters}),
        ),
        with(
            ask("gpt-4o", "mail to a.b@example.com", json!({})),
            "masking",
            masking,
        ),
        list,
        none,
        ask("gpt-9", "hello", json!({})),
        ask("gpt-4o", "{{?x}}", json!({})),
        ask(claude, "hello", json!({"beta": true})),
        json!({}),
    ]
}

fn fits(validator: &Validator, answer: &Value) {
    let faults: Vec<String> = validator
        .iter_errors(answer)
        .map(|error| format!("{} {error}", error.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{faults:#?} in {answer}");
}

#[tokio::test]
async fn what_the_simulator_answers_is_what_the_spec_has() {
    let Some(spec) = spec() else { return };
    let [whole, event, error, error_event] = [
        "CompletionPostResponse",
        "CompletionPostResponseStreaming",
        "ErrorResponse",
        "ErrorResponseStreaming",
    ]
    .map(|name| validator(&spec, name));
    let running = Running::start().await;
    let (mut answered, mut refused) = (0, 0);
    for body in requests() {
        let reply = running.call(HUB_ORCHESTRATION, "/v2/completion", &body).await;
        if reply.status == 200 {
            answered += 1;
            fits(&whole, &reply.json());
        } else {
            refused += 1;
            fits(&error, &reply.json());
        }
        let mut streamed = body.clone();
        streamed["config"]["stream"] = json!({"enabled": true, "chunk_size": 1});
        let reply = running.call(HUB_ORCHESTRATION, "/v2/completion", &streamed).await;
        if reply.status != 200 {
            fits(&error, &reply.json());
            continue;
        }
        for said in reply.events().iter().filter(|said| said.is_object()) {
            fits(
                if said.get("error").is_some() {
                    &error_event
                } else {
                    &event
                },
                said,
            );
        }
    }
    assert_eq!((answered, refused), (7, 6));
}
