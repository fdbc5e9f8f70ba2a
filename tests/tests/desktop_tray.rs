//! The tray as a tray host sees it: every entry is clicked over D-Bus, and what came of it is read back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use std::net::SocketAddr;
use std::time::Duration;

use coretap_tests::desktop::agent::{ask, is_answered};
use coretap_tests::desktop::hidden::Hidden;
use coretap_tests::desktop::hosts;
use coretap_tests::desktop::keychain::{self, Keychain};
use coretap_tests::desktop::menu::Entry;
use coretap_tests::desktop::screen::{self, WindowState};
use coretap_tests::desktop::session::{Services, Session, find_program, free_port};
use coretap_tests::desktop::settings::{Settings, settings_text};
use coretap_tests::desktop::tray::Tray;
use coretap_tests::desktop::until;
use coretap_tests::desktop::window::Window;
use coretap_tests::folders::skipped;
use coretap_tests::http::{empty, send};
use coretap_tests::process::Simulator;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

const AGENTS: [&str; 13] = [
    "Claude Code",
    "Codex",
    "Gemini CLI",
    "Cline",
    "Kilo Code",
    "opencode",
    "GitHub Copilot CLI",
    "Continue",
    "Qwen Code",
    "aider",
    "OpenAI SDK",
    "Anthropic SDK",
    "curl",
];

/// A desktop with a keychain, a tray host and a saved connection to this service key.
struct Connected {
    session: Session,
    _keychain: Keychain,
    tray: Tray,
    port: u16,
    address: SocketAddr,
}

impl Connected {
    async fn start(suite: &str, service_key: &str, orchestration: bool) -> Option<Self> {
        Self::start_with(suite, &[service_key], |settings| {
            settings.with_connection(service_key, orchestration)
        })
        .await
    }

    /// The same with the secrets of several service keys, and what is set for them.
    async fn start_with(
        suite: &str,
        service_keys: &[&str],
        set: impl FnOnce(Settings) -> Settings,
    ) -> Option<Self> {
        let session = Session::start(suite).await?;
        let keychain = Keychain::start(&session).await;
        for service_key in service_keys {
            keychain::store_client_secret(&session, service_key).await;
        }
        let port = free_port();
        set(Settings::on(port)).write(&session);
        let tray = Tray::start(&session).await;
        Some(Self {
            session,
            _keychain: keychain,
            tray,
            port,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        })
    }

    /// Starts the app as at login, and gives its process id once its icon is there.
    async fn start_app(&mut self) -> u32 {
        let pid = self.session.start_app(&["--hidden"]);
        self.tray.wait_for_item().await;
        pid
    }

    async fn listens(&self) -> bool {
        TcpStream::connect(self.address).await.is_ok()
    }
}

#[tokio::test]
async fn every_entry_does_what_it_says() {
    let simulator = Simulator::start().await;
    let Some(mut desk) = Connected::start("desktop: the tray", &simulator.service_key, true).await else {
        return;
    };
    let pid = desk.start_app().await;
    let tray = &desk.tray;
    assert!(
        tray.text("Id").await.contains("coretap"),
        "{}",
        tray.text("Id").await
    );
    assert_eq!(tray.text("Status").await, "Active");
    tray.wait_for_state("stopped").await;
    assert_eq!(screen::window_state(&desk.session).await, WindowState::Absent);
    assert!(
        desk.session.processes("WebKitWebProcess").is_empty(),
        "a hidden start opens no page"
    );
    let menu = tray
        .menu_when("the connection's models", |menu| {
            menu.at(&["Model"])
                .is_some_and(|models| models.children.len() > 5)
        })
        .await;
    assert_eq!(
        menu.labels(),
        [
            "Stopped",
            "Start",
            "Stop",
            "Model",
            "Copy setup for",
            "Open Coretap",
            "Start at login",
            "Quit"
        ]
    );
    let enabled = |menu: &Entry, label: &str| menu.at(&[label]).unwrap().enabled;
    assert!(!enabled(&menu, "Stopped") && enabled(&menu, "Start") && !enabled(&menu, "Stop"));
    assert!(!desk.listens().await);

    tray.click(&["Start"]).await;
    tray.wait_for_state("running").await;
    assert_eq!(send(desk.address, empty("GET", "/health")).await.status, 200);
    let status = format!("Running on {}", desk.address);
    let menu = tray
        .menu_when(&status, |menu| {
            menu.at(&[&status]).is_some_and(|entry| !entry.enabled)
        })
        .await;
    assert!(!enabled(&menu, "Start") && enabled(&menu, "Stop"));
    assert!(menu.at(&["Stop proxy and quit"]).is_some() && menu.at(&["Quit"]).is_none());

    for model in ["gpt-4o", "anthropic--claude-4.5-sonnet"] {
        tray.click(&["Model", model]).await;
        tray.menu_when(&format!("{model} alone is checked"), |menu| {
            menu.at(&["Model"]).unwrap().checked() == [model]
        })
        .await;
        let line = format!("model = \"{model}\"");
        until(&line, async || {
            settings_text(&desk.session).contains(&line).then_some(())
        })
        .await;
    }

    let autostart = desk.session.autostart().join("Coretap.desktop");
    assert!(!autostart.exists(), "it starts at login although nobody asked");
    tray.click(&["Start at login"]).await;
    tray.menu_when("start at login is checked", |menu| {
        menu.checked() == ["Start at login"]
    })
    .await;
    // The menu's entry checks itself when it is clicked, before the system has been told.
    let written = until("what starts at login", async || {
        let text = std::fs::read_to_string(&autostart).ok()?;
        (!text.is_empty()).then_some(text)
    })
    .await;
    assert!(
        written.contains("coretap-desktop") && written.contains("--hidden"),
        "{written}"
    );
    tray.click(&["Start at login"]).await;
    tray.menu_when("start at login is not checked", |menu| menu.checked().is_empty())
        .await;
    assert!(!autostart.exists());

    tray.click(&["Open Coretap"]).await;
    screen::wait_for_window(&desk.session, WindowState::Shown).await;

    tray.click(&["Stop"]).await;
    tray.wait_for_state("stopped").await;
    assert!(!desk.listens().await, "it listens although it is stopped");
    tray.click(&["Start"]).await;
    tray.wait_for_state("running").await;
    tray.click(&["Stop proxy and quit"]).await;
    assert_eq!(desk.session.ended(pid).await, 0);
    desk.tray.wait_for_no_item().await;
    assert!(!desk.listens().await);
}

#[tokio::test]
async fn the_connection_is_switched_and_requests_go_to_the_other_tenant() {
    let (here, there) = (
        Simulator::of_tenant("here").await,
        Simulator::of_tenant("there").await,
    );
    let keys = [here.service_key.as_str(), there.service_key.as_str()];
    let desk = Connected::start_with("desktop: the tray's connections", &keys, |settings| {
        settings
            .with_one_of_many(keys[0], "name = \"Here & now\"\norchestration = true\n")
            .with_one_of_many(keys[1], "name = \"There\"\norchestration = true\n")
    });
    let Some(mut desk) = desk.await else {
        return;
    };
    desk.start_app().await;
    let tray = &desk.tray;
    let is_checked = |name: &'static str| {
        move |menu: &Entry| {
            menu.at(&["Connection"]).is_some_and(|connections| {
                connections.labels() == ["Here & now", "There"] && connections.checked() == [name]
            })
        }
    };
    let menu = tray
        .menu_when("the first one is in use", is_checked("Here & now"))
        .await;
    let place = |label: &str| menu.labels().iter().position(|found| *found == label).unwrap();
    assert_eq!(place("Connection"), place("Model") + 1);

    tray.click(&["Start"]).await;
    tray.wait_for_state("running").await;
    let local_key = keychain::local_key(&desk.session).await;
    let answers = async || (here.inference().await.len(), there.inference().await.len());
    is_answered(desk.address, &local_key, "gpt-4o").await;
    assert_eq!(answers().await, (1, 0));

    tray.click(&["Connection", "There"]).await;
    tray.menu_when("the second one is in use", is_checked("There"))
        .await;
    until("it is written", async || {
        settings_text(&desk.session)
            .contains("selected = \"There\"")
            .then_some(())
    })
    .await;
    assert_eq!(tray.text("XAyatanaLabel").await, "running", "nobody stopped it");
    until("requests go to the other tenant", async || {
        is_answered(desk.address, &local_key, "gpt-4o").await;
        (there.inference().await.len() == 1).then_some(())
    })
    .await;
    let before = answers().await;
    is_answered(desk.address, &local_key, "gpt-4o").await;
    assert_eq!(answers().await, (before.0, before.1 + 1));

    // Clicked again, it stays the one in use.
    tray.click(&["Connection", "There"]).await;
    is_answered(desk.address, &local_key, "gpt-4o").await;
    tray.menu_when("it is still in use", is_checked("There")).await;
    assert_eq!(answers().await, (before.0, before.1 + 2));
    for tenant in [&here, &there] {
        // Each takes its own secret and its own tokens only.
        tenant.refused_nothing().await;
        assert!(tenant.count("token").await > 0);
    }
}

#[tokio::test]
async fn each_agents_setup_is_copied_with_address_and_key() {
    let simulator = Simulator::start().await;
    let Some(mut desk) = Connected::start("desktop: copy setup", &simulator.service_key, true).await else {
        return;
    };
    desk.start_app().await;
    desk.tray.click(&["Start"]).await;
    desk.tray.wait_for_state("running").await;
    let menu = desk.tray.menu().await;
    assert_eq!(menu.at(&["Copy setup for"]).unwrap().labels(), AGENTS);
    let local_key = keychain::local_key(&desk.session).await;
    assert!(
        local_key.len() > 32,
        "no local key in the keychain: {local_key:?}"
    );
    let mut incomplete = Vec::new();
    for agent in AGENTS {
        // Two agents may have the same set-up.
        screen::copy(&mut desk.session, "nothing yet").await;
        desk.tray.click(&["Copy setup for", agent]).await;
        let copied = until(
            &format!("the set-up of {agent} is in the clipboard"),
            async || {
                let text = screen::clipboard(&desk.session).await;
                (!text.is_empty() && text != "nothing yet").then_some(text)
            },
        )
        .await;
        if !copied.contains(&local_key) || !copied.contains(&desk.port.to_string()) {
            incomplete.push(format!("{agent}:\n{copied}"));
        }
    }
    assert!(
        incomplete.is_empty(),
        "without address or key: {}",
        incomplete.join("\n\n")
    );
}

#[tokio::test]
async fn each_state_has_an_icon_of_its_own_and_says_what_is_wrong() {
    let simulator = Simulator::start().await;
    let Some(mut desk) = Connected::start("desktop: the tray's icons", &simulator.service_key, true).await
    else {
        return;
    };
    // Somebody else has the port.
    let owner = TcpListener::bind(desk.address).await.unwrap();
    desk.start_app().await;
    let tray = &desk.tray;
    let mut icons = Vec::new();
    tray.wait_for_state("stopped").await;
    icons.push(("stopped", tray.icon_pixels(&desk.session).await));

    tray.click(&["Start"]).await;
    tray.wait_for_state("failed").await;
    icons.push(("failed", tray.icon_pixels(&desk.session).await));
    let menu = tray.menu().await;
    let status = menu.labels()[0].to_owned();
    let who = format!("(process {})", std::process::id());
    assert!(
        status.starts_with("Failed: ") && status.contains(&who),
        "{status}"
    );

    drop(owner);
    tray.click(&["Start"]).await;
    tray.wait_for_state("running").await;
    icons.push(("running", tray.icon_pixels(&desk.session).await));

    // The token that the proxy may have is good for nothing, and there is no other.
    simulator
        .faults(&json!([
            {"route": "any", "fault": "status", "status": 503, "times": 1000},
        ]))
        .await;
    let local_key = keychain::local_key(&desk.session).await;
    let answer = ask(desk.address, &local_key, "gpt-4o").await;
    assert!(answer.status >= 500, "{answer:?}");
    tray.wait_for_state("degraded").await;
    icons.push(("degraded", tray.icon_pixels(&desk.session).await));
    let menu = tray.menu().await;
    let status = menu.labels()[0].to_owned();
    assert!(status.starts_with("Degraded: ") && status.len() > 25, "{status}");

    for (index, (state, icon)) in icons.iter().enumerate() {
        for (other, other_icon) in &icons[index + 1..] {
            assert_ne!(icon, other_icon, "{state} and {other} look alike");
        }
        // Distinct by shape: what is painted, whatever its colour.
        let shape = |pixels: &[u8]| -> Vec<bool> { pixels.chunks(4).map(|pixel| pixel[3] > 127).collect() };
        for (other, other_icon) in &icons[index + 1..] {
            assert_ne!(
                shape(icon),
                shape(other_icon),
                "{state} and {other} differ by colour alone"
            );
        }
    }
}

#[tokio::test]
async fn the_tray_follows_the_window_within_a_second() {
    let Some(session) = Session::start("desktop: tray and window").await else {
        return;
    };
    let _keychain = Keychain::start(&session).await;
    let port = free_port();
    Settings::on(port).with_simulator().write(&session);
    let tray = Tray::start(&session).await;
    let window = Window::open(&session).await;
    tray.wait_for_item().await;
    for _ in 0..2 {
        window.toggle("Running on").await;
        tray.state_within(Duration::from_secs(1), "running").await;
        window.toggle("Stopped").await;
        tray.state_within(Duration::from_secs(1), "stopped").await;
    }
    // And the other way round.
    tray.click(&["Start"]).await;
    window
        .text_with("#run-state", &format!("Running on 127.0.0.1:{port}"))
        .await;
    tray.click(&["Stop"]).await;
    window.text_with("#run-state", "Stopped").await;
    window.end().await;
}

#[tokio::test]
async fn the_models_are_changed_in_place_whether_none_one_or_sixty() {
    for count in [0, 1, 60] {
        let host = hosts::with_models(count).await;
        let key = hosts::service_key(&host.url(), &host.url());
        let Some(mut desk) = Connected::start("desktop: the tray's models", &key, true).await else {
            return;
        };
        desk.start_app().await;
        if count == 0 {
            // Nothing tells an empty list from one that is not there yet but that the host was asked.
            until("the host was asked for its models", async || {
                (host.connections() >= 3).then_some(())
            })
            .await;
        }
        let expected: Vec<String> = match count {
            0 => vec!["No models".to_owned()],
            _ => (1..=count).map(|number| format!("model-{number:02}")).collect(),
        };
        let menu = desk
            .tray
            .menu_when(&format!("{count} models"), |menu| {
                menu.at(&["Model"])
                    .is_some_and(|models| models.labels() == expected)
            })
            .await;
        let models = menu.at(&["Model"]).unwrap();
        if count == 0 {
            assert!(!models.children[0].enabled, "no model can be clicked");
            continue;
        }
        let last = expected.last().unwrap().as_str();
        desk.tray.click(&["Model", last]).await;
        desk.tray
            .menu_when(&format!("{last} is checked"), |menu| {
                menu.at(&["Model"]).unwrap().checked() == [last]
            })
            .await;
        // Clicked again, it stays the chosen one.
        desk.tray.click(&["Model", last]).await;
        screen::copy(&mut desk.session, "nothing yet").await;
        desk.tray.click(&["Copy setup for", "curl"]).await;
        screen::clipboard_with(&desk.session, last).await;
        desk.tray
            .menu_when(&format!("{last} is still checked"), |menu| {
                menu.at(&["Model"]).unwrap().checked() == [last]
            })
            .await;
    }
}

#[tokio::test]
async fn without_a_connection_there_is_nothing_to_start() {
    let Some(mut app) = Hidden::start("desktop: tray of a first run").await else {
        return;
    };
    let tray = &app.tray;
    let menu = tray
        .menu_when("not set up", |menu| menu.at(&["Not set up"]).is_some())
        .await;
    assert!(!menu.at(&["Start"]).unwrap().enabled && !menu.at(&["Stop"]).unwrap().enabled);
    assert_eq!(menu.at(&["Model"]).unwrap().labels(), ["No models"]);
    tray.click(&["Quit"]).await;
    assert_eq!(app.session.ended(app.pid).await, 0);
}

#[tokio::test]
async fn a_real_panel_shows_it() {
    const SUITE: &str = "desktop: a real panel";
    if find_program("xfce4-panel").is_none() {
        skipped(SUITE, "no xfce4-panel; apt-get install xfce4-panel");
        return;
    }
    // The panel keeps its settings in a service.
    let Some(mut session) = Session::start_with(SUITE, Services::System, true).await else {
        return;
    };
    let _keychain = Keychain::start(&session).await;
    Settings::on(free_port()).with_simulator().write(&session);
    let mut panel = session.command("xfce4-panel");
    panel.arg("--disable-wm-check");
    session.spawn(panel);
    until("the panel's tray", async || {
        session.owned("org.kde.StatusNotifierWatcher").await.then_some(())
    })
    .await;
    session.start_app(&["--hidden"]);
    let tray = Tray::of_panel(&session).await;
    tray.wait_for_state("stopped").await;
    let stopped = still(&session, "panel-stopped").await;
    tray.click(&["Start"]).await;
    tray.wait_for_state("running").await;
    // Nothing else in the panel changes with the state of the proxy, but for the clock on its right.
    let (x, y) = until("the icon changes in the panel", async || {
        changed(&stopped, &picture(&session, "panel-running").await)
    })
    .await;
    let running = still(&session, "panel-running").await;
    session
        .output(
            "xdotool",
            &["mousemove", &x.to_string(), &y.to_string(), "click", "1"],
        )
        .await;
    until("the icon's menu is open", async || {
        // It is larger than any other change.
        let now = picture(&session, "panel-menu").await;
        (differences(&running, &now).len() > 5000).then_some(())
    })
    .await;
    still(&session, "panel-menu").await;
}

/// Width of the session's screen.
const WIDTH: usize = 1280;

/// The screen as it is now.
async fn picture(session: &Session, name: &str) -> Vec<u8> {
    let file = screen::screenshot(session, name).await;
    screen::pixels(session, &file).await
}

/// The screen once it has come to rest.
async fn still(session: &Session, name: &str) -> Vec<u8> {
    let mut before = picture(session, name).await;
    until("the screen is at rest", async || {
        let now = picture(session, name).await;
        let rests = now == before;
        before.clone_from(&now);
        rests.then_some(now)
    })
    .await
}

/// A place just inside the upper left corner of what differs, if more than a few pixels do.
fn changed(before: &[u8], now: &[u8]) -> Option<(usize, usize)> {
    let different = differences(before, now);
    if different.len() < 10 {
        return None;
    }
    let left = different.iter().map(|place| place % WIDTH).min()?;
    let top = different.iter().map(|place| place / WIDTH).min()?;
    Some((left + 4, top + 4))
}

/// The places of the pixels that differ.
fn differences(before: &[u8], now: &[u8]) -> Vec<usize> {
    let pairs = before.chunks(4).zip(now.chunks(4)).enumerate();
    pairs
        .filter(|(_, (one, other))| one != other)
        .map(|(place, _)| place)
        .collect()
}
