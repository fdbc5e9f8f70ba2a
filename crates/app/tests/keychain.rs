//! A private key in a real keychain: gnome-keyring on a session bus of its own. The desktop's tests do the same with a
//! client secret, in the window.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "A panic is how a test fails."
)]

use std::process::Command;
use std::time::Duration;

use coretap_app::view::{ConnectionDraft, Keep, SecretDraft, SecretView, SettingsView, Snapshot};
use coretap_app::{App, Flags, Settings, Simulator, SimulatorOptions, Source};

/// Set in the process that this test starts anew, on its own bus.
const ON_ITS_OWN_BUS: &str = "CORETAP_TEST_ON_ITS_OWN_BUS";

/// The first snapshot of which `holds` is true.
async fn until(app: &App, what: &str, holds: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let mut snapshots = app.snapshots();
    let found = tokio::time::timeout(Duration::from_secs(30), snapshots.wait_for(|now| holds(now))).await;
    found
        .unwrap_or_else(|_| panic!("not {what}: {:?}", app.snapshots().borrow()))
        .unwrap()
        .clone()
}

#[test]
fn a_private_key_is_stored_read_again_and_forgotten() {
    if std::env::var_os(ON_ITS_OWN_BUS).is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(on_its_own_bus());
    }
    for program in ["dbus-run-session", "gnome-keyring-daemon"] {
        if Command::new(program).arg("--version").output().is_err() {
            eprintln!("SKIPPED a private key in the keychain: there is no {program}");
            return;
        }
    }
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("dbus-run-session");
    command
        // The daemon goes into the background when it is there, and ends with its bus.
        .args([
            "--",
            "sh",
            "-c",
            "printf password | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec \"$@\"",
            "sh",
        ])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_private_key_is_stored_read_again_and_forgotten", "--nocapture"])
        .env(ON_ITS_OWN_BUS, "1")
        .env("HOME", home.path());
    for folder in [
        "XDG_RUNTIME_DIR",
        "XDG_DATA_HOME",
        "XDG_CONFIG_HOME",
        "XDG_CACHE_HOME",
    ] {
        command.env(folder, home.path());
    }
    let output = command.output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

async fn on_its_own_bus() {
    let home = tempfile::tempdir().unwrap();
    let simulator =
        Simulator::bind_with_certificates(([127, 0, 0, 1], 0).into(), SimulatorOptions::default());
    let simulator = simulator.await.unwrap();
    let (key, authority) = simulator.x509_service_key().unwrap();
    tokio::spawn(simulator.run(std::future::pending()));
    std::fs::write(home.path().join("ca.pem"), authority).unwrap();
    let folder = home.path().display().to_string();
    let environment = |name: &str| match name {
        "CORETAP_HOME" | "HOME" => Some(folder.clone()),
        _ => None,
    };

    let app = App::open(&environment).unwrap();
    let settings = SettingsView {
        port: 4000,
        start_proxy: false,
        ca_file: Some("~/ca.pem".to_owned()),
    };
    app.save_settings(settings).await.unwrap();
    let fields = coretap_app::read_service_key(&key).unwrap();
    let draft = ConnectionDraft {
        replaces: None,
        name: "Mine".to_owned(),
        group: None,
        client_id: fields.client_id,
        client_secret: SecretDraft::ServiceKey {
            text: key.as_str().into(),
        },
        base_url: fields.base_url,
        auth_url: fields.auth_url,
        resource_group: String::new(),
        orchestration: true,
        model: None,
        deployment: None,
        orchestration_modules: coretap_app::OrchestrationModules::default(),
    };
    app.save_connection(&draft, Keep::Keychain).await.unwrap();
    until(&app, "stored", |now| now.secret == SecretView::Stored).await;
    drop(app);

    // The command finds it, and so does the next run of the app.
    let settings = Settings::read(&Flags::default(), &environment).await.unwrap();
    let Source::AiCore(found) = settings.source else {
        panic!("the simulator")
    };
    assert!(found.auth_url.scheme() == "https", "{found:?}");
    assert!(settings.local_key.is_some());
    let app = App::open(&environment).unwrap();
    let now = until(&app, "checked with the key from the keychain", |now| {
        now.secret == SecretView::Stored && !now.models.is_empty()
    })
    .await;
    assert!(now.connection.unwrap().certificate.is_some());

    // A certificate of another pair does not get the key out.
    drop(app);
    let path = home.path().join("settings.toml");
    let file = std::fs::read_to_string(&path).unwrap();
    let other = include_str!("../../aicore/tests/keys/rsa.crt");
    let (before, chain) = file.split_once("-----BEGIN").unwrap();
    let (_, after) = chain.rsplit_once("-----END CERTIFICATE-----\n").unwrap();
    std::fs::write(&path, format!("{before}{other}{after}")).unwrap();
    let app = App::open(&environment).unwrap();
    let now = until(&app, "refused", |now| {
        matches!(now.secret, SecretView::Unreadable { .. })
    })
    .await;
    let subject = now.connection.unwrap().certificate.unwrap().subject;
    assert_eq!(subject.split(',').next(), Some("CN=coretap-test"));
    assert_eq!(
        app.start().await.unwrap_err().code,
        "CONFIG-CLIENT-CERTIFICATE-KEY"
    );
    drop(app);
    std::fs::write(&path, file).unwrap();
    let app = App::open(&environment).unwrap();
    until(&app, "stored still", |now| now.secret == SecretView::Stored).await;
    app.forget_secret("Mine").await.unwrap();
    until(&app, "forgotten", |now| now.secret == SecretView::Missing).await;
}
