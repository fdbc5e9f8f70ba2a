//! The config file of SAP's SDKs (sap-wire.md §1.1).

use std::io;
use std::path::PathBuf;

use coretap_aicore::ServiceKey;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::paths::{expand, home};
use crate::service_key_parts::from_parts;
use crate::service_key_sources::{Given, VCAP_SERVICES};

/// One of these is in a file that holds a service key as it was copied.
const SERVICE_KEY_MEMBERS: [&str; 4] = ["clientid", "credentials", "aicore", VCAP_SERVICES];
/// A file of its own, in place of those in the folder.
pub(crate) const CONFIG: &str = "AICORE_CONFIG";
/// The folder of the SDKs' files, in place of `~/.aicore`.
pub(crate) const CONFIG_HOME: &str = "AICORE_HOME";
/// `config_<profile>.json` in place of `config.json`.
pub(crate) const PROFILE: &str = "AICORE_PROFILE";
pub(crate) const RESOURCE_GROUP: &str = "AICORE_RESOURCE_GROUP";

/// The file that SAP's Python SDK and `LiteLLM` read: one JSON object whose members are named like the variables. A service
/// key that was copied into it is taken too.
pub(crate) fn from_config_file(set: &impl Fn(&str) -> Option<String>) -> Result<Option<Given>, Error> {
    let Some((path, must_exist)) = config_file(set) else {
        return Ok(None);
    };
    let refused = |problem| Error::ConfigFile {
        path: path.display().to_string(),
        problem,
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => return Ok(None),
        Err(error) => return Err(refused(format!("can't be read: {error}"))),
    };
    let text = text.trim_start_matches('\u{feff}');
    // serde's own words may repeat the text, which holds a secret: only the place is kept.
    let members: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        refused(format!(
            "is no JSON object (line {}, column {})",
            error.line(),
            error.column()
        ))
    })?;
    let member = |name: &str| {
        let text = members.get(name).and_then(Value::as_str).map(str::to_owned);
        text.filter(|value| !value.trim().is_empty())
    };
    let within = |source| Error::InConfigFile {
        path: path.display().to_string(),
        source: Box::new(source),
    };
    let key = match from_parts(&member, set).map_err(within)? {
        Some(key) => key,
        None if SERVICE_KEY_MEMBERS.iter().any(|name| members.contains_key(*name)) => {
            ServiceKey::from_pasted(text).map_err(|source| within(Error::AiCore(source)))?
        }
        None => {
            return Err(Error::ConfigFileEmpty {
                path: path.display().to_string(),
                is_named: must_exist,
            });
        }
    };
    Ok(Some(Given {
        key,
        resource_group: member(RESOURCE_GROUP),
        from: path.display().to_string(),
    }))
}

/// Where that file is, and whether it must be there; `None` without a home folder to look in.
fn config_file(set: &impl Fn(&str) -> Option<String>) -> Option<(PathBuf, bool)> {
    let own_home = home(set);
    if let Some(path) = set(CONFIG) {
        return Some((expand(own_home.as_ref(), &path), true));
    }
    let folder = set(CONFIG_HOME).map(|folder| expand(own_home.as_ref(), &folder));
    let folder = folder.or_else(|| Some(own_home?.join(".aicore")))?;
    Some(match set(PROFILE).filter(|profile| profile.trim() != "default") {
        Some(profile) => (folder.join(format!("config_{}.json", profile.trim())), true),
        None => (folder.join("config.json"), false),
    })
}
