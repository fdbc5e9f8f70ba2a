//! Claude Code itself: full mode, bare mode, and with more models and switches where there is time for it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use coretap_tests::agents::{Turn, program};
use coretap_tests::process::{KEY, Mode};
use serde_json::Value;

/// What Claude Code sends in every mode and no route has a place for.
const DROPPED: &[&str] = &["context_management", "metadata"];

/// The program that npm installed for this machine; its postinstall script, which may be disabled, only links to it.
fn platform_program() -> String {
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
    format!("claude-code/node_modules/@anthropic-ai/claude-code-{system}-{architecture}/claude")
}

/// One whole turn, with `arguments` beside the prompt and `variables` beside the usual ones.
async fn turn(mode: Mode, model: &str, chunking: &str, arguments: &[&str], variables: &[(&str, &str)]) {
    let Some(claude) = program("Claude Code", &platform_program()) else {
        return;
    };
    let turn = Turn::prepare(mode, "anthropic--claude-4.5-sonnet", chunking).await;
    let mut agent = turn.agent(&claude);
    let key = if arguments.contains(&"--bare") {
        "ANTHROPIC_API_KEY"
    } else {
        "ANTHROPIC_AUTH_TOKEN"
    };
    agent
        .args(["-p", &turn.prompt(), "--model", model])
        .args(["--allowedTools", "Read,Bash", "--output-format", "json"])
        .args(arguments)
        .env("ANTHROPIC_BASE_URL", turn.url(""))
        .env(key, KEY)
        .env("ANTHROPIC_DEFAULT_HAIKU_MODEL", model)
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .env("DISABLE_AUTOUPDATER", "1")
        .env("DISABLE_TELEMETRY", "1")
        .env("DISABLE_ERROR_REPORTING", "1")
        .envs(variables.iter().copied());
    let stdout = turn.finish(agent, DROPPED).await;
    let answer: Value = serde_json::from_str(stdout.trim()).unwrap();
    assert_eq!(answer["is_error"], false, "{answer}");
    assert!(answer["num_turns"].as_u64().unwrap() >= 3, "{answer}");
    assert!(answer["usage"]["output_tokens"].as_u64().unwrap() > 0, "{answer}");
}

/// Full mode, with a model it knows, one of the adaptive-thinking kind, and a name that only its user knows.
#[tokio::test]
async fn full_mode_in_orchestration() {
    turn(Mode::Orchestration, "claude-sonnet-4-5", "event", &[], &[]).await;
    turn(Mode::Orchestration, "claude-opus-4-8", "random", &[], &[]).await;
    turn(Mode::Orchestration, "my-deployment", "event", &[], &[]).await;
}

#[tokio::test]
async fn full_mode_on_deployments() {
    turn(Mode::Foundation, "claude-sonnet-4-5", "event", &[], &[]).await;
    turn(Mode::Foundation, "claude-opus-4-8", "random", &[], &[]).await;
    turn(Mode::Foundation, "my-deployment", "event", &[], &[]).await;
}

#[tokio::test]
async fn bare_mode_in_both() {
    for mode in Mode::ALL {
        turn(mode, "claude-sonnet-4-5", "event", &["--bare"], &[]).await;
    }
}

/// Claude Code on a GPT model: Messages in, Azure chat or orchestration out.
#[tokio::test]
async fn a_model_of_another_vendor() {
    for mode in Mode::ALL {
        turn(mode, "gpt-5", "event", &[], &[]).await;
    }
}
