//! Coretap as a person uses it, on the simulator: what is saved, what runs, what a connection test says.
//!
//! No keychain is asked here: `./dev test` names no session bus, and elsewhere these tests are skipped, because they
//! would ask the person's own. The desktop's tests have keychains of their own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "A panic is how a test fails."
)]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use coretap_app::OrchestrationModules;
use coretap_app::view::{
    ConnectionDraft, Field, Keep, ProxyView, SecretDraft, SecretView, SettingsView, Snapshot, SourceView,
    Step, StepId, StepStatus,
};
use coretap_app::{App, Simulator, SimulatorOptions};
use tempfile::TempDir;

/// Whether no keychain can be reached.
fn is_alone() -> bool {
    let alone = std::env::var("DBUS_SESSION_BUS_ADDRESS").is_ok_and(|bus| bus == "disabled:");
    if !alone {
        eprintln!(
            "SKIPPED the app without a keychain: DBUS_SESSION_BUS_ADDRESS is not 'disabled:', as ./dev test sets it"
        );
    }
    alone
}

/// A simulator that also gives tokens for a certificate: its x509 service key, and the file to trust.
async fn simulator_with_certificates(home: &TempDir) -> (String, String) {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let simulator = Simulator::bind_with_certificates(anywhere, SimulatorOptions::default())
        .await
        .unwrap();
    let (key, authority) = simulator.x509_service_key().unwrap();
    tokio::spawn(simulator.run(std::future::pending()));
    let ca_file = home.path().join("ca.pem");
    std::fs::write(&ca_file, authority).unwrap();
    (key, ca_file.display().to_string())
}

async fn simulator() -> String {
    simulator_on(0).await
}

/// Its service key; port 0 picks a free one.
async fn simulator_on(port: u16) -> String {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let simulator = Simulator::bind(address, SimulatorOptions::default())
        .await
        .unwrap();
    let key = simulator.service_key();
    tokio::spawn(simulator.run(std::future::pending()));
    key
}

fn open(home: &TempDir) -> App {
    let folder = home.path().display().to_string();
    App::open(&|name| (name == "CORETAP_HOME").then(|| folder.clone())).unwrap()
}

/// A form with the simulator's service key.
fn draft(key: &str) -> ConnectionDraft {
    let fields = coretap_app::read_service_key(key).unwrap();
    ConnectionDraft {
        replaces: Some("Mine".to_owned()),
        name: "Mine".to_owned(),
        group: None,
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

/// What is wrong with a form.
type Change = fn(&mut ConnectionDraft);

/// The first snapshot of which `holds` is true.
async fn until(app: &App, what: &str, holds: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let mut snapshots = app.snapshots();
    let found = tokio::time::timeout(Duration::from_secs(30), snapshots.wait_for(|now| holds(now))).await;
    found
        .unwrap_or_else(|_| panic!("not {what}: {:?}", app.snapshots().borrow()))
        .unwrap()
        .clone()
}

async fn steps(app: &App, draft: &ConnectionDraft) -> Vec<Step> {
    let mut steps = Vec::new();
    app.test(draft, |step| {
        if step.status != StepStatus::Running {
            steps.push(step);
        }
    })
    .await;
    steps
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn use_port(app: &App, port: u16) -> impl Future<Output = ()> {
    let app = app.clone();
    async move {
        app.save_settings(SettingsView {
            port,
            start_proxy: false,
            ca_file: None,
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_saved_connection_runs_and_its_secret_is_in_no_file() {
    if !is_alone() {
        return;
    }
    let (home, key) = (tempfile::tempdir().unwrap(), simulator().await);
    let app = open(&home);
    until(&app, "opened", |now| now.source == SourceView::None).await;
    assert_eq!(app.start().await.unwrap_err().code, "CONFIG-NO-SERVICE-KEY");
    use_port(&app, free_port()).await;

    let refused = app
        .save_connection(&draft(&key), Keep::Keychain)
        .await
        .unwrap_err();
    assert_eq!(refused.code, "SECRET-NO-KEYCHAIN");
    assert!(
        app.snapshots().borrow().connection.is_none(),
        "nothing is saved by half"
    );

    app.save_connection(&draft(&key), Keep::ThisRun).await.unwrap();
    let now = until(&app, "checked", |now| !now.models.is_empty()).await;
    assert_eq!(
        (now.source, now.secret),
        (SourceView::SapAiCore, SecretView::ThisRun)
    );
    assert_eq!(now.selected_model.as_deref(), Some("gpt-4o"));
    app.start().await.unwrap();
    until(&app, "running", |now| {
        matches!(now.proxy, ProxyView::Running { .. })
    })
    .await;

    app.select_model("gpt-5").await.unwrap();
    let saved = std::fs::read_to_string(home.path().join("settings.toml")).unwrap();
    assert!(
        saved.contains("gpt-5") && !saved.contains("clientsecret"),
        "{saved}"
    );
    assert!(!saved.contains("sim$EfGh"), "{saved}");

    app.forget_secret("Mine").await.unwrap();
    let is_gone = |now: &Snapshot| now.secret != SecretView::ThisRun && now.proxy == ProxyView::Stopped;
    until(&app, "forgotten", is_gone).await;
}

/// Nobody presses anything and no agent asks: the window shows what is wrong, and that it is over.
/// `settings.toml` may name the deployment that orchestration uses; the window has no place for it.
#[tokio::test]
async fn orchestrations_deployment_stays_when_the_window_saves() {
    if !is_alone() {
        return;
    }
    let key = simulator().await;
    let file = {
        let home = tempfile::tempdir().unwrap();
        let app = open(&home);
        app.save_connection(&draft(&key), Keep::ThisRun).await.unwrap();
        std::fs::read_to_string(home.path().join("settings.toml")).unwrap()
    };
    let line = "orchestration = true\n";
    let chosen = file.replace(line, &format!("{line}deployment = \"dchosen\"\n"));
    assert_ne!(chosen, file);
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("settings.toml");
    std::fs::write(&path, chosen).unwrap();
    let stands = || std::fs::read_to_string(&path).unwrap().contains("dchosen");

    let app = open(&home);
    app.save_connection(&draft(&key), Keep::ThisRun).await.unwrap();
    assert!(stands(), "after the form was saved");
    app.select_model("gpt-5").await.unwrap();
    assert!(stands(), "after another model was chosen");

    // In foundation mode it is one of the former model.
    let foundation = ConnectionDraft {
        orchestration: false,
        deployment: Some("dchosen".to_owned()),
        ..draft(&key)
    };
    app.save_connection(&foundation, Keep::ThisRun).await.unwrap();
    assert!(stands());
    app.select_model("gpt-5").await.unwrap();
    assert!(!stands());
}

#[tokio::test]
async fn a_connection_that_comes_back_is_seen_and_checked_again() {
    if !is_alone() {
        return;
    }
    let (home, key, port) = (tempfile::tempdir().unwrap(), simulator().await, free_port());
    let app = open(&home);
    use_port(&app, free_port()).await;
    let elsewhere = format!("http://127.0.0.1:{port}");
    let mut away = draft(&key);
    let secret = serde_json::from_str::<serde_json::Value>(&key).unwrap()["clientsecret"].clone();
    away.client_secret = SecretDraft::Typed {
        value: secret.as_str().unwrap().into(),
    };
    (away.auth_url, away.base_url) = (elsewhere.clone(), elsewhere);
    app.save_connection(&away, Keep::ThisRun).await.unwrap();
    app.start().await.unwrap();
    let step = |now: &Snapshot, id| now.steps.iter().find(|step| step.id == id).unwrap().status;
    let now = until(&app, "degraded", |now| {
        matches!(now.proxy, ProxyView::Degraded { .. }) && step(now, StepId::Token) == StepStatus::Failed
    })
    .await;
    let ProxyView::Degraded { problem, since, .. } = now.proxy else {
        panic!("{:?}", now.proxy)
    };
    assert_eq!(problem.code, "UPSTREAM-CONNECT");
    assert!(since > 0);

    simulator_on(port).await;
    let now = until(&app, "running with models", |now| {
        matches!(now.proxy, ProxyView::Running { .. }) && !now.models.is_empty()
    })
    .await;
    assert_eq!(step(&now, StepId::Models), StepStatus::Done);
}

#[tokio::test]
async fn a_connection_with_a_certificate_is_tested_saved_and_read_again() {
    if !is_alone() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let (key, ca_file) = simulator_with_certificates(&home).await;
    let app = open(&home);
    let fields = coretap_app::read_service_key(&key).unwrap();
    let certificate = fields.certificate.unwrap();
    assert!(certificate.subject.contains("O=SAP SE"), "{certificate:?}");

    // Nobody vouches for the simulator yet.
    let last = steps(&app, &draft(&key)).await.pop().unwrap();
    assert_eq!(
        (last.id, last.problem.unwrap().code.as_str()),
        (StepId::Token, "UPSTREAM-TLS")
    );
    let settings = SettingsView {
        port: free_port(),
        start_proxy: false,
        ca_file: Some(format!(" {ca_file} ")),
    };
    let nothing = SettingsView {
        ca_file: Some("/nowhere/ca.pem".to_owned()),
        ..settings.clone()
    };
    let problem = app.save_settings(nothing).await.unwrap_err();
    assert_eq!(
        (problem.code.as_str(), problem.field),
        ("CONFIG-CA-FILE", Some(Field::CaFile))
    );
    app.save_settings(settings).await.unwrap();
    assert_eq!(app.snapshots().borrow().settings.ca_file, Some(ca_file));

    let done = steps(&app, &draft(&key)).await;
    assert!(
        done.iter().all(|step| step.status == StepStatus::Done),
        "{done:?}"
    );
    app.save_connection(&draft(&key), Keep::ThisRun).await.unwrap();
    app.start().await.unwrap();
    let now = until(&app, "running with models", |now| {
        matches!(now.proxy, ProxyView::Running { .. }) && !now.models.is_empty()
    })
    .await;
    let saved = now.connection.unwrap();
    assert_eq!(
        (now.secret, saved.certificate),
        (SecretView::ThisRun, Some(certificate))
    );

    // The form that stands for what is saved works without the key in it,
    let stored = ConnectionDraft {
        client_secret: SecretDraft::Stored,
        model: Some("gpt-5".to_owned()),
        ..draft(&key)
    };
    let done = steps(&app, &stored).await;
    assert!(
        done.iter().all(|step| step.status == StepStatus::Done),
        "{done:?}"
    );
    app.save_connection(&stored, Keep::ThisRun).await.unwrap();
    // and the file has the certificate in lines, and no key.
    let file = std::fs::read_to_string(home.path().join("settings.toml")).unwrap();
    assert!(file.contains("\n-----END CERTIFICATE-----\n"), "{file}");
    assert!(!file.contains("PRIVATE") && file.contains("gpt-5"), "{file}");
}

#[tokio::test]
async fn the_simulator_needs_nothing() {
    if !is_alone() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let app = open(&home);
    use_port(&app, free_port()).await;
    app.try_simulator().await.unwrap();
    let now = until(&app, "running with models", |now| {
        matches!(now.proxy, ProxyView::Running { .. }) && !now.models.is_empty()
    })
    .await;
    assert_eq!(now.source, SourceView::Simulator);
    app.use_simulator(false).await.unwrap();
    let now = until(&app, "left", |now| now.source == SourceView::None).await;
    assert!(now.models.is_empty());
    until(&app, "stopped", |now| now.proxy == ProxyView::Stopped).await;
}

#[tokio::test]
async fn a_taken_port_is_left_for_the_next_free_one() {
    if !is_alone() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let app = open(&home);
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    use_port(&app, port).await;
    let problem = app.try_simulator().await.unwrap_err();
    assert_eq!(problem.code, "START-PORT-TAKEN");
    #[cfg(target_os = "linux")]
    assert!(
        problem
            .sentence
            .contains(&format!("process {}", std::process::id())),
        "{problem:?}"
    );
    let now = until(&app, "failed", |now| {
        matches!(
            now.proxy,
            ProxyView::Failed {
                free_port: Some(_),
                ..
            }
        )
    })
    .await;
    assert!(
        matches!(now.proxy, ProxyView::Failed { free_port: Some(free), since, .. } if free > port && since > 0)
    );
    app.use_free_port().await.unwrap();
    let now = until(&app, "running", |now| {
        matches!(now.proxy, ProxyView::Running { .. })
    })
    .await;
    assert!(now.settings.port > port, "the next start uses it too");
}

#[tokio::test]
async fn a_test_does_every_step_and_ends_at_the_first_that_fails() {
    if !is_alone() {
        return;
    }
    let (home, key) = (tempfile::tempdir().unwrap(), simulator().await);
    let app = open(&home);
    let done: Vec<_> = steps(&app, &draft(&key))
        .await
        .into_iter()
        .map(|step| (step.id, step.status, step.problem))
        .collect();
    let all = [
        StepId::ServiceKey,
        StepId::Token,
        StepId::ResourceGroup,
        StepId::Deployments,
        StepId::Models,
        StepId::Answer,
    ];
    assert_eq!(done, all.map(|id| (id, StepStatus::Done, None)));

    let wrong_secret = SecretDraft::Typed {
        value: "wrong".into(),
    };
    let cases: [(Change, StepId, &str); 6] = [
        (
            |draft| draft.client_id = "sb-nobody".to_owned(),
            StepId::Token,
            "AUTH-KEY-REVOKED",
        ),
        (
            |draft| draft.auth_url += "/nowhere",
            StepId::Token,
            "AUTH-URL-NOT-OAUTH",
        ),
        (
            |draft| draft.base_url += "/nowhere",
            StepId::ResourceGroup,
            "UPSTREAM-NOT-AI-CORE",
        ),
        (
            |draft| draft.resource_group = "nobody".to_owned(),
            StepId::ResourceGroup,
            "AUTH-RESOURCE-GROUP",
        ),
        (
            |draft| draft.resource_group = "empty".to_owned(),
            StepId::Models,
            "ROUTE-NO-ORCHESTRATION",
        ),
        (
            |draft| {
                draft.resource_group = "empty".to_owned();
                draft.orchestration = false;
            },
            StepId::Models,
            "ROUTE-NO-DEPLOYMENT",
        ),
    ];
    let failing = |draft: ConnectionDraft| {
        let app = app.clone();
        async move {
            let last = steps(&app, &draft).await.pop().unwrap();
            let problem = last.problem.unwrap();
            assert!(!problem.hint.is_empty(), "{problem:?}");
            (last.id, problem.code)
        }
    };
    let refused = ConnectionDraft {
        client_secret: wrong_secret,
        ..draft(&key)
    };
    assert_eq!(
        failing(refused).await,
        (StepId::Token, "AUTH-TOKEN-REFUSED".to_owned())
    );
    for (change, id, code) in cases {
        let mut changed = draft(&key);
        change(&mut changed);
        assert_eq!(failing(changed).await, (id, code.to_owned()));
    }
}

#[tokio::test]
async fn a_test_that_hangs_can_be_cancelled() {
    if !is_alone() {
        return;
    }
    let (home, key) = (tempfile::tempdir().unwrap(), simulator().await);
    // It accepts and says nothing.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let app = open(&home);
    let draft = ConnectionDraft {
        auth_url: format!("http://{}", silent.local_addr().unwrap()),
        ..draft(&key)
    };
    let mut last = None;
    let cancelling = app.clone();
    app.test(&draft, |step| {
        if step.id == StepId::Token {
            cancelling.cancel_test();
        }
        last = Some((step.id, step.status));
    })
    .await;
    assert_eq!(last, Some((StepId::Token, StepStatus::Running)));
}

#[tokio::test]
async fn a_running_proxy_keeps_its_port_when_the_new_one_is_taken() {
    if !is_alone() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let app = open(&home);
    let port = free_port();
    use_port(&app, port).await;
    app.try_simulator().await.unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let settings = SettingsView {
        port: taken.local_addr().unwrap().port(),
        start_proxy: false,
        ca_file: None,
    };
    let problem = app.save_settings(settings.clone()).await.unwrap_err();
    assert_eq!(
        (problem.code.as_str(), problem.field),
        ("START-PORT-TAKEN", Some(Field::Port))
    );
    let running = ProxyView::Running {
        address: format!("http://127.0.0.1:{port}"),
    };
    let now = until(&app, "running as before", |now| now.proxy == running).await;
    assert_eq!(now.settings.port, port, "it is not saved");
    drop(taken);
    app.save_settings(settings.clone()).await.unwrap();
    until(&app, "moved", |now| {
        matches!(&now.proxy, ProxyView::Running { address } if address.ends_with(&settings.port.to_string()))
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_can_not_be_used_says_what_is_wrong_with_it() {
    if !is_alone() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let text = "version = 1\n[[connections]]\nclient_id = \"a\"\nauth_url = \"http://auth.example\"\nbase_url = \"https://api.example\"\n";
    std::fs::write(home.path().join("settings.toml"), text).unwrap();
    let app = open(&home);
    assert_eq!(app.start().await.unwrap_err().code, "CONFIG-URL");
    let now = app.snapshots().borrow().clone();
    assert!(
        matches!(&now.secret, SecretView::Unreadable { problem } if problem.code == "CONFIG-URL"),
        "{:?}",
        now.secret
    );
}

#[tokio::test]
async fn a_bad_row_of_ones_own_rules_is_a_notice_until_it_is_corrected() {
    if !is_alone() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let rules = home.path().join("rules.toml");
    std::fs::write(&rules, "[[model]]\nid = \"own\"\nmatch = \"gpt-4o\"\n").unwrap();
    std::fs::write(home.path().join("learned.toml"), "= [").unwrap();
    let app = open(&home);
    until(&app, "opened", |now| now.source == SourceView::None).await;
    use_port(&app, free_port()).await;
    app.use_simulator(true).await.unwrap();
    let is_of_rules = |now: &Snapshot| now.notices.iter().any(|notice| notice.code == "CONFIG-RULES");
    let now = until(&app, "reported", is_of_rules).await;
    let notice = now.notices.iter().find(|notice| notice.code == "CONFIG-RULES");
    assert!(notice.unwrap().sentence.contains("[[model]] own"), "{notice:?}");

    std::fs::write(&rules, "[[model]]\nid = \"own\"\nmatch = [\"gpt-4o\"]\n").unwrap();
    app.select_model("gpt-4o").await.unwrap();
    let now = until(&app, "corrected", |now| !is_of_rules(now)).await;
    // What was learned is read at the start only.
    let of_lessons = now
        .notices
        .iter()
        .filter(|notice| notice.code == "CONFIG-LEARNED");
    assert_eq!(of_lessons.count(), 1, "{:?}", now.notices);
}
