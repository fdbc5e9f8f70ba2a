//! Where a name leads: a person's aliases, the chosen deployment, what a deployment allows, and whose deployments there are.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use coretap_tests::formats::Format;
use coretap_tests::process::{Coretap, Mode, Simulator, run};
use serde_json::Value;

const ALLOWING: &str = "db00c0ffee000002";
const DENYING: &str = "db00c0ffee000003";

/// Asks for a model; the status, and SAP's name of the model that answered, or the error's sentence.
async fn ask(coretap: &Coretap, model: &str) -> (u16, String) {
    let body = Format::Chat.ask(model, "Hi", false);
    let answer = coretap.post("/v1/chat/completions", &body).await;
    let said = match answer.header("x-coretap-model") {
        "" => answer.json()["error"]["message"].as_str().unwrap().to_owned(),
        model => model.to_owned(),
    };
    (answer.status, said)
}

/// The deployments that were called, in order, each once in a row.
async fn called(simulator: &Simulator) -> Vec<String> {
    let requests = simulator.requests().await;
    let mut deployments: Vec<_> = requests
        .iter()
        .filter_map(|seen| seen.path.strip_prefix("/v2/inference/deployments/"))
        .filter_map(|rest| rest.split('/').next())
        .map(str::to_owned)
        .collect();
    deployments.dedup();
    deployments
}

#[tokio::test]
async fn aliases_stand_in_the_settings_file_and_in_the_list_of_models() {
    let simulator = Simulator::start().await;
    let home = tempfile::tempdir().unwrap();
    let folder = ("CORETAP_HOME", home.path().to_str().unwrap());
    let text = "version = 1\n[aliases]\n\"claude-*\" = \"gpt-4o\"\nfast = \"anthropic--claude-4.5-sonnet\"\nlost = \"gpt-9\"\nbad = 5\n";
    std::fs::write(home.path().join("settings.toml"), text).unwrap();
    for mode in Mode::ALL {
        let coretap = Coretap::start(&simulator, mode, &[folder, ("CORETAP_MODEL", "gpt-5")]).await;
        for (asked, model) in [
            ("claude-opus-4-8", "gpt-4o"),
            ("FAST", "anthropic--claude-4.5-sonnet"),
            ("anything", "gpt-5"),
        ] {
            assert_eq!(
                ask(&coretap, asked).await,
                (200, model.to_owned()),
                "{mode:?} {asked}"
            );
        }
        let (status, sentence) = ask(&coretap, "lost").await;
        assert_eq!(status, 404);
        assert!(
            sentence.contains("'gpt-9' (which the alias 'lost' stands for)"),
            "{sentence}"
        );
        assert!(coretap.errors().contains("CONFIG-ALIAS"), "{}", coretap.errors());
    }
    let environment = [("AICORE_SERVICE_KEY", simulator.service_key.as_str()), folder];
    let table = run(&["models"], &environment).await;
    for line in [
        "gpt-4o",
        "EMBEDDINGS",
        "text-embedding-3-small",
        "ALIAS",
        "claude-*",
        "fast",
    ] {
        assert!(table.stdout.contains(line), "{line}: {}", table.stdout);
    }
    let list: Value = serde_json::from_str(&run(&["models", "--json"], &environment).await.stdout).unwrap();
    assert_eq!(list["aliases"][0]["name"], "fast", "{list}");
    assert_eq!(list["embeddings"][0]["name"], "text-embedding-3-small");
    let through: [(&str, &str); 3] = [environment[0], folder, ("CORETAP_ORCHESTRATION", "true")];
    let table = run(&["models"], &through).await;
    assert!(table.stdout.contains("retires on 2027-02-27"), "{}", table.stdout);
}

#[tokio::test]
async fn a_model_goes_to_an_orchestration_deployment_that_allows_it() {
    let simulator = Simulator::start().await;
    let group = ("AICORE_RESOURCE_GROUP", "restricted");
    let coretap = Coretap::start(&simulator, Mode::Orchestration, &[group]).await;
    assert_eq!(ask(&coretap, "gpt-4o").await, (200, "gpt-4o".to_owned()));
    assert_eq!(called(&simulator).await, [ALLOWING]);
    let sonnet = "anthropic--claude-4.5-sonnet".to_owned();
    assert_eq!(ask(&coretap, "claude-sonnet-4-5").await, (200, sonnet));
    assert_eq!(called(&simulator).await, [ALLOWING, DENYING]);
    let (status, sentence) = ask(&coretap, "gpt-5").await;
    assert_eq!(status, 404);
    assert!(
        sentence.contains("do not allow 'gpt-5'; allowed are: ") && sentence.contains("gpt-4o"),
        "{sentence}"
    );
    let refusals = simulator.refusals().await;
    assert!(refusals.is_empty(), "{refusals:?}");

    // The chosen one is used, and nothing else beside it.
    let chosen = ("CORETAP_DEPLOYMENT", DENYING);
    let coretap = Coretap::start(&simulator, Mode::Orchestration, &[group, chosen]).await;
    assert_eq!(ask(&coretap, "gpt-4o").await.0, 200);
    assert_eq!(called(&simulator).await, [ALLOWING, DENYING]);
    let chosen = ("CORETAP_DEPLOYMENT", ALLOWING);
    let coretap = Coretap::start(&simulator, Mode::Orchestration, &[group, chosen]).await;
    assert_eq!(ask(&coretap, "claude-sonnet-4-5").await.0, 404);

    let environment = [("AICORE_SERVICE_KEY", simulator.service_key.as_str()), group];
    let table = run(&["deployments"], &environment).await.stdout;
    assert!(
        table.contains("only gpt-4o, text-embedding-3-small") && table.contains("all but gpt-5, "),
        "{table}"
    );
}

#[tokio::test]
async fn a_chosen_deployment_that_is_not_there_is_told_once_and_others_serve() {
    let simulator = Simulator::start().await;
    for (mode, chosen, model, sentence, used) in [
        (
            Mode::Orchestration,
            "d1aa11bb22cc33ee",
            "gpt-4o",
            "",
            "d1aa11bb22cc33ee",
        ),
        (
            Mode::Orchestration,
            "dgone",
            "gpt-4o",
            "'dgone' does not exist",
            "d0aa11bb22cc33dd",
        ),
        (
            Mode::Foundation,
            "d0a4f8e21b7c9d30",
            "gpt-4o",
            "",
            "d0a4f8e21b7c9d30",
        ),
        // Of another model than the asked one.
        (
            Mode::Foundation,
            "d0a4f8e21b7c9d30",
            "gpt-5",
            "",
            "d2c7e5a90f41b863",
        ),
        (
            Mode::Foundation,
            "d6e5d4c3b2a19087",
            "gpt-4o",
            "'d6e5d4c3b2a19087' is STOPPED",
            "d19b998f347341aa",
        ),
    ] {
        let setting = ("CORETAP_DEPLOYMENT", chosen);
        let coretap = Coretap::start(&simulator, mode, &[setting]).await;
        for _ in 0..2 {
            assert_eq!(ask(&coretap, model).await, (200, model.to_owned()));
        }
        assert_eq!(called(&simulator).await.last().map(String::as_str), Some(used));
        let told = coretap.errors().matches("The chosen deployment").count();
        assert_eq!(told, usize::from(!sentence.is_empty()), "{}", coretap.errors());
        assert!(coretap.errors().contains(sentence), "{}", coretap.errors());
    }
    let environment = [
        ("AICORE_SERVICE_KEY", simulator.service_key.as_str()),
        ("CORETAP_DEPLOYMENT", "dgone"),
    ];
    let listed = run(&["deployments"], &environment).await;
    assert_eq!(listed.code, 0);
    assert!(
        listed.stderr.contains("'dgone' does not exist"),
        "{}",
        listed.stderr
    );
}

#[tokio::test]
async fn another_resource_groups_deployments_are_never_used() {
    let simulator = Simulator::start().await;
    // gpt-4.1 runs in the group `restricted` only, and orchestration in `empty` nowhere.
    for (group, mode, model, status) in [
        ("default", Mode::Foundation, "gpt-4.1", 404),
        ("restricted", Mode::Foundation, "gpt-4.1", 200),
        ("restricted", Mode::Foundation, "gpt-4o", 404),
        ("empty", Mode::Orchestration, "gpt-4o", 404),
    ] {
        for chosen in ["", "d19b998f347341aa", "db00c0ffee000001"] {
            let settings = [("AICORE_RESOURCE_GROUP", group), ("CORETAP_DEPLOYMENT", chosen)];
            let coretap = Coretap::start(&simulator, mode, &settings).await;
            assert_eq!(
                ask(&coretap, model).await.0,
                status,
                "{group} {mode:?} {model} {chosen}"
            );
        }
    }
    let refusals = simulator.refusals().await;
    assert!(refusals.is_empty(), "nobody was asked in vain: {refusals:?}");
}
