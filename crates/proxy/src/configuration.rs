//! What the proxy must be told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use coretap_aicore::AiCore;
use coretap_formats::OrchestrationModules;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// All that the proxy needs to run. A new value in the `watch` holds for every request that begins after it; the port
/// is read when the proxy starts.
pub struct Configuration {
    /// The port on 127.0.0.1; 0 lets the system choose.
    pub port: u16,
    /// What every agent must show.
    pub local_key: LocalKey,
    /// Names besides the loopback ones that a `Host` header may carry, without a port.
    pub allowed_hosts: Vec<String>,
    /// The connection to SAP AI Core that the person has selected.
    pub selected: Connected,
    /// The other connections of its group, which answer for it and it for them. They have its aliases and its selected
    /// model, so that a name means the same at each.
    pub others: Vec<Connected>,
    /// Times and sizes.
    pub limits: Limits,
}

impl Configuration {
    /// All connections, the selected one first.
    pub(crate) fn connections(&self) -> impl Iterator<Item = &Connected> {
        std::iter::once(&self.selected).chain(&self.others)
    }

    /// The connection of this name, if it is one of them.
    pub(crate) fn named(&self, name: &str) -> Option<&Connected> {
        self.connections().find(|connection| *connection.name == *name)
    }
}

/// A connection to SAP AI Core.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The person's name for it; no two have the same.
    pub name: Arc<str>,
    /// The connection itself.
    pub aicore: AiCore,
    /// What orchestration does for it beside completing. They are a connection's own: what is masked for one tenant is not
    /// sent to another one bare, unless that one's settings say so.
    pub modules: Arc<OrchestrationModules>,
}

impl From<AiCore> for Connected {
    /// One that needs no name because there is no other.
    fn from(aicore: AiCore) -> Self {
        Connected {
            name: Arc::from(""),
            aicore,
            modules: Arc::default(),
        }
    }
}

/// Times and sizes that the proxy keeps to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a request's head may take from its first byte to its last. The time between requests has no limit.
    pub head: Duration,
    /// Most bytes of a request's body, unpacked if it is compressed.
    pub body: usize,
    /// How long a request's body may pause.
    pub body_pause: Duration,
    /// Most bytes of an answer that comes as a whole; a stream is never held.
    pub answer: usize,
    /// How often a request is sent again, before the first byte of its answer.
    pub retries: u32,
    /// The first retry waits up to this long, each further one up to twice as long.
    pub backoff: Duration,
    /// The longest `retry-after` that is waited for here; a longer one is the agent's to wait for.
    pub retry_after: Duration,
    /// How long SAP AI Core may take to its first byte. A running stream has no limit.
    pub first_byte: Duration,
    /// How long events that only open an answer are held back, so that a failure right behind them can still be told
    /// by its HTTP status.
    pub first_event: Duration,
    /// Silence on a running stream after which a sign of life is sent.
    pub keep_alive: Duration,
    /// How long running streams may go on when the proxy stops.
    pub drain: Duration,
    /// While there is no connection to SAP AI Core it is looked for after this time, then at ever longer pauses, up to
    /// twelve times as long.
    pub probe: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head: Duration::from_secs(30),
            body: 64 * 1024 * 1024,
            body_pause: Duration::from_secs(30),
            answer: 64 * 1024 * 1024,
            retries: 2,
            backoff: Duration::from_millis(200),
            retry_after: Duration::from_secs(10),
            first_byte: Duration::from_secs(600),
            first_event: Duration::from_secs(2),
            keep_alive: Duration::from_secs(15),
            drain: Duration::from_secs(10),
            probe: Duration::from_secs(5),
        }
    }
}

/// The key that opens the agents' paths. `Debug` never shows it.
#[derive(Clone)]
pub struct LocalKey(SecretString);

impl LocalKey {
    /// Takes a key that can stand in a header: visible ASCII and blanks, but none at either end. Gives nothing
    /// otherwise, and never an empty key.
    pub fn new(key: String) -> Option<Self> {
        let fits = !key.is_empty()
            && key.trim_ascii().len() == key.len()
            && key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        fits.then(|| LocalKey(SecretString::from(key)))
    }

    /// The key itself, for the one who owns it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Compares in constant time, so that a wrong key says nothing about the right one but its length.
    pub(crate) fn matches(&self, given: &[u8]) -> bool {
        self.0.expose_secret().as_bytes().ct_eq(given).into()
    }
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_must_fit_into_a_header() {
        for bad in ["", " ", " a", "a ", "a\nb", "schlüssel", "ta\tb"] {
            assert!(LocalKey::new(bad.to_owned()).is_none(), "{bad:?}");
        }
        let key = LocalKey::new("sk- 1!~".to_owned()).unwrap();
        assert!(key.matches(b"sk- 1!~"));
        for wrong in [&b"sk- 1!"[..], b"sk- 1!~~", b"sk- 1!_", b""] {
            assert!(!key.matches(wrong));
        }
        assert_eq!(format!("{key:?}"), "<redacted>");
    }
}
