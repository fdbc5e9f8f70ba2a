//! The watcher of a tray: programs tell it of their icons, and whoever shows icons asks it.
#![allow(
    missing_docs,
    clippy::unused_self,
    clippy::used_underscore_binding,
    reason = "The D-Bus interface says what its methods take, and its attribute writes code of its own."
)]

use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;

use crate::desktop::until;

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const WATCHER_PATH: &str = "/StatusNotifierWatcher";

/// Where an item can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) owner: String,
    pub(crate) path: String,
}

impl Item {
    /// Ayatana registers a bare path, others a bus name with or without one.
    fn read(service: &str, sender: &str) -> Self {
        let (owner, path) = match service.find('/') {
            Some(0) => (sender, service),
            Some(slash) => service.split_at(slash),
            None => (service, "/StatusNotifierItem"),
        };
        Self {
            owner: owner.to_owned(),
            path: path.to_owned(),
        }
    }
}

/// The items that are there now.
pub(crate) type Items = Arc<Mutex<Vec<Item>>>;

/// The watcher's side that the app sees.
struct Watcher {
    items: Items,
}

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    async fn register_status_notifier_item(
        &mut self,
        service: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> zbus::fdo::Result<()> {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let item = Item::read(service, &sender);
        let name = format!("{}{}", item.owner, item.path);
        {
            let mut items = self.items.lock().unwrap();
            if !items.contains(&item) {
                items.push(item);
            }
        }
        Self::status_notifier_item_registered(&emitter, &name).await?;
        Ok(())
    }

    async fn register_status_notifier_host(
        &self,
        _service: &str,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> zbus::fdo::Result<()> {
        Self::status_notifier_host_registered(&emitter).await?;
        Ok(())
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        let items = self.items.lock().unwrap();
        items
            .iter()
            .map(|item| format!("{}{}", item.owner, item.path))
            .collect()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    #[zbus(signal)]
    async fn status_notifier_item_registered(emitter: &SignalEmitter<'_>, service: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn status_notifier_item_unregistered(
        emitter: &SignalEmitter<'_>,
        service: &str,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn status_notifier_host_registered(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}

/// Owns the watcher's name on this bus, and gives the icons that come and go.
pub(crate) async fn start(connection: &Connection) -> Items {
    let items = Items::default();
    let watcher = Watcher {
        items: Arc::clone(&items),
    };
    connection
        .object_server()
        .at(WATCHER_PATH, watcher)
        .await
        .unwrap();
    let bus = DBusProxy::new(connection).await.unwrap();
    let mut changes = bus.receive_name_owner_changed().await.unwrap();
    let known = Arc::clone(&items);
    let emitter = SignalEmitter::new(connection, WATCHER_PATH).unwrap().to_owned();
    tokio::spawn(async move {
        while let Some(change) = changes.next().await {
            let change = change.args().unwrap();
            if change.new_owner.is_some() {
                continue;
            }
            let gone: Vec<Item> = {
                let mut items = known.lock().unwrap();
                let owned = |item: &mut Item| item.owner == change.name.as_str();
                items.extract_if(.., owned).collect()
            };
            for item in gone {
                let name = format!("{}{}", item.owner, item.path);
                let _ = Watcher::status_notifier_item_unregistered(&emitter, &name).await;
            }
        }
    });
    connection.request_name(WATCHER).await.unwrap();
    items
}

/// The icons that a panel's own watcher knows, once there is one.
pub(crate) async fn items_of_panel(connection: &Connection) -> Items {
    let panel = zbus::proxy::Builder::<zbus::Proxy<'_>>::new(connection)
        .destination(WATCHER)
        .unwrap()
        .path(WATCHER_PATH)
        .unwrap()
        .interface(WATCHER)
        .unwrap()
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await
        .unwrap();
    let item = until("an icon in the panel", async || {
        let names: Vec<String> = panel.get_property("RegisteredStatusNotifierItems").await.ok()?;
        names.first().map(|name| Item::read(name, ""))
    })
    .await;
    Arc::new(Mutex::new(vec![item]))
}
