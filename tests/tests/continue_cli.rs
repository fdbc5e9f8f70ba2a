//! Continue's command `cn`. It chooses the wire format by the provider, and OpenAI's by the model.

use coretap_tests::agents::{Turn, program};
use coretap_tests::process::{KEY, Mode};
use serde_json::json;

/// One whole turn in both modes.
async fn turns(provider: &str, model: &str, chunking: &str) {
    let Some(cn) = program("Continue", "continue/node_modules/.bin/cn") else {
        return;
    };
    for mode in Mode::ALL {
        let turn = Turn::prepare(mode, model, chunking).await;
        // JSON is YAML.
        let config = json!({"name": "local", "version": "1.0.0", "schema": "v1", "models": [{
            "name": "tested", "provider": provider, "model": model, "apiBase": turn.url("/v1/"), "apiKey": KEY,
            "roles": ["chat", "edit", "apply"],
        }]});
        turn.write(".continue/config.yaml", &config.to_string());
        let mut agent = turn.agent(&cn);
        agent
            .args(["--auto", "-p", &turn.prompt()])
            .env("CONTINUE_TELEMETRY_ENABLED", "0");
        turn.finish(agent, &[]).await;
    }
}

#[tokio::test]
async fn chat_completions() {
    turns("openai", "gpt-4o", "random").await;
}

#[tokio::test]
async fn messages() {
    turns("anthropic", "claude-sonnet-4-5", "random").await;
}

#[tokio::test]
async fn responses() {
    turns("openai", "gpt-5", "random").await;
}
