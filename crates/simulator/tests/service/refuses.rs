//! What one tenant refuses on a test's wish, in each service's own words.

use coretap_simulator::Options;
use serde_json::{Value, json};

use crate::client::{EMBEDDING, GPT_4O, GPT_5, ORCHESTRATION, Running, SONNET};

fn claude() -> Value {
    json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 2_000, "top_k": 5,
        "anthropic_beta": ["interleaved-thinking-2025-05-14"],
        "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {"top_p": {}}}, "strict": true}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}]})
}

fn gpt() -> Value {
    json!({"max_tokens": 2_000, "seed": 5,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {
            "type": "object", "properties": {}, "additionalProperties": false
        }, "strict": true}}],
        "messages": [{"role": "user", "content": "x"}]})
}

fn responses() -> Value {
    json!({"max_output_tokens": 2_000, "truncation": "auto",
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {"user": {}}}, "strict": false}],
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}], "status": "completed"}]})
}

fn harmonized() -> Value {
    json!({"config": {"modules": {"prompt_templating": {
        "prompt": {"template": [{"role": "user", "content": [
            {"type": "text", "text": "x"}]}]},
        "model": {"name": "gemini-2.5-pro", "params": {"max_tokens": 2_000, "seed": 5}, "timeout": 600}
    }}}})
}

fn vectors() -> Value {
    json!({"config": {"modules": {"embeddings": {"model": {"name": "text-embedding-3-small",
        "params": {"encoding_format": "base64"}, "max_retries": 0}}}}, "input": {"text": "x"}})
}

#[tokio::test]
async fn a_tenant_refuses_more_than_others_when_a_test_wants_it() {
    let member = |name: &str| json!({"member": name});
    let cases = [
        (
            SONNET,
            "/invoke",
            claude(),
            member("top_k"),
            "top_k: Extra inputs are not permitted",
        ),
        (
            SONNET,
            "/invoke",
            claude(),
            member("strict"),
            "tools.0.custom.strict: Extra inputs are not permitted",
        ),
        (
            SONNET,
            "/invoke",
            claude(),
            member("cache_control"),
            "messages.0.content.0.text.cache_control: Extra inputs are not permitted",
        ),
        (
            SONNET,
            "/invoke",
            claude(),
            json!({"beta": "interleaved-thinking-2025-05-14"}),
            "invalid beta flag",
        ),
        (
            SONNET,
            "/invoke",
            claude(),
            json!({"output_tokens": 1_000}),
            "max_tokens: 2000 > 1000, which is the maximum allowed number of output tokens for",
        ),
        (
            GPT_4O,
            "/chat/completions?api-version=1",
            gpt(),
            member("seed"),
            "Unrecognized request argument supplied: seed",
        ),
        (
            GPT_4O,
            "/chat/completions?api-version=1",
            gpt(),
            member("strict"),
            "Unknown parameter: 'tools[0].function.strict'.",
        ),
        (
            GPT_4O,
            "/chat/completions?api-version=1",
            gpt(),
            json!({"output_tokens": 1_000}),
            "max_tokens is too large: 2000. This model supports at most 1000 completion tokens",
        ),
        (
            GPT_5,
            "/responses",
            responses(),
            member("truncation"),
            "Unknown parameter: 'truncation'.",
        ),
        (
            GPT_5,
            "/responses",
            responses(),
            member("strict"),
            "Unknown parameter: 'tools[0].strict'.",
        ),
        (
            GPT_5,
            "/responses",
            responses(),
            member("status"),
            "Unknown parameter: 'input[0].status'.",
        ),
        (
            GPT_5,
            "/responses",
            responses(),
            json!({"output_tokens": 1_000}),
            "Invalid 'max_output_tokens': integer above maximum value. Expected a value <= 1000, but got 2000 instead.",
        ),
        (
            ORCHESTRATION,
            "/v2/completion",
            harmonized(),
            member("seed"),
            "400 - LLM Module: Unknown field for GenerationConfig: seed",
        ),
        (
            EMBEDDING,
            "/embeddings?api-version=1",
            json!({"input": "x", "user": "u"}),
            member("user"),
            "Unrecognized request argument supplied: user",
        ),
        (
            ORCHESTRATION,
            "/v2/embeddings",
            vectors(),
            member("encoding_format"),
            "400 - Embedding Module: Unrecognized request argument supplied: encoding_format",
        ),
        (
            ORCHESTRATION,
            "/v2/embeddings",
            vectors(),
            member("max_retries"),
            "400 - Request Body: Additional properties are not allowed ('max_retries' was unexpected) - \
             'config.modules.embeddings.model'",
        ),
        (
            ORCHESTRATION,
            "/v2/completion",
            harmonized(),
            member("timeout"),
            "400 - Request Body: Additional properties are not allowed ('timeout' was unexpected) - \
             'config.modules.prompt_templating.model'",
        ),
    ];
    for (deployment, path, body, refuses, words) in cases {
        let running = Running::with(Options::default()).await;
        let taken = running.call(deployment, path, &body).await;
        assert_eq!(taken.status, 200, "{refuses}: {}", taken.text());
        running
            .control("POST", "settings", &json!({"refuses": [refuses]}))
            .await;
        let refused = running.call(deployment, path, &body).await;
        assert_eq!(refused.status, 400, "{refuses}");
        let reply = refused.json();
        let message = reply.pointer("/error/message").unwrap_or(&reply["message"]);
        assert!(
            message.as_str().unwrap().starts_with(words),
            "{refuses}: {message}"
        );
    }
    let running = Running::start().await;
    running
        .control("POST", "settings", &json!({"refuses": [member("top_p")]}))
        .await;
    assert_eq!(
        running.call(SONNET, "/invoke", &claude()).await.status,
        200,
        "a schema is the person's own"
    );
}
