//! What it costs to have the app in the tray. It runs alone: what two apps share counts half for each.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use coretap_tests::desktop::hidden::Hidden;
use coretap_tests::desktop::memory::pss;
use coretap_tests::folders::report;

/// Mebibytes of proportional memory of the app and all below it, while only its icon is there.
const TRAY_ONLY: f64 = 105.0;

#[tokio::test]
async fn a_hidden_app_is_small() {
    let Some(app) = Hidden::start("desktop: memory").await else {
        return;
    };
    app.tray.wait_for_state("stopped").await;
    app.tray
        .menu_when("not set up", |menu| menu.at(&["Not set up"]).is_some())
        .await;
    let (mebibytes, parts) = pss(app.pid);
    report(&format!(
        "desktop: {mebibytes:.0} MiB PSS with the tray only (limit {TRAY_ONLY:.0}; {parts})"
    ));
    assert!(mebibytes > 1.0, "nothing was measured");
    assert!(mebibytes <= TRAY_ONLY, "{mebibytes:.1} MiB: {parts}");
}
