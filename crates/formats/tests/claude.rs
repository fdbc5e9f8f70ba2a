//! What Claude refuses and agents send all the same.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use coretap_formats::{
    AgentFormat, AnswerOptions, AnswerStream, ModelFormat, Progress, RequestSettings, UpstreamRequest, answer,
};
use serde_json::{Value, json};

const SONNET: &str = "anthropic--claude-4.5-sonnet";

fn send_to(format: ModelFormat, model: &str, agent: AgentFormat, body: &Value) -> UpstreamRequest {
    common::write(agent, body, format, model).unwrap()
}

/// What a deployment of Claude gets, and what was left out.
fn send(agent: AgentFormat, body: &Value) -> (Value, Vec<String>) {
    let request = send_to(ModelFormat::Claude, SONNET, agent, body);
    let dropped = request.dropped.iter().map(ToString::to_string).collect();
    (serde_json::from_slice(&request.body).unwrap(), dropped)
}

fn messages(content: &Value) -> Value {
    json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": content}]})
}

/// A conversation in which a tool gave this result.
fn failed(content: &Value) -> Value {
    let mut result = json!({"type": "tool_result", "tool_use_id": "c", "is_error": true});
    if !content.is_null() {
        result["content"] = content.clone();
    }
    json!({"model": "m", "max_tokens": 100, "tools": [{"name": "look", "input_schema": {"type": "object"}}], "messages": [
        {"role": "user", "content": "Look"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "look", "input": {}}]},
        {"role": "user", "content": [result]},
    ]})
}

#[test]
fn a_failed_tool_says_something_and_nothing_but_texts() {
    for content in [
        json!(null),
        json!(""),
        json!(" "),
        json!([]),
        json!([{"type": "text", "text": " "}]),
    ] {
        let (sent, dropped) = send(AgentFormat::Messages, &failed(&content));
        let result = &sent["messages"][2]["content"][0];
        assert_eq!(result["content"], "The tool failed.", "{content}");
        assert_eq!(result["is_error"], true);
        assert_eq!(dropped, Vec::<String>::new());
    }
    let texts = json!([{"type": "text", "text": "no such file"}]);
    let (sent, _) = send(AgentFormat::Messages, &failed(&texts));
    assert_eq!(sent["messages"][2]["content"][0]["content"], texts);
    assert_eq!(sent["messages"][2]["content"][0]["is_error"], true);

    let picture =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}});
    let (sent, dropped) = send(AgentFormat::Messages, &failed(&json!([picture])));
    let result = &sent["messages"][2]["content"][0];
    assert_eq!(
        result["content"],
        json!([{"type": "text", "text": "The tool failed."}, picture])
    );
    assert_eq!(result.get("is_error"), None);
    assert_eq!(dropped, ["is_error"]);

    let chat = json!({"model": "m", "messages": [
        {"role": "user", "content": "Look"},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": ""},
    ]});
    let (sent, _) = send(AgentFormat::ChatCompletions, &chat);
    assert_eq!(
        sent["messages"][2]["content"][0]["content"], "",
        "it did not fail"
    );
}

#[test]
fn a_document_of_text_goes_as_text() {
    let base64 = "IyBOb3Rlcwpzw7bDnw=="; // # Notes\nsöß
    let text = json!({"type": "text", "media_type": "text/plain", "data": "# Notes\nsöß"});
    let document = json!({
        "type": "document", "title": "notes.md", "context": "of today", "citations": {"enabled": true},
        "source": {"type": "base64", "media_type": "text/markdown", "data": base64},
    });
    let (sent, dropped) = send(AgentFormat::Messages, &messages(&json!([document])));
    let mut expected = document.clone();
    expected["source"] = text.clone();
    assert_eq!(sent["messages"][0]["content"][0], expected);
    assert_eq!(dropped, Vec::<String>::new());

    let in_result = failed(&json!([document]));
    let (sent, _) = send(AgentFormat::Messages, &in_result);
    assert_eq!(sent["messages"][2]["content"][0]["content"][1], expected);

    let chat = json!({"model": "m", "messages": [{"role": "user", "content": [
        {"type": "file", "file": {"filename": "notes.json", "file_data": format!("data:application/json;base64,{base64}")}},
    ]}]});
    let (sent, _) = send(AgentFormat::ChatCompletions, &chat);
    assert_eq!(
        sent["messages"][0]["content"][0],
        json!({"type": "document", "title": "notes.json", "source": text})
    );
    let gemini = json!({"contents": [{"parts": [{"inlineData": {"mimeType": "text/plain; charset=utf-8", "data": base64}}]}]});
    let (sent, _) = send(AgentFormat::Gemini, &gemini);
    assert_eq!(
        sent["messages"][0]["content"][0],
        json!({"type": "document", "source": text})
    );
}

/// Other vendors take PDF only as well, or have a place of their own for texts.
#[test]
fn a_document_of_text_is_text_to_other_vendors_too() {
    let document = |media_type: &str| {
        messages(&json!([{"type": "document", "title": "a.md", "source":
            {"type": "base64", "media_type": media_type, "data": "IyBOb3Rlcw=="}}]))
    };
    let sent = |format, model, media_type| {
        let request = send_to(format, model, AgentFormat::Messages, &document(media_type));
        String::from_utf8(request.body).unwrap()
    };
    for (format, model) in [
        (ModelFormat::AzureChat, "gpt-4o"),
        (ModelFormat::AzureResponses, "gpt-4o"),
        (ModelFormat::Orchestration, SONNET),
        (ModelFormat::Vertex, "gemini-2.5-pro"),
        (
            ModelFormat::OpenAiCompatible,
            "mistralai--mistral-medium-instruct",
        ),
        (ModelFormat::Cohere, "cohere--command-a-reasoning"),
    ] {
        let body = sent(format, model, "text/markdown");
        assert!(body.contains(r"a.md\n# Notes"), "{format:?}: {body}");
        assert!(!body.contains("IyBOb3Rlcw=="), "{format:?}: {body}");
    }
    let vertex = sent(ModelFormat::Vertex, "gemini-2.5-pro", "text/plain");
    assert!(
        vertex.contains(r#""inlineData":{"mimeType":"text/plain""#),
        "{vertex}"
    );
    let converse = sent(ModelFormat::Converse, "amazon--nova-pro", "text/markdown");
    assert!(converse.contains(r#""document":{"format":"md""#), "{converse}");
    let converse = sent(ModelFormat::Converse, "amazon--nova-pro", "application/json");
    assert!(converse.contains(r"a.md\n# Notes"), "{converse}");

    let chat = json!({"model": "m", "messages": [{"role": "user", "content": [
        {"type": "file", "file": {"filename": "a.md", "file_data": "data:text/markdown;base64,IyBOb3Rlcw=="}}]}]});
    let request = send_to(
        ModelFormat::AzureChat,
        "gpt-4o",
        AgentFormat::ChatCompletions,
        &chat,
    );
    let body = String::from_utf8(request.body).unwrap();
    assert!(body.contains("# Notes"), "{body}");
}

/// A refusal would come again with every later turn, because the file stays in the history.
#[test]
fn what_claude_cannot_read_it_is_told() {
    let file = |kind: &str, media_type: &str| json!({"type": kind, "title": "plan", "source": {"type": "base64", "media_type": media_type, "data": "UEs="}});
    let (sent, dropped) = send(
        AgentFormat::Messages,
        &messages(&json!([
            file("document", "application/zip"),
            file("image", "image/tiff")
        ])),
    );
    assert_eq!(
        sent["messages"][0]["content"],
        json!([
            {"type": "text", "text": "A document of type application/zip, which this model cannot read. plan"},
            {"type": "text", "text": "A picture of type image/tiff, which this model cannot read. plan"},
        ])
    );
    assert_eq!(
        dropped,
        ["document of type application/zip", "picture of type image/tiff"]
    );
}

#[test]
fn empty_titles_and_documents_are_left_out() {
    let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="});
    let (sent, dropped) = send(
        AgentFormat::Messages,
        &messages(&json!([
            {"type": "document", "title": "", "source": pdf},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": " \n"}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": ""}},
        ])),
    );
    assert_eq!(
        sent["messages"][0]["content"],
        json!([{"type": "document", "source": pdf}])
    );
    assert_eq!(dropped, ["empty document"]);
    let (sent, _) = send(
        AgentFormat::Messages,
        &messages(
            &json!([{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": ""}}]),
        ),
    );
    assert_eq!(
        sent["messages"][0]["content"],
        json!([{"type": "text", "text": "."}])
    );
}

#[test]
fn a_media_type_is_spelled_as_claude_does() {
    let picture = |media_type: &str| json!({"type": "image", "source": {"type": "base64", "media_type": media_type, "data": "iVBORw=="}});
    let asked = json!([
        picture("image/jpg"),
        picture("image/png; charset=binary"),
        picture("image/gif")
    ]);
    let (sent, dropped) = send(AgentFormat::Messages, &messages(&asked));
    assert_eq!(
        sent["messages"][0]["content"],
        json!([picture("image/jpeg"), picture("image/png"), picture("image/gif")])
    );
    assert_eq!(dropped, Vec::<String>::new());
}

#[test]
fn files_of_anthropics_store_and_pictures_of_the_model_are_left_out() {
    let picture =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}});
    let texts = json!({"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}]}});
    let body = json!({"model": "m", "max_tokens": 100, "messages": [
        {"role": "user", "content": [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}, texts]},
        {"role": "assistant", "content": [picture]},
        {"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "file_2"}}]},
    ]});
    let (sent, dropped) = send(AgentFormat::Messages, &body);
    let nothing = json!([{"type": "text", "text": "."}]);
    assert_eq!(sent["messages"][0]["content"], json!([texts, nothing[0]]));
    assert_eq!(sent["messages"][1]["content"], nothing);
    assert_eq!(sent["messages"][2]["content"], nothing);
    assert_eq!(dropped, ["attachment of the assistant", "document", "image"]);
}

#[test]
fn thinking_is_as_claude_gave_it_and_never_last() {
    let thinking = json!({"type": "thinking", "thinking": "Hm", "signature": "c2ln"});
    let redacted = json!({"type": "redacted_thinking", "data": "ZGF0YQ=="});
    let with = |block: &Value| {
        let mut block = block.clone();
        block["cache_control"] = json!({"type": "ephemeral"});
        block["index"] = json!(0);
        block
    };
    let body = json!({"model": "m", "max_tokens": 100, "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [with(&thinking), with(&redacted), {"type": "text", "text": "Yes"}, thinking]},
        {"role": "user", "content": "Go on"},
        {"role": "assistant", "content": [thinking, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}]},
        {"role": "user", "content": "And?"},
        {"role": "assistant", "content": [{"type": "text", "text": "So"}, thinking, {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}]},
        {"role": "user", "content": "Well?"},
    ]});
    let (sent, dropped) = send(AgentFormat::Messages, &body);
    let marked = json!({"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}});
    assert_eq!(sent["messages"][0]["content"], json!([marked]));
    assert_eq!(
        sent["messages"][1]["content"],
        json!([thinking, redacted, {"type": "text", "text": "Yes"}])
    );
    assert_eq!(
        sent["messages"][3]["content"],
        json!([thinking, {"type": "text", "text": "."}])
    );
    assert_eq!(
        sent["messages"][5]["content"],
        json!([{"type": "text", "text": "So"}])
    );
    assert_eq!(
        dropped,
        [
            "thinking at the end of a turn",
            "web_search_tool_result",
            "server_tool_use"
        ]
    );
}

#[test]
fn the_beginning_of_an_answer_ends_in_no_blank() {
    let body = json!({"model": "m", "max_tokens": 100, "messages": [
        {"role": "user", "content": "A poem"},
        {"role": "assistant", "content": [{"type": "text", "text": "Roses are \n"}]},
    ]});
    let (sent, _) = send(AgentFormat::Messages, &body);
    assert_eq!(
        sent["messages"][1]["content"],
        json!([{"type": "text", "text": "Roses are"}])
    );
    let request = send_to(
        ModelFormat::Orchestration,
        SONNET,
        AgentFormat::ChatCompletions,
        &body,
    );
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["placeholder_values"]["coretap_2"], "Roses are", "{body}");
}

#[test]
fn a_long_mark_never_follows_a_short_one() {
    let mark = |ttl: &str| json!({"type": "ephemeral", "ttl": ttl});
    let body = |tool: &Value, system: &Value, said: &Value| {
        json!({"model": "m", "max_tokens": 100,
            "tools": [{"name": "look", "input_schema": {"type": "object"}, "cache_control": tool}],
            "system": [{"type": "text", "text": "Be kind", "cache_control": system}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": said}]}]})
    };
    let marks = |sent: &Value| {
        json!([
            sent["tools"][0]["cache_control"],
            sent["system"][0]["cache_control"],
            sent["messages"][0]["content"][0]["cache_control"]
        ])
    };
    let short = json!({"type": "ephemeral"});
    let (sent, dropped) = send(
        AgentFormat::Messages,
        &body(&mark("1h"), &mark("5m"), &mark("1h")),
    );
    assert_eq!(marks(&sent), json!([mark("1h"), mark("5m"), short]));
    assert_eq!(dropped, ["cache_control.ttl"]);
    let (sent, dropped) = send(AgentFormat::Messages, &body(&short, &mark("1h"), &short));
    assert_eq!(marks(&sent), json!([short, short, short]));
    assert_eq!(dropped, ["cache_control.ttl"]);
    let (sent, dropped) = send(AgentFormat::Messages, &body(&mark("1h"), &mark("1h"), &short));
    assert_eq!(marks(&sent), json!([mark("1h"), mark("1h"), short]));
    assert_eq!(dropped, Vec::<String>::new());

    let request = send_to(
        ModelFormat::Orchestration,
        SONNET,
        AgentFormat::Messages,
        &body(&mark("1h"), &mark("5m"), &mark("1h")),
    );
    let sent = String::from_utf8(request.body).unwrap();
    assert_eq!(sent.matches("\"1h\"").count(), 1, "{sent}");
    assert_eq!(request.dropped, ["cache_control.ttl"]);
}

/// The schema that Claude gets for one of an agent's; nothing where it is asked in words.
fn schema_for(schema: &Value) -> Option<Value> {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "strict": true, "schema": schema}}});
    let (sent, _) = send(AgentFormat::ChatCompletions, &body);
    let sent_schema = sent.pointer("/output_config/format/schema").cloned();
    if sent_schema.is_none() {
        let words = sent["system"][0]["text"].as_str().unwrap();
        assert!(words.contains(&schema.to_string()), "{words}");
    }
    sent_schema
}

#[test]
fn the_schema_of_an_answer_holds_what_claude_follows() {
    let asked = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "title": "Person",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 20, "description": "Its name"},
            "mail": {"type": "string", "format": "email"},
            "code": {"type": "string", "format": "regex", "pattern": "^a+$"},
            "age": {"type": ["integer", "null"], "minimum": 0, "maximum": 150, "default": 3},
            "kind": {"enum": ["a", "b", null]},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3, "uniqueItems": true},
            "more": {"type": "array", "items": {"$ref": "#/$defs/Part"}, "minItems": 2},
            "one": {"oneOf": [{"$ref": "#/$defs/Part"}, {"type": "null"}]},
            "only": {"allOf": [{"$ref": "#/$defs/Part"}], "description": "x"},
        },
        "required": ["name", "age"],
        "$defs": {"Part": {"properties": {"n": {"type": "number", "multipleOf": 2}}, "additionalProperties": true}},
    });
    let expected = json!({
        "type": "object", "title": "Person", "additionalProperties": false,
        "properties": {
            "name": {"type": "string", "description": "Its name\n(minLength: 1, maxLength: 20)"},
            "mail": {"type": "string", "format": "email"},
            "code": {"type": "string", "description": "(format: \"regex\", pattern: \"^a+$\")"},
            "age": {"type": ["integer", "null"], "default": 3, "description": "(minimum: 0, maximum: 150)"},
            "kind": {"enum": ["a", "b", null]},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "description": "(maxItems: 3, uniqueItems: true)"},
            "more": {"type": "array", "items": {"$ref": "#/$defs/Part"}, "description": "(minItems: 2)"},
            "one": {"anyOf": [{"$ref": "#/$defs/Part"}, {"type": "null"}]},
            "only": {"$ref": "#/$defs/Part"},
        },
        "required": ["name", "age"],
        "$defs": {"Part": {"type": "object", "properties": {"n": {"type": "number", "description": "(multipleOf: 2)"}}, "additionalProperties": false}},
    });
    // serde_json's map sorts its members, so the limits come in the order of their names.
    let sort = |text: &str| {
        text.replace("minLength: 1, maxLength: 20", "maxLength: 20, minLength: 1")
            .replace("minimum: 0, maximum: 150", "maximum: 150, minimum: 0")
    };
    let expected: Value = serde_json::from_str(&sort(&expected.to_string())).unwrap();
    assert_eq!(schema_for(&asked), Some(expected));

    let gemini = json!({"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": {
        "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "properties": {"n": {"type": "INTEGER", "minimum": 1}}, "propertyOrdering": ["n"]},
    }});
    let (sent, _) = send(AgentFormat::Gemini, &gemini);
    assert_eq!(
        sent["output_config"]["format"]["schema"],
        json!({"type": "object", "properties": {"n": {"type": "integer", "description": "(minimum: 1)"}}, "additionalProperties": false})
    );
}

#[test]
fn a_schema_that_claude_cannot_follow_is_asked_for_in_words() {
    let object = |property: &Value| json!({"type": "object", "properties": {"a": property}});
    for schema in [
        json!({"type": "object", "additionalProperties": {"type": "string"}}),
        json!({"type": "object"}),
        object(
            &json!({"type": "object", "properties": {"b": {"type": "string"}}, "additionalProperties": {"type": "string"}}),
        ),
        object(&json!({})),
        object(&json!(true)),
        object(&json!({"type": "array"})),
        object(&json!({"enum": [{"b": 1}]})),
        object(&json!({"$ref": "#"})),
        object(&json!({"$ref": "https://example.com/schema"})),
        object(&json!({"$ref": "#/$defs/Missing"})),
        object(&json!({"allOf": [{"type": "string"}, {"minLength": 1}]})),
        object(&json!({"type": "object", "patternProperties": {"^a": {"type": "string"}}})),
        json!({"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}, "$defs": {
            "Node": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Link"}, {"type": "null"}]}}},
            "Link": {"type": "object", "properties": {"to": {"$ref": "#/$defs/Node"}}},
        }}),
    ] {
        assert_eq!(schema_for(&schema), None, "{schema}");
    }
    let empty = json!({"type": "object", "properties": {}, "additionalProperties": false});
    assert_eq!(schema_for(&empty), Some(empty));
}

#[test]
fn arguments_of_tools_have_names_that_claude_takes() {
    let tool = |name: &str, schema: &Value| json!({"name": name, "input_schema": schema});
    let string = json!({"type": "string"});
    let odd = json!({"type": "object", "properties": {"path": string, "größe": string, "a b": string}, "required": ["path"]});
    let hopeless = json!({"type": "object", "properties": {"größe": string}, "required": ["größe"]});
    let plain = json!({"type": "object", "properties": {"a-b_c.d": string}, "x-note": 1});
    let body = json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}],
        "tools": [tool("odd", &odd), tool("hopeless", &hopeless), tool("plain", &plain)],
        "tool_choice": {"type": "tool", "name": "hopeless"}});
    let (sent, dropped) = send(AgentFormat::Messages, &body);
    assert_eq!(
        sent["tools"],
        json!([
            tool(
                "odd",
                &json!({"type": "object", "properties": {"path": string}, "required": ["path"]})
            ),
            tool("plain", &plain)
        ])
    );
    assert_eq!(sent["tool_choice"]["type"], "auto");
    assert_eq!(dropped, ["schema of tool odd", "tool hopeless", "tool_choice"]);

    let request = send_to(ModelFormat::Orchestration, SONNET, AgentFormat::Messages, &body);
    assert!(!String::from_utf8(request.body).unwrap().contains("größe"));
    let request = send_to(ModelFormat::AzureChat, "gpt-4o", AgentFormat::Messages, &body);
    assert!(
        String::from_utf8(request.body).unwrap().contains("größe"),
        "others take it"
    );
}

#[test]
fn a_tool_set_without_a_name_is_left_out() {
    let body = json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "mcp_toolset", "mcp_server_name": "files"}]});
    let (sent, dropped) = send(AgentFormat::Messages, &body);
    assert_eq!(sent.get("tools"), None);
    assert_eq!(dropped, ["tool mcp_toolset"]);
}

#[test]
fn a_tool_whose_name_claude_refuses_has_another_one() {
    let own = "server.größe";
    let body = json!({"model": "m", "max_tokens": 100, "tool_choice": {"type": "tool", "name": own},
    "tools": [{"name": own, "input_schema": {"type": "object"}}, {"name": "", "input_schema": {"type": "object"}}],
    "messages": [
        {"role": "user", "content": "Look"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": own, "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "1"}]},
    ]});
    let request = send_to(ModelFormat::Claude, SONNET, AgentFormat::Messages, &body);
    let sent: Value = serde_json::from_slice(&request.body).unwrap();
    let offered = sent["tools"][0]["name"].as_str().unwrap();
    let plain = |name: &str| {
        (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    assert!(
        plain(offered) && plain(sent["tools"][1]["name"].as_str().unwrap()),
        "{sent}"
    );
    assert_eq!(sent["tool_choice"]["name"], offered);
    assert_eq!(sent["messages"][1]["content"][0]["name"], offered);

    let options = AnswerOptions {
        agent: AgentFormat::Messages,
        upstream: ModelFormat::Claude,
        model: "m".to_owned(),
        id: "1".to_owned(),
        created: 0,
        include_usage: false,
        has_fallbacks: false,
        as_array: false,
        tools: request.tools.clone(),
        settings: RequestSettings::default(),
        estimated_input: 0,
    };
    let call = |input: Value| json!({"type": "tool_use", "id": "c", "name": offered, "input": input});
    let message = |content: Value| {
        json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": content,
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": 1}})
    };
    let mut whole = message(json!([call(json!({"a": 1}))]));
    whole["stop_reason"] = json!("tool_use");
    let told = String::from_utf8(answer(&options, whole.to_string().as_bytes()).unwrap().body).unwrap();
    assert!(told.contains(own) && !told.contains(offered), "{told}");

    let events = [
        json!({"type": "message_start", "message": message(json!([]))}),
        json!({"type": "content_block_start", "index": 0, "content_block": call(json!({}))}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null}, "usage": {"output_tokens": 5}}),
        json!({"type": "message_stop"}),
    ];
    let mut stream = AnswerStream::new(options);
    let mut out = Vec::new();
    for event in events {
        stream.push(format!("data: {event}\n\n").as_bytes(), &mut out);
    }
    assert_eq!(stream.finish(&mut out), Progress::Ended);
    let told = String::from_utf8(out).unwrap();
    assert!(told.contains(own) && !told.contains(offered), "{told}");
}
