//! The OAuth server of the identity zone (sap-wire.md §1): client credentials in the body, as Basic, or in the
//! query, or a client certificate, and tokens that expire.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, Method, header};
use serde_json::json;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::options::Options;
use crate::query::pairs;

/// The client id of a tenant's service key: it holds `!` and `|`, which must be form-encoded.
pub(crate) fn client_id(tenant: &str) -> String {
    format!("sb-6ae2b7b9-1234-4567-89ab-0123456789ab{tenant}!b12345|aicore!b540")
}

/// The secret of a tenant's service key: it holds `$` and `=`.
pub(crate) fn client_secret(tenant: &str) -> String {
    format!("sim$EfGhIjKlMnOpQrStUvWxYz{tenant}=")
}

/// The tokens given out.
#[derive(Default)]
pub(crate) struct Tokens {
    given: Mutex<Given>,
}

#[derive(Default)]
struct Given {
    count: u64,
    /// When each expires.
    expiry: HashMap<String, Instant>,
}

/// Why a bearer is refused.
pub(crate) enum Bad {
    /// There is none, or nobody gave it out.
    Unknown,
    /// It has expired.
    Expired,
}

impl Tokens {
    /// Whether a request carries a valid bearer.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Bad> {
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or(Bad::Unknown)?;
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        match given.expiry.get(bearer) {
            None => Err(Bad::Unknown),
            Some(expiry) if *expiry <= Instant::now() => Err(Bad::Expired),
            Some(_) => Ok(()),
        }
    }

    /// Every token given out so far has expired.
    pub(crate) fn expire_all(&self) {
        let now = Instant::now();
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.expiry.values_mut().for_each(|expiry| *expiry = now);
    }

    fn give(&self, client_id: &str, lifetime: Duration) -> (String, u64) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.count += 1;
        let count = given.count;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let token = format!(
            "{}.{}.{}",
            part(json!({"alg": "RS256", "typ": "JWT"})),
            part(json!({"cid": client_id, "jti": count, "exp": (now + lifetime).as_secs()})),
            BASE64_URL_SAFE_NO_PAD.encode(format!("signature {count} {}", now.as_nanos()))
        );
        given.expiry.insert(token.clone(), Instant::now() + lifetime);
        (token, count)
    }
}

/// `POST /oauth/token`. `certified` is the client that a certificate belongs to, where the handshake wanted one.
pub(crate) fn token(
    tokens: &Tokens,
    method: &Method,
    headers: &HeaderMap,
    query: &str,
    body: &[u8],
    certified: Option<&str>,
    options: &Options,
) -> Answer {
    let lifetime = options.token_lifetime;
    if method != Method::POST {
        return error(405, "method_not_allowed", "Request method is not supported");
    }
    let form = String::from_utf8_lossy(body);
    let fields: Vec<(String, String)> = pairs(query).chain(pairs(form.trim())).collect();
    let field = |name: &str| {
        fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    if !body.is_empty() && !is_form {
        return error(
            415,
            "unsupported_media_type",
            "Content-Type must be application/x-www-form-urlencoded",
        );
    }
    match field("grant_type") {
        None => return error(400, "invalid_request", "Missing grant type"),
        Some("client_credentials") => {}
        Some(other) => {
            let description = format!("Unsupported grant type: {other}");
            return error(400, "unsupported_grant_type", &description);
        }
    }
    if let Some(owner) = certified {
        return match field("client_id") {
            // The certificate is the only proof here.
            Some(_) if field("client_secret").is_some() || headers.contains_key(header::AUTHORIZATION) => {
                error(401, "invalid_client", "Client authentication failed")
            }
            Some(id) if id == owner => given(tokens, id, lifetime),
            Some(_) => error(401, "unauthorized", "Bad credentials"),
            None => error(401, "invalid_client", "Client authentication failed"),
        };
    }
    let basic = headers.get(header::AUTHORIZATION).and_then(basic_credentials);
    let (id, secret) = match &basic {
        Some((id, secret)) => (id.as_str(), secret.as_str()),
        None => match (field("client_id"), field("client_secret")) {
            (Some(id), Some(secret)) => (id, secret),
            _ => return error(401, "invalid_client", "Client authentication failed"),
        },
    };
    if id != client_id(&options.tenant) {
        return error(401, "invalid_client", "Client with requested ID does not exist");
    }
    if secret != client_secret(&options.tenant) {
        return error(401, "unauthorized", "Bad credentials");
    }
    given(tokens, id, lifetime)
}

fn given(tokens: &Tokens, client_id: &str, lifetime: Duration) -> Answer {
    let (token, count) = tokens.give(client_id, lifetime);
    let body = json!({
        "access_token": token,
        "token_type": "bearer",
        "expires_in": lifetime.as_secs(),
        "scope": "uaa.resource aicore!b540.all",
        "jti": format!("4b6a0d3f{count:024x}"),
    });
    Answer::json(200, body.to_string())
}

fn basic_credentials(value: &http::HeaderValue) -> Option<(String, String)> {
    let encoded = value.to_str().ok()?.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn error(status: u16, name: &str, description: &str) -> Answer {
    let body = json!({"error": name, "error_description": description});
    Answer::json(status, body.to_string()).because(description)
}
