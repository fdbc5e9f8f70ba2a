//! Parameters that a route or an answer has no place for, and values that no model takes.
#![expect(clippy::unwrap_used, reason = "tests")]

use coretap_formats::rules::Rules;
use coretap_formats::{
    AgentFormat, ModelFormat, ReadError, RequestHead, Target, UpstreamRequest, write_request,
};
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
    let rules = Rules::embedded().for_model(format, model);
    let target = Target {
        format,
        model,
        long_context: false,
        rules: &rules,
        responses: None,
    };
    let head = RequestHead {
        format: agent,
        betas: "",
        streams: false,
    };
    write_request(&head, body(agent, members).to_string().as_bytes(), &target)
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
