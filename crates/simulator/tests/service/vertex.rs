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

async fn ask(running: &Running, deployment: &str, method: &str, body: &Value) -> Reply {
    let path = format!("/models/{}:{method}", name(deployment));
    running.call(deployment, &path, body).await
}

async fn generate(running: &Running, deployment: &str, body: &Value) -> Reply {
    ask(running, deployment, "generateContent", body).await
}

fn user(text: &str) -> Value {
    json!({"role": "user", "parts": [{"text": text}]})
}

fn said(text: &str) -> Value {
    json!({"contents": [user(text)]})
}

fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

fn config(config: Value) -> Value {
    with(said("x"), "generationConfig", config)
}

fn weather() -> Value {
    json!([{"functionDeclarations": [{"name": "get_weather", "description": "The weather of a city.", "parameters": {
        "type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]
    }}]}])
}

fn parameters(schema: Value) -> Value {
    with(
        said("x"),
        "tools",
        json!([{"functionDeclarations": [{"name": "f", "parameters": schema}]}]),
    )
}

fn property(schema: Value) -> Value {
    parameters(json!({"type": "OBJECT", "properties": {"p": schema}}))
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
async fn what_google_refuses_is_refused_in_its_words() {
    let running = Running::start().await;
    let contents = |contents: Value| json!({ "contents": contents });
    let part = |part: Value| json!({"contents": [{"role": "user", "parts": [part]}]});
    let call = json!({"functionCall": {"name": "f", "args": {}}});
    let called = json!({"role": "model", "parts": [call]});
    let response = json!({"functionResponse": {"name": "f", "response": {"output": "r"}}});
    let cases: Vec<(&str, Value, &str)> = vec![
        (
            GEMINI_2_5_PRO,
            with(said("x"), "model", json!("gemini-2.5-pro")),
            "Unknown name \"model\": Cannot find field.",
        ),
        (
            GEMINI_2_5_PRO,
            with(said("x"), "stream", json!(true)),
            "Unknown name \"stream\"",
        ),
        (
            GEMINI_2_5_PRO,
            with(said("x"), "cachedContent", json!("c")),
            "Unknown name \"cachedContent\"",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({"enable_thinking": true})),
            "Unknown name \"enable_thinking\" at 'generation_config'",
        ),
        (
            GEMINI_2_5_PRO,
            part(json!({"text": "x", "cache_control": {}})),
            "Unknown name \"cache_control\" at 'contents[0].parts[0]'",
        ),
        (
            GEMINI_2_5_PRO,
            contents(json!([user("x"), {"role": "model", "parts": [
                {"functionCall": {"id": "c1", "name": "f", "args": {}}}
            ]}])),
            "Unknown name \"id\" at 'contents[1].parts[0].function_call'",
        ),
        (
            GEMINI_2_5_PRO,
            part(json!({"functionResponse": {"id": "c1", "name": "f", "response": {}}})),
            "Unknown name \"id\" at 'contents[0].parts[0].function_response'",
        ),
        (GEMINI_2_5_PRO, json!({}), "it must have a contents field"),
        (
            GEMINI_2_5_PRO,
            contents(json!([])),
            "at least one contents field is required",
        ),
        (
            GEMINI_2_5_PRO,
            contents(json!([{"role": "assistant", "parts": [{"text": "x"}]}])),
            "Please use a valid role: user, model.",
        ),
        (
            GEMINI_2_5_PRO,
            contents(json!([{"parts": [{"text": "x"}]}])),
            "Please use a valid role: user, model.",
        ),
        (
            GEMINI_2_5_PRO,
            contents(json!([{"role": "user", "parts": []}])),
            "at least one parts field",
        ),
        (GEMINI_2_5_PRO, part(json!({})), "must have one initialized field"),
        (GEMINI_2_5_PRO, part(json!({"text": ""})), "empty text parameter"),
        (
            GEMINI_2_5_PRO,
            part(json!({"text": "x", "inlineData": {"mimeType": "text/plain", "data": ""}})),
            "already set to text",
        ),
        (
            GEMINI_2_5_PRO,
            part(json!({"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a.png"}})),
            "Cannot fetch content",
        ),
        (
            GEMINI_2_5_PRO,
            contents(json!([{"role": "model", "parts": [{"text": "x"}]}, user("x")])),
            "start with a user turn",
        ),
        (
            GEMINI_2_5_PRO,
            contents(json!([user("x"), {"role": "model", "parts": [{"text": "x"}]}])),
            "end with a user turn",
        ),
        (
            GEMINI_2_5_PRO,
            part(call.clone()),
            "functionCall is not part of a user turn",
        ),
        (
            GEMINI_2_5_PRO,
            part(response.clone()),
            "immediately after a function call turn",
        ),
        (
            GEMINI_2_5_PRO,
            contents(
                json!([user("x"), {"role": "model", "parts": [call, call]}, {"role": "user", "parts": [response]}]),
            ),
            "equal to the number of function call parts",
        ),
        (
            GEMINI_2_5_PRO,
            contents(json!([user("x"), called, user("y")])),
            "equal to the number of function call parts",
        ),
        (
            GEMINI_2_5_PRO,
            contents(json!([user("x"), called, {"role": "user", "parts": [{"text": "y"}, response]}])),
            "function responses come before other parts",
        ),
        (
            GEMINI_2_5_PRO,
            contents(json!([user("x"), called, {"role": "user", "parts": [
                {"functionResponse": {"name": "g", "response": {}}}
            ]}])),
            "name the functions that were called",
        ),
        (
            GEMINI_2_5_PRO,
            contents(
                json!([user("x"), {"role": "model", "parts": [{"text": "y"}]}, called, {"role": "user", "parts": [response]}]),
            ),
            "function call turn comes immediately after a user turn",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({"temperature": 2.5})),
            "a temperature value of 2.5",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({"temperature": "hot"})),
            "(TYPE_DOUBLE), \"hot\"",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({"topP": 1.5})),
            "a topP value of 1.5",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({"topK": 100})),
            "from 1 (inclusive) to 65 (exclusive)",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({"maxOutputTokens": 65_537})),
            "to 65537 (exclusive)",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({"maxOutputTokens": 0})),
            "a maxOutputTokens value of 0",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({"candidateCount": 2})),
            "Multiple candidates is not enabled",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({"stopSequences": ["a", "b", "c", "d", "e", "f"]})),
            "a stopSequences value of 6",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({"stopSequences": [""]})),
            "empty stop sequence",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({"logprobs": 3})),
            "only allowed when response_logprobs",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({"responseSchema": {"type": "STRING"}})),
            "not supported with text/plain MIME type",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({"responseMimeType": "text/html"})),
            "allowed mimetypes are",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({
                "responseMimeType": "application/json",
                "responseSchema": {"type": "STRING"},
                "responseJsonSchema": {"type": "string"}
            })),
            "Only one of response_schema and response_json_schema",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({
                "responseMimeType": "application/json",
                "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "additionalProperties": false}
            })),
            "Unknown name \"additionalProperties\" at 'generation_config.response_schema'",
        ),
        (
            GEMINI_2_5_PRO,
            with(
                config(json!({"responseMimeType": "application/json"})),
                "tools",
                weather(),
            ),
            "Function calling with a response mime type: 'application/json' is unsupported",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({"thinkingConfig": {"thinkingBudget": 0}})),
            "Budget 0 is invalid. This model only works in thinking mode.",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({"thinkingConfig": {"thinkingBudget": 64}})),
            "choose a value between 128 and 32768",
        ),
        (
            GEMINI_2_5_FLASH,
            config(json!({"thinkingConfig": {"thinkingBudget": 32_768}})),
            "choose a value between 1 and 24576",
        ),
        (
            GEMINI_2_5_FLASH,
            config(json!({"thinkingConfig": {"thinkingBudget": 0, "includeThoughts": true}})),
            "include_thoughts is only enabled when thinking is enabled",
        ),
        (
            GEMINI_2_5_PRO,
            config(json!({"thinkingConfig": {"thinkingLevel": "LOW"}})),
            "Thinking level is not supported",
        ),
        (
            GEMINI_3_1_PRO,
            config(json!({"thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 500}})),
            "only one of thinking budget and thinking level",
        ),
        (
            GEMINI_3_1_PRO,
            config(json!({"thinkingConfig": {"thinkingLevel": "minimal"}})),
            "Thinking level MINIMAL is not supported",
        ),
        (
            GEMINI_2_5_PRO,
            with(said("x"), "tools", json!([{"googleSearch": {}}])),
            "Unknown name \"googleSearch\" at 'tools[0]'",
        ),
        (
            GEMINI_2_5_PRO,
            with(said("x"), "tools", json!([{}])),
            "no function declarations",
        ),
        (
            GEMINI_2_5_PRO,
            with(said("x"), "tools", json!([weather()[0], weather()[0]])),
            "Multiple tools are supported only",
        ),
        (
            GEMINI_2_5_PRO,
            with(
                said("x"),
                "tools",
                json!([{"functionDeclarations": [{"name": "f"}, {"name": "f"}]}]),
            ),
            "Duplicate function declaration found: f",
        ),
        (
            GEMINI_2_5_PRO,
            with(
                said("x"),
                "tools",
                json!([{"functionDeclarations": [{"name": "1 f"}]}]),
            ),
            "Invalid function name '1 f'",
        ),
        (
            GEMINI_2_5_PRO,
            with(
                said("x"),
                "tools",
                json!([{"functionDeclarations": [{
                    "name": "f",
                    "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
                    "parametersJsonSchema": {"type": "object"}
                }]}]),
            ),
            "must not both be set",
        ),
        (
            GEMINI_2_5_PRO,
            with(
                said("x"),
                "tools",
                json!([{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "string"}}]}]),
            ),
            "should be of type OBJECT",
        ),
        (
            GEMINI_2_5_PRO,
            parameters(json!({"type": "object", "$schema": "x", "properties": {"a": {"type": "string"}}})),
            "Unknown name \"$schema\" at 'tools[0].function_declarations[0].parameters'",
        ),
        (
            GEMINI_2_5_PRO,
            property(json!({"const": 1})),
            "Unknown name \"const\" at 'tools[0].function_declarations[0].parameters.properties[0].value'",
        ),
        (
            GEMINI_2_5_PRO,
            property(json!({"type": "number", "exclusiveMinimum": 1})),
            "\"exclusiveMinimum\"",
        ),
        (
            GEMINI_2_5_PRO,
            property(json!({"type": "object", "propertyNames": {}})),
            "\"propertyNames\"",
        ),
        (GEMINI_2_5_PRO, property(json!({"$ref": "#/$defs/a"})), "\"$ref\""),
        (
            GEMINI_2_5_PRO,
            property(json!({"type": ["string", "null"]})),
            "Proto field is not repeating, cannot start list.",
        ),
        (
            GEMINI_2_5_PRO,
            property(json!({"type": "INTEGER", "enum": [1]})),
            "parameters.properties[0].value.enum[0]' (TYPE_STRING)",
        ),
        (
            GEMINI_2_5_PRO,
            property(json!({"type": "INTEGER", "enum": ["1"]})),
            "only allowed for STRING type",
        ),
        (
            GEMINI_2_5_PRO,
            property(json!({"type": "STRING", "format": "uri"})),
            "'uri' is not supported",
        ),
        (
            GEMINI_2_5_PRO,
            property(json!({"type": "ARRAY"})),
            "value.items: missing field",
        ),
        (
            GEMINI_2_5_PRO,
            property(json!({"description": "x"})),
            "didn't specify the schema type field",
        ),
        (
            GEMINI_2_5_PRO,
            property(json!({"description": "x", "anyOf": [{"type": "STRING"}]})),
            "other fields alongside any_of",
        ),
        (
            GEMINI_2_5_PRO,
            parameters(json!({"type": "OBJECT", "properties": {}})),
            "should be non-empty for OBJECT type",
        ),
        (
            GEMINI_2_5_PRO,
            parameters(json!({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["b"]})),
            "required[0]: property is not defined",
        ),
        (
            GEMINI_2_5_PRO,
            with(
                said("x"),
                "toolConfig",
                json!({"functionCallingConfig": {"mode": "AUTO"}}),
            ),
            "set without function_declarations",
        ),
        (
            GEMINI_2_5_PRO,
            with(
                with(said("x"), "tools", weather()),
                "toolConfig",
                json!({"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["get_weather"]}}),
            ),
            "only be set when function calling mode is ANY",
        ),
        (
            GEMINI_2_5_PRO,
            with(
                with(said("x"), "tools", weather()),
                "toolConfig",
                json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["g"]}}),
            ),
            "'g' is not in the function declarations",
        ),
        (
            GEMINI_2_5_PRO,
            with(
                said("x"),
                "safetySettings",
                json!([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "NONE"}]),
            ),
            "Invalid value at 'safety_settings[0].threshold' (TYPE_ENUM), \"NONE\"",
        ),
    ];
    for (deployment, body, words) in cases {
        let reply = generate(&running, deployment, &body).await;
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
        let error = &reply.json()["error"];
        assert_eq!(
            (&error["code"], &error["status"]),
            (&json!(400), &json!("INVALID_ARGUMENT"))
        );
        assert!(
            error["message"].as_str().unwrap().contains(words),
            "{words}: {error}"
        );
    }
    let allowed = config(json!({"thinkingConfig": {"thinkingBudget": 0}}));
    let answer = generate(&running, GEMINI_2_5_FLASH, &allowed).await.json();
    assert!(answer["usageMetadata"].get("thoughtsTokenCount").is_none());
}

#[tokio::test]
async fn the_path_names_the_deployed_model() {
    let running = Running::start().await;
    let path = "/models/gemini-2.5-flash:generateContent";
    let reply = running.call(GEMINI_2_5_PRO, path, &said("x")).await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["status"]),
        (404, &json!("NOT_FOUND"))
    );
    let predicted = ask(
        &running,
        GEMINI_2_5_PRO,
        "predict",
        &json!({"instances": [{"content": "x"}]}),
    )
    .await;
    assert_eq!(predicted.status, 400);
    assert_eq!(generate(&running, GEMINI_EMBEDDING, &said("x")).await.status, 400);
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

#[tokio::test]
async fn what_this_tenant_refuses_is_refused_in_googles_words() {
    let running = Running::start().await;
    let refuses = json!({"refuses": [{"member": "thinkingConfig"}, {"output_tokens": 1_000}]});
    running.control("POST", "settings", &refuses).await;
    for (body, words) in [
        (
            config(json!({"thinkingConfig": {}})),
            "Unknown name \"thinkingConfig\" at 'generation_config'",
        ),
        (config(json!({"maxOutputTokens": 1_001})), "to 1001 (exclusive)"),
    ] {
        let error = generate(&running, GEMINI_2_5_PRO, &body).await.json();
        assert!(
            error["error"]["message"].as_str().unwrap().contains(words),
            "{error}"
        );
    }
}
