//! Where each setting comes from, for people who look for the one that is wrong.

use crate::error::Error;
use crate::settings::{MODEL, ORCHESTRATION, PORT, RESOURCE_GROUP, Settings, Source, set};
use crate::settings_file::{FILE, SettingsFile, folder};

/// Where each setting comes from, each in a line; no secret is among them.
///
/// # Errors
/// When the settings file is broken.
pub(crate) fn origins(
    environment: &impl Fn(&str) -> Option<String>,
    settings: &Settings,
) -> Result<Vec<String>, Error> {
    let file = SettingsFile::load(environment)?;
    let connection = file.as_ref().map(SettingsFile::connection).unwrap_or_default();
    let origin = |variable: &'static str, is_in_file: bool| match set(environment, variable) {
        Some(_) => variable,
        None if is_in_file => FILE,
        None => "by default",
    };
    let credentials = match &settings.source {
        Source::Demo => "The built-in simulator answers, as the desktop app was set.".to_owned(),
        Source::AiCore(key) => {
            format!(
                "service key: {} (client id {}, Auth URL {}, Base URL {})",
                settings.key_from,
                key.client_id,
                key.auth_url.as_str().trim_end_matches('/'),
                key.base_url.as_str().trim_end_matches('/')
            )
        }
    };
    let mode = if settings.orchestration {
        "orchestration"
    } else {
        "foundation models"
    };
    let model = match &settings.selected_model {
        Some(model) => format!("{model} ({})", origin(MODEL, connection.model.is_some())),
        None => "none for unknown names".to_owned(),
    };
    let path = folder(environment).map(|folder| folder.join(FILE).display().to_string());
    let has_file = if file.is_some() {
        ""
    } else {
        ", which is not there"
    };
    Ok(vec![
        credentials,
        format!(
            "resource group: {} ({})",
            settings.resource_group,
            origin(RESOURCE_GROUP, connection.resource_group.is_some())
        ),
        format!(
            "mode: {mode} ({})",
            origin(ORCHESTRATION, connection.orchestration.is_some())
        ),
        format!("model: {model}"),
        format!(
            "port: {} ({})",
            settings.port,
            origin(PORT, file.as_ref().is_some_and(|file| file.port.is_some()))
        ),
        format!("settings file: {}{has_file}", path.as_deref().unwrap_or("none")),
    ])
}
