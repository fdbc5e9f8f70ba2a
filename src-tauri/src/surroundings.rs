//! What the desktop around Coretap is like, as far as Coretap must know.

#[cfg(target_os = "linux")]
mod linux;

use tokio::sync::watch;

/// What Coretap must know of the desktop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Whether somebody shows tray icons.
    pub(crate) has_tray: bool,
    /// Whether the person wants dark surfaces. Panels are dark on most desktops, so that is the answer when nobody says.
    pub(crate) is_dark: bool,
}

/// The facts, now and whenever they change.
pub(crate) struct Surroundings {
    facts: watch::Sender<Facts>,
}

impl Surroundings {
    /// The facts, now and whenever they change.
    pub(crate) fn facts(&self) -> watch::Receiver<Facts> {
        self.facts.subscribe()
    }
}

/// Follows the desktop in the background.
pub(crate) fn follow() -> Surroundings {
    #[cfg(target_os = "linux")]
    let facts = linux::follow();
    // Windows and macOS always have a place for tray icons. macOS paints the icon itself, and Windows' taskbar is dark
    // unless somebody changed it.
    #[cfg(not(target_os = "linux"))]
    let facts = watch::Sender::new(Facts {
        has_tray: true,
        is_dark: true,
    });
    Surroundings { facts }
}

/// Whether a window can be opened at all.
pub(crate) fn has_display() -> bool {
    #[cfg(target_os = "linux")]
    return linux::has_display();
    #[cfg(not(target_os = "linux"))]
    true
}
