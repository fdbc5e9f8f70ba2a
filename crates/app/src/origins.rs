//! Where each setting comes from, for people who look for the one that is wrong. [`Settings::read`] writes down what it
//! chose; nothing is worked out a second time.

use std::borrow::Cow;

use crate::settings::Settings;
use crate::source::Source;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Flags;
    use crate::settings::tests::{key, read};

    #[test]
    fn each_setting_says_where_it_was_chosen() {
        let (home, sdk) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (folder, sdk_home) = (
            home.path().display().to_string(),
            sdk.path().display().to_string(),
        );
        let file = r#"{"AICORE_CLIENT_ID": "file", "AICORE_CLIENT_SECRET": "hush", "AICORE_AUTH_URL": "https://a.example",
            "AICORE_BASE_URL": "https://b.example", "AICORE_RESOURCE_GROUP": "team-x"}"#;
        std::fs::create_dir(sdk.path().join(".aicore")).unwrap();
        std::fs::write(sdk.path().join(".aicore/config.json"), file).unwrap();
        let certificate = include_str!("../../aicore/tests/keys/rsa.crt");
        std::fs::write(sdk.path().join("ca.pem"), certificate).unwrap();
        let own_home = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        let base = [
            ("CORETAP_HOME", folder.as_str()),
            (own_home, &sdk_home),
            ("CORETAP_API_KEY", "sk-hush"),
        ];
        let told = |saved: &str, more: &[(&'static str, &'static str)]| {
            std::fs::write(home.path().join("settings.toml"), format!("version = 1\n{saved}")).unwrap();
            let settings = read(Flags::default(), &[&base, more].concat()).unwrap();
            let lines = origins(&settings).join("\n");
            assert!(!lines.contains("hush"), "{lines}");
            lines
        };
        let has = |lines: &str, expected: &[&str]| {
            for line in expected {
                assert!(
                    lines.lines().any(|found| found == *line),
                    "{line} is not in\n{lines}"
                );
            }
        };
        let path = sdk.path().join(".aicore/config.json").display().to_string();
        let of_file = format!("resource group: team-x ({path})");
        has(
            &told("", &[]),
            &[&of_file, "local key: CORETAP_API_KEY", "port: 4000 (by default)"],
        );
        let saved = "port = 4711\nca_file = \"~/ca.pem\"\n[[connections]]\nresource_group = \"saved\"\nmodel = \"gpt-4o\"\n\
            deployment = \"d1\"\norchestration = true\n[aliases]\nfast = \"gpt-4o\"\n";
        has(
            &told(saved, &[]),
            &[
                "resource group: saved (settings.toml)",
                "mode: orchestration (settings.toml)",
                "model: gpt-4o (settings.toml)",
                "deployment: d1 (settings.toml)",
                "aliases: 1 (settings.toml)",
                "port: 4711 (settings.toml)",
                "CA file: ~/ca.pem (settings.toml)",
            ],
        );
        let variables = [("AICORE_PROFILE", "default"), ("CORETAP_DEPLOYMENT", "d2")];
        has(
            &told(saved, &variables),
            &[&of_file, "deployment: d2 (CORETAP_DEPLOYMENT)"],
        );
        let simulated = told(&format!("simulator = true\n{saved}"), &[]);
        has(
            &simulated,
            &[
                "the built-in simulator answers (settings.toml)",
                "resource group: default (by default)",
                "mode: orchestration (by default)",
                "model: none for unknown names",
            ],
        );
        assert!(
            !simulated.contains("CA file") && !simulated.contains("d1"),
            "{simulated}"
        );
    }

    #[test]
    fn orchestrations_modules_come_from_the_file_and_say_whether_they_are_used() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().display().to_string();
        let text = "version = 1\n[[connections]]\n[connections.orchestration_modules]\ntimeout = 60\n\
            [connections.orchestration_modules.output_filter]\nllama_guard = [\"hate\"]\n";
        std::fs::write(home.path().join("settings.toml"), text).unwrap();
        let service_key = key("a");
        for (mode, told) in [
            (
                "true",
                "orchestration modules: filtering, timeout (settings.toml)",
            ),
            (
                "false",
                "orchestration modules: filtering, timeout (settings.toml, not used in this mode)",
            ),
        ] {
            let environment = [
                ("AICORE_SERVICE_KEY", service_key.as_str()),
                ("CORETAP_API_KEY", "k"),
                ("CORETAP_HOME", &folder),
                ("CORETAP_ORCHESTRATION", mode),
            ];
            let settings = read(Flags::default(), &environment).unwrap();
            assert_eq!(settings.orchestration_modules.timeout, Some(60));
            let lines = origins(&settings);
            assert!(lines.iter().any(|line| line == told), "{lines:?}");
        }
    }
}
