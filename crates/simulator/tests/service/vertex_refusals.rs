//! What Google refuses, in its words.

use serde_json::{Value, json};

use super::vertex::{ask, config, generate, said, user, weather, with};
use crate::client::{GEMINI_2_5_FLASH, GEMINI_2_5_PRO, GEMINI_3_1_PRO, GEMINI_EMBEDDING, Running};

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
            config(json!({"candidateCount": 9})),
            "candidateCount value of 9",
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
