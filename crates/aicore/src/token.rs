//! The token: client credentials for a bearer (sap-wire.md §1.2 to §1.5).

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::HeaderValue;
use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use crate::cached::{Cached, Fetched};
use crate::clients::CurrentClients;
use crate::error::Error;
use crate::excerpt::excerpt;
use crate::service_key::{Credential, ServiceKey, below};
use crate::transport::{self, Timeouts};

const WHAT: &str = "the token";
/// A token answer has about 4 KB; more than this is something else.
const LONGEST_ANSWER: usize = 256 * 1024;
/// In this time a refused token is replaced once, because a wrong resource group must not become a flood of logins.
const REFUSALS_COUNT_FOR: Duration = Duration::from_secs(30);
/// A token that is said to be no good is replaced as often as there are pauses here, each time after the next one.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(4)];
/// The server always says how long its token holds; if one does not, it is asked again soon.
const UNSAID_LIFETIME: u64 = 300;
const LONGEST_LIFETIME: u64 = 7 * 24 * 3600;

/// A bearer, ready for the `Authorization` header and marked sensitive, so that `Debug` does not show it.
pub(crate) struct Token {
    pub(crate) authorization: HeaderValue,
}

pub(crate) struct Tokens {
    clients: Arc<CurrentClients>,
    url: Url,
    client_id: String,
    credential: Credential,
    call_timeout: Duration,
    cached: Arc<Cached<Token>>,
    forced: Mutex<Forced>,
    /// Whether these credentials have been taken once: if they are refused later, they were taken away.
    has_worked: AtomicBool,
}

/// The tokens that were replaced before their end.
#[derive(Default)]
struct Forced {
    /// When, as far back as it counts.
    at: Vec<Instant>,
    /// The next token is not asked for before.
    not_before: Option<Instant>,
}

impl Tokens {
    pub(crate) fn new(key: &ServiceKey, clients: Arc<CurrentClients>, timeouts: Timeouts) -> Arc<Self> {
        Arc::new(Self {
            clients,
            url: below(&key.auth_url, "/oauth/token"),
            client_id: key.client_id.clone(),
            credential: key.credential.clone(),
            call_timeout: timeouts.call,
            cached: Cached::new(WHAT),
            forced: Mutex::default(),
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

    /// Told that SAP AI Core refused `token`: says whether another try makes sense, because there is or will be another
    /// token. `is_no_good`: it said that the token itself is expired or wrong, so another one may well be taken.
    pub(crate) fn refused(&self, token: &Arc<Token>, is_no_good: bool) -> bool {
        let mut forced = self.forced.lock().unwrap_or_else(PoisonError::into_inner);
        if self
            .cached
            .current()
            .is_none_or(|current| !Arc::ptr_eq(&current, token))
        {
            return true;
        }
        let now = Instant::now();
        forced
            .at
            .retain(|at| now.duration_since(*at) < REFUSALS_COUNT_FOR);
        let before = forced.at.len();
        let Some(pause) = PAUSES.get(before).filter(|_| is_no_good || before == 0) else {
            return false;
        };
        forced.at.push(now);
        forced.not_before = Some(now + *pause);
        self.cached.forget();
        tracing::debug!("token refused, fetching another one");
        true
    }

    /// Forgets the token: the next call waits for a new one.
    pub(crate) fn forget(&self) {
        self.cached.forget();
    }

    async fn fetch(&self) -> Result<Fetched<Token>, Error> {
        let not_before = self
            .forced
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .not_before
            .take();
        if let Some(not_before) = not_before {
            tokio::time::sleep_until(not_before).await;
        }
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
        ];
        match &self.credential {
            Credential::Secret(secret) => form.push(("client_secret", secret.expose_secret())),
            // It is shown in the handshake.
            Credential::Certificate(own) => own.certificate().check_expiry(SystemTime::now())?,
        }
        let asked = Instant::now();
        let response = self
            .clients
            .get()
            .tokens
            .post(self.url.clone())
            .header(http::header::ACCEPT, "application/json")
            .form(&form)
            .timeout(self.call_timeout)
            .send()
            .await
            .map_err(|error| self.unreachable(error))?;
        let status = response.status();
        let body = transport::read_bounded(response, LONGEST_ANSWER, WHAT).await?;
        let mut fetched = self.read(status, &body)?;
        // The server counts from when it gave the token, and that was before it was here.
        let under_way = asked.elapsed();
        fetched.fresh_for = fetched.fresh_for.saturating_sub(under_way);
        fetched.usable_for = fetched.usable_for.map(|usable| usable.saturating_sub(under_way));
        Ok(fetched)
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
        let margin = refresh_margin(lifetime);
        Ok(Fetched {
            value: Token { authorization },
            fresh_for: lifetime.saturating_sub(margin),
            // A request that took it in its last moments would arrive with an expired one.
            usable_for: Some(lifetime.saturating_sub(margin / 2)),
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
