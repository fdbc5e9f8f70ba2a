//! Schemas of tools whose root is no plain object: every vendor is offered the tool all the same.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use coretap_formats::{AgentFormat, ModelFormat, UpstreamRequest};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Each route, and where in its body the schema of the first tool stands.
const ROUTES: [(ModelFormat, &str, &str); 8] = [
    (
        ModelFormat::Orchestration,
        "gpt-4o",
        "/config/modules/prompt_templating/prompt/tools/0/function/parameters",
    ),
    (
        ModelFormat::Claude,
        "anthropic--claude-4.5-sonnet",
        "/tools/0/input_schema",
    ),
    (ModelFormat::AzureChat, "gpt-4o", "/tools/0/function/parameters"),
    (ModelFormat::AzureResponses, "gpt-5.5", "/tools/0/parameters"),
    (
        ModelFormat::Vertex,
        "gemini-2.5-pro",
        "/tools/0/functionDeclarations/0/parametersJsonSchema",
    ),
    (
        ModelFormat::Converse,
        "amazon--nova-pro",
        "/toolConfig/tools/0/toolSpec/inputSchema/json",
    ),
    (
        ModelFormat::OpenAiCompatible,
        "mistralai--mistral-medium-instruct",
        "/tools/0/function/parameters",
    ),
    (
        ModelFormat::Cohere,
        "cohere--command-a-reasoning",
        "/tools/0/function/parameters",
    ),
];

const AGENTS: [AgentFormat; 4] = [
    AgentFormat::Messages,
    AgentFormat::ChatCompletions,
    AgentFormat::Responses,
    AgentFormat::Gemini,
];

fn body(agent: AgentFormat, schema: &Value) -> Value {
    let messages = json!([{"role": "user", "content": "Hi"}]);
    match agent {
        AgentFormat::Messages => json!({
            "model": "m", "max_tokens": 9, "messages": messages, "tools": [{"name": "f", "input_schema": schema}],
        }),
        AgentFormat::ChatCompletions => json!({
            "model": "m", "messages": messages,
            "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}],
        }),
        AgentFormat::Responses => json!({
            "model": "m", "input": "Hi", "tools": [{"type": "function", "name": "f", "parameters": schema}],
        }),
        AgentFormat::Gemini => json!({
            "contents": [{"parts": [{"text": "Hi"}]}],
            "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": schema}]}],
        }),
    }
}

fn send(agent: AgentFormat, schema: &Value, format: ModelFormat, model: &str) -> UpstreamRequest {
    common::write(agent, &body(agent, schema), format, model).unwrap()
}

/// The schema that an agent of Chat Completions' has its tool offered with, and what is reported.
fn offered(schema: &Value) -> (Value, Vec<String>) {
    let request = send(
        AgentFormat::ChatCompletions,
        schema,
        ModelFormat::AzureChat,
        "gpt-4o",
    );
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let reported = request.dropped.into_iter().map(Into::into).collect();
    (body["tools"][0]["function"]["parameters"].clone(), reported)
}

#[test]
fn every_route_is_offered_an_object() {
    for schema in [
        json!({"type": "array", "items": {"type": "string"}}),
        json!({"type": ["object", "null"], "properties": {"a": {"type": "string"}}}),
        json!({"type": "null"}),
        json!({"enum": ["a", "b"]}),
        json!({"const": 5}),
        json!({"not": {"required": ["a"]}}),
        json!({"anyOf": [{"type": "object", "properties": {"a": {}}}, {"type": "null"}]}),
        json!({"$ref": "#/$defs/T", "$defs": {"T": {"type": "object", "properties": {"a": {}}}}}),
        json!({"properties": {"a": {}}}),
        json!({}),
    ] {
        for agent in AGENTS {
            for (format, model, place) in ROUTES {
                let request = send(agent, &schema, format, model);
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                let root = body.pointer(place).unwrap().as_object().unwrap();
                let same = (agent, format) == (AgentFormat::Gemini, ModelFormat::Vertex);
                // What is no more than silent is sent on as it came where both sides speak the same.
                if !(same && schema.get("type").is_none() && schema.as_object().unwrap().len() < 2) {
                    assert_eq!(root["type"], "object", "{agent:?} to {format:?}: {schema}");
                }
                for word in ["anyOf", "oneOf", "allOf", "enum", "const", "not", "$ref"] {
                    assert!(!root.contains_key(word), "{agent:?} to {format:?}: {schema}");
                }
            }
        }
    }
}

/// OpenAI: "array schema missing items".
#[test]
fn every_route_is_told_what_lists_are_of() {
    let schema = json!({"type": "object", "default": {"type": "array"}, "properties": {
        "type": {"type": "array"},
        "default": {"type": ["array", "null"], "description": "}"},
        "deep": {"anyOf": [{"type": "array", "items": {"type": "array", "prefixItems": [{"type": "array"}]}}, {"const": {"type": "array"}}]},
        "named": {"$ref": "#/$defs/t"},
    }, "$defs": {"t": {"type": "object", "properties": {"items": {"type": "string"}, "x": {"type": "array", "items": false}}}}});
    let expected = json!({
        "type": {"type": "array", "items": {}},
        "default": {"type": ["array", "null"], "description": "}", "items": {}},
        "deep": {"anyOf": [{"type": "array", "items": {"type": "array", "prefixItems": [{"type": "array", "items": {}}], "items": {}}}, {"const": {"type": "array"}}]},
        "named": {"$ref": "#/$defs/t"},
    });
    let odd_root = json!({"type": "object", "oneOf": [{"properties": {"a": {"type": "array"}}}]});
    for agent in AGENTS {
        for (format, model, place) in ROUTES {
            let request = send(agent, &schema, format, model);
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!(
                body.pointer(place).unwrap()["properties"],
                expected,
                "{agent:?} to {format:?}"
            );
            let request = send(agent, &odd_root, format, model);
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!(
                body.pointer(place).unwrap()["properties"],
                json!({"a": {"type": "array", "items": {}}}),
                "{agent:?} to {format:?}"
            );
        }
    }
    // A schema that says it all stays as it is, to the letter.
    let whole =
        json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}});
    let request = send(AgentFormat::Messages, &whole, ModelFormat::AzureChat, "gpt-4o");
    assert!(
        String::from_utf8(request.body)
            .unwrap()
            .contains(&whole.to_string())
    );
}

#[test]
fn alternatives_become_one_object() {
    let schema = json!({
        "type": "object", "description": "Both", "additionalProperties": false,
        "properties": {"id": {"type": "string"}}, "required": ["id"],
        "oneOf": [
            {"properties": {"kind": {"const": "file"}, "path": {"type": "string"}}, "required": ["kind", "path"]},
            {"properties": {"kind": {"const": "page"}, "path": {"type": "string"}}, "required": ["kind"]},
        ],
    });
    let expected = json!({
        "type": "object", "description": "Both", "additionalProperties": false,
        "properties": {
            "id": {"type": "string"},
            "kind": {"anyOf": [{"const": "file"}, {"const": "page"}]},
            "path": {"type": "string"},
        },
        "required": ["id", "kind"],
    });
    assert_eq!(offered(&schema), (expected, vec!["schema of tool f".to_owned()]));
}

#[test]
fn what_all_parts_demand_is_demanded() {
    let schema = json!({
        "allOf": [
            {"$ref": "#/definitions/Named"},
            {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]},
        ],
        "definitions": {"Named": {"properties": {"a": {"type": "string"}}, "required": ["a"]}},
    });
    let (offered, _) = offered(&schema);
    assert_eq!(
        offered["properties"],
        json!({"a": {"type": "string"}, "b": {"type": "integer"}})
    );
    assert_eq!(offered["required"], json!(["a", "b"]));
    assert_eq!(offered["definitions"], schema["definitions"]);
}

#[test]
fn what_says_the_same_is_not_reported() {
    let nullable = json!({"type": ["object", "null"], "properties": {"a": {"type": "string"}}});
    let plain = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    assert_eq!(offered(&nullable), (plain.clone(), vec![]));
    let referring = json!({"$ref": "#/$defs/T", "$defs": {"T": plain}});
    let (referred, reported) = offered(&referring);
    assert_eq!(
        (&referred["properties"], reported),
        (&plain["properties"], vec![])
    );
}

#[test]
fn what_is_no_object_is_an_argument_of_one() {
    let list = json!({"type": "array", "items": {"$ref": "#/$defs/T"}, "$defs": {"T": {"type": "string"}}});
    let expected = json!({
        "type": "object", "properties": {"input": list}, "required": ["input"], "$defs": list["$defs"],
    });
    assert_eq!(offered(&list), (expected, vec!["schema of tool f".to_owned()]));
    assert_eq!(
        offered(&json!({"type": "null"})).0,
        json!({"type": "object", "properties": {}})
    );
}

#[test]
fn what_is_no_schema_is_none() {
    for schema in [json!(true), json!([]), json!("object"), Value::Null] {
        assert_eq!(offered(&schema), (Value::Null, vec![]), "{schema}");
        let request = send(
            AgentFormat::ChatCompletions,
            &schema,
            ModelFormat::Orchestration,
            "gpt-4o",
        );
        assert!(
            String::from_utf8(request.body)
                .unwrap()
                .contains(r#""parameters":{"type":"object","properties":{}}"#)
        );
    }
}

#[test]
fn a_schema_that_refers_to_itself_comes_to_an_end() {
    let itself = vec![json!({"$ref": "#"}); 200];
    let (offered, _) = offered(&json!({"anyOf": itself, "properties": {"a": {}}}));
    assert_eq!(offered["type"], "object");
}

fn any_schema() -> impl Strategy<Value = Value> {
    let property = prop::sample::select(vec![json!({"type": "integer"}), json!({"const": 1}), json!({})]);
    let properties = prop::collection::btree_map("[ab]", property, 0..3);
    let leaf = (
        properties,
        prop::collection::btree_set("[ab]", 0..2),
        any::<bool>(),
    )
        .prop_map(|(properties, required, typed)| {
            let mut schema =
                json!({"properties": properties, "required": required, "additionalProperties": false});
            if typed {
                schema["type"] = json!("object");
            }
            schema
        });
    let leaf = prop_oneof![4 => leaf, 1 => Just(json!({"type": "null"})), 1 => Just(json!({"enum": [1]}))];
    leaf.prop_recursive(2, 12, 3, |inner| {
        let word = prop::sample::select(vec!["anyOf", "oneOf"]);
        (word, prop::collection::vec(inner, 1..4)).prop_map(|(word, branches)| json!({ word: branches }))
    })
}

proptest! {
    /// A model that keeps to the new schema may say whatever one of the alternatives took.
    #[test]
    fn the_new_schema_takes_what_the_old_one_took(
        schema in any_schema(),
        arguments in prop::collection::btree_map("[abc]", prop::sample::select(vec![json!(1), json!(2), json!("x")]), 0..3),
    ) {
        let arguments = json!(arguments);
        if jsonschema::is_valid(&schema, &arguments) {
            let (offered, _) = offered(&schema);
            prop_assert!(jsonschema::is_valid(&offered, &arguments), "{schema} became {offered}, {arguments}");
        }
    }
}
