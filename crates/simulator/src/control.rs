//! The control paths under `/__simulator`: what tests ask for and look at.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use crate::answer::Release;
use crate::faults::Fault;
use crate::options::{BackendDetails, Chunking, FinishReason, Options};
use crate::query;
use crate::record::Exchange;
use crate::refuses::Refused;
use crate::server::State;

/// Something that can be said of a request.
type Condition = fn(&Exchange) -> bool;

/// How long a look at the requests waits for what it asks for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The settings that can be changed while it runs; what isn't given stays.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Changes {
    tenant: Option<String>,
    token_lifetime_s: Option<u64>,
    chunking: Option<Chunking>,
    seed: Option<u64>,
    event_delay_ms: Option<u64>,
    backend_details: Option<BackendDetails>,
    finish_reason_mode: Option<FinishReason>,
    clock_ahead_s: Option<i64>,
    page: Option<usize>,
    refuses: Option<Vec<Refused>>,
}

/// How the answers that are held go on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Going {
    how: Release,
}

/// Answers a control path: a status and JSON.
pub(crate) async fn answer(
    state: &Arc<State>,
    method: &Method,
    path: &str,
    query: &str,
    body: &Bytes,
) -> (u16, String) {
    match (method.as_str(), path) {
        ("GET", "requests") => {
            wait(state, query).await;
            (200, state.record.to_json().to_string())
        }
        ("DELETE", "requests") => {
            state.record.clear();
            done()
        }
        (how @ ("POST" | "PUT"), "faults") => match serde_json::from_slice::<Vec<Fault>>(body) {
            Ok(faults) if faults.iter().all(Fault::names_a_route) => {
                if how == "PUT" {
                    state.faults.replace(faults);
                } else {
                    state.faults.add(faults);
                }
                done()
            }
            Ok(_) => wrong("a fault names an unknown route"),
            Err(error) => wrong(&error.to_string()),
        },
        ("DELETE", "faults") => {
            state.faults.clear();
            done()
        }
        ("POST", "release") => match serde_json::from_slice::<Going>(body) {
            Ok(going) => {
                state.faults.release(going.how);
                done()
            }
            Err(error) => wrong(&error.to_string()),
        },
        ("GET", "counts") => (200, state.record.counts().to_string()),
        ("POST", "settings") => match serde_json::from_slice::<Changes>(body) {
            Ok(changes) => {
                state.change(|options| changes.apply(options));
                done()
            }
            Err(error) => wrong(&error.to_string()),
        },
        ("DELETE", "settings") => {
            state.reset();
            done()
        }
        ("GET", "service-key") => (200, state.service_key()),
        _ => (404, json!({"error": "no such control path"}).to_string()),
    }
}

fn done() -> (u16, String) {
    (200, json!({"ok": true}).to_string())
}

fn wrong(why: &str) -> (u16, String) {
    (400, json!({"error": why}).to_string())
}

/// `?count=N` waits for N requests, `?finished=N` and `?cancelled=N` for N that ended so; at most 30 s.
async fn wait(state: &State, query: &str) {
    let conditions: [(&str, Condition); 3] = [
        ("count", |_| true),
        ("finished", Exchange::is_finished),
        ("cancelled", Exchange::is_cancelled),
    ];
    for (name, holds) in conditions {
        if let Some(enough) = query::value(query, name).and_then(|number| number.parse().ok()) {
            // After the time is up the requests are shown as they are.
            let _ = tokio::time::timeout(PATIENCE, state.record.until(enough, holds)).await;
        }
    }
}

impl Changes {
    fn apply(self, options: &mut Options) {
        if let Some(tenant) = self.tenant {
            options.tenant = tenant;
        }
        if let Some(seconds) = self.token_lifetime_s {
            options.token_lifetime = Duration::from_secs(seconds);
        }
        options.chunking = self.chunking.unwrap_or(options.chunking);
        options.seed = self.seed.unwrap_or(options.seed);
        if let Some(delay) = self.event_delay_ms {
            options.event_delay = Duration::from_millis(delay);
        }
        options.backend_details = self.backend_details.unwrap_or(options.backend_details);
        options.finish_reason = self.finish_reason_mode.unwrap_or(options.finish_reason);
        options.clock_ahead_s = self.clock_ahead_s.unwrap_or(options.clock_ahead_s);
        options.page = self.page.unwrap_or(options.page);
        if let Some(refuses) = self.refuses {
            options.refuses = refuses;
        }
    }
}
