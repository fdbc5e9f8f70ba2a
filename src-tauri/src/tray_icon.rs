//! The tray's icon: one for each state, in a form for light panels, for dark ones, and for macOS, which paints it itself.

use coretap_app::view::ProxyView;
use tauri::image::Image;
use tauri::include_image;

/// What the icon tells, by its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing listens.
    Stopped,
    /// The proxy listens, and the last exchange worked.
    Running,
    /// It is starting, stopping, or the last exchange failed.
    Degraded,
    /// It could not start.
    Failed,
}

impl State {
    pub(crate) fn of(proxy: &ProxyView) -> Self {
        match proxy {
            ProxyView::Stopped => State::Stopped,
            ProxyView::Running { .. } => State::Running,
            ProxyView::Starting | ProxyView::Stopping | ProxyView::Degraded { .. } => State::Degraded,
            ProxyView::Failed { .. } => State::Failed,
        }
    }

    /// The state in a word, which some panels show beside the icon.
    pub(crate) fn word(self) -> &'static str {
        match self {
            State::Stopped => "stopped",
            State::Running => "running",
            State::Degraded => "degraded",
            State::Failed => "failed",
        }
    }

    /// The icon for a panel that is dark or light.
    pub(crate) fn icon(self, is_dark: bool) -> Image<'static> {
        let [light, dark, template] = match self {
            State::Stopped => [
                include_image!("../icons/tray/stopped-light.png"),
                include_image!("../icons/tray/stopped-dark.png"),
                include_image!("../icons/tray/stopped-template.png"),
            ],
            State::Running => [
                include_image!("../icons/tray/running-light.png"),
                include_image!("../icons/tray/running-dark.png"),
                include_image!("../icons/tray/running-template.png"),
            ],
            State::Degraded => [
                include_image!("../icons/tray/degraded-light.png"),
                include_image!("../icons/tray/degraded-dark.png"),
                include_image!("../icons/tray/degraded-template.png"),
            ],
            State::Failed => [
                include_image!("../icons/tray/failed-light.png"),
                include_image!("../icons/tray/failed-dark.png"),
                include_image!("../icons/tray/failed-template.png"),
            ],
        };
        if cfg!(target_os = "macos") {
            template
        } else if is_dark {
            dark
        } else {
            light
        }
    }
}
