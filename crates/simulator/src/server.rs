//! The server: one port for the OAuth server, the AI API, inference and the control paths.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::ai_api;
use crate::answer::{Answer, AnswerBody, Departure};
use crate::azure;
use crate::bedrock;
use crate::cache::Cache;
use crate::catalogue::{self, Family, Model};
#[cfg(feature = "certificates")]
use crate::certificates::Certificates;
use crate::cohere;
use crate::control;
use crate::conversation::Conversation;
use crate::converse;
use crate::deployments::{self, Deployment, RESOURCE_GROUPS};
use crate::faults::{Fault, Faults, Kind};
use crate::mistral;
use crate::model::{self, End, Reply};
use crate::nvidia;
use crate::oauth::{self, Bad, Tokens};
use crate::options::Options;
use crate::orchestration;
use crate::perplexity;
use crate::record::Record;
use crate::route::Route;
use crate::titan;
use crate::vertex;

/// The longest body that is taken.
const LONGEST_BODY: usize = 20 * 1024 * 1024;

/// A stand-in for SAP AI Core that listens on a port.
pub struct Simulator {
    listener: TcpListener,
    state: Arc<State>,
    #[cfg(feature = "certificates")]
    certificates: Option<Certificates>,
}

impl Simulator {
    /// Listens on `address`; port 0 picks a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(address: SocketAddr, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let state = State {
            base: format!("http://{address}"),
            random: Mutex::new(fastrand::Rng::with_seed(options.seed)),
            first: options.clone(),
            options: RwLock::new(options),
            record: Record::new(),
            faults: Faults::default(),
            tokens: Tokens::default(),
            cache: Cache::default(),
            kept: azure::Kept::default(),
            count: AtomicU64::new(0),
        };
        Ok(Self {
            listener,
            state: Arc::new(state),
            #[cfg(feature = "certificates")]
            certificates: None,
        })
    }

    /// The same, and gives tokens to clients with a certificate too, at an address of its own beside it.
    ///
    /// # Errors
    /// When an address cannot be bound.
    #[cfg(feature = "certificates")]
    pub async fn bind_with_certificates(address: SocketAddr, options: Options) -> io::Result<Self> {
        let certificates = Certificates::bind(SocketAddr::new(address.ip(), 0)).await?;
        Ok(Self {
            certificates: Some(certificates),
            ..Self::bind(address, options).await?
        })
    }

    /// An x509 service key to paste, and the certificate in PEM form that a client must trust to use it: the simulator's
    /// own. `None` if it was bound without certificates.
    #[cfg(feature = "certificates")]
    pub fn x509_service_key(&self) -> Option<(String, String)> {
        let certificates = self.certificates.as_ref()?;
        let key = certificates.service_key(&self.state.base);
        Some((key, certificates.server_authority().to_owned()))
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// When the system doesn't tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// A service key to paste: JSON whose URLs all name this port.
    pub fn service_key(&self) -> String {
        self.state.service_key()
    }

    /// Answers requests until `shutdown` is ready; then every connection is closed.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut connections = JoinSet::new();
        #[cfg(feature = "certificates")]
        if let Some(certificates) = self.certificates {
            connections.spawn(certificates.run(self.state.clone()));
        }
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                // Forget connections that have ended.
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        // Without it an event would wait for the acknowledgement of the one before it.
                        if stream.set_nodelay(true).is_ok() {
                            connections.spawn(serve(stream, self.state.clone(), None));
                        }
                    }
                    Err(_) => pause().await,
                },
            }
        }
    }
}

/// Waits a moment after a connection could not be accepted. Too many open files, for instance: others may end meanwhile.
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// Answers the requests of a connection. `certified` is the client that a certificate belongs to, where the handshake
/// wanted one: such a host gives tokens and nothing else.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    state: Arc<State>,
    certified: Option<&'static str>,
) {
    let service = service_fn(move |request| {
        let state = state.clone();
        async move { handle(state, request, certified).await }
    });
    // A client that leaves is an error here and none of ours.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The connection is closed without an answer.
#[derive(Debug)]
struct Hangup;

impl std::fmt::Display for Hangup {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the connection is refused")
    }
}

impl std::error::Error for Hangup {}

/// What all requests share.
pub(crate) struct State {
    base: String,
    first: Options,
    options: RwLock<Options>,
    random: Mutex<fastrand::Rng>,
    /// The last requests.
    pub(crate) record: Record,
    /// The faults that wait.
    pub(crate) faults: Faults,
    tokens: Tokens,
    /// The prompt cache.
    pub(crate) cache: Cache,
    /// The answers that the Responses API keeps.
    pub(crate) kept: azure::Kept,
    count: AtomicU64,
}

impl State {
    /// A service key whose URLs all name this port.
    pub(crate) fn service_key(&self) -> String {
        let tenant = self.options().tenant;
        let key = json!({
            "clientid": oauth::client_id(&tenant),
            "clientsecret": oauth::client_secret(&tenant),
            "url": self.base,
            "identityzone": "simulated",
            "identityzoneid": "7f6e5d4c-0000-4000-8000-000000000000",
            "appname": "6ae2b7b9-1234-4567-89ab-0123456789ab!b12345|aicore!b540",
            "credential-type": "binding-secret",
            "serviceurls": {"AI_API_URL": self.base},
        });
        key.to_string()
    }

    /// Changes the options.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Options)) {
        let mut options = self.options.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut options);
        *self.random.lock().unwrap_or_else(PoisonError::into_inner) = fastrand::Rng::with_seed(options.seed);
    }

    /// Puts the options back to those it was started with.
    pub(crate) fn reset(&self) {
        self.change(|options| *options = self.first.clone());
    }

    fn options(&self) -> Options {
        self.options
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A request to a model, past Envoy.
pub(crate) struct Asked<'a> {
    /// What all requests share.
    pub(crate) state: &'a State,
    /// The options as they were when it came.
    pub(crate) options: &'a Options,
    /// Its number, unlike that of any other request.
    pub(crate) number: u64,
    /// Its headers.
    pub(crate) headers: &'a HeaderMap,
    /// Its query.
    pub(crate) query: &'a str,
    /// Its body.
    pub(crate) body: &'a [u8],
    /// Whether a content filter ends the answer.
    pub(crate) filtered: bool,
    /// Whether a content filter refuses the prompt, where that is an answer of its own.
    pub(crate) blocked: bool,
    /// The deployment that is called.
    pub(crate) deployment: &'static Deployment,
}

impl Asked<'_> {
    /// The model of the deployment.
    pub(crate) fn model(&self) -> Option<&'static Model> {
        catalogue::model(self.deployment.model)
    }

    /// Whether the deployment's model makes embeddings.
    pub(crate) fn embeds(&self) -> bool {
        self.model()
            .is_some_and(|model| model.family == Family::Embedding)
    }

    /// The reply of the deterministic model, as far as a content filter lets it through.
    pub(crate) fn reply(&self, conversation: &Conversation) -> Reply {
        self.choice(conversation, 0)
    }

    /// Several of them, where so many choices are asked for; one otherwise.
    pub(crate) fn replies(&self, conversation: &Conversation, count: Option<&Value>) -> Vec<Reply> {
        let count = count.and_then(Value::as_u64).unwrap_or(1);
        let choices = (0..count).filter_map(|choice| usize::try_from(choice).ok());
        choices.map(|choice| self.choice(conversation, choice)).collect()
    }

    fn choice(&self, conversation: &Conversation, choice: usize) -> Reply {
        let mut reply = model::answer(conversation, self.number, choice);
        if self.filtered {
            reply.text.clear();
            reply.calls.clear();
            reply.end = End::Filtered;
        }
        reply
    }

    /// An answer with the headers that the gateway adds (sap-wire.md §3).
    pub(crate) fn with_headers(&self, mut answer: Answer) -> Answer {
        let id = self.uuid();
        answer.headers.push(("x-request-id", id.clone()));
        answer.headers.push(("ai-inference-id", id));
        answer.headers.push(("x-upstream-service-time", "976".to_owned()));
        answer
    }

    /// An id of this request that looks like a UUID.
    pub(crate) fn uuid(&self) -> String {
        let mixed = self.number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("{:08x}-51b0-4a5e-8000-{:012x}", mixed >> 32, mixed & 0xffff_ffff)
    }

    /// The time, in seconds since 1970.
    pub(crate) fn created() -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs()
    }
}

async fn handle(
    state: Arc<State>,
    request: Request<Incoming>,
    certified: Option<&'static str>,
) -> Result<Response<AnswerBody>, Hangup> {
    let (parts, body) = request.into_parts();
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let body = match Limited::new(body, LONGEST_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Answer::refusal(413, "Payload Too Large")),
        Err(_) => return Err(Hangup),
    };
    if let Some(control) = path.strip_prefix("/__simulator/").filter(|_| certified.is_none()) {
        let body = body.unwrap_or_default();
        let (status, json) = control::answer(&state, &parts.method, control, query, &body).await;
        return Ok(response(
            status,
            "application/json",
            &[],
            AnswerBody::plain(Bytes::from(json)),
        ));
    }
    let route = Route::of(path);
    let kept = body.as_ref().map_or_else(|_| Bytes::new(), Bytes::clone);
    let exchange = state.record.add(
        parts.method.as_str(),
        path,
        query,
        route,
        parts.headers.clone(),
        kept,
    );
    // The client may leave before there is an answer.
    let departure = Departure(exchange.clone());
    let options = state.options();
    let fault = state.faults.take(route, body.as_deref().unwrap_or_default());
    match fault.as_ref().map(|fault| fault.kind) {
        Some(Kind::RefuseConnection) => {
            exchange.finish();
            return Err(Hangup);
        }
        Some(Kind::ExpiredToken) => state.tokens.expire_all(),
        _ => {}
    }
    if let Some(fault) = fault
        .as_ref()
        .filter(|fault| fault.kind != Kind::SlowFirstEvent && fault.delay_ms > 0)
    {
        tokio::time::sleep(fault.delay()).await;
    }
    let answer = match (fault.as_ref().and_then(|fault| fault.instead(route)), body) {
        (Some(answer), _) | (None, Err(answer)) => answer,
        (None, Ok(body)) => {
            let kind = fault.as_ref().map(|fault| fault.kind);
            let mut answer = answer(
                &state,
                &options,
                &parts.method,
                path,
                query,
                &parts.headers,
                &body,
                kind,
                certified,
            );
            if let Some(fault) = fault.as_ref().filter(|_| answer.status == 200) {
                fault.befall(route, &mut answer, &state.faults);
            }
            answer
        }
    };
    exchange.answered(answer.status, answer.refused.clone());
    let first_delay = fault
        .as_ref()
        .filter(|fault| fault.kind == Kind::SlowFirstEvent)
        .map_or(Duration::ZERO, Fault::delay);
    let (status, content_type) = (answer.status, answer.content_type);
    let mut headers = answer.headers.clone();
    if options.clock_ahead_s != 0 {
        headers.push(("date", date(options.clock_ahead_s)));
    }
    let mut random = {
        let mut random = state.random.lock().unwrap_or_else(PoisonError::into_inner);
        random.fork()
    };
    let delays = (first_delay, options.event_delay);
    let body = AnswerBody::new(answer, options.chunking, &mut random, delays, departure);
    Ok(response(status, content_type, &headers, body))
}

fn response(
    status: u16,
    content_type: &'static str,
    headers: &[(&'static str, String)],
    body: AnswerBody,
) -> Response<AnswerBody> {
    let mut builder = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type);
    for (name, value) in headers {
        builder = builder.header(*name, value);
    }
    builder
        .body(body)
        .unwrap_or_else(|_| Response::new(AnswerBody::plain(Bytes::new())))
}

/// What a clock shows that is some seconds ahead, as the header `date` has it.
fn date(ahead_s: i64) -> String {
    let (now, by) = (SystemTime::now(), Duration::from_secs(ahead_s.unsigned_abs()));
    let shown = if ahead_s < 0 {
        now.checked_sub(by)
    } else {
        now.checked_add(by)
    };
    httpdate::fmt_http_date(shown.unwrap_or(now))
}

/// Envoy first, then who is asked.
#[expect(clippy::too_many_arguments, reason = "they are the parts of a request")]
fn answer(
    state: &State,
    options: &Options,
    method: &Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: &[u8],
    fault: Option<Kind>,
    certified: Option<&str>,
) -> Answer {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    if let ["oauth", "token"] = segments.as_slice() {
        return oauth::token(&state.tokens, method, headers, query, body, certified, options);
    }
    if certified.is_some() {
        return Answer::refusal(404, "");
    }
    let ["v2", rest @ ..] = segments.as_slice() else {
        return Answer::refusal(404, "");
    };
    match state.tokens.check(headers) {
        Err(Bad::Expired) => return Answer::refusal(401, "Jwt is expired"),
        Err(Bad::Unknown) => return Answer::refusal(401, "RBAC: access denied"),
        Ok(()) => {}
    }
    let group = headers
        .get("ai-resource-group")
        .and_then(|value| value.to_str().ok());
    let ["inference", "deployments", id, call @ ..] = rest else {
        return ai_api::answer(method, rest, query, group, &state.base, options);
    };
    let Some(group) = group.filter(|group| RESOURCE_GROUPS.contains(group)) else {
        return Answer::refusal(403, "RBAC: access denied");
    };
    let deployment = match deployments::deployment(id, group) {
        Some(deployment) if deployment.running() => deployment,
        Some(deployment) if deployment.status == "DEAD" => {
            return Answer::refusal(503, "no healthy upstream");
        }
        _ => return Answer::refusal(404, "deployment not found"),
    };
    // What is asked about a kept response has no body.
    let about_kept = matches!(call, ["responses", id, ..] if *id != "compact");
    if method != Method::POST && !about_kept {
        return Answer::refusal(405, "Method Not Allowed");
    }
    // boto3, which SAP's Python SDK uses for Bedrock, names no content type.
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let unnamed =
        content_type.is_none() && (about_kept || matches!(call, ["invoke" | "invoke-with-response-stream"]));
    if !unnamed && !content_type.is_some_and(|value| value.starts_with(b"application/json")) {
        return Answer::refusal(415, "Unsupported Media Type");
    }
    let number = state.count.fetch_add(1, Ordering::Relaxed) + 1;
    let asked = Asked {
        state,
        options,
        number,
        headers,
        query,
        body,
        filtered: fault == Some(Kind::OutputFilter),
        blocked: fault == Some(Kind::ContentFilter),
        deployment,
    };
    let executable = asked.model().map_or("", |model| model.executable);
    match (call, executable) {
        (["v2", "completion"], _) if deployment.orchestration() => orchestration::complete(&asked),
        (["v2", "embeddings"], _) if deployment.orchestration() => orchestration::embed(&asked),
        (["invoke"], "aws-bedrock") if asked.embeds() => titan::invoke(&asked),
        (["invoke"], "aws-bedrock") => bedrock::invoke(&asked, false),
        (["invoke-with-response-stream"], "aws-bedrock") => bedrock::invoke(&asked, true),
        (["chat", "completions"], "azure-openai") => azure::chat(&asked),
        (["responses"], "azure-openai") => azure::respond(&asked),
        (["responses", "compact"], "azure-openai") => azure::compact(&asked),
        (["responses", id, below @ ..], "azure-openai") => azure::kept(&asked, method, id, below),
        (["embeddings"], "azure-openai") => azure::embeddings(&asked),
        (["models", call], "gcp-vertexai") => vertex::answer(&asked, call),
        (["converse"], "aws-bedrock") => converse::converse(&asked, false),
        (["converse-stream"], "aws-bedrock") => converse::converse(&asked, true),
        (["chat", "completions"], "aicore-mistralai") => mistral::chat(&asked),
        (["chat", "completions"], "perplexity-ai") => perplexity::chat(&asked),
        (["v2", "chat"] | ["chat"], "aicore-cohere") => cohere::chat(&asked),
        (["embeddings"], "aicore-nvidia") => nvidia::embeddings(&asked),
        _ => Answer::refusal(404, "Not Found"),
    }
}
