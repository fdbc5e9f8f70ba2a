//! The app as it is at login before anything is set up: an icon in the tray, and nothing else.

use crate::desktop::keychain::Keychain;
use crate::desktop::session::{Session, free_port};
use crate::desktop::settings::Settings;
use crate::desktop::tray::Tray;

/// A desktop with a keychain and a tray host, and the app in it.
pub struct Hidden {
    /// The desktop.
    pub session: Session,
    /// The tray host, which has the app's icon.
    pub tray: Tray,
    /// The app's process.
    pub pid: u32,
    _keychain: Keychain,
}

impl Hidden {
    /// Starts the app without its window, and waits for its icon. Nothing where `suite` can't be run.
    pub async fn start(suite: &str) -> Option<Self> {
        let mut session = Session::start(suite).await?;
        let keychain = Keychain::start(&session).await;
        Settings::on(free_port()).write(&session);
        let tray = Tray::start(&session).await;
        let pid = session.start_app(&["--hidden"]);
        tray.wait_for_item().await;
        Some(Self {
            session,
            tray,
            pid,
            _keychain: keychain,
        })
    }
}
