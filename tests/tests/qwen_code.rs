//! Qwen Code, which speaks Chat Completions.

use coretap_tests::agents::{Turn, program};
use coretap_tests::process::{KEY, Mode};
use serde_json::json;

#[tokio::test]
#[ignore = "slow: ./dev test --agents"]
async fn chat_completions() {
    let Some(qwen) = program("Qwen Code", "qwen-code/node_modules/.bin/qwen") else {
        return;
    };
    for mode in Mode::ALL {
        let turn = Turn::prepare(mode, "gpt-5", "random").await;
        let settings = json!({
            "privacy": {"usageStatisticsEnabled": false}, "telemetry": {"enabled": false},
            "general": {"enableAutoUpdate": false}, "security": {"auth": {"selectedType": "openai"}},
        });
        turn.write(".qwen/settings.json", &settings.to_string());
        let mut agent = turn.agent(&qwen);
        agent
            .args(["--yolo", "-p", &turn.prompt()])
            .env("OPENAI_API_KEY", KEY)
            .env("OPENAI_BASE_URL", turn.url("/v1"))
            .env("OPENAI_MODEL", "gpt-5");
        turn.finish(agent, &[]).await;
    }
}
