//! Google's paths: what its clients see of the proxy, in both modes.

use coretap_proxy::Limits;
use http::Method;
use serde_json::{Value, json};

use crate::under_test::{KEY, UnderTest, quick, read_to_end, read_until};
use crate::upstream::{EMBEDDING, GEMINI, MODEL, Reply, Upstream, hello, live, text, whole};
use crate::{error, header};

fn question() -> String {
    json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}).to_string()
}

fn chunk(text: &str, reason: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": [{"text": text}]}});
    if let Some(reason) = reason {
        candidate["finishReason"] = json!(reason);
    }
    json!({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10},
        "modelVersion": "gemini-2.5-pro-001", "responseId": "r"})
}

fn event(chunk: &Value) -> String {
    format!("data: {chunk}\n\n")
}

fn path(model: &str, action: &str) -> String {
    format!("/v1beta/models/{model}:{action}")
}

async fn json(response: reqwest::Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn the_answer_comes_whole_as_events_or_as_an_array() {
    for foundation in [true, false] {
        let replies = || {
            if foundation {
                let stream = [chunk("hel", None), chunk("lo", Some("STOP"))];
                let stream: String = stream.iter().map(event).collect();
                [
                    Reply::Status(200, &[], chunk("hello", Some("STOP")).to_string()),
                    Reply::Events(stream.clone()),
                    Reply::Events(stream),
                ]
            } else {
                [Reply::Status(200, &[], whole("hello")), hello(), hello()]
            }
        };
        let upstream = Upstream::start(replies()).await;
        let (aicore, model) = if foundation {
            (upstream.foundation(), GEMINI)
        } else {
            (upstream.aicore(), MODEL)
        };
        let mut test = UnderTest::start(aicore, quick()).await;
        let cases = [
            (path(model, "generateContent"), "application/json"),
            (
                path(model, "streamGenerateContent?alt=sse"),
                "text/event-stream; charset=utf-8",
            ),
            (path(model, "streamGenerateContent"), "application/json"),
        ];
        for (number, (path, kind)) in cases.iter().enumerate() {
            let response = test.post(path, question()).send().await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(header(&response, "content-type"), *kind);
            assert_eq!(header(&response, "x-coretap-model"), model);
            let body = read_to_end(response).await.unwrap();
            let chunks: Vec<Value> = match number {
                0 => vec![serde_json::from_str(&body).unwrap()],
                1 => body
                    .lines()
                    .filter_map(|line| line.strip_prefix("data: "))
                    .map(|data| serde_json::from_str(data).unwrap())
                    .collect(),
                _ => serde_json::from_str(&body).expect(&body),
            };
            let said: String = chunks
                .iter()
                .filter_map(|chunk| chunk["candidates"][0]["content"]["parts"][0]["text"].as_str())
                .collect();
            let last = chunks.last().unwrap();
            assert_eq!(said, "hello");
            assert_eq!(last["candidates"][0]["finishReason"], "STOP");
            assert_eq!(last["usageMetadata"]["totalTokenCount"], 10);
            assert!(
                chunks.iter().all(|chunk| chunk["modelVersion"] == model),
                "{body}"
            );
            let exchange = test.exchange().await;
            let logged = path.split('?').next().unwrap().replace(&format!("/{model}"), "");
            assert_eq!(exchange.path, logged, "neither model nor query is logged");
            assert_eq!((exchange.stream, exchange.usage.output), (number > 0, Some(3)));
        }
        let asked = upstream.seen();
        let deployment = if foundation { "d-first-gemini" } else { "d-first" };
        assert!(asked.iter().all(|(id, _)| id == deployment), "{asked:?}");
    }
}

#[tokio::test]
async fn the_key_may_stand_wherever_googles_clients_put_it() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let count = |query: &str| {
        let path = format!("{}{query}", path(MODEL, "countTokens"));
        test.request(Method::POST, &path).body(question())
    };
    let wrong = [
        count(""),
        count("?key=sk-wrong"),
        count("").header("x-goog-api-key", "sk-wrong"),
    ];
    for request in wrong {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        let body = json(response).await;
        assert_eq!(body["error"]["status"], "UNAUTHENTICATED", "{body}");
        assert!(!body.to_string().contains("sk-"), "{body}");
    }
    let right = [
        count(&format!("?key={KEY}")),
        count("?key=sk%2Dtest"),
        count("").header("x-goog-api-key", KEY),
        count("").bearer_auth(KEY),
        count("?key=sk-wrong").header("x-goog-api-key", KEY),
    ];
    for request in right {
        let body = json(request.send().await.unwrap()).await;
        assert!(body["totalTokens"].as_u64().unwrap() >= 1, "{body}");
    }
}

#[tokio::test]
async fn tokens_are_counted_of_contents_and_of_whole_requests() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    let count = async |body: String| {
        let response = test.post("/v1/models/m:countTokens", body).send().await.unwrap();
        json(response).await["totalTokens"].as_u64().unwrap()
    };
    let request: Value = serde_json::from_str(&question()).unwrap();
    let plain = count(question()).await;
    assert_eq!(
        count(json!({"generateContentRequest": request}).to_string()).await,
        plain
    );
    let mut more = request.clone();
    more["systemInstruction"] = json!({"parts": [{"text": "Answer with very few words."}]});
    assert!(count(json!({"generate_content_request": more}).to_string()).await > plain);
    let response = test.post("/v1/models/m:countTokens", "{}").send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(error(response).await, "contents: is required");
}

#[tokio::test]
async fn models_are_listed_as_google_lists_them() {
    let upstream = Upstream::start([]).await;
    let test = UnderTest::start(upstream.aicore(), quick()).await;
    for path in ["/v1beta/models", "/gemini/v1beta/models", "/v1/models"] {
        let request = test.request(Method::GET, path).header("x-goog-api-key", KEY);
        let list = json(request.send().await.unwrap()).await;
        let named = |name: &str| {
            let models = list["models"].as_array().unwrap();
            let name = format!("models/{name}");
            models
                .iter()
                .find(|model| model["name"] == *name)
                .cloned()
                .unwrap()
        };
        assert_eq!(
            named(MODEL),
            json!({"name": format!("models/{MODEL}"), "version": "latest", "displayName": "Claude 4.5 Sonnet", "inputTokenLimit": 200_000,
                "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"]}),
            "{path}"
        );
        assert_eq!(
            named(EMBEDDING)["supportedGenerationMethods"],
            json!(["embedContent", "batchEmbedContents"])
        );
    }
    let entry = test.get(&format!("/v1beta/models/{MODEL}"));
    let entry = json(entry.send().await.unwrap()).await;
    assert_eq!(entry["name"], format!("models/{MODEL}"));
    let none = test.get("/v1beta/models/no-such-model").send().await.unwrap();
    assert_eq!(none.status(), 404);
    assert_eq!(json(none).await["error"]["status"], "NOT_FOUND");
}

#[tokio::test]
async fn vectors_come_in_googles_shape() {
    let list = json!({"object": "list", "model": "x", "usage": {"prompt_tokens": 5, "total_tokens": 5}, "data": [
        {"object": "embedding", "index": 0, "embedding": [0.5, -1]},
        {"object": "embedding", "index": 1, "embedding": [0.25, 1]},
    ]});
    let reply = || Reply::Status(200, &[], list.to_string());
    let upstream = Upstream::start([reply(), reply()]).await;
    let mut test = UnderTest::start(upstream.foundation(), quick()).await;
    let content = |text: &str| json!({"parts": [{"text": text}]});
    let batch = json!({"requests": [
        {"model": "models/x", "content": content("a"), "taskType": "RETRIEVAL_QUERY"},
        {"model": "models/x", "content": content("b"), "taskType": "RETRIEVAL_QUERY"},
    ]});
    let response = test
        .post(&path(EMBEDDING, "batchEmbedContents"), batch.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(header(&response, "x-coretap-dropped"), "taskType");
    assert_eq!(
        json(response).await,
        json!({"embeddings": [{"values": [0.5, -1]}, {"values": [0.25, 1]}]})
    );
    assert_eq!(test.exchange().await.usage.input, Some(5));
    let one = json!({"content": content("a"), "outputDimensionality": 2});
    let response = test
        .post(&path(EMBEDDING, "embedContent"), one.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(json(response).await, json!({"embedding": {"values": [0.5, -1]}}));
    assert_eq!(test.exchange().await.path, "/v1beta/models:embedContent");
    let asked: Vec<_> = upstream.seen().into_iter().map(|(_, body)| body).collect();
    assert_eq!(
        asked,
        [
            json!({"input": ["a", "b"]}),
            json!({"input": ["a"], "dimensions": 2})
        ]
    );
}

/// A broken connection is the end of Gemini CLI; an error object that is the last of a stream is not.
#[tokio::test]
async fn a_stream_that_breaks_ends_in_an_error_object() {
    for foundation in [true, false] {
        for how in ["reset", "early end"] {
            for query in ["?alt=sse", ""] {
                let (events, reply) = live();
                let upstream = Upstream::start([reply]).await;
                let (aicore, model, first) = if foundation {
                    (upstream.foundation(), GEMINI, event(&chunk("hello", None)))
                } else {
                    (upstream.aicore(), MODEL, text("hello"))
                };
                let mut test = UnderTest::start(aicore, quick()).await;
                events.send(Ok(first.into())).unwrap();
                let path = path(model, &format!("streamGenerateContent{query}"));
                let mut response = test.post(&path, question()).send().await.unwrap();
                let before = read_until(&mut response, "hello").await;
                if how == "reset" {
                    events
                        .send(Err(std::io::ErrorKind::ConnectionReset.into()))
                        .unwrap();
                }
                drop(events);
                let rest = read_to_end(response).await.expect("the body has an end");
                assert!(!rest.contains("finishReason"), "{how}: {rest}");
                let error: Value = if query.is_empty() {
                    let all: Vec<Value> = serde_json::from_str(&(before + &rest)).unwrap();
                    all.last().unwrap().clone()
                } else {
                    serde_json::from_str(rest.trim().strip_prefix("data: ").unwrap()).unwrap()
                };
                assert_eq!(error["error"]["code"], 502, "{error}");
                assert_eq!(test.exchange().await.code, Some("UPSTREAM-CUT"), "{how}");
            }
        }
    }
}

#[tokio::test]
async fn a_last_chunk_that_is_followed_by_a_break_is_no_end() {
    let (events, reply) = live();
    let upstream = Upstream::start([reply]).await;
    let test = UnderTest::start(upstream.foundation(), quick()).await;
    events.send(Ok(event(&chunk("hello", None)).into())).unwrap();
    let path = path(GEMINI, "streamGenerateContent?alt=sse");
    let mut response = test.post(&path, question()).send().await.unwrap();
    read_until(&mut response, "hello").await;
    events.send(Ok(event(&chunk("!", Some("STOP"))).into())).unwrap();
    events
        .send(Err(std::io::ErrorKind::ConnectionReset.into()))
        .unwrap();
    let rest = read_to_end(response).await.unwrap();
    assert!(rest.contains("error") && !rest.contains("finishReason"), "{rest}");
}

#[tokio::test]
async fn what_the_model_does_not_take_is_healed_and_other_refusals_are_told() {
    let refusal = |text: &str| {
        let body = json!({"error": {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}});
        Reply::Status(400, &[], body.to_string())
    };
    let unknown = "Invalid JSON payload received. Unknown name \"presencePenalty\" at 'generation_config': Cannot find field.";
    let hello = Reply::Status(200, &[], chunk("hello", Some("STOP")).to_string());
    let upstream = Upstream::start([refusal(unknown), hello, refusal("No such thing.")]).await;
    let limits = Limits { ..quick() };
    let mut test = UnderTest::start(upstream.foundation(), limits).await;
    let body = json!({"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": {"presencePenalty": 0.5, "topK": 3}});
    let path = path(GEMINI, "generateContent");
    let response = test.post(&path, body.to_string()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "x-coretap-dropped"), "presence_penalty");
    assert_eq!(test.exchange().await.retries, 1);
    assert_eq!(upstream.seen()[1].1["generationConfig"], json!({"topK": 3}));
    let response = test.post(&path, body.to_string()).send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(error(response).await, "No such thing.");
}
