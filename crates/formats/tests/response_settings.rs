//! A translated answer of Responses repeats the settings of its request.
#![expect(clippy::unwrap_used, reason = "tests")]

use coretap_formats::rules::Rules;
use coretap_formats::{
    AgentFormat, AnswerOptions, ModelFormat, RequestHead, Target, answer, answer_as_stream, write_request,
};
use serde_json::{Value, json};

fn options(body: &str) -> AnswerOptions {
    let format = ModelFormat::Orchestration;
    let rules = Rules::embedded().for_model(format, "gpt-4o");
    let target = Target {
        format,
        model: "gpt-4o",
        long_context: false,
        rules: &rules,
        responses: None,
    };
    let head = RequestHead {
        format: AgentFormat::Responses,
        betas: "",
        streams: false,
    };
    let request = write_request(&head, body.as_bytes(), &target).unwrap();
    AnswerOptions {
        agent: AgentFormat::Responses,
        upstream: format,
        model: "m".to_owned(),
        id: "1".to_owned(),
        created: 0,
        include_usage: false,
        has_fallbacks: false,
        as_array: false,
        tools: request.tools,
        settings: request.settings,
        estimated_input: 0,
    }
}

/// The response objects of a whole answer and of every event of a stream that holds one.
fn told(request: &Value) -> Vec<Value> {
    // Over several lines, as a person writes it: an event has one.
    let options = options(&serde_json::to_string_pretty(request).unwrap());
    let upstream = json!({"request_id": "r", "final_result": {"id": "c", "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}]}})
    .to_string();
    let whole = answer(&options, upstream.as_bytes()).unwrap().body;
    let mut told = vec![serde_json::from_slice::<Value>(&whole).unwrap()];
    let stream = answer_as_stream(&options, upstream.as_bytes()).unwrap().body;
    for line in String::from_utf8(stream)
        .unwrap()
        .lines()
        .filter(|line| !line.is_empty())
    {
        if let Some(payload) = line.strip_prefix("data: ") {
            let event: Value = serde_json::from_str(payload).unwrap();
            told.extend(event.get("response").cloned());
        } else {
            assert!(line.starts_with("event: "), "{line}");
        }
    }
    assert_eq!(told.len(), 4, "whole, created, in progress and completed");
    told
}

#[test]
fn what_the_agent_has_set_comes_back_word_for_word() {
    let settings = json!({
        "instructions": "Be\nshort.", "max_output_tokens": 4000, "metadata": {"run": "5"}, "parallel_tool_calls": false,
        "prompt_cache_key": "k", "reasoning": {"effort": "high", "summary": "auto"}, "temperature": 0.5, "top_p": 0.25,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}, "verbosity": "low"},
        "tool_choice": {"type": "function", "name": "look"}, "truncation": "auto", "user": "u",
        "tools": [
            {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}, "strict": null},
            {"type": "custom", "name": "patch"},
        ],
    });
    let mut request = settings.clone();
    request["model"] = json!("m");
    request["input"] = json!("Hi");
    for response in told(&request) {
        for (name, value) in settings.as_object().unwrap() {
            assert_eq!(&response[name], value, "{name}");
        }
        assert_eq!(response["store"], false);
    }
}

#[test]
fn what_the_agent_has_not_set_is_the_default() {
    let request = json!({"model": "m", "input": "Hi", "temperature": null, "text": {"verbosity": "low"}, "store": true});
    for response in told(&request) {
        let expected = json!({
            "instructions": null, "max_output_tokens": null, "metadata": {}, "parallel_tool_calls": true,
            "reasoning": {"effort": null, "summary": null}, "temperature": null, "top_p": null,
            "text": {"format": {"type": "text"}, "verbosity": "low"}, "tool_choice": "auto", "tools": [],
            "truncation": "disabled", "user": null, "store": false, "previous_response_id": null,
        });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(response.get(name), Some(value), "{name}");
        }
        assert_eq!(response.get("prompt_cache_key"), None);
    }
}
