//! What each format costs beside those of `speed.rs`: an agent's on the route that costs most, a model's for the agent that
//! is written anew. The limits are the same: 90,000 instructions for a small request, 14,000 for a delta that arrives by itself,
//! 10,000 where both sides speak the same format.
#![allow(clippy::unwrap_used, clippy::panic, reason = "A panic is how a test fails.")]

use coretap_tests::canned::{CLAUDE, COHERE, CONVERSE, Canned, Family, MISTRAL, RESPONSES, VERTEX};
use coretap_tests::folders::report;
use coretap_tests::formats::{Ask, Format};
use coretap_tests::instructions::{Asked, Counter};

/// Instructions of a small request.
const SMALL_REQUEST: u64 = 90_000;

/// What a piece of text stands behind in the agent's stream.
fn needle(format: Format) -> &'static str {
    match format {
        Format::Messages => r#""text_delta","text":""#,
        Format::Chat => r#""content":""#,
        Format::Responses => r#""delta":""#,
        Format::Gemini => r#""text":""#,
    }
}

/// A question of some 800 bytes, as the kit's small request has it.
fn ask(stream: bool) -> Ask {
    let sentence = "The quick brown fox jumps over the lazy dog and runs away into the forest. ";
    Ask {
        text: format!(
            "Summarise the following text in two sentences. {}",
            sentence.repeat(10)
        ),
        stream,
        ..Ask::default()
    }
}

/// The body as coding agents and the kit write it: the model stands before the conversation, if it stands in the body at all.
fn model_first(mut body: serde_json::Value) -> String {
    let model = body.as_object_mut().unwrap().remove("model");
    let rest = body.to_string();
    match model {
        Some(model) => rest.replacen('{', &format!("{{\"model\":{model},"), 1),
        None => rest,
    }
}

async fn costs(format: Format, family: Family, lone_delta: u64) {
    let upstream = Canned::start(family).await;
    let environment = vec![
        ("AICORE_SERVICE_KEY", upstream.service_key()),
        ("CORETAP_ORCHESTRATION", "false".to_owned()),
    ];
    let Some(counter) = Counter::new(environment).await else {
        return;
    };
    let measure = async |stream: bool, runs: [u64; 2]| {
        let body = counter.folder().join("body.json");
        std::fs::write(&body, model_first(format.body(family.model, &ask(stream)))).unwrap();
        let path = format.path(family.model, stream);
        let asked = Asked {
            path: &path,
            body: &body,
            needle: stream.then(|| needle(format)),
        };
        counter.per_request(&asked, runs).await
    };
    let small = measure(false, [50, 250]).await;
    upstream.set_pieces(101);
    let long = measure(true, [2, 7]).await;
    upstream.set_pieces(1);
    let short = measure(true, [2, 7]).await;
    let delta = (long - short) / 100;
    let name = family.name;
    report(&format!(
        "measured {format:?} to {name}: a small request {small} instructions, at most {SMALL_REQUEST}; a lone delta {delta}, at most {lone_delta}"
    ));
    assert!(small <= SMALL_REQUEST, "{format:?} to {name}: {small}");
    assert!(delta <= lone_delta, "{format:?} to {name}: {delta}");
}

const TRANSLATING: u64 = 14_000;
const SAME_FORMAT: u64 = 10_000;

#[tokio::test]
async fn responses_to_azure() {
    costs(Format::Responses, RESPONSES, SAME_FORMAT).await;
}

#[tokio::test]
async fn gemini_to_vertex() {
    costs(Format::Gemini, VERTEX, SAME_FORMAT).await;
}

#[tokio::test]
async fn responses_to_claude() {
    costs(Format::Responses, CLAUDE, TRANSLATING).await;
}

#[tokio::test]
async fn gemini_to_claude() {
    costs(Format::Gemini, CLAUDE, TRANSLATING).await;
}

#[tokio::test]
async fn messages_to_azures_responses() {
    costs(Format::Messages, RESPONSES, TRANSLATING).await;
}

#[tokio::test]
async fn messages_to_vertex() {
    costs(Format::Messages, VERTEX, TRANSLATING).await;
}

#[tokio::test]
async fn messages_to_converse() {
    costs(Format::Messages, CONVERSE, TRANSLATING).await;
}

#[tokio::test]
async fn messages_to_mistral() {
    costs(Format::Messages, MISTRAL, TRANSLATING).await;
}

#[tokio::test]
async fn messages_to_cohere() {
    costs(Format::Messages, COHERE, TRANSLATING).await;
}
