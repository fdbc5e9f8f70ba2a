//! What a connection's orchestration does beside completing: what goes into requests because of it, and what comes back.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

use std::path::{Path, PathBuf};

use coretap_formats::limitation::Limitation;
use coretap_formats::rules::{ModelRules, Rules};
use coretap_formats::{
    AgentFormat, AgentTools, AnswerOptions, AnswerStream, EmbeddingFormat, ModelFormat, OrchestrationModules,
    RequestHead, RequestSettings, Target, UpstreamRequest, answer, write_embedding_request, write_request,
};
use jsonschema::Validator;
use serde_json::{Value, json};

const CLAUDE: &str = "anthropic--claude-4.5-sonnet";

const EVERYTHING: &str = r#"
prompt_caching = true
timeout = 300
fallbacks = ["anthropic--claude-4.5-sonnet", "gpt-5"]
[input_filter]
azure_content_safety = { hate = 0, self_harm = 2, sexual = 4, violence = 6 }
prompt_shield = true
llama_guard = ["violent_crimes", "code_interpreter_abuse"]
[output_filter]
protected_material_code = true
llama_guard = ["self_harm"]
[masking]
method = "pseudonymization"
entities = ["profile-email", "profile-nationalid"]
allowlist = ["SAP", "Joule"]
"#;

fn modules(settings: &str) -> OrchestrationModules {
    let modules: OrchestrationModules = toml::from_str(settings).unwrap();
    assert_eq!(modules.problem(), None, "{settings}");
    modules
}

fn rules(model: &str, settings: &str) -> ModelRules {
    Rules::embedded().for_model_with(ModelFormat::Orchestration, model, &modules(settings))
}

fn write_with(agent: AgentFormat, body: &Value, model: &str, rules: &ModelRules) -> UpstreamRequest {
    let target = Target {
        format: ModelFormat::Orchestration,
        model,
        long_context: false,
        rules,
        responses: None,
    };
    let head = RequestHead {
        format: agent,
        betas: "",
        streams: false,
    };
    write_request(&head, body.to_string().as_bytes(), &target).unwrap()
}

fn write(agent: AgentFormat, body: &Value, model: &str, settings: &str) -> (Value, UpstreamRequest) {
    let request = write_with(agent, body, model, &rules(model, settings));
    (serde_json::from_slice(&request.body).unwrap(), request)
}

fn chat(stream: bool) -> Value {
    json!({"model": "m", "stream": stream, "temperature": 0.5, "max_tokens": 9, "messages": [
        {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Write to {{?you}}: ann@example.com"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]})
}

/// An agent's request for Claude, in the middle of a tool turn that began with signed thinking.
fn thinking_tool_turn() -> Value {
    json!({"model": "m", "max_tokens": 8192, "thinking": {"type": "enabled", "budget_tokens": 5000}, "messages": [
        {"role": "user", "content": "Read a.txt"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "I read it.", "signature": "sig"},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "plum"}]}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}]})
}

#[test]
fn each_module_stands_in_the_request_as_the_specification_has_it() {
    let cases = [
        (
            "input-filter",
            "[input_filter]\nllama_guard = [\"privacy\"]",
            false,
        ),
        (
            "output-filter",
            "[output_filter]\nazure_content_safety = { hate = 4, self_harm = 4, sexual = 4, violence = 4 }",
            true,
        ),
        (
            "anonymization",
            "[masking]\nmethod = \"anonymization\"\nentities = [\"profile-phone\"]",
            true,
        ),
        (
            "pseudonymization",
            "[masking]\nmethod = \"pseudonymization\"\nentities = [\"profile-phone\"]",
            true,
        ),
        ("timeout", "timeout = 1", true),
        ("prompt-caching", "prompt_caching = true", true),
        ("fallbacks", "fallbacks = [\"gpt-5\", \"gemini-2.5-pro\"]", true),
        ("everything", EVERYTHING, true),
    ];
    let schema = schema("CompletionPostRequest");
    for (name, settings, stream) in cases {
        let (body, request) = write(AgentFormat::ChatCompletions, &chat(stream), CLAUDE, settings);
        if let Some(schema) = &schema {
            let wrong: Vec<_> = schema.iter_errors(&body).map(|error| error.to_string()).collect();
            assert!(wrong.is_empty(), "{name}: {wrong:?}");
        }
        let mut kept = insta::Settings::clone_current();
        kept.set_snapshot_path("golden/modules");
        kept.set_prepend_module_to_snapshot(false);
        kept.set_omit_expression(true);
        let told = json!({"orchestration": request.orchestration, "dropped": request.dropped, "body": body});
        kept.bind(|| insta::assert_json_snapshot!(name, told));
    }
}

/// SAP's schema of a request; nothing where the specification is not here.
fn schema(name: &str) -> Option<Validator> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("CORETAP_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let file = shared.join("spec/orchestration/orchestration-0.110.12.yaml");
    let Ok(text) = std::fs::read_to_string(file) else {
        eprintln!(
            "SKIPPED: SAP's specification is not here (CORETAP_SHARED), so requests are not compared with it"
        );
        return None;
    };
    // OpenAPI's own words beside JSON Schema's (`nullable`) make a schema only stricter. One that is no JSON Schema is of
    // grounding, which no request has.
    let mut document: Value = serde_yaml_ng::from_str(&text).unwrap();
    document["components"]["schemas"]["GroundingFilterSearchConfiguration"] = json!(false);
    let schema = json!({
        "$ref": format!("#/components/schemas/{name}"),
        "components": {"schemas": document["components"]["schemas"]},
    });
    Some(jsonschema::draft202012::new(&schema).unwrap())
}

#[test]
fn nothing_is_different_where_nothing_is_on() {
    for model in [CLAUDE, "gpt-5"] {
        let plain = Rules::embedded().for_model(ModelFormat::Orchestration, model);
        let plain = write_with(AgentFormat::ChatCompletions, &chat(true), model, &plain);
        let (_, with) = write(AgentFormat::ChatCompletions, &chat(true), model, "");
        assert_eq!(plain.body, with.body);
        assert!(with.orchestration.is_empty());
    }
}

#[test]
fn a_route_without_orchestration_has_none_of_it() {
    let with = Rules::embedded().for_model_with(ModelFormat::AzureChat, "gpt-5", &modules(EVERYTHING));
    let target = Target {
        format: ModelFormat::AzureChat,
        model: "gpt-5",
        long_context: false,
        rules: &with,
        responses: None,
    };
    let head = RequestHead {
        format: AgentFormat::ChatCompletions,
        betas: "",
        streams: false,
    };
    let request = write_request(&head, chat(true).to_string().as_bytes(), &target).unwrap();
    assert!(request.orchestration.is_empty());
    let body = String::from_utf8(request.body).unwrap();
    assert!(!body.contains("masking") && !body.contains("filters"), "{body}");
}

#[test]
fn each_fallback_has_its_own_parameters_and_the_same_question() {
    let (body, request) = write(
        AgentFormat::ChatCompletions,
        &chat(true),
        CLAUDE,
        "fallbacks = [\"gpt-5\"]",
    );
    let list = body["config"]["modules"].as_array().unwrap();
    let names: Vec<_> = list
        .iter()
        .map(|one| &one["prompt_templating"]["model"]["name"])
        .collect();
    assert_eq!(names, [CLAUDE, "gpt-5"]);
    let parameters = |at: usize| &list[at]["prompt_templating"]["model"]["params"];
    assert_eq!(
        (&parameters(0)["temperature"], &parameters(0)["max_tokens"]),
        (&json!(0.5), &json!(9))
    );
    assert_eq!(parameters(1)["temperature"], Value::Null, "gpt-5 refuses it");
    assert_eq!(parameters(1)["max_completion_tokens"], 9);
    assert_eq!(
        list[0]["prompt_templating"]["prompt"],
        list[1]["prompt_templating"]["prompt"]
    );
    assert!(request.dropped.is_empty(), "{:?}", request.dropped);
    // The model that was asked for is not its own fallback.
    let (body, _) = write(
        AgentFormat::ChatCompletions,
        &chat(true),
        "gpt-5",
        "fallbacks = [\"gpt-5\"]",
    );
    assert!(body["config"]["modules"].is_object());
}

#[test]
fn thinking_of_earlier_turns_is_only_for_models_that_think_alike() {
    let has_thinking = |fallback: &str| {
        let settings = format!("fallbacks = [\"{fallback}\"]");
        let (body, request) = write(AgentFormat::Messages, &thinking_tool_turn(), CLAUDE, &settings);
        let list = body["config"]["modules"].as_array().unwrap().clone();
        let thinks = |at: usize| {
            list[at]["prompt_templating"]["model"]["params"]
                .get("reasoning_effort")
                .is_some()
        };
        let sent = body.to_string().contains("reasoning_content");
        // Claude may not think in the middle of a turn whose thinking it does not get back.
        assert_eq!(thinks(0), sent, "{fallback}");
        assert_eq!(
            request
                .dropped
                .iter()
                .any(|name| name == "thinking of earlier turns"),
            !sent
        );
        (sent, thinks(1))
    };
    assert_eq!(has_thinking("anthropic--claude-4-sonnet"), (true, true));
    assert_eq!(has_thinking("gpt-5"), (false, true));
    assert_eq!(has_thinking("amazon--nova-pro"), (false, false));
}

#[test]
fn a_conversation_ends_with_the_person_if_any_model_of_the_list_wants_that() {
    let body = json!({"model": "m", "messages": [
        {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]});
    let ends = |settings: &str| {
        let (body, _) = write(AgentFormat::ChatCompletions, &body, "gpt-4o", settings);
        body["placeholder_values"].to_string().contains("Continue.")
    };
    assert!(!ends(""));
    assert!(!ends("fallbacks = [\"gpt-4.1\"]"));
    assert!(ends("fallbacks = [\"anthropic--claude-4.8-opus\"]"));
}

#[test]
fn what_a_list_of_models_is_refused_for_is_left_out_for_all_of_them() {
    let mut rules = rules(CLAUDE, "fallbacks = [\"gpt-4o\"]");
    rules.limit(&Limitation::Field("temperature".to_owned()));
    let request = write_with(AgentFormat::ChatCompletions, &chat(false), CLAUDE, &rules);
    assert!(!String::from_utf8(request.body).unwrap().contains("temperature"));
}

#[test]
fn no_refusal_takes_a_module_away() {
    let mut rules = rules(CLAUDE, EVERYTHING);
    for field in [
        "filtering",
        "masking",
        "filters",
        "providers",
        "entities",
        "input",
        "output",
    ] {
        rules.limit(&Limitation::Field(field.to_owned()));
    }
    let request = write_with(AgentFormat::ChatCompletions, &chat(false), CLAUDE, &rules);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    for modules in body["config"]["modules"].as_array().unwrap() {
        assert!(
            modules["filtering"]["input"].is_object() && modules["masking"].is_object(),
            "{modules}"
        );
    }
}

/// Where the cache marks of a request stand: role and position of the item, in the order of the prompt.
fn marks(body: &Value) -> Vec<(String, usize)> {
    let template = body["config"]["modules"]["prompt_templating"]["prompt"]["template"].as_array();
    let messages = body["messages_history"]
        .as_array()
        .into_iter()
        .chain(template)
        .flatten();
    let mut marks = Vec::new();
    for message in messages {
        for (at, item) in message["content"].as_array().into_iter().flatten().enumerate() {
            if item.get("cache_control").is_some() {
                marks.push((message["role"].as_str().unwrap().to_owned(), at));
            }
        }
    }
    marks
}

#[test]
fn prompts_are_marked_for_agents_that_mark_none() {
    let on = "prompt_caching = true";
    let of = |body: &Value, model: &str, settings: &str| {
        let (body, request) = write(AgentFormat::ChatCompletions, body, model, settings);
        (marks(&body), request.orchestration)
    };
    let both = vec![("system".to_owned(), 0), ("user".to_owned(), 0)];
    assert_eq!(of(&chat(true), CLAUDE, on), (both, vec!["prompt_caching"]));
    assert_eq!(of(&chat(true), CLAUDE, ""), (vec![], vec![]));
    assert_eq!(
        of(&chat(true), "gpt-5", on),
        (vec![], vec![]),
        "it knows no marks"
    );
    let mut own = chat(true);
    own["messages"][0]["content"] =
        json!([{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]);
    assert_eq!(
        of(&own, CLAUDE, on),
        (vec![("system".to_owned(), 0)], vec![]),
        "the agent knows better"
    );
}

#[test]
fn a_file_is_masked_too() {
    let masking = "[masking]\nmethod = \"pseudonymization\"\nentities = [\"profile-email\"]";
    let provider = |content: Value| {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": content}]});
        let (body, _) = write(AgentFormat::ChatCompletions, &body, "gpt-4o", masking);
        body["config"]["modules"]["masking"]["providers"][0].clone()
    };
    let file = json!([{"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}}]);
    assert_eq!(provider(file)["mask_file_input_method"], "anonymization");
    assert_eq!(provider(json!("hello")).get("mask_file_input_method"), None);
}

#[test]
fn embeddings_are_masked_and_have_their_time() {
    let rules = rules("text-embedding-3-small", EVERYTHING);
    let write = |format| {
        let request = write_embedding_request(
            br#"{"input":"ann@example.com"}"#,
            format,
            "text-embedding-3-small",
            &rules,
        );
        let request = request.unwrap();
        (
            serde_json::from_slice::<Value>(&request.bodies[0]).unwrap(),
            request.orchestration,
        )
    };
    let (body, touched) = write(EmbeddingFormat::Orchestration);
    assert_eq!(touched, ["masking", "timeout"]);
    assert_eq!(body["config"]["modules"]["embeddings"]["model"]["timeout"], 300);
    let provider = &body["config"]["modules"]["masking"]["providers"][0];
    assert_eq!(
        provider["entities"],
        json!([{"type": "profile-email"}, {"type": "profile-nationalid"}])
    );
    if let Some(schema) = schema("EmbeddingsPostRequest") {
        assert!(schema.is_valid(&body), "{body}");
    }
    let (body, touched) = write(EmbeddingFormat::AzureOpenAi);
    assert!(touched.is_empty() && body.get("config").is_none(), "{body}");
}

#[test]
fn what_cannot_be_sent_is_named() {
    let wrong = |settings: &str| match toml::from_str::<OrchestrationModules>(settings) {
        Ok(modules) => modules.problem().unwrap_or_default(),
        Err(error) => error.message().to_owned(),
    };
    for (settings, expected) in [
        ("timeout = 0", "between 1 and 1200"),
        ("timeout = 1201", "between 1 and 1200"),
        ("fallbacks = [\" \"]", "names no model"),
        (
            "fallbacks = [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\"]",
            "more than 5",
        ),
        ("[input_filter]", "input_filter has no filter"),
        ("[output_filter]\nllama_guard = []", "output_filter has no filter"),
        ("[input_filter]\nllama_guard = [\"rudeness\"]", "rudeness"),
        (
            "[input_filter]\nprotected_material_code = true",
            "protected_material_code",
        ),
        ("[output_filter]\nprompt_shield = true", "prompt_shield"),
        (
            "[input_filter.azure_content_safety]\nhate = 3",
            "0 (only what is safe passes), 2, 4 or 6",
        ),
        ("[input_filter.azure_content_safety]\nhate = 4", "self_harm"),
        (
            "[masking]\nmethod = \"anonymization\"\nentities = []",
            "names no entity",
        ),
        (
            "[masking]\nmethod = \"removal\"\nentities = [\"profile-email\"]",
            "removal",
        ),
        (
            "[masking]\nmethod = \"anonymization\"\nentities = [\"profile-shoes\"]",
            "profile-shoes",
        ),
        (
            "[masking]\nmethod = \"anonymization\"\nentities = [\"profile-email\"]\nallowlist = [\"\"]",
            "allowlist",
        ),
        ("prompt_cashing = true", "prompt_cashing"),
    ] {
        let said = wrong(settings);
        assert!(said.contains(expected), "{settings}: {said:?}");
    }
    assert_eq!(
        modules(EVERYTHING).on(),
        ["filtering", "masking", "fallbacks", "prompt_caching", "timeout"]
    );
    assert_eq!(modules("").on(), [""; 0]);
}

fn options(agent: AgentFormat) -> AnswerOptions {
    AnswerOptions {
        agent,
        upstream: ModelFormat::Orchestration,
        model: "asked".to_owned(),
        id: "id".to_owned(),
        created: 1,
        include_usage: false,
        as_array: false,
        tools: AgentTools::default(),
        settings: RequestSettings::default(),
        has_fallbacks: true,
        estimated_input: 1,
    }
}

#[test]
fn an_answer_tells_which_model_of_the_list_gave_it() {
    let failure = json!({"request_id": "r", "code": 400, "message": "m", "location": "Request Body"});
    let completion = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "x", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "\"intermediate_failures\": [1, 2, 3]"}, "finish_reason": "stop"}]});
    let of = |body: Value| {
        let body = body.to_string();
        answer(&options(AgentFormat::Messages), body.as_bytes())
            .unwrap()
            .failed_models
    };
    assert_eq!(of(json!({"request_id": "r", "final_result": completion})), 0);
    assert_eq!(
        of(
            json!({"request_id": "r", "final_result": completion, "intermediate_failures": [failure, failure]})
        ),
        2
    );

    let opening = json!({"request_id": "r", "intermediate_failures": [failure], "final_result":
        {"id": "", "object": "", "created": 0, "model": "", "choices": [{"index": 0, "delta": {"content": ""}}]}});
    let chunk = json!({"request_id": "r", "final_result":
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "x",
         "choices": [{"index": 0, "delta": {"content": "a"}}]}});
    let mut stream = AnswerStream::new(options(AgentFormat::ChatCompletions));
    let mut out = Vec::new();
    stream.push(
        format!("data: {opening}\n\ndata: {chunk}\n\n").as_bytes(),
        &mut out,
    );
    assert_eq!(stream.failed_models(), 1);
    let rules = rules(CLAUDE, "fallbacks = [\"gpt-5\", \"gpt-4o\"]");
    assert_eq!(
        [0, 1, 2, 3].map(|failed| rules.fallback(failed)),
        [None, Some("gpt-5"), Some("gpt-4o"), None]
    );
}
