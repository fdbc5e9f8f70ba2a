//! What OpenAI's strictness and that of vendors who follow it costs a request.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use coretap_formats::rules::Rules;
use coretap_formats::{
    AgentFormat, ModelFormat, ReadError, RequestHead, Target, UpstreamRequest, write_request,
};
use serde_json::{Value, json};

fn try_send(
    agent: AgentFormat,
    body: &Value,
    format: ModelFormat,
    model: &str,
) -> Result<UpstreamRequest, ReadError> {
    common::write(agent, body, format, model)
}

/// The body that is sent, and what is reported.
fn send(agent: AgentFormat, body: &Value, format: ModelFormat, model: &str) -> (Value, Vec<String>) {
    let request = try_send(agent, body, format, model).unwrap();
    let reported = request.dropped.into_iter().map(Into::into).collect();
    (serde_json::from_slice(&request.body).unwrap(), reported)
}

fn chat_to_azure(body: &Value) -> (Value, Vec<String>) {
    send(
        AgentFormat::ChatCompletions,
        body,
        ModelFormat::AzureChat,
        "gpt-4o",
    )
}

fn responses_to_azure(input: &Value) -> (Value, Vec<String>) {
    let body = json!({"model": "m", "input": input, "store": false});
    send(
        AgentFormat::Responses,
        &body,
        ModelFormat::AzureResponses,
        "gpt-5.5",
    )
}

fn chat_call(id: &str) -> Value {
    json!({"role": "assistant", "tool_calls": [
        {"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}]})
}

/// Every id of a call or a result in a body, in its order.
fn call_ids(body: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match body {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(id)
                        if matches!(
                            name.as_str(),
                            "tool_call_id" | "call_id" | "toolUseId" | "tool_use_id"
                        ) =>
                    {
                        found.push(id.to_owned());
                    }
                    Some(id) if name == "id" => found.push(id.to_owned()),
                    _ => found.extend(call_ids(value)),
                }
            }
        }
        Value::Array(entries) => found.extend(entries.iter().flat_map(call_ids)),
        _ => {}
    }
    found
}

#[test]
fn ids_of_calls_are_no_longer_than_every_vendor_takes() {
    let long = "call_".repeat(9);
    let kept = "c".repeat(40);
    let body = json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": "Hi"},
        chat_call(&long),
        {"role": "tool", "tool_call_id": long, "content": "a"},
        chat_call(&kept),
        {"role": "tool", "tool_call_id": kept, "content": "b"},
        {"role": "user", "content": "Go on"},
    ]});
    for (format, model) in [
        (ModelFormat::AzureChat, "gpt-4o"),
        (ModelFormat::AzureResponses, "gpt-5.5"),
        (ModelFormat::Orchestration, "gpt-4o"),
        (ModelFormat::Claude, "anthropic--claude-4.5-sonnet"),
        (ModelFormat::Cohere, "cohere--command-a-reasoning"),
    ] {
        let (sent, _) = send(AgentFormat::ChatCompletions, &body, format, model);
        let ids = call_ids(&sent);
        assert_eq!(ids.len(), 4, "{format:?}: {sent}");
        assert!(ids.iter().all(|id| id.len() <= 40), "{format:?}: {ids:?}");
        assert_eq!((&ids[0], &ids[2]), (&ids[1], &ids[3]), "{format:?}");
        assert_eq!(ids[2], kept, "{format:?}");
    }
}

#[test]
fn names_and_parts_that_openai_refuses_are_left_out_of_copied_messages() {
    let (sent, reported) = chat_to_azure(&json!({"model": "m", "messages": [
        {"role": "system", "content": [{"type": "input_text", "text": "Be brief."}]},
        {"role": "user", "name": "bot 1", "content": "a"},
        {"role": "user", "name": "", "content": "b"},
        {"role": "user", "name": "a<b>", "content": "c"},
        {"role": "user", "name": "Anna-1", "content": [
            {"type": "input_text", "text": "d"}, {"type": "brand_new", "x": 1}, {"type": "text", "text": "e"}]},
        {"role": "user", "content": [{"type": "brand_new", "x": 1}]},
        {"role": "assistant", "content": [], "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "output_text", "text": "f"}]},
        {"role": "assistant"},
        {"role": "user", "name": "Anna-1", "content": "g"},
    ]}));
    assert_eq!(
        sent["messages"],
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "a"},
            {"role": "user", "content": "b"},
            {"role": "user", "content": "c"},
            {"role": "user", "content": [{"type": "text", "text": "d"}, {"type": "text", "text": "e"}]},
            {"role": "user", "content": "."},
            {"role": "assistant", "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "f"},
            {"role": "assistant", "content": "."},
            {"role": "user", "name": "Anna-1", "content": "g"},
        ])
    );
    assert_eq!(reported, ["messages.name", "brand_new"]);
}

#[test]
fn a_message_of_the_model_with_nothing_but_a_picture_is_a_single_period() {
    let body = json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": "Draw"},
        {"role": "assistant", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}]},
        {"role": "user", "content": "Again"},
    ]});
    let (sent, _) = send(AgentFormat::Messages, &body, ModelFormat::AzureChat, "gpt-4o");
    assert_eq!(sent["messages"][1], json!({"role": "assistant", "content": "."}));
}

#[test]
fn a_document_of_blank_text_is_none() {
    let blank =
        json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": " "}});
    let body = json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": [blank]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": [blank]}]},
    ]});
    let (sent, _) = send(AgentFormat::Messages, &body, ModelFormat::AzureChat, "gpt-4o");
    assert_eq!(sent["messages"][0], json!({"role": "user", "content": "."}));
    assert_eq!(
        sent["messages"].as_array().unwrap().len(),
        3,
        "nothing is promised below"
    );
}

/// A document that only Anthropic's file store has.
#[test]
fn a_result_of_which_nothing_has_a_place_is_a_result_all_the_same() {
    let file = json!({"type": "document", "source": {"type": "file", "file_id": "file_1"}});
    let body = json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": "Look"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": [file]}]},
    ]});
    let perplexity = (ModelFormat::OpenAiCompatible, "sonar-pro");
    let (sent, _) = send(AgentFormat::Messages, &body, perplexity.0, perplexity.1);
    let last = sent["messages"].as_array().unwrap().last().unwrap();
    assert_eq!(
        *last,
        json!({"role": "user", "content": "The tool gave nothing."})
    );
    let (sent, _) = send(
        AgentFormat::Messages,
        &body,
        ModelFormat::AzureResponses,
        "gpt-5.5",
    );
    assert_eq!(sent["input"][2]["output"], "");
}

#[test]
fn a_blank_text_beside_a_picture_in_a_result_is_not_told_to_models_without_tools() {
    let picture = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}});
    let body = json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": "Look"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": [
            {"type": "text", "text": ""}, picture]}]},
    ]});
    let (sent, _) = send(
        AgentFormat::Messages,
        &body,
        ModelFormat::OpenAiCompatible,
        "sonar-pro",
    );
    let last = sent["messages"].as_array().unwrap().last().unwrap();
    assert_eq!(last["content"].as_array().unwrap().len(), 1, "{last}");
    assert_eq!(last["content"][0]["type"], "image_url");
}

fn reasoning(encrypted: &str) -> Value {
    json!({"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": encrypted})
}

fn user(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
}

fn kinds(sent: &Value) -> Vec<&str> {
    let items = sent["input"].as_array().unwrap();
    items.iter().map(|item| item["type"].as_str().unwrap()).collect()
}

#[test]
fn reasoning_without_what_it_led_to_is_left_out() {
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"});
    let output = json!({"type": "function_call_output", "call_id": "c", "output": "1"});
    let orphan = json!({"type": "function_call_output", "call_id": "x", "output": "1"});
    let picture = json!({"type": "message", "role": "assistant", "content": [{"type": "input_image", "image_url": "https://a/b.png"}]});
    for (input, expected) in [
        (
            json!([user("a"), reasoning("A"), user("b")]),
            vec!["message", "message"],
        ),
        (json!([user("a"), reasoning("A")]), vec!["message"]),
        (
            json!([user("a"), reasoning("A"), reasoning("B"), user("b")]),
            vec!["message", "message"],
        ),
        (
            json!([user("a"), reasoning("A"), orphan, user("b")]),
            vec!["message", "message"],
        ),
        (
            json!([user("a"), reasoning("A"), picture, user("b")]),
            vec!["message", "message"],
        ),
    ] {
        let (sent, reported) = responses_to_azure(&input);
        assert_eq!(kinds(&sent), expected, "{input}");
        assert!(
            reported.contains(&"thinking of earlier turns".to_owned()),
            "{reported:?}"
        );
    }
    let whole = json!([
        user("a"),
        reasoning("A"),
        reasoning("B"),
        call,
        output,
        reasoning("C"),
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "c"}]},
    ]);
    let (sent, reported) = responses_to_azure(&whole);
    assert_eq!(kinds(&sent).len(), 7, "{sent}");
    assert_eq!(reported, Vec::<String>::new());

    // Messages carries the same reasoning as a signed thinking.
    let body = json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "", "signature": "openai:A"}, {"type": "text", "text": "b"},
            {"type": "thinking", "thinking": "", "signature": "openai:B"}]},
        {"role": "user", "content": "b"},
    ]});
    let (sent, _) = send(
        AgentFormat::Messages,
        &body,
        ModelFormat::AzureResponses,
        "gpt-5.5",
    );
    assert_eq!(kinds(&sent), ["message", "reasoning", "message", "message"]);
    assert_eq!(sent["input"][1]["encrypted_content"], "A");
}

#[test]
fn an_input_of_which_nothing_has_a_place_is_a_single_period() {
    let period =
        json!([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "."}]}]);
    for input in [
        json!([{"role": "user", "content": []}]),
        json!([{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}]),
        json!([{"role": "user", "content": [{"type": "input_file", "file_id": "file_1"}]}]),
        json!([{"type": "brand_new"}]),
    ] {
        let (sent, _) = responses_to_azure(&input);
        assert_eq!(sent["input"], period, "{input}");
    }
    let (sent, reported) = responses_to_azure(&json!([
        user("a"),
        {"role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
        {"role": "user", "content": [{"type": "input_file", "file_id": "file_1"}]},
    ]));
    assert_eq!(sent["input"][2], period[0]);
    assert_eq!(reported, ["input_file"]);
    // What the deployment has kept is input enough.
    let body = json!({"model": "m", "input": [{"type": "brand_new"}], "previous_response_id": "resp_1"});
    let (sent, _) = send(
        AgentFormat::Responses,
        &body,
        ModelFormat::AzureResponses,
        "gpt-5.5",
    );
    assert_eq!(sent["input"], json!([]));
}

const SCHEMA_ROUTES: [(ModelFormat, &str, &str); 5] = [
    (ModelFormat::AzureChat, "gpt-4o", "/response_format/json_schema"),
    (ModelFormat::AzureResponses, "gpt-5.5", "/text/format"),
    (
        ModelFormat::Orchestration,
        "gpt-4o",
        "/config/modules/prompt_templating/prompt/response_format/json_schema",
    ),
    (
        ModelFormat::OpenAiCompatible,
        "mistralai--mistral-medium-instruct",
        "/response_format/json_schema",
    ),
    (
        ModelFormat::Orchestration,
        "gpt-5",
        "/config/modules/prompt_templating/prompt/response_format/json_schema",
    ),
];

fn schema_request(agent: AgentFormat, schema: &Value) -> Value {
    match agent {
        AgentFormat::Gemini => json!({
            "contents": [{"parts": [{"text": "Hi"}]}],
            "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": schema},
        }),
        _ => json!({
            "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}],
            "output_config": {"format": {"type": "json_schema", "schema": schema}},
        }),
    }
}

#[test]
fn a_schema_is_followed_to_the_letter_where_openai_takes_it_so() {
    let closed = json!({"type": "object", "additionalProperties": false, "required": ["a", "b"], "properties": {
        "a": {"type": ["array", "null"], "items": {"$ref": "#/$defs/t"}},
        "b": {"anyOf": [{"type": "string", "enum": ["x"]}, {"type": "null"}], "description": "B"},
    }, "$defs": {"t": {"type": "object", "properties": {}, "required": [], "additionalProperties": false}}});
    let with = |at: &str, value: Value| {
        let mut schema = closed.clone();
        *schema.pointer_mut(at).unwrap() = value;
        schema
    };
    let cases = [
        (closed.clone(), true),
        (with("/additionalProperties", json!(true)), false),
        (with("/required", json!(["a"])), false),
        (with("/$defs/t/additionalProperties", Value::Null), false),
        (with("/properties/a", json!({"type": "array"})), false),
        (with("/properties/a", json!({})), false),
        (
            with("/properties/a", json!({"type": "string", "minLength": 1})),
            false,
        ),
        (
            with("/properties/b", json!({"oneOf": [{"type": "string"}]})),
            false,
        ),
    ];
    for agent in [AgentFormat::Messages, AgentFormat::Gemini] {
        for (format, model, place) in SCHEMA_ROUTES {
            for (schema, strict) in &cases {
                let (sent, _) = send(agent, &schema_request(agent, schema), format, model);
                let written = sent.pointer(place).unwrap();
                assert_eq!(written["schema"], *schema);
                assert_eq!(written["strict"], *strict, "{agent:?} to {format:?}: {schema}");
            }
        }
    }
    // An agent that says it itself is believed.
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": true, "schema": cases[1].0}}});
    let (sent, _) = chat_to_azure(&body);
    assert_eq!(sent["response_format"]["json_schema"]["strict"], true);
}

#[test]
fn a_schema_of_no_object_is_asked_for_in_words() {
    for schema in [
        json!({"type": "array", "items": {"type": "string"}}),
        json!({"anyOf": [{"type": "object"}, {"type": "null"}]}),
        json!({"type": "object", "anyOf": [{"required": ["a"]}]}),
    ] {
        for agent in [AgentFormat::Messages, AgentFormat::Gemini] {
            for (format, model, place) in SCHEMA_ROUTES {
                let (sent, _) = send(agent, &schema_request(agent, &schema), format, model);
                assert_eq!(sent.pointer(place), None, "{agent:?} to {format:?}");
                assert!(
                    sent.to_string().contains("Answer with JSON that follows"),
                    "{sent}"
                );
            }
        }
    }
}

fn chat_tools(count: usize) -> Value {
    let tools: Vec<_> = (0..count)
        .map(|number| json!({"type": "function", "function": {"name": format!("t{number}"), "parameters": {"type": "object"}}}))
        .collect();
    json!({"model": "m", "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "t135", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
    ], "tools": tools, "tool_choice": {"type": "function", "function": {"name": "t139"}}})
}

#[test]
fn more_tools_than_openai_takes_are_left_out_but_none_that_is_needed() {
    for (format, model, place) in [
        (ModelFormat::AzureChat, "gpt-4o", "/tools"),
        (ModelFormat::AzureResponses, "gpt-5.5", "/tools"),
        (
            ModelFormat::Orchestration,
            "gpt-4o",
            "/config/modules/prompt_templating/prompt/tools",
        ),
    ] {
        let (sent, reported) = send(AgentFormat::ChatCompletions, &chat_tools(140), format, model);
        let tools = sent.pointer(place).unwrap().as_array().unwrap();
        let name = |tool: &Value| {
            let named = tool.get("function").unwrap_or(tool);
            named["name"].as_str().unwrap().to_owned()
        };
        let names: Vec<_> = tools.iter().map(name).collect();
        let mut expected: Vec<_> = (0..126).map(|number| format!("t{number}")).collect();
        expected.extend(["t135".to_owned(), "t139".to_owned()]);
        assert_eq!(names, expected, "{format:?}");
        assert_eq!(reported, ["tools beyond 128"], "{format:?}");
    }
    let (sent, reported) = send(
        AgentFormat::ChatCompletions,
        &chat_tools(140),
        ModelFormat::Claude,
        "anthropic--claude-4.5-sonnet",
    );
    assert_eq!(sent["tools"].as_array().unwrap().len(), 140, "{reported:?}");
}

fn names_of_tools(sent: &Value) -> Vec<&str> {
    let tools = sent["tools"].as_array().unwrap().iter();
    tools
        .map(|tool| tool.pointer("/function/name").and_then(Value::as_str).unwrap())
        .collect()
}

#[test]
fn only_tools_that_would_be_sent_count() {
    let mut body = chat_tools(128);
    let tools = body["tools"].as_array_mut().unwrap();
    let first = tools.first().unwrap().clone();
    tools.insert(1, first);
    tools.insert(
        0,
        json!({"type": "function", "function": {"name": "DeferredToolPlaceholder"}}),
    );
    body["tool_choice"] = json!("auto");
    let (sent, reported) = chat_to_azure(&body);
    let expected: Vec<_> = (0..128).map(|number| format!("t{number}")).collect();
    assert_eq!(names_of_tools(&sent), expected);
    assert_eq!(reported, ["second tool t0"]);
}

#[test]
fn of_too_many_called_tools_those_called_longest_ago_are_left_out() {
    let mut body = chat_tools(140);
    body["tool_choice"] = json!({"type": "function", "function": {"name": "t0"}});
    let mut messages = vec![json!({"role": "user", "content": "Hi"})];
    // The second one is called once more at the end.
    for number in (0..135).chain([1]) {
        let id = format!("c{}", messages.len());
        messages.push(json!({"role": "assistant", "tool_calls": [
            {"id": id, "type": "function", "function": {"name": format!("t{number}"), "arguments": "{}"}}]}));
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": "1"}));
    }
    body["messages"] = messages.into();
    let (sent, reported) = chat_to_azure(&body);
    let expected: Vec<_> = [0, 1]
        .into_iter()
        .chain(9..135)
        .map(|number| format!("t{number}"))
        .collect();
    assert_eq!(names_of_tools(&sent), expected);
    assert_eq!(reported, ["tools beyond 128"]);
}

#[test]
fn reasoning_models_of_the_o_series_know_no_word_on_parallel_calls() {
    for model in ["o1", "o3", "o3-mini", "o4-mini"] {
        let mut body = chat_tools(2);
        body["tool_choice"] = json!("auto");
        for (wish, expected) in [(false, vec!["parallel_tool_calls"]), (true, vec![])] {
            body["parallel_tool_calls"] = wish.into();
            let (sent, reported) = send(AgentFormat::ChatCompletions, &body, ModelFormat::AzureChat, model);
            assert_eq!(sent.get("parallel_tool_calls"), None, "{model}");
            assert_eq!(reported, expected, "{model}");
        }
    }
}

#[test]
fn cohere_has_its_bounds() {
    let body = json!({"model": "m", "max_tokens": 64000, "thinking": {"type": "enabled", "budget_tokens": 50000},
        "messages": [{"role": "user", "content": "Hi"}]});
    let (sent, reported) = send(
        AgentFormat::Messages,
        &body,
        ModelFormat::Cohere,
        "cohere--command-a-reasoning",
    );
    assert_eq!(sent["max_tokens"], 32000);
    assert_eq!(sent["thinking"]["token_budget"], 31000);
    assert_eq!(reported, ["max_tokens"]);
}

#[test]
fn numbers_that_nobody_can_hold_are_refused() {
    for name in ["seed", "temperature", "top_k"] {
        let body = format!(
            "{{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{{\"role\":\"user\",\"content\":\"Hi\"}}],\"{name}\":1e400}}"
        );
        let agent = if name == "top_k" {
            AgentFormat::Messages
        } else {
            AgentFormat::ChatCompletions
        };
        let rules = Rules::embedded().for_model(ModelFormat::AzureChat, "gpt-4o");
        let target = Target {
            format: ModelFormat::AzureChat,
            model: "gpt-4o",
            long_context: false,
            rules: &rules,
            responses: None,
        };
        let head = RequestHead {
            format: agent,
            betas: "",
            streams: false,
        };
        let error = write_request(&head, body.as_bytes(), &target).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}

fn strict_of(sent: &Value) -> &Value {
    sent.pointer("/tools/0/function/strict").unwrap_or(&Value::Null)
}

/// Anthropic takes a strict tool with arguments that need not be given; OpenAI would refuse the whole request.
#[test]
fn a_tool_is_strict_only_where_openai_follows_its_schema_to_the_letter() {
    let tool = |required: &Value| {
        let schema = json!({"type": "object", "additionalProperties": false, "required": required,
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}}});
        json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}],
            "tools": [{"name": "x", "strict": true, "input_schema": schema}]})
    };
    let to_gpt = |body: &Value| send(AgentFormat::Messages, body, ModelFormat::AzureChat, "gpt-4o");
    let (sent, reported) = to_gpt(&tool(&json!(["a", "b"])));
    assert_eq!((strict_of(&sent), reported), (&json!(true), vec![]));
    let (sent, reported) = to_gpt(&tool(&json!(["a"])));
    assert_eq!(
        (strict_of(&sent), reported),
        (&Value::Null, vec!["tools.strict".to_owned()])
    );
}

/// A root that was written anew is open, and so is one that nobody gave.
#[test]
fn a_schema_that_is_another_one_is_not_followed_to_the_letter() {
    let closed = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
        "additionalProperties": false});
    let tool = |parameters: &Value| {
        let function = json!({"name": "x", "strict": true, "parameters": parameters});
        json!({"model": "m", "messages": [{"role": "user", "content": "hi"}],
            "tools": [{"type": "function", "function": function}]})
    };
    assert_eq!(strict_of(&chat_to_azure(&tool(&closed)).0), &json!(true));
    for other in [&json!({ "anyOf": [closed] }), &Value::Null] {
        let (sent, reported) = chat_to_azure(&tool(other));
        assert_eq!(strict_of(&sent), &Value::Null, "{sent}");
        assert!(reported.contains(&"tools.strict".to_owned()), "{reported:?}");
    }
}

/// The wish for any JSON is refused where the input does not speak of it; Google's clients need not.
#[test]
fn an_input_of_responses_speaks_of_the_json_that_is_wanted() {
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "generationConfig": {"responseMimeType": "application/json"}});
    let (sent, _) = send(AgentFormat::Gemini, &body, ModelFormat::AzureResponses, "gpt-5.5");
    assert_eq!(sent["text"]["format"]["type"], "json_object", "{sent}");
    assert!(sent["input"].to_string().contains("JSON"), "{sent}");
}
