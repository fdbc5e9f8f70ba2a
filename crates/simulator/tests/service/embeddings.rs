use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::client::{EMBEDDING, GPT_4O, ORCHESTRATION, Reply, Running};

const MODEL: &str = "text-embedding-3-small";

async fn azure(running: &Running, body: &Value) -> Reply {
    let path = "/embeddings?api-version=2024-12-01-preview";
    running.call(EMBEDDING, path, body).await
}

async fn orchestration(running: &Running, body: &Value) -> Reply {
    running.call(ORCHESTRATION, "/v2/embeddings", body).await
}

fn question(model: &str, params: Value, text: Value) -> Value {
    json!({"config": {"modules": {"embeddings": {"model": {"name": model, "version": "latest", "params": params}}}},
        "input": {"text": text}})
}

fn floats(list: &Value) -> Vec<f64> {
    let numbers = list.as_array().unwrap();
    numbers.iter().map(|number| number.as_f64().unwrap()).collect()
}

#[tokio::test]
async fn a_text_has_one_vector_whatever_it_is_asked_with() {
    let running = Running::start().await;
    let direct = azure(
        &running,
        &json!({"input": ["a", "b"], "encoding_format": "float"}),
    )
    .await
    .json();
    let vector = floats(&direct["data"][0]["embedding"]);
    assert_eq!(vector.len(), 1536);
    let length: f64 = vector.iter().map(|number| number * number).sum();
    assert!((length - 1.0).abs() < 1e-3, "{length}");
    assert_ne!(vector, floats(&direct["data"][1]["embedding"]));
    assert_eq!(direct["data"][1]["index"], 1);
    assert_eq!(direct["usage"], json!({"prompt_tokens": 2, "total_tokens": 2}));

    let through = orchestration(&running, &question(MODEL, json!({}), json!("a")))
        .await
        .json();
    assert_eq!(floats(&through["final_result"]["data"][0]["embedding"]), vector);
    assert!(through["request_id"].is_string());

    let packed = azure(&running, &json!({"input": "a", "encoding_format": "base64"}))
        .await
        .json();
    let bytes = BASE64_STANDARD
        .decode(packed["data"][0]["embedding"].as_str().unwrap())
        .unwrap();
    let unpacked: Vec<f64> = bytes
        .chunks(4)
        .map(|four| f64::from(f32::from_le_bytes(four.try_into().unwrap())))
        .collect();
    assert_eq!(unpacked, vector);

    for body in [
        json!({"input": [1, 2, 3], "dimensions": 8}),
        json!({"input": [[1], [2, 3]], "dimensions": 8, "user": "u"}),
    ] {
        let tokens = azure(&running, &body).await.json();
        assert_eq!(tokens["usage"]["prompt_tokens"], 3);
        assert_eq!(tokens["data"][0]["embedding"].as_array().unwrap().len(), 8);
    }
}

#[tokio::test]
async fn azure_refuses_what_it_does_not_know() {
    let running = Running::start().await;
    let old = running
        .call(EMBEDDING, "/embeddings", &json!({"input": "a"}))
        .await;
    assert_eq!(old.status, 404);
    for (body, words) in [
        (json!({}), "Missing required parameter: 'input'."),
        (json!({"input": ""}), "'$.input' is invalid"),
        (json!({"input": []}), "Invalid 'input'"),
        (json!({"input": ["a", 1]}), "Invalid type for 'input[1]'"),
        (
            json!({"input": vec!["a"; 2049]}),
            "Invalid 'input': array too long",
        ),
        (
            json!({"input": "a", "resource_group": "x"}),
            "Unrecognized request argument supplied: resource_group",
        ),
        (json!({"input": "a", "user": null}), "Invalid type for 'user'"),
        (
            json!({"input": "a", "dimensions": 1537}),
            "Must be less than or equal to 1536",
        ),
        (
            json!({"input": "a", "encoding_format": "int8"}),
            "Supported values are: 'float', and 'base64'",
        ),
    ] {
        let reply = azure(&running, &body).await;
        assert_eq!(reply.status, 400, "{body}");
        assert!(
            reply.text().contains(words),
            "{} instead of {words}",
            reply.text()
        );
    }
    let path = "/embeddings?api-version=2024-12-01-preview";
    let chat_model = running.call(GPT_4O, path, &json!({"input": "a"})).await;
    assert!(
        chat_model.text().contains("OperationNotSupported"),
        "{}",
        chat_model.text()
    );
    let answer = running
        .chat(
            EMBEDDING,
            &json!({"messages": [{"role": "user", "content": "a"}]}),
        )
        .await;
    assert!(
        answer
            .text()
            .contains("The chatCompletion operation does not work"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn orchestration_refuses_what_its_spec_and_the_model_refuse() {
    let running = Running::start().await;
    let with = |params: Value| question(MODEL, params, json!("a"));
    for (body, words) in [
        (json!({}), "'config' is a required property"),
        (question(MODEL, json!({}), json!([])), "should be non-empty"),
        (
            question(MODEL, json!({}), json!(["a", ""])),
            "should be non-empty",
        ),
        (
            question(MODEL, json!({}), json!([1, 2])),
            "is not of type 'string'",
        ),
        (with(json!({"encoding_format": "float64"})), "is not one of"),
        (
            with(json!({"encoding_format": ["float", "base64"]})),
            "Embedding Module: Invalid value",
        ),
        (
            with(json!({"user": "u"})),
            "Unrecognized request argument supplied: user",
        ),
        (with(json!({"dimensions": 5000})), "less than or equal to 1536"),
        (
            question("text-embedding-ada-002", json!({"dimensions": 8}), json!("a")),
            "does not support specifying dimensions",
        ),
        (
            question("gpt-4o", json!({}), json!("a")),
            "Model name must be one of dict_keys(['text-embedding-3-small', 'text-embedding-ada-002'])",
        ),
    ] {
        let reply = orchestration(&running, &body).await;
        assert_eq!(reply.status, 400, "{body}");
        assert!(
            reply.text().contains(words),
            "{} instead of {words}",
            reply.text()
        );
    }
    let extra = {
        let mut body = with(json!({}));
        body["user"] = json!("u");
        body
    };
    assert!(
        orchestration(&running, &extra)
            .await
            .text()
            .contains("'user' was unexpected")
    );
}

#[tokio::test]
async fn a_restricted_deployment_refuses_other_models_and_says_so_in_its_configuration() {
    let running = Running::start().await;
    let bearer = format!("Bearer {}", running.token());
    let send = async |group: &str, method: &str, path: &str, body: Value| {
        let headers = [
            ("authorization", bearer.as_str()),
            ("ai-resource-group", group),
            ("content-type", "application/json"),
        ];
        let body = if body.is_null() {
            Bytes::new()
        } else {
            body.to_string().into()
        };
        running.send(method, path, &headers, body).await
    };
    let list = send("restricted", "GET", "/v2/lm/deployments", Value::Null)
        .await
        .json();
    let rows = list["resources"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    let bindings = async |row: &Value| {
        let id = row["configurationId"].as_str().unwrap();
        let path = format!("/v2/lm/configurations/{id}");
        assert_eq!(send("default", "GET", &path, Value::Null).await.status, 404);
        send("restricted", "GET", &path, Value::Null).await.json()["parameterBindings"].clone()
    };
    assert_eq!(
        bindings(&rows[1]).await,
        json!([
            {"key": "modelFilterList", "value": r#"[{"modelName":"gpt-4o"},{"modelName":"text-embedding-3-small"}]"#},
            {"key": "modelFilterListType", "value": "allow"}
        ])
    );
    assert_eq!(bindings(&rows[2]).await[1]["value"], "deny");

    let [allowing, denying] = [&rows[1], &rows[2]].map(|row| row["id"].as_str().unwrap().to_owned());
    let ask = async |group: &str, deployment: &str, model: &str, stream: bool| {
        let body = json!({"config": {"modules": {"prompt_templating": {
            "prompt": {"template": [{"role": "user", "content": "x"}]}, "model": {"name": model}}},
            "stream": {"enabled": stream}}});
        let path = format!("/v2/inference/deployments/{deployment}/v2/completion");
        send(group, "POST", &path, body).await
    };
    for (deployment, model, status) in [
        (&allowing, "gpt-4o", 200),
        (&allowing, "gpt-5", 403),
        (&denying, "gpt-4o", 200),
        (&denying, "gpt-5", 403),
    ] {
        for stream in [false, true] {
            let reply = ask("restricted", deployment, model, stream).await;
            assert_eq!(reply.status, status, "{deployment} {model} {}", reply.text());
        }
    }
    let refused = ask("restricted", &allowing, "gpt-5", false).await.json();
    assert_eq!(refused["error"]["code"], 403);
    // Another group does not know it, nor this one the others'.
    assert_eq!(ask("default", &allowing, "gpt-4o", false).await.status, 404);
    assert_eq!(
        ask("restricted", ORCHESTRATION, "gpt-4o", false).await.status,
        404
    );
    let path = format!("/v2/inference/deployments/{denying}/v2/embeddings");
    let body = question("text-embedding-ada-002", json!({}), json!("a"));
    assert_eq!(send("restricted", "POST", &path, body).await.status, 200);
    let path = format!("/v2/inference/deployments/{allowing}/v2/embeddings");
    let body = question("text-embedding-ada-002", json!({}), json!("a"));
    assert_eq!(send("restricted", "POST", &path, body).await.status, 403);
}
