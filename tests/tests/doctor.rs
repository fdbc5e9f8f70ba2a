//! What `coretap doctor` says, word for word: when all is well, and at each step that can fail.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use std::path::Path;

use coretap_tests::folders::skipped;
use coretap_tests::process::{Coretap, Finished, KEY, Mode, Simulator, binary, in_time, run};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;

/// Variables that a command is given.
type Environment<'a> = Vec<(&'a str, &'a str)>;

/// A doctor with a folder and a port of its own.
struct Doctor {
    home: TempDir,
    port: String,
    simulator: String,
}

impl Doctor {
    /// Nobody listens on the port.
    async fn new(simulator: &Simulator) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(free.local_addr().unwrap().port(), simulator)
    }

    fn on(port: u16, simulator: &Simulator) -> Self {
        Doctor {
            home: tempfile::tempdir().unwrap(),
            port: port.to_string(),
            simulator: simulator.address.port().to_string(),
        }
    }

    fn environment<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Environment<'a> {
        let own = [
            ("CORETAP_HOME", self.home.path().to_str().unwrap()),
            ("CORETAP_PORT", &self.port),
        ];
        [&own, more].concat()
    }

    /// What it says, which must hold no secret.
    async fn run(&self, environment: &[(&str, &str)]) -> Finished {
        let finished = run(&["doctor"], &self.environment(environment)).await;
        for secret in ["sim$EfGh", "plum-secret", KEY] {
            assert!(
                !finished.stdout.contains(secret) && !finished.stderr.contains(secret),
                "{finished:?}"
            );
        }
        assert_eq!(finished.stderr, "", "all is told on stdout");
        finished
    }

    /// Its words without what is different in each run.
    fn steady(&self, finished: &Finished) -> String {
        let mut text = finished
            .stdout
            .replace(self.home.path().to_str().unwrap(), "HOME");
        for (port, name) in [(&self.port, "PORT"), (&self.simulator, "SIMULATOR")] {
            for before in [" ", ":"] {
                text = text.replace(&format!("{before}{port}"), &format!("{before}{name}"));
            }
        }
        let lines = text.lines().map(|line| match line.rsplit_once(" [") {
            Some((before, _)) if line.ends_with(" ms]") => format!("{before} [TIME]\n"),
            _ => format!("{line}\n"),
        });
        lines.collect::<String>() + &format!("exit code {}\n", finished.code)
    }
}

/// The simulator's service key with one value changed.
fn with(simulator: &Simulator, pointer: &str, value: &str) -> String {
    let mut key: Value = serde_json::from_str(&simulator.service_key).unwrap();
    *key.pointer_mut(pointer).unwrap() = value.into();
    key.to_string()
}

fn only(key: &str) -> Environment<'_> {
    vec![("AICORE_SERVICE_KEY", key)]
}

#[tokio::test]
async fn all_is_well_in_both_modes() {
    let simulator = Simulator::start().await;
    for mode in Mode::ALL {
        let doctor = Doctor::new(&simulator).await;
        let finished = doctor
            .run(&[
                ("AICORE_SERVICE_KEY", &simulator.service_key),
                ("CORETAP_ORCHESTRATION", mode.setting()),
                ("CORETAP_MODEL", "gpt-4o"),
            ])
            .await;
        let name = format!("well_{mode:?}").to_lowercase();
        insta::assert_snapshot!(name, doctor.steady(&finished));
        let asked = simulator.inference().await;
        assert_eq!(asked.len(), 1, "one answer, no more");
        simulator.forget().await;
    }
}

#[tokio::test]
async fn each_step_that_fails_says_why_and_what_to_do() {
    let simulator = Simulator::start().await;
    let good = simulator.service_key.clone();
    let nowhere = format!("http://{}/nowhere", simulator.address);
    let wrong_secret = with(&simulator, "/clientsecret", "plum-secret");
    let wrong_auth_url = with(&simulator, "/url", &nowhere);
    let wrong_base_url = with(&simulator, "/serviceurls/AI_API_URL", &nowhere);
    let nobody = with(&simulator, "/serviceurls/AI_API_URL", "http://127.0.0.1:1");
    let good_and =
        |more: &[(&'static str, &'static str)]| [&[("AICORE_SERVICE_KEY", good.as_str())], more].concat();
    let forbidden = json!([{"route": "models", "fault": "status", "status": 403, "times": 1000}]);
    let broken = json!([{"route": "inference", "fault": "status", "status": 500, "times": 1000}]);
    let cases: [(&str, Environment, Value); 11] = [
        ("no_service_key", vec![], json!([])),
        ("half_a_service_key", vec![("AICORE_CLIENT_ID", "a")], json!([])),
        ("wrong_secret", only(&wrong_secret), json!([])),
        ("wrong_auth_url", only(&wrong_auth_url), json!([])),
        ("wrong_base_url", only(&wrong_base_url), json!([])),
        ("nobody_listens", only(&nobody), json!([])),
        (
            "wrong_resource_group",
            good_and(&[("AICORE_RESOURCE_GROUP", "nowhere")]),
            json!([]),
        ),
        (
            "no_deployment",
            good_and(&[("AICORE_RESOURCE_GROUP", "empty")]),
            json!([]),
        ),
        (
            "no_orchestration",
            good_and(&[
                ("AICORE_RESOURCE_GROUP", "empty"),
                ("CORETAP_ORCHESTRATION", "true"),
            ]),
            json!([]),
        ),
        (
            "forbidden_catalogue",
            good_and(&[("CORETAP_ORCHESTRATION", "true")]),
            forbidden,
        ),
        ("no_answer", good_and(&[("CORETAP_MODEL", "gpt-4o")]), broken),
    ];
    for (name, environment, faults) in cases {
        simulator.faults(&faults).await;
        let doctor = Doctor::new(&simulator).await;
        let finished = doctor.run(&environment).await;
        let code = if name.ends_with("service_key") { 3 } else { 1 };
        assert_eq!(finished.code, code, "{name}: {finished:?}");
        insta::assert_snapshot!(name, doctor.steady(&finished));
    }
}

/// In a network namespace that nothing leaves: a resolver elsewhere must not be asked for the name.
#[tokio::test]
async fn a_name_that_nobody_knows_is_told_from_a_host_that_does_not_answer() {
    const SUITE: &str = "coretap doctor: a name that does not exist";
    let unshare = |program: &Path| {
        let mut command = Command::new("unshare");
        command.arg("-rn").arg(program);
        command
    };
    let possible = unshare(Path::new("true")).output().await;
    if !possible.is_ok_and(|output| output.status.success()) {
        return skipped(SUITE, "unshare can't make a network namespace here");
    }
    let simulator = Simulator::start().await;
    let doctor = Doctor::new(&simulator).await;
    let key = with(
        &simulator,
        "/url",
        "https://no-such-tenant.authentication.invalid",
    );
    let output = unshare(&binary())
        .arg("doctor")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(doctor.environment(&only(&key)))
        .output();
    let output = in_time("the doctor's end", output).await.unwrap();
    let finished = Finished {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    insta::assert_snapshot!("unknown_name", doctor.steady(&finished));
}

#[tokio::test]
async fn what_is_wrong_on_this_machine_is_seen_although_sap_answers() {
    let simulator = Simulator::start().await;
    simulator.settings(&json!({"clock_ahead_s": 930})).await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let doctor = Doctor::on(taken.local_addr().unwrap().port(), &simulator);
    let answering = tokio::spawn(async move {
        loop {
            // Whoever is accepted and dropped learns that this is no Coretap.
            drop(taken.accept().await.unwrap());
        }
    });
    let finished = doctor
        .run(&[
            ("AICORE_SERVICE_KEY", &simulator.service_key),
            ("HTTP_PROXY", "http://user:plum-secret@127.0.0.1:3128"),
        ])
        .await;
    let owner = finished.stdout.split_once(" is taken").unwrap().1;
    let owner = owner.split_once(". (START-PORT-TAKEN)").unwrap().0;
    if cfg!(target_os = "linux") {
        let pid = format!("(process {})", std::process::id());
        assert!(owner.ends_with(&pid), "{owner}");
    }
    let text = doctor.steady(&finished).replace(owner, " OWNER");
    insta::assert_snapshot!("this_machine", text);
    answering.abort();
}

/// The proxy that runs is looked at too, and the same is there for programs.
#[tokio::test]
async fn a_running_proxy_and_json() {
    let simulator = Simulator::start().await;
    let coretap = Coretap::start(&simulator, Mode::Orchestration, &[]).await;
    let port = coretap.address.port().to_string();
    let environment = [
        ("AICORE_SERVICE_KEY", simulator.service_key.as_str()),
        ("CORETAP_ORCHESTRATION", "true"),
        ("CORETAP_PORT", &port),
        ("CORETAP_API_KEY", KEY),
    ];
    let finished = run(&["doctor", "--json"], &environment).await;
    assert_eq!(finished.code, 0, "{finished:?}");
    let told: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(told["well"], true);
    let checks = told["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 9, "{told}");
    assert!(checks.iter().all(|check| check["verdict"] == "ok"), "{told}");
    let found = checks.iter().find(|check| check["check"] == "port").unwrap()["found"].to_string();
    let pid = format!("(process {})", coretap.pid());
    assert!(found.contains(&pid), "{found}");

    let other_key = [&environment[..3], &[("CORETAP_API_KEY", "sk-other")]].concat();
    let finished = run(&["doctor"], &other_key).await;
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.stdout.contains("(ACCESS-KEY)"), "{finished:?}");
}

/// What is set and not used is told: an agent's request would silently go another way than the person thinks.
#[tokio::test]
async fn what_is_set_and_ignored_is_a_warning() {
    let simulator = Simulator::start().await;
    let doctor = Doctor::new(&simulator).await;
    let write = |file: &str, text: &str| std::fs::write(doctor.home.path().join(file), text).unwrap();
    write(
        "settings.toml",
        "version = 1\n[aliases]\nfast = \"gpt-4o\"\nbad = 5\n",
    );
    write("rules.toml", "[[plum");
    write("learned.toml", "no lessons at all");
    let mut environment = vec![
        ("AICORE_SERVICE_KEY", simulator.service_key.as_str()),
        ("CORETAP_API_KEY", KEY),
        ("CORETAP_DEPLOYMENT", "dgone"),
        ("CORETAP_MODEL", "fast"),
    ];
    let finished = doctor.run(&environment).await;
    assert_eq!(finished.code, 0, "{finished:?}");
    let text = &finished.stdout;
    for part in [
        "! warning  configuration ",
        "warning: The alias 'bad' names no model.",
        "(CONFIG-ALIAS)",
        "rules.toml",
        "(CONFIG-RULES)",
        "learned.toml",
        "(CONFIG-LEARNED)",
        "deployment: dgone (CORETAP_DEPLOYMENT)",
        "aliases: 1 (settings.toml)",
        "! warning  deployments ",
        "warning: The chosen deployment 'dgone' does not exist in this resource group.",
        // The alias 'fast' leads there.
        "'gpt-4o' has answered",
        "It works; the warnings say",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("All is well"), "{text}");

    environment.truncate(2);
    write("settings.toml", "version = 1\n");
    std::fs::remove_file(doctor.home.path().join("learned.toml")).unwrap();
    // The answer is asked for as an agent would, with the person's own rules.
    let own = "[[model]]\nid = \"mine\"\nmatch = [\"anthropic--claude-*\"]\nmax_output_tokens = 17\n";
    write("rules.toml", own);
    simulator.forget().await;
    let finished = doctor.run(&environment).await;
    assert!(finished.stdout.ends_with("\nAll is well.\n"), "{finished:?}");
    assert_eq!(simulator.inference().await[0].body["max_tokens"], 17);
}

#[tokio::test]
async fn a_group_that_runs_only_an_embedding_model_is_in_order() {
    let simulator = Simulator::start().await;
    let id = "d9e8d7c6b5a40312";
    let row = json!({
        "id": id,
        "deploymentUrl": format!("http://{}/v2/inference/deployments/{id}", simulator.address),
        "configurationName": "embeddings",
        "scenarioId": "foundation-models",
        "executableId": "azure-openai",
        "status": "RUNNING",
        "targetStatus": "RUNNING",
        "createdAt": "2026-01-01T00:00:00Z",
        "details": {"resources": {"backend_details": {"model": {"name": "text-embedding-3-small", "version": "1"}}}},
    });
    let list = json!({"count": 1, "resources": [row]}).to_string();
    simulator
        .faults(
            &json!([{"route": "deployments", "fault": "status", "status": 200, "text": list, "times": 1000}]),
        )
        .await;
    let doctor = Doctor::new(&simulator).await;
    let finished = doctor.run(&only(&simulator.service_key)).await;
    assert_eq!(finished.code, 0, "{finished:?}");
    for part in [
        "✓ ok       models           Only models for embeddings can be asked for.",
        "- skipped  answer           No model that answers runs here, only models for embeddings.",
    ] {
        assert!(finished.stdout.contains(part), "{part}: {}", finished.stdout);
    }
}
