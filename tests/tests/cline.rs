//! Cline's command, in Chat Completions and in Messages.
#![allow(clippy::unwrap_used, reason = "A panic is how a test fails.")]

use coretap_tests::agents::{Turn, program};
use coretap_tests::process::{KEY, Mode};
use serde_json::json;

async fn turns(provider: &str, model: &str) {
    let Some(cline) = program("Cline", "cline/node_modules/@cline/cli-linux-x64/bin/cline") else {
        return;
    };
    for mode in Mode::ALL {
        let turn = Turn::prepare(mode, model, "random").await;
        let settings =
            json!({"provider": provider, "model": model, "apiKey": KEY, "baseUrl": turn.url("/v1")});
        let providers = json!({
            "version": 1, "lastUsedProvider": provider, "modes": {},
            "providers": {provider: {
                "settings": settings, "updatedAt": "2026-01-01T00:00:00.000Z", "tokenSource": "manual",
            }},
        });
        turn.write(".cline/data/settings/providers.json", &providers.to_string());
        // Its tools take lists, which the simulator's model has to be told.
        let file = json!({"files": [{"path": turn.file()}]});
        let command = json!({"commands": [turn.command()]});
        let prompt = format!("call read_files with {file}. Then call run_commands with {command}.");
        let mut agent = turn.agent(&cline);
        agent
            .args(["-P", provider, "-m", model, &prompt])
            .env("CLINE_TELEMETRY_DISABLED", "1")
            .env("CLINE_NO_AUTO_UPDATE", "1");
        turn.finish(agent, &["tool web_search_20250305"]).await;
    }
}

#[tokio::test]
#[ignore = "slow: ./dev test --agents"]
async fn chat_completions() {
    turns("openai-compatible", "gpt-5").await;
}

#[tokio::test]
#[ignore = "slow: ./dev test --agents"]
async fn messages() {
    turns("anthropic", "claude-sonnet-4-5").await;
}
