//! The form of a connection: what is wrong with it, the service key that it stands for, what there is to choose from.

use coretap_aicore::{
    AiCore, Aliases, Certificate, Connection, Credential, ExtraRoots, ServiceKey, Timeouts,
};
use secrecy::{ExposeSecret, SecretString};

use crate::connections::{ConnectionSettings, DEFAULT_GROUP};
use crate::credential::{KeyWithoutSecret, certificate_of, secret_name};
use crate::error::Error;
use crate::pasted_key::pasted;
use crate::secrets::Secrets;
use crate::settings_file::SettingsFile;
use crate::view::{CertificateView, ConnectionDraft, ConnectionView, Field, ProblemView, SecretDraft};

/// Characters of a connection's name.
const LONGEST_NAME: usize = 60;

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
        if let Some(problem) = self.orchestration_modules.problem() {
            problems.push(ProblemView::from(Error::Modules { problem }));
        }
        problems
    }

    /// What is wrong with the name, beside the saved ones.
    pub(crate) fn name_problem(&self, settings: &SettingsFile) -> Option<ProblemView> {
        let name = self.name.trim();
        let problem = if name.is_empty() {
            "The connection has no name.".to_owned()
        } else if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            format!("A connection's name is one line of at most {LONGEST_NAME} characters.")
        } else if self.replaces.as_deref() != Some(name) && settings.named(name).is_some() {
            format!("There is a connection '{name}' already.")
        } else {
            return None;
        };
        Some(ProblemView::from(Error::ConnectionName { problem }).at(Field::Name))
    }

    fn check_secret(&self, saved: Option<&ConnectionSettings>) -> Result<(), Error> {
        match &self.client_secret {
            SecretDraft::Typed { value } if value.expose_secret().trim().is_empty() => {
                Err(Error::SecretMissing)
            }
            SecretDraft::Typed { .. } => Ok(()),
            SecretDraft::ServiceKey { text } => pasted(text.expose_secret()).map(|_| ()),
            SecretDraft::Stored => {
                let settings = saved.ok_or(Error::SecretMissing)?;
                let saved = settings.without_secret()?.ok_or(Error::SecretMissing)?;
                let Ok(own) = self.without_secret(settings.certificate.as_deref()) else {
                    // The fields that are wrong say so themselves.
                    return Ok(());
                };
                if saved.secret_name() == own.secret_name() {
                    Ok(())
                } else {
                    Err(Error::SecretBound)
                }
            }
        }
    }

    fn without_secret(&self, certificate: Option<&str>) -> Result<KeyWithoutSecret, Error> {
        let key = KeyWithoutSecret::new(&self.client_id, &self.auth_url, &self.base_url, certificate);
        key.map_err(Error::AiCore)
    }

    /// The service key that the form stands for. A stored secret is found only while client id and origins are those
    /// that it was stored with; `saved` is that connection, whose certificate is taken with it.
    ///
    /// # Errors
    /// When a field is wrong, or the secret can't be had.
    pub(crate) async fn service_key(
        &self,
        secrets: &Secrets,
        saved: Option<&ConnectionSettings>,
    ) -> Result<ServiceKey, Error> {
        let credential = match &self.client_secret {
            SecretDraft::Typed { value } => {
                let secret = value.expose_secret().trim();
                if secret.is_empty() {
                    return Err(Error::SecretMissing);
                }
                Credential::Secret(SecretString::from(secret))
            }
            SecretDraft::ServiceKey { text } => pasted(text.expose_secret())?.credential,
            SecretDraft::Stored => {
                let certificate = saved.and_then(|saved| saved.certificate.as_deref());
                let key = self.without_secret(certificate)?;
                let found = secrets.get(&key.secret_name()).await?;
                return key.with_secret(&found.ok_or(Error::SecretMissing)?.secret);
            }
        };
        Ok(self.without_secret(None)?.with_credential(credential))
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
    pub(crate) async fn client(
        &self,
        secrets: &Secrets,
        saved: Option<&ConnectionSettings>,
        extra_roots: &ExtraRoots,
    ) -> Result<AiCore, Error> {
        let service_key = self.service_key(secrets, saved).await?;
        let connection = Connection {
            resource_group: self.resource_group().to_owned(),
            orchestration: self.orchestration,
            selected_model: self.model.clone(),
            selected_deployment: self.chosen_deployment(&service_key, saved),
            service_key,
            // The test asks for a model by its own name.
            aliases: Aliases::default(),
        };
        Ok(AiCore::trusting(connection, Timeouts::default(), extra_roots)?)
    }

    /// The deployment that requests go to. The form has one of the model for foundation mode only; the one that orchestration
    /// uses stands in the settings, and holds there while the connection is the `saved` one.
    fn chosen_deployment(&self, key: &ServiceKey, saved: Option<&ConnectionSettings>) -> Option<String> {
        if !self.orchestration {
            return given(self.deployment.as_deref());
        }
        let saved = saved.filter(|saved| saved.orchestration.unwrap_or_default())?;
        let group = saved.resource_group.as_deref().unwrap_or(DEFAULT_GROUP);
        let same_key = saved.without_secret().ok()??.secret_name() == secret_name(key);
        let is_same = same_key && group == self.resource_group();
        saved.deployment.clone().filter(|_| is_same)
    }

    /// The connection as the settings keep it, without its secret. `key` is the one that the form stands for, `saved` the
    /// connection whose place it takes.
    pub(crate) fn to_settings(
        &self,
        key: &ServiceKey,
        saved: Option<&ConnectionSettings>,
    ) -> ConnectionSettings {
        ConnectionSettings {
            name: given(Some(&self.name)),
            group: given(self.group.as_deref()),
            client_id: Some(self.client_id.trim().to_owned()),
            certificate: certificate_of(key),
            auth_url: Some(self.auth_url.trim().to_owned()),
            base_url: Some(self.base_url.trim().to_owned()),
            resource_group: Some(self.resource_group().to_owned()),
            orchestration: Some(self.orchestration),
            model: given(self.model.as_deref()),
            deployment: self.chosen_deployment(key, saved),
            orchestration_modules: self.orchestration_modules.clone(),
        }
    }
}

fn given(text: Option<&str>) -> Option<String> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    text.map(str::to_owned)
}

fn is_header_value(text: &str) -> bool {
    text.trim()
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

impl From<&ConnectionSettings> for ConnectionView {
    fn from(saved: &ConnectionSettings) -> Self {
        ConnectionView {
            name: saved.name().to_owned(),
            group: saved.group.clone(),
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
            orchestration_modules: saved.orchestration_modules.clone(),
            // One that can't be read is a problem of the secret.
            certificate: saved.certificate.as_deref().and_then(|pem| {
                let certificate = Certificate::from_pem(pem).ok()?;
                Some(CertificateView::from(&certificate))
            }),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use coretap_formats::OrchestrationModules;

    use super::*;
    use crate::credential::secret_of;
    use crate::pasted_key::read_service_key;

    const KEY: &str = r#"{"clientid":"id!b1|x","clientsecret":"hush","url":"https://auth.example/",
        "serviceurls":{"AI_API_URL":"https://api.example/v2"}}"#;

    pub(crate) fn draft(client_secret: SecretDraft) -> ConnectionDraft {
        ConnectionDraft {
            replaces: None,
            name: "Mine".to_owned(),
            group: None,
            client_id: "id!b1|x".to_owned(),
            client_secret,
            base_url: "https://api.example".to_owned(),
            auth_url: "https://auth.example".to_owned(),
            resource_group: String::new(),
            orchestration: true,
            model: None,
            deployment: None,
            orchestration_modules: OrchestrationModules::default(),
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
    fn a_name_belongs_to_one_connection() {
        let mut settings = SettingsFile::default();
        let mut own = draft(typed("s"));
        settings.put(None, own.to_settings(&pasted(KEY).unwrap(), None));
        let problem = |draft: &ConnectionDraft| draft.name_problem(&settings).map(|problem| problem.field);
        assert_eq!(
            problem(&own),
            Some(Some(Field::Name)),
            "it is another one of the same name"
        );
        own.replaces = Some("Mine".to_owned());
        assert_eq!(problem(&own), None);
        own.name = "Other".to_owned();
        assert_eq!(problem(&own), None);
        for name in ["", " ", "two\nlines", &"x".repeat(61)] {
            own.name = name.to_owned();
            assert_eq!(problem(&own), Some(Some(Field::Name)), "{name:?}");
        }
    }

    #[test]
    fn modules_that_cannot_be_sent_are_a_problem_of_the_form() {
        let modules = OrchestrationModules {
            timeout: Some(0),
            ..OrchestrationModules::default()
        };
        let wrong = ConnectionDraft {
            orchestration_modules: modules,
            ..draft(typed("s"))
        };
        let field = Some(Field::OrchestrationModules);
        assert_eq!(found(&wrong, None), [("CONFIG-ORCHESTRATION".to_owned(), field)]);
        let right = ConnectionDraft {
            orchestration_modules: OrchestrationModules {
                timeout: Some(60),
                ..OrchestrationModules::default()
            },
            ..draft(typed("s"))
        };
        let kept = right.to_settings(&pasted(KEY).unwrap(), None);
        assert_eq!(kept.orchestration_modules, right.orchestration_modules);
        assert_eq!(
            ConnectionView::from(&kept).orchestration_modules,
            right.orchestration_modules
        );
    }

    #[test]
    fn a_stored_secret_goes_nowhere_else() {
        let saved = draft(typed("s")).to_settings(&pasted(KEY).unwrap(), None);
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

    #[test]
    fn orchestrations_deployment_stays_with_its_connection() {
        let key = pasted(KEY).unwrap();
        let own = draft(typed("s"));
        let saved = ConnectionSettings {
            deployment: Some("d1".to_owned()),
            ..own.to_settings(&key, None)
        };
        let kept = |draft: &ConnectionDraft, key| draft.to_settings(key, Some(&saved)).deployment;
        assert_eq!(kept(&own, &key).as_deref(), Some("d1"));
        let mut another_model = own.clone();
        another_model.model = Some("gpt-5".to_owned());
        assert_eq!(kept(&another_model, &key).as_deref(), Some("d1"));
        let mut another_group = own.clone();
        another_group.resource_group = "team".to_owned();
        assert_eq!(kept(&another_group, &key), None);
        let another = pasted(&KEY.replace("api.example", "api2.example")).unwrap();
        assert_eq!(kept(&own, &another), None);
        // In foundation mode it is the form's, and none of orchestration's.
        let mut foundation = own.clone();
        foundation.orchestration = false;
        assert_eq!(kept(&foundation, &key), None);
        foundation.deployment = Some(" d2 ".to_owned());
        assert_eq!(kept(&foundation, &key).as_deref(), Some("d2"));
        let saved = foundation.to_settings(&key, None);
        assert_eq!(own.to_settings(&key, Some(&saved)).deployment, None);
    }

    #[tokio::test]
    async fn a_secret_kept_for_this_run_is_found_by_the_same_form_only() {
        let (secrets, no_secret) = (Secrets::new(), |key: &ServiceKey| {
            format!("{key:?}").contains("redacted")
        });
        for pasted in [KEY.to_owned(), x509()] {
            let own = draft(SecretDraft::ServiceKey {
                text: pasted.as_str().into(),
            });
            let key = own.service_key(&secrets, None).await.unwrap();
            assert!(no_secret(&key));
            let saved = own.to_settings(&key, None);
            secrets.keep_for_this_run(&secret_name(&key), secret_of(&key));
            let stored = draft(SecretDraft::Stored);
            let again = stored.service_key(&secrets, Some(&saved)).await.unwrap();
            assert!(again.credential.is_same_as(&key.credential), "{again:?}");
            assert_eq!(found(&stored, Some(&saved)), []);
        }
    }

    /// The same connection with a client certificate.
    fn x509() -> String {
        serde_json::json!({
            "clientid": "id!b1|x", "certurl": "https://auth.example/", "serviceurls": {"AI_API_URL": "https://api.example"},
            "certificate": include_str!("../../aicore/tests/keys/p256.crt"),
            "key": include_str!("../../aicore/tests/keys/p256-sec1.pem"),
        })
        .to_string()
    }

    #[test]
    fn a_pasted_certificate_is_shown_and_kept_without_its_key() {
        let fields = read_service_key(&x509()).unwrap();
        let shown = fields.certificate.unwrap();
        assert_eq!(shown.subject, "CN=coretap-test-p256");
        assert!(shown.valid_until > 4_000_000_000_000, "{}", shown.valid_until);
        let own = draft(SecretDraft::ServiceKey { text: x509().into() });
        let saved = own.to_settings(&pasted(&x509()).unwrap(), None);
        let certificate = saved.certificate.as_deref().unwrap();
        assert!(certificate.contains("BEGIN CERTIFICATE") && !certificate.contains("PRIVATE"));
        assert_eq!(ConnectionView::from(&saved).certificate, Some(shown));
        // The private key is bound like a client secret.
        let mut elsewhere = draft(SecretDraft::Stored);
        elsewhere.auth_url = "https://auth.example.evil".to_owned();
        assert_eq!(
            found(&elsewhere, Some(&saved)),
            [("SECRET-BOUND".to_owned(), Some(Field::ClientSecret))]
        );
        // A broken key is told at its field, and nothing of it is shown.
        let broken = x509().replace("END EC PRIVATE KEY", "END");
        let problem = read_service_key(&broken).unwrap_err();
        assert_eq!(problem.code, "CONFIG-CLIENT-CERTIFICATE");
    }
}
