//! What can be set, at start and by the control path while it runs.

use std::time::Duration;

use serde::Deserialize;

use crate::refuses::Refused;

/// How the simulator behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose tenant this is: the name stands in the client id and the client secret of its service key, which no other
    /// tenant takes. Default: empty.
    pub tenant: String,
    /// How long a token is valid. Default: 43,199 s, as SAP's.
    pub token_lifetime: Duration,
    /// How the bytes of answers are cut.
    pub chunking: Chunking,
    /// The seed of [`Chunking::Random`].
    pub seed: u64,
    /// The pause after each event of a stream. Default: none.
    pub event_delay: Duration,
    /// How deployment rows spell their backend details.
    pub backend_details: BackendDetails,
    /// What stands for "no finish reason yet" in orchestration streams.
    pub finish_reason: FinishReason,
    /// How many seconds its clock is ahead of this machine's, as the header `date` says; negative is behind.
    pub clock_ahead_s: i64,
    /// The most rows of one list; more are reached by `$skip`. Default: 10,000.
    pub page: usize,
    /// What this tenant refuses beyond what every tenant does. Default: nothing.
    pub refuses: Vec<Refused>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tenant: String::new(),
            token_lifetime: Duration::from_secs(43_199),
            chunking: Chunking::Event,
            seed: 1,
            event_delay: Duration::ZERO,
            backend_details: BackendDetails::Mixed,
            finish_reason: FinishReason::Absent,
            clock_ahead_s: 0,
            page: 10_000,
            refuses: Vec::new(),
        }
    }
}

/// How the bytes of answers are cut into writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chunking {
    /// One write for each event.
    Event,
    /// One write for each byte.
    Byte,
    /// Writes of 1 to 48 bytes, inside lines and characters.
    Random,
    /// All in one write.
    Whole,
}

/// How deployment rows spell their backend details (sap-wire.md §2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendDetails {
    /// In turn: both, only `backendDetails`, only `backend_details`.
    Mixed,
    /// Both in each row.
    Both,
    /// `backendDetails`.
    Camel,
    /// `backend_details`.
    Snake,
}

/// What stands for "no finish reason yet" (sap-wire.md §4.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// Nothing.
    Absent,
    /// An empty string, as in 2024; the first event's role is empty too.
    Empty,
}
