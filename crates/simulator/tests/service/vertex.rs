use serde_json::{Value, json};

use crate::client::{GEMINI_2_5_FLASH, GEMINI_2_5_PRO, GEMINI_3_1_PRO, GEMINI_EMBEDDING, Reply, Running};

fn name(deployment: &str) -> &'static str {
    match deployment {
        GEMINI_2_5_PRO => "gemini-2.5-pro",
        GEMINI_2_5_FLASH => "gemini-2.5-flash",
        GEMINI_3_1_PRO => "gemini-3.1-pro-preview-ea",
        _ => "gemini-embedding",
    }
}

pub(super) async fn ask(running: &Running, deployment: &str, method: &str, body: &Value) -> Reply {
    let path = format!("/models/{}:{method}", name(deployment));
    running.call(deployment, &path, body).await
}

pub(super) async fn generate(running: &Running, deployment: &str, body: &Value) -> Reply {
    ask(running, deployment, "generateContent", body).await
}

pub(super) fn user(text: &str) -> Value {
    json!({"role": "user", "parts": [{"text": text}]})
}

pub(super) fn said(text: &str) -> Value {
    json!({"contents": [user(text)]})
}

pub(super) fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

pub(super) fn config(config: Value) -> Value {
    with(said("x"), "generationConfig", config)
}

pub(super) fn weather() -> Value {
    json!([{"functionDeclarations": [{"name": "get_weather", "description": "The weather of a city.", "parameters": {
        "type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]
    }}]}])
}

fn parts(answer: &Value) -> &Vec<Value> {
    answer["candidates"][0]["content"]["parts"].as_array().unwrap()
}

#[tokio::test]
async fn a_whole_answer_has_googles_form() {
    let running = Running::start().await;
    let reply = generate(&running, GEMINI_2_5_PRO, &said("hello")).await;
    assert!(reply.headers.contains_key("x-request-id"));
    let answer = reply.json();
    assert_eq!(
        answer["candidates"][0],
        json!({"content": {"role": "model", "parts": [{"text": "You said: hello"}]}, "finishReason": "STOP"})
    );
    let usage = &answer["usageMetadata"];
    let sum = ["promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount"]
        .iter()
        .map(|name| usage[name].as_u64().unwrap())
        .sum::<u64>();
    assert_eq!(usage["totalTokenCount"], sum);
    assert_eq!(answer["modelVersion"], "gemini-2.5-pro");

    // The same prefix again is read from Google's cache.
    let longer =
        json!({"contents": [user("hello"), {"role": "model", "parts": [{"text": "Hi"}]}, user("again")]});
    let again = generate(&running, GEMINI_2_5_PRO, &longer).await.json();
    assert_eq!(
        again["usageMetadata"]["cachedContentTokenCount"],
        usage["promptTokenCount"]
    );
}

#[tokio::test]
async fn a_stream_is_events_or_one_array_and_both_hold_the_same() {
    let running = Running::start().await;
    let body = with(
        said("héllo 漢字 😀"),
        "generationConfig",
        json!({"thinkingConfig": {"includeThoughts": true}}),
    );
    let events = ask(&running, GEMINI_2_5_PRO, "streamGenerateContent?alt=sse", &body).await;
    assert_eq!(events.headers["content-type"], "text/event-stream");
    let chunks = events.events();
    let (last, others) = chunks.split_last().unwrap();
    let text = |thought: bool| -> String {
        chunks
            .iter()
            .flat_map(parts)
            .filter(|part| part.get("thought").is_some() == thought)
            .filter_map(|part| part["text"].as_str())
            .collect()
    };
    assert_eq!(text(false), "You said: héllo 漢字 😀");
    assert!(text(true).starts_with("The user says: héllo"));
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    assert!(last["usageMetadata"]["thoughtsTokenCount"].as_u64().unwrap() > 0);
    for chunk in others {
        assert!(chunk["candidates"][0].get("finishReason").is_none(), "{chunk}");
        assert!(
            chunk["usageMetadata"].get("promptTokenCount").is_none(),
            "{chunk}"
        );
    }

    let array = ask(&running, GEMINI_2_5_PRO, "streamGenerateContent", &body).await;
    assert_eq!(array.headers["content-type"], "application/json");
    let items = array.json();
    let items = items.as_array().unwrap();
    assert_eq!(items.len(), chunks.len());
    assert_eq!(
        items.iter().flat_map(parts).collect::<Vec<_>>(),
        chunks.iter().flat_map(parts).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn calls_are_whole_and_parallel_and_their_signature_must_come_back() {
    let running = Running::start().await;
    let question = user("What's the weather in Paris and in Toulouse?");
    let body = json!({"contents": [question], "tools": weather()});
    let answer = generate(&running, GEMINI_3_1_PRO, &body).await.json();
    let calls: Vec<&Value> = parts(&answer)
        .iter()
        .filter(|part| part.get("functionCall").is_some())
        .collect();
    assert_eq!(
        calls.iter().map(|part| &part["functionCall"]).collect::<Vec<_>>(),
        [
            &json!({"name": "get_weather", "args": {"city": "Paris"}}),
            &json!({"name": "get_weather", "args": {"city": "Toulouse"}})
        ]
    );
    assert!(calls[0]["thoughtSignature"].is_string());
    assert!(calls[1].get("thoughtSignature").is_none());
    assert_eq!(answer["candidates"][0]["finishReason"], "STOP");

    let chunks = ask(&running, GEMINI_3_1_PRO, "streamGenerateContent?alt=sse", &body)
        .await
        .events();
    let streamed: Vec<&Value> = chunks
        .iter()
        .flat_map(parts)
        .filter(|part| part.get("functionCall").is_some())
        .collect();
    assert_eq!(streamed.len(), 2);
    assert_eq!(streamed[1]["functionCall"], calls[1]["functionCall"]);

    let response = |city: &str| json!({"functionResponse": {"name": "get_weather", "response": {"output": format!("It rains in {city}.")}}});
    let turn = |parts: Value| {
        json!({"contents": [
            question,
            {"role": "model", "parts": parts},
            {"role": "user", "parts": [response("Paris"), response("Toulouse")]},
        ], "tools": weather()})
    };
    let answered = generate(&running, GEMINI_3_1_PRO, &turn(json!(calls)))
        .await
        .json();
    assert_eq!(
        parts(&answered)[0]["text"],
        "The result is:\nIt rains in Paris.\nIt rains in Toulouse."
    );
    let signed = |signature: Option<&str>| {
        let mut calls = json!(calls);
        let first = calls[0].as_object_mut().unwrap();
        first.remove("thoughtSignature");
        if let Some(signature) = signature {
            first.insert("thoughtSignature".to_owned(), json!(signature));
        }
        turn(calls)
    };
    for (deployment, signature, status, words) in [
        (
            GEMINI_3_1_PRO,
            None,
            400,
            "Function call is missing a thought_signature",
        ),
        (
            GEMINI_3_1_PRO,
            Some("QUJD"),
            400,
            "Thought signature is not valid.",
        ),
        (GEMINI_3_1_PRO, Some("skip_thought_signature_validator"), 200, ""),
        (GEMINI_2_5_PRO, None, 200, ""),
        (
            GEMINI_2_5_PRO,
            Some("QUJD"),
            400,
            "Thought signature is not valid.",
        ),
    ] {
        let reply = generate(&running, deployment, &signed(signature)).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        assert!(reply.text().contains(words), "{}", reply.text());
    }
    // What was called before the user spoke last needs no signature.
    let mut earlier = signed(None);
    let contents = earlier["contents"].as_array_mut().unwrap();
    contents.extend([
        json!({"role": "model", "parts": [{"text": "Rain."}]}),
        user("thanks"),
    ]);
    assert_eq!(generate(&running, GEMINI_3_1_PRO, &earlier).await.status, 200);
}

#[tokio::test]
async fn sound_is_heard() {
    let running = Running::start().await;
    let heard = json!({"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}});
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "What is it?"}, heard]}]});
    let reply = generate(&running, GEMINI_2_5_PRO, &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.text().contains("I see audio/wav."), "{}", reply.text());
}

#[tokio::test]
async fn functions_can_be_forced_and_forbidden() {
    let running = Running::start().await;
    let body = |mode: &str, allowed: Value| {
        let tools = json!([{"functionDeclarations": [
            {"name": "first", "parametersJsonSchema": {"type": "object", "properties": {"n": {"const": 5}}, "required": ["n"]}},
            {"name": "second"}
        ]}]);
        let calling = json!({"mode": mode, "allowedFunctionNames": allowed});
        with(
            with(said("hello"), "tools", tools),
            "toolConfig",
            json!({"functionCallingConfig": calling}),
        )
    };
    let call = async |body: Value| {
        let answer = generate(&running, GEMINI_2_5_FLASH, &body).await.json();
        parts(&answer)[0]["functionCall"].clone()
    };
    assert_eq!(
        call(body("ANY", json!([]))).await,
        json!({"name": "first", "args": {"n": 5}})
    );
    assert_eq!(call(body("ANY", json!(["second"]))).await["name"], "second");
    assert!(call(body("NONE", json!([]))).await.is_null());
    assert!(call(body("VALIDATED", json!([]))).await.is_null());
}

#[tokio::test]
async fn a_structured_answer_fits_its_schema() {
    let running = Running::start().await;
    for (name, schema) in [
        (
            "responseSchema",
            json!({"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}, "s": {"type": "STRING", "enum": ["a"]}}}),
        ),
        (
            "responseJsonSchema",
            json!({"type": "object", "properties": {"n": {"type": ["integer", "null"]}, "s": {"const": "a"}}}),
        ),
    ] {
        let form = json!({"responseMimeType": "application/json", name: schema});
        let answer = generate(
            &running,
            GEMINI_2_5_PRO,
            &with(said("I have 7 apples"), "generationConfig", form),
        )
        .await
        .json();
        let text = parts(&answer)[0]["text"].as_str().unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(text).unwrap(),
            json!({"n": 7, "s": "a"})
        );
    }
}

#[tokio::test]
async fn both_spellings_and_saps_loose_sample_are_taken() {
    let running = Running::start().await;
    let body = json!({
        "contents": {"role": "user", "parts": {"text": "hello world"}},
        "generation_config": {"max_output_tokens": 500, "stop_sequences": ["world"]},
        "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"}],
        "system_instruction": {"parts": [{"text": "Be brief."}]}
    });
    let answer = generate(&running, GEMINI_2_5_PRO, &body).await.json();
    assert_eq!(parts(&answer)[0]["text"], "You said: hello ");
}

#[tokio::test]
async fn a_picture_is_seen_and_tokens_are_counted() {
    let running = Running::start().await;
    let png =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let picture = |kind: &str, data: &str| {
        json!({"contents": [{"role": "user", "parts": [
            {"text": "What is it?"},
            {"inlineData": {"mimeType": kind, "data": data}}
        ]}]})
    };
    let answer = generate(&running, GEMINI_2_5_PRO, &picture("image/png", png))
        .await
        .json();
    assert!(
        parts(&answer)[0]["text"]
            .as_str()
            .unwrap()
            .ends_with("I see image/png 1x1.")
    );
    for (kind, data, words) in [
        ("image/jpeg", png, "does not match the provided media type"),
        ("image/png", "no base64", "Invalid base64"),
        ("image/gif", png, "mimeType parameter with value image/gif"),
    ] {
        let refused = generate(&running, GEMINI_2_5_PRO, &picture(kind, data)).await;
        assert!(
            refused.status == 400 && refused.text().contains(words),
            "{}",
            refused.text()
        );
    }
    let counted = ask(
        &running,
        GEMINI_2_5_PRO,
        "countTokens",
        &picture("image/png", png),
    )
    .await
    .json();
    assert_eq!(
        counted["totalTokens"],
        answer["usageMetadata"]["promptTokenCount"]
    );
}

#[tokio::test]
async fn embeddings_are_predicted_one_at_a_time() {
    let running = Running::start().await;
    let body = json!({"instances": [{"content": "hello world", "task_type": "RETRIEVAL_QUERY"}],
                      "parameters": {"outputDimensionality": 256}});
    let answer = ask(&running, GEMINI_EMBEDDING, "predict", &body).await.json();
    let embeddings = &answer["predictions"][0]["embeddings"];
    assert_eq!(embeddings["values"].as_array().unwrap().len(), 256);
    assert_eq!(
        embeddings["statistics"],
        json!({"token_count": 2, "truncated": false})
    );
    for (body, words) in [
        (json!({"instances": []}), "exactly 1 instance"),
        (
            json!({"instances": [{"content": "a"}, {"content": "b"}]}),
            "exactly 1 instance",
        ),
        (
            json!({"instances": [{"content": ""}]}),
            "The text content is empty.",
        ),
        (
            json!({"instances": [{"content": "a", "taskType": "x"}]}),
            "Unknown name \"taskType\"",
        ),
        (
            json!({"instances": [{"content": "a", "title": "t", "task_type": "RETRIEVAL_QUERY"}]}),
            "only supported with task_type=RETRIEVAL_DOCUMENT",
        ),
        (
            json!({"instances": [{"content": "a"}], "parameters": {"outputDimensionality": 5_000}}),
            "less than or equal to 3072",
        ),
    ] {
        let reply = ask(&running, GEMINI_EMBEDDING, "predict", &body).await;
        assert_eq!(reply.status, 400, "{body}");
        assert!(
            reply.text().replace("\\\"", "\"").contains(words),
            "{}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn embeddings_have_googles_name_too() {
    let running = Running::start().await;
    let body = json!({"instances": [{"content": "hello world"}]});
    let path = "/models/gemini-embedding-001:predict";
    assert_eq!(running.call(GEMINI_EMBEDDING, path, &body).await.status, 200);
    let path = "/models/gemini-embedding-002:predict";
    assert_eq!(running.call(GEMINI_EMBEDDING, path, &body).await.status, 404);
    // A model that chats has SAP's alone.
    let path = "/models/gemini-3.1-pro-preview:generateContent";
    assert_eq!(running.call(GEMINI_3_1_PRO, path, &said("x")).await.status, 404);
}

#[tokio::test]
async fn faults_come_in_googles_form() {
    let running = Running::start().await;
    let stream = async |query: &str| {
        let method = format!("streamGenerateContent{query}");
        ask(&running, GEMINI_2_5_PRO, &method, &said("hello")).await
    };
    running
        .fault(
            &json!({"route": "stream_generate_content", "fault": "status", "status": 429, "retry_after": 3}),
        )
        .await;
    let throttled = stream("?alt=sse").await;
    assert_eq!(
        (throttled.status, &throttled.headers["retry-after"]),
        (429, &"3".parse().unwrap())
    );
    assert_eq!(throttled.json()["error"]["status"], "RESOURCE_EXHAUSTED");

    for (query, fault, status) in [
        ("?alt=sse", "error_event", "INTERNAL"),
        ("?alt=sse", "throttled_event", "RESOURCE_EXHAUSTED"),
        ("", "error_event", "INTERNAL"),
        ("", "throttled_event", "RESOURCE_EXHAUSTED"),
    ] {
        for after in [0, 2] {
            running
                .fault(&json!({"route": "stream_generate_content", "fault": fault, "after_events": after}))
                .await;
            let reply = stream(query).await;
            let events = if query.is_empty() {
                reply.json().as_array().unwrap().clone()
            } else {
                reply.events()
            };
            assert_eq!(events.len(), after + 1, "{query} {fault}");
            assert_eq!(events[after]["error"]["status"], status, "{query} {fault}");
        }
    }
    running
        .fault(&json!({"route": "inference", "fault": "cut", "after_events": 2}))
        .await;
    let cut = stream("?alt=sse").await;
    assert!(cut.broken && cut.events().len() == 2);

    for query in ["?alt=sse", ""] {
        running
            .fault(&json!({"route": "stream_generate_content", "fault": "content_filter"}))
            .await;
        let reply = stream(query).await;
        assert_eq!(reply.status, 200);
        assert!(
            reply.text().contains("\"blockReason\":\"PROHIBITED_CONTENT\""),
            "{}",
            reply.text()
        );
        assert!(!reply.text().contains("candidates"), "{}", reply.text());
    }
    for deployment in [GEMINI_2_5_PRO, GEMINI_3_1_PRO] {
        running
            .fault(&json!({"route": "generate_content", "fault": "output_filter"}))
            .await;
        let filtered = generate(&running, deployment, &said("hello")).await.json();
        assert_eq!(filtered["candidates"][0]["finishReason"], "SAFETY");
        assert!(filtered["candidates"][0]["content"].get("parts").is_none());
    }
}
