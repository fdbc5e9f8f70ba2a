//! What Bedrock refuses of a Converse request, in its words.

use serde_json::{Value, json};

use super::converse::{ask, blocks, said, user, weather, with};
use crate::client::{NOVA_MICRO, NOVA_PRO, Running, TITAN};

#[tokio::test]
async fn what_bedrock_refuses_is_refused_in_its_words() {
    let running = Running::start().await;
    let png =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let image = json!({"image": {"format": "png", "source": {"bytes": png}}});
    let messages = |messages: Value| json!({"messages": messages, "toolConfig": weather()});
    let call = |id: &str| json!({"toolUse": {"toolUseId": id, "name": "get_weather", "input": {}}});
    let called = json!({"role": "assistant", "content": [call("c1")]});
    let result = |id: &str| json!({"toolResult": {"toolUseId": id, "content": [{"text": "r"}]}});
    let results = |ids: &[&str]| {
        let results: Vec<Value> = ids.iter().map(|id| result(id)).collect();
        json!({"role": "user", "content": results})
    };
    let point = json!({"cachePoint": {"type": "default"}});
    let config = |config: Value| with(said("x"), "inferenceConfig", config);
    let tools = |tools: Value| with(said("x"), "toolConfig", json!({ "tools": tools }));
    let cases: Vec<(&str, Value, &str)> = vec![
        (
            NOVA_PRO,
            with(said("x"), "modelId", json!("nova")),
            "#: extraneous key [modelId] is not permitted",
        ),
        (NOVA_PRO, json!({}), "#: required key [messages] not found"),
        (
            NOVA_PRO,
            json!({"messages": []}),
            "#/messages: expected minimum count: 1",
        ),
        (
            NOVA_PRO,
            json!({"messages": [{"role": "system", "content": [{"text": "x"}]}]}),
            "#/messages/0/role: \\\"system\\\" is not a valid enum value",
        ),
        (
            NOVA_PRO,
            json!({"messages": [{"role": "user", "content": "x"}]}),
            "#/messages/0/content: expected type: array",
        ),
        (
            NOVA_PRO,
            blocks(json!([{"text": "x", "cache_control": {}}])),
            "#/messages/0/content/0: extraneous key [cache_control]",
        ),
        (
            NOVA_PRO,
            blocks(json!([{"text": "x", "cachePoint": {"type": "default"}}])),
            "#/messages/0/content/0: expected maximum count: 1",
        ),
        (NOVA_PRO, blocks(json!([])), "object at messages.0 is empty"),
        (
            NOVA_PRO,
            blocks(json!([{"text": " \n"}])),
            "object at messages.0.content.0 is blank",
        ),
        (
            NOVA_PRO,
            with(said("x"), "system", json!([{"text": " "}])),
            "SystemContentBlock object at system.0 is blank",
        ),
        (
            NOVA_PRO,
            messages(json!([{"role": "assistant", "content": [{"text": "x"}]}])),
            "must start with a user message",
        ),
        (
            NOVA_PRO,
            messages(json!([user("x"), user("y")])),
            "must alternate between user and assistant",
        ),
        (
            NOVA_PRO,
            messages(json!([user("x"), {"role": "assistant", "content": [{"text": "x"}]}])),
            "doesn't support assistant message prefill",
        ),
        (
            NOVA_PRO,
            messages(json!([user("x"), called, user("y")])),
            "Expected toolResult blocks at messages.2.content for the following Ids: c1",
        ),
        (
            NOVA_PRO,
            messages(json!([user("x"), called, results(&["c1", "c2"])])),
            "contain unexpected Ids: c2",
        ),
        (
            NOVA_PRO,
            messages(json!([user("x"), called, results(&["c1", "c1"])])),
            "contain duplicate Ids: c1",
        ),
        (
            NOVA_PRO,
            messages(json!([results(&["c1"])])),
            "contain unexpected Ids: c1",
        ),
        (
            NOVA_PRO,
            messages(
                json!([user("x"), {"role": "assistant", "content": [call("c1"), call("c1")]}, results(&["c1"])]),
            ),
            "toolUse blocks at messages.1.content contain duplicate Ids: c1",
        ),
        (
            NOVA_PRO,
            json!({"messages": [user("x"), called, results(&["c1"])]}),
            "The toolConfig field must be defined",
        ),
        (
            NOVA_PRO,
            messages(json!([user("x"), {"role": "assistant", "content": [image]}, user("y")])),
            "can only be in a message of the user role",
        ),
        (
            NOVA_MICRO,
            blocks(json!([{"text": "x"}, image])),
            "doesn't support the image content block",
        ),
        (
            NOVA_PRO,
            blocks(json!([{"text": "x"}, {"image": {"format": "jpeg", "source": {"bytes": png}}}])),
            "does not match the provided media type image/jpeg",
        ),
        (
            NOVA_PRO,
            blocks(json!([{"text": "x"}, {"image": {"format": "png", "source": {"s3Location": {}}}}])),
            "required key [bytes] not found",
        ),
        (
            NOVA_PRO,
            blocks(json!([{"document": {"format": "pdf", "name": "a", "source": {"bytes": "JVBERi0="}}}])),
            "holds a document and no text",
        ),
        (
            NOVA_PRO,
            blocks(
                json!([{"text": "x"}, {"document": {"format": "pdf", "name": "a.pdf", "source": {"bytes": "JVBERi0="}}}]),
            ),
            "can only contain alphanumeric characters",
        ),
        (
            NOVA_PRO,
            blocks(json!([point, {"text": "x"}])),
            "must follow another block",
        ),
        (
            NOVA_PRO,
            blocks(json!([{"text": "x"}, point, point, point, point, point])),
            "up to 4 cache points in a request. Found 5",
        ),
        (
            NOVA_PRO,
            blocks(json!([{"text": "x"}, {"cachePoint": {"type": "default", "ttl": "1h"}}])),
            "doesn't support the ttl field",
        ),
        (
            NOVA_PRO,
            tools(json!([])),
            "#/toolConfig/tools: expected minimum count: 1",
        ),
        (
            NOVA_PRO,
            tools(json!([weather()["tools"][0], weather()["tools"][0]])),
            "Duplicate name: get_weather",
        ),
        (
            NOVA_PRO,
            tools(json!([weather()["tools"][0], point])),
            "doesn't support cachePoint in toolConfig",
        ),
        (
            NOVA_PRO,
            tools(json!([{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "string"}}}}])),
            "#/toolConfig/tools/0/toolSpec/inputSchema/json/type",
        ),
        (
            NOVA_PRO,
            tools(json!([{"toolSpec": {"name": "f.g", "inputSchema": {"json": {"type": "object"}}}}])),
            "does not match pattern",
        ),
        (
            NOVA_PRO,
            with(
                said("x"),
                "toolConfig",
                json!({"tools": weather()["tools"], "toolChoice": {"tool": {"name": "f"}}}),
            ),
            "The tool f in toolConfig.toolChoice",
        ),
        (
            NOVA_PRO,
            with(
                said("x"),
                "toolConfig",
                json!({"tools": weather()["tools"], "toolChoice": {"none": {}}}),
            ),
            "extraneous key [none]",
        ),
        (
            NOVA_PRO,
            config(json!({"maxTokens": 10_001})),
            "exceeds the model limit of 10000",
        ),
        (
            NOVA_PRO,
            config(json!({"temperature": 1.5})),
            "1.5 is not less or equal to 1",
        ),
        (NOVA_PRO, config(json!({"topK": 5})), "extraneous key [topK]"),
        (
            NOVA_PRO,
            config(json!({"stopSequences": ["a", "b", "c", "d", "e"]})),
            "expected maximum count: 4",
        ),
        (
            NOVA_PRO,
            with(
                said("x"),
                "additionalModelRequestFields",
                json!({"inferenceConfig": {"topK": 200}}),
            ),
            "is not between 1 and 128",
        ),
        (TITAN, said("x"), "This action doesn't support the model"),
    ];
    for (deployment, body, words) in cases {
        let reply = ask(&running, deployment, &body).await;
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
        assert!(reply.json()["message"].is_string());
        assert!(reply.text().contains(words), "{words}: {}", reply.text());
    }
    let fields = json!({"inferenceConfig": {"topK": 20}});
    let taken = with(said("x"), "additionalModelRequestFields", fields);
    assert_eq!(ask(&running, NOVA_PRO, &taken).await.status, 200);
    let seen = ask(&running, NOVA_PRO, &blocks(json!([{"text": "x"}, image])))
        .await
        .json();
    let text = seen["output"]["message"]["content"][0]["text"].as_str().unwrap();
    assert!(text.ends_with("I see image/png 1x1."), "{text}");
}

#[tokio::test]
async fn nova_is_not_invoked() {
    let running = Running::start().await;
    for path in ["/invoke", "/invoke-with-response-stream"] {
        for body in [
            json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}),
            said("x"),
        ] {
            let reply = running.call(NOVA_PRO, path, &body).await;
            assert_eq!(reply.status, 400);
            assert!(
                reply.text().contains("Malformed input request"),
                "{}",
                reply.text()
            );
        }
    }
}
