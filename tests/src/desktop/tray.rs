//! A tray host of the test's own: the watcher that the app registers with, and a client that reads its icon and
//! clicks in its menu.

use std::path::PathBuf;
use std::time::Duration;

use zbus::zvariant::Value;
use zbus::{Connection, Proxy};

use crate::desktop::menu::{Entry, Layout};
use crate::desktop::session::Session;
use crate::desktop::watcher::{self, Item, Items};
use crate::desktop::{screen, until, until_within};

const ITEM: &str = "org.kde.StatusNotifierItem";
const MENU: &str = "com.canonical.dbusmenu";

/// A tray host, and the hand that clicks in it.
pub struct Tray {
    connection: Connection,
    items: Items,
}

impl Tray {
    /// Starts the host. It has to be there before the app: the app looks for it when it starts.
    pub async fn start(session: &Session) -> Self {
        let connection = session.connection().await;
        let items = watcher::start(&connection).await;
        Self { connection, items }
    }

    /// The tray of a panel that runs already, once the app's icon is in it.
    pub async fn of_panel(session: &Session) -> Self {
        let connection = session.connection().await;
        let items = watcher::items_of_panel(&connection).await;
        Self { connection, items }
    }

    /// Waits until the app's icon is there.
    pub async fn wait_for_item(&self) {
        until("the tray item", async || self.item().is_some().then_some(())).await;
        until("the tray menu", async || {
            let menu = self.try_menu().await?;
            (menu.children.len() > 5).then_some(())
        })
        .await;
    }

    /// Waits until the app's icon is gone.
    pub async fn wait_for_no_item(&self) {
        until("the tray item is gone", async || {
            self.item().is_none().then_some(())
        })
        .await;
    }

    /// How many icons there are.
    pub fn count(&self) -> usize {
        self.items.lock().unwrap().len()
    }

    fn item(&self) -> Option<Item> {
        self.items.lock().unwrap().first().cloned()
    }

    async fn item_proxy(&self) -> Option<Proxy<'static>> {
        let Item { owner, path } = self.item()?;
        // Read anew each time: what counts is what the app says now.
        zbus::proxy::Builder::new(&self.connection)
            .destination(owner)
            .ok()?
            .path(path)
            .ok()?
            .interface(ITEM)
            .ok()?
            .cache_properties(zbus::proxy::CacheProperties::No)
            .build()
            .await
            .ok()
    }

    /// A text property of the icon: `Id`, `Status`, `IconName`, `XAyatanaLabel`.
    pub async fn text(&self, property: &str) -> String {
        let item = self.item_proxy().await.expect("a tray item");
        item.get_property(property).await.unwrap_or_default()
    }

    /// Waits until the icon's label says this: `stopped`, `running`, `degraded`, `failed`.
    pub async fn wait_for_state(&self, state: &str) {
        self.state_within(Duration::from_secs(30), state).await;
    }

    /// Waits for the state no longer than this.
    pub async fn state_within(&self, limit: Duration, state: &str) {
        until_within(limit, &format!("the tray says {state}"), async || {
            (self.text("XAyatanaLabel").await == state).then_some(())
        })
        .await;
    }

    /// The icon that is shown now.
    pub async fn icon(&self) -> PathBuf {
        let name = PathBuf::from(self.text("IconName").await);
        if name.is_file() {
            return name;
        }
        let folder = PathBuf::from(self.text("IconThemePath").await);
        folder.join(name).with_extension("png")
    }

    /// The pixels of the icon that is shown now.
    pub async fn icon_pixels(&self, session: &Session) -> Vec<u8> {
        screen::pixels(session, &self.icon().await).await
    }

    /// The whole menu.
    pub async fn menu(&self) -> Entry {
        until("the tray menu", async || self.try_menu().await).await
    }

    /// Waits until the menu is as wanted, and gives it.
    pub async fn menu_when(&self, what: &str, wanted: impl Fn(&Entry) -> bool) -> Entry {
        until(what, async || self.try_menu().await.filter(|menu| wanted(menu))).await
    }

    async fn try_menu(&self) -> Option<Entry> {
        let menu = self.menu_proxy().await?;
        let _: bool = menu.call("AboutToShow", &(0i32,)).await.ok()?;
        let everything: Vec<&str> = Vec::new();
        let (_, layout): (u32, Layout) = menu.call("GetLayout", &(0i32, -1i32, everything)).await.ok()?;
        Some(Entry::read(layout))
    }

    async fn menu_proxy(&self) -> Option<Proxy<'static>> {
        let item = self.item_proxy().await?;
        let path: zbus::zvariant::OwnedObjectPath = item.get_property("Menu").await.ok()?;
        Proxy::new(&self.connection, item.destination().to_owned(), path, MENU)
            .await
            .ok()
    }

    /// Clicks the entry that this path of labels leads to, once it is there and enabled.
    pub async fn click(&self, path: &[&str]) {
        let what = format!("the entry {path:?} can be clicked");
        let id = until(&what, async || {
            let menu = self.try_menu().await?;
            let entry = menu.at(path)?;
            (entry.enabled && entry.visible).then_some(entry.id)
        })
        .await;
        let menu = self.menu_proxy().await.expect("a tray menu");
        let _: () = menu
            .call("Event", &(id, "clicked", Value::from(""), 0u32))
            .await
            .unwrap();
    }
}
