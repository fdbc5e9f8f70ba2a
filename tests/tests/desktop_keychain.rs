//! Secrets on a real desktop: in gnome-keyring, or nowhere but in memory, and never in a file.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use coretap_tests::desktop::agent::{ask, is_answered};
use coretap_tests::desktop::disk::files_with;
use coretap_tests::desktop::keychain::{self, Keychain};
use coretap_tests::desktop::screen;
use coretap_tests::desktop::session::{Services, Session, free_port};
use coretap_tests::desktop::settings::{Settings, settings_text};
use coretap_tests::desktop::window::Window;
use coretap_tests::desktop::{until, until_within};
use coretap_tests::process::{Simulator, binary, in_time};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

const MODEL: &str = "gpt-4o";

/// Fills the form with the simulator's service key and a model, so that it can be saved.
async fn fill_form(window: &Window, session: &mut Session, simulator: &Simulator) {
    window.go_to_form().await;
    window.paste_service_key(session, &simulator.service_key).await;
    window.models_offered().await;
    window.choose("#model", MODEL).await;
}

fn secret_of(simulator: &Simulator) -> String {
    let key: Value = serde_json::from_str(&simulator.service_key).unwrap();
    key["clientsecret"].as_str().unwrap().to_owned()
}

/// A login keychain that exists and is locked.
async fn locked_keychain(session: &Session, simulator: &Simulator) -> Keychain {
    let open = Keychain::start(session).await;
    // The first item makes it.
    keychain::store_client_secret(session, &simulator.service_key.replace("sb-", "sb-other-")).await;
    open.stop(session).await;
    Keychain::start_locked(session).await
}

#[tokio::test]
async fn the_secret_is_in_the_keychain_until_it_is_forgotten() {
    let Some(mut session) = Session::start("desktop: stored and forgotten").await else {
        return;
    };
    let _keychain = Keychain::start(&session).await;
    let simulator = Simulator::start().await;
    Settings::on(free_port()).write(&session);
    let window = Window::open(&session).await;
    fill_form(&window, &mut session, &simulator).await;
    window.save_connection().await;
    window.text_with("#secret-state", "stored in the keychain").await;
    assert_eq!(
        keychain::client_secret(&session).await,
        Some(secret_of(&simulator))
    );
    assert_eq!(
        keychain::usernames(&session).await.len(),
        2,
        "one secret and one local key"
    );

    // The command reads the same settings and the same keychain, while the app is there.
    let local_key = keychain::local_key(&session).await;
    let mut serve = session.command(binary());
    serve.args(["serve", "--port", "0"]).stdout(Stdio::piped());
    let mut serve = serve.spawn().unwrap();
    let mut lines = BufReader::new(serve.stdout.take().unwrap()).lines();
    let line = in_time("where it listens", lines.next_line()).await.unwrap();
    let line = line.unwrap_or_else(|| panic!("{}", session.errors("coretap")));
    let address: SocketAddr = line
        .strip_prefix("listening on http://")
        .unwrap()
        .parse()
        .unwrap();
    is_answered(address, &local_key, MODEL).await;
    serve.start_kill().unwrap();
    serve.wait().await.unwrap();

    window.click("#forget-secret").await;
    until("the secret is gone", async || {
        keychain::client_secret(&session).await.is_none().then_some(())
    })
    .await;
    window.wait_for("#client-secret").await;
    assert_eq!(keychain::usernames(&session).await, ["local-key"]);
    window.go_to("overview").await;
    window.text_with("#step-service_key", "SECRET-MISSING").await;
    window.end().await;
}

#[tokio::test]
async fn a_new_local_key_shuts_the_old_one_out() {
    let Some(session) = Session::start("desktop: a new local key").await else {
        return;
    };
    let _keychain = Keychain::start(&session).await;
    let port = free_port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    Settings::on(port).with_simulator().write(&session);
    let window = Window::open(&session).await;
    window.toggle("Running on").await;
    let old = keychain::local_key(&session).await;
    is_answered(address, &old, MODEL).await;
    window.go_to("settings").await;
    window.click("#rotate-key").await;
    window.click("#confirm-rotate-key").await;
    let new = until("the new key is in the keychain", async || {
        let key = keychain::local_key(&session).await;
        (!key.is_empty() && key != old).then_some(key)
    })
    .await;
    until("the new key is taken", async || {
        (ask(address, &new, MODEL).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(ask(address, &old, MODEL).await.status, 401);
    window.click("#copy-key").await;
    assert_eq!(screen::clipboard_with(&session, &new).await, new);
    window.end().await;
}

#[tokio::test]
async fn a_locked_keychain_is_named_and_the_secret_can_be_kept_for_this_run() {
    let Some(mut session) = Session::start("desktop: a locked keychain").await else {
        return;
    };
    let simulator = Simulator::start().await;
    // Nothing on this bus could ask for the password.
    let _keychain = locked_keychain(&session, &simulator).await;
    let port = free_port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    Settings::on(port).write(&session);
    let window = Window::open(&session).await;
    fill_form(&window, &mut session, &simulator).await;
    window.click("#save-connection").await;
    window.text_with("#connection-problem", "SECRET-LOCKED").await;
    window.screenshot("connection-keychain-locked").await;
    window.click("#keep-this-run").await;
    window.wait_for("#connection-saved").await;
    window.text_with("#secret-state", "kept for this run").await;
    window.toggle(&format!("Running on 127.0.0.1:{port}")).await;
    window.go_to("settings").await;
    window.click("#copy-key").await;
    let local_key = screen::clipboard_with(&session, "sk-").await;
    is_answered(address, &local_key, MODEL).await;
    for hidden in [secret_of(&simulator), local_key] {
        for folder in [session.home(), session.runtime()] {
            let files = files_with(&folder, &hidden);
            assert!(files.is_empty(), "a secret lies in {files:?}");
        }
    }
    let settings = settings_text(&session);
    assert!(
        settings.contains("client_id"),
        "the connection was not saved: {settings}"
    );
    window.end().await;

    // The run is over, and so is the secret.
    let window = Window::open(&session).await;
    window.go_to("overview").await;
    window.text_with("#step-service_key", "SECRET-MISSING").await;
    window.end().await;
}

#[tokio::test]
async fn a_stored_secret_is_read_as_soon_as_the_keychain_is_unlocked() {
    let Some(session) = Session::start("desktop: unlocked later").await else {
        return;
    };
    let simulator = Simulator::start().await;
    let port = free_port();
    Settings::on(port)
        .with_connection(&simulator.service_key, true)
        .write(&session);
    let open = Keychain::start(&session).await;
    keychain::store_client_secret(&session, &simulator.service_key).await;
    open.stop(&session).await;
    let locked = Keychain::start_locked(&session).await;
    let window = Window::open(&session).await;
    window.text_with("#notice-SECRET-LOCKED", "SECRET-LOCKED").await;
    window.go_to("overview").await;
    window.text_with("#step-service_key", "SECRET-LOCKED").await;
    window.screenshot("overview-keychain-locked").await;

    locked.stop(&session).await;
    let _open = Keychain::start(&session).await;
    window.click("#retry-keychain").await;
    window.wait_for_no("#notice-SECRET-LOCKED").await;
    let (status, said) = window.finished("#step-models").await;
    assert_eq!(status, "done", "{said}");
    window.toggle("Running on").await;
    let local_key = keychain::local_key(&session).await;
    is_answered(SocketAddr::from(([127, 0, 0, 1], port)), &local_key, MODEL).await;
    window.end().await;
}

#[tokio::test]
async fn a_keychain_that_asks_keeps_nobody_waiting() {
    // With the system's services there is a prompt, and nobody answers it.
    let started = Session::start_with("desktop: a keychain that asks", Services::System, true).await;
    let Some(mut session) = started else {
        return;
    };
    let simulator = Simulator::start().await;
    let _keychain = locked_keychain(&session, &simulator).await;
    Settings::on(free_port()).write(&session);
    let window = Window::open(&session).await;
    fill_form(&window, &mut session, &simulator).await;
    window.click("#save-connection").await;
    let prompt = until("the keychain's prompt", async || {
        let windows = session
            .output("xdotool", &["search", "--onlyvisible", "--class", "gcr-prompter"])
            .await;
        windows.lines().next().map(str::to_owned)
    })
    .await;
    // The window goes on meanwhile.
    until_within(Duration::from_secs(5), "the pages can be turned", async || {
        window.go_to("settings").await;
        window.go_to("connection").await;
        Some(())
    })
    .await;
    window.click("#save-connection").await;
    window.text_with("#connection-problem", "SECRET-WAITING").await;
    screen::screenshot(&session, "keychain-prompt").await;
    // The person comes back.
    session
        .output("xdotool", &["windowfocus", "--sync", &prompt])
        .await;
    session.output("xdotool", &["type", keychain::PASSWORD]).await;
    session.output("xdotool", &["key", "Return"]).await;
    until("the prompt is gone", async || {
        let windows = session
            .output("xdotool", &["search", "--onlyvisible", "--class", "gcr-prompter"])
            .await;
        windows.is_empty().then_some(())
    })
    .await;
    window.click("#retry-save").await;
    window.wait_for("#connection-saved").await;
    assert_eq!(
        keychain::client_secret(&session).await,
        Some(secret_of(&simulator))
    );
    window.end().await;
}

#[tokio::test]
async fn a_keychain_that_comes_later_is_found_without_a_restart() {
    let Some(mut session) = Session::start("desktop: a keychain that comes later").await else {
        return;
    };
    let simulator = Simulator::start().await;
    Settings::on(free_port()).write(&session);
    let window = Window::open(&session).await;
    window
        .text_with("#notice-SECRET-NO-KEYCHAIN", "SECRET-NO-KEYCHAIN")
        .await;
    fill_form(&window, &mut session, &simulator).await;
    window.click("#save-connection").await;
    window
        .text_with("#connection-problem", "SECRET-NO-KEYCHAIN")
        .await;
    window.screenshot("connection-no-keychain").await;
    assert_eq!(
        settings_text(&session).matches("client_id").count(),
        0,
        "half a connection was saved"
    );

    let _keychain = Keychain::start(&session).await;
    window.click("#retry-keychain").await;
    window.wait_for_no("#notice-SECRET-NO-KEYCHAIN").await;
    window.click("#retry-save").await;
    window.wait_for("#connection-saved").await;
    assert_eq!(
        keychain::client_secret(&session).await,
        Some(secret_of(&simulator))
    );
    until("the local key is in the keychain too", async || {
        (!keychain::local_key(&session).await.is_empty()).then_some(())
    })
    .await;
    window.end().await;
}

#[tokio::test]
async fn a_second_writer_is_told_who_has_the_settings() {
    let Some(mut session) = Session::start("desktop: two writers").await else {
        return;
    };
    let _keychain = Keychain::start(&session).await;
    let port = free_port();
    Settings::on(port).write(&session);
    let first = session.start_app(&[]);
    screen::wait_for_window(&session, screen::WindowState::Shown).await;
    let before = settings_text(&session);
    // On another bus it can't know that it is the second.
    let other_bus = session.start_bus("other-bus", Services::None).await;
    let window = Window::open_with(&session, &[("DBUS_SESSION_BUS_ADDRESS", &other_bus)]).await;
    let notice = window
        .text_with("#notice-CONFIG-SETTINGS-LOCKED", "CONFIG-SETTINGS-LOCKED")
        .await;
    let who = format!("process {first}");
    assert!(notice.contains(&who), "it does not say who: {notice}");
    window.go_to("settings").await;
    window.type_into("#port", &free_port().to_string()).await;
    window.click("#save-settings").await;
    let problem = window
        .text_with("#action-problem", "CONFIG-SETTINGS-LOCKED")
        .await;
    assert!(problem.contains(&who), "it does not say who: {problem}");
    assert_eq!(settings_text(&session), before, "the second one has written");
    window.end().await;
}
