//! The form of a connection: what is wrong with it, the service key that it stands for, what there is to choose from.

use coretap_aicore::{AiCore, Aliases, Connection, Deployment, SelectableModel, ServiceKey, Timeouts};
use secrecy::{ExposeSecret, SecretString};

use crate::binding;
use crate::error::Error;
use crate::secrets::Secrets;
use crate::settings::DEFAULT_GROUP;
use crate::settings_file::ConnectionSettings;
use crate::view::{
    ConnectionDraft, ConnectionView, DeploymentView, Field, ModelView, Offer, ProblemView, SecretDraft,
    ServiceKeyFields,
};

/// Reads a pasted service key for the form. Its secret goes nowhere.
///
/// # Errors
/// What is wrong with it.
pub fn read_service_key(text: &str) -> Result<ServiceKeyFields, ProblemView> {
    let key = pasted(text)?;
    Ok(ServiceKeyFields {
        client_id: key.client_id,
        base_url: without_slash(key.base_url.as_str()),
        auth_url: without_slash(key.auth_url.as_str()),
    })
}

fn pasted(text: &str) -> Result<ServiceKey, Error> {
    ServiceKey::from_pasted(text).map_err(|source| Error::ServiceKey {
        variable: "Service key",
        source,
    })
}

/// URLs are shown as the service key has them.
fn without_slash(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

impl ConnectionDraft {
    /// All that is wrong with the form, each problem with its field. `saved` is the connection whose secret
    /// [`SecretDraft::Stored`] stands for.
    pub(crate) fn problems(&self, saved: Option<&ConnectionSettings>) -> Vec<ProblemView> {
        let mut problems = Vec::new();
        for (field, label, member, value) in [
            (Field::ClientId, "Client ID", "clientid", &self.client_id),
            (
                Field::BaseUrl,
                "Base URL",
                "serviceurls.AI_API_URL",
                &self.base_url,
            ),
            (Field::AuthUrl, "Auth URL", "url", &self.auth_url),
        ] {
            if value.trim().is_empty() {
                let hint = format!("Copy it from the service key, where it is '{member}'.");
                let problem = ProblemView::new(
                    "CONFIG-SERVICE-KEY-INCOMPLETE",
                    format!("The {label} is empty."),
                    hint,
                );
                problems.push(problem.at(field));
            }
        }
        for (auth_url, base_url) in [
            (self.auth_url.as_str(), "https://localhost"),
            ("https://localhost", self.base_url.as_str()),
        ] {
            let key = ServiceKey::from_parts("-", &SecretString::from("-"), auth_url, base_url);
            if let Err(source @ coretap_aicore::Error::UrlRefused { .. }) = key {
                problems.push(ProblemView::from(source));
            }
        }
        if let Err(error) = self.check_secret(saved) {
            problems.push(ProblemView::from(error).at(Field::ClientSecret));
        }
        if !is_header_value(&self.resource_group) {
            problems.push(ProblemView::from(coretap_aicore::Error::ResourceGroupRefused));
        }
        problems
    }

    fn check_secret(&self, saved: Option<&ConnectionSettings>) -> Result<(), Error> {
        match &self.client_secret {
            SecretDraft::Typed { value } if value.expose_secret().trim().is_empty() => {
                Err(Error::SecretMissing)
            }
            SecretDraft::Typed { .. } => Ok(()),
            SecretDraft::ServiceKey { text } => pasted(text.expose_secret()).map(|_| ()),
            SecretDraft::Stored => {
                let saved = saved.map_or(Ok(None), ConnectionSettings::without_secret)?;
                let saved = saved.ok_or(Error::SecretMissing)?;
                let Ok(own) = self.without_secret() else {
                    // The fields that are wrong say so themselves.
                    return Ok(());
                };
                if binding::client_secret(&saved) == binding::client_secret(&own) {
                    Ok(())
                } else {
                    Err(Error::SecretBound)
                }
            }
        }
    }

    fn without_secret(&self) -> Result<ServiceKey, Error> {
        let key = ServiceKey::from_parts(
            &self.client_id,
            &SecretString::from("-"),
            &self.auth_url,
            &self.base_url,
        );
        key.map_err(Error::AiCore)
    }

    /// The service key that the form stands for. A stored secret is found only while client id and origins are those
    /// that it was stored with.
    ///
    /// # Errors
    /// When a field is wrong, or the secret can't be had.
    pub(crate) async fn service_key(&self, secrets: &Secrets) -> Result<ServiceKey, Error> {
        let mut key = self.without_secret()?;
        key.client_secret = match &self.client_secret {
            SecretDraft::Typed { value } => SecretString::from(value.expose_secret().trim()),
            SecretDraft::ServiceKey { text } => pasted(text.expose_secret())?.client_secret,
            SecretDraft::Stored => {
                let found = secrets.get(&binding::client_secret(&key)).await?;
                found.ok_or(Error::SecretMissing)?.secret
            }
        };
        if key.client_secret.expose_secret().is_empty() {
            return Err(Error::SecretMissing);
        }
        Ok(key)
    }

    /// The resource group, `default` when none is given.
    pub(crate) fn resource_group(&self) -> &str {
        match self.resource_group.trim() {
            "" => DEFAULT_GROUP,
            group => group,
        }
    }

    /// A client of its own, with nothing cached, for what the form says.
    ///
    /// # Errors
    /// Those of [`ConnectionDraft::service_key`].
    pub(crate) async fn client(&self, secrets: &Secrets) -> Result<AiCore, Error> {
        let connection = Connection {
            service_key: self.service_key(secrets).await?,
            resource_group: self.resource_group().to_owned(),
            orchestration: self.orchestration,
            selected_model: self.model.clone(),
            selected_deployment: self.deployment.clone(),
            // The test asks for a model by its own name.
            aliases: Aliases::default(),
        };
        Ok(AiCore::new(connection, Timeouts::default())?)
    }

    /// The connection as the settings keep it, without its secret.
    pub(crate) fn to_settings(&self) -> ConnectionSettings {
        let given = |text: &Option<String>| {
            text.as_deref()
                .map(str::trim)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        ConnectionSettings {
            client_id: Some(self.client_id.trim().to_owned()),
            auth_url: Some(self.auth_url.trim().to_owned()),
            base_url: Some(self.base_url.trim().to_owned()),
            resource_group: Some(self.resource_group().to_owned()),
            orchestration: Some(self.orchestration),
            model: given(&self.model),
            deployment: given(&self.deployment).filter(|_| !self.orchestration),
        }
    }
}

fn is_header_value(text: &str) -> bool {
    text.trim()
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

impl From<&ConnectionSettings> for ConnectionView {
    fn from(saved: &ConnectionSettings) -> Self {
        ConnectionView {
            client_id: saved.client_id.clone().unwrap_or_default(),
            base_url: saved.base_url.clone().unwrap_or_default(),
            auth_url: saved.auth_url.clone().unwrap_or_default(),
            resource_group: saved
                .resource_group
                .clone()
                .unwrap_or_else(|| DEFAULT_GROUP.to_owned()),
            orchestration: saved.orchestration.unwrap_or_default(),
            model: saved.model.clone(),
            deployment: saved.deployment.clone(),
        }
    }
}

/// What there is to choose from.
///
/// # Errors
/// When SAP AI Core can't be reached or says no.
pub(crate) async fn offer(aicore: &AiCore) -> Result<Offer, ProblemView> {
    // Who may not list the groups, or asks while only that list fails, types the name.
    let resource_groups = aicore.resource_groups().await?.unwrap_or_default();
    let deployments = aicore.deployments().await?;
    let selection = aicore.selection().await?;
    Ok(Offer {
        resource_groups,
        models: selection.models.into_iter().map(ModelView::from).collect(),
        hidden_models: selection.hidden.into_iter().map(Into::into).collect(),
        deployments: deployments.rows.iter().map(DeploymentView::from).collect(),
    })
}

impl From<SelectableModel> for ModelView {
    fn from(model: SelectableModel) -> Self {
        ModelView {
            name: model.name,
            display_name: model.display_name,
            provider: model.provider,
            context_length: model.context_length,
            images: model.images,
            input_cost: model.input_cost,
            output_cost: model.output_cost,
            running_deployments: model
                .running_deployments
                .map(|count| u64::try_from(count).unwrap_or(u64::MAX)),
            deprecated: model.deprecated,
            retirement_date: model.retirement_date,
        }
    }
}

impl From<&Deployment> for DeploymentView {
    fn from(row: &Deployment) -> Self {
        DeploymentView {
            id: row.id.clone(),
            status: row.status.clone(),
            model: row.model.clone(),
            selectable: row.is_callable(),
            problem: row.problem.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = r#"{"clientid":"id!b1|x","clientsecret":"hush","url":"https://auth.example/",
        "serviceurls":{"AI_API_URL":"https://api.example/v2"}}"#;

    fn draft(client_secret: SecretDraft) -> ConnectionDraft {
        ConnectionDraft {
            client_id: "id!b1|x".to_owned(),
            client_secret,
            base_url: "https://api.example".to_owned(),
            auth_url: "https://auth.example".to_owned(),
            resource_group: String::new(),
            orchestration: true,
            model: None,
            deployment: None,
        }
    }

    fn typed(secret: &str) -> SecretDraft {
        SecretDraft::Typed { value: secret.into() }
    }

    fn found(draft: &ConnectionDraft, saved: Option<&ConnectionSettings>) -> Vec<(String, Option<Field>)> {
        let problems = draft.problems(saved);
        problems
            .into_iter()
            .map(|problem| (problem.code, problem.field))
            .collect()
    }

    #[test]
    fn a_pasted_key_fills_the_fields_and_keeps_its_secret() {
        let fields = read_service_key(KEY).unwrap();
        assert_eq!(fields.client_id, "id!b1|x");
        assert_eq!(
            (fields.auth_url.as_str(), fields.base_url.as_str()),
            ("https://auth.example", "https://api.example")
        );
        assert!(!format!("{fields:?}").contains("hush"));
        let problem = read_service_key("{\"clientsecret\": \"hush\"").unwrap_err();
        assert_eq!(
            (problem.code.as_str(), problem.field),
            ("CONFIG-SERVICE-KEY-JSON", Some(Field::ServiceKey))
        );
        assert!(!format!("{problem:?}").contains("hush"));
        let shown = format!("{:?}", draft(SecretDraft::ServiceKey { text: KEY.into() }));
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn every_problem_of_the_form_is_named_with_its_field_at_once() {
        assert_eq!(found(&draft(typed("s")), None), []);
        let empty = ConnectionDraft {
            client_id: " ".to_owned(),
            base_url: "http://api.example".to_owned(),
            auth_url: String::new(),
            resource_group: "grüppe".to_owned(),
            ..draft(typed(" "))
        };
        let incomplete = "CONFIG-SERVICE-KEY-INCOMPLETE".to_owned();
        assert_eq!(
            found(&empty, None),
            [
                (incomplete.clone(), Some(Field::ClientId)),
                (incomplete, Some(Field::AuthUrl)),
                ("CONFIG-URL".to_owned(), Some(Field::BaseUrl)),
                ("SECRET-MISSING".to_owned(), Some(Field::ClientSecret)),
                ("CONFIG-RESOURCE-GROUP".to_owned(), Some(Field::ResourceGroup)),
            ]
        );
    }

    #[test]
    fn a_stored_secret_goes_nowhere_else() {
        let saved = draft(typed("s")).to_settings();
        let same = draft(SecretDraft::Stored);
        assert_eq!(found(&same, Some(&saved)), []);
        let bound = ("SECRET-BOUND".to_owned(), Some(Field::ClientSecret));
        let mut elsewhere = same.clone();
        elsewhere.auth_url = "https://auth.example.evil".to_owned();
        assert_eq!(found(&elsewhere, Some(&saved)), std::slice::from_ref(&bound));
        let mut elsewhere = same.clone();
        elsewhere.client_id = "another".to_owned();
        assert_eq!(found(&elsewhere, Some(&saved)), [bound]);
        let missing = ("SECRET-MISSING".to_owned(), Some(Field::ClientSecret));
        assert_eq!(found(&same, None), [missing]);
    }

    #[tokio::test]
    async fn a_secret_kept_for_this_run_is_found_by_the_same_form_only() {
        let secrets = Secrets::new();
        let own = draft(SecretDraft::ServiceKey { text: KEY.into() });
        let key = own.service_key(&secrets).await.unwrap();
        assert_eq!(key.client_secret.expose_secret(), "hush");
        secrets.keep_for_this_run(&binding::client_secret(&key), key.client_secret);
        let stored = draft(SecretDraft::Stored);
        let key = stored.service_key(&secrets).await.unwrap();
        assert_eq!(key.client_secret.expose_secret(), "hush");
    }
}
