//! The Responses API beside what was recorded of it: SAP's answers in the fixtures of its SDK, and agents' requests.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::client::{GPT_5, GPT_5_5, Running};

/// The folder of SAP's fixtures and of recorded requests; without it there is nothing to compare with.
#[expect(clippy::print_stdout, reason = "what is skipped is shown")]
fn shared() -> Option<PathBuf> {
    let shared = std::env::var_os("CORETAP_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    if shared.join("spec").is_dir() {
        return Some(shared);
    }
    println!(
        "SKIPPED: {} is not there, so the Responses API is not compared with what was recorded of it",
        shared.display()
    );
    None
}

/// Whether two values have the same members and types, and what differs first. `null` stands for any type.
fn differs(here: &str, known: &Value, ours: &Value) -> Option<String> {
    match (known, ours) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Object(known), Value::Object(ours)) => {
            let names = |members: &Map<String, Value>| members.keys().cloned().collect::<Vec<_>>();
            if names(known) != names(ours) {
                return Some(format!("{here}: {:?} and {:?}", names(known), names(ours)));
            }
            known
                .iter()
                .find_map(|(name, member)| differs(&format!("{here}/{name}"), member, &ours[name]))
        }
        (Value::Array(known), Value::Array(ours)) => {
            let both = known.iter().zip(ours).enumerate();
            let mut both = both.map(|(at, (known, ours))| differs(&format!("{here}/{at}"), known, ours));
            both.find_map(|found| found)
        }
        _ => (std::mem::discriminant(known) != std::mem::discriminant(ours))
            .then(|| format!("{here}: {known} and {ours}")),
    }
}

#[tokio::test]
async fn responses_have_the_form_of_those_that_were_recorded() {
    let Some(shared) = shared() else { return };
    let fixture = |name: &str| -> Value {
        let file = std::fs::read(shared.join("spec/fixtures/java/openai/mappings").join(name)).unwrap();
        let mapping: Value = serde_json::from_slice(&file).unwrap();
        mapping["response"]["jsonBody"].clone()
    };
    let running = Running::start().await;
    let ask = json!({"input": "What is the capital of France?"});
    let created = running.respond(GPT_5, &ask).await;
    for header in ["x-request-id", "ai-inference-id", "x-upstream-service-time"] {
        assert!(created.headers.contains_key(header), "{header}");
    }
    let created = created.json();
    assert_eq!(differs("", &fixture("createResponse.json"), &created), None);
    let id = created["id"].as_str().unwrap();
    let kept = running.kept("GET", GPT_5, id).await.json();
    assert_eq!(differs("", &fixture("retrieveResponse.json"), &kept), None);
    let deleted = running.kept("DELETE", GPT_5, id).await.json();
    assert_eq!(differs("", &fixture("deleteResponse.json"), &deleted), None);
    let ask = json!({"input": "x", "background": true, "max_output_tokens": 8_000, "reasoning": {"effort": "high"}});
    let queued = running.respond(GPT_5, &ask).await.json();
    let cancel = format!("{}/cancel", queued["id"].as_str().unwrap());
    let cancelled = running.kept("POST", GPT_5, &cancel).await.json();
    let known = fixture("cancelResponse.json");
    assert_eq!(differs("", &known, &cancelled), None);
    for member in [
        "status",
        "output",
        "usage",
        "completed_at",
        "service_tier",
        "reasoning",
    ] {
        assert_eq!(cancelled[member], known[member], "{member}");
    }

    let text =
        std::fs::read_to_string(shared.join("spec/fixtures/java/openai/__files/streamResponse.txt")).unwrap();
    let known: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let ask = json!({"input": "When life gives you lemons, make lemonade.", "stream": true});
    let ours = running.respond(GPT_5, &ask).await.events();
    let kinds = |events: &[Value]| {
        let mut kinds: Vec<_> = events.iter().map(|event| event["type"].clone()).collect();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds(&known), kinds(&ours));
    for event in &ours {
        let alike = known
            .iter()
            .find(|known| known["type"] == event["type"] && known["output_index"] == event["output_index"]);
        assert_eq!(differs("", alike.unwrap(), event), None, "{event}");
    }
}

/// Recorded requests of agents, as they would reach a deployment if nobody changed them, and what it says to them.
const RECORDED: &[(&str, &str)] = &[
    ("py-openai-2.54.0/05-POST-v1_responses.json", ""),
    // Its reasoning is from another service.
    (
        "py-openai-2.54.0/06-POST-v1_responses.json",
        "could not be verified",
    ),
    ("py-openai-2.54.0/07-POST-v1_responses.json", ""),
    ("opencode-1.18.33/responses-02-POST-v1_responses.json", ""),
    (
        "opencode-1.18.33/responses-03-POST-v1_responses.json",
        "could not be verified",
    ),
    (
        "codex-0.169.0/gpt55-01-POST-v1_responses.json",
        "The following tools are not allowed for model 'gpt-5.5': custom, tool_search and web_search.",
    ),
    (
        "codex-0.169.0/gpt6sol-responses-lite-01-POST-v1_responses.json",
        "Invalid value: 'additional_tools'.",
    ),
];

#[tokio::test]
async fn recorded_requests_are_answered_or_refused_for_a_reason() {
    let Some(shared) = shared() else { return };
    let captures = shared.join("agents/captures");
    let running = Running::start().await;
    for (name, words) in RECORDED {
        let recorded: Value = serde_json::from_slice(&std::fs::read(captures.join(name)).unwrap()).unwrap();
        let reply = running.respond(GPT_5_5, &recorded["body"]).await;
        let status = if words.is_empty() { 200 } else { 400 };
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        assert!(reply.text().contains(words), "{name}: {}", reply.text());
    }
}
