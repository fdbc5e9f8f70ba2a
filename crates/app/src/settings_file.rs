//! `settings.toml`: what stays set between runs. It never holds a secret.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use coretap_aicore::{Alias, Aliases};
use serde::{Deserialize, Serialize};

use crate::connections::ConnectionSettings;
use crate::error::Error;

/// The one folder for settings and data.
const HOME: &str = "CORETAP_HOME";
pub(crate) const FILE: &str = "settings.toml";
/// The version of the file that this Coretap writes and reads.
const VERSION: u32 = 1;

/// The file, as far as it is given. A member that is not known is an error, so that a slip of the pen is no silent default.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsFile {
    version: u32,
    /// The port on 127.0.0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    /// Whether the desktop app starts the proxy when it starts itself.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) start_proxy: bool,
    /// Whether the built-in simulator answers instead of SAP AI Core.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) simulator: bool,
    /// A file with certificate authorities that are trusted beside the system's, in PEM form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<String>,
    /// The name of the connection in use; the first one without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) selected: Option<String>,
    /// Connections to SAP AI Core, each with a name of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) connections: Vec<ConnectionSettings>,
    /// Names of the person's own for models. A row that can't be used is reported and stays, and the others hold.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    aliases: BTreeMap<String, toml::Value>,
}

impl Default for SettingsFile {
    fn default() -> Self {
        SettingsFile {
            version: VERSION,
            port: None,
            start_proxy: false,
            simulator: false,
            ca_file: None,
            selected: None,
            connections: Vec::new(),
            aliases: BTreeMap::new(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

impl SettingsFile {
    /// Reads the file in `CORETAP_HOME`, or else in the platform's folder for settings. `None` if there is no file.
    ///
    /// # Errors
    /// When the file can't be read or understood; the error names the file and the line.
    pub(crate) fn load(environment: &impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        match folder(environment) {
            Some(folder) => Self::read(&folder.join(FILE)),
            None => Ok(None),
        }
    }

    /// Reads one file; `None` if there is none.
    ///
    /// # Errors
    /// Those of [`SettingsFile::load`].
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Error> {
        let refused = |problem, is_broken| Error::SettingsFile {
            path: path.display().to_string(),
            problem,
            is_broken,
        };
        let wrong = |problem: String| refused(problem, false);
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(error.to_string())),
        };
        let mut file: SettingsFile =
            toml::from_str(&text).map_err(|error| refused(what_is_wrong(&error, &text), true))?;
        if file.version != VERSION {
            let known = format!(
                "its version is {}, and this Coretap knows version {VERSION}",
                file.version
            );
            return Err(wrong(known));
        }
        for connection in &file.connections {
            if let Some(problem) = connection.orchestration_modules.problem() {
                return Err(refused(format!("orchestration_modules: {problem}"), true));
            }
        }
        file.unset_what_is_blank();
        file.check_names().map_err(wrong)?;
        Ok(Some(file))
    }

    /// A value that somebody has emptied means the same as none, as it does for variables.
    fn unset_what_is_blank(&mut self) {
        let mut values = vec![&mut self.ca_file, &mut self.selected];
        for connection in &mut self.connections {
            values.extend([
                &mut connection.name,
                &mut connection.group,
                &mut connection.client_id,
                &mut connection.certificate,
                &mut connection.auth_url,
                &mut connection.base_url,
                &mut connection.resource_group,
                &mut connection.model,
                &mut connection.deployment,
            ]);
        }
        for value in values {
            value.take_if(|text| text.trim().is_empty());
        }
    }

    /// Writes the file as a whole or not at all: whoever reads it meanwhile sees the old one.
    ///
    /// # Errors
    /// When the folder can't be written to.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        // A link to a file elsewhere, as people have who keep their settings in a repository, stays a link.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = path.parent().unwrap_or(Path::new("."));
        let text = toml::to_string(self).map_err(io::Error::other)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    }

    /// The aliases that can be used, and what is wrong with the others.
    pub(crate) fn aliases(&self) -> (Aliases, Vec<Error>) {
        let mut aliases = Vec::new();
        let mut problems = Vec::new();
        for (name, model) in &self.aliases {
            // What is no text is as good as none.
            match Alias::new(name, model.as_str().unwrap_or_default()) {
                Ok(alias) => aliases.push(alias),
                Err(problem) => problems.push(Error::AiCore(problem)),
            }
        }
        (Aliases::new(aliases), problems)
    }
}

/// The place and the parser's words. The line itself is not repeated: somebody may have written a secret into it.
fn what_is_wrong(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    let words = error.message().trim_end_matches('.').replace('\n', ", ");
    if words.contains("client_secret") {
        return format!("line {line} has a secret, which belongs into the keychain: enter it in the window");
    }
    format!("line {line}: {words}")
}

/// Where settings lie: `CORETAP_HOME`, or the folder that the platform has for them.
pub(crate) fn folder(environment: &impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
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
pub(crate) mod tests {
    use super::*;

    pub(crate) fn load(text: &str) -> Result<SettingsFile, Error> {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(FILE), text).unwrap();
        let home = home.path().display().to_string();
        SettingsFile::load(&|name| (name == HOME).then(|| home.clone())).map(Option::unwrap)
    }

    #[test]
    fn what_stands_in_the_file_is_read() {
        let file = load(
            "version = 1\nport = 4711\n[[connections]]\nresource_group = \"team\"\norchestration = true\nmodel = \"gpt-4o\"\n",
        )
        .unwrap();
        let connection = file.selected().unwrap();
        assert_eq!(connection.name(), "SAP AI Core");
        assert_eq!(file.port, Some(4711));
        assert_eq!(connection.resource_group.as_deref(), Some("team"));
        assert_eq!(
            (connection.orchestration, connection.model.as_deref()),
            (Some(true), Some("gpt-4o"))
        );
        assert_eq!(load("version = 1").unwrap().selected(), None);
    }

    #[test]
    fn an_alias_that_cannot_be_used_leaves_the_others() {
        let text = "version = 1\n[aliases]\n\"claude-*\" = \"gpt-4o\"\nfast = 5\nslow = \"\"\n";
        let file = load(text).unwrap();
        let (aliases, problems) = file.aliases();
        let aliases: Vec<_> = aliases
            .iter()
            .map(|alias| (&*alias.name, &*alias.model))
            .collect();
        assert_eq!(aliases, [("claude-*", "gpt-4o")]);
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "The alias 'fast' names no model.",
                "The alias 'slow' names no model."
            ]
        );
        // A window that changes something else loses none of them.
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(FILE);
        let changed = SettingsFile {
            port: Some(4711),
            connections: vec![ConnectionSettings::default()],
            ..file.clone()
        };
        changed.write(&path).unwrap();
        assert_eq!(SettingsFile::read(&path).unwrap().unwrap().aliases, file.aliases);
    }

    #[test]
    fn no_file_is_none() {
        let home = tempfile::tempdir().unwrap().path().display().to_string();
        assert_eq!(SettingsFile::load(&|_| Some(home.clone())).unwrap(), None);
        assert_eq!(SettingsFile::load(&|_| None).unwrap(), None);
    }

    #[test]
    fn what_is_written_is_read_again_and_a_link_stays_one() {
        let home = tempfile::tempdir().unwrap();
        let (link, file) = (home.path().join(FILE), home.path().join("elsewhere.toml"));
        let settings = SettingsFile {
            port: Some(4711),
            start_proxy: true,
            connections: vec![ConnectionSettings {
                client_id: Some("sb-1!b2|c".to_owned()),
                ..ConnectionSettings::default()
            }],
            ..SettingsFile::default()
        };
        settings.write(&link).unwrap();
        assert_eq!(SettingsFile::read(&link).unwrap().as_ref(), Some(&settings));
        #[cfg(unix)]
        {
            std::fs::rename(&link, &file).unwrap();
            std::os::unix::fs::symlink(&file, &link).unwrap();
            SettingsFile::default().write(&link).unwrap();
            assert_eq!(SettingsFile::read(&file).unwrap(), Some(SettingsFile::default()));
            assert!(link.is_symlink());
        }
        // Nothing but the settings is left in the folder.
        assert!(std::fs::read_dir(home.path()).unwrap().count() <= 2);
    }

    const MODULES: &str = r#"version = 1

[[connections]]
orchestration = true

[connections.orchestration_modules]
prompt_caching = true
timeout = 300
fallbacks = ["gpt-5"]

[connections.orchestration_modules.input_filter]
azure_content_safety = { hate = 4, self_harm = 4, sexual = 4, violence = 2 }
prompt_shield = true
llama_guard = ["violent_crimes"]

[connections.orchestration_modules.masking]
method = "anonymization"
entities = ["profile-email", "profile-credit-card-number"]
allowlist = ["SAP"]
"#;

    #[test]
    fn orchestrations_modules_are_read_written_and_off_without_a_word() {
        let file = load(MODULES).unwrap();
        let modules = file.selected().unwrap().orchestration_modules.clone();
        assert_eq!(
            modules.on(),
            ["filtering", "masking", "fallbacks", "prompt_caching", "timeout"]
        );
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(FILE);
        file.write(&path).unwrap();
        assert_eq!(SettingsFile::read(&path).unwrap(), Some(file));
        // A file of somebody who turned nothing on has no word of it.
        let off = SettingsFile {
            connections: vec![ConnectionSettings::default()],
            ..SettingsFile::default()
        };
        off.write(&path).unwrap();
        assert!(
            !std::fs::read_to_string(&path)
                .unwrap()
                .contains("orchestration_modules")
        );
        assert!(
            SettingsFile::read(&path)
                .unwrap()
                .unwrap()
                .selected()
                .unwrap()
                .orchestration_modules
                .on()
                .is_empty()
        );
    }

    #[test]
    fn a_module_that_cannot_be_sent_is_named() {
        for (from, to, expected) in [
            (
                "timeout = 300",
                "timeout = 1300",
                "orchestration_modules: timeout is not between 1 and 1200 seconds",
            ),
            (
                "violence = 2",
                "violence = 3",
                "line 12: a threshold is 0 (only what is safe passes), 2, 4 or 6",
            ),
            ("prompt_shield", "prompt_sheild", "prompt_sheild"),
            ("profile-email", "profile-mail", "profile-mail"),
            ("anonymization", "removal", "removal"),
            ("[\"gpt-5\"]", "[\"\"]", "names no model"),
        ] {
            let error = load(&MODULES.replacen(from, to, 1)).unwrap_err();
            assert!(error.to_string().contains(expected), "{to}: {error}");
            assert!(error.is_configuration());
        }
    }

    #[test]
    fn a_secret_in_the_file_is_not_repeated() {
        for text in [
            "version = 1\n[[connections]]\nclient_secret = \"hush\"",
            "version = 1\n[[connections]]\nsecret = \"hush\"",
        ] {
            let error = load(text).unwrap_err();
            assert!(error.to_string().contains("line 3"), "{error}");
            assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
        }
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
                "two of its connections are called 'SAP AI Core'",
            ),
            (
                "version = 1\nselected = \"b\"\n[[connections]]\nname = \"a\"",
                "selects the connection 'b', which is none of 'a'",
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
