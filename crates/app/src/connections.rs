//! The saved connections, as `coretap connections` lists them.

use serde::Serialize;

use crate::error::Error;
use crate::settings::DEFAULT_GROUP;
use crate::settings_file::{ConnectionSettings, SettingsFile};

/// A saved connection, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedConnection {
    /// What the person calls it.
    pub name: String,
    /// Whether it is the one in use.
    pub selected: bool,
    /// Its group; connections of one group answer for each other.
    pub group: Option<String>,
    /// The AI API, if it is saved with the connection.
    pub base_url: Option<String>,
    /// The resource group.
    pub resource_group: String,
    /// True: all models through orchestration. False: each at a deployment of its own.
    pub orchestration: bool,
    /// The selected model.
    pub model: Option<String>,
}

/// The saved connections, in the order of `settings.toml`. The keychain is not asked.
///
/// # Errors
/// When the settings file can't be read or understood.
pub fn connections(environment: &impl Fn(&str) -> Option<String>) -> Result<Vec<ListedConnection>, Error> {
    let file = SettingsFile::load(environment)?.unwrap_or_default();
    let selected = file.selected().map(ConnectionSettings::name);
    let listed = file.connections.iter().map(|connection| ListedConnection {
        name: connection.name().to_owned(),
        selected: selected == Some(connection.name()),
        group: connection.group.clone(),
        base_url: connection.base_url.clone(),
        resource_group: connection
            .resource_group
            .clone()
            .unwrap_or_else(|| DEFAULT_GROUP.to_owned()),
        orchestration: connection.orchestration.unwrap_or_default(),
        model: connection.model.clone(),
    });
    Ok(listed.collect())
}
