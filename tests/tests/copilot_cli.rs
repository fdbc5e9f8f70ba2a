//! GitHub Copilot CLI with a provider of its user's own, in each of its wire formats; it needs no account for that.

use coretap_tests::agents::{Turn, program};
use coretap_tests::process::{KEY, Mode};

/// One whole turn in both modes. `base` is the path that its user writes behind the address.
async fn turns(model: &str, chunking: &str, base: &str, variables: &[(&str, &str)]) {
    let Some(copilot) = program("GitHub Copilot CLI", "copilot-cli/node_modules/.bin/copilot") else {
        return;
    };
    for mode in Mode::ALL {
        let turn = Turn::prepare(mode, model, chunking).await;
        let mut agent = turn.agent(&copilot);
        agent
            .args(["--allow-all-tools", "-p", &turn.prompt()])
            .env("COPILOT_PROVIDER_BASE_URL", turn.url(base))
            .env("COPILOT_PROVIDER_API_KEY", KEY)
            .env("COPILOT_MODEL", model)
            .env("COPILOT_OFFLINE", "true")
            .env("COPILOT_AUTO_UPDATE", "false")
            // It unpacks a quarter of a gigabyte before it starts; one copy beside its program serves all turns.
            .env("COPILOT_PKG_CACHE_HOME", copilot.with_file_name("unpacked"))
            .envs(variables.iter().copied());
        // Orchestration has no place for the key of OpenAI's cache.
        turn.finish(agent, &["prompt_cache_key"]).await;
    }
}

#[tokio::test]
async fn chat_completions() {
    turns("gpt-5", "random", "/v1", &[]).await;
}

#[tokio::test]
async fn messages() {
    turns(
        "claude-sonnet-4.5",
        "random",
        "",
        &[("COPILOT_PROVIDER_TYPE", "anthropic")],
    )
    .await;
}

#[tokio::test]
async fn responses() {
    turns(
        "gpt-5",
        "random",
        "/v1",
        &[("COPILOT_PROVIDER_WIRE_API", "responses")],
    )
    .await;
}
