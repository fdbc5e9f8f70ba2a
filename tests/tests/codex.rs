//! Codex, which speaks Responses and nothing else.
#![allow(clippy::unwrap_used, reason = "A panic is how a test fails.")]

use coretap_tests::agents::{Turn, program};
use coretap_tests::process::{KEY, Mode};
use serde_json::json;
use tokio::process::Command;

/// What no model of SAP AI Core is told: where Codex runs, its search on the web, and, where orchestration refuses an effort
/// beside tools, how hard to think and what about.
const DROPPED: [&str; 5] = [
    "client_metadata",
    "prompt_cache_key",
    "reasoning",
    "reasoning.context",
    "tool web_search",
];

/// Codex set up for one turn; what it is asked has to be added.
fn codex(turn: &Turn, model: &str) -> Option<Command> {
    let codex = program("Codex", "codex/node_modules/.bin/codex")?;
    let config = format!(
        r#"
        model = "{model}"
        model_provider = "coretap"
        check_for_update_on_startup = false
        approval_policy = "never"
        sandbox_mode = "danger-full-access"
        [analytics]
        enabled = false
        [model_providers.coretap]
        name = "Coretap"
        base_url = "{}"
        env_key = "CORETAP_API_KEY"
        wire_api = "responses"
        "#,
        turn.url("/v1")
    );
    turn.write(".codex/config.toml", &config);
    let mut agent = turn.agent(&codex);
    agent
        .args(["exec", "--skip-git-repo-check", "-m", model])
        .env("CORETAP_API_KEY", KEY);
    Some(agent)
}

async fn turns(model: &str, chunking: &str) {
    for mode in Mode::ALL {
        let turn = Turn::prepare(mode, "gpt-5", chunking).await;
        let Some(mut agent) = codex(&turn, model) else {
            return;
        };
        agent.arg(turn.prompt());
        turn.finish(agent, &DROPPED).await;
    }
}

/// It asks this one for a custom tool with a grammar, a search among tools and one on the web.
#[tokio::test]
async fn a_model_it_knows() {
    turns("gpt-5.5", "random").await;
}

/// It falls back to plain functions and a namespace of them.
#[tokio::test]
async fn a_model_it_does_not_know() {
    turns("gpt-5", "event").await;
}

/// It tells this one of its tools in an item of the input, and the only one that does anything runs scripts that call the others.
#[tokio::test]
async fn a_model_that_writes_scripts() {
    for mode in Mode::ALL {
        let turn = Turn::prepare(mode, "gpt-5", "random").await;
        let Some(mut agent) = codex(&turn, "gpt-6-sol") else {
            return;
        };
        let call = |command: &str| {
            let command = json!({ "cmd": command });
            let script = format!("const done = await tools.exec_command({command}); text(done.output);");
            format!("call functions__exec with {}", json!({ "input": script }))
        };
        agent.arg(format!(
            "Please {}. Then {}.",
            call("cat plum.txt"),
            call(&turn.command())
        ));
        turn.finish(agent, &DROPPED).await;
    }
}

/// The patch tool is a custom one: the model may be offered it as a function, but Codex gets the custom call that it expects.
#[tokio::test]
async fn a_patch() {
    for mode in Mode::ALL {
        let turn = Turn::prepare(mode, "gpt-5", "random").await;
        let Some(mut agent) = codex(&turn, "gpt-5.5") else {
            return;
        };
        let patch = "*** Begin Patch\n*** Add File: pear.txt\n+früh \"quoted\" \\ 🙂\n*** End Patch\n";
        let call = json!({ "input": patch });
        agent.arg(format!("{} Then call apply_patch with {call}", turn.prompt()));
        turn.finish(agent, &DROPPED).await;
        assert_eq!(turn.read("pear.txt"), "früh \"quoted\" \\ 🙂\n");
    }
}

/// Its built-in provider tries `WebSockets` first, and goes on at once when it is told that there are none.
#[tokio::test]
async fn its_built_in_provider() {
    for mode in Mode::ALL {
        let turn = Turn::prepare(mode, "gpt-5", "event").await;
        let Some(codex) = program("Codex", "codex/node_modules/.bin/codex") else {
            return;
        };
        let config = format!(
            r#"
            openai_base_url = "{}"
            check_for_update_on_startup = false
            approval_policy = "never"
            sandbox_mode = "danger-full-access"
            [analytics]
            enabled = false
            "#,
            turn.url("/v1")
        );
        turn.write(".codex/config.toml", &config);
        let mut agent = turn.agent(&codex);
        agent
            .args(["exec", "--skip-git-repo-check", "-m", "gpt-5", &turn.prompt()])
            .env("CODEX_API_KEY", KEY);
        turn.finish(agent, &DROPPED).await;
    }
}
