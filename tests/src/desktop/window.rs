//! The app's window, worked by the web view's own driver. How its parts are found stands in [`super::elements`].

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tokio::process::Child;

use crate::desktop::session::{Session, app, free_port};
use crate::desktop::{processes, screen, until};
use crate::process::in_time;

/// The window of an app that the driver has started.
pub struct Window {
    /// The driver's session.
    pub client: Client,
    driver: Child,
    home: PathBuf,
    /// The app's process.
    app: Vec<u32>,
}

impl Window {
    /// Starts the app and waits until its window shows a page.
    pub async fn open(session: &Session) -> Self {
        Self::open_with(session, &[]).await
    }

    /// As [`Window::open`], with these variables in the app's environment.
    pub async fn open_with(session: &Session, environment: &[(&str, &str)]) -> Self {
        let port = free_port();
        let others = session.processes("coretap-desktop");
        let mut command = session.command("WebKitWebDriver");
        command
            .arg(format!("--port={port}"))
            // What tauri-driver sets: the app lets itself be worked only then.
            .env("TAURI_AUTOMATION", "true")
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .stdout(Stdio::null());
        let driver = command.spawn().unwrap();
        until("the driver listens", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        let mut capabilities = Map::new();
        capabilities.insert(
            "webkitgtk:browserOptions".to_owned(),
            json!({"binary": starter(session, environment), "args": []}),
        );
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities);
        let url = format!("http://127.0.0.1:{port}");
        let client = in_time("the app's window", builder.connect(&url)).await.unwrap();
        let mut app = session.processes("coretap-desktop");
        app.retain(|pid| !others.contains(pid));
        let window = Self {
            client,
            driver,
            home: session.home(),
            app,
        };
        until("the window's page", async || {
            window
                .try_script(
                    "return document.querySelector('#run-state') ? true : null",
                    vec![],
                )
                .await
        })
        .await;
        window
    }

    /// Runs a script in the page and gives what it returns. Elements are found by `find(selector)`, their text, as
    /// a person sees it, by `shown(element)`.
    pub async fn script(&self, script: &str, arguments: Vec<Value>) -> Value {
        let whole = format!("{}\n{script}", super::elements::LIBRARY);
        in_time("a script's end", self.client.execute(&whole, arguments))
            .await
            .unwrap_or_else(|error| panic!("{error}\nin {script}"))
    }

    /// As [`Window::script`]; `None` where it fails or returns null.
    pub async fn try_script(&self, script: &str, arguments: Vec<Value>) -> Option<Value> {
        let whole = format!("{}\n{script}", super::elements::LIBRARY);
        let value = self.client.execute(&whole, arguments).await.ok()?;
        (!value.is_null()).then_some(value)
    }

    /// Runs a script that calls its last argument when it is done.
    pub async fn script_until_called(&self, script: &str, arguments: Vec<Value>) -> Value {
        in_time("a script's call", self.client.execute_async(script, arguments))
            .await
            .unwrap_or_else(|error| panic!("{error}\nin {script}"))
    }

    /// Keeps a picture of the page.
    pub async fn screenshot(&self, name: &str) {
        let picture = self.client.screenshot().await.unwrap();
        std::fs::write(screen::screenshots().join(format!("{name}.png")), picture).unwrap();
    }

    /// Ends the session, the driver and the app, which outlives its window. One that starts while this one is still
    /// ending would leave its window to it.
    pub async fn end(mut self) {
        // The app may have ended before, and its session with it.
        let _ = in_time("the driver's session", self.client.close()).await;
        self.driver.start_kill().unwrap();
        in_time("the driver's end", self.driver.wait()).await.unwrap();
        until("the app's end", async || {
            let mut running = processes::of_home(&self.home);
            running.retain(|process| self.app.contains(&process.pid));
            processes::send_signal("-TERM", &running);
            running.is_empty().then_some(())
        })
        .await;
    }
}

/// What the driver starts: the app, or a script that gives these variables to the app alone. A proxy, for example, is
/// none for the driver, which has to reach the app.
fn starter(session: &Session, environment: &[(&str, &str)]) -> PathBuf {
    if environment.is_empty() {
        return app();
    }
    let mut text = "#!/bin/sh\n".to_owned();
    for (name, value) in environment {
        writeln!(text, "export {name}='{value}'").unwrap();
    }
    writeln!(text, "exec '{}' \"$@\"", app().display()).unwrap();
    let script = session.runtime().join("app-with-environment");
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    script
}
