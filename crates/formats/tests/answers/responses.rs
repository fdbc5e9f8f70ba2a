//! What only Responses have: tools in the agent's own form, and signatures that go through `encrypted_content`.

use coretap_formats::{AgentFormat, ModelFormat, answer};
use serde_json::{Value, json};

use crate::{options, translate};

/// A chat completion that calls a custom tool with these arguments.
fn called(arguments: &str) -> Vec<u8> {
    json!({"id": "chatcmpl-1", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant",
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "exec", "arguments": arguments}}]}}]})
    .to_string()
    .into_bytes()
}

#[test]
fn a_custom_tool_is_called_with_free_text() {
    for (arguments, input) in [
        (
            r#"{"input":"*** Begin \"Patch\"\n+\u00fc"}"#,
            "*** Begin \"Patch\"\n+ü",
        ),
        ("just text, no JSON", "just text, no JSON"),
        (r#"{"other":1}"#, r#"{"other":1}"#),
    ] {
        let options = options(ModelFormat::AzureChat, AgentFormat::Responses);
        let body = answer(&options, &called(arguments)).unwrap().body;
        let body: Value = serde_json::from_slice(&body).unwrap();
        let call = &body["output"][0];
        assert_eq!(
            (&call["type"], &call["input"]),
            (&json!("custom_tool_call"), &json!(input))
        );
    }
}

#[test]
fn a_stream_that_breaks_says_an_error_with_the_next_number() {
    for upstream in [ModelFormat::AzureResponses, ModelFormat::AzureChat] {
        let opening: &[u8] = match upstream {
            ModelFormat::AzureResponses => b"data: {\"type\":\"response.created\",\"response\":{}}\n\ndata: {\"type\":\"response.in_progress\",\"response\":{}}\n\n",
            _ => b"data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n",
        };
        let translated = translate(&options(upstream, AgentFormat::Responses), [opening]);
        let told = translated
            .told_failure
            .strip_prefix("event: error\ndata: ")
            .unwrap();
        let told: Value = serde_json::from_str(told).unwrap();
        assert_eq!(told["sequence_number"], 2, "{upstream:?}");
        assert!(told["error"]["message"].is_string());
    }
}
