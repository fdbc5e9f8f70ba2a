//! The last requests, kept for tests to look at.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::orchestration;
use crate::route::Route;

/// How many requests are kept.
const KEPT: usize = 1_000;
/// The longest body that is kept.
const LONGEST_BODY: usize = 256 * 1024;
/// How many bytes of bodies are kept in all: the oldest requests go first.
const BODIES: usize = 64 * 1024 * 1024;

/// A request and what became of it.
pub(crate) struct Exchange {
    id: u64,
    method: String,
    path: String,
    query: String,
    route: Route,
    headers: HeaderMap,
    body: Option<Bytes>,
    body_bytes: usize,
    status: AtomicU16,
    refused: OnceLock<String>,
    cancelled: AtomicBool,
    finished: AtomicBool,
    changes: watch::Sender<u64>,
}

impl Exchange {
    /// Notes the answer.
    pub(crate) fn answered(&self, status: u16, refused: Option<String>) {
        self.status.store(status, Ordering::Release);
        if let Some(reason) = refused {
            // Only the first answer counts; there is but one.
            let _ = self.refused.set(reason);
        }
        self.changes.send_modify(|count| *count += 1);
    }

    /// The answer went out to its end.
    pub(crate) fn finish(&self) {
        self.finished.store(true, Ordering::Release);
        self.changes.send_modify(|count| *count += 1);
    }

    /// The client left before the end.
    pub(crate) fn abandon(&self) {
        if !self.is_finished() {
            self.cancelled.store(true, Ordering::Release);
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// Whether the client left before the end.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Whether the answer went out to its end.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }

    fn to_json(&self) -> Value {
        let mut headers = Map::new();
        for (name, value) in &self.headers {
            let text = if name == header::AUTHORIZATION {
                "<redacted>".to_owned()
            } else {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            };
            headers.insert(name.as_str().to_owned(), Value::String(text));
        }
        let body = self.body.as_ref().map(|body| match self.route {
            Route::Token => Value::String("<redacted>".to_owned()),
            _ => serde_json::from_slice(body)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned())),
        });
        let status = self.status.load(Ordering::Acquire);
        let rendered = (self.route == Route::Completion)
            .then(|| self.body.as_deref().map_or(Value::Null, orchestration::rendered));
        json!({
            "id": self.id,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "route": self.route.name(),
            "status": (status != 0).then_some(status),
            "refused": self.refused.get(),
            "headers": headers,
            "body": body,
            "body_bytes": self.body_bytes,
            "rendered": rendered,
            "cancelled": self.is_cancelled(),
            "finished": self.is_finished(),
        })
    }
}

/// The last requests.
pub(crate) struct Record {
    kept: Mutex<Kept>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    next_id: u64,
    bytes: usize,
    exchanges: VecDeque<Arc<Exchange>>,
    /// How many requests of each route there were since the start, kept or not.
    counts: BTreeMap<&'static str, u64>,
}

impl Record {
    /// An empty record.
    pub(crate) fn new() -> Self {
        Self {
            kept: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Adds a request that has arrived.
    pub(crate) fn add(
        &self,
        method: &str,
        path: &str,
        query: &str,
        route: Route,
        headers: HeaderMap,
        body: Bytes,
    ) -> Arc<Exchange> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.next_id += 1;
        *kept.counts.entry(route.name()).or_default() += 1;
        let body_bytes = body.len();
        let exchange = Arc::new(Exchange {
            id: kept.next_id,
            method: method.to_owned(),
            path: path.to_owned(),
            // A token request may carry its secret in the query.
            query: if route == Route::Token {
                String::new()
            } else {
                query.to_owned()
            },
            route,
            headers,
            body: (body_bytes <= LONGEST_BODY).then_some(body),
            body_bytes,
            status: AtomicU16::new(0),
            refused: OnceLock::new(),
            cancelled: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            changes: self.changes.clone(),
        });
        kept.bytes += exchange.body.as_ref().map_or(0, Bytes::len);
        kept.exchanges.push_back(exchange.clone());
        while kept.exchanges.len() > KEPT || kept.bytes > BODIES {
            let Some(oldest) = kept.exchanges.pop_front() else {
                break;
            };
            kept.bytes -= oldest.body.as_ref().map_or(0, Bytes::len);
        }
        drop(kept);
        self.changes.send_modify(|count| *count += 1);
        exchange
    }

    /// Forgets them all.
    pub(crate) fn clear(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.exchanges.clear();
        kept.bytes = 0;
    }

    /// How many requests of each route there were since the start, by the route's name.
    pub(crate) fn counts(&self) -> Value {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        json!(kept.counts)
    }

    /// All of them, oldest first.
    pub(crate) fn to_json(&self) -> Value {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let exchanges: Vec<Arc<Exchange>> = kept.exchanges.iter().cloned().collect();
        drop(kept);
        exchanges.iter().map(|exchange| exchange.to_json()).collect()
    }

    /// Waits until `enough` of them hold something.
    pub(crate) async fn until(&self, enough: usize, holds: fn(&Exchange) -> bool) {
        let mut changes = self.changes.subscribe();
        loop {
            let found = {
                let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.exchanges.iter().filter(|exchange| holds(exchange)).count()
            };
            if found >= enough || changes.changed().await.is_err() {
                return;
            }
        }
    }
}
