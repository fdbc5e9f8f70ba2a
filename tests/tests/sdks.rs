//! Anthropic's, OpenAI's and Google's Python SDKs through Coretap, on every kind of route; the drivers hold the assertions.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use coretap_tests::agents::group_of;
use coretap_tests::folders::{installed, repository};
use coretap_tests::process::{Coretap, KEY, Mode, Simulator, in_time};
use serde_json::json;
use tokio::process::Command;

/// The texts that the drivers' own provocations leave in the simulator's list of refusals: a fault, and answers that are not kept.
const PROVOKED: [&str; 3] = [
    "plum: Input should be ripe",
    "Response with id",
    "Previous response with id",
];

async fn drive(driver: &str, routes: &[(Mode, &str, &str)]) {
    let Some(python) = installed(
        "anthropic, openai and google-genai SDKs",
        "python/agents/bin/python",
    ) else {
        return;
    };
    let script = repository().join("tests/drivers").join(driver);
    for &(mode, model, chunking) in routes {
        let simulator = Simulator::start().await;
        simulator
            .settings(&json!({"chunking": chunking, "seed": 5}))
            .await;
        let coretap = Coretap::start(&simulator, mode, &[("AICORE_RESOURCE_GROUP", group_of(model))]).await;
        let home = tempfile::tempdir().unwrap();
        let output = Command::new(&python)
            // A model that is old for its vendor may well be what SAP AI Core has.
            .args(["-W", "ignore::DeprecationWarning"])
            .arg(&script)
            .args([
                &format!("http://{}", coretap.address),
                KEY,
                model,
                &format!("http://{}", simulator.address),
                &format!("{mode:?}"),
            ])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", home.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .kill_on_drop(true)
            .output();
        let output = in_time("the driver's end", output).await.unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let mut refusals = simulator.refusals().await;
        refusals.retain(|refusal| !PROVOKED.iter().any(|text| refusal.contains(text)));
        assert!(
            output.status.success() && stdout.trim_end().ends_with("ok") && refusals.is_empty(),
            "{driver} {mode:?} {model}\n{stdout}\n{}\ncoretap: {}\nrefused: {refusals:#?}",
            String::from_utf8_lossy(&output.stderr),
            coretap.errors(),
        );
    }
}

#[tokio::test]
async fn anthropic_on_deployments() {
    let deployments = [
        (Mode::Foundation, "claude-sonnet-4-5", "event"),
        (Mode::Foundation, "gpt-4o", "random"),
        (Mode::Foundation, "gpt-5", "event"),
    ];
    drive("anthropic_sdk.py", &deployments).await;
}

#[tokio::test]
async fn anthropic_in_orchestration() {
    let models = [
        (Mode::Orchestration, "claude-sonnet-4-5", "random"),
        (Mode::Orchestration, "gpt-4o", "event"),
        (Mode::Orchestration, "gpt-5", "event"),
    ];
    drive("anthropic_sdk.py", &models).await;
}

#[tokio::test]
async fn openai_on_deployments() {
    let deployments = [
        (Mode::Foundation, "gpt-4o", "event"),
        (Mode::Foundation, "gpt-5", "random"),
        (Mode::Foundation, "anthropic--claude-4.5-sonnet", "event"),
    ];
    drive("openai_sdk.py", &deployments).await;
}

#[tokio::test]
async fn openai_in_orchestration() {
    let models = [
        (Mode::Orchestration, "gpt-4o", "random"),
        (Mode::Orchestration, "gpt-5", "event"),
        (Mode::Orchestration, "anthropic--claude-4.5-sonnet", "event"),
    ];
    drive("openai_sdk.py", &models).await;
}

#[tokio::test]
async fn openai_embeddings() {
    let routes = [
        (Mode::Foundation, "text-embedding-3-small", "random"),
        (Mode::Orchestration, "text-embedding-3-small", "event"),
    ];
    drive("openai_embeddings.py", &routes).await;
}

#[tokio::test]
async fn openai_responses_on_deployments() {
    let deployments = [
        (Mode::Foundation, "gpt-5", "random"),
        (Mode::Foundation, "anthropic--claude-4.5-sonnet", "event"),
    ];
    drive("openai_responses.py", &deployments).await;
}

#[tokio::test]
async fn openai_responses_in_orchestration() {
    let models = [
        (Mode::Orchestration, "gpt-4o", "random"),
        (Mode::Orchestration, "gpt-5", "event"),
        (Mode::Orchestration, "anthropic--claude-4.5-sonnet", "event"),
    ];
    drive("openai_responses.py", &models).await;
}

#[tokio::test]
async fn google_on_deployments() {
    let deployments = [
        (Mode::Foundation, "gemini-2.5-pro", "random"),
        (Mode::Foundation, "gpt-5", "event"),
        (Mode::Foundation, "anthropic--claude-4.5-sonnet", "event"),
    ];
    drive("google_genai_sdk.py", &deployments).await;
}

#[tokio::test]
async fn google_in_orchestration() {
    let models = [
        (Mode::Orchestration, "gemini-2.5-pro", "random"),
        (Mode::Orchestration, "gpt-4o", "event"),
        (Mode::Orchestration, "anthropic--claude-4.5-sonnet", "event"),
    ];
    drive("google_genai_sdk.py", &models).await;
}
