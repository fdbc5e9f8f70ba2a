//! How Linux tells its facts: a tray is a `StatusNotifierWatcher` on the session bus, and dark surfaces are a setting of
//! the desktop portal.

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::watch;
use zbus::fdo::{DBusProxy, NameOwnerChanged};
use zbus::names::BusName;
use zbus::zvariant::OwnedValue;
use zbus::{Connection, Proxy};

use super::Facts;

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const APPEARANCE: &str = "org.freedesktop.appearance";
const COLOR_SCHEME: &str = "color-scheme";
/// The portal's word for "prefers dark".
const PREFERS_DARK: u32 = 1;

/// Follows the desktop in the background. Before it has answered, and without a session bus, there is no tray: closing
/// the window then only minimises it, and it is never lost.
pub(super) fn follow() -> watch::Sender<Facts> {
    let facts = watch::Sender::new(Facts {
        has_tray: false,
        is_dark: true,
    });
    let followed = facts.clone();
    tauri::async_runtime::spawn(async move {
        if let Err(error) = keep_up(&followed).await {
            tracing::warn!(%error, "nothing is known of the desktop");
        }
    });
    facts
}

async fn keep_up(facts: &watch::Sender<Facts>) -> zbus::Result<()> {
    let bus = Connection::session().await?;
    let names = DBusProxy::new(&bus).await?;
    let mut owners = names
        .receive_name_owner_changed_with_args(&[(0, WATCHER)])
        .await?;
    let has_tray = names.name_has_owner(BusName::try_from(WATCHER)?).await?;
    facts.send_modify(|facts| facts.has_tray = has_tray);

    let mut schemes = color_schemes(&bus, facts).await;
    loop {
        tokio::select! {
            changed = owners.next() => match changed {
                Some(changed) => take_owner(&changed, facts)?,
                None => return Ok(()),
            },
            Some(scheme) = schemes.next() => take_scheme(scheme, facts),
        }
    }
}

fn take_owner(changed: &NameOwnerChanged, facts: &watch::Sender<Facts>) -> zbus::Result<()> {
    let has_tray = changed.args()?.new_owner().is_some();
    facts.send_modify(|facts| facts.has_tray = has_tray);
    Ok(())
}

fn take_scheme(scheme: u32, facts: &watch::Sender<Facts>) {
    facts.send_modify(|facts| facts.is_dark = scheme == PREFERS_DARK);
}

/// The changes of the color scheme; none where there is no portal.
async fn color_schemes(bus: &Connection, facts: &watch::Sender<Facts>) -> BoxStream<'static, u32> {
    match portal(bus, facts).await {
        Ok(changes) => changes,
        Err(error) => {
            tracing::debug!(%error, "no desktop portal");
            futures_util::stream::pending().boxed()
        }
    }
}

async fn portal(bus: &Connection, facts: &watch::Sender<Facts>) -> zbus::Result<BoxStream<'static, u32>> {
    let settings: Proxy<'static> = Proxy::new(
        bus,
        "org.freedesktop.portal.Desktop",
        "/org/freedesktop/portal/desktop",
        "org.freedesktop.portal.Settings",
    )
    .await?;
    let changes = settings.receive_signal("SettingChanged").await?;
    let now: OwnedValue = settings.call("ReadOne", &(APPEARANCE, COLOR_SCHEME)).await?;
    if let Ok(scheme) = u32::try_from(now) {
        take_scheme(scheme, facts);
    }
    let schemes = changes.filter_map(async |changed| {
        let body = changed.body();
        let (namespace, key, value): (String, String, OwnedValue) = body.deserialize().ok()?;
        let is_it = namespace == APPEARANCE && key == COLOR_SCHEME;
        u32::try_from(value).ok().filter(|_| is_it)
    });
    Ok(schemes.boxed())
}

/// Whether a window can be opened at all: GTK ends the program where there is no display.
pub(super) fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
