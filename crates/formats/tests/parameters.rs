//! Parameters that a route or an answer has no place for, and values that no model takes.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use coretap_formats::{AgentFormat, ModelFormat, ReadError, UpstreamRequest};
use serde_json::{Value, json};

/// A request in the agent's format with these members beside the conversation.
fn body(agent: AgentFormat, members: &Value) -> Value {
    let mut body = match agent {
        AgentFormat::Messages | AgentFormat::ChatCompletions => {
            json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]})
        }
        AgentFormat::Responses => json!({"model": "m", "input": "Hi"}),
        AgentFormat::Gemini => json!({"contents": [{"parts": [{"text": "Hi"}]}]}),
    };
    for (name, value) in members.as_object().unwrap() {
        body.as_object_mut().unwrap().insert(name.clone(), value.clone());
    }
    body
}

fn send(
    agent: AgentFormat,
    members: &Value,
    format: ModelFormat,
    model: &str,
) -> Result<UpstreamRequest, ReadError> {
    common::write(agent, &body(agent, members), format, model)
}

fn sent(request: &UpstreamRequest) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[test]
fn several_choices_are_asked_for_only_where_the_answer_is_copied() {
    let chat = json!({"n": 3, "logprobs": true, "top_logprobs": 2});
    let gemini = json!({"generationConfig": {"candidateCount": 3, "responseLogprobs": true, "logprobs": 2}});
    let lost = ["n", "logprobs", "top_logprobs"];

    let copied = send(
        AgentFormat::ChatCompletions,
        &chat,
        ModelFormat::AzureChat,
        "gpt-4o",
    )
    .unwrap();
    assert_eq!(sent(&copied)["n"], 3);
    assert_eq!(copied.dropped, Vec::<String>::new());
    let copied = send(
        AgentFormat::Gemini,
        &gemini,
        ModelFormat::Vertex,
        "gemini-2.5-pro",
    )
    .unwrap();
    assert_eq!(sent(&copied)["generationConfig"]["candidateCount"], 3);

    for (agent, members, format, model) in [
        (
            AgentFormat::ChatCompletions,
            &chat,
            ModelFormat::Vertex,
            "gemini-2.5-pro",
        ),
        (
            AgentFormat::ChatCompletions,
            &chat,
            ModelFormat::Orchestration,
            "gpt-4o",
        ),
        (
            AgentFormat::ChatCompletions,
            &chat,
            ModelFormat::Claude,
            "anthropic--claude-4.5-sonnet",
        ),
        (AgentFormat::Gemini, &gemini, ModelFormat::AzureChat, "gpt-4o"),
        (AgentFormat::Gemini, &gemini, ModelFormat::Orchestration, "gpt-4o"),
    ] {
        let request = send(agent, members, format, model).unwrap();
        for name in lost {
            assert!(
                request.dropped.contains(&name.into()),
                "{agent:?} to {format:?}: {name}"
            );
        }
        let sent = sent(&request).to_string();
        for name in ["\"n\"", "ogprobs", "candidateCount"] {
            assert!(!sent.contains(name), "{agent:?} to {format:?}: {sent}");
        }
    }
    // One choice is what comes anyway.
    let one = json!({"n": 1, "logprobs": false});
    let request = send(
        AgentFormat::ChatCompletions,
        &one,
        ModelFormat::Vertex,
        "gemini-2.5-pro",
    )
    .unwrap();
    assert_eq!(request.dropped, Vec::<String>::new());
}

#[test]
fn the_key_of_the_prompt_cache_goes_where_azure_takes_it() {
    let members = json!({"prompt_cache_key": "k", "prompt_cache_retention": "24h", "user": "u"});
    let chat = send(
        AgentFormat::ChatCompletions,
        &members,
        ModelFormat::AzureChat,
        "gpt-4o",
    )
    .unwrap();
    assert_eq!(
        (sent(&chat).get("prompt_cache_key"), &sent(&chat)["user"]),
        (None, &json!("u"))
    );
    assert_eq!(chat.dropped, ["prompt_cache_key", "prompt_cache_retention"]);
    let responses = send(
        AgentFormat::ChatCompletions,
        &members,
        ModelFormat::AzureResponses,
        "gpt-5.5",
    )
    .unwrap();
    assert_eq!(
        (&sent(&responses)["prompt_cache_key"], &sent(&responses)["user"]),
        (&json!("k"), &json!("u"))
    );
    assert_eq!(responses.dropped, ["prompt_cache_retention"]);
}

#[test]
fn a_value_that_no_model_takes_is_refused_with_what_it_may_be() {
    use AgentFormat::{ChatCompletions, Gemini, Messages, Responses};
    let limit = "expected a whole number, 1 or more";
    let temperature = "expected a number from 0 to 2";
    for (agent, members, member, expected) in [
        (Messages, json!({"max_tokens": 0}), "max_tokens", limit),
        (Messages, json!({"max_tokens": -5}), "max_tokens", limit),
        (Messages, json!({"max_tokens": "100"}), "max_tokens", limit),
        (Messages, json!({"max_tokens": 1.5}), "max_tokens", limit),
        (
            ChatCompletions,
            json!({"max_completion_tokens": 0}),
            "max_completion_tokens",
            limit,
        ),
        (
            Responses,
            json!({"max_output_tokens": 0}),
            "max_output_tokens",
            limit,
        ),
        (
            Gemini,
            json!({"generationConfig": {"maxOutputTokens": 0}}),
            "generationConfig.maxOutputTokens",
            limit,
        ),
        (Messages, json!({"temperature": -0.1}), "temperature", temperature),
        (
            ChatCompletions,
            json!({"temperature": 2.1}),
            "temperature",
            temperature,
        ),
        (
            Responses,
            json!({"temperature": "0.5"}),
            "temperature",
            temperature,
        ),
        (Responses, json!({"temperature": {}}), "temperature", temperature),
        (
            Gemini,
            json!({"generation_config": {"top_p": 7}}),
            "generationConfig.topP",
            "expected a number from 0 to 1",
        ),
        (
            ChatCompletions,
            json!({"presence_penalty": 3}),
            "presence_penalty",
            "expected a number from -2 to 2",
        ),
        (ChatCompletions, json!({"n": 0}), "n", limit),
        (
            Gemini,
            json!({"generationConfig": {"candidateCount": -1}}),
            "generationConfig.candidateCount",
            limit,
        ),
    ] {
        for (format, model) in [
            (ModelFormat::Claude, "anthropic--claude-4.5-sonnet"),
            (ModelFormat::AzureChat, "gpt-5"),
        ] {
            let error = send(agent, &members, format, model).unwrap_err();
            assert_eq!(
                (error.path.as_str(), error.problem.as_str()),
                (member, expected),
                "{members}"
            );
        }
    }
}

#[test]
fn a_value_at_its_bound_or_of_none_is_sent() {
    let members = json!({
        "temperature": 2.0, "top_p": 0, "presence_penalty": -2, "frequency_penalty": null, "max_tokens": 100.0,
    });
    let request = send(
        AgentFormat::ChatCompletions,
        &members,
        ModelFormat::AzureChat,
        "gpt-4o",
    )
    .unwrap();
    let sent = sent(&request);
    assert_eq!((&sent["temperature"], &sent["top_p"]), (&json!(2.0), &json!(0)));
    assert_eq!(
        (&sent["presence_penalty"], &sent["max_tokens"]),
        (&json!(-2), &json!(100))
    );
}

/// Claude thinks only where it is told to; the others think anyway, and an effort says how much.
#[test]
fn an_effort_without_thinking_switches_no_thinking_on() {
    let members = json!({"output_config": {"effort": "low"}});
    let gpt = send(AgentFormat::Messages, &members, ModelFormat::AzureChat, "gpt-5").unwrap();
    assert_eq!(sent(&gpt)["reasoning_effort"], "low");
    assert_eq!(gpt.dropped, Vec::<String>::new());
    let responses = send(
        AgentFormat::Messages,
        &members,
        ModelFormat::AzureResponses,
        "gpt-5.5",
    )
    .unwrap();
    assert_eq!(sent(&responses)["reasoning"]["effort"], "low");
    for (format, model) in [
        (ModelFormat::Orchestration, "anthropic--claude-4.5-sonnet"),
        (ModelFormat::AzureChat, "gpt-4o"),
    ] {
        let request = send(AgentFormat::Messages, &members, format, model).unwrap();
        assert!(!sent(&request).to_string().contains("effort"), "{model}");
        assert_eq!(request.dropped, ["output_config.effort"], "{model}");
    }
}
