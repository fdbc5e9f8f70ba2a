//! What a tenant refuses is left out, remembered across restarts, shown and forgotten: the command against a tenant that
//! refuses more than others.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use coretap_tests::formats::Format;
use coretap_tests::http::{Answer, post};
use coretap_tests::process::{Coretap, Finished, KEY, Mode, Simulator, command, in_time};
use serde_json::{Value, json};
use tempfile::TempDir;

const CLAUDE: &str = "anthropic--claude-4.5-sonnet";

/// A request that has much that can be refused.
fn rich(model: &str, format: Format) -> Value {
    let mut body = format.ask(model, "Repeat the words plum-4711", true);
    let more = if format == Format::Messages {
        json!({"max_tokens": 4000, "temperature": 0.5, "top_k": 5, "stop_sequences": ["no-such-plum"],
               "system": [{"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}}],
               "tools": [{"name": "lookup", "description": "Looks up", "input_schema": {"type": "object"}}]})
    } else {
        json!({"temperature": 0.5, "seed": 5, "stop": ["no-such-plum"]})
    };
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    body
}

async fn ask(coretap: &Coretap, model: &str, format: Format) -> Answer {
    let mut request = post(&format.path(model, true), &rich(model, format));
    request.headers_mut().insert(
        "anthropic-beta",
        "interleaved-thinking-2025-05-14".parse().unwrap(),
    );
    coretap.send(request).await
}

fn answered(answer: &Answer, format: Format, context: &str) {
    assert_eq!(answer.status, 200, "{context}: {answer:?}");
    format.check_stream(&answer.events(), context);
    assert!(
        format.streamed_text(&answer.events()).contains("plum-4711"),
        "{context}"
    );
}

/// Whether any object of a body has a member of this name, schemas aside.
fn has(body: &Value, name: &str) -> bool {
    match body {
        Value::Object(members) => {
            members.contains_key(name) || members.values().any(|value| has(value, name))
        }
        Value::Array(items) => items.iter().any(|item| has(item, name)),
        _ => false,
    }
}

/// Each dialect's own words, in both modes: one request finds out, the next one needs no second try.
#[tokio::test]
async fn what_a_tenant_refuses_is_left_out_from_the_second_request_on() {
    let cases = [
        (
            Mode::Foundation,
            CLAUDE,
            Format::Messages,
            json!({"member": "top_k"}),
            "top_k",
        ),
        (
            Mode::Foundation,
            CLAUDE,
            Format::Messages,
            json!({"member": "stop_sequences"}),
            "stop_sequences",
        ),
        (
            Mode::Foundation,
            CLAUDE,
            Format::Messages,
            json!({"member": "cache_control"}),
            "cache_control",
        ),
        (
            Mode::Foundation,
            CLAUDE,
            Format::Messages,
            json!({"beta": "interleaved-thinking-2025-05-14"}),
            "anthropic_beta",
        ),
        (
            Mode::Foundation,
            "gpt-4o",
            Format::Chat,
            json!({"member": "seed"}),
            "seed",
        ),
        (
            Mode::Foundation,
            "gpt-4o",
            Format::Messages,
            json!({"member": "temperature"}),
            "temperature",
        ),
        (
            Mode::Orchestration,
            CLAUDE,
            Format::Messages,
            json!({"member": "top_k"}),
            "top_k",
        ),
        (
            Mode::Orchestration,
            CLAUDE,
            Format::Messages,
            json!({"member": "cache_control"}),
            "cache_control",
        ),
        (
            Mode::Orchestration,
            CLAUDE,
            Format::Chat,
            json!({"member": "max_retries"}),
            "max_retries",
        ),
        (
            Mode::Orchestration,
            "gpt-4o",
            Format::Chat,
            json!({"member": "seed"}),
            "seed",
        ),
    ];
    for (mode, model, format, refused, name) in cases {
        let context = format!("{refused} of {model} in {mode:?}");
        let simulator = Simulator::start().await;
        simulator.settings(&json!({"refuses": [refused]})).await;
        let coretap = Coretap::start(&simulator, mode, &[]).await;
        for requests in [2, 1] {
            simulator.forget().await;
            let answer = ask(&coretap, model, format).await;
            answered(&answer, format, &context);
            let seen = simulator.inference().await;
            assert_eq!(
                seen.len(),
                requests,
                "{context}: {:?}",
                simulator.refusals().await
            );
            assert_eq!(
                seen.len() > 1,
                has(&seen[0].body, name),
                "{context}: {}",
                seen[0].body
            );
            let last = seen.last().unwrap();
            assert!(!has(&last.body, name), "{context}: {}", last.body);
            assert_eq!(last.status, Some(200));
        }
    }
}

#[tokio::test]
async fn a_limit_of_output_tokens_is_kept_to() {
    for (mode, model) in [
        (Mode::Foundation, CLAUDE),
        (Mode::Foundation, "gpt-4o"),
        (Mode::Orchestration, CLAUDE),
        (Mode::Orchestration, "gpt-4o"),
    ] {
        let simulator = Simulator::start().await;
        simulator
            .settings(&json!({"refuses": [{"output_tokens": 1234}]}))
            .await;
        let coretap = Coretap::start(&simulator, mode, &[]).await;
        for requests in [2, 3] {
            answered(
                &ask(&coretap, model, Format::Messages).await,
                Format::Messages,
                model,
            );
            let seen = simulator.inference().await;
            assert_eq!(seen.len(), requests, "{model} in {mode:?}");
            let last = seen.last().unwrap().body.to_string();
            assert!(
                last.contains("\"max_tokens\":1234"),
                "{model} in {mode:?}: {last}"
            );
        }
    }
}

/// `coretap` with the settings folder of a test.
async fn run(home: &TempDir, arguments: &[&str]) -> Finished {
    let output = in_time("the command's end", command(home, arguments, &[]).output())
        .await
        .unwrap();
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

async fn listed(home: &TempDir) -> Value {
    let finished = run(home, &["rules", "--json"]).await;
    assert_eq!(finished.code, 0, "{finished:?}");
    serde_json::from_str(&finished.stdout).unwrap()
}

/// Waits until the listing is as it should be: what is learned reaches the file a moment behind the answer.
async fn listed_when(home: &TempDir, holds: impl Fn(&Value) -> bool) -> Value {
    in_time("the listing", async {
        loop {
            let listing = listed(home).await;
            if holds(&listing) {
                return listing;
            }
        }
    })
    .await
}

async fn serve(simulator: &Simulator, home: &TempDir) -> Coretap {
    let folder = home.path().to_str().unwrap();
    let environment = [
        ("AICORE_SERVICE_KEY", simulator.service_key.as_str()),
        ("CORETAP_API_KEY", KEY),
        ("CORETAP_ORCHESTRATION", "false"),
        ("CORETAP_HOME", folder),
    ];
    Coretap::serve(&["--port", "0"], &environment).await
}

#[tokio::test]
async fn a_lesson_outlives_a_restart_is_shown_and_can_be_forgotten() {
    let home = tempfile::tempdir().unwrap();
    let simulator = Simulator::start().await;
    simulator
        .settings(&json!({"refuses": [{"member": "top_k"}]}))
        .await;
    let coretap = serve(&simulator, &home).await;
    let answer = ask(&coretap, CLAUDE, Format::Messages).await;
    answered(&answer, Format::Messages, "the first request");
    assert!(answer.header("x-coretap-dropped").contains("top_k"), "{answer:?}");
    let listing = listed_when(&home, |listing| listing["learned"][0].is_object()).await;
    let lesson = &listing["learned"][0];
    assert_eq!(lesson["model"], CLAUDE);
    assert_eq!(lesson["effect"], "top_k left out");
    assert_eq!(lesson["words"], "refused the field 'top_k'");
    let id = lesson["id"].as_str().unwrap();
    assert!(id.ends_with("/top_k"), "{id}");
    assert_eq!(coretap.stop("TERM").await.code, 0);

    let coretap = serve(&simulator, &home).await;
    simulator.forget().await;
    answered(
        &ask(&coretap, CLAUDE, Format::Messages).await,
        Format::Messages,
        "after a restart",
    );
    simulator.refused_nothing().await;

    let table = run(&home, &["rules"]).await;
    assert!(
        table.stdout.contains(id) && table.stdout.contains("top_k left out"),
        "{table:?}"
    );
    let unknown = run(&home, &["rules", "forget", "no/such/rule"]).await;
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(unknown.stderr.contains("RULES-NOT-LEARNED"), "{unknown:?}");
    let forgotten = run(&home, &["rules", "forget", id]).await;
    assert_eq!((forgotten.code, forgotten.stdout.as_str()), (0, "forgotten: 1\n"));
    assert_eq!(listed(&home).await["learned"], json!([]));

    // The running proxy notices by itself, tries anew and learns it again.
    in_time("the lesson to be forgotten", async {
        loop {
            simulator.forget().await;
            answered(
                &ask(&coretap, CLAUDE, Format::Messages).await,
                Format::Messages,
                "forgotten",
            );
            if simulator.inference().await.len() == 2 {
                return;
            }
        }
    })
    .await;
    listed_when(&home, |listing| listing["learned"][0]["id"] == id).await;
    assert_eq!(
        run(&home, &["rules", "forget", "--all"]).await.stdout,
        "forgotten: 1\n"
    );
}

#[tokio::test]
async fn own_rules_hold_and_a_bad_row_is_reported_and_skipped() {
    let home = tempfile::tempdir().unwrap();
    let rules = "[[model]]\nid = \"own\"\nmatch = [\"anthropic--claude-4.5-*\"]\nrefused = [\"top_k\"]\n\
                 [[model]]\nid = \"claude-3.5\"\nmatch = [\"anthropic--claude-3.5-*\"]\nmax_output_tokens = 4000\n\
                 [[model]]\nid = \"bad\"\nmatch = [\"*\"]\nbase_url = \"https://evil.example.com\"\n";
    std::fs::write(home.path().join("rules.toml"), rules).unwrap();
    let simulator = Simulator::start().await;
    let coretap = serve(&simulator, &home).await;
    let answer = ask(&coretap, CLAUDE, Format::Messages).await;
    answered(&answer, Format::Messages, "own rules");
    assert!(answer.header("x-coretap-dropped").contains("top_k"), "{answer:?}");
    assert!(!has(&simulator.inference().await[0].body, "top_k"));
    simulator.refused_nothing().await;
    assert!(
        coretap.errors().contains("CONFIG-RULES") && coretap.errors().contains("[[model]] bad"),
        "{}",
        coretap.errors()
    );

    let listing = listed(&home).await;
    assert_eq!(
        listing["own"],
        json!([{"table": "model", "id": "own", "replaces": false},
               {"table": "model", "id": "claude-3.5", "replaces": true}])
    );
    let problem = listing["problems"][0].as_str().unwrap();
    assert!(problem.contains("base_url"), "{problem}");
    let table = run(&home, &["rules"]).await;
    assert_eq!(table.code, 0);
    assert!(table.stderr.contains("base_url"), "{table:?}");

    std::fs::write(home.path().join("rules.toml"), "= [").unwrap();
    let coretap = serve(&simulator, &home).await;
    answered(
        &ask(&coretap, CLAUDE, Format::Messages).await,
        Format::Messages,
        "a broken file",
    );
    assert!(coretap.errors().contains("CONFIG-RULES"), "{}", coretap.errors());
    assert_eq!(
        std::fs::read_to_string(home.path().join("rules.toml")).unwrap(),
        "= ["
    );
}
