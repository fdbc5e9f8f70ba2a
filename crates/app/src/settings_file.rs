//! `settings.toml`: what stays set between runs. It never holds a secret.

use std::io;
use std::path::PathBuf;

use serde::Deserialize;

use crate::error::Error;

/// The one folder for settings and data.
const HOME: &str = "CORETAP_HOME";
const FILE: &str = "settings.toml";
/// The version of the file that this Coretap writes and reads.
const VERSION: u32 = 1;

/// The file, as far as it is given. A member that is not known is an error, so that a slip of the pen is no silent default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsFile {
    version: u32,
    /// The port on 127.0.0.1.
    pub(crate) port: Option<u16>,
    /// Connections to SAP AI Core: one, for now.
    #[serde(default)]
    connections: Vec<ConnectionSettings>,
}

/// One connection to SAP AI Core.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionSettings {
    /// The resource group.
    pub(crate) resource_group: Option<String>,
    /// All models through the orchestration deployment, or each through its own.
    pub(crate) orchestration: Option<bool>,
    /// The model for names that mean nothing here.
    pub(crate) model: Option<String>,
}

impl SettingsFile {
    /// Reads the file in `CORETAP_HOME`, or else in the platform's folder for settings. No file is an empty one.
    ///
    /// # Errors
    /// When the file can't be read or understood; the error names the file and the line.
    pub(crate) fn load(environment: &impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let Some(path) = folder(environment).map(|folder| folder.join(FILE)) else {
            return Ok(SettingsFile::default());
        };
        let wrong = |problem: String| Error::SettingsFile {
            path: path.display().to_string(),
            problem,
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(SettingsFile::default()),
            Err(error) => return Err(wrong(error.to_string())),
        };
        let file: SettingsFile = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if file.version != VERSION {
            let known = format!(
                "its version is {}, and this Coretap knows version {VERSION}",
                file.version
            );
            return Err(wrong(known));
        }
        if file.connections.len() > 1 {
            return Err(wrong(
                "it has several connections, and this Coretap knows one".to_owned(),
            ));
        }
        Ok(file)
    }

    /// The connection in use.
    pub(crate) fn connection(&self) -> ConnectionSettings {
        self.connections.first().cloned().unwrap_or_default()
    }
}

/// Where settings lie: `CORETAP_HOME`, or the folder that the platform has for them.
fn folder(environment: &impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| {
        environment(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set(HOME).or_else(|| {
        if cfg!(windows) {
            Some(set("APPDATA")?.join("Coretap"))
        } else if cfg!(target_os = "macos") {
            Some(set("HOME")?.join("Library/Application Support/Coretap"))
        } else {
            let config = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
            Some(config?.join("coretap"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<SettingsFile, Error> {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(FILE), text).unwrap();
        let home = home.path().display().to_string();
        SettingsFile::load(&|name| (name == HOME).then(|| home.clone()))
    }

    #[test]
    fn what_stands_in_the_file_is_read() {
        let file = load(
            "version = 1\nport = 4711\n[[connections]]\nresource_group = \"team\"\norchestration = true\nmodel = \"gpt-4o\"\n",
        )
        .unwrap();
        let connection = file.connection();
        assert_eq!(file.port, Some(4711));
        assert_eq!(connection.resource_group.as_deref(), Some("team"));
        assert_eq!(
            (connection.orchestration, connection.model.as_deref()),
            (Some(true), Some("gpt-4o"))
        );
        assert_eq!(load("version = 1").unwrap().connection().model, None);
    }

    #[test]
    fn no_file_is_an_empty_one() {
        let home = tempfile::tempdir().unwrap().path().display().to_string();
        assert_eq!(SettingsFile::load(&|_| Some(home.clone())).unwrap().port, None);
        assert_eq!(SettingsFile::load(&|_| None).unwrap().port, None);
    }

    #[test]
    fn a_broken_file_is_named_with_what_is_wrong() {
        for (text, expected) in [
            ("version = 1\nprot = 4000", "prot"),
            ("port = 4000", "version"),
            ("version = 9", "knows version 1"),
            ("version = 1\nport = 70000", "70000"),
            ("version = ", "line 1"),
            (
                "version = 1\n[[connections]]\n[[connections]]",
                "several connections",
            ),
        ] {
            let error = load(text).unwrap_err();
            let sentence = error.to_string();
            assert!(
                sentence.contains(expected) && sentence.contains(FILE),
                "{text}: {sentence}"
            );
            assert!(error.is_configuration());
        }
    }
}
