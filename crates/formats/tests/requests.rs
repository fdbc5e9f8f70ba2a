//! Whole requests, from each agent's format into each route's.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

use std::path::{Path, PathBuf};

use coretap_formats::rules::Rules;
use coretap_formats::{
    AgentFormat, ModelFormat, RequestHead, Target, UpstreamRequest, count_tokens, model_name, write_request,
};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// Each kind of route with the models whose rules differ.
const ROUTES: [(&str, ModelFormat, &str); 14] = [
    (
        "orchestration-claude",
        ModelFormat::Orchestration,
        "anthropic--claude-4.5-sonnet",
    ),
    ("orchestration-gpt-5", ModelFormat::Orchestration, "gpt-5"),
    ("claude-4.5", ModelFormat::Claude, "anthropic--claude-4.5-sonnet"),
    ("claude-4.8", ModelFormat::Claude, "anthropic--claude-4.8-opus"),
    ("azure-gpt-4o", ModelFormat::AzureChat, "gpt-4o"),
    ("azure-gpt-5", ModelFormat::AzureChat, "gpt-5"),
    ("azure-responses-gpt-4o", ModelFormat::AzureResponses, "gpt-4o"),
    ("azure-responses-gpt-5.5", ModelFormat::AzureResponses, "gpt-5.5"),
    ("converse-nova", ModelFormat::Converse, "amazon--nova-pro"),
    (
        "mistral",
        ModelFormat::OpenAiCompatible,
        "mistralai--mistral-medium-instruct",
    ),
    ("perplexity", ModelFormat::OpenAiCompatible, "sonar-pro"),
    ("cohere", ModelFormat::Cohere, "cohere--command-a-reasoning"),
    ("vertex-2.5", ModelFormat::Vertex, "gemini-2.5-pro"),
    ("vertex-3", ModelFormat::Vertex, "gemini-3.5-flash"),
];

const AGENTS: [AgentFormat; 4] = [
    AgentFormat::Messages,
    AgentFormat::ChatCompletions,
    AgentFormat::Responses,
    AgentFormat::Gemini,
];

fn translate(agent: AgentFormat, body: &[u8], format: ModelFormat, model: &str) -> UpstreamRequest {
    let rules = Rules::embedded().for_model(format, model);
    let target = Target {
        format,
        model,
        long_context: false,
        rules: &rules,
        responses: None,
    };
    let betas =
        "claude-code-20250219,interleaved-thinking-2025-05-14,effort-2025-11-24,context-1m-2025-08-07";
    write_request(&head(agent, betas), body, &target).unwrap()
}

fn head(format: AgentFormat, betas: &str) -> RequestHead<'_> {
    RequestHead {
        format,
        betas,
        streams: false,
    }
}

fn agent_of(name: &str) -> AgentFormat {
    if name.starts_with("messages") {
        AgentFormat::Messages
    } else if name.starts_with("responses") {
        AgentFormat::Responses
    } else if name.starts_with("gemini") {
        AgentFormat::Gemini
    } else {
        AgentFormat::ChatCompletions
    }
}

/// The requests whose translations are kept: name and body.
fn golden_requests() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/requests");
    let mut inputs: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    inputs.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    inputs.sort();
    assert!(inputs.len() >= 9);
    let read = |path: &PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read(path).unwrap())
    };
    inputs.iter().map(read).collect()
}

#[test]
fn whole_translations() {
    for (name, body) in golden_requests() {
        let mut results = serde_json::Map::new();
        for (route, format, model) in ROUTES {
            let request = translate(agent_of(&name), &body, format, model);
            let written: Value = serde_json::from_slice(&request.body).expect("the written body is JSON");
            results.insert(
                route.to_owned(),
                json!({ "dropped": request.dropped, "body": written }),
            );
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("golden/requests");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_json_snapshot!(name, results));
    }
}

/// Every string in a value, members' names included.
fn strings<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
        Value::Object(members) => {
            for (name, value) in members {
                found.push(name);
                strings(value, found);
            }
        }
        _ => {}
    }
}

/// What SAP templates holds nothing but our placeholders, each with its value and no value without a placeholder.
fn check_templating(body: &Value) {
    let prompt = &body["config"]["modules"]["prompt_templating"]["prompt"];
    let mut texts = Vec::new();
    strings(prompt, &mut texts);
    let mut used = Vec::new();
    for text in texts {
        if let Some(name) = text.strip_prefix("{{?").and_then(|rest| rest.strip_suffix("}}")) {
            used.push(name.to_owned());
        } else {
            for opening in ["{{", "{%", "{#"] {
                assert!(
                    !text.contains(opening),
                    "{opening} stands in the template: {text}"
                );
            }
        }
    }
    let values = body["placeholder_values"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let mut names: Vec<_> = values.keys().cloned().collect();
    names.sort();
    used.sort();
    assert_eq!(names, used);
}

/// The texts of the conversation that must arrive word for word.
fn said(value: &Value) -> Vec<String> {
    let mut texts = Vec::new();
    for content in value["contents"].as_array().into_iter().flatten() {
        let parts = content["parts"].as_array().unwrap().iter();
        texts.extend(parts.filter_map(|part| part["text"].as_str()).map(str::to_owned));
    }
    let messages = if value["messages"].is_array() {
        &value["messages"]
    } else {
        &value["input"]
    };
    texts.extend(messages.as_str().map(str::to_owned));
    for message in messages.as_array().into_iter().flatten() {
        let content = if message["output"].is_null() {
            &message["content"]
        } else {
            &message["output"]
        };
        match content {
            Value::String(text) => texts.push(text.clone()),
            Value::Array(parts) => {
                texts.extend(
                    parts
                        .iter()
                        .filter_map(|part| part["text"].as_str())
                        .map(str::to_owned),
                );
            }
            _ => {}
        }
    }
    texts.retain(|text| !text.trim().is_empty());
    texts
}

fn shared() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("CORETAP_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    if shared.join("agents/captures").is_dir() {
        return Some(shared);
    }
    eprintln!("SKIPPED: the captures of real agents are not here (CORETAP_SHARED)");
    None
}

/// Requests of real agents: name, format, body.
fn captures() -> Vec<(String, AgentFormat, Vec<u8>)> {
    let Some(shared) = shared() else { return Vec::new() };
    let mut found = Vec::new();
    for folder in std::fs::read_dir(shared.join("agents/captures")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let agent = if name.ends_with("POST-v1_messages.json") {
                AgentFormat::Messages
            } else if name.ends_with("chat_completions.json") {
                AgentFormat::ChatCompletions
            } else if name.ends_with("POST-v1_responses.json") {
                AgentFormat::Responses
            } else if name.ends_with("enerateContent.json") {
                AgentFormat::Gemini
            } else {
                continue;
            };
            let capture: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            found.push((
                path.display().to_string(),
                agent,
                capture["body"].to_string().into_bytes(),
            ));
        }
    }
    assert!(found.len() > 50, "the captures are incomplete");
    found
}

#[test]
fn every_capture_goes_to_every_route_word_for_word() {
    for (name, agent, body) in captures() {
        let asked: Value = serde_json::from_slice(&body).unwrap();
        if agent != AgentFormat::Gemini {
            assert_eq!(model_name(&body).unwrap(), asked["model"].as_str().unwrap());
        }
        for (route, format, model) in ROUTES {
            let request = translate(agent, &body, format, model);
            let written: Value = serde_json::from_slice(&request.body).unwrap();
            if format == ModelFormat::Orchestration {
                check_templating(&written);
            }
            let mut arrived = Vec::new();
            strings(&written, &mut arrived);
            for text in said(&asked) {
                assert!(
                    arrived.iter().any(|arrived| arrived.contains(&text)),
                    "{name} to {route} lost {text:?}"
                );
            }
        }
    }
}

#[test]
fn a_bad_request_names_the_member_and_what_it_should_be() {
    let rules = Rules::embedded().for_model(ModelFormat::Orchestration, "gpt-4o");
    let target = Target {
        format: ModelFormat::Orchestration,
        model: "gpt-4o",
        long_context: false,
        rules: &rules,
        responses: None,
    };
    let cases = [
        (r#"{"model":"m""#, "body: is not valid JSON"),
        (r"[]", "body: expected a JSON object"),
        (r#"{"model":"m"}"#, "messages: is required"),
        (r#"{"messages":[]}"#, "messages: at least one message is required"),
        (r#"{"messages":{}}"#, "messages: expected a list"),
        (
            r#"{"messages":[{"role":"user"}]}"#,
            "messages.0.content: is required",
        ),
        (
            r#"{"messages":[{"role":"wizard","content":"x"}]}"#,
            "messages.0.role: expected",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"text":"x"}]}]}"#,
            "messages.0.content.0.type: is required",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":5}]}]}"#,
            "messages.0.content.0.text: expected a string",
        ),
        (
            r#"{"messages":[{"role":"user","content":"x"}],"max_tokens":-1}"#,
            "max_tokens: expected a whole number",
        ),
        (
            r#"{"messages":[{"role":"user","content":"x"}],"stream":"yes"}"#,
            "stream: expected true or false",
        ),
        (
            r#"{"messages":[{"role":"user","content":"x"}],"tools":[{}]}"#,
            "tools.0.",
        ),
    ];
    for agent in [AgentFormat::Messages, AgentFormat::ChatCompletions] {
        for (body, expected) in cases {
            let error = write_request(&head(agent, ""), body.as_bytes(), &target)
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(expected), "{agent:?} {body}: {error}");
        }
    }
    assert!(
        write_request(
            &head(AgentFormat::Messages, ""),
            b"{\"messages\":\"\xff\"}",
            &target
        )
        .is_err()
    );
    assert_eq!(
        model_name(br#"{"messages":[]}"#).unwrap_err().to_string(),
        "model: is required"
    );
    assert_eq!(
        model_name(br#"{"model":" "}"#).unwrap_err().to_string(),
        "model: must name a model"
    );
    assert_eq!(
        model_name(br#"{"model":"a\u002db","messages":["#).unwrap(),
        "a-b",
        "the rest stays unread"
    );
}

#[test]
fn lone_surrogates_reach_nobody() {
    let body = br#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"a\ud800b"}]}"#;
    for (_, format, model) in ROUTES {
        let written = translate(AgentFormat::Messages, body, format, model).body;
        let written: Value = serde_json::from_slice(&written).unwrap();
        let mut texts = Vec::new();
        strings(&written, &mut texts);
        assert!(texts.contains(&"a\u{fffd}b"));
    }
}

#[test]
fn a_model_that_cannot_stream_is_asked_for_a_whole_answer() {
    let (rules, _) = Rules::parse("[[model]]\nid = \"whole\"\nmatch = [\"m\"]\nstreaming = false");
    let rules = rules.for_model(ModelFormat::Orchestration, "m");
    let body = br#"{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"a"}]}"#;
    let target = Target {
        format: ModelFormat::Orchestration,
        model: "m",
        long_context: false,
        rules: &rules,
        responses: None,
    };
    let request = write_request(&head(AgentFormat::Messages, ""), body, &target).unwrap();
    let written: Value = serde_json::from_slice(&request.body).unwrap();
    assert!(request.stream, "the agent still wants a stream");
    assert_eq!(written["config"].get("stream"), None);
}

fn any_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "role",
        "user",
        "assistant",
        "system",
        "tool",
        "content",
        "text",
        "type",
        "tool_use",
        "tool_result",
        "id",
        "name",
        "input",
        "messages",
        "tools",
        "model",
        "thinking",
        "signature",
        "cache_control",
        "{{?x}}",
        "",
        "tool_calls",
        "function",
        "arguments",
        "tool_call_id",
        "tool_use_id",
        "image",
        "source",
        "base64",
        "data",
        "media_type",
        "stream",
        "max_tokens",
        "function_call",
        "custom_tool_call",
        "function_call_output",
        "call_id",
        "output",
        "reasoning",
        "summary",
        "encrypted_content",
        "namespace",
        "custom",
        "input_text",
        "parts",
        "functionCall",
        "functionResponse",
        "function_declarations",
        "response",
        "args",
        "thoughtSignature",
        "inlineData",
        "mimeType",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words.clone().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((words.clone(), inner), 0..6).prop_map(|members| {
                Value::Object(
                    members
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Nonsense gives an error or a valid body, never a panic.
    #[test]
    fn nothing_panics(turns in prop::collection::vec(any_json(), 0..5), extra in any_json(), cut in 0usize..400) {
        let contents: Vec<_> = turns.iter().map(|turn| json!({ "role": "user", "parts": turn })).collect();
        let body = json!({
            "model": "m", "max_tokens": 5, "messages": turns, "input": turns, "tools": extra, "system": extra, "contents": contents,
            "generationConfig": extra, "toolConfig": extra, "tool_choice": extra,
        }).to_string();
        for (_, format, model) in ROUTES {
            let rules = Rules::embedded().for_model(format, model);
            let target = Target { format, model, long_context: true, rules: &rules, responses: None };
            for agent in AGENTS {
                if let Ok(request) = write_request(&head(agent, ""), body.as_bytes(), &target) {
                    prop_assert!(serde_json::from_slice::<Value>(&request.body).is_ok());
                }
                let cut = &body.as_bytes()[..cut.min(body.len())];
                let _ = write_request(&head(agent, ""), cut, &target);
                let _ = model_name(cut);
                let _ = count_tokens(agent, cut);
            }
        }
    }

    /// A request that was whole once gives an error that names what is wrong, or a valid body.
    #[test]
    fn a_damaged_request_is_read_or_refused(
        which: Index,
        changes in prop::collection::vec((0..4u8, any::<Index>(), 1..60usize, any::<u8>()), 1..4),
    ) {
        let requests = golden_requests();
        let (name, body) = which.get(&requests);
        let mut body = body.clone();
        for (kind, place, length, byte) in changes {
            let start = place.index(body.len() + 1);
            let end = (start + length).min(body.len());
            match kind {
                0 => drop(body.drain(start..end)),
                1 => { let doubled = body[start..end].to_vec(); body.splice(end..end, doubled); }
                2 => body.insert(start, byte),
                _ => body.truncate(start),
            }
        }
        let _ = model_name(&body);
        let _ = count_tokens(agent_of(name), &body);
        for (_, format, model) in ROUTES {
            let rules = Rules::embedded().for_model(format, model);
            let target = Target { format, model, long_context: false, rules: &rules, responses: None };
            match write_request(&head(agent_of(name), ""), &body, &target) {
                Ok(request) => prop_assert!(serde_json::from_slice::<Value>(&request.body).is_ok(), "{name}"),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }

    /// Whatever stands in any text of a conversation, SAP gets it word for word and templates nothing of it.
    #[test]
    fn any_text_survives_templating(texts in prop::collection::vec(r#"[a-z{}%#?" \\\n\u{1F600}]{1,20}"#, 6)) {
        let body = json!({
            "model": "m", "max_tokens": 5, "system": texts[0],
            "messages": [
                { "role": "user", "content": texts[1] },
                { "role": "assistant", "content": [
                    { "type": "text", "text": texts[2] },
                    { "type": "tool_use", "id": "toolu_1", "name": "f", "input": { "a": texts[3] } } ] },
                { "role": "user", "content": [ { "type": "tool_result", "tool_use_id": "toolu_1", "content": texts[4] } ] } ],
            "tools": [ { "name": "f", "description": texts[5], "input_schema": { "type": "object", "title": texts[5] } } ]
        });
        let request = translate(
            AgentFormat::Messages, body.to_string().as_bytes(), ModelFormat::Orchestration, "anthropic--claude-4.5-sonnet");
        let written: Value = serde_json::from_slice(&request.body).unwrap();
        check_templating(&written);
        let mut arrived = Vec::new();
        strings(&written, &mut arrived);
        for text in texts.iter().take(5).filter(|text| !text.trim().is_empty()) {
            let arguments = |arrived: &str| serde_json::from_str::<Value>(arrived).is_ok_and(|value| value["a"] == **text);
            prop_assert!(arrived.iter().any(|arrived| arrived == text || arguments(arrived)), "{text:?} is lost");
        }
    }
}
