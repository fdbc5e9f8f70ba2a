//! The simulator's idea of an orchestration request against SAP's spec: every request fixture, and thousands of
//! mutations of them. Whatever the spec refuses, the simulator refuses.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]
#![expect(clippy::print_stdout, reason = "what was compared or skipped is shown")]

mod answers;
#[expect(dead_code, reason = "this suite needs only a part of it")]
#[path = "../client/mod.rs"]
mod client;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use coretap_simulator::{check_embeddings_request, check_orchestration_request};
use fastrand::Rng;
use jsonschema::Validator;
use serde_json::{Map, Value, json};

use client::Running;

const MUTATIONS: usize = 12_000;
const SEED: u64 = 20_261_121;

/// The folder of SAP's spec and fixtures; without it there is nothing to compare with.
fn spec() -> Option<PathBuf> {
    let shared = std::env::var_os("CORETAP_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let spec = shared.join("spec");
    if spec.is_dir() {
        return Some(spec);
    }
    println!(
        "SKIPPED: {} is not there, so the simulator is not compared with SAP's spec",
        spec.display()
    );
    None
}

/// One schema of the spec. `OpenAPI` 3.0 says `nullable` and `exclusiveMinimum: true` in its own way.
fn validator(spec: &Path, name: &str) -> Validator {
    fn translate(value: &mut Value) {
        match value {
            Value::Object(members) => {
                if members.remove("nullable") == Some(json!(true)) {
                    let kind = members.remove("type").unwrap();
                    members.insert("type".to_owned(), json!([kind, "null"]));
                }
                if members.get("exclusiveMinimum") == Some(&json!(true)) {
                    let least = members.remove("minimum").unwrap();
                    members.insert("exclusiveMinimum".to_owned(), least);
                }
                members.values_mut().for_each(translate);
            }
            Value::Array(items) => items.iter_mut().for_each(translate),
            _ => {}
        }
    }
    let text = std::fs::read_to_string(spec.join("orchestration/orchestration-0.110.12.yaml")).unwrap();
    let mut document: Value = serde_yaml_ng::from_str(&text).unwrap();
    translate(&mut document);
    // No object could be what these two say: each of their parts is closed to the members of the other.
    for name in ["ModuleResults", "ModuleResultsStreaming"] {
        let schemas = &mut document["components"]["schemas"];
        let mut members = schemas["ModuleResultsBase"]["properties"].clone();
        let own = schemas[name]["allOf"][1]["properties"]
            .as_object()
            .unwrap()
            .clone();
        members.as_object_mut().unwrap().extend(own);
        schemas[name] = json!({"type": "object", "properties": members, "additionalProperties": false});
    }
    let schema = json!({
        "$ref": format!("#/components/schemas/{name}"),
        "components": {"schemas": document["components"]["schemas"]},
    });
    jsonschema::draft202012::new(&schema).unwrap()
}

/// Every completion request among the fixtures, by file name.
fn fixtures(spec: &Path) -> BTreeMap<String, Value> {
    let folder = spec.join("fixtures/java/orchestration");
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        if is_json && name.contains("equest") && !name.contains("mbedding") {
            found.insert(
                name,
                serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap(),
            );
        }
    }
    assert!(found.len() >= 25, "only {} fixtures were found", found.len());
    found
}

/// A request that uses every part of the spec that the fixtures leave out.
fn everything() -> Value {
    json!({
        "config": {
            "modules": [{
                "prompt_templating": {
                    "prompt": {
                        "template": [
                            {"role": "system", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
                            {"role": "developer", "content": "d"},
                            {"role": "user", "content": [
                                {"type": "text", "text": "{{?p}}", "cache_control": {"type": "ephemeral"}},
                                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "auto"}},
                                {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"}}
                            ]},
                            {"role": "assistant", "refusal": "no", "tool_calls": [
                                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                            ], "reasoning_content": [{"content": "t", "signature": "s"}]},
                            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "r"}]}
                        ],
                        "defaults": {"p": "x"},
                        "tools": [{"type": "function", "cache_control": {"type": "ephemeral", "ttl": "5m"}, "function": {
                            "name": "f", "description": "d", "strict": null, "parameters": {"type": "object", "properties": {}}
                        }}],
                        "response_format": {"type": "json_schema", "json_schema": {
                            "name": "n", "description": "d", "strict": true, "schema": {"type": "object"}
                        }}
                    },
                    "model": {"name": "gpt-4o", "version": "latest", "params": {"n": 1}, "timeout": 1200, "max_retries": 0}
                },
                "filtering": {
                    "input": {"filters": [
                        {"type": "azure_content_safety", "config": {"hate": 0, "self_harm": 2, "sexual": 4, "violence": 6, "prompt_shield": true}},
                        {"type": "llama_guard_3_8b", "config": {"violent_crimes": true, "privacy": false}}
                    ]},
                    "output": {"filters": [
                        {"type": "azure_content_safety", "config": {"hate": 0, "protected_material_code": true}}
                    ], "stream_options": {"overlap": 100}}
                },
                "masking": {"masking_providers": [{
                    "type": "sap_data_privacy_integration", "method": "pseudonymization",
                    "entities": [
                        {"type": "profile-email", "replacement_strategy": {"method": "fabricated_data"}},
                        {"regex": "[a-z]+", "replacement_strategy": {"method": "constant", "value": "X"}},
                        {"type": "profile-iban", "replacement_strategy": {"method": "constant", "value": "Y"}}
                    ],
                    "allowlist": ["SAP"], "mask_grounding_input": {"enabled": true}, "mask_file_input_method": "skip"
                }]},
                "grounding": {"type": "document_grounding_service", "config": {
                    "filters": [{
                        "id": "f1", "search_config": {"max_chunk_count": 3}, "data_repositories": ["*"],
                        "data_repository_type": "vector",
                        "data_repository_metadata": [{"key": "k", "value": ["v"]}],
                        "document_metadata": [{"key": "k", "value": ["v"], "select_mode": ["ignoreIfKeyAbsent"]}],
                        "chunk_metadata": [{"key": "k", "value": ["v"]}]
                    }],
                    "placeholders": {"input": ["i"], "output": "o"}, "metadata_params": ["m"]
                }},
                "translation": {
                    "input": {"type": "sap_document_translation", "translate_messages_history": false, "config": {
                        "source_language": "de-DE", "target_language": "en-US",
                        "apply_to": [{"category": "placeholders", "items": ["p"], "source_language": "de-DE"}]
                    }},
                    "output": {"type": "sap_document_translation", "config": {
                        "source_language": "en-US", "target_language": {"category": "template_roles", "items": ["user"]}
                    }}
                }
            }],
            "stream": {"enabled": true, "chunk_size": 10, "delimiters": ["\n"]}
        },
        "placeholder_values": {"p": "v"},
        "messages_history": [{"role": "user", "content": "h"}, {"role": "assistant", "content": [{"type": "text", "text": "a"}]}]
    })
}

/// A request by reference that overrides a part.
fn by_reference() -> Value {
    json!({
        "config_ref": {"scenario": "s", "name": "n", "version": "1"},
        "config": {"modules": {"prompt_templating": {
            "prompt": {"template_ref": {"scenario": "s", "name": "n", "version": "1", "scope": "tenant"}}
        }}, "stream": {}},
        "messages_history": []
    })
}

/// The pointers to every value.
fn pointers(value: &Value, here: &str, into: &mut Vec<String>) {
    into.push(here.to_owned());
    match value {
        Value::Object(members) => {
            members
                .iter()
                .for_each(|(key, member)| pointers(member, &format!("{here}/{key}"), into));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| pointers(item, &format!("{here}/{index}"), into));
        }
        _ => {}
    }
}

fn wrong_values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(7),
        json!(1_201),
        json!(10_001),
        json!(1e300),
        json!(""),
        json!("unheard-of"),
        json!("user"),
        json!("text"),
        json!("ephemeral"),
        json!("x".repeat(1_025)),
        json!("x".repeat(65)),
        json!("a b"),
        json!([]),
        json!([null]),
        json!([{}]),
        json!(["x"]),
        json!({}),
        json!({"type": "text", "text": "x"}),
        json!({"id": "x"}),
        json!({"role": "user", "content": "x"}),
    ]
}

fn wrong_value(random: &mut Rng) -> Value {
    let all = wrong_values();
    all[random.usize(..all.len())].clone()
}

const KEYS: &[&str] = &[
    "name",
    "role",
    "type",
    "content",
    "text",
    "id",
    "stream",
    "tool_choice",
    "cache_control",
    "config",
    "extra",
    "",
    "tool_calls",
    "tool_call_id",
    "image_url",
    "template",
    "prompt",
    "scope",
    "ttl",
    "strict",
    "config_ref",
    "regex",
];

/// Changes one place: deletes, adds, moves, renames or replaces.
fn mutate(body: &mut Value, random: &mut Rng) {
    let mut all = Vec::new();
    pointers(body, "", &mut all);
    let chosen = all[random.usize(..all.len())].clone();
    let other = all[random.usize(..all.len())].clone();
    let donor = body.pointer(&other).cloned().unwrap();
    let place = body.pointer_mut(&chosen).unwrap();
    match (random.u8(..7), place) {
        (0, Value::Object(members)) if !members.is_empty() => {
            let key = members.keys().nth(random.usize(..members.len())).unwrap().clone();
            members.remove(&key);
        }
        (1, Value::Object(members)) => {
            members.insert(KEYS[random.usize(..KEYS.len())].to_owned(), wrong_value(random));
        }
        (2, Value::Array(items)) if !items.is_empty() => {
            items.remove(random.usize(..items.len()));
        }
        (3, Value::Array(items)) => items.push(wrong_value(random)),
        (4, place) => *place = donor,
        (5, Value::Object(members)) if !members.is_empty() => {
            let key = members.keys().nth(random.usize(..members.len())).unwrap().clone();
            let value = members.remove(&key).unwrap();
            members.insert(KEYS[random.usize(..KEYS.len())].to_owned(), value);
        }
        (_, place) => *place = wrong_value(random),
    }
}

/// Every place of a request with every wrong value, without each of its members, and with each key too many.
fn every_change(body: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    pointers(body, "", &mut all);
    let mut changed = Vec::new();
    for pointer in all {
        let mut with = |change: &dyn Fn(&mut Value)| {
            let mut copy = body.clone();
            change(copy.pointer_mut(&pointer).unwrap());
            changed.push(copy);
        };
        for value in wrong_values() {
            with(&|place| *place = value.clone());
        }
        match body.pointer(&pointer) {
            Some(Value::Object(members)) => {
                for key in members.keys() {
                    with(&|place| drop(place.as_object_mut().unwrap().remove(key)));
                }
                for key in KEYS {
                    with(&|place| place[*key] = json!("x"));
                }
            }
            Some(Value::Array(items)) => {
                for at in 0..items.len() {
                    with(&|place| drop(place.as_array_mut().unwrap().remove(at)));
                }
            }
            _ => {}
        }
    }
    changed
}

/// How the two judged.
#[derive(Default)]
struct Tally {
    refused: usize,
    taken: usize,
    stricter: Vec<String>,
}

impl Tally {
    fn judge(&mut self, validator: &Validator, body: &Value) {
        match (validator.is_valid(body), check_orchestration_request(body)) {
            (false, Ok(())) => panic!("the spec refuses what the simulator takes: {body}"),
            (false, Err(_)) => self.refused += 1,
            (true, Ok(())) => self.taken += 1,
            (true, Err(words)) => self.stricter.push(words),
        }
    }

    /// The schema layer is no stricter than the spec: what the service refuses beyond is told apart, in the rules.
    fn conclude(mut self, what: &str) {
        let Self { refused, taken, .. } = self;
        let only = self.stricter.len();
        println!(
            "{what}: refused by both {refused}, taken by both {taken}, refused by the simulator only {only}"
        );
        assert!(refused >= 5_000, "too few are refused to show anything");
        // `search_config` has no type in the spec, so that anything but an object passes there. And for JSON Schema
        // `1.0` is an integer; the service may think otherwise, and nobody writes it so.
        self.stricter.retain(|words| {
            !words.contains("search_config") && !words.contains(".0 is not of type 'integer'")
        });
        assert!(
            self.stricter.is_empty(),
            "the spec takes what the simulator refuses: {:#?}",
            self.stricter
        );
    }
}

#[test]
fn what_the_spec_refuses_the_simulator_refuses() {
    let Some(spec) = spec() else { return };
    let validator = validator(&spec, "CompletionPostRequest");
    let rich = [everything(), by_reference()];
    let mut bodies: Vec<Value> = fixtures(&spec).into_values().collect();
    bodies.extend(rich.iter().cloned());
    for body in &bodies {
        assert!(validator.is_valid(body), "the spec refuses {body}");
        assert_eq!(check_orchestration_request(body), Ok(()), "{body}");
    }
    println!("{} requests are taken by both", bodies.len());

    let mut tally = Tally::default();
    for body in rich.iter().flat_map(every_change) {
        tally.judge(&validator, &body);
    }
    tally.conclude("every change of the rich requests");

    let mut random = Rng::with_seed(SEED);
    let mut tally = Tally::default();
    for round in 0..MUTATIONS {
        let mut body = bodies[round % bodies.len()].clone();
        mutate(&mut body, &mut random);
        if random.u8(..4) == 0 {
            mutate(&mut body, &mut random);
        }
        tally.judge(&validator, &body);
    }
    tally.conclude(&format!(
        "{MUTATIONS} random mutations of all requests, seed {SEED}"
    ));
}

#[test]
fn of_embeddings_both_take_and_refuse_the_same() {
    let Some(spec) = spec() else { return };
    let validator = validator(&spec, "EmbeddingsPostRequest");
    let rich = json!({
        "config": {"modules": {
            "embeddings": {"model": {"name": "text-embedding-3-large", "version": "latest", "timeout": 600, "max_retries": 2,
                "params": {"dimensions": 256, "encoding_format": ["float", "base64"], "normalize": false, "more": 1}}},
            "masking": {"masking_providers": [{
                "type": "sap_data_privacy_integration", "method": "anonymization", "entities": [{"type": "profile-email"}]
            }]}
        }},
        "input": {"text": ["a", "b"], "type": "document"}
    });
    let mut refused = 0;
    for body in every_change(&rich).into_iter().chain([rich]) {
        let here = check_embeddings_request(&body);
        // For JSON Schema `1.0` and `1e300` are integers.
        if here.as_ref().is_err_and(|words| {
            words.contains(".0 is not of type 'integer'") || words.contains("e+300 is not of type 'integer'")
        }) {
            continue;
        }
        assert_eq!(validator.is_valid(&body), here.is_ok(), "{here:?} {body}");
        refused += usize::from(here.is_err());
    }
    println!("refused by both: {refused}");
    assert!(refused >= 400, "too few are refused to show anything: {refused}");
}

/// Which fixtures the service's rules refuse, and why: the tenant lacks what they refer to, or the model does
/// not take a parameter.
const REFUSED_BY_RULES: &[(&str, &str)] = &[
    (
        "fallbackRequest.json",
        "'temperature' is not supported with this model",
    ),
    (
        "orchConfigByIdRequest.json",
        "the referenced config does not exist",
    ),
    (
        "orchConfigByRequestHistoryParams.json",
        "the referenced config does not exist",
    ),
    (
        "orchConfigBySNVRequest.json",
        "the referenced config does not exist",
    ),
    (
        "templateReferenceByIdRequest.json",
        "the referenced template does not exist",
    ),
    (
        "templateReferenceByScenarioRequest.json",
        "the referenced template does not exist",
    ),
    (
        "templateReferenceResourceGroupByIdRequest.json",
        "the referenced template does not exist",
    ),
    (
        "templateReferenceResourceGroupByScenarioRequest.json",
        "the referenced template does not exist",
    ),
];

#[tokio::test]
async fn every_request_fixture_is_answered_or_refused_for_a_reason() {
    let Some(spec) = spec() else { return };
    let running = Running::start().await;
    let mut unexpected = Map::new();
    for (name, body) in fixtures(&spec) {
        let reply = running.complete(&body).await;
        let refused = reply
            .text()
            .contains("\"error\"")
            .then(|| reply.text().to_owned());
        let known = REFUSED_BY_RULES
            .iter()
            .find(|(fixture, _)| *fixture == name)
            .map(|(_, why)| *why);
        println!("{name}: {}", refused.as_deref().unwrap_or("answered"));
        let fits = match (&refused, known) {
            (None, None) => true,
            (Some(text), Some(why)) => text.contains(why),
            _ => false,
        };
        if !fits {
            unexpected.insert(name, json!(refused));
        }
    }
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}
