//! What a running proxy says of itself: to the holder of its local key at `/health`, and to whoever reads that.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What `GET /health` says to the holder of the local key. It holds no secret and no word of a prompt or an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthReport {
    /// `ok` as long as there is somebody to say it.
    pub status: String,
    /// Coretap's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// What it does.
    pub state: HealthState,
    /// How models are reached.
    pub mode: Mode,
    /// The modules of orchestration that are on beside completion; none in foundation mode.
    #[serde(default)]
    pub orchestration: Vec<String>,
    /// SAP AI Core's resource group.
    pub resource_group: String,
    /// The model for names that mean nothing to SAP AI Core.
    pub model: Option<String>,
    /// Since when it listens.
    #[serde(with = "time::serde::rfc3339")]
    pub running_since: OffsetDateTime,
    /// When something last worked that SAP AI Core was asked for; `None` if nothing was measured yet.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_success: Option<OffsetDateTime>,
    /// What does not work.
    pub problem: Option<HealthProblem>,
    /// Requests for a model's answer since it listens.
    pub requests: RequestCounts,
    /// Connections for requests that are open to SAP AI Core.
    pub connections: usize,
}

/// What the proxy does while it can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// What was measured last worked, or nothing was measured yet.
    Running,
    /// What was measured last did not work.
    Degraded,
    /// It takes nothing new.
    Stopping,
}

/// How models are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All through the orchestration deployment.
    Orchestration,
    /// Each at a deployment of its own.
    Foundation,
}

/// What does not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthProblem {
    /// The stable code, explained in docs/problems.md.
    pub code: String,
    /// A sentence for people.
    pub sentence: String,
    /// What to do about it; may be empty.
    pub hint: String,
    /// Since when nothing has worked.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

/// How many requests there were for a model's answer. Those whose agent left before the end are in none of the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCounts {
    /// Not over yet.
    pub running: u64,
    /// Answered to the end.
    pub answered: u64,
    /// Answered with a problem, be it the request's own.
    pub failed: u64,
}
