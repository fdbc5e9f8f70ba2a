//! Several connections: each has its own name, tenant and secret, and those of one group answer for each other.
//!
//! As in `app.rs`, no keychain is asked here.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "A panic is how a test fails."
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use coretap_app::view::{
    ConnectionDraft, ConnectionPart, Field, Keep, ProxyView, SecretDraft, SecretView, SettingsView, Snapshot,
};
use coretap_app::{App, OrchestrationModules, Simulator, SimulatorOptions, connections};
use tempfile::TempDir;

fn is_alone() -> bool {
    let alone = std::env::var("DBUS_SESSION_BUS_ADDRESS").is_ok_and(|bus| bus == "disabled:");
    if !alone {
        eprintln!(
            "SKIPPED connections without a keychain: DBUS_SESSION_BUS_ADDRESS is not 'disabled:', as ./dev test sets it"
        );
    }
    alone
}

/// A tenant of its own, and its service key.
async fn tenant() -> String {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let simulator = Simulator::bind(address, SimulatorOptions::default())
        .await
        .unwrap();
    let key = simulator.service_key();
    tokio::spawn(simulator.run(std::future::pending()));
    key
}

fn environment(home: &TempDir) -> impl Fn(&str) -> Option<String> + use<> {
    let folder = home.path().display().to_string();
    move |name| (name == "CORETAP_HOME").then(|| folder.clone())
}

fn draft(key: &str, name: &str, group: Option<&str>) -> ConnectionDraft {
    let fields = coretap_app::read_service_key(key).unwrap();
    ConnectionDraft {
        replaces: None,
        name: name.to_owned(),
        group: group.map(str::to_owned),
        client_id: fields.client_id,
        client_secret: SecretDraft::ServiceKey { text: key.into() },
        base_url: fields.base_url,
        auth_url: fields.auth_url,
        resource_group: String::new(),
        orchestration: true,
        model: Some("gpt-4o".to_owned()),
        deployment: None,
        orchestration_modules: OrchestrationModules::default(),
    }
}

async fn until(app: &App, what: &str, holds: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let mut snapshots = app.snapshots();
    let found = tokio::time::timeout(Duration::from_secs(30), snapshots.wait_for(|now| holds(now))).await;
    found
        .unwrap_or_else(|_| panic!("not {what}: {:?}", app.snapshots().borrow()))
        .unwrap()
        .clone()
}

/// Name, part and whether the secret is there.
fn seen(app: &App) -> Vec<(String, ConnectionPart, bool)> {
    let snapshots = app.snapshots();
    let saved = snapshots.borrow().connections.clone();
    let seen = saved.into_iter().map(|saved| {
        let has_secret = saved.secret == SecretView::ThisRun;
        (saved.connection.name, saved.part, has_secret)
    });
    seen.collect()
}

fn in_use(app: &App) -> Option<String> {
    let snapshots = app.snapshots();
    let connection = snapshots.borrow().connection.clone();
    connection.map(|connection| connection.name)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn each_has_its_own_name_tenant_and_secret() {
    use ConnectionPart::{Group, None as Idle, Selected};
    if !is_alone() {
        return;
    }
    let (home, here, there) = (tempfile::tempdir().unwrap(), tenant().await, tenant().await);
    let app = App::open(&environment(&home)).unwrap();
    let save = async |draft: &ConnectionDraft| app.save_connection(draft, Keep::ThisRun).await;
    let row = |name: &str, part, has_secret| (name.to_owned(), part, has_secret);

    save(&draft(&here, "one", Some("team"))).await.unwrap();
    save(&draft(&there, "two", Some("team"))).await.unwrap();
    let third = ConnectionDraft {
        resource_group: "restricted".to_owned(),
        ..draft(&here, "three", None)
    };
    save(&third).await.unwrap();
    assert_eq!(
        seen(&app),
        [
            row("one", Selected, true),
            row("two", Group, true),
            row("three", Idle, true)
        ]
    );
    let again = save(&draft(&there, "one", None)).await.unwrap_err();
    assert_eq!(
        (again.code.as_str(), again.field),
        ("CONFIG-CONNECTION", Some(Field::Name))
    );

    app.select_connection("two").await.unwrap();
    let now = until(&app, "using two", |now| !now.models.is_empty()).await;
    let address = coretap_app::read_service_key(&there).unwrap().base_url;
    assert_eq!(now.connection.unwrap().base_url, address);
    assert_eq!(
        app.select_connection("four").await.unwrap_err().code,
        "CONFIG-CONNECTION"
    );
    assert_eq!(in_use(&app).as_deref(), Some("two"));

    // Another name is only another name.
    let renamed = ConnectionDraft {
        replaces: Some("two".to_owned()),
        client_secret: SecretDraft::Stored,
        ..draft(&there, "zwei", Some("team"))
    };
    save(&renamed).await.unwrap();
    assert_eq!(
        seen(&app),
        [
            row("one", Group, true),
            row("zwei", Selected, true),
            row("three", Idle, true)
        ]
    );

    // What one loses the others keep: three has the same key as one.
    app.remove_connection("one").await.unwrap();
    assert_eq!(
        seen(&app),
        [row("zwei", Selected, true), row("three", Idle, true)]
    );
    app.forget_secret("zwei").await.unwrap();
    assert_eq!(
        seen(&app),
        [row("zwei", Selected, false), row("three", Idle, true)]
    );
    app.remove_connection("zwei").await.unwrap();
    assert_eq!(seen(&app), [row("three", Selected, true)]);
    let listed = connections(&environment(&home)).unwrap();
    assert_eq!(
        (
            listed.len(),
            listed[0].name.as_str(),
            listed[0].resource_group.as_str(),
            listed[0].selected
        ),
        (1, "three", "restricted", true)
    );
    app.remove_connection("three").await.unwrap();
    assert_eq!((seen(&app), in_use(&app)), (Vec::new(), None));
}

/// What the proxy answers, head and body.
async fn ask(app: &App, text: &str) -> String {
    let address = app.address();
    let key = app.local_key().await.unwrap();
    let body =
        format!(r#"{{"model":"gpt-4o","max_tokens":50,"messages":[{{"role":"user","content":"{text}"}}]}}"#);
    let request = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        key.expose(),
        body.len()
    );
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address.trim_start_matches("http://")).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    answer.await.unwrap()
}

#[tokio::test]
async fn modules_are_shown_at_the_requests_that_they_touched() {
    if !is_alone() {
        return;
    }
    let (home, key) = (tempfile::tempdir().unwrap(), tenant().await);
    let app = App::open(&environment(&home)).unwrap();
    app.save_settings(SettingsView {
        port: free_port(),
        start_proxy: false,
        ca_file: None,
    })
    .await
    .unwrap();
    let save = async |modules: serde_json::Value| {
        let draft = ConnectionDraft {
            replaces: Some("one".to_owned()),
            orchestration_modules: serde_json::from_value(modules).unwrap(),
            ..draft(&key, "one", None)
        };
        app.save_connection(&draft, Keep::ThisRun).await.unwrap();
    };
    let used = |now: &Snapshot| -> Vec<(String, u64)> {
        let modules = now.usage.modules.iter();
        modules.map(|used| (used.module.clone(), used.requests)).collect()
    };
    save(serde_json::json!({})).await;
    app.start().await.unwrap();
    let plain = ask(&app, "Hi").await;
    assert!(
        plain.starts_with("HTTP/1.1 200") && !plain.contains("x-coretap-orchestration"),
        "{plain}"
    );
    let now = until(&app, "counted", |now| now.usage.requests == 1).await;
    assert_eq!(used(&now), []);

    save(serde_json::json!({"timeout": 60, "input_filter": {"llama_guard": ["violent_crimes"]}})).await;
    for _ in 0..2 {
        let touched = ask(&app, "Hi").await;
        assert!(
            touched.contains("x-coretap-orchestration: filtering,timeout\r\n"),
            "{touched}"
        );
    }
    let now = until(&app, "counted", |now| now.usage.requests == 3).await;
    assert_eq!(
        used(&now),
        [("filtering".to_owned(), 2), ("timeout".to_owned(), 2)]
    );
    assert_eq!(now.last_problem, None);

    let refused = ask(&app, "category:violent_crimes").await;
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    let now = until(&app, "told", |now| now.last_problem.is_some()).await;
    let problem = now.last_problem.unwrap();
    assert_eq!(
        (problem.code.as_str(), problem.modules),
        (
            "UPSTREAM-FILTERED",
            vec!["filtering".to_owned(), "timeout".to_owned()]
        )
    );
}

#[tokio::test]
async fn a_tenant_that_is_away_is_answered_for_by_its_group_only() {
    if !is_alone() {
        return;
    }
    let (home, there) = (tempfile::tempdir().unwrap(), tenant().await);
    let app = App::open(&environment(&home)).unwrap();
    let port = free_port();
    app.save_settings(SettingsView {
        port,
        start_proxy: false,
        ca_file: None,
    })
    .await
    .unwrap();
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let away = ConnectionDraft {
        auth_url: nowhere.clone(),
        base_url: nowhere,
        client_secret: SecretDraft::Typed { value: "s".into() },
        ..draft(&there, "away", Some("team"))
    };
    app.save_connection(&away, Keep::ThisRun).await.unwrap();
    app.save_connection(&draft(&there, "there", None), Keep::ThisRun)
        .await
        .unwrap();
    app.start().await.unwrap();
    let alone = ask(&app, "Hi").await;
    assert!(alone.contains("UPSTREAM-CONNECT"), "{alone}");

    let joined = ConnectionDraft {
        replaces: Some("there".to_owned()),
        ..draft(&there, "there", Some("team"))
    };
    app.save_connection(&joined, Keep::ThisRun).await.unwrap();
    let together = ask(&app, "Hi").await;
    assert!(together.starts_with("HTTP/1.1 200"), "{together}");
    assert!(together.contains("x-coretap-connection: there\r\n"), "{together}");
    until(&app, "running", |now| {
        matches!(now.proxy, ProxyView::Running { .. })
    })
    .await;
}
