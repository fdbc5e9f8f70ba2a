//! What is known of one request when it is over.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use coretap_formats::event::Usage;
use coretap_formats::{AgentFormat, ModelFormat};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::problem::{Problem, code};
use crate::server::Shared;

/// One finished request. It never holds a word of a prompt or of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// The id that the agent was given as `request-id` or `x-request-id`.
    pub id: String,
    /// When it began.
    pub at: SystemTime,
    /// The HTTP method.
    pub method: http::Method,
    /// The path without prefix and query.
    pub path: Cow<'static, str>,
    /// What the agent speaks.
    pub format: AgentFormat,
    /// The model's name as the agent asked for it.
    pub asked_model: Option<String>,
    /// SAP's name of the model.
    pub model: Option<Arc<str>>,
    /// What the route speaks.
    pub route: Option<ModelFormat>,
    /// Whether the agent asked for a stream.
    pub stream: bool,
    /// The status that the agent was told; 499 when it left before there was one.
    pub status: u16,
    /// The problem's code, where it did not end well.
    pub code: Option<&'static str>,
    /// From the request's head to the end of its answer.
    pub duration: Duration,
    /// From the request's head to the first byte of the answer.
    pub first_byte: Option<Duration>,
    /// Token counts as far as the upstream said them.
    pub usage: Usage,
    /// How often it was sent again.
    pub retries: u32,
    /// What was left out of it, by name.
    pub dropped: Vec<Cow<'static, str>>,
}

/// A request that is not over yet. Dropping it ends the exchange: whoever answers says so by [`Ongoing::answered`] or
/// [`Ongoing::failed`] before; otherwise the client has left.
pub(crate) struct Ongoing {
    shared: Arc<Shared>,
    started: Instant,
    pub(crate) exchange: Exchange,
}

impl Ongoing {
    pub(crate) fn new(
        shared: Arc<Shared>,
        method: http::Method,
        path: Cow<'static, str>,
        format: AgentFormat,
    ) -> Self {
        Ongoing {
            shared,
            started: Instant::now(),
            exchange: Exchange {
                id: request_id(),
                at: SystemTime::now(),
                method,
                path,
                format,
                asked_model: None,
                model: None,
                route: None,
                stream: false,
                status: 499,
                code: Some(code::CLIENT_LEFT),
                duration: Duration::ZERO,
                first_byte: None,
                usage: Usage::default(),
                retries: 0,
                dropped: Vec::new(),
            },
        }
    }

    /// The head of the answer goes out. It is no success before [`Ongoing::answered`].
    pub(crate) fn begun(&mut self, status: u16) {
        self.exchange.status = status;
        self.exchange.first_byte = Some(self.started.elapsed());
    }

    /// The answer is complete.
    pub(crate) fn answered(&mut self, usage: Usage) {
        self.exchange.code = None;
        self.exchange.usage = usage;
        if self.exchange.route.is_some() {
            self.shared.measure(None);
        }
    }

    /// The answer is a problem. After [`Ongoing::begun`] the status that was told stays.
    pub(crate) fn failed(&mut self, problem: &Problem) {
        if self.exchange.first_byte.is_none() {
            self.begun(problem.status_for(self.exchange.format));
        }
        self.exchange.code = Some(problem.code);
        if problem.is_about_connection() {
            self.shared.measure(Some(problem));
        }
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.exchange.duration = self.started.elapsed();
        if std::thread::panicking() {
            self.exchange.status = 500;
            self.exchange.code = Some(code::INTERNAL);
        } else if self.exchange.code == Some(code::CLIENT_LEFT) && self.shared.is_stopping() {
            self.exchange.code = Some(code::STOPPED);
        }
        self.exchange.log();
        if let Some(exchanges) = &self.shared.exchanges
            && exchanges.try_send(self.exchange.clone()).is_err()
        {
            self.shared.lost_exchanges.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Exchange {
    fn log(&self) {
        tracing::info!(
            target: "coretap::request",
            method = self.method.as_str(),
            path = &*self.path,
            status = self.status,
            model = self.model.as_deref().or(self.asked_model.as_deref()).unwrap_or("-"),
            route = self.route.map_or("-", route_name),
            ms = u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX),
            tokens_in = self.usage.total_input(),
            tokens_out = self.usage.output.unwrap_or(0),
            retries = self.retries,
            dropped = self.dropped.join(","),
            code = self.code.unwrap_or("-"),
            id = self.id,
        );
    }
}

fn route_name(format: ModelFormat) -> &'static str {
    match format {
        ModelFormat::Orchestration => "orchestration",
        ModelFormat::Claude => "claude",
        ModelFormat::AzureChat => "azure-chat",
    }
}

/// 24 random hexadecimal digits. They tell requests apart and guard nothing.
fn request_id() -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut random = fastrand::u128(..);
    let mut id = String::with_capacity(24);
    for _ in 0..24 {
        id.push(char::from(
            DIGITS
                .get(usize::try_from(random & 15).unwrap_or(0))
                .copied()
                .unwrap_or(b'0'),
        ));
        random >>= 4;
    }
    id
}

/// Puts the request's id where this format's agents look for it.
pub(crate) fn set_request_id(headers: &mut HeaderMap, format: AgentFormat, id: &str) {
    let name = match format {
        AgentFormat::Messages => HeaderName::from_static("request-id"),
        AgentFormat::ChatCompletions => HeaderName::from_static("x-request-id"),
    };
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(name, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ() {
        let (one, other) = (request_id(), request_id());
        assert_eq!(one.len(), 24);
        assert_ne!(one, other);
    }
}
