//! The saved connections: what is kept of each, which one is in use and which others answer for it, and how
//! `coretap connections` lists them.

use coretap_formats::OrchestrationModules;
use serde::{Deserialize, Serialize};

use crate::credential::KeyWithoutSecret;
use crate::error::Error;
use crate::settings_file::SettingsFile;

/// The resource group that every tenant has.
pub(crate) const DEFAULT_GROUP: &str = "default";

/// What a connection is called that has no name: there was only one when files had none.
pub(crate) const DEFAULT_NAME: &str = "SAP AI Core";

/// One connection to SAP AI Core. Its secret lies in the keychain.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionSettings {
    /// What the person calls it; files of Coretap's first version have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Connections of one group answer for each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    /// OAuth client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    /// The client certificate and its chain in PEM form; without it the secret is a client secret, with it its private
    /// key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<String>,
    /// Where tokens come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auth_url: Option<String>,
    /// The AI API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base_url: Option<String>,
    /// The resource group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resource_group: Option<String>,
    /// All models through the orchestration deployment, or each through its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) orchestration: Option<bool>,
    /// The model for names that mean nothing here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// The deployment to use while it runs: of that model, or in orchestration mode of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deployment: Option<String>,
    /// What orchestration does for it beside completing.
    #[serde(default, skip_serializing_if = "is_all_off")]
    pub(crate) orchestration_modules: OrchestrationModules,
}

fn is_all_off(modules: &OrchestrationModules) -> bool {
    *modules == OrchestrationModules::default()
}

impl ConnectionSettings {
    /// What the person calls it, or what one is called that nobody has named.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(DEFAULT_NAME)
    }

    /// The service key without its secret; `None` when the connection names no server.
    ///
    /// # Errors
    /// When a URL or the certificate can't be used.
    pub(crate) fn without_secret(&self) -> Result<Option<KeyWithoutSecret>, Error> {
        let (Some(client_id), Some(auth_url), Some(base_url)) =
            (&self.client_id, &self.auth_url, &self.base_url)
        else {
            return Ok(None);
        };
        let key = KeyWithoutSecret::new(client_id, auth_url, base_url, self.certificate.as_deref());
        key.map(Some).map_err(|source| Error::ServiceKey {
            variable: "settings.toml",
            source,
        })
    }
}

impl SettingsFile {
    /// Every connection can be told from the others, and the one in use is there.
    pub(crate) fn check_names(&self) -> Result<(), String> {
        for (number, connection) in self.connections.iter().enumerate() {
            let name = connection.name();
            if self
                .connections
                .iter()
                .take(number)
                .any(|other| other.name() == name)
            {
                return Err(format!("two of its connections are called '{name}'"));
            }
        }
        match &self.selected {
            Some(selected) if self.named(selected).is_none() => Err(format!(
                "it selects the connection '{selected}', which is none of {}",
                self.names()
            )),
            _ => Ok(()),
        }
    }

    /// The connection of a name.
    pub(crate) fn named(&self, name: &str) -> Option<&ConnectionSettings> {
        self.connections
            .iter()
            .find(|connection| connection.name() == name)
    }

    /// The connection in use.
    pub(crate) fn selected(&self) -> Option<&ConnectionSettings> {
        let selected = self.selected.as_deref().and_then(|name| self.named(name));
        selected.or(self.connections.first())
    }

    /// The same, to be changed.
    pub(crate) fn selected_mut(&mut self) -> Option<&mut ConnectionSettings> {
        let name = self.selected()?.name().to_owned();
        self.connections
            .iter_mut()
            .find(|connection| connection.name() == name)
    }

    /// Uses the connection of this name.
    ///
    /// # Errors
    /// [`Error::ConnectionUnknown`].
    pub(crate) fn select(&mut self, name: &str) -> Result<(), Error> {
        if self.named(name).is_none() {
            return Err(Error::ConnectionUnknown {
                asked: name.to_owned(),
                names: self.names(),
            });
        }
        self.selected = Some(name.to_owned());
        self.unset_what_goes_without_saying();
        Ok(())
    }

    /// Puts a connection in the place of the one that was called `replaced`, else behind the others. The one in use stays
    /// in use.
    pub(crate) fn put(&mut self, replaced: Option<&str>, connection: ConnectionSettings) {
        let selected = self.selected().map(|selected| selected.name().to_owned());
        let is_renamed = replaced.is_some() && selected.as_deref() == replaced;
        let own = connection.name().to_owned();
        let former = replaced.and_then(|name| self.connections.iter_mut().find(|one| one.name() == name));
        match former {
            Some(former) => *former = connection,
            None => self.connections.push(connection),
        }
        self.selected = if is_renamed { Some(own) } else { selected };
        self.unset_what_goes_without_saying();
    }

    /// Takes a connection out. If it was the one in use, the first of the others is.
    pub(crate) fn remove(&mut self, name: &str) {
        self.connections.retain(|connection| connection.name() != name);
        self.selected.take_if(|selected| selected == name);
        self.unset_what_goes_without_saying();
    }

    /// Who has one connection has the same file as ever, which any Coretap can read.
    fn unset_what_goes_without_saying(&mut self) {
        let first = self.connections.first().map(ConnectionSettings::name);
        if self.selected.as_deref() == first {
            self.selected = None;
        }
        for connection in &mut self.connections {
            connection.name.take_if(|name| name == DEFAULT_NAME);
        }
    }

    /// The others of the group of the connection in use.
    pub(crate) fn others_of_group(&self) -> impl Iterator<Item = &ConnectionSettings> {
        let selected = self.selected();
        let group = selected.and_then(|selected| selected.group.as_deref());
        self.connections.iter().filter(move |connection| {
            group.is_some()
                && connection.group.as_deref() == group
                && selected.is_some_and(|selected| selected.name() != connection.name())
        })
    }

    /// The connections' names, for a sentence.
    pub(crate) fn names(&self) -> String {
        let names: Vec<_> = self
            .connections
            .iter()
            .map(|connection| format!("'{}'", connection.name()))
            .collect();
        if names.is_empty() {
            "no connections".to_owned()
        } else {
            names.join(", ")
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings_file::tests::load;

    const THREE: &str = "version = 1\nselected = \"two\"\n[[connections]]\nname = \"one\"\ngroup = \"g\"\n[[connections]]\n\
        name = \"two\"\ngroup = \"g\"\n[[connections]]\nname = \"three\"\n";

    fn selected(file: &SettingsFile) -> &str {
        file.selected().map_or("", ConnectionSettings::name)
    }

    #[test]
    fn one_of_several_connections_is_selected_and_its_group_answers_with_it() {
        let mut file = load(THREE).unwrap();
        let others = |file: &SettingsFile| -> Vec<String> {
            file.others_of_group()
                .map(|other| other.name().to_owned())
                .collect()
        };
        assert_eq!((selected(&file), others(&file)), ("two", vec!["one".to_owned()]));
        file.select("three").unwrap();
        assert_eq!((selected(&file), others(&file)), ("three", vec![]));
        let error = file.select("four").unwrap_err();
        assert_eq!(error.code(), "CONFIG-CONNECTION");
        assert!(error.to_string().contains("'one', 'two', 'three'"), "{error}");
        assert_eq!(selected(&file), "three");
        file.remove("three");
        assert_eq!(selected(&file), "one");
        file.remove("two");
        file.remove("one");
        assert_eq!(file.selected(), None);
    }

    #[test]
    fn a_connection_takes_the_place_of_the_one_it_replaces() {
        let called = |name: &str| ConnectionSettings {
            name: Some(name.to_owned()),
            ..ConnectionSettings::default()
        };
        let mut file = load(THREE).unwrap();
        file.put(Some("two"), called("zwei"));
        assert_eq!(selected(&file), "zwei", "a name is only a name");
        file.put(Some("one"), called("eins"));
        file.put(None, called("vier"));
        assert_eq!(file.names(), "'eins', 'zwei', 'three', 'vier'");
        assert_eq!(selected(&file), "zwei");
        // The first of all is used at once, and further ones leave it so.
        let mut file = SettingsFile::default();
        file.put(None, called("first"));
        file.put(None, called("second"));
        assert_eq!(selected(&file), "first");
    }
}
