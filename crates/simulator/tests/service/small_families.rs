use serde_json::{Value, json};

use crate::client::{COHERE, HUB_ORCHESTRATION, MISTRAL, NVIDIA, Reply, Running, SONAR};

pub(super) const MISTRAL_NAME: &str = "mistralai--mistral-small";

pub(super) const COHERE_NAME: &str = "cohere--command-a-reasoning";

pub(super) fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

pub(super) fn said(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

pub(super) fn talk(model: &str, messages: Value) -> Value {
    json!({"model": model, "messages": messages})
}

pub(super) fn tools() -> Value {
    json!([{"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]
    }}}])
}

pub(super) fn called(id: &str) -> Value {
    json!({"role": "assistant", "tool_calls": [
        {"id": id, "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Ulm\"}"}}
    ]})
}

pub(super) fn result(id: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": "Rain."})
}

pub(super) async fn chat(running: &Running, deployment: &str, body: &Value) -> Reply {
    let path = if deployment == COHERE {
        "/v2/chat"
    } else {
        "/chat/completions"
    };
    running.call(deployment, path, body).await
}

pub(super) async fn refused(running: &Running, deployment: &str, cases: Vec<(u16, Value, &str)>) {
    for (status, body, words) in cases {
        let reply = chat(running, deployment, &body).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.text());
        assert!(reply.text().contains(words), "{words}: {}", reply.text());
    }
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
