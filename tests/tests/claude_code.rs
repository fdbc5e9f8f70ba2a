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

/// How Claude Code is started, and what is left out of its requests.
#[derive(Clone, Copy, Debug)]
struct Start<'a> {
    model: &'a str,
    chunking: &'a str,
    arguments: &'a [&'a str],
    variables: &'a [(&'a str, &'a str)],
    dropped: &'a [&'a str],
}

/// As most people start it.
const USUAL: Start<'_> = Start {
    model: "claude-sonnet-4-5",
    chunking: "event",
    arguments: &[],
    variables: &[],
    dropped: &["context_management", "metadata"],
};

/// What is left out for a model that takes fewer tokens than Claude Code asks for, and does not think.
const LIMITED: &[&str] = &["context_management", "max_tokens", "metadata", "thinking"];

/// One whole turn.
async fn turn(mode: Mode, start: Start<'_>) {
    let Some(claude) = program("Claude Code", &platform_program()) else {
        return;
    };
    let turn = Turn::prepare(mode, "anthropic--claude-4.5-sonnet", start.chunking).await;
    let mut agent = turn.agent(&claude);
    let key = if start.arguments.contains(&"--bare") {
        "ANTHROPIC_API_KEY"
    } else {
        "ANTHROPIC_AUTH_TOKEN"
    };
    agent
        .args(["-p", &turn.prompt(), "--model", start.model])
        .args(["--allowedTools", "Read,Bash", "--output-format", "json"])
        .args(start.arguments)
        .env("ANTHROPIC_BASE_URL", turn.url(""))
        .env(key, KEY)
        .env("ANTHROPIC_DEFAULT_HAIKU_MODEL", start.model)
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .env("DISABLE_AUTOUPDATER", "1")
        .env("DISABLE_TELEMETRY", "1")
        .env("DISABLE_ERROR_REPORTING", "1")
        .envs(start.variables.iter().copied());
    let stdout = turn.finish(agent, start.dropped).await;
    let answer: Value = serde_json::from_str(stdout.trim()).unwrap();
    assert_eq!(answer["is_error"], false, "{answer}");
    assert!(answer["num_turns"].as_u64().unwrap() >= 3, "{answer}");
    assert!(answer["usage"]["output_tokens"].as_u64().unwrap() > 0, "{answer}");
}

/// Full mode, with a model it knows, one of the adaptive-thinking kind, and a name that only its user knows.
async fn full_mode(mode: Mode) {
    turn(mode, USUAL).await;
    let adaptive = Start {
        model: "claude-opus-4-8",
        chunking: "random",
        ..USUAL
    };
    turn(mode, adaptive).await;
    let unknown = Start {
        model: "my-deployment",
        ..USUAL
    };
    turn(mode, unknown).await;
}

#[tokio::test]
async fn full_mode_in_orchestration() {
    full_mode(Mode::Orchestration).await;
}

#[tokio::test]
async fn full_mode_on_deployments() {
    full_mode(Mode::Foundation).await;
}

#[tokio::test]
async fn bare_mode_in_both() {
    for mode in Mode::ALL {
        let bare = Start {
            arguments: &["--bare"],
            ..USUAL
        };
        turn(mode, bare).await;
    }
}

/// Claude Code on a GPT model: Messages in, Azure chat or orchestration out.
#[tokio::test]
async fn a_model_of_another_vendor() {
    for mode in Mode::ALL {
        turn(
            mode,
            Start {
                model: "gpt-5",
                ..USUAL
            },
        )
        .await;
    }
}

/// Models of all vendors and generations, by SAP's names and by Anthropic's. Claude Code asks each for what it believes that the
/// model takes, and a route leaves out what the model does not.
#[tokio::test]
#[ignore = "slow: ./dev test --agents"]
async fn more_models_in_orchestration() {
    let without_thinking: &[&str] = &["context_management", "metadata", "thinking"];
    for (model, dropped) in [
        ("anthropic--claude-3.7-sonnet", &["metadata"] as &[&str]),
        ("anthropic--claude-4-sonnet", USUAL.dropped),
        ("claude-haiku-4-5", USUAL.dropped),
        ("claude-opus-4-6", USUAL.dropped),
        ("claude-opus-4-7", USUAL.dropped),
        ("claude-sonnet-4-6[1m]", USUAL.dropped),
        ("gpt-4.1", without_thinking),
        ("gpt-4o", LIMITED),
        ("gpt-5-mini", USUAL.dropped),
        ("gpt-5.5", without_thinking),
        (
            "gemini-2.5-pro",
            &["context_management", "metadata", "thinking of earlier turns"],
        ),
    ] {
        let start = Start {
            model,
            dropped,
            ..USUAL
        };
        turn(Mode::Orchestration, start).await;
    }
}

#[tokio::test]
#[ignore = "slow: ./dev test --agents"]
async fn more_models_on_deployments() {
    for (model, dropped) in [
        ("anthropic--claude-4.5-sonnet", USUAL.dropped),
        ("claude-opus-4-6", USUAL.dropped),
        ("claude-opus-4-8[1m]", USUAL.dropped),
        ("gpt-4o", LIMITED),
    ] {
        let start = Start {
            model,
            dropped,
            ..USUAL
        };
        turn(Mode::Foundation, start).await;
    }
}

/// What its users switch on and off changes what it sends (agents.md §3).
#[tokio::test]
#[ignore = "slow: ./dev test --agents"]
async fn switches() {
    // Without thinking it has nothing of its own to manage in the context.
    let unmanaged: &[&str] = &["metadata"];
    for (name, value, dropped) in [
        ("ENABLE_TOOL_SEARCH", "false", USUAL.dropped),
        ("ENABLE_PROMPT_CACHING_1H", "1", USUAL.dropped),
        ("DISABLE_PROMPT_CACHING", "1", USUAL.dropped),
        ("CLAUDE_CODE_DISABLE_ADAPTIVE_THINKING", "1", USUAL.dropped),
        ("CLAUDE_CODE_MAX_OUTPUT_TOKENS", "4096", USUAL.dropped),
        ("CLAUDE_CODE_DISABLE_THINKING", "1", unmanaged),
        ("MAX_THINKING_TOKENS", "0", unmanaged),
        ("CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS", "1", unmanaged),
    ] {
        let start = Start {
            variables: &[(name, value)],
            dropped,
            ..USUAL
        };
        turn(Mode::Orchestration, start).await;
        let adaptive = Start {
            model: "claude-opus-4-6",
            ..start
        };
        turn(Mode::Foundation, adaptive).await;
    }
}
