//! SAP's own clients, unchanged, against the simulator: what they send it takes, and what it answers they read.
//! This is the ground under every other suite here: the simulator behaves as SAP's own software expects.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use coretap_tests::folders::{installed, repository};
use coretap_tests::process::{Simulator, in_time};
use serde_json::{Value, json};
use tokio::process::Command;

/// Runs a driver in a resource group to its end, and fails with its own words when it fails.
async fn drive(simulator: &Simulator, group: &str, program: &std::path::Path, arguments: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let key: Value = serde_json::from_str(&simulator.service_key).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let output = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home.path())
        .env("AICORE_SERVICE_KEY", &simulator.service_key)
        .env("AICORE_CLIENT_ID", text(&key["clientid"]))
        .env("AICORE_CLIENT_SECRET", text(&key["clientsecret"]))
        .env("AICORE_AUTH_URL", text(&key["url"]))
        .env("AICORE_BASE_URL", text(&key["serviceurls"]["AI_API_URL"]) + "/v2")
        .env("AICORE_RESOURCE_GROUP", group)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .kill_on_drop(true)
        .output();
    let output = in_time("the driver's end", output).await.unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.trim_end().ends_with("ok"),
        "{arguments:?}\n{stdout}\n{}\nseen: {:#?}",
        String::from_utf8_lossy(&output.stderr),
        simulator
            .requests()
            .await
            .iter()
            .map(|seen| (&seen.path, seen.status, &seen.refused))
            .collect::<Vec<_>>(),
    );
}

/// Node finds packages beside the script: it runs from a folder inside the one they are installed in.
async fn javascript(driver: &str, models: &[&str]) {
    let Some(home) = installed("SAP's JavaScript SDKs", "npm/sap/node_modules") else {
        return;
    };
    let folder = tempfile::tempdir_in(home.parent().unwrap()).unwrap();
    let script = folder.path().join(driver);
    std::fs::copy(repository().join("tests/drivers").join(driver), &script).unwrap();
    for chunking in ["event", "random"] {
        let simulator = Simulator::start().await;
        // This SDK reads one of the two spellings that rows come in.
        simulator
            .settings(&json!({"chunking": chunking, "seed": 7, "backend_details": "both"}))
            .await;
        for model in models {
            drive(
                &simulator,
                "default",
                "node".as_ref(),
                &[script.to_str().unwrap(), model],
            )
            .await;
        }
    }
}

#[tokio::test]
async fn javascript_orchestration() {
    javascript(
        "sap_orchestration.mjs",
        &["gpt-4o", "anthropic--claude-4.5-sonnet"],
    )
    .await;
}

#[tokio::test]
async fn javascript_orchestration_modules() {
    javascript(
        "sap_orchestration_modules.mjs",
        &["gpt-4o", "anthropic--claude-4.5-sonnet"],
    )
    .await;
}

#[tokio::test]
async fn javascript_foundation_models() {
    javascript("sap_foundation_models.mjs", &["gpt-4o", "gpt-5"]).await;
}

/// Runs a driver of SAP's Python SDK, once for each list of arguments.
async fn python(group: &str, driver: &str, runs: &[&[&str]]) {
    let Some(python) = installed("SAP's Python SDK", "python/sap/bin/python") else {
        return;
    };
    let driver = repository().join("tests/drivers").join(driver);
    for chunking in ["event", "random"] {
        let simulator = Simulator::start().await;
        simulator
            .settings(&json!({"chunking": chunking, "seed": 7}))
            .await;
        for arguments in runs {
            let arguments = [&[driver.to_str().unwrap()], *arguments].concat();
            drive(&simulator, group, &python, &arguments).await;
        }
    }
}

#[tokio::test]
async fn python_generative_ai_hub() {
    python("default", "sap_generative_ai_hub.py", &[&[]]).await;
}

#[tokio::test]
async fn python_openai() {
    python("hub", "sap_native_clients.py", &[&["openai"]]).await;
}

#[tokio::test]
async fn python_google() {
    python("hub", "sap_native_clients.py", &[&["google"]]).await;
}

#[tokio::test]
async fn python_bedrock() {
    python("hub", "sap_native_clients.py", &[&["bedrock"]]).await;
}

#[tokio::test]
async fn python_orchestration_modules() {
    python(
        "hub",
        "sap_orchestration_modules.py",
        &[
            &["gpt-4o"],
            &["anthropic--claude-4.5-sonnet"],
            &["gemini-2.5-flash"],
        ],
    )
    .await;
}
