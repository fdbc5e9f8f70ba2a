//! A server that answers each path as it is told and remembers what it was asked.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use coretap_aicore::{AiCore, Aliases, Connection, ServiceKey, Timeouts};
use http::{HeaderMap, Method};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};

pub(crate) const TOKEN: &str = "/oauth/token";
pub(crate) const DEPLOYMENTS: &str = "/v2/lm/deployments";
pub(crate) const CATALOGUE: &str = "/v2/lm/scenarios/foundation-models/models";
pub(crate) const GROUPS: &str = "/v2/admin/resourceGroups";

pub(crate) const CLIENT_ID: &str = "sb-1!b12|aicore!b540";
pub(crate) const SECRET: &str = "s$cr+t=/ ü";

#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    content_type: &'static str,
    location: Option<String>,
    body: String,
    /// Answers only as permits are given.
    gate: Option<Arc<Semaphore>>,
}

pub(crate) fn json(status: u16, body: impl Into<String>) -> Answer {
    Answer {
        status,
        content_type: "application/json",
        location: None,
        body: body.into(),
        gate: None,
    }
}

pub(crate) fn text(status: u16, body: &str) -> Answer {
    Answer {
        content_type: "text/plain",
        ..json(status, body)
    }
}

pub(crate) fn html(status: u16) -> Answer {
    Answer {
        content_type: "text/html",
        ..json(status, "<html><body>Not here</body></html>")
    }
}

pub(crate) fn redirect(to: &str) -> Answer {
    Answer {
        location: Some(to.to_owned()),
        ..text(307, "")
    }
}

impl Answer {
    pub(crate) fn behind(self, gate: &Arc<Semaphore>) -> Self {
        Self {
            gate: Some(Arc::clone(gate)),
            ..self
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The other end of the connection it came over.
    pub(crate) peer: SocketAddr,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

#[derive(Default)]
struct Script {
    always: HashMap<String, Answer>,
    once: HashMap<String, VecDeque<Answer>>,
    seen: Vec<(String, Seen)>,
    tokens: usize,
    token_lifetime: u64,
}

#[derive(Clone)]
pub(crate) struct StandIn {
    pub(crate) url: String,
    script: Arc<Mutex<Script>>,
    arrived: Arc<Notify>,
}

impl StandIn {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stand_in = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            script: Arc::new(Mutex::new(Script {
                token_lifetime: 43_199,
                ..Script::default()
            })),
            arrived: Arc::new(Notify::new()),
        };
        stand_in.always(DEPLOYMENTS, json(200, list(&[])));
        stand_in.always(CATALOGUE, json(200, list(&[])));
        stand_in.always(GROUPS, text(403, "RBAC: access denied"));
        let router = Router::new().fallback(answer).with_state(stand_in.clone());
        tokio::spawn(async move {
            axum::serve(
                listener,
                router.into_make_service_with_connect_info::<SocketAddr>(),
            )
            .await
        });
        stand_in
    }

    /// What a path answers from now on.
    pub(crate) fn always(&self, path: &str, answer: Answer) {
        self.script.lock().unwrap().always.insert(path.to_owned(), answer);
    }

    /// What a path answers next, once, before what it always answers.
    pub(crate) fn once(&self, path: &str, answer: Answer) {
        self.script
            .lock()
            .unwrap()
            .once
            .entry(path.to_owned())
            .or_default()
            .push_back(answer);
    }

    pub(crate) fn token_lifetime(&self, seconds: u64) {
        self.script.lock().unwrap().token_lifetime = seconds;
    }

    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let script = self.script.lock().unwrap();
        script
            .seen
            .iter()
            .filter(|(of, _)| of == path)
            .map(|(_, seen)| seen.clone())
            .collect()
    }

    pub(crate) fn count(&self, path: &str) -> usize {
        self.seen(path).len()
    }

    /// Waits until a path was asked for `count` times.
    pub(crate) async fn asked(&self, path: &str, count: usize) {
        within_10_seconds(async {
            loop {
                let arrived = self.arrived.notified();
                if self.count(path) >= count {
                    return;
                }
                arrived.await;
            }
        })
        .await;
    }

    pub(crate) fn connection(&self) -> Connection {
        Connection {
            service_key: ServiceKey::from_parts(CLIENT_ID, &SECRET.into(), &self.url, &self.url).unwrap(),
            resource_group: "team".to_owned(),
            orchestration: false,
            selected_model: None,
            selected_deployment: None,
            aliases: Aliases::default(),
        }
    }

    pub(crate) fn foundation(&self) -> AiCore {
        AiCore::new(self.connection(), Timeouts::default()).unwrap()
    }

    pub(crate) fn orchestration(&self) -> AiCore {
        AiCore::new(
            Connection {
                orchestration: true,
                ..self.connection()
            },
            Timeouts::default(),
        )
        .unwrap()
    }
}

async fn answer(
    State(stand_in): State<StandIn>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let answer = {
        let mut script = stand_in.script.lock().unwrap();
        let seen = Seen {
            method: head.method,
            uri: head.uri.to_string(),
            headers: head.headers,
            body,
            peer,
        };
        script.seen.push((path.clone(), seen));
        let scripted = script.once.get_mut(&path).and_then(VecDeque::pop_front);
        match scripted.or_else(|| script.always.get(&path).cloned()) {
            Some(answer) => answer,
            None if path == TOKEN => {
                script.tokens += 1;
                let (number, lifetime) = (script.tokens, script.token_lifetime);
                json(
                    200,
                    format!(
                        r#"{{"access_token":"token-{number}","token_type":"bearer","expires_in":{lifetime}}}"#
                    ),
                )
            }
            None => json(200, "{}"),
        }
    };
    stand_in.arrived.notify_waiters();
    if let Some(gate) = &answer.gate {
        gate.acquire().await.unwrap().forget();
    }
    let mut response = Response::builder()
        .status(answer.status)
        .header("content-type", answer.content_type);
    if let Some(location) = answer.location {
        response = response.header("location", location);
    }
    response.body(Body::from(answer.body)).unwrap()
}

pub(crate) fn list(rows: &[String]) -> String {
    format!(r#"{{"count":{},"resources":[{}]}}"#, rows.len(), rows.join(","))
}

pub(crate) fn orchestration_row(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","status":"RUNNING","scenarioId":"orchestration","createdAt":"2025-01-01T00:00:00Z",
            "configurationName":"defaultOrchestrationConfig"}}"#
    )
}

pub(crate) fn model_row(id: &str, model: &str, executable: &str) -> String {
    format!(
        r#"{{"id":"{id}","status":"RUNNING","scenarioId":"foundation-models","createdAt":"2025-01-01T00:00:00Z",
            "executableId":"{executable}",
            "details":{{"resources":{{"backendDetails":{{"model":{{"name":"{model}","version":"1"}}}}}}}}}}"#
    )
}

pub(crate) fn catalogue_row(model: &str, capability: &str) -> String {
    format!(
        r#"{{"model":"{model}","displayName":"The {model}","provider":"Maker","executableId":"azure-openai",
            "versions":[{{"name":"1","isLatest":true,"contextLength":200000,"capabilities":["{capability}"]}}]}}"#
    )
}

/// Time passes without anybody waiting for it.
pub(crate) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// What should happen at once, happens or is a failure.
pub(crate) async fn within_10_seconds<T>(happening: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), happening)
        .await
        .expect("it did not happen")
}
