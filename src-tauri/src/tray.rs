//! The tray: its icon and its menu. A menu once set can't be replaced on Linux, so all entries are made once and
//! changed in place.

use std::sync::Arc;

use coretap_app::agents::{Agent, Form};
use coretap_app::view::{ProblemView, ProxyView, Snapshot, SourceView};
use coretap_app::{App, LocalKey};
use tauri::menu::{CheckMenuItem, Menu, MenuEvent, MenuItem, PredefinedMenuItem, Submenu};
use tauri::tray::{TrayIcon, TrayIconBuilder};
use tauri::{AppHandle, Manager, Wry};
use tauri_plugin_autostart::ManagerExt;
use tauri_plugin_clipboard_manager::ClipboardExt;
use tokio::sync::Notify;

use crate::tray_icon::State;
use crate::window;

const START: &str = "start";
const STOP: &str = "stop";
const OPEN: &str = "open";
const AT_LOGIN: &str = "at-login";
const QUIT: &str = "quit";
/// Characters of a problem's sentence that the menu shows.
const LONGEST: usize = 120;
/// The place in the menu behind the submenu of models.
const BEHIND_MODELS: usize = 5;
/// Before a model's name.
const MODEL: &str = "model:";
/// Before a connection's name.
const CONNECTION: &str = "connection:";
/// Before an agent's name.
const AGENT: &str = "agent:";

/// Rung when something changed that no snapshot tells: start at login, or an entry's mark.
#[derive(Clone, Default)]
struct Bell(Arc<Notify>);

/// The icon and those entries that change.
pub(crate) struct Tray {
    icon: TrayIcon,
    status: MenuItem<Wry>,
    start: MenuItem<Wry>,
    stop: MenuItem<Wry>,
    models: Submenu<Wry>,
    model_items: Vec<CheckMenuItem<Wry>>,
    menu: Menu<Wry>,
    /// In the menu only while there are several connections to choose from.
    connections: Submenu<Wry>,
    connection_items: Vec<CheckMenuItem<Wry>>,
    at_login: CheckMenuItem<Wry>,
    quit: MenuItem<Wry>,
    bell: Bell,
    shown: Option<Shown>,
    /// Whether an entry may show something else by now: a toolkit may change a mark by itself when it is clicked.
    was_clicked: bool,
}

/// All that the tray shows. What stays the same is not set again: a busy proxy changes its snapshot with every request,
/// and every icon is written to a file.
#[derive(PartialEq)]
struct Shown {
    state: State,
    is_dark: bool,
    status: String,
    /// `START`, `STOP`, or nothing that could be done.
    action: Option<&'static str>,
    at_login: bool,
    models: Vec<String>,
    selected_model: Option<String>,
    connections: Vec<String>,
    selected_connection: Option<String>,
}

impl Shown {
    fn of(snapshot: &Snapshot, at_login: bool, is_dark: bool) -> Self {
        let proxy = &snapshot.proxy;
        let action = match proxy {
            ProxyView::Starting | ProxyView::Running { .. } | ProxyView::Degraded { .. } => Some(STOP),
            ProxyView::Stopping => None,
            ProxyView::Stopped | ProxyView::Failed { .. } => {
                (snapshot.source != SourceView::None).then_some(START)
            }
        };
        Shown {
            state: State::of(proxy),
            is_dark,
            status: status(snapshot),
            action,
            at_login,
            models: snapshot.models.iter().map(|model| model.name.clone()).collect(),
            selected_model: snapshot.selected_model.clone(),
            connections: snapshot
                .connections
                .iter()
                .map(|saved| saved.connection.name.clone())
                .collect(),
            selected_connection: snapshot
                .connection
                .as_ref()
                .filter(|_| snapshot.source == SourceView::SapAiCore)
                .map(|connection| connection.name.clone()),
        }
    }
}

impl Tray {
    /// Puts the icon into the tray. Without a tray host it waits for one.
    pub(crate) fn build(app: &AppHandle) -> tauri::Result<Self> {
        let item = |id: &str, text, enabled| MenuItem::with_id(app, id, text, enabled, None::<&str>);
        let status = item("status", "Stopped", false)?;
        let start = item(START, "Start", false)?;
        let stop = item(STOP, "Stop", false)?;
        let models = Submenu::with_id(app, "models", "Model", true)?;
        models.append(&item("no-models", "No models", false)?)?;
        let connections = Submenu::with_id(app, "connections", "Connection", true)?;
        let agents = Submenu::with_id(app, "agents", "Copy setup for", true)?;
        for (id, agent) in Agent::ALL {
            agents.append(&item(&format!("{AGENT}{id}"), agent.name(), true)?)?;
        }
        let open = item(OPEN, "Open Coretap", true)?;
        let at_login = CheckMenuItem::with_id(app, AT_LOGIN, "Start at login", true, false, None::<&str>)?;
        let quit = item(QUIT, "Quit", true)?;
        let line = || PredefinedMenuItem::separator(app);
        let menu = Menu::with_items(
            app,
            &[
                &status,
                &line()?,
                &start,
                &stop,
                &models,
                &agents,
                &line()?,
                &open,
                &at_login,
                &line()?,
                &quit,
            ],
        )?;
        let state = State::Stopped;
        let icon = TrayIconBuilder::with_id("coretap")
            .icon(state.icon(true))
            .icon_as_template(true)
            .title(state.word())
            .tooltip("Coretap")
            .menu(&menu)
            .on_menu_event(on_click)
            .build(app)?;
        let bell = Bell::default();
        app.manage(bell.clone());
        Ok(Tray {
            icon,
            status,
            start,
            stop,
            models,
            model_items: Vec::new(),
            menu,
            connections,
            connection_items: Vec::new(),
            at_login,
            quit,
            bell,
            shown: None,
            was_clicked: false,
        })
    }

    /// Waits for a change that no snapshot tells.
    pub(crate) async fn changed(&mut self) {
        self.bell.0.notified().await;
        self.was_clicked = true;
    }

    /// Shows what is true now.
    pub(crate) fn show(&mut self, snapshot: &Snapshot, at_login: bool, is_dark: bool) -> tauri::Result<()> {
        let now = Shown::of(snapshot, at_login, is_dark);
        let before = self.shown.take();
        if std::mem::take(&mut self.was_clicked) || before.as_ref() != Some(&now) {
            self.set(&now, before.as_ref())?;
        }
        self.shown = Some(now);
        Ok(())
    }

    fn set(&mut self, now: &Shown, before: Option<&Shown>) -> tauri::Result<()> {
        self.status.set_text(&now.status)?;
        self.start.set_enabled(now.action == Some(START))?;
        self.stop.set_enabled(now.action == Some(STOP))?;
        self.quit.set_text(if now.action == Some(STOP) {
            "Stop proxy and quit"
        } else {
            "Quit"
        })?;
        self.at_login.set_checked(now.at_login)?;
        if before.is_none_or(|before| before.models != now.models) {
            self.list_models(&now.models)?;
        }
        if before.map_or(&[][..], |before| before.connections.as_slice()) != now.connections.as_slice() {
            self.list_connections(&now.connections)?;
        }
        for (items, prefix, selected) in [
            (&self.model_items, MODEL, &now.selected_model),
            (&self.connection_items, CONNECTION, &now.selected_connection),
        ] {
            for item in items {
                let name = item.id().0.strip_prefix(prefix);
                item.set_checked(name.is_some() && name == selected.as_deref())?;
            }
        }
        if before.is_none_or(|before| before.state != now.state || before.is_dark != now.is_dark) {
            self.icon
                .set_icon_with_as_template(Some(now.state.icon(now.is_dark)), true)?;
            self.icon.set_title(Some(now.state.word()))?;
        }
        Ok(())
    }

    fn list_connections(&mut self, names: &[String]) -> tauri::Result<()> {
        let is_shown = !self.connection_items.is_empty();
        while self.connections.remove_at(0)?.is_some() {}
        self.connection_items.clear();
        if names.len() > 1 {
            let app = self.icon.app_handle();
            for name in names {
                let id = format!("{CONNECTION}{name}");
                // One ampersand underlines the letter behind it.
                let text = name.replace('&', "&&");
                let item = CheckMenuItem::with_id(app, id, text, true, false, None::<&str>)?;
                self.connections.append(&item)?;
                self.connection_items.push(item);
            }
        }
        match (is_shown, self.connection_items.is_empty()) {
            (false, false) => self.menu.insert(&self.connections, BEHIND_MODELS),
            (true, true) => self.menu.remove(&self.connections),
            _ => Ok(()),
        }
    }

    fn list_models(&mut self, names: &[String]) -> tauri::Result<()> {
        let app = self.icon.app_handle();
        while self.models.remove_at(0)?.is_some() {}
        self.model_items.clear();
        for name in names {
            let id = format!("{MODEL}{name}");
            let item = CheckMenuItem::with_id(app, id, name, true, false, None::<&str>)?;
            self.models.append(&item)?;
            self.model_items.push(item);
        }
        if names.is_empty() {
            let none = MenuItem::with_id(app, "no-models", "No models", false, None::<&str>)?;
            self.models.append(&none)?;
        }
        Ok(())
    }
}

/// The first line of the menu.
fn status(snapshot: &Snapshot) -> String {
    match &snapshot.proxy {
        _ if snapshot.source == SourceView::None => "Not set up".to_owned(),
        ProxyView::Stopped => "Stopped".to_owned(),
        ProxyView::Starting => "Starting…".to_owned(),
        ProxyView::Stopping => "Stopping…".to_owned(),
        ProxyView::Running { address } => format!("Running on {}", without_scheme(address)),
        ProxyView::Degraded { problem, .. } => format!("Degraded: {}", words(problem)),
        ProxyView::Failed { problem, .. } => format!("Failed: {}", words(problem)),
    }
}

fn without_scheme(address: &str) -> &str {
    address.strip_prefix("http://").unwrap_or(address)
}

/// A sentence may list all models there are; a menu has no room for them.
fn words(problem: &ProblemView) -> String {
    let mut sentence: String = problem.sentence.chars().take(LONGEST).collect();
    if sentence.len() < problem.sentence.len() {
        sentence.push('…');
    }
    format!("{sentence} ({})", problem.code)
}

/// Every click is answered in the background: a stop may take as long as running streams need.
fn on_click(app: &AppHandle, event: MenuEvent) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Err(problem) = clicked(&app, &event.id().0).await {
            tracing::warn!(code = problem.code, "{}", problem.sentence);
            // The tray can say nothing but its state; the window says the rest.
            window::show(&app);
        }
        app.state::<Bell>().0.notify_one();
    });
}

async fn clicked(app: &AppHandle, id: &str) -> Result<(), ProblemView> {
    let coretap = app.state::<App>();
    if let Some(name) = id.strip_prefix(MODEL) {
        return coretap.select_model(name).await;
    }
    if let Some(name) = id.strip_prefix(CONNECTION) {
        return coretap.select_connection(name).await;
    }
    if let Some(agent) = id.strip_prefix(AGENT).and_then(|id| id.parse::<Agent>().ok()) {
        let usual = agent.forms().into_iter().next();
        return copy_setup(app, agent, usual.unwrap_or(Form::File)).await;
    }
    match id {
        START => coretap.start().await,
        STOP => {
            coretap.stop().await;
            Ok(())
        }
        OPEN => {
            window::show(app);
            Ok(())
        }
        AT_LOGIN => set_start_at_login(app, !starts_at_login(app)?),
        QUIT => {
            coretap.stop().await;
            app.exit(0);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Puts the set-up of an agent, with the local key, into the clipboard.
pub(crate) async fn copy_setup(app: &AppHandle, agent: Agent, form: Form) -> Result<(), ProblemView> {
    let text = app.state::<App>().snippet(agent, form, false).await?;
    copy(app, text)
}

/// Puts the local key into the clipboard.
pub(crate) fn copy_key(app: &AppHandle, key: &LocalKey) -> Result<(), ProblemView> {
    copy(app, key.expose().to_owned())
}

/// Puts a text into the clipboard.
pub(crate) fn copy(app: &AppHandle, text: String) -> Result<(), ProblemView> {
    let written = app.clipboard().write_text(text);
    written.map_err(|error| desktop_problem("The clipboard took nothing", &error))
}

/// Whether the system starts Coretap at login, as the system says it.
pub(crate) fn starts_at_login(app: &AppHandle) -> Result<bool, ProblemView> {
    let enabled = app.autolaunch().is_enabled();
    enabled.map_err(|error| desktop_problem("The system does not say what starts at login", &error))
}

/// Lets the system start Coretap at login, without a window, or not.
pub(crate) fn set_start_at_login(app: &AppHandle, on: bool) -> Result<(), ProblemView> {
    let launcher = app.autolaunch();
    let done = if on {
        launcher.enable()
    } else if starts_at_login(app)? {
        launcher.disable()
    } else {
        Ok(())
    };
    app.state::<Bell>().0.notify_one();
    done.map_err(|error| desktop_problem("Start at login can't be changed", &error))
}

fn desktop_problem(what: &str, error: &dyn std::error::Error) -> ProblemView {
    ProblemView {
        code: "DESKTOP-REFUSED".to_owned(),
        sentence: format!("{what}: {error}."),
        hint: "Try again; if it stays, look into the desktop's own settings.".to_owned(),
        field: None,
    }
}
