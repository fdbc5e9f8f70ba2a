//! `/v1/embeddings`, in both modes.

use coretap_proxy::Limits;
use serde_json::{Value, json};

use crate::under_test::{KEY, UnderTest, quick};
use crate::upstream::{EMBEDDING, MODEL, Reply, TITAN, Upstream};
use crate::{error, header};

fn question() -> String {
    json!({"model": "openai/text-embedding-3-small", "input": ["a", "b"], "encoding_format": "float", "user": "u"})
        .to_string()
}

fn list() -> Value {
    json!({"object": "list", "model": "x", "usage": {"prompt_tokens": 5, "total_tokens": 5}, "data": [
        {"object": "embedding", "index": 0, "embedding": [0.5, -1]},
        {"object": "embedding", "index": 1, "embedding": [0.25, 1]},
    ]})
}

fn vectors(orchestration: bool) -> Reply {
    let body = if orchestration {
        json!({"request_id": "r", "final_result": list()})
    } else {
        list()
    };
    Reply::Status(200, &[("x-request-id", "upstream-4711")], body.to_string())
}

async fn json(response: reqwest::Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn vectors_come_from_both_modes() {
    for orchestration in [true, false] {
        let busy = Reply::Status(503, &[], "no healthy upstream".to_owned());
        let upstream = Upstream::start([busy, vectors(orchestration)]).await;
        let aicore = if orchestration {
            upstream.aicore()
        } else {
            upstream.foundation()
        };
        let mut test = UnderTest::start(aicore, quick()).await;
        let response = test
            .post("/openai/v1/embeddings", question())
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-type"), "application/json");
        assert_eq!(header(&response, "x-coretap-model"), EMBEDDING);
        assert_eq!(header(&response, "x-upstream-request-id"), "upstream-4711");
        assert_eq!(
            header(&response, "x-coretap-dropped"),
            if orchestration { "user" } else { "" }
        );
        let id = header(&response, "x-request-id");
        let mut expected = list();
        expected["model"] = json!("openai/text-embedding-3-small");
        assert_eq!(json(response).await, expected);

        let (_, sent) = upstream.seen().pop().unwrap();
        let asked = if orchestration {
            sent["input"]["text"].clone()
        } else {
            sent["input"].clone()
        };
        assert_eq!(asked, json!(["a", "b"]), "{sent}");

        let exchange = test.exchange().await;
        assert_eq!((exchange.id, &*exchange.path), (id, "/v1/embeddings"));
        assert_eq!((exchange.status, exchange.code, exchange.retries), (200, None, 1));
        assert_eq!(exchange.model.as_deref(), Some(EMBEDDING));
        assert_eq!((exchange.usage.input, exchange.stream), (Some(5), false));
    }
}

#[tokio::test]
async fn a_model_that_takes_one_text_a_call_is_asked_for_each_and_answers_all_or_nothing() {
    let texts: Vec<String> = (1..=9).map(|length| "x".repeat(length)).collect();
    let question = json!({"model": TITAN, "input": texts, "dimensions": 256});
    let busy = || Reply::Status(503, &[], "no healthy upstream".to_owned());
    let mut replies: Vec<Reply> = (0..8).map(|_| Reply::TitanVector).collect();
    replies.push(busy());
    replies.extend((0..9).map(|_| Reply::TitanVector));
    // The last failure is told; the calls beside it may come or not.
    replies.push(Reply::Status(
        400,
        &[],
        r#"{"message":"Malformed input request"}"#.to_owned(),
    ));
    replies.extend((0..8).map(|_| Reply::TitanVector));
    let upstream = Upstream::start(replies).await;
    let mut test = UnderTest::start(upstream.foundation(), quick()).await;
    let response = test
        .post("/v1/embeddings", question.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let answer = json(response).await;
    assert_eq!(answer["usage"], json!({"prompt_tokens": 45, "total_tokens": 45}));
    for (position, entry) in answer["data"].as_array().unwrap().iter().enumerate() {
        assert_eq!(
            (&entry["index"], &entry["embedding"]),
            (&json!(position), &json!([position + 1]))
        );
    }
    let exchange = test.exchange().await;
    assert_eq!((exchange.retries, exchange.usage.input), (1, Some(45)));
    let seen = upstream.seen();
    assert_eq!(
        seen.len(),
        18,
        "a failure is the failure of all, and all are sent again"
    );
    assert!(seen.iter().all(|(_, body)| body["dimensions"] == 256));
    assert!(seen.iter().all(|(deployment, _)| deployment == "d-first-titan"));

    let response = test
        .post("/v1/embeddings", question.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(error(response).await, "Malformed input request");
}

#[tokio::test]
async fn what_a_deployment_refuses_is_left_out_and_remembered() {
    let of = |orchestration: bool, name: &str| {
        let text = if orchestration {
            format!(
                r#"{{"error":{{"request_id":"r","code":400,"message":"400 - Embedding Module: Unrecognized request argument supplied: {name}","location":"Embedding Module"}}}}"#
            )
        } else {
            format!(r#"{{"error":{{"message":"Unrecognized request argument supplied: {name}"}}}}"#)
        };
        Reply::Status(400, &[], text)
    };
    for orchestration in [true, false] {
        let replies = [
            of(orchestration, "encoding_format"),
            vectors(orchestration),
            vectors(orchestration),
            of(orchestration, "dimensions"),
        ];
        let upstream = Upstream::start(replies).await;
        let aicore = if orchestration {
            upstream.aicore()
        } else {
            upstream.foundation()
        };
        let mut test = UnderTest::start(aicore, quick()).await;
        for (retries, requests) in [(1, 2), (0, 3)] {
            let response = test.post("/v1/embeddings", question()).send().await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(test.exchange().await.retries, retries);
            let sent: Vec<_> = upstream.seen().iter().map(|(_, body)| body.to_string()).collect();
            assert_eq!(sent.len(), requests);
            assert!(sent[0].contains("encoding_format"), "{sent:?}");
            assert!(!sent[requests - 1].contains("encoding_format"), "{sent:?}");
        }
        // Vectors of another length would be of no use.
        let body = json!({"model": EMBEDDING, "input": "a", "dimensions": 7});
        let response = test
            .post("/v1/embeddings", body.to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 400);
        assert_eq!(upstream.seen().len(), 4);
    }
}

#[tokio::test]
async fn what_goes_wrong_is_told_in_openais_shape() {
    let slow = Reply::Status(
        429,
        &[("retry-after", "37")],
        r#"{"error":{"code":429,"message":"slow down"}}"#.into(),
    );
    let words =
        r#"{"error":{"request_id":"r","code":400,"message":"400 - Embedding Module: no","location":"x"}}"#;
    let inside = Reply::Status(200, &[], words.to_owned());
    let upstream = Upstream::start([slow, inside, vectors(true)]).await;
    let limits = Limits {
        answer: 64,
        ..quick()
    };
    let test = UnderTest::start(upstream.aicore(), limits).await;
    let ask = async |body: Value| {
        test.post("/v1/embeddings", body.to_string())
            .send()
            .await
            .unwrap()
    };

    for (body, status, code, words) in [
        (
            json!({"model": EMBEDDING}),
            400,
            "REQUEST-BODY",
            "input: is required",
        ),
        (json!({"input": "a"}), 400, "REQUEST-BODY", "model: is required"),
        (
            json!({"model": EMBEDDING, "input": [1, 2]}),
            400,
            "REQUEST-BODY",
            "takes text only",
        ),
        (
            json!({"model": MODEL, "input": "a"}),
            400,
            "ROUTE-MODEL-PURPOSE",
            "models that do: text-embedding-3-small",
        ),
        (
            json!({"model": "x", "input": "a"}),
            404,
            "ROUTE-MODEL-UNKNOWN",
            "text-embedding-3-small",
        ),
    ] {
        let response = ask(body).await;
        assert_eq!(
            (
                response.status().as_u16(),
                header(&response, "x-coretap-code").as_str()
            ),
            (status, code)
        );
        let sentence = error(response).await;
        assert!(sentence.contains(words), "{sentence}");
    }
    assert!(upstream.seen().is_empty());

    let good = json!({"model": EMBEDDING, "input": "a"});
    let response = ask(good.clone()).await;
    assert_eq!(
        (
            response.status().as_u16(),
            header(&response, "retry-after").as_str()
        ),
        (429, "37")
    );
    let response = ask(good.clone()).await;
    assert_eq!(
        (response.status().as_u16(), error(response).await.as_str()),
        (
            502,
            "SAP AI Core's answer is longer than 0 MiB. Ask for a stream, or for less."
        )
    );
    let response = ask(good).await;
    assert_eq!(
        (
            response.status().as_u16(),
            header(&response, "x-coretap-code").as_str()
        ),
        (502, "UPSTREAM-FAILED")
    );

    // And no model for embeddings answers in a conversation.
    let body = json!({"model": EMBEDDING, "messages": [{"role": "user", "content": "a"}]}).to_string();
    let response = test.post("/v1/chat/completions", body).send().await.unwrap();
    assert_eq!(
        (
            response.status().as_u16(),
            header(&response, "x-coretap-code").as_str()
        ),
        (400, "ROUTE-MODEL-PURPOSE")
    );
    let open = test
        .request(http::Method::POST, "/v1/embeddings")
        .body(question());
    assert_eq!(open.send().await.unwrap().status(), 401);
    let read = test.get("/v1/embeddings").bearer_auth(KEY).send().await.unwrap();
    assert_eq!(read.status(), 405);
}

#[tokio::test]
async fn the_list_of_models_names_them_where_somebody_can_use_them() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let ids = async |request: reqwest::RequestBuilder| -> Vec<Value> {
        let body = json(request.send().await.unwrap()).await;
        body["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["id"].clone())
            .collect()
    };
    assert_eq!(ids(test.get("/v1/models")).await, [MODEL, EMBEDDING]);
    let anthropic = test.get("/v1/models").header("anthropic-version", "2023-06-01");
    assert_eq!(ids(anthropic).await, ["claude-sonnet-4-5"]);
    let one = json(
        test.get("/v1/models/openai%2Ftext-embedding-3-small")
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        one,
        json!({"id": "openai/text-embedding-3-small", "object": "model", "created": 0, "owned_by": "OpenAI",
            "deprecated": true, "retirement_date": "2027-01-31"})
    );
    let hidden = test
        .get("/anthropic/v1/models/text-embedding-3-small")
        .send()
        .await
        .unwrap();
    assert_eq!(hidden.status(), 404);
}
