//! Schemas of tools and of answers: what every vendor wants of them, and what OpenAI wants where they are strict.

use serde_json::{Value, json};

use super::orchestration::{CLAUDE, ask, with, with_tools};
use crate::client::{
    COHERE, GEMINI_2_5_PRO, GPT_4O, GPT_5, HUB_ORCHESTRATION, MISTRAL, NOVA_PRO, Reply, Running, SONNET,
};

/// Schemas that describe no single object.
fn no_objects() -> [Value; 5] {
    let properties = json!({"a": {"type": "string"}});
    [
        json!({}),
        json!({"properties": properties}),
        json!({"type": "array", "items": {"type": "string"}}),
        json!({"type": ["object", "null"], "properties": properties}),
        json!({"type": "object", "properties": properties, "anyOf": [{"required": ["a"]}]}),
    ]
}

fn one_object() -> Value {
    json!({"type": "object", "properties": {"a": {"type": "string"}}})
}

/// Models of each vendor behind orchestration.
const HARMONIZED: [&str; 7] = [
    "gpt-4o",
    "gpt-5",
    CLAUDE,
    "gemini-2.5-pro",
    "amazon--nova-pro",
    "mistralai--mistral-small",
    "cohere--command-a-reasoning",
];

async fn harmonized(running: &Running, body: &Value) -> Reply {
    running.call(HUB_ORCHESTRATION, "/v2/completion", body).await
}

#[tokio::test]
async fn the_arguments_of_a_tool_are_one_object_everywhere() {
    let running = Running::start().await;
    let function =
        |schema: &Value| json!([{"type": "function", "function": {"name": "f", "parameters": schema}}]);
    let chat = |model: &str, schema: &Value| json!({"model": model, "messages": [{"role": "user", "content": "x"}], "tools": function(schema)});
    let direct = |schema: &Value| {
        let name = "f";
        [
            (GPT_4O, "/chat/completions?api-version=1", chat("gpt-4o", schema)),
            (
                GPT_5,
                "/responses",
                json!({"input": "x", "tools": [{"type": "function", "name": name, "parameters": schema}]}),
            ),
            (
                SONNET,
                "/invoke",
                json!({
                    "anthropic_version": "bedrock-2023-05-31",
                    "max_tokens": 100,
                    "messages": [{"role": "user", "content": "x"}],
                    "tools": [{"name": name, "input_schema": schema}],
                }),
            ),
            (
                NOVA_PRO,
                "/converse",
                json!({
                    "messages": [{"role": "user", "content": [{"text": "x"}]}],
                    "toolConfig": {"tools": [{"toolSpec": {"name": name, "inputSchema": {"json": schema}}}]},
                }),
            ),
            (
                GEMINI_2_5_PRO,
                "/models/gemini-2.5-pro:generateContent",
                json!({
                    "contents": [{"role": "user", "parts": [{"text": "x"}]}],
                    "tools": [{"functionDeclarations": [{"name": name, "parametersJsonSchema": schema}]}],
                }),
            ),
            (
                MISTRAL,
                "/chat/completions",
                chat("mistralai--mistral-small", schema),
            ),
            (COHERE, "/v2/chat", chat("cohere--command-a-reasoning", schema)),
        ]
    };
    for (deployment, path, body) in direct(&one_object()) {
        let reply = running.call(deployment, path, &body).await;
        assert_eq!(reply.status, 200, "{path} {}", reply.text());
    }
    for schema in no_objects() {
        for (deployment, path, body) in direct(&schema) {
            let reply = running.call(deployment, path, &body).await;
            assert!(
                [400, 422].contains(&reply.status),
                "{path} {schema}: {}",
                reply.text()
            );
        }
    }
    for model in HARMONIZED {
        let taken = harmonized(&running, &with_tools(ask(model, "x"), function(&one_object()))).await;
        assert_eq!(taken.status, 200, "{model}: {}", taken.text());
        for schema in no_objects() {
            let refused = harmonized(&running, &with_tools(ask(model, "x"), function(&schema))).await;
            assert_eq!(refused.status, 400, "{model} {schema}: {}", refused.text());
            assert_eq!(refused.json()["error"]["location"], "LLM Module");
        }
    }
}

#[tokio::test]
async fn what_openai_wants_of_a_schema_holds_on_each_way_to_it() {
    let running = Running::start().await;
    let open = one_object();
    let long = json!({"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}, "required": ["a"],
        "additionalProperties": false});
    let bare = json!({"type": "object"});
    let list = json!({"type": "object", "properties": {"a": {"type": "array"}}});
    let cases = [
        (
            true,
            &open,
            "'additionalProperties' is required to be supplied and to be false.",
        ),
        (
            true,
            &long,
            "In context=('properties', 'a'), 'minLength' is not permitted.",
        ),
        (false, &bare, "object schema missing properties."),
        (
            false,
            &list,
            "In context=('properties', 'a'), array schema missing items.",
        ),
    ];
    for (strict, schema, words) in cases {
        let function = json!({"name": "f", "parameters": schema, "strict": strict});
        let tools = json!([{"type": "function", "function": function}]);
        let mut flat = function.clone();
        flat["type"] = json!("function");
        let messages = json!([{"role": "user", "content": "x"}]);
        for reply in [
            running
                .chat(GPT_4O, &json!({"messages": messages, "tools": tools}))
                .await,
            running
                .respond(GPT_4O, &json!({"input": "x", "tools": [flat]}))
                .await,
            harmonized(&running, &with_tools(ask("gpt-4o", "x"), tools.clone())).await,
        ] {
            assert_eq!(reply.status, 400, "{schema}: {}", reply.text());
            let message = reply.json()["error"]["message"].clone();
            assert!(
                message.as_str().unwrap().contains(words),
                "{message} instead of {words}"
            );
        }
    }
    for (strict, schema, words) in [
        (
            true,
            &open,
            "'additionalProperties' is required to be supplied and to be false.",
        ),
        (
            false,
            &json!({"type": "array", "items": {}}),
            "got 'type: \"array\"'.",
        ),
    ] {
        let form = json!({"name": "n", "schema": schema, "strict": strict});
        let format = json!({"type": "json_schema", "json_schema": form});
        let mut flat = form.clone();
        flat["type"] = json!("json_schema");
        let messages = json!([{"role": "user", "content": "x"}]);
        for reply in [
            running
                .chat(GPT_4O, &json!({"messages": messages, "response_format": format}))
                .await,
            running
                .respond(GPT_4O, &json!({"input": "x", "text": {"format": flat}}))
                .await,
            harmonized(&running, &formed(ask("gpt-4o", "x"), format.clone())).await,
        ] {
            assert_eq!(reply.status, 400, "{schema}: {}", reply.text());
            let message = reply.json()["error"]["message"].clone();
            assert!(
                message.as_str().unwrap().contains(words),
                "{message} instead of {words}"
            );
        }
    }
}

fn formed(body: Value, format: Value) -> Value {
    with(
        body,
        "/config/modules/prompt_templating/prompt",
        "response_format",
        format,
    )
}

#[tokio::test]
async fn openai_answers_in_json_to_whom_says_so_and_old_models_never() {
    let running = Running::start().await;
    let json_mode = json!({"type": "json_object"});
    for (model, text, status) in [
        ("gpt-4o", "a person", 400),
        ("gpt-4o", "a person, as JSON", 200),
        ("gpt-4", "a person, as JSON", 400),
    ] {
        let reply = running
            .complete(&formed(ask(model, text), json_mode.clone()))
            .await;
        assert_eq!(reply.status, status, "{model} {text}: {}", reply.text());
    }
    // The word counts where it is said, not where it stands otherwise.
    let called = json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [
            {"id": "json", "type": "function", "function": {"name": "json", "arguments": "{}"}}
        ]},
        {"role": "tool", "tool_call_id": "json", "content": "plum"}
    ]);
    let body = json!({"messages": called, "response_format": json_mode});
    assert_eq!(running.chat(GPT_4O, &body).await.status, 400);
    for (input, status) in [
        (json!("a person"), 400),
        (json!([{"role": "user", "content": "Json"}]), 200),
    ] {
        let reply = running
            .respond(GPT_4O, &json!({"input": input, "text": {"format": json_mode}}))
            .await;
        assert_eq!(reply.status, status, "{}", reply.text());
    }
}
