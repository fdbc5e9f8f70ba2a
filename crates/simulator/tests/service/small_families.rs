use serde_json::{Value, json};

use crate::client::{COHERE, HUB_ORCHESTRATION, MISTRAL, NVIDIA, Reply, Running, SONAR};

const MISTRAL_NAME: &str = "mistralai--mistral-small";
const COHERE_NAME: &str = "cohere--command-a-reasoning";

fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

fn said(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

fn talk(model: &str, messages: Value) -> Value {
    json!({"model": model, "messages": messages})
}

fn tools() -> Value {
    json!([{"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]
    }}}])
}

fn called(id: &str) -> Value {
    json!({"role": "assistant", "tool_calls": [
        {"id": id, "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Ulm\"}"}}
    ]})
}

fn result(id: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": "Rain."})
}

async fn chat(running: &Running, deployment: &str, body: &Value) -> Reply {
    let path = if deployment == COHERE {
        "/v2/chat"
    } else {
        "/chat/completions"
    };
    running.call(deployment, path, body).await
}

async fn refused(running: &Running, deployment: &str, cases: Vec<(u16, Value, &str)>) {
    for (status, body, words) in cases {
        let reply = chat(running, deployment, &body).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.text());
        assert!(reply.text().contains(words), "{words}: {}", reply.text());
    }
}

#[tokio::test]
async fn mistral_answers_in_openais_form_whole_and_as_a_stream() {
    let running = Running::start().await;
    let body = said(MISTRAL_NAME, "héllo 漢字 😀");
    let answer = chat(&running, MISTRAL, &body).await.json();
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(
        answer["choices"][0]["message"]["content"],
        "You said: héllo 漢字 😀"
    );
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    let events = chat(&running, MISTRAL, &with(body, "stream", json!(true)))
        .await
        .events();
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(done, "[DONE]");
    let text: String = chunks
        .iter()
        .filter_map(|chunk| chunk.pointer("/choices/0/delta/content")?.as_str())
        .collect();
    assert_eq!(text, "You said: héllo 漢字 😀");
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(last["usage"], answer["usage"]);
}

#[tokio::test]
async fn mistral_calls_tools_by_ids_of_its_own_form() {
    let running = Running::start().await;
    let asked = with(
        said(MISTRAL_NAME, "What's the weather in Paris and in Toulouse?"),
        "tools",
        tools(),
    );
    let message = chat(&running, MISTRAL, &asked).await.json()["choices"][0]["message"].clone();
    let calls = message["tool_calls"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    for call in calls {
        let id = call["id"].as_str().unwrap();
        assert!(
            id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{id}"
        );
    }
    let streamed = with(asked.clone(), "stream", json!(true));
    let events = chat(&running, MISTRAL, &streamed).await.events();
    let whole: Vec<&Value> = events
        .iter()
        .filter_map(|event| event.pointer("/choices/0/delta/tool_calls/0/function"))
        .collect();
    assert_eq!(
        whole,
        [&calls[0]["function"], &calls[1]["function"]],
        "a call comes in one chunk"
    );
    let turn = talk(
        MISTRAL_NAME,
        json!([
            asked["messages"][0],
            message,
            result(calls[0]["id"].as_str().unwrap()),
            result(calls[1]["id"].as_str().unwrap()),
        ]),
    );
    let answer = chat(&running, MISTRAL, &turn).await.json();
    assert_eq!(
        answer["choices"][0]["message"]["content"],
        "The result is:\nRain.\nRain."
    );

    for (choice, count) in [
        (json!("any"), 1),
        (json!("none"), 0),
        (
            json!({"type": "function", "function": {"name": "get_weather"}}),
            1,
        ),
    ] {
        let asked = with(
            with(said(MISTRAL_NAME, "hello"), "tools", tools()),
            "tool_choice",
            choice,
        );
        let answer = chat(&running, MISTRAL, &asked).await.json();
        let calls = answer["choices"][0]["message"]["tool_calls"]
            .as_array()
            .map_or(0, Vec::len);
        assert_eq!(calls, count);
    }
    let schema = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object", "properties": {"n": {"type": "integer"}}}}});
    let asked = with(said(MISTRAL_NAME, "7 apples"), "response_format", schema);
    let answer = chat(&running, MISTRAL, &asked).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "{\"n\":7}");
}

#[tokio::test]
async fn what_mistral_refuses_is_refused_in_its_words() {
    let running = Running::start().await;
    let user = json!({"role": "user", "content": "x"});
    let base = || said(MISTRAL_NAME, "x");
    let messages = |messages: Value| talk(MISTRAL_NAME, messages);
    let cases = vec![
        (422, json!({"messages": [user]}), "\"loc\":[\"body\",\"model\"]"),
        (
            400,
            said("mistral-small-latest", "x"),
            "Invalid model: mistral-small-latest",
        ),
        (
            422,
            with(base(), "max_completion_tokens", json!(5)),
            "\"max_completion_tokens\"]",
        ),
        (
            422,
            with(base(), "stream_options", json!({"include_usage": true})),
            "extra_forbidden",
        ),
        (422, with(base(), "seed", json!(5)), "extra_forbidden"),
        (
            422,
            with(base(), "reasoning_effort", json!("low")),
            "extra_forbidden",
        ),
        (
            422,
            messages(json!([{"role": "developer", "content": "x"}])),
            "union_tag_invalid",
        ),
        (
            422,
            messages(json!([{"role": "user", "content": "x", "name": "n"}])),
            "extra_forbidden",
        ),
        (422, messages(json!([])), "value_error"),
        (
            422,
            with(base(), "temperature", json!(1.8)),
            "less than or equal to 1.5",
        ),
        (
            400,
            with(base(), "max_tokens", json!(9_000)),
            "max_tokens is too large: 9000",
        ),
        (
            400,
            with(base(), "tool_choice", json!("auto")),
            "no tools are given",
        ),
        (
            400,
            with(base(), "tools", json!([tools()[0], tools()[0]])),
            "Duplicate function name: get_weather",
        ),
        (
            400,
            messages(json!([user, called("call_1"), result("call_1")])),
            "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.",
        ),
        (
            400,
            messages(json!([user, called("abcdefgh1")])),
            "Expected last role User or Tool",
        ),
        (
            400,
            messages(json!([user, called("abcdefgh1"), user])),
            "Not the same number of function calls and responses",
        ),
        (
            400,
            messages(json!([user, result("abcdefgh1")])),
            "Unexpected tool call id",
        ),
        (
            400,
            messages(json!([user, called("abcdefgh1"), result("abcdefgh1"), user])),
            "Unexpected role 'user' after role 'tool'",
        ),
        (
            400,
            messages(json!([user, {"role": "system", "content": "x"}, user])),
            "Unexpected role 'system' after role 'user'",
        ),
        (
            400,
            messages(json!([user, {"role": "assistant", "content": "x"}])),
            "Expected last role User or Tool (or Assistant with prefix True)",
        ),
        (
            400,
            messages(json!([user, {"role": "assistant", "content": ""}, user])),
            "must have either content or tool_calls",
        ),
        (
            400,
            messages(
                json!([{"role": "user", "content": [{"type": "image_url", "image_url": "data:image/png;base64,AA=="}]}]),
            ),
            "Image input is not enabled",
        ),
    ];
    refused(&running, MISTRAL, cases).await;
    let prefixed = messages(json!([user, {"role": "assistant", "content": "x", "prefix": true}]));
    assert_eq!(chat(&running, MISTRAL, &prefixed).await.status, 200);
}

#[tokio::test]
async fn perplexity_names_its_sources_and_takes_no_tools() {
    let running = Running::start().await;
    let answer = chat(&running, SONAR, &said("sonar", "hello")).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "You said: hello");
    assert_eq!(answer["citations"], json!(["https://example.com/"]));
    assert_eq!(answer["search_results"][0]["title"], "Example");
    let events = chat(
        &running,
        SONAR,
        &with(said("sonar", "hello"), "stream", json!(true)),
    )
    .await
    .events();
    assert!(events[events.len() - 2]["citations"].is_array());
    let user = json!({"role": "user", "content": "x"});
    let assistant = json!({"role": "assistant", "content": "y"});
    let cases = vec![
        (
            400,
            with(said("sonar", "x"), "tools", tools()),
            "Tool calling is not supported",
        ),
        (400, json!({"messages": [user]}), "['model']: Field required"),
        (400, said("sonar-pro", "x"), "Invalid model 'sonar-pro'."),
        (
            400,
            with(said("sonar", "x"), "stream_options", json!({})),
            "['stream_options']: Extra inputs",
        ),
        (
            400,
            with(said("sonar", "x"), "stop", json!("x")),
            "['stop']: Extra inputs",
        ),
        (
            400,
            with(said("sonar", "x"), "max_tokens", json!(5_000)),
            "less than or equal to 4096",
        ),
        (
            400,
            talk("sonar", json!([user, user])),
            "should alternate with assistant message(s)",
        ),
        (
            400,
            talk("sonar", json!([assistant, user])),
            "should alternate with assistant message(s)",
        ),
        (
            400,
            talk("sonar", json!([user, assistant])),
            "Last message must have role",
        ),
        (
            400,
            talk("sonar", json!([user, {"role": "system", "content": "x"}, user])),
            "should alternate",
        ),
        (
            400,
            talk(
                "sonar",
                json!([user, {"role": "tool", "content": "x", "tool_call_id": "c"}]),
            ),
            "['messages.1.role']: Input is not valid",
        ),
        (
            400,
            talk("sonar", json!([{"role": "user", "content": ""}])),
            "Input is not valid",
        ),
    ];
    refused(&running, SONAR, cases).await;
    let several = talk(
        "sonar",
        json!([{"role": "system", "content": "a"}, {"role": "system", "content": "b"}, user, assistant, user]),
    );
    assert_eq!(chat(&running, SONAR, &several).await.status, 200);
}

#[tokio::test]
async fn cohere_answers_in_its_own_form_on_both_paths() {
    let running = Running::start().await;
    let body = with(
        said(COHERE_NAME, "hello"),
        "thinking",
        json!({"type": "disabled"}),
    );
    for path in ["/v2/chat", "/chat"] {
        let answer = running.call(COHERE, path, &body).await.json();
        assert_eq!(
            answer["message"],
            json!({"role": "assistant", "content": [{"type": "text", "text": "You said: hello"}]})
        );
        assert_eq!(answer["finish_reason"], "COMPLETE");
        assert!(answer["usage"]["tokens"]["input_tokens"].as_u64().unwrap() > 0);
    }
    let thinking = chat(&running, COHERE, &said(COHERE_NAME, "hello")).await.json();
    assert_eq!(thinking["message"]["content"][0]["type"], "thinking");
    let form = json!({"type": "json_object", "json_schema": {"type": "object", "properties": {"n": {"type": "integer"}}}});
    let structured = with(
        with(body, "response_format", form),
        "messages",
        json!([{"role": "user", "content": "7"}]),
    );
    let answer = chat(&running, COHERE, &structured).await.json();
    assert_eq!(answer["message"]["content"][0]["text"], "{\"n\":7}");
}

#[tokio::test]
async fn coheres_stream_names_each_event() {
    let running = Running::start().await;
    let streamed = with(said(COHERE_NAME, "héllo 😀"), "stream", json!(true));
    let events = chat(&running, COHERE, &streamed).await.events();
    let kinds = |events: &[Value]| {
        let mut kinds: Vec<String> = events
            .iter()
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .collect();
        kinds.dedup();
        kinds
    };
    assert_eq!(
        kinds(&events),
        [
            "message-start",
            "content-start",
            "content-delta",
            "content-end",
            "content-start",
            "content-delta",
            "content-end",
            "message-end"
        ]
    );
    let collected = |kind: &str| -> String {
        events
            .iter()
            .filter(|event| event["type"] == "content-delta")
            .filter_map(|event| event["delta"]["message"]["content"][kind].as_str())
            .collect()
    };
    assert_eq!(collected("text"), "You said: héllo 😀");
    assert!(collected("thinking").starts_with("The user says: héllo"));

    let asked = with(
        with(
            said(COHERE_NAME, "What's the weather in Paris and in Toulouse?"),
            "tools",
            tools(),
        ),
        "thinking",
        json!({"type": "disabled"}),
    );
    let events = chat(&running, COHERE, &with(asked.clone(), "stream", json!(true)))
        .await
        .events();
    assert_eq!(
        kinds(&events),
        [
            "message-start",
            "tool-plan-delta",
            "tool-call-start",
            "tool-call-delta",
            "tool-call-end",
            "tool-call-start",
            "tool-call-delta",
            "tool-call-end",
            "message-end"
        ]
    );
    let arguments: String = events
        .iter()
        .filter_map(|event| {
            event
                .pointer("/delta/message/tool_calls/function/arguments")?
                .as_str()
        })
        .collect();
    assert_eq!(arguments, "{\"city\":\"Paris\"}{\"city\":\"Toulouse\"}");
    assert_eq!(events.last().unwrap()["delta"]["finish_reason"], "TOOL_CALL");

    let message = chat(&running, COHERE, &asked).await.json()["message"].clone();
    assert_eq!(message["tool_plan"], "I use get_weather and get_weather.");
    let ids: Vec<&str> = message["tool_calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["id"].as_str().unwrap())
        .collect();
    let turn = talk(
        COHERE_NAME,
        json!([asked["messages"][0], message, result(ids[0]), {"role": "tool", "tool_call_id": ids[1], "content": [
            {"type": "document", "document": {"data": {"weather": "sun"}}}
        ]}]),
    );
    let answer = chat(&running, COHERE, &turn).await.json();
    let content = answer["message"]["content"].as_array().unwrap();
    assert_eq!(
        content.last().unwrap()["text"],
        "The result is:\nRain.\n{\"weather\":\"sun\"}"
    );
}

#[tokio::test]
async fn what_cohere_refuses_is_refused_in_its_words() {
    let running = Running::start().await;
    let user = json!({"role": "user", "content": "x"});
    let base = || said(COHERE_NAME, "x");
    let messages = |messages: Value| talk(COHERE_NAME, messages);
    let cases = vec![
        (
            422,
            json!({"messages": [user]}),
            "missing required field: 'model'",
        ),
        (400, said("command-a", "x"), "model 'command-a' not found"),
        (
            422,
            with(base(), "top_p", json!(0.5)),
            "parameter 'top_p' is not a valid field",
        ),
        (
            422,
            with(base(), "parallel_tool_calls", json!(true)),
            "'parallel_tool_calls'",
        ),
        (
            422,
            with(base(), "tool_choice", json!("auto")),
            "invalid value for parameter 'tool_choice'",
        ),
        (
            422,
            with(base(), "temperature", json!(1.5)),
            "parameter 'temperature'",
        ),
        (
            422,
            messages(json!([{"role": "developer", "content": "x"}])),
            "parameter 'messages.0'",
        ),
        (
            422,
            with(
                base(),
                "response_format",
                json!({"type": "json_schema", "json_schema": {}}),
            ),
            "parameter 'response_format'",
        ),
        (
            400,
            with(base(), "max_tokens", json!(9_000)),
            "less than or equal to 8192",
        ),
        (
            400,
            with(base(), "tool_choice", json!("REQUIRED")),
            "can only be specified with tools",
        ),
        (
            400,
            with(
                with(base(), "tools", tools()),
                "response_format",
                json!({"type": "json_object"}),
            ),
            "not supported with tools",
        ),
        (
            400,
            with(base(), "tools", json!([tools()[0], tools()[0]])),
            "tool names must be unique",
        ),
        (
            400,
            messages(json!([user, called("c1"), user])),
            "must be followed by tool messages for: c1",
        ),
        (
            400,
            messages(json!([user, called("c1")])),
            "must be followed by tool messages for: c1",
        ),
        (
            400,
            messages(json!([user, result("c1")])),
            "tool call id 'c1' in messages[1] not found",
        ),
        (
            400,
            messages(json!([{"role": "user", "content": " "}])),
            "messages[0] has none",
        ),
        (
            400,
            messages(json!([user, {"role": "assistant", "content": "x"}])),
            "the last message must be of role user or tool",
        ),
        (
            400,
            messages(
                json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]),
            ),
            "does not support image inputs",
        ),
    ];
    refused(&running, COHERE, cases).await;
}

#[tokio::test]
async fn nvidia_wants_the_model_and_what_the_text_is_for() {
    let running = Running::start().await;
    let name = "nvidia--llama-3.2-nv-embedqa-1b";
    let body = json!({"model": name, "input": ["a", "b"], "input_type": "query", "encoding_format": "float", "truncate": "NONE"});
    let list = running.call(NVIDIA, "/embeddings", &body).await.json();
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    assert_eq!(list["data"][1]["embedding"].as_array().unwrap().len(), 2_048);
    let mut without_type = body.clone();
    without_type.as_object_mut().unwrap().remove("input_type");
    for (status, body, words) in [
        (422, without_type, "'input_type' field is required"),
        (
            422,
            json!({"input": "a", "input_type": "query"}),
            "'model' field is required",
        ),
        (
            422,
            with(body.clone(), "beta", json!(1)),
            "Unsupported field 'beta'",
        ),
        (
            422,
            with(body.clone(), "input_type", json!("document")),
            "not valid",
        ),
        (422, with(body.clone(), "input", json!([1, 2])), "not valid"),
        (
            404,
            with(body.clone(), "model", json!("embed")),
            "model 'embed' does not exist",
        ),
        (
            400,
            with(body.clone(), "input", json!("word ".repeat(9_000))),
            "exceeds maximum allowed token size",
        ),
    ] {
        let reply = running.call(NVIDIA, "/embeddings", &body).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        assert!(reply.text().contains(words), "{}", reply.text());
    }
}

#[tokio::test]
async fn each_small_family_has_its_faults() {
    let running = Running::start().await;
    for (deployment, route, model, throttled) in [
        (MISTRAL, "mistral_chat", MISTRAL_NAME, "\"type\":\"rate_limited\""),
        (SONAR, "perplexity_chat", "sonar", "\"code\":429"),
        (COHERE, "cohere_chat", COHERE_NAME, "Too many requests"),
    ] {
        let streamed = with(said(model, "hello"), "stream", json!(true));
        running
            .fault(&json!({"route": route, "fault": "status", "status": 429, "retry_after": 2}))
            .await;
        let reply = chat(&running, deployment, &streamed).await;
        assert_eq!(
            (reply.status, reply.headers["retry-after"].to_str().unwrap()),
            (429, "2")
        );
        assert!(reply.text().contains(throttled), "{}", reply.text());
        running
            .fault(&json!({"route": "inference", "fault": "status", "status": 503}))
            .await;
        assert!(
            chat(&running, deployment, &streamed)
                .await
                .text()
                .starts_with("upstream connect error")
        );
        for (fault, words) in [("throttled_event", throttled), ("error_event", "rror")] {
            running
                .fault(&json!({"route": route, "fault": fault, "after_events": 2}))
                .await;
            let events = chat(&running, deployment, &streamed).await.events();
            assert_eq!(events.len(), 3, "{route}");
            assert!(events[2].to_string().contains(words), "{route}: {}", events[2]);
        }
        running
            .fault(&json!({"route": route, "fault": "cut", "after_events": 3}))
            .await;
        let cut = chat(&running, deployment, &streamed).await;
        assert!(cut.broken && cut.events().len() == 3, "{route}");
        running
            .fault(&json!({"route": route, "fault": "content_filter"}))
            .await;
        assert_eq!(chat(&running, deployment, &streamed).await.status, 400);
    }
}

#[tokio::test]
async fn what_only_orchestration_reaches_answers_there() {
    let running = Running::start().await;
    for model in [
        "sap-abap-1",
        "qwen3.7-max",
        "amazon--nova-pro",
        COHERE_NAME,
        "gemini-3.5-flash",
    ] {
        let body = json!({"config": {"modules": {"prompt_templating": {
            "prompt": {"template": [{"role": "user", "content": "hello"}]}, "model": {"name": model}
        }}}});
        let reply = running.call(HUB_ORCHESTRATION, "/v2/completion", &body).await;
        let answer = reply.json();
        assert_eq!(
            answer["final_result"]["choices"][0]["message"]["content"], "You said: hello",
            "{answer}"
        );
    }
    let catalogue = async |group: &str| {
        let bearer = format!("Bearer {}", running.token());
        let headers = [("authorization", bearer.as_str()), ("ai-resource-group", group)];
        let path = "/v2/lm/scenarios/foundation-models/models";
        let list = running.send("GET", path, &headers, "".into()).await.json();
        let rows = list["resources"].as_array().unwrap().clone();
        rows.into_iter()
            .map(|row| {
                (
                    row["model"].as_str().unwrap().to_owned(),
                    row["executableId"].clone(),
                )
            })
            .collect::<Vec<_>>()
    };
    let hub = catalogue("hub").await;
    for (model, executable) in [
        ("qwen3.7-max", "orchestration"),
        ("amazon--nova-pro", "aws-bedrock"),
        ("gemini-3.5-flash", "gcp-vertexai"),
        (COHERE_NAME, "aicore-cohere"),
        ("nvidia--llama-3.2-nv-embedqa-1b", "aicore-nvidia"),
        ("sonar", "perplexity-ai"),
    ] {
        assert!(hub.contains(&(model.to_owned(), json!(executable))), "{model}");
    }
    let default = catalogue("default").await;
    assert!(default.iter().all(|row| hub.contains(row)) && default.len() < hub.len());
}
