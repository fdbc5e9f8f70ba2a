//! A service key taken apart for keeping, and put together again: what is public stands in the settings, the secret lies
//! in the keychain or in memory.

use coretap_aicore::{Certificate, ClientCertificate, Credential, ServiceKey};
use secrecy::{ExposeSecret, SecretString};

use crate::binding;
use crate::error::Error;
use crate::secrets::{self, Secret};

/// A service key without its secret.
#[derive(Clone, Debug)]
pub(crate) struct KeyWithoutSecret {
    /// With a dash in the secret's place.
    key: ServiceKey,
    certificate: Option<Certificate>,
}

impl KeyWithoutSecret {
    /// Puts it together; with a certificate in PEM form the secret is that certificate's private key.
    ///
    /// # Errors
    /// When a part is blank, a URL can't be used, or the certificate can't be read.
    pub(crate) fn new(
        client_id: &str,
        auth_url: &str,
        base_url: &str,
        certificate: Option<&str>,
    ) -> Result<Self, coretap_aicore::Error> {
        Ok(Self {
            key: ServiceKey::from_parts(client_id, &SecretString::from("-"), auth_url, base_url)?,
            certificate: certificate.map(Certificate::from_pem).transpose()?,
        })
    }

    /// The name of its secret.
    pub(crate) fn secret_name(&self) -> String {
        binding::secret_name(&self.key, self.certificate.is_some())
    }

    /// The whole key.
    ///
    /// # Errors
    /// When the secret does not belong to the certificate, or can't be one.
    pub(crate) fn with_secret(self, secret: &Secret) -> Result<ServiceKey, Error> {
        let credential = match &self.certificate {
            Some(certificate) => {
                Credential::Certificate(ClientCertificate::new(certificate.clone(), secret.clone())?)
            }
            None => Credential::Secret(secrets::text(secret).ok_or(Error::SecretMissing)?),
        };
        Ok(self.with_credential(credential))
    }

    /// The whole key, with a credential that was given now.
    pub(crate) fn with_credential(self, credential: Credential) -> ServiceKey {
        ServiceKey {
            credential,
            ..self.key
        }
    }
}

/// The name of a key's secret.
pub(crate) fn secret_name(key: &ServiceKey) -> String {
    binding::secret_name(key, matches!(key.credential, Credential::Certificate(_)))
}

/// The secret of a key: the bytes of the client secret, or the private key as PKCS#8 DER, which is short enough for every
/// keychain (Windows' takes 2,560 bytes).
pub(crate) fn secret_of(key: &ServiceKey) -> Secret {
    match &key.credential {
        Credential::Secret(secret) => secrets::bytes(secret.expose_secret()),
        Credential::Certificate(certificate) => certificate.private_key().clone(),
    }
}

/// The certificate of a key in PEM form, if it has one.
pub(crate) fn certificate_of(key: &ServiceKey) -> Option<String> {
    match &key.credential {
        Credential::Secret(_) => None,
        Credential::Certificate(certificate) => Some(certificate.certificate().to_pem()),
    }
}
