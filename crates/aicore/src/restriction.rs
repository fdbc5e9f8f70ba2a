//! Which models an orchestration deployment lets through: its configuration can hold a list of models, and whether only
//! these are allowed or these are denied (sap-wire.md §2.3).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::deployments::{Deployment, Deployments, is_id};
use crate::gateway::Gateway;

const WHAT: &str = "a configuration";
/// A resource group has a few orchestration deployments; more than these are not looked into.
const MOST: usize = 8;
/// The list of deployments waits this long for configurations; without one nothing is restricted.
const PATIENCE: Duration = Duration::from_secs(3);

/// The models that an orchestration deployment allows or denies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restriction {
    /// True: only the listed models are allowed. False: all but the listed ones.
    pub allows: bool,
    /// SAP's names.
    pub models: Vec<String>,
}

impl Restriction {
    /// What a configuration restricts. `None` if that is nothing, or said in a way that is not known: SAP's own tutorials
    /// bind the text `null`.
    fn of(configuration: &Configuration) -> Option<Self> {
        let value = |key: &str| {
            let binding = configuration.bindings.iter().find(|binding| binding.key == key)?;
            binding.value.clone()
        };
        // A JSON text in a string; a list that stands there itself is read as well.
        let list: Vec<Listed> = match value("modelFilterList")? {
            Value::String(text) => serde_json::from_str(&text).ok()?,
            list => serde_json::from_value(list).ok()?,
        };
        if list.is_empty() {
            return None;
        }
        let allows = match value("modelFilterListType") {
            None => true,
            Some(Value::String(kind)) if kind.eq_ignore_ascii_case("allow") => true,
            Some(Value::String(kind)) if kind.eq_ignore_ascii_case("deny") => false,
            Some(_) => return None,
        };
        // A list of versions allows its model, as SAP AI Core decides about the version; it denies the model
        // only if the version is one that is asked for, which is always `latest`.
        let counts = |versions: &[String]| {
            allows || versions.is_empty() || versions.iter().any(|version| version == "latest")
        };
        let models = list.into_iter().filter_map(|listed| match listed {
            Listed::Name(name) => Some(name),
            Listed::Model { name, versions } => counts(&versions).then_some(name),
        });
        Some(Self {
            allows,
            models: models.collect(),
        })
    }

    pub(crate) fn lets_through(&self, model: &str) -> bool {
        let listed = self.models.iter().any(|name| name.eq_ignore_ascii_case(model));
        listed == self.allows
    }
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(rename = "parameterBindings", default)]
    bindings: Vec<Binding>,
}

#[derive(Deserialize)]
struct Binding {
    key: String,
    value: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Listed {
    Name(String),
    Model {
        #[serde(rename = "modelName")]
        name: String,
        #[serde(rename = "modelVersions", default)]
        versions: Vec<String>,
    },
}

/// What the configurations of orchestration deployments restrict, by their ids. A configuration never changes (the AI
/// API has no call for it), so each is read once.
#[derive(Default)]
pub(crate) struct Restrictions {
    known: Mutex<HashMap<String, Option<Restriction>>>,
}

impl Restrictions {
    /// Fills in what each orchestration deployment restricts. What can't be read restricts nothing: the service itself
    /// refuses what is not allowed.
    pub(crate) async fn fill_in(&self, deployments: &mut Deployments, gateway: &Gateway) {
        let rows = deployments.rows.iter_mut();
        let restrictable = rows.filter(|row| row.is_orchestration() && row.is_callable());
        let reading = join_all(restrictable.take(MOST).map(|row| self.fill_in_one(row, gateway)));
        if tokio::time::timeout(PATIENCE, reading).await.is_err() {
            tracing::warn!("configurations of orchestration deployments are late: no restriction is known");
        }
    }

    async fn fill_in_one(&self, row: &mut Deployment, gateway: &Gateway) {
        let Some(id) = row.configuration_id.clone().filter(|id| is_id(id)) else {
            return;
        };
        let known = self.known().get(&id).cloned();
        row.restriction = match known {
            Some(restriction) => restriction,
            None => match gateway
                .list_if_allowed(WHAT, &format!("/v2/lm/configurations/{id}"))
                .await
            {
                Ok(Some(body)) => match serde_json::from_slice(&body) {
                    Ok(configuration) => {
                        let restriction = Restriction::of(&configuration);
                        self.known().insert(id, restriction.clone());
                        restriction
                    }
                    Err(error) => {
                        tracing::debug!(deployment = row.id, %error, "its configuration is none");
                        None
                    }
                },
                Ok(None) => {
                    tracing::debug!(deployment = row.id, "its configuration may not be read");
                    None
                }
                Err(error) => {
                    tracing::debug!(deployment = row.id, code = error.code(), %error, "its configuration can't be read");
                    None
                }
            },
        };
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Option<Restriction>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(list: Value, kind: Value) -> Option<Restriction> {
        let bindings = [("modelFilterList", list), ("modelFilterListType", kind)]
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| json!({"key": key, "value": value}))
            .collect::<Vec<_>>();
        let configuration = json!({"id": "c", "parameterBindings": bindings});
        Restriction::of(&serde_json::from_value(configuration).unwrap())
    }

    #[test]
    fn the_list_is_read_in_every_spelling() {
        for list in [
            json!(r#"[{"modelName": "gpt-4o", "modelVersions": ["2024-08-06"]}, {"modelName": "gpt-5"}]"#),
            json!(r#"[{"modelName":"gpt-4o","modelVersion":"1"},{"modelName":"gpt-5","x":1}]"#),
            json!(r#"["gpt-4o", "gpt-5"]"#),
            json!([{"modelName": "gpt-4o"}, "gpt-5"]),
        ] {
            let allowing = read(list.clone(), json!("allow")).unwrap();
            assert_eq!(
                (allowing.allows, &*allowing.models),
                (true, &["gpt-4o".to_owned(), "gpt-5".to_owned()][..])
            );
            assert_eq!(read(list.clone(), Value::Null), Some(allowing.clone()));
            assert!(allowing.lets_through("GPT-4o") && !allowing.lets_through("o3-mini"));
            let denying = read(list, json!("deny")).unwrap();
            assert!(!denying.lets_through("gpt-5") && denying.lets_through("o3-mini"));
        }
    }

    #[test]
    fn a_denied_version_denies_the_model_only_if_it_is_the_latest() {
        let denying = |versions: &str| {
            let list = format!(r#"[{{"modelName": "gpt-4o", "modelVersions": {versions}}}]"#);
            !read(json!(list), json!("deny")).unwrap().lets_through("gpt-4o")
        };
        assert!(denying("[]") && denying(r#"["2024-05-13", "latest"]"#));
        assert!(!denying(r#"["2024-05-13"]"#));
    }

    #[test]
    fn what_is_not_known_restricts_nothing() {
        for (list, kind) in [
            (Value::Null, json!("allow")),
            (json!("null"), json!("allow")),
            (json!("[]"), json!("allow")),
            (json!("gpt-4o"), json!("allow")),
            (json!(r#"[{"name": "gpt-4o"}]"#), json!("allow")),
            (json!(r#"["gpt-4o"]"#), json!("perhaps")),
            (json!(r#"["gpt-4o"]"#), json!(5)),
        ] {
            assert_eq!(read(list.clone(), kind.clone()), None, "{list} {kind}");
        }
        assert_eq!(Restriction::of(&serde_json::from_str("{}").unwrap()), None);
    }
}
