//! What the Responses API refuses, in its words.

use serde_json::{Value, json};

use crate::client::{CODEX, EMBEDDING, GPT_4O, GPT_5, GPT_5_5, Running};

fn ask(key: &str, value: Value) -> Value {
    let mut body = json!({"input": "x"});
    body[key] = value;
    body
}

fn items(items: Value) -> Value {
    json!({"input": items, "store": false})
}

fn tools(tools: Value) -> Value {
    ask("tools", tools)
}

fn function(name: &str) -> Value {
    json!({"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}})
}

/// Sends each and compares the words of the refusal.
async fn refused(cases: Vec<(&str, Value, &str)>) {
    let running = Running::start().await;
    for (deployment, body, words) in cases {
        let reply = running.respond(deployment, &body).await;
        assert_eq!(reply.status, 400, "{words}: {}", reply.text());
        let error = reply.json()["error"].clone();
        assert!(
            error["message"].as_str().unwrap().contains(words),
            "{error} instead of {words}"
        );
        assert_eq!(error["type"], "invalid_request_error");
        let members: Vec<&String> = error.as_object().unwrap().keys().collect();
        assert_eq!(members, ["code", "message", "param", "type"]);
    }
    let requests = running.control("GET", "requests", &json!(null)).await;
    let responses = requests
        .as_array()
        .unwrap()
        .iter()
        .filter(|request| request["route"] == "responses");
    assert!(responses.clone().all(|request| request["refused"].is_string()));
    assert!(responses.count() > 1);
}

#[tokio::test]
async fn parameters_that_no_deployment_takes() {
    refused(vec![
        (GPT_5, ask("beta", json!(true)), "Unknown parameter: 'beta'."),
        (GPT_5, ask("client_metadata", json!({})), "Unknown parameter: 'client_metadata'."),
        (GPT_5, ask("conversation", json!("conv_1")), "Unknown parameter: 'conversation'."),
        (GPT_5, ask("prompt", json!({"id": "pmpt_1"})), "Unknown parameter: 'prompt'."),
        (GPT_5, ask("messages", json!([])), "Unknown parameter: 'messages'."),
        (
            GPT_5,
            ask("reasoning", json!({"effort": "low", "context": "all_turns"})),
            "Unknown parameter: 'reasoning.context'.",
        ),
        (GPT_5, ask("response_format", json!({})), "Unknown parameter: 'response_format'."),
        (
            GPT_5,
            ask("stream", json!("yes")),
            "Invalid type for 'stream': expected a boolean, but got a string instead.",
        ),
        (GPT_5, ask("include", json!(["web_search_call.results"])), "Invalid value: 'web_search_call.results'."),
        (GPT_5, ask("service_tier", json!("flex")), "Invalid value: 'flex'."),
        (GPT_5, ask("truncation", json!("middle")), "Invalid value: 'middle'."),
        (GPT_5, json!({}), "One of \"input\" or \"previous_response_id\""),
        (GPT_5, json!({"input": []}), "One of \"input\" or \"previous_response_id\""),
        (
            GPT_5,
            ask("previous_response_id", json!("resp_0")),
            "Previous response with id 'resp_0' not found.",
        ),
        (
            GPT_5,
            ask("stream_options", json!({"include_obfuscation": false})),
            "only allowed when 'stream' is enabled",
        ),
        (
            GPT_5,
            json!({"input": "x", "background": true, "store": false}),
            "Background mode requires 'store' to be true.",
        ),
        (GPT_5, json!({"input": "x", "background": true, "stream": true}), "Streaming is not supported"),
        (
            GPT_5,
            ask("prompt_cache_key", json!("k".repeat(65))),
            "Invalid 'prompt_cache_key': string too long. Expected a string with maximum length 64, but got a string \
             with length 65 instead.",
        ),
        (GPT_5, ask("metadata", json!({"k".repeat(65): "v"})), "Invalid 'metadata': string too long."),
    ])
    .await;
}

#[tokio::test]
async fn parameters_that_the_model_does_not_take() {
    refused(vec![
        (EMBEDDING, ask("store", json!(false)), "The responses operation does not work with the specified model"),
        (GPT_5, ask("temperature", json!(1)), "Unsupported parameter: 'temperature' is not supported with this model."),
        (GPT_5, ask("top_p", json!(0.5)), "Unsupported parameter: 'top_p' is not supported with this model."),
        (
            GPT_4O,
            ask("reasoning", json!({"effort": "low"})),
            "Unsupported parameter: 'reasoning.effort' is not supported with this model.",
        ),
        (
            GPT_4O,
            ask("include", json!(["reasoning.encrypted_content"])),
            "Encrypted content is not supported with this model.",
        ),
        (
            GPT_5,
            ask("reasoning", json!({"effort": "none"})),
            "Unsupported value: 'none' is not supported with the 'gpt-5-2025-08-07' model. Supported values are: \
             'minimal', 'low', 'medium', and 'high'.",
        ),
        (GPT_5_5, ask("reasoning", json!({"effort": "minimal"})), "Unsupported value: 'minimal'"),
        (CODEX, ask("reasoning", json!({"effort": "none"})), "Unsupported value: 'none'"),
        (GPT_5, ask("reasoning", json!({"summary": "concise"})), "Unsupported value: 'concise'"),
        (
            GPT_4O,
            ask("text", json!({"verbosity": "low"})),
            "Unsupported value: 'low' is not supported with the 'gpt-4o-2024-08-06' model. Supported values are: \
             'medium'.",
        ),
        (
            GPT_5,
            ask("max_output_tokens", json!(15)),
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 15 instead.",
        ),
        (GPT_4O, ask("max_output_tokens", json!(16_385)), "Expected a value <= 16384, but got 16385 instead."),
    ])
    .await;
}

#[tokio::test]
async fn tools_and_forms_of_the_answer() {
    let schema = |strict: bool, schema: Value| {
        ask(
            "text",
            json!({"format": {"type": "json_schema", "name": "W", "strict": strict, "schema": schema}}),
        )
    };
    refused(vec![
        (
            GPT_5_5,
            tools(json!([
                function("a"),
                {"type": "custom", "name": "apply_patch", "format": {"type": "grammar"}},
                {"type": "tool_search", "execution": "client"},
                {"type": "web_search", "external_web_access": true},
            ])),
            "The following tools are not allowed for model 'gpt-5.5': custom, tool_search and web_search.",
        ),
        (
            GPT_5,
            tools(json!([{"type": "namespace", "name": "n", "tools": []}])),
            "The following tools are not allowed for model 'gpt-5': namespace.",
        ),
        (
            GPT_5,
            tools(json!([{"type": "oracle"}])),
            "Invalid value: 'oracle'.",
        ),
        (
            GPT_5,
            tools(json!([{"type": "function", "function": {"name": "f"}}])),
            "Missing required parameter: 'tools[0].name'.",
        ),
        (GPT_5, tools(json!([function("a b")])), "Invalid 'tools[0].name'"),
        (
            GPT_5,
            tools(json!([function("a"), function("a")])),
            "Tool names must be unique: 'a'.",
        ),
        (
            GPT_5,
            tools(
                json!([{"type": "function", "name": "f", "strict": true, "parameters": {"type": "object"}}]),
            ),
            "Invalid schema for function 'f': In context=(), 'additionalProperties' is required",
        ),
        (
            GPT_5,
            tools(json!([{"type": "function", "name": "f", "parameters": {"type": "string"}}])),
            "got 'type: \"string\"'.",
        ),
        (
            GPT_5,
            ask("tool_choice", json!("required")),
            "must be specified with 'tools' parameter.",
        ),
        (
            GPT_5,
            ask("tool_choice", json!({"type": "function", "name": "f"})),
            "Tool choice 'function' not found in 'tools' parameter.",
        ),
        (
            GPT_5,
            ask(
                "tool_choice",
                json!({"type": "function", "function": {"name": "f"}}),
            ),
            "Missing required parameter: 'tool_choice.name'.",
        ),
        (
            GPT_5,
            schema(
                true,
                json!({"type": "object", "properties": {"a": {"type": "string"}}}),
            ),
            "Invalid schema for response_format 'W': In context=(), 'additionalProperties'",
        ),
        (
            GPT_5,
            ask(
                "text",
                json!({"format": {"type": "json_schema", "name": "a b", "schema": {}}}),
            ),
            "Invalid 'text.format.name'",
        ),
        (
            GPT_5,
            ask("text", json!({"format": {"type": "json_object"}})),
            "must contain the word 'json'",
        ),
    ])
    .await;
    let running = Running::start().await;
    let open = schema(
        false,
        json!({"type": "object", "properties": {"a": {"type": "string"}}}),
    );
    assert_eq!(running.respond(GPT_5, &open).await.status, 200);
}

#[tokio::test]
async fn items_that_are_malformed_or_unknown() {
    let user = json!({"role": "user", "content": "x"});
    let long = "call_".to_owned() + &"x".repeat(60);
    let call = |id: &str, call_id: &str, arguments: &str| json!({"type": "function_call", "id": id, "call_id": call_id, "name": "f", "arguments": arguments});
    let part = |role: &str, part: Value| items(json!([{"role": role, "content": [part]}]));
    refused(vec![
        (
            GPT_5,
            items(json!([{"type": "additional_tools", "role": "developer", "tools": []}, user])),
            "Invalid value: 'additional_tools'. Supported values are: 'message', 'function_call', ",
        ),
        (
            GPT_5,
            items(json!([{"type": "custom_tool_call", "call_id": "c", "name": "n", "input": "i"}])),
            "Invalid value: 'custom_tool_call'.",
        ),
        (
            GPT_5,
            items(json!([{"type": "custom_tool_call_output", "call_id": "c", "output": "o"}])),
            "Invalid value: 'custom_tool_call_output'.",
        ),
        (GPT_5, items(json!([{"role": "tool", "content": "x"}])), "Invalid value: 'tool'."),
        (GPT_5, items(json!([{"role": "user"}])), "Missing required parameter: 'input[0].content'."),
        (
            GPT_5,
            part("user", json!({"type": "text", "text": "x"})),
            "Invalid value: 'text'. Supported values are: 'input_text', 'input_image', and 'input_file'.",
        ),
        (GPT_5, part("user", json!({"type": "output_text", "text": "x"})), "Invalid value: 'output_text'."),
        (GPT_5, part("assistant", json!({"type": "input_text", "text": "x"})), "Invalid value: 'input_text'."),
        (
            GPT_5,
            part("user", json!({"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "original"})),
            "Invalid value: 'original'. Supported values are: 'low', 'high', and 'auto'.",
        ),
        (
            GPT_5,
            part("user", json!({"type": "input_image", "image_url": "data:image/png;base64,AA=="})),
            "Invalid 'input[0].content[0].image_url'.",
        ),
        (GPT_5, part("user", json!({"type": "input_image", "file_id": "file-1"})), "'input[0].content[0].image_url'"),
        (
            GPT_5,
            items(json!([call("call_1", "c1", "{}")])),
            "Invalid 'input[0].id': 'call_1'. Expected an ID that begins with 'fc'.",
        ),
        (
            GPT_5,
            items(json!([{"type": "message", "id": "item_1", "role": "user", "content": "x"}])),
            "Expected an ID that begins with 'msg'.",
        ),
        (
            GPT_5,
            items(json!([{"type": "message", "id": format!("msg_{}", "x".repeat(61)), "role": "user", "content": "x"}])),
            "Invalid 'input[0].id': string too long. Expected a string with maximum length 64, but got a string with \
             length 65 instead.",
        ),
        (GPT_5, items(json!([call("fc_1", &long, "{}")])), "Invalid 'input[0].call_id': string too long."),
        (GPT_5, items(json!([call("fc_1", "", "{}")])), "Invalid 'input[0].call_id': empty string."),
        (GPT_5, items(json!([call("fc_1", "c1", "{\"a\":")])), "Invalid 'input[0].arguments'"),
        (
            GPT_5,
            items(json!([user, call("fc_1", "c1", "{}")])),
            "No tool output found for function call c1.",
        ),
        (
            GPT_5,
            items(json!([{"type": "function_call_output", "call_id": "c1", "output": "o"}, call("fc_1", "c1", "{}")])),
            "No tool call found for function call output with call_id c1.",
        ),
        (
            GPT_5,
            items(json!([
                {"role": "user", "id": "msg_1", "content": "x", "type": "message"},
                {"role": "user", "id": "msg_1", "content": "x", "type": "message"},
            ])),
            "Duplicate item found with id msg_1.",
        ),
    ])
    .await;
}

#[tokio::test]
async fn reasoning_that_the_service_did_not_give() {
    let running = Running::start().await;
    let user = json!({"role": "user", "content": "x"});
    let ask = json!({"input": "x", "store": false, "include": ["reasoning.encrypted_content"]});
    let output = running.respond(GPT_5, &ask).await.json()["output"].clone();
    let (reasoning, message) = (output[0].clone(), output[1].clone());
    let changed = |key: &str, value: Value| {
        let mut changed = reasoning.clone();
        changed[key] = value;
        changed
    };
    let without = {
        let mut without = reasoning.clone();
        without.as_object_mut().unwrap().remove("encrypted_content");
        without
    };
    let id = reasoning["id"].as_str().unwrap();
    let said = |reasoning: Value| json!([user, reasoning, message, user]);
    let good = running.respond(GPT_5, &items(said(reasoning.clone()))).await;
    assert_eq!(good.status, 200, "{}", good.text());
    for (deployment, input, words) in [
        (
            GPT_5,
            said(changed("encrypted_content", json!("cmVjb3JkZXI="))),
            "could not be verified. Reason: Encrypted content could not be decrypted or parsed.",
        ),
        (
            GPT_5,
            said(changed("id", json!("rs_other"))),
            "Encrypted content item_id did not match the target item id.",
        ),
        (GPT_5_5, said(reasoning.clone()), "could not be verified."),
        (
            GPT_5,
            said(without.clone()),
            "not found. Items are not persisted when `store` is set to false.",
        ),
        (
            GPT_5,
            said(json!({"type": "reasoning", "summary": []})),
            "Missing required parameter: 'input[1].id'.",
        ),
        (
            GPT_5,
            said(changed(
                "content",
                json!([{"type": "reasoning_text", "text": "t"}]),
            )),
            "Invalid 'input[1].content': array too long.",
        ),
        (
            GPT_5,
            json!([user, reasoning, user]),
            "of type 'reasoning' was provided without its required following item.",
        ),
        (
            GPT_5,
            json!([user, {"type": "item_reference", "id": id}, message, user]),
            "not found. Items are not persisted",
        ),
    ] {
        let reply = running.respond(deployment, &items(input)).await;
        assert_eq!(reply.status, 400, "{words}: {}", reply.text());
        let error = reply.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(error.contains(words), "{error} instead of {words}");
    }
    let stored = running
        .respond(GPT_5, &json!({ "input": said(without) }))
        .await
        .json();
    assert_eq!(
        stored["error"]["message"],
        format!("Item with id '{id}' not found.")
    );
}

#[tokio::test]
async fn models_that_want_this_api_refuse_the_other() {
    let running = Running::start().await;
    let ask = json!({"messages": [{"role": "user", "content": "x"}]});
    let reply = running.chat(CODEX, &ask).await;
    let error = reply.json()["error"].clone();
    assert_eq!(
        (reply.status, &error["code"]),
        (400, &json!("OperationNotSupported"))
    );
    assert!(
        error["message"].as_str().unwrap().starts_with(
            "The chatCompletion operation does not work with the specified model, gpt-5.3-codex."
        )
    );
    let ask = json!({"messages": [{"role": "user", "content": "x"}], "reasoning_effort": "low",
        "tools": [{"type": "function", "function": {"name": "f"}}]});
    assert_eq!(
        running.chat(GPT_5_5, &ask).await.json()["error"]["message"],
        "Function tools with reasoning_effort are not supported for gpt-5.5-2026-03-05 in /v1/chat/completions. Please \
         use /v1/responses instead."
    );
}

#[tokio::test]
async fn ways_that_are_none() {
    let running = Running::start().await;
    for (method, deployment, path, status) in [
        ("PUT", GPT_5, "resp_1", 405),
        ("GET", GPT_5, "resp_1/cancel", 405),
        ("GET", GPT_5, "resp_1/output", 404),
        ("GET", GPT_5, "resp_1?stream=true", 400),
        ("GET", "d3f1a2b4c5d6e7f8", "resp_1", 404),
    ] {
        assert_eq!(
            running.kept(method, deployment, path).await.status,
            status,
            "{method} {path}"
        );
    }
    // A body has its type.
    assert_eq!(running.kept("POST", GPT_5, "compact").await.status, 415);
    let refused = running
        .call(GPT_5, "/responses/compact", &ask("tools", json!([])))
        .await;
    assert_eq!(refused.json()["error"]["message"], "Unknown parameter: 'tools'.");
}
