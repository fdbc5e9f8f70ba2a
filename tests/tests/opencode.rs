//! opencode and Kilo's command, which is built on it: their providers are the packages of Vercel's AI SDK, one for each wire format.

use coretap_tests::agents::{Turn, program};
use coretap_tests::process::{KEY, Mode};
use serde_json::json;

fn provider(turn: &Turn, package: &str, model: &str, base: &str) -> String {
    let config = json!({
        "autoupdate": false, "share": "disabled", "small_model": format!("tested/{model}"),
        "permission": {"bash": "allow", "edit": "allow", "webfetch": "deny"},
        "provider": {"tested": {
            "npm": package, "name": "Coretap", "options": {"baseURL": turn.url(base), "apiKey": KEY},
            "models": {model: {"name": model}},
        }},
    });
    config.to_string()
}

/// One whole turn in both modes. `package` is the provider's, and `base` the path that its user writes behind the address.
async fn turns(package: &str, model: &str, chunking: &str, base: &str) {
    let opencode = "opencode/node_modules/opencode-linux-x64/bin/opencode";
    let Some(opencode) = program("opencode", opencode) else {
        return;
    };
    for mode in Mode::ALL {
        let turn = Turn::prepare(mode, model, chunking).await;
        turn.write(
            ".config/opencode/opencode.json",
            &provider(&turn, package, model, base),
        );
        let mut agent = turn.agent(&opencode);
        agent
            .args(["run", "-m", &format!("tested/{model}"), &turn.prompt()])
            .env("OPENCODE_DISABLE_AUTOUPDATE", "1")
            .env("OPENCODE_DISABLE_MODELS_FETCH", "1");
        turn.finish(agent, &["prompt_cache_key"]).await;
    }
}

async fn kilo(package: &str, model: &str) {
    let kilo = "kilo/node_modules/@kilocode/cli-linux-x64/bin/kilo";
    let Some(kilo) = program("Kilo", kilo) else {
        return;
    };
    for mode in Mode::ALL {
        let turn = Turn::prepare(mode, model, "random").await;
        turn.write(".config/kilo/kilo.json", &provider(&turn, package, model, "/v1"));
        let mut agent = turn.agent(&kilo);
        agent.args(["run", "--auto", "-m", &format!("tested/{model}"), &turn.prompt()]);
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

#[tokio::test]
#[ignore = "slow: ./dev test --agents"]
async fn kilo_in_chat_completions() {
    kilo("@ai-sdk/openai-compatible", "gpt-5").await;
}

#[tokio::test]
#[ignore = "slow: ./dev test --agents"]
async fn kilo_in_messages() {
    kilo("@ai-sdk/anthropic", "claude-sonnet-4-5").await;
}
