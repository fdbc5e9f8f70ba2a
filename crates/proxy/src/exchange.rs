//! What is known of one request when it is over.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use coretap_formats::event::Usage;
use coretap_formats::{AgentFormat, ModelFormat};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::balance::{Balance, InFlight};
use crate::problem::{Problem, code, short};
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
    /// The name of the connection that was asked last, where there are several.
    pub connection: Option<Arc<str>>,
    /// The deployment that was asked last.
    pub deployment: Option<Arc<str>>,
    /// What came of each deployment that was asked, like `d1=429`, with its connection before it where there are several;
    /// empty where the first one has answered.
    pub attempts: Vec<String>,
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
    /// The modules of orchestration that touched it, by name.
    pub orchestration: Vec<&'static str>,
}

/// A request that is not over yet. Dropping it ends the exchange: whoever answers says so by [`Ongoing::answered`] or
/// [`Ongoing::failed`] before; otherwise the client has left.
pub(crate) struct Ongoing {
    shared: Arc<Shared>,
    started: Instant,
    /// Whether a model's answer was asked for.
    is_counted: bool,
    /// It counts at its deployment until its answer has ended.
    pub(crate) in_flight: Option<InFlight>,
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
            is_counted: false,
            in_flight: None,
            exchange: Exchange {
                id: request_id(),
                at: SystemTime::now(),
                method,
                path,
                format,
                asked_model: None,
                model: None,
                connection: None,
                deployment: None,
                attempts: Vec::new(),
                route: None,
                stream: false,
                status: 499,
                code: Some(code::CLIENT_LEFT),
                duration: Duration::ZERO,
                first_byte: None,
                usage: Usage::default(),
                retries: 0,
                dropped: Vec::new(),
                orchestration: Vec::new(),
            },
        }
    }

    /// It is one for a model's answer, which is counted.
    pub(crate) fn counts(&mut self) {
        self.is_counted = true;
        self.shared.health.request_begins();
    }

    /// Who chooses among deployments.
    pub(crate) fn balance(&self) -> &Arc<Balance> {
        &self.shared.balance
    }

    /// Whether its time is over because the proxy stops.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.shared.is_cut_off()
    }

    /// How long ago its head came.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
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
            self.shared.health.request_worked();
        }
    }

    /// The answer is a problem. After [`Ongoing::begun`] the status that was told stays.
    pub(crate) fn failed(&mut self, problem: &Problem) {
        if self.exchange.first_byte.is_none() {
            self.begun(problem.status_for(self.exchange.format));
        }
        self.exchange.code = Some(problem.code);
        self.shared.health.request_failed(problem);
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
        if self.is_counted {
            let is_answered = match self.exchange.code {
                None => Some(true),
                Some(code::CLIENT_LEFT | code::STOPPED) => None,
                Some(_) => Some(false),
            };
            self.shared.health.request_ends(is_answered);
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
        // One text instead of a dozen fields: formatting those one by one costs as much as reading the request.
        tracing::info!(target: "coretap::request", "{}", Line(self));
    }
}

/// An exchange as the log has it; what does not apply is left out.
struct Line<'a>(&'a Exchange);

impl fmt::Display for Line<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exchange = self.0;
        out.write_str(exchange.method.as_str())?;
        out.write_str(" ")?;
        out.write_str(&exchange.path)?;
        let ms = u64::try_from(exchange.duration.as_millis()).unwrap_or(u64::MAX);
        // Numbers as plain texts: the formatter's way with them costs more than the rest of the line.
        let mut number = itoa::Buffer::new();
        out.write_str(" ")?;
        out.write_str(number.format(exchange.status))?;
        out.write_str(" ")?;
        out.write_str(number.format(ms))?;
        out.write_str(" ms id=")?;
        out.write_str(&exchange.id)?;
        if let Some(route) = exchange.route {
            out.write_str(" route=")?;
            out.write_str(route_name(route))?;
        }
        if let Some(output) = exchange.usage.output {
            out.write_str(" tokens=")?;
            out.write_str(number.format(exchange.usage.total_input()))?;
            out.write_str("+")?;
            out.write_str(number.format(output))?;
        }
        if let Some(connection) = exchange.connection.as_deref() {
            write!(out, " connection={connection:?}")?;
        }
        if let Some(deployment) = exchange.deployment.as_deref() {
            out.write_str(" deployment=")?;
            out.write_str(deployment)?;
        }
        if !exchange.attempts.is_empty() {
            write!(out, " attempts={:?}", exchange.attempts.join(","))?;
        }
        if exchange.retries > 0 {
            write!(out, " retries={}", exchange.retries)?;
        }
        if let Some(code) = exchange.code {
            out.write_str(" code=")?;
            out.write_str(code)?;
        }
        if let Some(model) = exchange.model.as_deref() {
            out.write_str(" model=")?;
            out.write_str(model)?;
        } else if let Some(asked) = exchange.asked_model.as_deref() {
            // It may be anything; escaped it stays one line.
            write!(out, " model={:?}", short(asked))?;
        }
        if !exchange.orchestration.is_empty() {
            write!(out, " orchestration={}", exchange.orchestration.join(","))?;
        }
        if !exchange.dropped.is_empty() {
            let names: Vec<_> = exchange.dropped.iter().take(20).map(|name| short(name)).collect();
            write!(out, " dropped={names:?}")?;
        }
        Ok(())
    }
}

fn route_name(format: ModelFormat) -> &'static str {
    match format {
        ModelFormat::Orchestration => "orchestration",
        ModelFormat::Claude => "claude",
        ModelFormat::AzureChat => "azure-chat",
        ModelFormat::AzureResponses => "azure-responses",
        ModelFormat::Vertex => "vertex",
        ModelFormat::Converse => "converse",
        ModelFormat::OpenAiCompatible => "openai-compatible",
        ModelFormat::Cohere => "cohere",
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
        AgentFormat::Messages => const { HeaderName::from_static("request-id") },
        AgentFormat::ChatCompletions | AgentFormat::Responses | AgentFormat::Gemini => {
            const { HeaderName::from_static("x-request-id") }
        }
    };
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(name, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange() -> Exchange {
        Exchange {
            id: "4711".to_owned(),
            at: SystemTime::UNIX_EPOCH,
            method: http::Method::POST,
            path: Cow::Borrowed("/v1/messages"),
            format: AgentFormat::Messages,
            asked_model: Some("claude".to_owned()),
            model: Some(Arc::from("anthropic--claude-4.5-sonnet")),
            connection: None,
            deployment: Some(Arc::from("d1")),
            attempts: Vec::new(),
            route: Some(ModelFormat::Orchestration),
            stream: true,
            status: 200,
            code: None,
            duration: Duration::from_millis(1234),
            first_byte: None,
            usage: Usage {
                input: Some(7),
                cache_read: Some(2),
                output: Some(3),
                ..Usage::default()
            },
            retries: 0,
            dropped: Vec::new(),
            orchestration: Vec::new(),
        }
    }

    #[test]
    fn a_line_of_the_log_says_what_there_is_to_say() {
        assert_eq!(
            Line(&exchange()).to_string(),
            "POST /v1/messages 200 1234 ms id=4711 route=orchestration tokens=9+3 deployment=d1 model=anthropic--claude-4.5-sonnet"
        );
        let troubled = Exchange {
            model: None,
            connection: Some(Arc::from("team \"A\"")),
            attempts: vec!["d2=429".to_owned(), "d1=200".to_owned()],
            asked_model: Some("a\nb\u{1b}[31m".to_owned()),
            route: None,
            usage: Usage::default(),
            retries: 2,
            code: Some(code::CLIENT_LEFT),
            dropped: vec![Cow::Borrowed("top_k"), Cow::Owned("tool \n x".to_owned())],
            orchestration: vec!["filtering", "masking"],
            ..exchange()
        };
        assert_eq!(
            Line(&troubled).to_string(),
            r#"POST /v1/messages 200 1234 ms id=4711 connection="team \"A\"" deployment=d1 attempts="d2=429,d1=200" retries=2 code=REQUEST-CLIENT-LEFT model="a\nb\u{1b}[31m" orchestration=filtering,masking dropped=["top_k", "tool \n x"]"#
        );
    }

    #[test]
    fn ids_differ() {
        let (one, other) = (request_id(), request_id());
        assert_eq!(one.len(), 24);
        assert_ne!(one, other);
    }
}
