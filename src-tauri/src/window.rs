//! The one window: made when it is asked for, destroyed when it is closed.

use coretap_app::App;
use tauri::{AppHandle, Manager, Url, WebviewUrl, WebviewWindowBuilder, Window, WindowEvent};

use crate::surroundings::Surroundings;

/// The window's name in Tauri.
pub(crate) const LABEL: &str = "main";
/// The event that brings a new snapshot.
pub(crate) const SNAPSHOT: &str = "snapshot";

/// Shows the window, in front of all others; makes it if there is none.
pub(crate) fn show(app: &AppHandle) {
    let shown = match app.get_webview_window(LABEL) {
        Some(window) => window
            .unminimize()
            .and_then(|()| window.show())
            .and_then(|()| window.set_focus()),
        None => WebviewWindowBuilder::new(app, LABEL, WebviewUrl::default())
            .title("Coretap")
            .inner_size(1120.0, 780.0)
            .min_inner_size(720.0, 520.0)
            // The page takes dropped service keys itself.
            .disable_drag_drop_handler()
            .on_navigation(is_own_page)
            .build()
            .map(|_| ()),
    };
    if let Err(error) = shown {
        tracing::error!(%error, "no window");
    }
}

/// Whether the window may go there: nowhere but to the pages in the program, whatever a page asks for.
fn is_own_page(url: &Url) -> bool {
    // Windows has no schemes of its own in its web view, so Tauri uses a host there.
    url.scheme() == "tauri" || url.host_str() == Some("tauri.localhost")
}

/// Closing destroys the window and all processes of its page; the tray brings it back. Where there is no tray that could,
/// it is only minimised.
pub(crate) fn on_event(window: &Window, event: &WindowEvent) {
    if let WindowEvent::Destroyed = event {
        // Nobody sees its steps any more.
        window.state::<App>().cancel_test();
    }
    if let WindowEvent::CloseRequested { api, .. } = event
        && !window.state::<Surroundings>().facts().borrow().has_tray
    {
        api.prevent_close();
        if let Err(error) = window.minimize() {
            tracing::warn!(%error, "the window can't be minimised");
        }
    }
}
