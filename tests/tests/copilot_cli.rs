//! GitHub Copilot CLI with a provider of its user's own, in each of its wire formats; it needs no account for that.

use std::path::{Path, PathBuf};

use coretap_tests::agents::{Turn, program};
use coretap_tests::process::{KEY, Mode};

/// The folder of npm's packages that holds it.
const FOLDER: &str = "copilot-cli";

fn copilot() -> Option<PathBuf> {
    program(
        "GitHub Copilot CLI",
        &format!("{FOLDER}/node_modules/.bin/copilot"),
    )
}

/// It unpacks a quarter of a gigabyte before it starts; one copy beside its program serves all turns.
fn unpacked(copilot: &Path) -> PathBuf {
    copilot.ancestors().nth(3).unwrap().join("unpacked")
}

/// One whole turn in both modes. `base` is the path that its user writes behind the address.
async fn turns(model: &str, chunking: &str, base: &str, variables: &[(&str, &str)]) {
    let Some(copilot) = copilot() else { return };
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
            .env("COPILOT_PKG_CACHE_HOME", unpacked(&copilot))
            .envs(variables.iter().copied());
        turn.finish(agent, &[]).await;
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
