//! A service key as somebody pastes it into the form.

use coretap_aicore::{Certificate, Credential, ServiceKey};

use crate::error::Error;
use crate::problem_view::milliseconds;
use crate::view::{CertificateView, ProblemView, ServiceKeyFields};

/// Reads a pasted service key for the form. Its secret goes nowhere.
///
/// # Errors
/// What is wrong with it.
pub fn read_service_key(text: &str) -> Result<ServiceKeyFields, ProblemView> {
    let key = pasted(text)?;
    Ok(ServiceKeyFields {
        base_url: without_slash(key.base_url.as_str()),
        auth_url: without_slash(key.auth_url.as_str()),
        certificate: match &key.credential {
            Credential::Secret(_) => None,
            Credential::Certificate(own) => Some(own.certificate().into()),
        },
        client_id: key.client_id,
    })
}

impl From<&Certificate> for CertificateView {
    fn from(certificate: &Certificate) -> Self {
        CertificateView {
            subject: certificate.subject().to_owned(),
            valid_until: milliseconds(certificate.valid_until()),
        }
    }
}

/// Reads a pasted service key, with its secret.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn pasted(text: &str) -> Result<ServiceKey, Error> {
    ServiceKey::from_pasted(text).map_err(|source| Error::ServiceKey {
        variable: "Service key",
        source,
    })
}

/// URLs are shown as the service key has them.
fn without_slash(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::tests::draft;
    use crate::view::{Field, SecretDraft};

    const KEY: &str = r#"{"clientid":"id!b1|x","clientsecret":"hush","url":"https://auth.example/",
        "serviceurls":{"AI_API_URL":"https://api.example/v2"}}"#;

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
}
