//! The settings file as a test writes it before the app starts, and reads it afterwards.

use std::fmt::Write as _;

use serde_json::Value;

use crate::desktop::session::Session;

/// What is set before the app starts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The proxy's port.
    pub port: u16,
    /// Whether the proxy starts with the app.
    pub start_proxy: bool,
    /// Whether the built-in simulator answers.
    pub simulator: bool,
    /// More lines, for example a connection.
    pub more: String,
}

impl Settings {
    /// A port and nothing else.
    pub fn on(port: u16) -> Self {
        Self {
            port,
            start_proxy: false,
            simulator: false,
            more: String::new(),
        }
    }

    /// With the built-in simulator as its source of models.
    #[must_use]
    pub fn with_simulator(mut self) -> Self {
        self.simulator = true;
        self
    }

    /// With the connection of this service key, whose secret the keychain has to hold.
    #[must_use]
    pub fn with_connection(self, service_key: &str, orchestration: bool) -> Self {
        self.with_one_of_many(service_key, &format!("orchestration = {orchestration}\n"))
    }

    /// With one more connection: that of this service key, and these lines, for example its name.
    #[must_use]
    pub fn with_one_of_many(mut self, service_key: &str, lines: &str) -> Self {
        let key: Value = serde_json::from_str(service_key).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        write!(
            self.more,
            "\n[[connections]]\n{lines}client_id = \"{}\"\nauth_url = \"{}\"\nbase_url = \"{}\"\n",
            text(&key["clientid"]),
            text(&key["url"]),
            text(&key["serviceurls"]["AI_API_URL"]),
        )
        .unwrap();
        self
    }

    /// Writes the file.
    pub fn write(&self, session: &Session) {
        let mut text = format!("version = 1\nport = {}\n", self.port);
        if self.start_proxy {
            text += "start_proxy = true\n";
        }
        if self.simulator {
            text += "simulator = true\n";
        }
        text += &self.more;
        std::fs::write(session.coretap_home().join("settings.toml"), text).unwrap();
    }
}

/// The file's text, "" when there is none.
pub fn settings_text(session: &Session) -> String {
    std::fs::read_to_string(session.coretap_home().join("settings.toml")).unwrap_or_default()
}
