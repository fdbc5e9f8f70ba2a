//! The service key: who Coretap is to SAP AI Core, and where it is (sap-wire.md §1.1).

use std::fmt;

use http::{HeaderValue, Uri};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::{Host, Url};

use crate::client_certificate::{CERTIFICATE, ClientCertificate, KEY};
use crate::error::Error;

/// Client credentials and the two addresses of one SAP AI Core instance. `Debug` never shows a secret.
#[derive(Clone)]
pub struct ServiceKey {
    /// OAuth client id; it holds `!` and `|`.
    pub client_id: String,
    /// What proves that it is this client.
    pub credential: Credential,
    /// Where tokens come from, without `/oauth/token`: `url`, or `certurl` of a key with a certificate.
    pub auth_url: Url,
    /// The AI API, without `/v2`.
    pub base_url: Url,
}

/// What proves who a client is.
#[derive(Clone)]
pub enum Credential {
    /// OAuth client secret, sent in the token request.
    Secret(SecretString),
    /// A client certificate (x509), shown in the TLS handshake with the Auth URL's host and with no other.
    Certificate(ClientCertificate),
}

const CLIENT_ID: &str = "clientid";
const CLIENT_SECRET: &str = "clientsecret";
const AUTH_URL: &str = "url";
const CERTIFICATE_URL: &str = "certurl";
const BASE_URL: &str = "serviceurls.AI_API_URL";

impl ServiceKey {
    /// Reads a service key as SAP BTP cockpit shows it, plain or wrapped in `{"credentials": …}`. Of a key that has both a
    /// client secret and a certificate the secret is used.
    ///
    /// # Errors
    /// [`Error::ServiceKeyUnreadable`], [`Error::ServiceKeyIncomplete`] (which names all that is missing),
    /// [`Error::UrlRefused`], and those of [`ClientCertificate::from_pem`].
    pub fn parse(json: &str) -> Result<Self, Error> {
        let key = read_object(json)?;
        Self::from_json(key.get("credentials").unwrap_or(&key))
    }

    /// Puts a service key together from its four parts, as the environment variables `AICORE_CLIENT_ID`,
    /// `AICORE_CLIENT_SECRET`, `AICORE_AUTH_URL` and `AICORE_BASE_URL` give them. Blanks around a part, which pasting
    /// leaves behind, are not part of it.
    ///
    /// # Errors
    /// [`Error::ServiceKeyIncomplete`] (blank parts by their name in a service key) and [`Error::UrlRefused`].
    pub fn from_parts(
        client_id: &str,
        client_secret: &SecretString,
        auth_url: &str,
        base_url: &str,
    ) -> Result<Self, Error> {
        let client_secret = client_secret.expose_secret().trim();
        none_missing(&[
            (CLIENT_ID, client_id),
            (CLIENT_SECRET, client_secret),
            (AUTH_URL, auth_url),
            (BASE_URL, base_url),
        ])?;
        Ok(Self {
            client_id: client_id.trim().to_owned(),
            credential: Credential::Secret(client_secret.into()),
            auth_url: origin_url(AUTH_URL, auth_url, "/oauth/token")?,
            base_url: origin_url(BASE_URL, base_url, "/v2")?,
        })
    }

    /// Puts an x509 service key together from its five parts; `certificate_url` is where tokens come from, the key's
    /// `certurl`.
    ///
    /// # Errors
    /// [`Error::ServiceKeyIncomplete`] (blank parts by their name in a service key), [`Error::UrlRefused`], and those of
    /// [`ClientCertificate::from_pem`].
    pub fn with_certificate(
        client_id: &str,
        certificate: &str,
        private_key: &SecretString,
        certificate_url: &str,
        base_url: &str,
    ) -> Result<Self, Error> {
        none_missing(&[
            (CLIENT_ID, client_id),
            (CERTIFICATE, certificate),
            (KEY, private_key.expose_secret()),
            (CERTIFICATE_URL, certificate_url),
            (BASE_URL, base_url),
        ])?;
        Ok(Self {
            client_id: client_id.trim().to_owned(),
            credential: Credential::Certificate(ClientCertificate::from_pem(certificate, private_key)?),
            auth_url: origin_url(CERTIFICATE_URL, certificate_url, "/oauth/token")?,
            base_url: origin_url(BASE_URL, base_url, "/v2")?,
        })
    }

    /// Takes the credentials of the first `aicore` binding out of Cloud Foundry's `VCAP_SERVICES`.
    ///
    /// # Errors
    /// [`Error::BindingMissing`], and those of [`ServiceKey::parse`].
    pub fn from_vcap_services(json: &str) -> Result<Self, Error> {
        let services = read_object(json)?;
        let credentials = services
            .pointer("/aicore/0/credentials")
            .ok_or(Error::BindingMissing)?;
        Self::from_json(credentials)
    }

    /// Reads whatever people paste: a service key as [`ServiceKey::parse`] takes it, `VCAP_SERVICES`, or the output of
    /// `cf env` with `VCAP_SERVICES` in it.
    ///
    /// # Errors
    /// Those of [`ServiceKey::parse`].
    pub fn from_pasted(text: &str) -> Result<Self, Error> {
        let pasted = read_object(text)?;
        let services = pasted.get("VCAP_SERVICES").unwrap_or(&pasted);
        match services.pointer("/aicore/0/credentials") {
            Some(credentials) => Self::from_json(credentials),
            None => Self::from_json(pasted.get("credentials").unwrap_or(&pasted)),
        }
    }

    fn from_json(key: &Value) -> Result<Self, Error> {
        let text = |pointer| key.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let client_secret = text("/clientsecret");
        if client_secret.is_empty() && !(text("/certificate").is_empty() && text("/key").is_empty()) {
            return Self::with_certificate(
                text("/clientid"),
                text("/certificate"),
                &text("/key").into(),
                text("/certurl"),
                text("/serviceurls/AI_API_URL"),
            );
        }
        Self::from_parts(
            text("/clientid"),
            &client_secret.into(),
            text("/url"),
            text("/serviceurls/AI_API_URL"),
        )
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceKey")
            .field("client_id", &self.client_id)
            .field("credential", &self.credential)
            .field("auth_url", &self.auth_url.as_str())
            .field("base_url", &self.base_url.as_str())
            .finish()
    }
}

impl Credential {
    /// Whether both would prove the same.
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Secret(one), Self::Secret(other)) => one.expose_secret() == other.expose_secret(),
            (Self::Certificate(one), Self::Certificate(other)) => {
                one.certificate() == other.certificate()
                    && one.private_key().expose_secret() == other.private_key().expose_secret()
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(_) => f.write_str("Secret(<redacted>)"),
            Self::Certificate(certificate) => certificate.fmt(f),
        }
    }
}

/// Names all parts that are blank at once.
fn none_missing(parts: &[(&'static str, &str)]) -> Result<(), Error> {
    let missing: Vec<_> = parts
        .iter()
        .filter(|(_, part)| part.trim().is_empty())
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Error::ServiceKeyIncomplete { missing })
    }
}

/// `serde_json`'s own message would repeat the text that it stumbled over, which may be the secret: only the place is kept.
fn read_object(json: &str) -> Result<Value, Error> {
    let json = json.trim_start_matches('\u{feff}').trim();
    match serde_json::from_str::<Value>(json) {
        Ok(value) if value.is_object() => Ok(value),
        Ok(_) => Err(Error::ServiceKeyUnreadable { line: 1, column: 0 }),
        Err(error) => Err(Error::ServiceKeyUnreadable {
            line: error.line(),
            column: error.column(),
        }),
    }
}

/// A URL of the key without `suffix` and closing slashes. Whoever holds it gets the secret or the token, so it is
/// https, except on this machine, and has nothing in it that another reader could take for the host.
fn origin_url(field: &'static str, text: &str, suffix: &str) -> Result<Url, Error> {
    let refused = |reason| Error::UrlRefused { field, reason };
    let mut url = Url::parse(text.trim()).map_err(|_| refused("is not a URL; it begins with https://"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("holds a user name or a password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refused("holds a query or a fragment"));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        _ => return Err(refused("does not begin with https://")),
    }
    let path = url.path().trim_end_matches('/');
    let path = path
        .strip_suffix(suffix)
        .unwrap_or(path)
        .trim_end_matches('/')
        .to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Whether a URL's host is this machine. The host is parsed, never compared as a prefix: `127.0.0.1.evil.com` is a name.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// A URL with a path below the one it has.
pub(crate) fn below(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    let path = format!("{}{path}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// The Base URL, or one below it, as requests carry it.
pub(crate) fn base_uri(url: &Url) -> Result<Uri, Error> {
    Uri::try_from(url.as_str()).map_err(|_| unsendable())
}

/// The `Host` header of requests to the Base URL.
pub(crate) fn host_header(base_uri: &Uri) -> Result<HeaderValue, Error> {
    let host = base_uri.authority().ok_or_else(unsendable)?;
    HeaderValue::from_str(host.as_str()).map_err(|_| unsendable())
}

fn unsendable() -> Error {
    Error::UrlRefused {
        field: BASE_URL,
        reason: "can't be sent in a request",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#"{
        "clientid": "sb-6ae2!b12345|aicore!b540", "clientsecret": "abcd$EfGh=",
        "url": "https://my-subdomain.authentication.eu10.hana.ondemand.com",
        "identityzone": "my-subdomain", "credential-type": "binding-secret",
        "serviceurls": { "AI_API_URL": "https://api.ai.prod.eu-central-1.aws.ml.hana.ondemand.com" }
    }"#;

    fn with_urls(auth_url: &str, base_url: &str) -> Result<ServiceKey, Error> {
        ServiceKey::from_parts("id", &"secret".into(), auth_url, base_url)
    }

    #[test]
    fn plain_wrapped_and_bound_keys_are_the_same_key() {
        let wrapped = format!(r#"{{"credentials": {PLAIN}}}"#);
        let bound = format!(r#"{{"xsuaa": [], "aicore": [{{"name": "core", "credentials": {PLAIN}}}]}}"#);
        for key in [
            ServiceKey::parse(PLAIN).unwrap(),
            ServiceKey::parse(&format!("\u{feff}\n{PLAIN}\n")).unwrap(),
            ServiceKey::parse(&wrapped).unwrap(),
            ServiceKey::from_vcap_services(&bound).unwrap(),
            ServiceKey::from_pasted(PLAIN).unwrap(),
            ServiceKey::from_pasted(&wrapped).unwrap(),
            ServiceKey::from_pasted(&bound).unwrap(),
            ServiceKey::from_pasted(&format!(r#"{{"VCAP_SERVICES": {bound}}}"#)).unwrap(),
        ] {
            assert_eq!(key.client_id, "sb-6ae2!b12345|aicore!b540");
            let Credential::Secret(secret) = &key.credential else {
                panic!("{key:?}")
            };
            assert_eq!(secret.expose_secret(), "abcd$EfGh=");
            assert_eq!(
                key.auth_url.as_str(),
                "https://my-subdomain.authentication.eu10.hana.ondemand.com/"
            );
            assert_eq!(
                key.base_url.as_str(),
                "https://api.ai.prod.eu-central-1.aws.ml.hana.ondemand.com/"
            );
        }
    }

    #[test]
    fn all_that_is_missing_is_named_at_once() {
        let error =
            ServiceKey::parse(r#"{"clientid": " ", "clientsecret": 5, "url": "https://a"}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "The service key lacks clientid, clientsecret, serviceurls.AI_API_URL."
        );
        let error = ServiceKey::parse("{}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "The service key lacks clientid, clientsecret, url, serviceurls.AI_API_URL."
        );
        assert_eq!(error.code(), "CONFIG-SERVICE-KEY-INCOMPLETE");
    }

    #[test]
    fn an_absent_binding_is_said_to_be_so() {
        assert!(matches!(
            ServiceKey::from_vcap_services(r#"{"xsuaa": []}"#),
            Err(Error::BindingMissing)
        ));
        assert!(matches!(
            ServiceKey::from_vcap_services(r#"{"aicore": []}"#),
            Err(Error::BindingMissing)
        ));
    }

    #[test]
    fn text_that_is_no_json_is_located_and_not_repeated() {
        let error = ServiceKey::parse("{\"clientsecret\": \"hush\"\n \"url\": 1}").unwrap_err();
        assert!(
            matches!(error, Error::ServiceKeyUnreadable { line: 2, .. }),
            "{error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("hush"));
        assert!(matches!(
            ServiceKey::parse("\"hush\""),
            Err(Error::ServiceKeyUnreadable { .. })
        ));
    }

    #[test]
    fn debug_is_redacted() {
        let shown = format!("{:?}", ServiceKey::parse(PLAIN).unwrap());
        assert!(shown.contains("Secret(<redacted>)"), "{shown}");
        assert!(!shown.contains("EfGh"), "{shown}");
    }

    #[test]
    fn pasted_endings_are_stripped() {
        for auth in [
            "https://a.b",
            "https://a.b/",
            " https://a.b/oauth/token ",
            "https://a.b//oauth/token/",
        ] {
            assert_eq!(
                with_urls(auth, "https://c").unwrap().auth_url.as_str(),
                "https://a.b/",
                "{auth}"
            );
        }
        for base in ["https://c.d", "https://c.d/", "https://c.d/v2", "https://c.d/v2/"] {
            assert_eq!(
                with_urls("https://a", base).unwrap().base_url.as_str(),
                "https://c.d/",
                "{base}"
            );
        }
        let nested = with_urls("https://a.b/uaa/oauth/token", "https://c.d/gateway/v2").unwrap();
        assert_eq!(
            below(&nested.auth_url, "/oauth/token").as_str(),
            "https://a.b/uaa/oauth/token"
        );
        assert_eq!(
            below(&nested.base_url, "/v2/lm").as_str(),
            "https://c.d/gateway/v2/lm"
        );
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for loopback in [
            "http://127.0.0.1:4004",
            "http://127.8.9.1",
            "http://[::1]:1",
            "http://localhost:80",
            "http://LOCALHOST",
        ] {
            with_urls(loopback, loopback).unwrap_or_else(|error| panic!("{loopback}: {error}"));
        }
        for foreign in [
            "http://api.ai.example.com",
            "http://127.0.0.1.evil.com",
            "http://localhost.evil.com",
            "http://localhost@evil.com",
            "http://127.0.0.1:80@evil.com",
            "https://user:pass@a.b",
            "https://a.b?x=1",
            "https://a.b#x",
            "ftp://localhost",
            "file:///etc/passwd",
            "a.b",
            "http://128.0.0.1",
            "http://0.0.0.0",
            "http://[::2]",
        ] {
            for key in [with_urls(foreign, "https://c"), with_urls("https://c", foreign)] {
                let error = key.err().unwrap_or_else(|| panic!("{foreign} was taken"));
                assert_eq!(error.code(), "CONFIG-URL", "{foreign}");
            }
        }
        let error = with_urls("https://c", "https://user:pass@a.b").unwrap_err();
        assert_eq!(
            error.to_string(),
            "The URL in 'serviceurls.AI_API_URL' holds a user name or a password."
        );
    }
}
