//! A service key in parts, each of which has a name of its own (sap-wire.md §1.1).

use std::path::Path;

use coretap_aicore::ServiceKey;
use secrecy::SecretString;

use crate::error::Error;
use crate::paths::{expand, home};

pub(crate) const CLIENT_ID: &str = "AICORE_CLIENT_ID";
pub(crate) const CLIENT_SECRET: &str = "AICORE_CLIENT_SECRET";
pub(crate) const AUTH_URL: &str = "AICORE_AUTH_URL";
pub(crate) const BASE_URL: &str = "AICORE_BASE_URL";
pub(crate) const CERTIFICATE_URL: &str = "AICORE_CERT_URL";
pub(crate) const CERTIFICATE: &str = "AICORE_CERT_STR";
pub(crate) const CERTIFICATE_FILE: &str = "AICORE_CERT_FILE_PATH";
pub(crate) const KEY: &str = "AICORE_KEY_STR";
pub(crate) const KEY_FILE: &str = "AICORE_KEY_FILE_PATH";

/// A key in parts: `part` gives the value of a name, `environment` the home folder. `None` if no part is there. With a
/// client secret the parts of a certificate are not looked at.
pub(crate) fn from_parts(
    part: &impl Fn(&str) -> Option<String>,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<Option<ServiceKey>, Error> {
    let is_given = |name: &&str| part(name).is_some();
    let by_certificate = part(CLIENT_SECRET).is_none()
        && [CERTIFICATE, CERTIFICATE_FILE, KEY, KEY_FILE, CERTIFICATE_URL]
            .iter()
            .any(is_given);
    let names = if by_certificate {
        // The SDKs know two names for where tokens come from, and two ways for certificate and key.
        let either = |one, other| if is_given(&one) { one } else { other };
        let by_file = is_given(&CERTIFICATE_FILE) || is_given(&KEY_FILE);
        vec![
            CLIENT_ID,
            either(CERTIFICATE, if by_file { CERTIFICATE_FILE } else { CERTIFICATE }),
            either(KEY, if by_file { KEY_FILE } else { KEY }),
            either(AUTH_URL, CERTIFICATE_URL),
            BASE_URL,
        ]
    } else {
        vec![CLIENT_ID, CLIENT_SECRET, AUTH_URL, BASE_URL]
    };
    let (given, missing): (Vec<_>, Vec<_>) = names.into_iter().partition(is_given);
    if given.is_empty() {
        return Ok(None);
    }
    if !missing.is_empty() {
        return Err(Error::GroupIncomplete { given, missing });
    }
    let text = |name| part(name).unwrap_or_default();
    let secret = |name| SecretString::from(text(name));
    let (id, base_url) = (text(CLIENT_ID), text(BASE_URL));
    let key = if by_certificate {
        let pem = |direct, file| match part(direct) {
            Some(pem) => Ok(pem),
            None => read_file(file, &expand(home(environment).as_ref(), &text(file))),
        };
        let certificate = pem(CERTIFICATE, CERTIFICATE_FILE)?;
        let private_key = SecretString::from(pem(KEY, KEY_FILE)?);
        // `AICORE_AUTH_URL` may hold the key's `url`, which asks for no certificate.
        let url = part(CERTIFICATE_URL).unwrap_or_else(|| text(AUTH_URL));
        ServiceKey::with_certificate(&id, &certificate, &private_key, &url, &base_url)
    } else {
        ServiceKey::from_parts(&id, &secret(CLIENT_SECRET), &text(AUTH_URL), &base_url)
    };
    key.map(Some).map_err(|source| Error::ServiceKey {
        variable: if by_certificate {
            "AICORE_CERT_…, AICORE_KEY_…, AICORE_BASE_URL"
        } else {
            "AICORE_AUTH_URL, AICORE_BASE_URL"
        },
        source,
    })
}

fn read_file(variable: &'static str, path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::FileUnreadable {
        variable,
        path: path.display().to_string(),
        source,
    })
}
