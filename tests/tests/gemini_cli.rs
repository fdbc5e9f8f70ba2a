//! Gemini CLI, which speaks Gemini's own API.

use coretap_tests::agents::{Turn, program};
use coretap_tests::process::{KEY, Mode};
use serde_json::json;

/// One whole turn in both modes, with `arguments` beside the prompt and `variables` beside the usual ones.
async fn turns(chunking: &str, arguments: &[&str], variables: &[(&str, &str)]) {
    let Some(gemini) = program("Gemini CLI", "gemini-cli/node_modules/.bin/gemini") else {
        return;
    };
    for mode in Mode::ALL {
        let turn = Turn::prepare(mode, "gemini-2.5-pro", chunking).await;
        let settings = json!({
            "security": {"auth": {"selectedType": "gemini-api-key"}},
            "privacy": {"usageStatisticsEnabled": false},
            "telemetry": {"enabled": false},
            "general": {"enableAutoUpdate": false},
        });
        turn.write(".gemini/settings.json", &settings.to_string());
        let mut agent = turn.agent(&gemini);
        agent
            .args(arguments)
            .args(["--yolo", "-p", &turn.prompt()])
            .env("GEMINI_API_KEY", KEY)
            .env("GOOGLE_GEMINI_BASE_URL", turn.url(""))
            .env("GEMINI_CLI_TRUST_WORKSPACE", "true")
            .envs(variables.iter().copied());
        // Gemini wants only the signatures of its earlier thoughts back, and orchestration nothing of them.
        turn.finish(agent, &["thinking of earlier turns"]).await;
    }
}

#[tokio::test]
async fn a_model_of_its_user_s_choice() {
    turns("random", &["-m", "gemini-2.5-pro"], &[]).await;
}

/// Without one it first asks a small model which to take, with a schema for the answer; both are names that SAP AI Core has not.
#[tokio::test]
async fn a_model_of_its_own_choice() {
    turns("event", &[], &[]).await;
}

#[tokio::test]
#[ignore = "slow: ./dev test --agents"]
async fn the_key_as_a_bearer_token_too() {
    turns(
        "event",
        &["-m", "gemini-2.5-pro"],
        &[("GEMINI_API_KEY_AUTH_MECHANISM", "bearer")],
    )
    .await;
}
