//! Coretap's window and tray: thin over `coretap-app`, which decides everything that is not about the desktop.
//!
//! Architecture Invariant: only this crate names `tauri`.
#![expect(
    clippy::disallowed_methods,
    reason = "tauri::generate_context ends the program by itself when it finds its own data broken"
)]
#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

mod commands;
mod surroundings;
mod tray;
mod tray_icon;
mod window;

use std::process::ExitCode;
use std::time::Duration;

use coretap_app::App;
use tauri::{AppHandle, Emitter, Manager, RunEvent};
use tauri_plugin_autostart::ManagerExt;

/// Starts without a window, as at login.
const HIDDEN: &str = "--hidden";
/// Uses the built-in simulator while nothing is set up.
const DEMO: &str = "--demo";
/// Changes of the snapshot are shown this often at most.
const PAUSE: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    if !surroundings::has_display() {
        return fail("There is no display. The same proxy runs without one: coretap serve");
    }
    tracing_subscriber::fmt()
        .with_env_filter(std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned()))
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("no runtime: {error}")),
    };
    tauri::async_runtime::set(runtime.handle().clone());

    let built = tauri::Builder::default()
        // It must be the first, so that a second start does nothing else.
        .plugin(tauri_plugin_single_instance::init(|app, _, _| window::show(app)))
        .plugin(tauri_plugin_clipboard_manager::init())
        .plugin(
            tauri_plugin_autostart::Builder::new()
                .app_name("Coretap")
                .arg(HIDDEN)
                .build(),
        )
        .invoke_handler(commands::handler())
        .on_window_event(window::on_event)
        .setup(|app| setup(app.handle()))
        .build(tauri::generate_context!());
    let app = match built {
        Ok(app) => app,
        Err(error) => return fail(&error.to_string()),
    };
    app.run(|_, event| {
        // The last window is closed, and the tray goes on. Quit has a code.
        if let RunEvent::ExitRequested { api, code: None, .. } = event {
            api.prevent_exit();
        }
    });
    ExitCode::SUCCESS
}

fn setup(handle: &AppHandle) -> Result<(), Box<dyn std::error::Error>> {
    let app = tauri::async_runtime::block_on(async {
        App::open(&|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    })?;
    handle.manage(app.clone());
    handle.manage(surroundings::follow());
    let has_flag = |flag| std::env::args().any(|argument| argument == flag);
    if has_flag(DEMO) {
        let app = app.clone();
        tauri::async_runtime::spawn(async move { app.try_simulator().await });
    }
    #[cfg(unix)]
    tauri::async_runtime::spawn(end_when_told(handle.clone(), app.clone()));
    let tray = tray::Tray::build(handle)?;
    tauri::async_runtime::spawn(show_changes(handle.clone(), app, tray));
    if !has_flag(HIDDEN) {
        window::show(handle);
    }
    Ok(())
}

/// Shows every change in the tray and in the window, for as long as the app runs.
async fn show_changes(handle: AppHandle, app: App, mut tray: tray::Tray) {
    let mut snapshots = app.snapshots();
    let mut facts = handle.state::<surroundings::Surroundings>().facts();
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        let dark = facts.borrow_and_update().is_dark;
        let at_login = handle.autolaunch().is_enabled().unwrap_or(false);
        if let Err(error) = tray.show(&snapshot, at_login, dark) {
            tracing::warn!(%error, "the tray does not show the newest state");
        }
        if handle.get_webview_window(window::LABEL).is_some()
            && let Err(error) = handle.emit(window::SNAPSHOT, &snapshot)
        {
            tracing::warn!(%error, "the window does not show the newest state");
        }
        tokio::time::sleep(PAUSE).await;
        tokio::select! {
            changed = snapshots.changed() => if changed.is_err() { return },
            changed = facts.changed() => if changed.is_err() { return },
            () = tray.changed() => {}
        }
    }
}

/// Ends like Quit when the system or a terminal says so, at the end of a session for one.
#[cfg(unix)]
async fn end_when_told(handle: AppHandle, app: App) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    app.stop().await;
    handle.exit(0);
}

/// Tells the one who started Coretap in a terminal why it does not start.
fn fail(why: &str) -> ExitCode {
    use std::io::Write;
    // Without a terminal there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "error: {why}");
    ExitCode::FAILURE
}
