//! The token: client credentials for a bearer (sap-wire.md §1.2 to §1.5).

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::HeaderValue;
use reqwest::Client;
use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use crate::cached::{Cached, Fetched};
use crate::error::Error;
use crate::excerpt::excerpt;
use crate::service_key::{Credential, ServiceKey, below};
use crate::transport::{self, Timeouts};

const WHAT: &str = "the token";
/// A token answer has about 4 KB; more than this is something else.
const LONGEST_ANSWER: usize = 256 * 1024;
/// A refused token is replaced at most once in this time: a wrong resource group must not become a flood of logins.
const FORCED_REFRESH_EVERY: Duration = Duration::from_secs(30);
/// The server always says how long its token holds; if one does not, it is asked again soon.
const UNSAID_LIFETIME: u64 = 300;
const LONGEST_LIFETIME: u64 = 7 * 24 * 3600;

/// A bearer, ready for the `Authorization` header and marked sensitive, so that `Debug` does not show it.
pub(crate) struct Token {
    pub(crate) authorization: HeaderValue,
}

pub(crate) struct Tokens {
    client: Client,
    url: Url,
    client_id: String,
    credential: Credential,
    call_timeout: Duration,
    cached: Arc<Cached<Token>>,
    last_forced: Mutex<Option<Instant>>,
    /// Whether these credentials have been taken once: if they are refused later, they were taken away.
    has_worked: AtomicBool,
}

impl Tokens {
    pub(crate) fn new(key: &ServiceKey, client: Client, timeouts: Timeouts) -> Arc<Self> {
        Arc::new(Self {
            client,
            url: below(&key.auth_url, "/oauth/token"),
            client_id: key.client_id.clone(),
            credential: key.credential.clone(),
            call_timeout: timeouts.call,
            cached: Cached::new(WHAT),
            last_forced: Mutex::new(None),
            has_worked: AtomicBool::new(false),
        })
    }

    /// A token that still holds; one near its end is replaced in the background.
    pub(crate) async fn get(self: &Arc<Self>) -> Result<Arc<Token>, Error> {
        self.cached
            .get(|| {
                let tokens = Arc::clone(self);
                async move { tokens.fetch().await }
            })
            .await
    }

    /// Told that SAP AI Core refused `token`: says whether a second try makes sense, because there is or will be
    /// another token.
    pub(crate) fn refused(&self, token: &Arc<Token>) -> bool {
        let mut last_forced = self.last_forced.lock().unwrap_or_else(PoisonError::into_inner);
        if self
            .cached
            .current()
            .is_none_or(|current| !Arc::ptr_eq(&current, token))
        {
            return true;
        }
        if last_forced.is_some_and(|at| at.elapsed() < FORCED_REFRESH_EVERY) {
            return false;
        }
        *last_forced = Some(Instant::now());
        self.cached.forget();
        tracing::debug!("token refused, fetching another one");
        true
    }

    async fn fetch(&self) -> Result<Fetched<Token>, Error> {
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
        ];
        match &self.credential {
            Credential::Secret(secret) => form.push(("client_secret", secret.expose_secret())),
            // It is shown in the handshake.
            Credential::Certificate(own) => own.certificate().check_expiry(SystemTime::now())?,
        }
        let response = self
            .client
            .post(self.url.clone())
            .header(http::header::ACCEPT, "application/json")
            .form(&form)
            .timeout(self.call_timeout)
            .send()
            .await
            .map_err(|error| self.unreachable(error))?;
        let status = response.status();
        let body = transport::read_bounded(response, LONGEST_ANSWER, WHAT).await?;
        self.read(status, &body)
    }

    /// What it means that there was no answer. A server that does not take a client certificate ends the handshake, and
    /// says so in an alert.
    fn unreachable(&self, error: reqwest::Error) -> Error {
        let alert = matches!(self.credential, Credential::Certificate(_))
            .then(|| transport::refusal_of_certificate(&error))
            .flatten();
        match alert {
            Some(alert) => Error::CertificateRefused {
                text: format!("the TLS handshake was ended with '{alert}'"),
            },
            None => transport::unreachable(&self.url, error),
        }
    }

    fn read(&self, status: StatusCode, body: &[u8]) -> Result<Fetched<Token>, Error> {
        let host = || self.url.host_str().unwrap_or_default().to_owned();
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return Err(Error::TokenUnavailable { host: host(), status });
        }
        let answer = serde_json::from_slice::<Answer>(body).unwrap_or_default();
        let (Some(token), true) = (answer.access_token, status.is_success()) else {
            let words = answer.error_description.or(answer.error);
            if words.is_none() && status != StatusCode::UNAUTHORIZED {
                return Err(Error::NotOAuth { host: host(), status });
            }
            let words = words.unwrap_or_else(|| "the server gave no reason".to_owned());
            let words = match &self.credential {
                // A server that repeats what it was sent must not bring the secret into a log.
                Credential::Secret(secret) => words.replace(secret.expose_secret(), "<redacted>"),
                Credential::Certificate(_) => words,
            };
            let text = excerpt(&words, 200);
            let is_gone = self.has_worked.load(Ordering::Relaxed) || says_that_it_is_gone(&words);
            return Err(match &self.credential {
                _ if is_gone => Error::KeyRevoked { status, text },
                Credential::Secret(_) => Error::TokenRefused { status, text },
                Credential::Certificate(_) => Error::CertificateRefused { text },
            });
        };
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| Error::Unreadable {
                what: WHAT,
                reason: "it can't be sent in a header".to_owned(),
            })?;
        authorization.set_sensitive(true);
        self.has_worked.store(true, Ordering::Relaxed);

        let lifetime = answer
            .expires_in
            .map_or(UNSAID_LIFETIME, Seconds::whole)
            .min(LONGEST_LIFETIME);
        let lifetime = Duration::from_secs(lifetime);
        Ok(Fetched {
            value: Token { authorization },
            fresh_for: lifetime.saturating_sub(refresh_margin(lifetime)),
            usable_for: Some(lifetime),
        })
    }
}

/// Whether an OAuth error is about a client that is no more, as against a wrong secret (sap-wire.md §1.4).
fn says_that_it_is_gone(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    ["does not exist", "expired", "revoked", "disabled", "deleted"]
        .iter()
        .any(|sign| words.contains(sign))
}

/// How long before its end a token is replaced: a minute, but never more than a tenth of its life, or a short-lived
/// token would be replaced at every request.
fn refresh_margin(lifetime: Duration) -> Duration {
    Duration::from_secs(60).min(lifetime / 10)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(<redacted>)")
    }
}

/// A token answer or an OAuth error (sap-wire.md §1.3, §1.4). Anything else reads as empty.
#[derive(Deserialize, Default)]
struct Answer {
    access_token: Option<String>,
    expires_in: Option<Seconds>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Servers in the wild write `expires_in` as a number, with decimals, or as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Whole(u64),
    Decimal(f64),
    Text(String),
}

impl Seconds {
    fn whole(self) -> u64 {
        match self {
            Self::Whole(seconds) => seconds,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "`as` saturates; parts of a second don't count"
            )]
            Self::Decimal(seconds) => seconds as u64,
            Self::Text(text) => text.trim().parse().unwrap_or(UNSAID_LIFETIME),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_a_minute_or_a_tenth() {
        for (lifetime, margin) in [(43_199, 60), (7_199, 60), (600, 60), (300, 30), (10, 1), (0, 0)] {
            assert_eq!(
                refresh_margin(Duration::from_secs(lifetime)).as_secs(),
                margin,
                "{lifetime}"
            );
        }
    }

    #[test]
    fn every_spelling_of_expires_in_is_read() {
        for (json, seconds) in [
            ("7199", 7199),
            ("7199.9", 7199),
            ("\"7199\"", 7199),
            ("-5.0", 0),
            ("\"soon\"", 300),
        ] {
            assert_eq!(
                serde_json::from_str::<Seconds>(json).unwrap().whole(),
                seconds,
                "{json}"
            );
        }
    }
}
