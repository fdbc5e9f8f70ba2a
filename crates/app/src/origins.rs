//! Where each setting comes from, for people who look for the one that is wrong. [`Settings::read`] writes down what it
//! chose; nothing is worked out a second time.

use std::borrow::Cow;

use crate::settings::{Settings, Source};

/// Nothing was set.
pub(crate) const BY_DEFAULT: &str = "by default";

/// A variable, a file or words for people.
pub(crate) type Origin = Cow<'static, str>;

/// Where the settings in use come from. What is not used has no origin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    /// The service key, or what lets the simulator answer.
    pub(crate) key: Origin,
    pub(crate) resource_group: Origin,
    pub(crate) orchestration: Origin,
    pub(crate) model: Origin,
    pub(crate) deployment: Origin,
    pub(crate) port: Origin,
    pub(crate) local_key: Origin,
    /// The path of the CA file and where that comes from.
    pub(crate) ca_file: Option<(String, Origin)>,
    /// The path of the settings file and whether it is there.
    pub(crate) settings_file: Option<(String, bool)>,
}

/// The first choice that has a value, and where it comes from.
pub(crate) fn first<T>(choices: impl IntoIterator<Item = (Option<T>, Origin)>) -> Option<(T, Origin)> {
    choices
        .into_iter()
        .find_map(|(value, origin)| Some((value?, origin)))
}

/// Where each setting comes from, each in a line; no secret is among them.
pub(crate) fn origins(settings: &Settings) -> Vec<String> {
    let from = &settings.origins;
    let key = match &settings.source {
        Source::Demo => format!("the built-in simulator answers ({})", from.key),
        Source::AiCore(key) => {
            format!(
                "service key: {} (client id {}, Auth URL {}, Base URL {})",
                from.key,
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
    let mut lines = vec![
        key,
        format!(
            "resource group: {} ({})",
            settings.resource_group, from.resource_group
        ),
        format!("mode: {mode} ({})", from.orchestration),
        match &settings.selected_model {
            Some(model) => format!("model: {model} ({})", from.model),
            None => "model: none for unknown names".to_owned(),
        },
    ];
    if let Some(deployment) = &settings.selected_deployment {
        lines.push(format!("deployment: {deployment} ({})", from.deployment));
    }
    let modules = settings.orchestration_modules.on();
    if !modules.is_empty() {
        let unused = if settings.orchestration {
            ""
        } else {
            ", not used in this mode"
        };
        let file = crate::settings_file::FILE;
        lines.push(format!(
            "orchestration modules: {} ({file}{unused})",
            modules.join(", ")
        ));
    }
    let aliases = settings.aliases.iter().count();
    if aliases > 0 {
        lines.push(format!("aliases: {aliases} ({})", crate::settings_file::FILE));
    }
    lines.push(format!("port: {} ({})", settings.port, from.port));
    lines.push(format!("local key: {}", from.local_key));
    if let Some((path, origin)) = &from.ca_file {
        lines.push(format!("CA file: {path} ({origin})"));
    }
    lines.push(match &from.settings_file {
        Some((path, true)) => format!("settings file: {path}"),
        Some((path, false)) => format!("settings file: {path}, which is not there"),
        None => "settings file: none".to_owned(),
    });
    lines
}
