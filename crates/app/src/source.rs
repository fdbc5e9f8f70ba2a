//! Where models come from: the built-in simulator, or SAP AI Core with the first service key that is found, and the
//! connections that answer for that one.

use coretap_aicore::ServiceKey;
use coretap_formats::OrchestrationModules;

use crate::connections::{ConnectionSettings, DEFAULT_GROUP};
use crate::error::Error;
use crate::origins::Origin;
use crate::secrets::Secrets;
use crate::service_key_sources;
use crate::settings::Flags;
use crate::settings_file::{FILE, SettingsFile};

/// Where a saved service key lies.
const KEPT: &str = "settings.toml and the keychain";

/// A saved connection that answers for the one in use. What names mean is the same for both.
#[derive(Clone, Debug)]
pub struct OtherConnection {
    /// What the person calls it.
    pub name: String,
    /// Its service key.
    pub service_key: ServiceKey,
    /// Its resource group.
    pub resource_group: String,
    /// All models through its orchestration deployment, or each through its own.
    pub orchestration: bool,
    /// The deployment to use there while it runs.
    pub selected_deployment: Option<String>,
    /// What its orchestration does beside completing.
    pub orchestration_modules: OrchestrationModules,
}

impl OtherConnection {
    /// What the settings say of it, with its whole key.
    pub(crate) fn new(saved: &ConnectionSettings, service_key: ServiceKey) -> Self {
        OtherConnection {
            name: saved.name().to_owned(),
            service_key,
            resource_group: saved
                .resource_group
                .clone()
                .unwrap_or_else(|| DEFAULT_GROUP.to_owned()),
            orchestration: saved.orchestration.unwrap_or_default(),
            selected_deployment: saved.deployment.clone(),
            orchestration_modules: saved.orchestration_modules.clone(),
        }
    }
}

/// Where models come from.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one, read once at the start")]
pub enum Source {
    /// The built-in simulator.
    Demo,
    /// SAP AI Core, with this service key.
    AiCore(ServiceKey),
}

/// Where models come from, as it was chosen.
pub(crate) struct Chosen {
    pub(crate) source: Source,
    pub(crate) from: Origin,
    /// The resource group that stands beside the service key: before the saved one if the person has told it to this
    /// process, behind it if it was only found.
    pub(crate) told_group: Option<String>,
    pub(crate) found_group: Option<String>,
    pub(crate) others: Vec<OtherConnection>,
}

/// Chooses the source, the first that is there: a flag, what the person has told this process, what is saved, what lies around.
/// `is_named` says that the person has named the `connection`.
///
/// # Errors
/// When the one that is chosen can't be used, or there is none.
pub(crate) async fn choose(
    flags: &Flags,
    is_named: bool,
    environment: &impl Fn(&str) -> Option<String>,
    file: &SettingsFile,
    connection: &ConnectionSettings,
    secrets: &Secrets,
) -> Result<Chosen, Error> {
    let alone = |source, from: &'static str| Chosen {
        source,
        from: from.into(),
        told_group: None,
        found_group: None,
        others: Vec::new(),
    };
    if flags.demo {
        return Ok(alone(Source::Demo, "--demo"));
    }
    // Whoever names a connection means that one.
    if !is_named && let Some(told) = service_key_sources::told(environment)? {
        return Ok(Chosen {
            source: Source::AiCore(told.key),
            from: told.from.into(),
            told_group: told.resource_group,
            found_group: None,
            others: Vec::new(),
        });
    }
    if !is_named && file.simulator {
        return Ok(alone(Source::Demo, FILE));
    }
    if let Some(key) = connection.without_secret()? {
        let found = secrets.get(&key.secret_name()).await?;
        let key = key.with_secret(&found.ok_or(Error::SecretMissing)?.secret)?;
        return Ok(Chosen {
            others: others_of_group(file, secrets).await,
            ..alone(Source::AiCore(key), KEPT)
        });
    }
    let found = service_key_sources::found(environment)?.ok_or(Error::CredentialsMissing)?;
    Ok(Chosen {
        source: Source::AiCore(found.key),
        from: found.from.into(),
        told_group: None,
        found_group: found.resource_group,
        others: Vec::new(),
    })
}

/// The other connections of the group, with their secrets. One that can't be used is left out: it must not harm the others.
async fn others_of_group(file: &SettingsFile, secrets: &Secrets) -> Vec<OtherConnection> {
    let mut others = Vec::new();
    for saved in file.others_of_group() {
        match whole_key(saved, secrets).await {
            Ok(key) => others.push(OtherConnection::new(saved, key)),
            Err(error) => {
                tracing::warn!(
                    code = error.code(),
                    connection = saved.name(),
                    "{error} It is left out."
                );
            }
        }
    }
    others
}

async fn whole_key(saved: &ConnectionSettings, secrets: &Secrets) -> Result<ServiceKey, Error> {
    let key = saved.without_secret()?.ok_or(Error::CredentialsMissing)?;
    let found = secrets.get(&key.secret_name()).await?;
    key.with_secret(&found.ok_or(Error::SecretMissing)?.secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::settings::tests::{key, read};

    fn client_id(settings: Settings) -> String {
        match settings.source {
            Source::AiCore(key) => key.client_id,
            Source::Demo => "demo".to_owned(),
        }
    }

    #[test]
    fn what_was_saved_goes_behind_what_was_told_and_before_what_lies_around() {
        let (home, sdk) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (folder, sdk_home) = (
            home.path().display().to_string(),
            sdk.path().display().to_string(),
        );
        let file = r#"{"AICORE_CLIENT_ID": "file", "AICORE_CLIENT_SECRET": "s", "AICORE_AUTH_URL": "https://a.example",
            "AICORE_BASE_URL": "https://b.example", "AICORE_RESOURCE_GROUP": "of the file"}"#;
        std::fs::create_dir(sdk.path().join(".aicore")).unwrap();
        std::fs::write(sdk.path().join(".aicore/config.json"), file).unwrap();
        let service_key = key("service key");
        let own_home = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        let base = [
            ("CORETAP_HOME", folder.as_str()),
            (own_home, &sdk_home),
            ("CORETAP_API_KEY", "k"),
        ];
        let seen = |saved: &str, more: &[(&'static str, &'static str)]| {
            std::fs::write(home.path().join("settings.toml"), format!("version = 1\n{saved}")).unwrap();
            let settings = read(Flags::default(), &[&base, more].concat()).unwrap();
            let group = settings.resource_group.clone();
            (client_id(settings), group)
        };
        let of = |id: &str, group: &str| (id.to_owned(), group.to_owned());
        let group = "[[connections]]\nresource_group = \"saved\"\n";
        assert_eq!(seen("", &[]), of("file", "of the file"));
        assert_eq!(seen(group, &[]), of("file", "saved"));
        assert_eq!(seen("simulator = true\n", &[]), of("demo", "default"));
        let profile = [("AICORE_PROFILE", "default")];
        assert_eq!(seen("simulator = true\n", &profile), of("file", "of the file"));
        assert_eq!(seen(group, &profile), of("file", "of the file"));
        let told = [base.as_slice(), &[("AICORE_SERVICE_KEY", &service_key)]].concat();
        assert_eq!(client_id(read(Flags::default(), &told).unwrap()), "service key");
        let demo = Flags {
            demo: true,
            ..Flags::default()
        };
        assert_eq!(client_id(read(demo, &told).unwrap()), "demo");
        assert!(matches!(
            read(Flags::default(), &[]),
            Err(Error::CredentialsMissing)
        ));
    }

    #[test]
    fn a_saved_connection_is_taken_by_its_name() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().display().to_string();
        let file = "version = 1\n[[connections]]\nresource_group = \"first\"\n[[connections]]\nname = \"b\"\nresource_group = \"second\"\n";
        std::fs::write(home.path().join(FILE), file).unwrap();
        let service_key = key("k");
        let base = [("CORETAP_HOME", folder.as_str()), ("CORETAP_API_KEY", "k")];
        let group = |flag: Option<&str>, more: &[(&'static str, &str)]| {
            let flags = Flags {
                connection: flag.map(str::to_owned),
                ..Flags::default()
            };
            let error = match read(flags, &[&base, more].concat()) {
                Ok(settings) => return settings.resource_group,
                Err(error) => error,
            };
            error.code().to_owned()
        };
        let told = [("AICORE_SERVICE_KEY", service_key.as_str())];
        assert_eq!(group(None, &told), "first");
        // Whoever names a connection does not mean the key of a variable, and this one names no server.
        assert_eq!(group(Some("b"), &told), "CONFIG-NO-SERVICE-KEY");
        let named = [told.as_slice(), &[("CORETAP_CONNECTION", "b")]].concat();
        assert_eq!(group(None, &named), "CONFIG-NO-SERVICE-KEY");
        assert_eq!(group(Some("c"), &told), "CONFIG-CONNECTION");
        assert_eq!(group(None, &[("CORETAP_CONNECTION", "c")]), "CONFIG-CONNECTION");
    }
}
