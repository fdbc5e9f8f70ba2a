//! What the person has set: flags, then the environment, then the settings file, then what SAP's SDKs and Cloud Foundry
//! have left behind, then the defaults.

use std::path::PathBuf;

use coretap_aicore::{Aliases, ExtraRoots};
use coretap_formats::OrchestrationModules;
use coretap_proxy::LocalKey;

use crate::connections::{ConnectionSettings, DEFAULT_GROUP};
use crate::error::Error;
use crate::local_key::{self, own_local_key, stored_local_key};
use crate::origins::{BY_DEFAULT, Origins, first};
use crate::paths::{expand, home, set};
use crate::secrets::Secrets;
use crate::settings_file::{FILE, SettingsFile, folder};
use crate::source::{Chosen, OtherConnection, Source, choose};

const RESOURCE_GROUP: &str = "AICORE_RESOURCE_GROUP";
const PORT: &str = "CORETAP_PORT";
const ORCHESTRATION: &str = "CORETAP_ORCHESTRATION";
const MODEL: &str = "CORETAP_MODEL";
const DEPLOYMENT: &str = "CORETAP_DEPLOYMENT";
const CA_FILE: &str = "CORETAP_CA_FILE";
const CONNECTION: &str = "CORETAP_CONNECTION";

pub(crate) const DEFAULT_PORT: u16 = 4000;

/// What was asked for on the command line; it goes before everything else.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The port; 0 picks a free one.
    pub port: Option<u16>,
    /// Use the built-in simulator instead of SAP AI Core.
    pub demo: bool,
    /// The name of the saved connection to use, whatever else says how to reach SAP AI Core.
    pub connection: Option<String>,
}

/// All settings, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The port on 127.0.0.1; 0 picks a free one.
    pub port: u16,
    /// What agents must show; made anew for this run when nothing is set.
    pub local_key: Option<LocalKey>,
    /// What the person calls the connection in use.
    pub connection: String,
    /// Where models come from.
    pub source: Source,
    /// The other connections of its group, which answer for it.
    pub others: Vec<OtherConnection>,
    /// SAP AI Core's resource group.
    pub resource_group: String,
    /// All models through the orchestration deployment, or each through its own.
    pub orchestration: bool,
    /// The model for names that mean nothing here.
    pub selected_model: Option<String>,
    /// The deployment to use while it runs: of that model, or in orchestration mode of all.
    pub selected_deployment: Option<String>,
    /// What orchestration does beside completing; foundation mode has none of it.
    pub orchestration_modules: OrchestrationModules,
    /// Names of the person's own for models.
    pub aliases: Aliases,
    /// Certificate authorities that are trusted beside the system's.
    pub extra_roots: ExtraRoots,
    /// Where each of these comes from.
    pub(crate) origins: Origins,
    /// What was set and can't be used, each in a sentence; the rest holds.
    pub(crate) left_out: Vec<String>,
    /// Where `rules.toml` and `learned.toml` lie; without it the built-in rules hold, and what is learned is not kept.
    pub folder: Option<PathBuf>,
}

impl Settings {
    /// Reads all settings. `environment` gives a variable's value; an empty one counts as not set. What the desktop app
    /// has put into the keychain is taken where no variable says anything else.
    ///
    /// # Errors
    /// The first thing that is wrong, by the name of its variable; and when the keychain is needed but can't be read.
    pub async fn read(flags: &Flags, environment: &impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let found = SettingsFile::load(environment)?;
        let has_file = found.is_some();
        let mut file = found.unwrap_or_default();
        let named = flags.connection.clone().or_else(|| set(environment, CONNECTION));
        if let Some(name) = &named {
            file.select(name.trim())?;
        }
        let (port, port_from) = match flags.port {
            Some(port) => (port, "--port"),
            None => port_of(environment, &file)?,
        };
        let connection = file.selected().cloned().unwrap_or_default();
        let orchestration = orchestration(environment)?;
        let secrets = Secrets::new();
        let mut local_key = own_local_key(environment)?;
        let mut local_key_from = local_key::VARIABLE;
        let Chosen {
            source,
            from: key_from,
            told_group,
            found_group,
            others,
        } = choose(flags, named.is_some(), environment, &file, &connection, &secrets).await?;
        if local_key.is_none() && has_file && !flags.demo {
            local_key_from = "the keychain";
            local_key = stored_local_key(&secrets).await.unwrap_or_else(|error| {
                tracing::warn!(code = error.code(), %error, "the local key is made for this run only");
                None
            });
        }
        if local_key.is_none() {
            local_key_from = "a new one for each run";
        }
        let (aliases, problems) = file.aliases();
        let left_out = problems.iter().map(leave_out).collect();
        let demo = matches!(source, Source::Demo);
        // The simulator is reached without TLS.
        let ca_file = first([
            (set(environment, CA_FILE), CA_FILE.into()),
            (file.ca_file, FILE.into()),
        ])
        .filter(|_| !demo);
        let extra_roots = match &ca_file {
            Some((path, _)) => ExtraRoots::read(&expand(home(environment).as_ref(), path))?,
            None => ExtraRoots::default(),
        };
        let name = connection.name().to_owned();
        // The simulator's models and groups are not the connection's.
        let connection = if demo && !flags.demo {
            ConnectionSettings::default()
        } else {
            connection
        };
        let (resource_group, resource_group_from) = first([
            (set(environment, RESOURCE_GROUP), RESOURCE_GROUP.into()),
            (told_group, key_from.clone()),
            (connection.resource_group, FILE.into()),
            (found_group, key_from.clone()),
        ])
        .unwrap_or_else(|| (DEFAULT_GROUP.to_owned(), BY_DEFAULT.into()));
        // The simulator has models of every provider, and orchestration reaches them all.
        let (orchestration, orchestration_from) = first([
            (orchestration, ORCHESTRATION.into()),
            (connection.orchestration, FILE.into()),
        ])
        .unwrap_or((demo, BY_DEFAULT.into()));
        let (selected_model, model_from) = first([
            (set(environment, MODEL), MODEL.into()),
            (connection.model, FILE.into()),
        ])
        .unzip();
        let (selected_deployment, deployment_from) = first([
            (
                set(environment, DEPLOYMENT).map(|id| id.trim().to_owned()),
                DEPLOYMENT.into(),
            ),
            (connection.deployment, FILE.into()),
        ])
        .unzip();
        let folder = folder(environment);
        let settings_file = folder
            .as_ref()
            .map(|folder| (folder.join(FILE).display().to_string(), has_file));
        Ok(Settings {
            port,
            local_key,
            connection: name,
            source,
            others,
            resource_group,
            orchestration,
            selected_model,
            selected_deployment,
            orchestration_modules: connection.orchestration_modules,
            aliases,
            extra_roots,
            origins: Origins {
                key: key_from,
                resource_group: resource_group_from,
                orchestration: orchestration_from,
                model: model_from.unwrap_or_default(),
                deployment: deployment_from.unwrap_or_default(),
                port: port_from.into(),
                local_key: local_key_from.into(),
                ca_file,
                settings_file,
            },
            left_out,
            folder,
        })
    }
}

/// Logs what was set and can't be used, and says it in a sentence.
fn leave_out(problem: &Error) -> String {
    tracing::warn!(
        code = problem.code(),
        "{problem} It is left out. {}",
        problem.hint()
    );
    format!(
        "{problem} It is left out. ({}) {}",
        problem.code(),
        problem.hint()
    )
}

/// The port of `CORETAP_PORT`, else of the settings file, else 4000.
///
/// # Errors
/// When it is no port, or the settings file is needed and broken.
pub fn port(environment: &impl Fn(&str) -> Option<String>) -> Result<u16, Error> {
    let file = match set(environment, PORT) {
        Some(_) => None,
        None => SettingsFile::load(environment)?,
    };
    Ok(port_of(environment, &file.unwrap_or_default())?.0)
}

/// The port and where it comes from.
fn port_of(
    environment: &impl Fn(&str) -> Option<String>,
    file: &SettingsFile,
) -> Result<(u16, &'static str), Error> {
    let Some(value) = set(environment, PORT) else {
        return Ok(file.port.map_or((DEFAULT_PORT, BY_DEFAULT), |port| (port, FILE)));
    };
    let allowed = "a number from 0 to 65535";
    let port = value.trim().parse().map_err(|_| Error::Value {
        variable: PORT,
        value,
        allowed,
    })?;
    Ok((port, PORT))
}

fn orchestration(environment: &impl Fn(&str) -> Option<String>) -> Result<Option<bool>, Error> {
    let Some(value) = set(environment, ORCHESTRATION) else {
        return Ok(None);
    };
    match value.trim() {
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        _ => Err(Error::Value {
            variable: ORCHESTRATION,
            value,
            allowed: "true or false",
        }),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashMap;

    use coretap_aicore::Credential;
    use secrecy::ExposeSecret;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "tests say it in place")]
    pub(crate) fn read(flags: Flags, environment: &[(&str, &str)]) -> Result<Settings, Error> {
        let environment: HashMap<_, _> = environment.iter().copied().collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Settings::read(&flags, &|name| {
            environment.get(name).map(|value| (*value).to_owned())
        }))
    }

    pub(crate) fn key(client_id: &str) -> String {
        format!(
            r#"{{"clientid":"{client_id}","clientsecret":"s","url":"https://auth.example.com","serviceurls":{{"AI_API_URL":"https://api.example.com"}}}}"#
        )
    }

    const PARTS: [(&str, &str); 4] = [
        ("AICORE_CLIENT_ID", "group"),
        ("AICORE_CLIENT_SECRET", "group-secret"),
        ("AICORE_AUTH_URL", "https://auth.example.com/oauth/token"),
        ("AICORE_BASE_URL", "https://api.example.com/v2"),
    ];

    #[test]
    fn a_blank_value_in_the_settings_file_is_not_set() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().display().to_string();
        let text = "version = 1\nca_file = \"\"\n[[connections]]\nresource_group = \"\"\nmodel = \" \"\ndeployment = \"\"\n";
        std::fs::write(home.path().join("settings.toml"), text).unwrap();
        let service_key = key("a");
        let environment = [
            ("AICORE_SERVICE_KEY", service_key.as_str()),
            ("CORETAP_API_KEY", "k"),
            ("CORETAP_HOME", &folder),
        ];
        let settings = read(Flags::default(), &environment).unwrap();
        assert_eq!(settings.resource_group, "default");
        assert_eq!(
            (settings.selected_model, settings.selected_deployment),
            (None, None)
        );
        assert_eq!(settings.extra_roots, ExtraRoots::default());
    }

    #[test]
    fn a_ca_file_is_read_from_variable_or_settings_and_a_wrong_one_is_named() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().display().to_string();
        let certificate = include_str!("../../aicore/tests/keys/rsa.crt");
        std::fs::write(home.path().join("ca.pem"), certificate).unwrap();
        std::fs::write(home.path().join("empty.pem"), "").unwrap();
        std::fs::write(
            home.path().join("settings.toml"),
            "version = 1\nca_file = \"~/empty.pem\"\n",
        )
        .unwrap();
        let service_key = key("a");
        let own_home = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        let base = [
            ("AICORE_SERVICE_KEY", service_key.as_str()),
            ("CORETAP_API_KEY", "k"),
            ("CORETAP_HOME", &folder),
            (own_home, &folder),
        ];
        let error = read(Flags::default(), &base).unwrap_err();
        assert_eq!(error.code(), "CONFIG-CA-FILE");
        let sentence = error.to_string();
        assert!(sentence.contains("empty.pem holds no certificate"), "{sentence}");
        assert!(error.hint().contains("ca_file") && error.hint().contains("CORETAP_CA_FILE"));
        let with = [base.as_slice(), &[("CORETAP_CA_FILE", "~/ca.pem")]].concat();
        let settings = read(Flags::default(), &with).unwrap();
        assert_ne!(settings.extra_roots, ExtraRoots::default());
        let demo = Flags {
            demo: true,
            ..Flags::default()
        };
        assert_eq!(read(demo, &base).unwrap().extra_roots, ExtraRoots::default());
    }

    #[test]
    fn flags_go_before_variables_and_variables_before_defaults() {
        let service_key = key("a");
        let base = ("AICORE_SERVICE_KEY", service_key.as_str());
        let port = |flag, environment: &[(&'static str, &'static str)]| {
            let all = [&[base], environment].concat();
            read(
                Flags {
                    port: flag,
                    ..Flags::default()
                },
                &all,
            )
            .map(|settings| settings.port)
        };
        assert_eq!(port(None, &[]).unwrap(), 4000);
        assert_eq!(port(None, &[("CORETAP_PORT", "0")]).unwrap(), 0);
        assert_eq!(port(Some(5000), &[("CORETAP_PORT", "6000")]).unwrap(), 5000);
        assert_eq!(port(None, &[("CORETAP_PORT", "")]).unwrap(), 4000);
        for bad in ["plum", "-1", "65536", "4000x"] {
            let error = port(None, &[("CORETAP_PORT", bad)]).unwrap_err();
            let sentence = error.to_string();
            assert!(
                sentence.contains("CORETAP_PORT") && sentence.contains("65535"),
                "{sentence}"
            );
        }

        let orchestration = |demo, value| {
            let environment = [base, ("CORETAP_ORCHESTRATION", value)];
            read(
                Flags {
                    demo,
                    ..Flags::default()
                },
                &environment,
            )
            .map(|settings| settings.orchestration)
        };
        assert!(!orchestration(false, "").unwrap());
        assert!(orchestration(true, "").unwrap());
        assert!(!orchestration(true, "false").unwrap());
        assert!(orchestration(false, "true").unwrap());
        let sentence = orchestration(false, "yes").unwrap_err().to_string();
        assert!(
            sentence.contains("CORETAP_ORCHESTRATION") && sentence.contains("true or false"),
            "{sentence}"
        );

        let settings = read(Flags::default(), &[base]).unwrap();
        assert_eq!(
            (settings.resource_group.as_str(), settings.selected_model),
            ("default", None)
        );
        let set = [
            base,
            ("AICORE_RESOURCE_GROUP", "team"),
            ("CORETAP_MODEL", "gpt-4o"),
        ];
        let settings = read(Flags::default(), &set).unwrap();
        assert_eq!(
            (
                settings.resource_group.as_str(),
                settings.selected_model.as_deref()
            ),
            ("team", Some("gpt-4o"))
        );
    }

    #[test]
    fn variables_go_before_the_settings_file() {
        let home = tempfile::tempdir().unwrap();
        let text = "version = 1\nport = 4711\n[[connections]]\nresource_group = \"team\"\norchestration = true\nmodel = \"gpt-4o\"\n";
        std::fs::write(home.path().join("settings.toml"), text).unwrap();
        let folder = home.path().display().to_string();
        let service_key = key("a");
        let base = [
            ("AICORE_SERVICE_KEY", service_key.as_str()),
            ("CORETAP_HOME", &folder),
        ];
        let seen = |more: &[(&'static str, &'static str)], port| {
            // A local key of its own, so that no keychain is asked.
            let local_key = [("CORETAP_API_KEY", "k")];
            let settings = read(
                Flags {
                    port,
                    ..Flags::default()
                },
                &[&base, more, &local_key].concat(),
            )
            .unwrap();
            (
                settings.port,
                settings.resource_group,
                settings.orchestration,
                settings.selected_model,
            )
        };
        assert_eq!(
            seen(&[], None),
            (4711, "team".to_owned(), true, Some("gpt-4o".to_owned()))
        );
        let variables = [
            ("CORETAP_PORT", "1"),
            ("AICORE_RESOURCE_GROUP", "b"),
            ("CORETAP_ORCHESTRATION", "false"),
            ("CORETAP_MODEL", "gpt-5"),
        ];
        assert_eq!(
            seen(&variables, None),
            (1, "b".to_owned(), false, Some("gpt-5".to_owned()))
        );
        assert_eq!(seen(&variables, Some(2)).0, 2);
    }

    #[test]
    fn a_deployment_is_chosen_by_variable_or_file_and_aliases_by_the_file() {
        let home = tempfile::tempdir().unwrap();
        let text = "version = 1\n[[connections]]\ndeployment = \"d-file\"\n[aliases]\nfast = \"gpt-4o\"\nbad = \"\"\n";
        std::fs::write(home.path().join("settings.toml"), text).unwrap();
        let folder = home.path().display().to_string();
        let service_key = key("a");
        for (variable, deployment) in [("", "d-file"), (" d-variable ", "d-variable")] {
            let environment = [
                ("AICORE_SERVICE_KEY", service_key.as_str()),
                ("CORETAP_HOME", &folder),
                ("CORETAP_API_KEY", "k"),
                ("CORETAP_DEPLOYMENT", variable),
            ];
            let settings = read(Flags::default(), &environment).unwrap();
            assert_eq!(settings.selected_deployment.as_deref(), Some(deployment));
            let aliases: Vec<_> = settings.aliases.iter().map(|alias| &*alias.name).collect();
            assert_eq!(aliases, ["fast"]);
        }
    }

    #[test]
    fn secrets_are_kept_and_never_shown() {
        let environment = [&PARTS[..], &[("CORETAP_API_KEY", "sk-local")]].concat();
        let settings = read(Flags::default(), &environment).unwrap();
        let shown = format!("{settings:?}");
        assert!(
            !shown.contains("group-secret") && !shown.contains("sk-local"),
            "{shown}"
        );
        assert_eq!(settings.local_key.unwrap().expose(), "sk-local");
        let Source::AiCore(key) = settings.source else {
            panic!("no service key")
        };
        assert!(
            matches!(key.credential, Credential::Secret(secret) if secret.expose_secret() == "group-secret")
        );
        assert!(matches!(
            read(Flags::default(), &[PARTS[0], ("CORETAP_API_KEY", "ключ")]),
            Err(Error::LocalKeyRefused)
        ));
    }
}
