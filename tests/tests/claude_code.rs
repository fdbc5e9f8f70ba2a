//! Claude Code itself: it is asked for what stands in a file, has to read it with a tool, and answers with it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use std::path::PathBuf;

use coretap_tests::folders::installed;
use coretap_tests::process::{Coretap, KEY, Mode, Simulator, in_time};
use serde_json::Value;
use tokio::process::Command;

/// The program that npm installed for this machine; its postinstall script, which may be disabled, only links to it.
fn claude() -> Option<PathBuf> {
    let architecture = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "x64"
    };
    let system = if cfg!(target_os = "macos") {
        "darwin"
    } else {
        "linux"
    };
    installed(
        "Claude Code",
        &format!("npm/node_modules/@anthropic-ai/claude-code-{system}-{architecture}/claude"),
    )
}

/// One whole turn with tools: `arguments` beside the prompt, in a home and a folder of their own.
async fn reads_a_file(mode: Mode, model: &str, arguments: &[&str], chunking: &str) {
    let Some(claude) = claude() else { return };
    let simulator = Simulator::start().await;
    simulator
        .settings(&serde_json::json!({"chunking": chunking, "seed": 11}))
        .await;
    let coretap = Coretap::start(
        &simulator,
        mode,
        &[("CORETAP_MODEL", "anthropic--claude-4.5-sonnet")],
    )
    .await;
    let home = tempfile::tempdir().unwrap();
    let project = home.path().join("project");
    std::fs::create_dir(&project).unwrap();
    let words = format!("the plum weighs {} grams – früh 🙂", fastrand::u64(..));
    let file = project.join("plum.txt");
    std::fs::write(&file, &words).unwrap();

    let output = Command::new(claude)
        .args([
            "-p",
            &format!("Read the file {} and tell me what it says", file.display()),
        ])
        .args([
            "--model",
            model,
            "--allowedTools",
            "Read,Bash",
            "--output-format",
            "json",
        ])
        .args(arguments)
        .current_dir(&project)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home.path())
        .env("ANTHROPIC_BASE_URL", format!("http://{}", coretap.address))
        .env(
            if arguments.contains(&"--bare") {
                "ANTHROPIC_API_KEY"
            } else {
                "ANTHROPIC_AUTH_TOKEN"
            },
            KEY,
        )
        .env("ANTHROPIC_DEFAULT_HAIKU_MODEL", model)
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .env("DISABLE_AUTOUPDATER", "1")
        .env("DISABLE_TELEMETRY", "1")
        .env("DISABLE_ERROR_REPORTING", "1")
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = in_time("Claude Code's answer", output).await.unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let context = format!(
        "{mode:?} {model} {arguments:?}\nstdout: {stdout}\nstderr: {}\ncoretap: {}\nrefused: {:#?}",
        String::from_utf8_lossy(&output.stderr),
        coretap.errors(),
        simulator.refusals().await,
    );
    assert!(output.status.success(), "{context}");
    let answer: Value =
        serde_json::from_str(stdout.trim()).unwrap_or_else(|error| panic!("{error}: {context}"));
    assert_eq!(answer["is_error"], false, "{context}");
    assert!(answer["result"].as_str().unwrap().contains(&words), "{context}");
    assert!(
        answer["num_turns"].as_u64().unwrap() >= 2,
        "no tool turn: {context}"
    );
    assert!(
        answer["usage"]["output_tokens"].as_u64().unwrap() > 0,
        "{context}"
    );
    simulator.refused_nothing().await;
    assert!(
        !coretap.errors().contains(&words),
        "a prompt stands in the log: {context}"
    );
}

/// Full mode, with a model it knows, one of the adaptive-thinking kind, and a name that only its user knows.
#[tokio::test]
async fn full_mode_in_orchestration() {
    reads_a_file(Mode::Orchestration, "claude-sonnet-4-5", &[], "event").await;
    reads_a_file(Mode::Orchestration, "claude-opus-4-8", &[], "random").await;
    reads_a_file(Mode::Orchestration, "my-deployment", &[], "event").await;
}

#[tokio::test]
async fn full_mode_on_deployments() {
    reads_a_file(Mode::Foundation, "claude-sonnet-4-5", &[], "event").await;
    reads_a_file(Mode::Foundation, "claude-opus-4-8", &[], "random").await;
    reads_a_file(Mode::Foundation, "my-deployment", &[], "event").await;
}

#[tokio::test]
async fn bare_mode_in_both() {
    for mode in Mode::ALL {
        reads_a_file(mode, "claude-sonnet-4-5", &["--bare"], "event").await;
    }
}

/// Claude Code on a GPT model: Messages in, Azure chat or orchestration out.
#[tokio::test]
async fn a_model_of_another_vendor() {
    for mode in Mode::ALL {
        reads_a_file(mode, "gpt-5", &[], "event").await;
    }
}
