//! The real window, worked as a person works it: from the first run to an agent's request, and back after a restart.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use coretap_tests::desktop::agent::is_answered;
use coretap_tests::desktop::disk::files_with;
use coretap_tests::desktop::hosts::{Host, Reply};
use coretap_tests::desktop::keychain::{self, Keychain};
use coretap_tests::desktop::screen;
use coretap_tests::desktop::session::{Session, free_port};
use coretap_tests::desktop::settings::{Settings, settings_text};
use coretap_tests::desktop::tray::Tray;
use coretap_tests::desktop::window::Window;
use coretap_tests::desktop::{poll, until};
use coretap_tests::folders::skipped;
use coretap_tests::process::{Simulator, in_time};
use serde_json::{Value, json};

const MODEL: &str = "gpt-4o";
/// The older one of the simulator's two: who chooses it does not get it by chance.
const DEPLOYMENT: &str = "d0a4f8e21b7c9d30";

/// Fills the form with a service key, and chooses a model and one of its deployments.
async fn fill_form(window: &Window, session: &mut Session, service_key: &str) {
    let key: Value = serde_json::from_str(service_key).unwrap();
    window.go_to_form().await;
    window.paste_service_key(session, service_key).await;
    window
        .wait_for_value("#client-id", key["clientid"].as_str().unwrap())
        .await;
    window
        .wait_for_value("#auth-url", key["url"].as_str().unwrap())
        .await;
    let base_url = key["serviceurls"]["AI_API_URL"].as_str().unwrap();
    window.wait_for_value("#base-url", base_url).await;
    assert_eq!(
        window.value("#service-key").await,
        "",
        "the pasted key stays on the screen"
    );

    window.use_orchestration(false).await;
    let deployments_are_known = format!("#deployment-{DEPLOYMENT}");
    window.wait_for(&deployments_are_known).await;
    let list = window.text("#deployment-list").await;
    for (id, status) in [
        ("d6e5d4c3b2a19087", "STOPPED"),
        ("d7a1b2c3d4e5f607", "PENDING"),
        ("d8deadbeef000001", "DEAD"),
        ("d9unknown0000001", "UNKNOWN"),
    ] {
        assert!(list.contains(&format!("{id} ({status})")), "{list}");
        assert!(
            !window.enabled(&format!("#deployment-{id}")).await,
            "{id} can be chosen"
        );
    }
    // Until the list of this mode has come, the other one's is shown.
    until("the models of this mode", async || {
        (window.models_offered().await == "7 models").then_some(())
    })
    .await;
    window.choose("#model", MODEL).await;
    assert!(list.contains(&format!("{DEPLOYMENT} (RUNNING)")), "{list}");
    window.click(&format!("#deployment-{DEPLOYMENT}")).await;
    until("the deployment is chosen", async || {
        let chosen = window
            .property(&format!("#deployment-{DEPLOYMENT}"), "checked")
            .await;
        (chosen == true).then_some(())
    })
    .await;
}

#[tokio::test]
async fn from_the_first_run_to_an_agents_request_and_again_after_a_restart() {
    let Some(mut session) = Session::start("desktop: the window").await else {
        return;
    };
    let _keychain = Keychain::start(&session).await;
    let simulator = Simulator::start().await;
    let key: Value = serde_json::from_str(&simulator.service_key).unwrap();
    let secret = key["clientsecret"].as_str().unwrap();
    let port = free_port();
    Settings::on(port).write(&session);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let tray = Tray::start(&session).await;

    let window = Window::open(&session).await;
    window.wait_for("#first-run").await;
    window.screenshot("first-run").await;
    fill_form(&window, &mut session, &simulator.service_key).await;
    let said = window.test_result().await;
    for step in [
        "service_key",
        "token",
        "resource_group",
        "deployments",
        "models",
        "answer",
    ] {
        let status = window.status(&format!("#test-step-{step}")).await;
        assert_eq!(status, "done", "{step}: {said}");
    }
    window.screenshot("connection-tested").await;
    window.save_connection().await;
    window.text_with("#secret-state", "stored in the keychain").await;
    assert_eq!(keychain::client_secret(&session).await.as_deref(), Some(secret));

    simulator.forget().await;
    window.toggle(&format!("Running on 127.0.0.1:{port}")).await;
    let local_key = keychain::local_key(&session).await;
    assert!(
        local_key.len() > 32,
        "no local key in the keychain: {local_key:?}"
    );
    is_answered(address, &local_key, MODEL).await;
    let asked = simulator.inference().await;
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].path.contains(DEPLOYMENT), "{:?}", asked[0].path);

    window.go_to("overview").await;
    window
        .text_with("#address", &format!("http://127.0.0.1:{port}"))
        .await;
    window.text_with("#usage", "1 request").await;
    window.screenshot("overview-running").await;
    window.go_to("agents").await;
    let shown = window
        .text_with("#snippet-claude-code", &format!("127.0.0.1:{port}"))
        .await;
    assert!(!shown.contains(&local_key), "the page shows the local key");
    window.screenshot("agents").await;
    window.click("#copy-claude-code").await;
    let copied = screen::clipboard_with(&session, &local_key).await;
    assert!(copied.contains(&format!("http://127.0.0.1:{port}")), "{copied}");

    window.toggle("Stopped").await;
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "it still listens"
    );
    let settings = settings_text(&session);
    assert!(
        settings.contains(MODEL) && settings.contains(DEPLOYMENT),
        "{settings}"
    );
    tray.click(&["Quit"]).await;
    until("the app has ended", async || {
        session.processes("coretap-desktop").is_empty().then_some(())
    })
    .await;
    window.end().await;
    for hidden in [secret, &local_key] {
        let files = files_with(&session.home(), hidden);
        assert!(files.is_empty(), "a secret lies in {files:?}");
    }

    let window = Window::open(&session).await;
    window.go_to("connection").await;
    window
        .wait_for_value("#client-id", key["clientid"].as_str().unwrap())
        .await;
    window.wait_for_value("#model", MODEL).await;
    window.text_with("#secret-state", "stored in the keychain").await;
    assert_eq!(window.property("#orchestration", "checked").await, false);
    window.toggle(&format!("Running on 127.0.0.1:{port}")).await;
    is_answered(address, &local_key, MODEL).await;
    window.screenshot("connection-after-restart").await;
    window.go_to("settings").await;
    window.screenshot("settings").await;
    window.end().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_left_to_its_owner_by_one_click() {
    let Some(session) = Session::start("desktop: a taken port").await else {
        return;
    };
    let _keychain = Keychain::start(&session).await;
    let port = free_port();
    let _owner = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    Settings::on(port).with_simulator().write(&session);
    let window = Window::open(&session).await;
    window.go_to("overview").await;
    window.click("#run-toggle").await;
    let problem = window.text_with("#proxy-problem", "START-PORT-TAKEN").await;
    let owner = format!("(process {})", std::process::id());
    assert!(
        problem.contains(&owner),
        "it does not say who has the port: {problem}"
    );
    assert_eq!(window.status("#step-proxy").await, "failed");
    window.screenshot("overview-port-taken").await;
    window.click("#use-free-port").await;
    window.text_with("#run-state", "Running on 127.0.0.1:").await;
    let state = window.text("#run-state").await;
    let new_port: u16 = state.split(':').nth(1).unwrap().trim().parse().unwrap();
    assert_ne!(new_port, port);
    until("the new port is set", async || {
        settings_text(&session)
            .contains(&new_port.to_string())
            .then_some(())
    })
    .await;
    let local_key = keychain::local_key(&session).await;
    let address = SocketAddr::from(([127, 0, 0, 1], new_port));
    is_answered(address, &local_key, MODEL).await;
    window.end().await;
}

/// Runs itself once more inside a network namespace that has a loopback and nothing else.
#[tokio::test]
async fn the_simulator_answers_without_any_network() {
    const INSIDE: &str = "CORETAP_TEST_WITHOUT_NETWORK";
    const SUITE: &str = "desktop: the simulator without a network";
    if std::env::var_os(INSIDE).is_some() {
        return try_the_simulator(SUITE).await;
    }
    let me = std::env::current_exe().unwrap();
    let script =
        "ip link set lo up && exec \"$0\" --exact the_simulator_answers_without_any_network --nocapture";
    // With processes of its own, all of it ends when this test is ended.
    let namespace = [
        "--map-root-user",
        "--net",
        "--pid",
        "--mount-proc",
        "--fork",
        "--kill-child",
    ];
    let possible = tokio::process::Command::new("unshare")
        .args(namespace)
        .args(["sh", "-c", "ip link set lo up"])
        .stderr(Stdio::null())
        .status()
        .await;
    if !possible.is_ok_and(|status| status.success()) {
        skipped(SUITE, "unshare and ip can't make a network namespace here");
        return;
    }
    let mut inside = tokio::process::Command::new("unshare");
    inside
        .args(namespace)
        .args(["sh", "-c", script])
        .arg(me)
        .env(INSIDE, "1");
    let status = in_time(
        "the test inside the namespace",
        inside.kill_on_drop(true).status(),
    )
    .await
    .unwrap();
    assert!(status.success(), "it failed inside the namespace; see above");
}

async fn try_the_simulator(suite: &str) {
    let outside = tokio::net::TcpStream::connect("192.0.2.1:443").await;
    let error = outside.err().map(|error| error.kind());
    assert_eq!(
        error,
        Some(std::io::ErrorKind::NetworkUnreachable),
        "there is a network"
    );
    let Some(session) = Session::start(suite).await else {
        return;
    };
    let _keychain = Keychain::start(&session).await;
    let port = free_port();
    Settings::on(port).write(&session);
    let window = Window::open(&session).await;
    window.click("#try-simulator").await;
    window.wait_for("#simulator-strip").await;
    window
        .text_with("#run-state", &format!("Running on 127.0.0.1:{port}"))
        .await;
    let local_key = keychain::local_key(&session).await;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    is_answered(address, &local_key, MODEL).await;
    window.go_to("overview").await;
    window.text_with("#usage", "1 request").await;
    window.screenshot("overview-simulator").await;
    window.click("#leave-simulator").await;
    window.wait_for_no("#simulator-strip").await;
    window.end().await;
}

/// What a page may try to reach another host with; each gives up by itself or is refused.
const REACH_OUT: &str = r"
    const [hosts, done] = arguments;
    const ends = (thing) => new Promise((end) => {
        for (const event of ['load', 'error', 'open', 'close']) thing.addEventListener(event, () => end(event));
    });
    const made = (name, attributes) => {
        const element = Object.assign(document.createElement(name), attributes);
        const end = ends(element);
        document.head.append(element);
        return end;
    };
    const attempt = async (what) => { try { return String(await what()); } catch (error) { return String(error); } };
    const attempts = (host) => [
        attempt(() => fetch(`http://${host}/fetch`, { mode: 'no-cors' })),
        attempt(() => { const image = new Image(); const end = ends(image); image.src = `http://${host}/i`; return end; }),
        attempt(() => ends(new WebSocket(`ws://${host}/socket`))),
        attempt(() => ends(new EventSource(`http://${host}/events`))),
        attempt(() => navigator.sendBeacon(`http://${host}/beacon`, 'x')),
        attempt(() => made('script', { src: `http://${host}/script` })),
        attempt(() => made('link', { rel: 'stylesheet', href: `http://${host}/style` })),
        attempt(() => made('iframe', { src: `http://${host}/frame` })),
    ];
    Promise.all(hosts.flatMap(attempts)).then((ended) => done(ended));
";

/// Two ways lead out of the window: straight to a host of this machine, and by the proxy that the environment names.
/// Both are the test's own, and nobody comes to either.
#[tokio::test]
async fn nothing_leaves_the_window() {
    let Some(session) = Session::start("desktop: nothing leaves the window").await else {
        return;
    };
    let _keychain = Keychain::start(&session).await;
    let proxy = Host::always(Reply::text(502, "nobody should come here")).await;
    let host = Host::always(Reply::text(200, "nobody should come here")).await;
    Settings::on(free_port()).with_simulator().write(&session);
    let by_proxy = proxy.url();
    let names = [
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ];
    let mut environment = names.map(|name| (name, by_proxy.as_str())).to_vec();
    // WebKit's own driver talks to the app by this address.
    environment.push(("no_proxy", "127.0.0.1"));
    let window = Window::open_with(&session, &environment).await;
    for page in ["connection", "agents", "settings", "overview"] {
        window.go_to(page).await;
    }
    let straight = host.address.to_string();
    let hosts = json!([straight, "somewhere.example.com"]);
    let ended = window.script_until_called(REACH_OUT, vec![hosts]).await;
    assert_eq!(ended.as_array().map(Vec::len), Some(16), "{ended}");
    assert_eq!(host.connections(), 0, "a script reached a host: {ended}");
    assert_eq!(proxy.connections(), 0, "something went to the proxy: {ended}");

    let loaded = window
        .script(
            "return performance.getEntriesByType('resource').map((entry) => entry.name)",
            vec![],
        )
        .await;
    let own = [
        "tauri://localhost",
        "ipc://localhost",
        "http://ipc.localhost",
        "data:",
    ];
    let tried = [straight.as_str(), "somewhere.example.com"];
    let foreign: Vec<&str> = loaded
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .filter(|name| !own.iter().any(|start| name.starts_with(start)))
        .filter(|name| !tried.iter().any(|host| name.contains(host)))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");

    window.end().await;
}

/// A page that goes elsewhere takes the window along, with all that the window may ask of the app; a content security
/// policy does not forbid that.
#[tokio::test]
async fn the_window_goes_nowhere_else() {
    let Some(session) = Session::start("desktop: the window goes nowhere else").await else {
        return;
    };
    let _keychain = Keychain::start(&session).await;
    let host = Host::always(Reply::html(200)).await;
    Settings::on(free_port()).with_simulator().write(&session);
    let window = Window::open(&session).await;
    let elsewhere = json!(format!("{}/elsewhere", host.url()));
    for script in [
        "setTimeout(() => location.assign(arguments[0]), 0)",
        "const link = document.createElement('a'); link.href = arguments[0]; document.body.append(link); link.click();",
        "window.open(arguments[0])",
    ] {
        window.script(script, vec![elsewhere.clone()]).await;
        let reached = poll(Duration::from_secs(1), async || {
            (host.requests() > 0).then_some(())
        })
        .await;
        assert!(reached.is_none(), "another host was asked by {script}");
        window.go_to("settings").await;
        window.go_to("overview").await;
    }
    window.end().await;
}
