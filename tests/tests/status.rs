//! What `coretap status` and `/health` say: that SAP AI Core can't be used, since when, and that it can again, measured
//! and not assumed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use std::net::SocketAddr;

use coretap_tests::desktop;
use coretap_tests::formats::Format;
use coretap_tests::http::{empty, post, send};
use coretap_tests::process::{Coretap, Finished, KEY, Mode, Simulator, run};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const MODEL: &str = "anthropic--claude-4.5-sonnet";

/// What `/health` tells the holder of the local key.
async fn health(coretap: &Coretap) -> Value {
    let answer = coretap.send(empty("GET", "/health")).await;
    assert_eq!(answer.status, 200, "whoever listens is alive: {answer:?}");
    answer.json()
}

/// Looks at `/health` until it `holds`.
async fn until(coretap: &Coretap, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    desktop::until(what, async || {
        Some(health(coretap).await).filter(|now| holds(now))
    })
    .await
}

async fn status(address: SocketAddr, arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    let port = address.port().to_string();
    let arguments = [&["status", "--port", &port], arguments].concat();
    run(&arguments, environment).await
}

#[tokio::test]
async fn a_key_that_is_revoked_and_given_back_is_seen_without_a_request() {
    let simulator = Simulator::start().await;
    let mut coretap = Coretap::start(&simulator, Mode::Orchestration, &[("CORETAP_MODEL", MODEL)]).await;
    let said = coretap.error_line("SAP AI Core answers: ").await;
    assert!(said.ends_with(" models, resource group default"), "{said}");
    let now = until(&coretap, "the first measurement", |now| {
        !now["last_success"].is_null()
    })
    .await;
    assert_eq!(
        (&now["state"], &now["problem"], &now["mode"], &now["model"]),
        (
            &"running".into(),
            &Value::Null,
            &"orchestration".into(),
            &MODEL.into()
        )
    );
    let told = status(coretap.address, &[], &[("CORETAP_API_KEY", KEY)]).await;
    assert_eq!(told.code, 0, "{told:?}");
    assert!(
        told.stdout.starts_with("running on http://127.0.0.1:"),
        "{told:?}"
    );

    let revoked = json!({"error": "unauthorized", "error_description": "Bad credentials"}).to_string();
    simulator
        .faults(&json!([
            {"route": "inference", "fault": "expired_token"},
            {"route": "token", "fault": "status", "status": 401, "text": revoked, "times": 1000},
        ]))
        .await;
    let answer = coretap
        .post("/v1/messages", &Format::Messages.ask(MODEL, "Hello", false))
        .await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let now = until(&coretap, "the problem", |now| now["state"] == "degraded").await;
    let problem = &now["problem"];
    assert_eq!(problem["code"], "AUTH-KEY-REVOKED", "{now}");
    for member in ["sentence", "hint", "since"] {
        assert!(
            problem[member].as_str().is_some_and(|text| !text.is_empty()),
            "{now}"
        );
    }
    let told = status(coretap.address, &[], &[("CORETAP_API_KEY", KEY)]).await;
    assert_eq!(told.code, 1, "{told:?}");
    for part in [
        "degraded on http://127.0.0.1:",
        "(AUTH-KEY-REVOKED)",
        "hint  ",
        "since  ",
        " UTC (",
    ] {
        assert!(told.stdout.contains(part), "{part}: {}", told.stdout);
    }
    let json = status(coretap.address, &["--json"], &[("CORETAP_API_KEY", KEY)]).await;
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["problem"], *problem);

    // Nobody asks for anything, and all the same it is seen that the key is taken again.
    simulator.faults(&json!([])).await;
    simulator.forget().await;
    let now = until(&coretap, "that it works again", |now| now["state"] == "running").await;
    assert_eq!(now["problem"], Value::Null);
    assert!(
        simulator.inference().await.is_empty(),
        "no model is asked for that"
    );
    let finished = coretap.stop("TERM").await;
    for line in [
        "coretap::health: SAP does not know this service key",
        "SAP AI Core can be used again",
    ] {
        assert!(finished.stderr.contains(line), "{}", finished.stderr);
    }
}

#[tokio::test]
async fn a_model_that_fails_stays_a_problem_until_one_answers() {
    let simulator = Simulator::start().await;
    let coretap = Coretap::start(&simulator, Mode::Foundation, &[]).await;
    until(&coretap, "the first measurement", |now| {
        !now["last_success"].is_null()
    })
    .await;
    simulator
        .faults(&json!([{"route": "inference", "fault": "status", "status": 500, "text": "echo: my plum prompt"}]))
        .await;
    let ask = async || {
        let request = Format::Messages.ask(MODEL, "Hello", false);
        coretap.post("/v1/messages", &request).await.status
    };
    assert_eq!(ask().await, 500);
    let now = health(&coretap).await;
    assert_eq!(now["problem"]["code"], "UPSTREAM-FAILED", "{now}");
    assert!(!now.to_string().contains("plum"), "{now}");
    assert_eq!(ask().await, 200);
    let now = until(&coretap, "the answer's end", |now| now["state"] == "running").await;
    let counts = &now["requests"];
    assert_eq!(
        (&counts["answered"], &counts["failed"]),
        (&1.into(), &1.into()),
        "{now}"
    );
}

#[tokio::test]
async fn a_wrong_key_is_known_before_the_first_request() {
    let simulator = Simulator::start().await;
    let mut key: Value = serde_json::from_str(&simulator.service_key).unwrap();
    key["clientsecret"] = "plum-secret".into();
    let key = key.to_string();
    let environment = [("AICORE_SERVICE_KEY", key.as_str()), ("CORETAP_API_KEY", KEY)];
    let mut coretap = Coretap::serve(&["--port", "0"], &environment).await;
    let warning = coretap.error_line("warning: ").await;
    assert!(warning.ends_with("(AUTH-TOKEN-REFUSED)"), "{warning}");
    assert!(!coretap.error_line("hint: ").await.is_empty());
    let now = until(&coretap, "the problem", |now| now["state"] == "degraded").await;
    assert_eq!(
        (&now["problem"]["code"], &now["last_success"]),
        (&"AUTH-TOKEN-REFUSED".into(), &Value::Null)
    );
    assert!(!now.to_string().contains("plum"), "{now}");
}

#[tokio::test]
async fn without_the_key_it_is_only_known_that_somebody_is_there() {
    let mut coretap = Coretap::serve(&["--demo", "--port", "0"], &[]).await;
    let key = coretap.error_line("local key: ").await;
    let open = send(coretap.address, empty("GET", "/health")).await;
    for wrong in [&[][..], &[("CORETAP_API_KEY", "sk-other")]] {
        let told = status(coretap.address, &[], wrong).await;
        assert_eq!(told.code, 6, "{told:?}");
        assert!(told.stdout.contains("CORETAP_API_KEY"), "{told:?}");
        let request = wrong
            .iter()
            .fold(empty("GET", "/health"), |mut request, (_, key)| {
                request.headers_mut().insert("x-api-key", key.parse().unwrap());
                request
            });
        let answer = send(coretap.address, request).await;
        assert_eq!((answer.status, answer.body), (200, open.body.clone()));
    }
    // Settings that can't be read hold the port and the way to the key, and neither is needed to ask.
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("settings.toml"), "version = ").unwrap();
    let folder = ("CORETAP_HOME", home.path().to_str().unwrap());
    let told = status(coretap.address, &[], &[folder]).await;
    assert_eq!(told.code, 6, "{told:?}");
    assert!(told.stderr.contains("CONFIG-SETTINGS-FILE"), "{told:?}");
    let port = coretap.address.port().to_string();
    let told = run(
        &["status"],
        &[folder, ("CORETAP_PORT", &port), ("CORETAP_API_KEY", &key)],
    )
    .await;
    assert_eq!((told.code, told.stderr.as_str()), (0, ""), "{told:?}");
    let told = run(&["status"], &[folder]).await;
    assert_eq!(told.code, 3, "which port it is, is not known: {told:?}");

    let told = status(coretap.address, &["--json"], &[("CORETAP_API_KEY", &key)]).await;
    assert_eq!(told.code, 0, "{told:?}");
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(
        (&told["state"], &told["pid"]),
        (&"running".into(), &coretap.pid().into())
    );
    assert!(!told.to_string().contains(&key), "{told}");
}

#[tokio::test]
async fn a_port_where_no_coretap_listens_is_told_from_one_where_another_program_does() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // It takes whatever comes, and says something that is no HTTP.
    let other = tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let _ = socket.try_write(b"220 mail.example ready\r\n");
        }
    });
    let told = status(address, &[], &[]).await;
    assert_eq!(told.code, 4, "{told:?}");
    assert!(told.stdout.contains("START-PORT-TAKEN"), "{told:?}");
    if cfg!(target_os = "linux") {
        assert!(told.stdout.contains(&std::process::id().to_string()), "{told:?}");
    }
    // The simulator speaks HTTP and JSON, and is no Coretap either.
    let simulator = Simulator::start().await;
    assert_eq!(status(simulator.address, &["--json"], &[]).await.code, 4);

    other.abort();
    assert!(other.await.unwrap_err().is_cancelled());
    let told = status(address, &[], &[]).await;
    assert_eq!(told.code, 5, "{told:?}");
    assert!(told.stdout.contains("coretap serve"), "{told:?}");
    let told = status(address, &["--json"], &[]).await;
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["state"], "not_running");

    let zero = run(&["status"], &[("CORETAP_PORT", "0")]).await;
    assert_eq!(zero.code, 3, "{zero:?}");
}

/// Health checks go on while a stream runs, and count it.
#[tokio::test]
async fn running_requests_and_connections_are_counted() {
    let simulator = Simulator::start().await;
    let coretap = Coretap::start(&simulator, Mode::Orchestration, &[]).await;
    simulator
        .faults(&json!([{"route": "inference", "fault": "stall", "after_events": 4}]))
        .await;
    let request = Format::Messages.ask(MODEL, "Repeat the words plum-4711", true);
    let mut running = coretap.open(post("/v1/messages", &request)).await;
    running.read_until("data: ").await;
    let now = health(&coretap).await;
    assert_eq!(
        (&now["requests"]["running"], &now["connections"]),
        (&1.into(), &1.into()),
        "{now}"
    );
    drop(running);
    let now = until(&coretap, "its end", |now| now["requests"]["running"] == 0).await;
    let counts = &now["requests"];
    assert_eq!(
        (&counts["answered"], &counts["failed"]),
        (&0.into(), &0.into()),
        "who leaves is in neither: {now}"
    );
}
