//! What the desktop around Coretap is like. Windows and macOS always have a place for tray icons, and what colour it
//! has is theirs to say: macOS paints the icon itself, and Windows' taskbar is dark unless somebody changed it.

use tokio::sync::watch;

/// What Coretap must know of the desktop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Whether somebody shows tray icons.
    pub(crate) has_tray: bool,
    /// Whether the person wants dark surfaces.
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

/// Nothing here changes.
pub(crate) fn follow() -> Surroundings {
    let (facts, _) = watch::channel(Facts {
        has_tray: true,
        is_dark: true,
    });
    Surroundings { facts }
}

/// Whether a window can be opened at all.
pub(crate) fn has_display() -> bool {
    true
}
