//! opencode, whose providers are the packages of Vercel's AI SDK: one for each wire format.

use coretap_tests::agents::{Turn, program};
use coretap_tests::process::{KEY, Mode};
use serde_json::json;

/// One whole turn in both modes. `package` is the provider's, and `base` the path that its user writes behind the address.
async fn turns(package: &str, model: &str, chunking: &str, base: &str) {
    let Some(opencode) = program(
        "opencode",
        "opencode/node_modules/opencode-linux-x64/bin/opencode",
    ) else {
        return;
    };
    for mode in Mode::ALL {
        let turn = Turn::prepare(mode, model, chunking).await;
        let config = json!({
            "autoupdate": false, "share": "disabled", "small_model": format!("tested/{model}"),
            "permission": {"bash": "allow", "edit": "allow", "webfetch": "deny"},
            "provider": {"tested": {
                "npm": package, "name": "Coretap", "options": {"baseURL": turn.url(base), "apiKey": KEY},
                "models": {model: {"name": model}},
            }},
        });
        turn.write(".config/opencode/opencode.json", &config.to_string());
        let mut agent = turn.agent(&opencode);
        agent
            .args(["run", "-m", &format!("tested/{model}"), &turn.prompt()])
            .env("OPENCODE_DISABLE_AUTOUPDATE", "1")
            .env("OPENCODE_DISABLE_MODELS_FETCH", "1");
        turn.finish(agent, &["prompt_cache_key"]).await;
    }
}

#[tokio::test]
#[ignore = "slow: ./dev test --agents"]
async fn chat_completions() {
    turns("@ai-sdk/openai-compatible", "gpt-5", "random", "/v1").await;
}

#[tokio::test]
#[ignore = "slow: ./dev test --agents"]
async fn messages() {
    turns("@ai-sdk/anthropic", "claude-sonnet-4-5", "random", "/v1").await;
}

#[tokio::test]
#[ignore = "slow: ./dev test --agents"]
async fn responses() {
    turns("@ai-sdk/openai", "gpt-5", "random", "/v1").await;
}

#[tokio::test]
#[ignore = "slow: ./dev test --agents"]
async fn gemini() {
    turns("@ai-sdk/google", "gemini-2.5-pro", "random", "/v1beta").await;
}
