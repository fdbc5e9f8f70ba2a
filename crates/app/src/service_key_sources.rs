//! Where a service key comes from that nobody has saved: variables, and what SAP's SDKs and Cloud Foundry leave behind
//! (sap-wire.md §1.1).
//!
//! A key is taken whole from the first source that has one. Parts of different sources are never put together: a
//! secret must not go to a server that another source names.

use coretap_aicore::ServiceKey;

use crate::error::Error;
use crate::paths::set;
use crate::sdk_config_file::{CONFIG, CONFIG_HOME, PROFILE, from_config_file};
use crate::service_key_parts::from_parts;

const SERVICE_KEY: &str = "AICORE_SERVICE_KEY";
pub(crate) const VCAP_SERVICES: &str = "VCAP_SERVICES";

/// A service key, and the resource group if it stands beside it.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) key: ServiceKey,
    pub(crate) resource_group: Option<String>,
    /// The variables or the file, for people.
    pub(crate) from: String,
}

/// What the person has told this process: a key in variables, or the SDKs' file if a variable names one.
///
/// # Errors
/// When what was told can't be used.
pub(crate) fn told(environment: &impl Fn(&str) -> Option<String>) -> Result<Option<Given>, Error> {
    let set = |name: &str| set(environment, name);
    let alone = |key, from: &str| Given {
        key,
        resource_group: None,
        from: from.to_owned(),
    };
    if let Some(key) = from_parts(&set, &set)? {
        return Ok(Some(alone(
            key,
            "the variables AICORE_CLIENT_ID and those beside it",
        )));
    }
    if let Some(json) = set(SERVICE_KEY) {
        let key = ServiceKey::parse(&json).map_err(|source| Error::ServiceKey {
            variable: SERVICE_KEY,
            source,
        })?;
        return Ok(Some(alone(key, SERVICE_KEY)));
    }
    if [CONFIG, CONFIG_HOME, PROFILE]
        .iter()
        .any(|name| set(name).is_some())
    {
        return match from_config_file(&set) {
            // A folder, and the profile that everybody has, say less than the name of a file.
            Err(error @ Error::ConfigFileEmpty { is_named: false, .. }) => {
                tracing::warn!(code = error.code(), "{error}");
                Ok(None)
            }
            given => given,
        };
    }
    Ok(None)
}

/// What lies around where nothing was told: `~/.aicore/config.json`, then Cloud Foundry's binding.
///
/// # Errors
/// When the first that is there can't be used.
pub(crate) fn found(environment: &impl Fn(&str) -> Option<String>) -> Result<Option<Given>, Error> {
    let set = |name: &str| set(environment, name);
    let empty = match from_config_file(&set) {
        Ok(None) => None,
        Err(error @ Error::ConfigFileEmpty { .. }) => Some(error),
        given => return given,
    };
    let Some(json) = set(VCAP_SERVICES) else {
        // Whoever has such a file believes that it holds the key.
        return empty.map_or(Ok(None), Err);
    };
    let key = ServiceKey::from_vcap_services(&json).map_err(|source| Error::ServiceKey {
        variable: VCAP_SERVICES,
        source,
    })?;
    Ok(Some(Given {
        key,
        resource_group: None,
        from: VCAP_SERVICES.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use coretap_aicore::Credential;
    use secrecy::ExposeSecret;
    use serde_json::{Map, Value};

    use super::*;
    use crate::sdk_config_file::RESOURCE_GROUP;
    use crate::service_key_parts::{
        AUTH_URL, BASE_URL, CERTIFICATE, CERTIFICATE_FILE, CERTIFICATE_URL, CLIENT_ID, CLIENT_SECRET, KEY,
        KEY_FILE,
    };

    const CERTIFICATE_PEM: &str = include_str!("../../aicore/tests/keys/p256.crt");
    const KEY_PEM: &str = include_str!("../../aicore/tests/keys/p256-sec1.pem");
    const SECRET_PARTS: [(&str, &str); 4] = [
        (CLIENT_ID, "parts"),
        (CLIENT_SECRET, "parts-secret"),
        (AUTH_URL, "https://auth.example/oauth/token"),
        (BASE_URL, "https://api.example/v2"),
    ];

    type Read = Result<Option<Given>, Error>;

    /// What was told and what was found, with these variables and nothing else.
    fn read(variables: &[(&str, &str)]) -> (Read, Read) {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        let environment = |name: &str| variables.get(name).map(|value| (*value).to_owned());
        (told(&environment), found(&environment))
    }

    fn client_id(read: Read) -> Option<String> {
        read.unwrap().map(|given| given.key.client_id)
    }

    fn json(members: &[(&str, &str)]) -> String {
        let members: Map<_, _> = members
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
            .collect();
        Value::from(members).to_string()
    }

    fn service_key(client_id: &str) -> String {
        format!(
            r#"{{"clientid":"{client_id}","clientsecret":"s","url":"https://auth.example","serviceurls":{{"AI_API_URL":"https://api.example"}}}}"#
        )
    }

    /// A home folder with `.aicore/config.json`, and another folder with `config.json` and `config_team.json`.
    fn home_with_files() -> (tempfile::TempDir, String, String) {
        let home = tempfile::tempdir().unwrap();
        for (folder, file, id) in [
            (".aicore", "config.json", "default file"),
            ("other", "config.json", "other file"),
            ("other", "config_team.json", "team file"),
        ] {
            let folder = home.path().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            let members = [
                (CLIENT_ID, id),
                (CLIENT_SECRET, "s"),
                (AUTH_URL, "https://auth.example"),
                (BASE_URL, "https://api.example/"),
                (RESOURCE_GROUP, "group of the file"),
                ("AICORE_UNKNOWN", "is passed over"),
            ];
            std::fs::write(folder.join(file), json(&members)).unwrap();
        }
        let other = home.path().join("other").display().to_string();
        let path = home.path().display().to_string();
        (home, path, other)
    }

    fn home_name() -> &'static str {
        if cfg!(windows) { "USERPROFILE" } else { "HOME" }
    }

    #[test]
    fn the_nearer_source_wins() {
        let (_home, home, other) = home_with_files();
        let (key, binding) = (service_key("service key"), service_key("binding"));
        let binding = format!(r#"{{"aicore":[{{"label":"aicore","credentials":{binding}}}]}}"#);
        let mut variables = SECRET_PARTS.to_vec();
        variables.extend([
            (SERVICE_KEY, key.as_str()),
            (CONFIG_HOME, &other),
            (home_name(), &home),
            (VCAP_SERVICES, &binding),
        ]);
        for (from, is_told, expected) in [
            (0, true, "parts"),
            (4, true, "service key"),
            (5, true, "other file"),
            (6, false, "default file"),
            (7, false, "binding"),
        ] {
            let (told, found) = read(&variables[from..]);
            assert_eq!(told.as_ref().unwrap().is_some(), is_told, "{expected}");
            let read = if is_told { told } else { found };
            assert_eq!(client_id(read).as_deref(), Some(expected));
        }
        let (told, found) = read(&[]);
        assert!(told.unwrap().is_none() && found.unwrap().is_none());
    }

    #[test]
    fn a_variable_names_another_file() {
        let (_home, home, other) = home_with_files();
        let file = format!("{other}/config_team.json");
        let at_home = |variables: &[(&'static str, &str)]| {
            let all = [&[(home_name(), home.as_str())], variables].concat();
            read(&all).0
        };
        for (variables, expected) in [
            (vec![(CONFIG_HOME, other.as_str())], "other file"),
            (vec![(CONFIG_HOME, "~/other"), (PROFILE, "team")], "team file"),
            (
                vec![(CONFIG_HOME, other.as_str()), (PROFILE, "default")],
                "other file",
            ),
            (vec![(PROFILE, "default")], "default file"),
            (
                vec![(CONFIG, file.as_str()), (CONFIG_HOME, "/nowhere")],
                "team file",
            ),
            (vec![(CONFIG, "~/other/config.json")], "other file"),
        ] {
            assert_eq!(
                client_id(at_home(&variables)).as_deref(),
                Some(expected),
                "{variables:?}"
            );
        }
        let given = at_home(&[(CONFIG_HOME, &other)]).unwrap().unwrap();
        assert_eq!(given.resource_group.as_deref(), Some("group of the file"));
        // A folder without a file is no mistake, a file that was asked for by name and is not there is one.
        assert!(at_home(&[(CONFIG_HOME, "/nowhere")]).unwrap().is_none());
        for missing in [(PROFILE, "plum"), (CONFIG, "/nowhere/config.json")] {
            let error = at_home(&[missing]).unwrap_err();
            assert_eq!(error.code(), "CONFIG-AICORE-FILE");
            assert!(error.to_string().contains("can't be read"), "{error}");
        }
        assert!(
            read(&[(PROFILE, "default")]).0.unwrap().is_none(),
            "no home folder"
        );
    }

    #[test]
    fn a_broken_file_is_named_and_its_secret_is_not() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config.json");
        for (text, code, words) in [
            (
                "{\"AICORE_CLIENT_SECRET\": \"hush\"\n \"x\"}",
                "CONFIG-AICORE-FILE",
                "line 2",
            ),
            ("\"hush\"", "CONFIG-AICORE-FILE", "is no JSON object"),
            (
                r#"{"AICORE_CLIENT_SECRET": "hush"}"#,
                "CONFIG-GROUP-INCOMPLETE",
                "AICORE_CLIENT_ID, AICORE_AUTH_URL, AICORE_BASE_URL are missing",
            ),
            (
                r#"{"AICORE_CLIENT_ID": "a", "AICORE_CLIENT_SECRET": "hush", "AICORE_AUTH_URL": "http://a", "AICORE_BASE_URL": "https://b"}"#,
                "CONFIG-URL",
                "'url' does not begin with https://",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let folder = home.path().display().to_string();
            let error = read(&[(CONFIG_HOME, &folder)]).0.unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            let sentence = error.to_string();
            assert!(
                sentence.contains(words) && sentence.contains(&path.display().to_string()),
                "{sentence}"
            );
            assert!(error.is_configuration());
            assert!(!format!("{error:?} {error} {}", error.hint()).contains("hush"));
        }
    }

    #[test]
    fn a_file_without_a_key_is_an_error_where_it_was_named_or_nothing_else_is_there() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config_team.json");
        let file = path.display().to_string();
        let folder = home.path().display().to_string();
        let only_group = r#"{"AICORE_RESOURCE_GROUP": "team", "AICORE_SERVICE_KEY_PASSWORD": "hush"}"#;
        std::fs::write(&path, only_group).unwrap();
        std::fs::write(home.path().join("config.json"), only_group).unwrap();
        let is_told = |error: Error, file: &str| {
            assert_eq!(error.code(), "CONFIG-AICORE-FILE");
            let sentence = error.to_string();
            assert!(
                sentence.contains(file) && sentence.contains(CLIENT_ID) && !sentence.contains("hush"),
                "{sentence}"
            );
        };
        is_told(read(&[(CONFIG, &file)]).0.unwrap_err(), &file);
        let profile = [(CONFIG_HOME, folder.as_str()), (PROFILE, "team")];
        is_told(read(&profile).0.unwrap_err(), &file);
        // A folder is no file: what was saved goes next, and only without that it is told.
        let (told, found) = read(&[(CONFIG_HOME, &folder)]);
        assert!(told.unwrap().is_none());
        is_told(found.unwrap_err(), "config.json");
        let binding = format!(r#"{{"aicore":[{{"credentials":{}}}]}}"#, service_key("binding"));
        let found = read(&[(CONFIG_HOME, &folder), (VCAP_SERVICES, &binding)]).1;
        assert_eq!(client_id(found).as_deref(), Some("binding"));
    }

    #[test]
    fn a_service_key_that_was_copied_into_the_file_is_taken() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config.json");
        let (file, folder) = (path.display().to_string(), home.path().display().to_string());
        let wrapped = format!(r#"{{"credentials":{}}}"#, service_key("copied"));
        for text in [service_key("copied"), wrapped] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(client_id(read(&[(CONFIG, &file)]).0).as_deref(), Some("copied"));
            assert_eq!(
                client_id(read(&[(CONFIG_HOME, &folder)]).0).as_deref(),
                Some("copied")
            );
        }
        std::fs::write(&path, r#"{"clientid": "copied", "clientsecret": "hush"}"#).unwrap();
        let error = read(&[(CONFIG, &file)]).0.unwrap_err();
        assert_eq!(error.code(), "CONFIG-SERVICE-KEY-INCOMPLETE");
        assert!(
            error.to_string().contains(&file) && !format!("{error:?}").contains("hush"),
            "{error}"
        );
    }

    #[test]
    fn parts_by_half_name_the_rest() {
        let key = service_key("service key");
        // A whole service key beside them does not hide the mistake.
        let error = read(&[
            SECRET_PARTS[0],
            (BASE_URL, " "),
            SECRET_PARTS[1],
            (SERVICE_KEY, &key),
        ]);
        let error = error.0.unwrap_err();
        assert_eq!(
            error.to_string(),
            "AICORE_CLIENT_ID, AICORE_CLIENT_SECRET are set, but AICORE_AUTH_URL, AICORE_BASE_URL are missing."
        );
        assert!(!format!("{error:?} {error}").contains("parts-secret"));
        let missing = |variables: &[(&str, &str)]| match read(variables).0 {
            Err(Error::GroupIncomplete { missing, .. }) => missing,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            missing(&[(CERTIFICATE, CERTIFICATE_PEM)]),
            [CLIENT_ID, KEY, CERTIFICATE_URL, BASE_URL]
        );
        assert_eq!(
            missing(&[(KEY_FILE, "key.pem"), (AUTH_URL, "https://a")]),
            [CLIENT_ID, CERTIFICATE_FILE, BASE_URL]
        );
    }

    #[test]
    fn a_certificate_comes_in_parts_too_as_text_or_in_files() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("own.crt"), CERTIFICATE_PEM).unwrap();
        std::fs::write(home.path().join("own.key"), KEY_PEM).unwrap();
        let folder = home.path().display().to_string();
        let flat = (CERTIFICATE_PEM.replace('\n', "\\n"), KEY_PEM.replace('\n', "\\n"));
        let base = [
            (CLIENT_ID, "id"),
            (BASE_URL, "https://api.example"),
            (home_name(), &folder),
        ];
        let url = (CERTIFICATE_URL, "https://auth.cert.example/oauth/token");
        for more in [
            vec![(CERTIFICATE, CERTIFICATE_PEM), (KEY, KEY_PEM), url],
            vec![(CERTIFICATE, flat.0.as_str()), (KEY, flat.1.as_str()), url],
            vec![(CERTIFICATE_FILE, "~/own.crt"), (KEY_FILE, "~/own.key"), url],
            vec![(CERTIFICATE_FILE, "~/own.crt"), (KEY, KEY_PEM), (AUTH_URL, url.1)],
            // `url` and `certurl` of one service key.
            vec![
                (CERTIFICATE, CERTIFICATE_PEM),
                (KEY, KEY_PEM),
                (AUTH_URL, "https://auth.example"),
                url,
            ],
        ] {
            let key = read(&[&base[..], &more].concat()).0.unwrap().unwrap().key;
            assert!(matches!(key.credential, Credential::Certificate(_)), "{key:?}");
            assert_eq!(key.auth_url.as_str(), "https://auth.cert.example/");
        }
        // With a secret beside it, that is used.
        let both = [
            &SECRET_PARTS[..],
            &[(CERTIFICATE, CERTIFICATE_PEM), (KEY, KEY_PEM), url],
        ]
        .concat();
        let key = read(&both).0.unwrap().unwrap().key;
        assert!(
            matches!(key.credential, Credential::Secret(secret) if secret.expose_secret() == "parts-secret")
        );

        let broken = [
            &base[..],
            &[(CERTIFICATE_FILE, "~/none.crt"), (KEY_FILE, "~/own.key"), url],
        ]
        .concat();
        let error = read(&broken).0.unwrap_err();
        assert_eq!(error.code(), "CONFIG-FILE");
        let sentence = error.to_string();
        assert!(
            sentence.contains(CERTIFICATE_FILE) && sentence.contains("none.crt"),
            "{sentence}"
        );
    }
}
