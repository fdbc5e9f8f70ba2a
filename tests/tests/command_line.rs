//! The command's contract: what stands on stdout, which exit code means what, and which setting wins.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use coretap_tests::folders::skipped;
use coretap_tests::formats::Format;
use coretap_tests::http::{empty, post, send};
use coretap_tests::process::{Coretap, KEY, Mode, Simulator, run};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

/// Variables that a command is given.
type Environment<'a> = &'a [(&'a str, &'a str)];

const MODEL: &str = "anthropic--claude-4.5-sonnet";

/// The service key's parts, by the names they have in the environment.
fn group(simulator: &Simulator) -> [(&'static str, String); 4] {
    let key: Value = serde_json::from_str(&simulator.service_key).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    [
        ("AICORE_CLIENT_ID", text(&key["clientid"])),
        ("AICORE_CLIENT_SECRET", text(&key["clientsecret"])),
        ("AICORE_AUTH_URL", text(&key["url"])),
        ("AICORE_BASE_URL", text(&key["serviceurls"]["AI_API_URL"])),
    ]
}

fn borrowed<'a>(pairs: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    pairs
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

#[tokio::test]
async fn stop_signals_drain_and_end_with_success() {
    for (name, mode) in [("TERM", Mode::Foundation), ("INT", Mode::Orchestration)] {
        let simulator = Simulator::start().await;
        simulator.settings(&json!({"event_delay_ms": 20})).await;
        let coretap = Coretap::start(&simulator, mode, &[]).await;
        let words = "Repeat the words plum-4711, one after the other, and do not hurry";
        let mut running = coretap
            .open(post("/v1/messages", &Format::Messages.ask(MODEL, words, true)))
            .await;
        running.read_until("content_block_delta").await;
        let (finished, answer) = tokio::join!(coretap.stop(name), running.finish());
        assert!(answer.complete, "{name} cut a stream: {answer:?}");
        Format::Messages.check_stream(&answer.events(), name);
        assert_eq!(finished.code, 0, "{name}: {finished:?}");
        assert_eq!(
            finished.stdout, "",
            "{name}: stdout holds more than where it listens"
        );
    }
}

#[tokio::test]
async fn wrong_usage_ends_with_2() {
    for arguments in [
        &["serve", "--no-such-flag"][..],
        &["no-such-command"],
        &["serve", "--port", "plum"],
        &["env", "--shell", "plum"],
    ] {
        let finished = run(arguments, &[]).await;
        assert_eq!(finished.code, 2, "{arguments:?}: {finished:?}");
        assert_eq!(finished.stdout, "", "{arguments:?}");
        assert!(!finished.stderr.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn wrong_configuration_ends_with_3_and_says_what_is_wrong() {
    let plain_http = r#"{"clientid":"a","clientsecret":"plum-secret","url":"http://auth.example.com","serviceurls":{"AI_API_URL":"https://api.example.com"}}"#;
    let incomplete = r#"{"clientid":"a","url":"https://auth.example.com","serviceurls":{"AI_API_URL":"https://api.example.com"}}"#;
    let cases: [(Environment, &[&str]); 6] = [
        (&[], &["AICORE_SERVICE_KEY"]),
        (
            &[("AICORE_CLIENT_ID", "a"), ("AICORE_CLIENT_SECRET", "plum-secret")],
            &["AICORE_AUTH_URL", "AICORE_BASE_URL"],
        ),
        (
            &[("AICORE_SERVICE_KEY", "{not json plum-secret")],
            &["AICORE_SERVICE_KEY"],
        ),
        (&[("AICORE_SERVICE_KEY", incomplete)], &["clientsecret"]),
        (&[("AICORE_SERVICE_KEY", plain_http)], &["https"]),
        (
            &[
                ("CORETAP_ORCHESTRATION", "plum"),
                ("AICORE_SERVICE_KEY", incomplete),
            ],
            &["CORETAP_ORCHESTRATION"],
        ),
    ];
    for (environment, named) in cases {
        let finished = run(&["serve", "--port", "0"], environment).await;
        assert_eq!(finished.code, 3, "{environment:?}: {finished:?}");
        assert_eq!(finished.stdout, "", "{environment:?}");
        for name in named {
            assert!(
                finished.stderr.contains(name),
                "{environment:?} should name {name}: {}",
                finished.stderr
            );
        }
        assert!(
            !finished.stderr.contains("plum-secret"),
            "a secret was printed: {}",
            finished.stderr
        );
    }
}

#[tokio::test]
async fn a_taken_port_ends_with_4_and_names_its_owner() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let finished = run(&["serve", "--demo", "--port", &port], &[]).await;
    assert_eq!(finished.code, 4, "{finished:?}");
    assert_eq!(finished.stdout, "");
    assert!(finished.stderr.contains(&port), "{}", finished.stderr);
    if cfg!(target_os = "linux") {
        assert!(
            finished.stderr.contains(&std::process::id().to_string()),
            "{}",
            finished.stderr
        );
    }
}

/// Flag over environment; the group over the service key over `VCAP_SERVICES`.
#[tokio::test]
async fn the_nearer_setting_wins() {
    let simulator = Simulator::start().await;
    let good = group(&simulator);
    let dead = r#"{"clientid":"a","clientsecret":"b","url":"http://127.0.0.1:1","serviceurls":{"AI_API_URL":"http://127.0.0.1:1"}}"#;
    let vcap = format!(r#"{{"aicore":[{{"credentials":{}}}]}}"#, simulator.service_key);
    let dead_vcap = format!(r#"{{"aicore":[{{"credentials":{dead}}}]}}"#);
    let wrapped = format!(r#"{{"credentials":{}}}"#, simulator.service_key);
    let mut group_wins = borrowed(&good);
    group_wins.extend([
        ("AICORE_SERVICE_KEY", dead),
        ("VCAP_SERVICES", dead_vcap.as_str()),
    ]);
    let winners: [Environment; 4] = [
        &group_wins,
        &[
            ("AICORE_SERVICE_KEY", &simulator.service_key),
            ("VCAP_SERVICES", &dead_vcap),
        ],
        &[("AICORE_SERVICE_KEY", &wrapped)],
        &[("VCAP_SERVICES", &vcap)],
    ];
    for environment in winners {
        let finished = run(&["models", "--json"], environment).await;
        assert_eq!(finished.code, 0, "{environment:?}: {finished:?}");
    }
    let finished = run(&["models", "--json"], &[("AICORE_SERVICE_KEY", dead)]).await;
    assert_eq!((finished.code, finished.stdout.as_str()), (1, ""), "{finished:?}");

    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let coretap = Coretap::serve(&["--demo", "--port", "0"], &[("CORETAP_PORT", &port)]).await;
    assert_ne!(coretap.address.port().to_string(), port);
    let coretap = Coretap::serve(&["--demo"], &[("CORETAP_PORT", "0")]).await;
    assert_ne!(coretap.address.port(), 4000);
}

/// What is set for every run stands behind flags and variables, and is refused when it is not understood.
#[tokio::test]
async fn the_settings_file_stands_behind_the_others() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let home = tempfile::tempdir().unwrap();
    let folder = ("CORETAP_HOME", home.path().to_str().unwrap());
    let file = home.path().join("settings.toml");

    std::fs::write(&file, format!("version = 1\nport = {port}\n")).unwrap();
    let finished = run(&["serve", "--demo"], &[folder]).await;
    assert_eq!(finished.code, 4, "the file's port was not taken: {finished:?}");
    Coretap::serve(&["--demo"], &[folder, ("CORETAP_PORT", "0")]).await;
    Coretap::serve(&["--demo", "--port", "0"], &[folder]).await;

    std::fs::write(&file, "version = 1\nprot = 4000\n").unwrap();
    let finished = run(&["serve", "--demo"], &[folder]).await;
    assert_eq!(finished.code, 3, "{finished:?}");
    assert!(
        finished.stderr.contains("settings.toml") && finished.stderr.contains("prot"),
        "{}",
        finished.stderr
    );
}

#[tokio::test]
async fn models_and_deployments_are_listed_for_programs_and_people() {
    let simulator = Simulator::start().await;
    let environment = [("AICORE_SERVICE_KEY", simulator.service_key.as_str())];
    for (command, known) in [("models", MODEL), ("deployments", "gpt-4o")] {
        let finished = run(&[command, "--json"], &environment).await;
        assert_eq!(finished.code, 0, "{finished:?}");
        let list: Value = serde_json::from_str(&finished.stdout).unwrap();
        let list = if command == "models" {
            &list["models"]
        } else {
            &list
        };
        assert!(list.as_array().is_some_and(|rows| rows.len() > 2), "{list}");
        assert!(finished.stdout.contains(known), "{list}");
        let table = run(&[command], &environment).await;
        assert_eq!(table.code, 0, "{table:?}");
        assert!(
            table.stdout.contains(known) && table.stdout.lines().count() > 2,
            "{table:?}"
        );
    }
    let empty = [environment[0], ("AICORE_RESOURCE_GROUP", "empty")];
    let finished = run(&["deployments", "--json"], &empty).await;
    assert_eq!((finished.code, finished.stdout.trim()), (0, "[]"), "{finished:?}");
}

#[tokio::test]
async fn the_demo_needs_nothing() {
    let mut coretap = Coretap::serve(&["--demo", "--port", "0"], &[]).await;
    let key = coretap.error_line("local key: ").await;
    for format in Format::ALL {
        let request =
            Request::post(format.path(MODEL, false)).header("authorization", format!("Bearer {key}"));
        let body = format.ask(MODEL, "Repeat the word plum-4711", false).to_string();
        let answer = send(coretap.address, request.body(Full::from(body)).unwrap()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(format.text(&answer.json()).contains("plum-4711"), "{answer:?}");
    }
    let mut other = Coretap::serve(&["--demo", "--port", "0"], &[]).await;
    assert_ne!(
        other.error_line("local key: ").await,
        key,
        "the key is not random"
    );
    let finished = coretap.stop("TERM").await;
    assert_eq!(
        finished.stderr.matches(&key).count(),
        1,
        "the key is printed once: {}",
        finished.stderr
    );
}

/// `eval "$(coretap env …)" && agent` must not start an agent that would then talk to the vendor itself.
#[tokio::test]
async fn an_env_that_fails_lets_nothing_follow() {
    let without_key: &[(&str, &str)] = &[];
    for environment in [without_key, &[("CORETAP_API_KEY", "k"), ("CORETAP_PORT", "0")]] {
        let printed = run(&["env", "claude-code", "--shell", "bash"], environment).await;
        assert_eq!(printed.code, 3, "{printed:?}");
        let script = "eval \"$SNIPPET\" && echo started";
        let evaluated = Command::new("sh")
            .args(["-c", script])
            .env("SNIPPET", &printed.stdout)
            .output();
        assert_eq!(evaluated.await.unwrap().stdout, b"");
        let printed = run(&["env", "claude-code", "--shell", "cmd"], environment).await;
        assert_eq!((printed.code, printed.stdout.as_str()), (3, ""));
    }
}

/// What `coretap env` prints is evaluated by the shell it is for, and by nothing else needed.
#[tokio::test]
async fn env_can_be_evaluated() {
    let environment = [
        ("CORETAP_API_KEY", "sk-it's $HOME \"quoted\""),
        ("CORETAP_PORT", "4321"),
    ];
    let agents = [
        (
            "claude-code",
            "ANTHROPIC_BASE_URL",
            "http://127.0.0.1:4321",
            "ANTHROPIC_AUTH_TOKEN",
        ),
        (
            "anthropic",
            "ANTHROPIC_BASE_URL",
            "http://127.0.0.1:4321",
            "ANTHROPIC_API_KEY",
        ),
        (
            "openai",
            "OPENAI_BASE_URL",
            "http://127.0.0.1:4321/v1",
            "OPENAI_API_KEY",
        ),
    ];
    for (agent, address_name, address, key_name) in agents {
        for shell in ["bash", "zsh", "fish"] {
            let printed = run(&["env", agent, "--shell", shell], &environment).await;
            assert_eq!(printed.code, 0, "{printed:?}");
            let script = format!("eval \"$SNIPPET\"\nprintf '%s\\n' \"${address_name}\" \"${key_name}\"");
            let evaluated = Command::new(shell)
                .arg("-c")
                .arg(script)
                .env("SNIPPET", &printed.stdout)
                .output()
                .await;
            let Ok(evaluated) = evaluated else {
                skipped(&format!("coretap env for {shell}"), "this shell is not installed");
                continue;
            };
            let lines = String::from_utf8(evaluated.stdout).unwrap();
            let expected = format!("{address}\n{}\n", environment[0].1);
            assert_eq!(lines, expected, "{agent} in {shell}: {}", printed.stdout);
        }
        for shell in ["powershell", "cmd"] {
            let printed = run(&["env", agent, "--shell", shell], &environment).await;
            assert_eq!(printed.code, 0, "{printed:?}");
            assert!(
                printed.stdout.contains(address_name) && printed.stdout.contains(address),
                "{printed:?}"
            );
        }
    }
}

#[tokio::test]
async fn no_secret_and_no_prompt_is_printed_or_written() {
    let simulator = Simulator::start().await;
    let secret = group(&simulator)[1].1.clone();
    let coretap = Coretap::start(
        &simulator,
        Mode::Foundation,
        &[("RUST_LOG", "trace"), ("CORETAP_LOG", "trace")],
    )
    .await;
    for stream in [false, true] {
        let answer = coretap
            .post(
                "/v1/messages",
                &Format::Messages.ask(MODEL, "the plum prompt", stream),
            )
            .await;
        assert_eq!(answer.status, 200);
    }
    let missing = coretap.send(empty("GET", "/v1/models/no-such-model")).await;
    assert_eq!(missing.status, 404, "{missing:?}");
    let files: Vec<_> = std::fs::read_dir(coretap.home())
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    let mut written = String::new();
    for file in files.iter().filter(|file| file.is_file()) {
        written.push_str(&String::from_utf8_lossy(&std::fs::read(file).unwrap()));
    }
    let finished = coretap.stop("TERM").await;
    written.push_str(&finished.stderr);
    for hidden in [secret.as_str(), "the plum prompt", KEY, "Bearer ey"] {
        assert!(!written.contains(hidden), "{hidden:?} was written: {written}");
    }
    assert!(
        finished.stderr.contains("/v1/messages"),
        "no line about the request: {}",
        finished.stderr
    );
}
