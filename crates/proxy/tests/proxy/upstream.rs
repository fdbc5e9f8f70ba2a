//! A scripted stand-in for SAP AI Core: the test says what each inference request is answered with, event by event.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use coretap_aicore::{AiCore, Aliases, Connection, ServiceKey, Timeouts};
use http_body::Frame;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Barrier, Notify, mpsc};

/// The model that is asked for.
pub(crate) const MODEL: &str = "anthropic--claude-4.5-sonnet";
/// A model whose deployment speaks Google's format.
#[allow(dead_code, reason = "the tests of panics need it not")]
pub(crate) const GEMINI: &str = "gemini-2.5-pro";
/// A model of OpenAI's, with a deployment of its own.
pub(crate) const OPENAI: &str = "gpt-5.5";
/// The model for embeddings.
pub(crate) const EMBEDDING: &str = "text-embedding-3-small";
/// The model for embeddings that takes one text a call.
pub(crate) const TITAN: &str = "amazon--titan-embed-text";

/// What one inference request is answered with.
pub(crate) enum Reply {
    /// A status, headers and a body.
    Status(u16, &'static [(&'static str, &'static str)], String),
    /// The whole stream at once: its events and `[DONE]`.
    Stream(Vec<String>),
    /// The whole stream at once, as it is.
    #[allow(dead_code, reason = "the tests of panics need it not")]
    Events(String),
    /// A stream that the test feeds. Sending an error breaks the connection; dropping the sender ends the body.
    Live(mpsc::UnboundedReceiver<io::Result<Bytes>>),
    /// Titan's vector of one number: how long the text is. So many tokens it counts, too.
    TitanVector,
    /// The connection is closed without a word.
    Close,
    /// Nothing, ever.
    Silence,
}

struct Shared {
    replies: Mutex<VecDeque<Reply>>,
    seen: Mutex<Vec<(String, Value)>>,
    has_seen: Notify,
    calls: Mutex<Vec<String>>,
    deployments: Mutex<Vec<&'static str>>,
    is_down: AtomicBool,
    deployment_once: Mutex<Option<&'static str>>,
    /// How often the deployments were listed.
    lists: AtomicUsize,
    /// Whether requests are answered without the test's word: with `hello`, or with 404 where nothing is deployed.
    answers_itself: AtomicBool,
    gathers: AtomicBool,
    /// Where as many such 404s wait for each other.
    crowd: Barrier,
}

/// How many requests are told together that their deployment is gone.
pub(crate) const CROWD: usize = 200;

/// The running stand-in.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Upstream {
    pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            replies: Mutex::new(replies.into_iter().collect()),
            seen: Mutex::default(),
            has_seen: Notify::new(),
            calls: Mutex::default(),
            deployments: Mutex::new(vec!["d-first"]),
            is_down: AtomicBool::new(false),
            deployment_once: Mutex::default(),
            lists: AtomicUsize::new(0),
            answers_itself: AtomicBool::new(false),
            gathers: AtomicBool::new(false),
            crowd: Barrier::new(CROWD),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Upstream { address, shared }
    }

    /// The inference requests so far: deployment and body.
    pub(crate) fn seen(&self) -> Vec<(String, Value)> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Waits until so many inference requests have come. One waits at a time.
    #[allow(dead_code, reason = "the tests of panics need it not")]
    pub(crate) async fn until_seen(&self, number: usize) {
        while self.seen().len() < number {
            self.shared.has_seen.notified().await;
        }
    }

    /// The inference requests so far: method, deployment and the path behind it.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.shared.calls.lock().unwrap().clone()
    }

    /// From now on the list of deployments is refused, or given again.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.shared.is_down.store(is_down, Ordering::SeqCst);
    }

    /// How often the list of deployments was asked for.
    pub(crate) fn lists(&self) -> usize {
        self.shared.lists.load(Ordering::SeqCst)
    }

    /// From now on the list of deployments names this one.
    pub(crate) fn deploy(&self, id: &'static str) {
        self.deploy_all(&[id]);
    }

    /// From now on it names these.
    pub(crate) fn deploy_all(&self, ids: &[&'static str]) {
        *self.shared.deployments.lock().unwrap() = ids.to_vec();
    }

    /// From now on every request waits until a whole [`CROWD`] of them has come, and is then answered with `hello`.
    pub(crate) fn gather(&self) {
        self.shared.gathers.store(true, Ordering::SeqCst);
        self.answer_by_itself();
    }

    /// The next list of deployments names this one, and those after it what they named before.
    #[allow(dead_code, reason = "only the tests of panics need it")]
    pub(crate) fn deploy_once(&self, id: &'static str) {
        *self.shared.deployment_once.lock().unwrap() = Some(id);
    }

    /// From now on every request is answered with `hello`; those to a deployment that is not there with 404, once a
    /// whole [`CROWD`] of them has come.
    pub(crate) fn answer_by_itself(&self) {
        self.shared.answers_itself.store(true, Ordering::SeqCst);
    }

    pub(crate) fn aicore(&self) -> AiCore {
        aicore(&format!("http://{}", self.address))
    }

    /// The same in foundation mode: models have the deployments `…-model`, `…-vectors` and `…-titan`.
    pub(crate) fn foundation(&self) -> AiCore {
        self.aicore().with_choice(false, None, None, Aliases::default())
    }
}

/// A connection in orchestration mode to whatever is there.
pub(crate) fn aicore(base: &str) -> AiCore {
    AiCore::new(connection(base), Timeouts::default()).unwrap()
}

pub(crate) fn connection(base: &str) -> Connection {
    let key =
        json!({"clientid": "id", "clientsecret": "secret", "url": base, "serviceurls": {"AI_API_URL": base}});
    Connection {
        service_key: ServiceKey::parse(&key.to_string()).unwrap(),
        resource_group: "default".to_owned(),
        orchestration: true,
        selected_model: None,
        selected_deployment: None,
        aliases: Aliases::default(),
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if path == "/oauth/token" {
        return json_response(&json!({"access_token": "t", "token_type": "bearer", "expires_in": 3600}));
    }
    if path == "/v2/lm/deployments" {
        shared.lists.fetch_add(1, Ordering::SeqCst);
        if shared.is_down.load(Ordering::SeqCst) {
            return Response::builder()
                .status(503)
                .body(Body::from("no healthy upstream"))
                .unwrap();
        }
        let once = shared.deployment_once.lock().unwrap().take();
        let ids = match once {
            Some(id) => vec![id],
            None => shared.deployments.lock().unwrap().clone(),
        };
        let rows: Vec<Value> = ids.into_iter().flat_map(rows_of).collect();
        return json_response(&json!({"count": rows.len(), "resources": rows}));
    }
    let Some((id, rest)) = path
        .strip_prefix("/v2/inference/deployments/")
        .and_then(|rest| rest.split_once('/'))
    else {
        let embedding = json!({
            "model": EMBEDDING, "displayName": "Text Embedding 3 Small", "provider": "OpenAI", "executableId": "azure-openai",
            "accessType": "Remote", "description": "",
            "versions": [{"name": "1", "isLatest": true, "deprecated": true, "retirementDate": "2027-01-31",
                          "capabilities": ["embeddings"]}]
        });
        return json_response(&json!({"count": 2, "resources": [embedding, {
            "model": MODEL, "displayName": "Claude 4.5 Sonnet", "provider": "Anthropic", "executableId": "aws-bedrock",
            "accessType": "Remote", "description": "",
            "allowedScenarios": [{"scenarioId": "orchestration", "executableId": "orchestration"}],
            "versions": [{"name": "1", "isLatest": true, "deprecated": false, "contextLength": 200_000,
                          "capabilities": ["text-generation"], "streamingSupported": true}]
        }]}));
    };
    let query = request
        .uri()
        .query()
        .map_or(String::new(), |query| format!("?{query}"));
    let call = format!("{} {id}/{rest}{query}", request.method());
    shared.calls.lock().unwrap().push(call);
    let body = axum::body::to_bytes(request.into_body(), usize::MAX)
        .await
        .unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let sent = body.clone();
    shared.seen.lock().unwrap().push((id.to_owned(), body));
    shared.has_seen.notify_one();
    if shared.answers_itself.load(Ordering::SeqCst) {
        let deployments = shared.deployments.lock().unwrap().clone();
        let there = deployments.iter().any(|deployed| id.starts_with(deployed));
        if !there || shared.gathers.load(Ordering::SeqCst) {
            shared.crowd.wait().await;
        }
        let status = if there { 200 } else { 404 };
        return Response::builder()
            .status(status)
            .header("content-type", "text/event-stream")
            .body(Body::from(
                [opening(), text("hello"), stop()].concat() + "data: [DONE]\n\n",
            ))
            .unwrap();
    }
    let reply = shared
        .replies
        .lock()
        .unwrap()
        .pop_front()
        .expect("a request that the test did not foresee");
    match reply {
        Reply::Status(status, headers, body) => {
            let kind = match body.as_bytes().first() {
                Some(b'{') => "application/json",
                Some(b'<') => "text/html; charset=utf-8",
                _ => "text/plain",
            };
            let mut response = Response::builder().status(status).header("content-type", kind);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            response.body(Body::from(body)).unwrap()
        }
        Reply::TitanVector => {
            let length = sent["inputText"].as_str().unwrap().len();
            json_response(&json!({"embedding": [length], "inputTextTokenCount": length}))
        }
        Reply::Stream(events) => {
            let text = events.concat() + "data: [DONE]\n\n";
            event_stream(Body::from(text))
        }
        Reply::Events(events) => event_stream(Body::from(events)),
        Reply::Live(events) => event_stream(Body::new(Live(events))),
        // An error body makes hyper close the connection before the head is out.
        Reply::Close => event_stream(Body::new(Broken)),
        Reply::Silence => std::future::pending().await,
    }
}

/// What is deployed under one id: orchestration, and the models with deployments of their own.
fn rows_of(id: &'static str) -> [Value; 6] {
    let of_model = |suffix: &str, model: &str, executable: &str| {
        json!({"id": format!("{id}-{suffix}"), "status": "RUNNING", "scenarioId": "foundation-models",
            "executableId": executable, "createdAt": "2026-01-01T00:00:00Z",
            "details": {"resources": {"backendDetails": {"model": {"name": model, "version": "1"}}}}})
    };
    let orchestration = json!({
        "id": id, "status": "RUNNING", "scenarioId": "orchestration", "configurationName": "defaultOrchestrationConfig",
        "createdAt": "2026-01-01T00:00:00Z", "deploymentUrl": "", "details": {}
    });
    [
        orchestration,
        of_model("model", MODEL, "aws-bedrock"),
        of_model("vectors", EMBEDDING, "azure-openai"),
        of_model("titan", TITAN, "aws-bedrock"),
        of_model("gemini", GEMINI, "gcp-vertexai"),
        of_model("openai", OPENAI, "azure-openai"),
    ]
}

fn json_response(value: &Value) -> Response {
    Response::builder()
        .header("content-type", "application/json")
        .body(Body::from(value.to_string()))
        .unwrap()
}

fn event_stream(body: Body) -> Response {
    Response::builder()
        .header("content-type", "text/event-stream")
        .header("x-request-id", "upstream-4711")
        .body(body)
        .unwrap()
}

struct Live(mpsc::UnboundedReceiver<io::Result<Bytes>>);

impl http_body::Body for Live {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0
            .poll_recv(cx)
            .map(|next| next.map(|bytes| bytes.map(Frame::data)))
    }
}

struct Broken;

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
    }
}

/// The event that every orchestration stream opens with: it says nothing.
pub(crate) fn opening() -> String {
    event(
        &json!({"request_id": "r", "intermediate_results": {"templating": []}, "final_result":
        {"id": "", "object": "", "created": 0, "model": "", "choices": [{"index": 0, "delta": {"content": ""}}]}}),
    )
}

/// A piece of text.
pub(crate) fn text(text: &str) -> String {
    event(
        &json!({"request_id": "r", "final_result": {"id": "msg_1", "object": "chat.completion.chunk", "created": 1,
        "model": "claude", "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}}]}}),
    )
}

/// The last event before `[DONE]`.
pub(crate) fn stop() -> String {
    event(
        &json!({"request_id": "r", "final_result": {"id": "msg_1", "object": "chat.completion.chunk", "created": 1,
        "model": "claude", "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}}),
    )
}

/// An error inside a stream.
pub(crate) fn failure(code: u16, message: &str) -> String {
    event(&json!({"error": {"request_id": "r", "code": code, "message": message, "location": "LLM Module"}}))
}

/// A throttle in the bodies that streams begun with 200 may have instead of events: plain, in a list, and on a last line
/// that has no line break.
pub(crate) fn throttled_bodies() -> [String; 3] {
    let error =
        json!({"error": {"code": "429", "message": "Rate limit is exceeded. Try again in 7 seconds."}});
    [error.to_string(), format!("[{error}]"), format!("data: {error}")]
}

fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}

/// A whole answer.
pub(crate) fn whole(text: &str) -> String {
    json!({"request_id": "r", "final_result": {"id": "msg_1", "object": "chat.completion", "created": 1, "model": "claude",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}})
    .to_string()
}

/// A stream that says `hello`.
pub(crate) fn hello() -> Reply {
    Reply::Stream(vec![opening(), text("hello"), stop()])
}

/// A refusal in orchestration's words.
pub(crate) fn refusal(status: u16, headers: &'static [(&'static str, &'static str)], message: &str) -> Reply {
    let body =
        json!({"error": {"request_id": "r", "code": status, "message": message, "location": "LLM Module"}});
    Reply::Status(status, headers, body.to_string())
}

/// A reply that the test feeds, and the feeding end.
pub(crate) fn live() -> (mpsc::UnboundedSender<io::Result<Bytes>>, Reply) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Reply::Live(receiver))
}
