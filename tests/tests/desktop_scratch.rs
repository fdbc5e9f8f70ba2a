#![allow(clippy::unwrap_used)]
use coretap_tests::desktop::keychain::Keychain;
use coretap_tests::desktop::session::{Session, free_port};
use coretap_tests::desktop::settings::Settings;
use coretap_tests::desktop::window::Window;
use coretap_tests::process::Simulator;
#[tokio::test]
async fn scratch() {
    let mut session = Session::start("scratch").await.unwrap();
    let _k = Keychain::start(&session).await;
    let simulator = Simulator::start().await;
    Settings::on(free_port()).write(&session);
    let window = Window::open(&session).await;
    window.go_to_form().await;
    window
        .paste_service_key(&mut session, &simulator.service_key)
        .await;
    eprintln!("{}", window.models_offered().await);
    window.choose("#model", "gpt-4o").await;
    window.script("window.seen = []; for (const name of ['pointerdown','pointermove','mousemove','focusin','mousedown','mouseup','click','ui5-click','focusout','scroll','scrollend']) document.addEventListener(name, (e) => window.seen.push([name, e.clientX ?? null, e.clientY ?? null, e.target.id || e.target.tagName, performance.now() | 0, find('#save-connection').getBoundingClientRect().y, find('#save-connection').disabled]), true); window.addEventListener('ui5-click', (e) => window.seen.push(['ui5', e.target.id]), true)", vec![]).await;
    let part = window.client.find(fantoccini::Locator::Css("#save-connection")).await.unwrap();
    coretap_tests::desktop::until("enabled", async || window.enabled("#save-connection").await.then_some(())).await;
    eprintln!("rect {:?}", part.rectangle().await);
    let id = session.output("xdotool", &["search", "--onlyvisible", "--name", "^Coretap$"]).await;
    eprintln!("ids {id:?}");
    eprintln!("{}", session.output("xdotool", &["mousemove", "--window", &id, "439", "730", "click", "1"]).await);
    coretap_tests::desktop::poll(std::time::Duration::from_secs(2), async || None::<()>).await;
    for _ in 0..3 {
        eprintln!("{}", window.script("return JSON.stringify(window.seen) + ' now ' + (performance.now() | 0) + ' active ' + document.activeElement.id", vec![]).await);
    }
    window.screenshot("scratch1").await;
    eprintln!("saved {}", window.exists("#connection-saved").await);
    window.click("#save-connection").await;
    eprintln!(
        "{}",
        window.script("return JSON.stringify(window.seen)", vec![]).await
    );
    window.wait_for("#connection-saved").await;
    eprintln!("saved {}", window.exists("#connection-saved").await);
    window.end().await;
}
