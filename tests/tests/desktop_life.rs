//! The life of the app: one at a time, a window that comes and goes, a desktop without a tray.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use coretap_tests::desktop::agent::is_answered;
use coretap_tests::desktop::hidden::Hidden;
use coretap_tests::desktop::hosts::{Host, Reply};
use coretap_tests::desktop::keychain::{self, Keychain};
use coretap_tests::desktop::screen::{self, WindowState};
use coretap_tests::desktop::session::{Session, free_port};
use coretap_tests::desktop::settings::Settings;
use coretap_tests::desktop::tray::Tray;
use coretap_tests::desktop::until;
use coretap_tests::http::{empty, send};

#[tokio::test]
async fn a_second_start_shows_the_window_of_the_first() {
    let Some(first) = Hidden::start("desktop: single instance").await else {
        return;
    };
    let mut session = first.session;
    assert_eq!(screen::window_state(&session).await, WindowState::Absent);
    let second = session.start_app(&[]);
    assert_eq!(session.ended(second).await, 0);
    screen::wait_for_window(&session, WindowState::Shown).await;
    assert_eq!(session.processes("coretap-desktop"), [first.pid]);
    assert_eq!(first.tray.count(), 1);
}

#[tokio::test]
async fn closing_ends_the_page_and_nothing_else() {
    let Some(mut session) = Session::start("desktop: closing the window").await else {
        return;
    };
    let _keychain = Keychain::start(&session).await;
    let port = free_port();
    let mut settings = Settings::on(port).with_simulator();
    settings.start_proxy = true;
    settings.write(&session);
    let tray = Tray::start(&session).await;
    let pid = session.start_app(&[]);
    tray.wait_for_item().await;
    tray.wait_for_state("running").await;
    for _ in 0..2 {
        screen::wait_for_window(&session, WindowState::Shown).await;
        until("the page's process", async || {
            (!session.processes("WebKitWebProcess").is_empty()).then_some(())
        })
        .await;
        screen::close_window(&session).await;
        screen::wait_for_window(&session, WindowState::Absent).await;
        until("the page's process has ended", async || {
            session.processes("WebKitWebProcess").is_empty().then_some(())
        })
        .await;
        let address = ([127, 0, 0, 1], port).into();
        assert_eq!(send(address, empty("GET", "/health")).await.status, 200);
        assert_eq!(session.processes("coretap-desktop"), [pid]);
        tray.wait_for_state("running").await;
        tray.click(&["Open Coretap"]).await;
    }
}

#[tokio::test]
async fn without_a_tray_closing_minimises() {
    let Some(mut session) = Session::start("desktop: no tray").await else {
        return;
    };
    let _keychain = Keychain::start(&session).await;
    Settings::on(free_port()).write(&session);
    let pid = session.start_app(&[]);
    screen::wait_for_window(&session, WindowState::Shown).await;
    screen::close_window(&session).await;
    screen::wait_for_window(&session, WindowState::Minimised).await;
    assert_eq!(session.processes("coretap-desktop"), [pid]);
    // It is never lost: a second start brings it back.
    let second = session.start_app(&[]);
    assert_eq!(session.ended(second).await, 0);
    screen::wait_for_window(&session, WindowState::Shown).await;
    // A tray that comes later takes it in.
    let tray = Tray::start(&session).await;
    tray.wait_for_item().await;
    screen::close_window(&session).await;
    screen::wait_for_window(&session, WindowState::Absent).await;
    assert_eq!(session.processes("coretap-desktop"), [pid]);
}

#[tokio::test]
async fn a_companys_proxy_is_not_used_for_this_machine() {
    let Some(mut session) = Session::start("desktop: a company's proxy").await else {
        return;
    };
    let _keychain = Keychain::start(&session).await;
    let port = free_port();
    let mut settings = Settings::on(port).with_simulator();
    settings.start_proxy = true;
    settings.write(&session);
    let proxy = Host::always(Reply::text(502, "not for this machine")).await;
    let tray = Tray::start(&session).await;
    let mut command = session.app(&["--hidden"]);
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env(name, proxy.url());
    }
    session.spawn(command);
    tray.wait_for_item().await;
    tray.wait_for_state("running").await;
    let local_key = keychain::local_key(&session).await;
    is_answered(([127, 0, 0, 1], port).into(), &local_key, "gpt-4o").await;
    assert_eq!(
        proxy.connections(),
        0,
        "the built-in simulator was asked by way of the proxy"
    );
}
