//! Hosts that a test plays itself: one that counts who comes, one that answers as it is told, and a SAP AI Core with
//! as many models as a test wants.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a host answers.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The content type.
    pub kind: &'static str,
    /// The body.
    pub body: String,
}

impl Reply {
    /// A page for people, as a wrong address often has one.
    pub fn html(status: u16) -> Self {
        Self {
            status,
            kind: "text/html",
            body: "<html><body><h1>Not Found</h1></body></html>".to_owned(),
        }
    }

    /// Plain text, as SAP's gateway answers.
    pub fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            kind: "text/plain",
            body: body.to_owned(),
        }
    }

    /// JSON with status 200.
    pub fn json(body: &Value) -> Self {
        Self {
            status: 200,
            kind: "application/json",
            body: body.to_string(),
        }
    }
}

/// A host on a loopback port of its own. Dropping it closes the port.
pub struct Host {
    /// Where it listens.
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    listening: JoinHandle<()>,
}

impl Host {
    /// Starts one that answers each request, known by method and path, as told.
    pub async fn start(answer: impl Fn(&str, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let requests = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&requests);
        let answer = Arc::new(answer);
        let listening = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let answer = Arc::clone(&answer);
                let asked = Arc::clone(&asked);
                tokio::spawn(async move {
                    // A client that leaves is none of this host's business.
                    let _ = serve(socket, &asked, &*answer).await;
                });
            }
        });
        Self {
            address,
            connections,
            requests,
            listening,
        }
    }

    /// Starts one that gives every request the same answer.
    pub async fn always(reply: Reply) -> Self {
        Self::start(move |_, _| reply.clone()).await
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests it has seen. A browser opens a connection ahead of a request that may never come.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// How many connections it has seen.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(
    mut socket: TcpStream,
    asked: &AtomicUsize,
    answer: &(dyn Fn(&str, &str) -> Reply + Sync),
) -> std::io::Result<()> {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    let (head, length) = loop {
        let count = socket.read(&mut piece).await?;
        if count == 0 {
            return Ok(());
        }
        read.extend_from_slice(&piece[..count]);
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.trim().parse::<usize>().ok());
            break (head, end + 4 + length.unwrap_or(0));
        }
    };
    asked.fetch_add(1, Ordering::SeqCst);
    while read.len() < length {
        let count = socket.read(&mut piece).await?;
        if count == 0 {
            return Ok(());
        }
        read.extend_from_slice(&piece[..count]);
    }
    let mut words = head.split_whitespace();
    let reply = answer(words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let text = format!(
        "HTTP/1.1 {} Told\r\ncontent-type: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{}",
        reply.status,
        reply.kind,
        reply.body.len(),
        reply.body
    );
    socket.write_all(text.as_bytes()).await?;
    socket.shutdown().await
}

/// A SAP AI Core with `count` models through orchestration, named `model-01` and so on.
pub async fn with_models(count: usize) -> Host {
    Host::start(move |_, path| {
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        match path {
            "/oauth/token" => Reply::json(
                &json!({"access_token": "a.token.it", "token_type": "bearer", "expires_in": 43199}),
            ),
            "/v2/lm/deployments" => Reply::json(&json!({"count": 1, "resources": [{
                "id": "d0aa11bb22cc33dd",
                "createdAt": "2025-02-01T10:00:00Z",
                "modifiedAt": "2025-02-01T10:00:00Z",
                "status": "RUNNING",
                "targetStatus": "RUNNING",
                "scenarioId": "orchestration",
                "configurationId": "7652a231-ba9b-4fcc-b473-11bb22cc33dd",
                "configurationName": "defaultOrchestrationConfig",
                "deploymentUrl": "",
                "details": {"resources": {"backend_details": {}}, "scaling": {"backend_details": {}}},
            }]})),
            "/v2/lm/scenarios/foundation-models/models" => {
                let rows: Vec<Value> = (1..=count).map(model).collect();
                Reply::json(&json!({"count": rows.len(), "resources": rows}))
            }
            "/v2/admin/resourceGroups" => Reply::json(&json!({"count": 1, "resources": [
                {"resourceGroupId": "default", "status": "PROVISIONED"}
            ]})),
            _ => Reply::text(404, "nothing here"),
        }
    })
    .await
}

fn model(number: usize) -> Value {
    json!({
        "model": format!("model-{number:02}"),
        "displayName": format!("Model {number:02}"),
        "executableId": "azure-openai",
        "provider": "Example",
        "accessType": "Remote",
        "allowedScenarios": [
            {"executableId": "azure-openai", "scenarioId": "foundation-models"},
            {"executableId": "orchestration", "scenarioId": "orchestration"},
        ],
        "versions": [{
            "name": "1",
            "isLatest": true,
            "deprecated": false,
            "retirementDate": "",
            "contextLength": 128_000,
            "inputTypes": ["text"],
            "streamingSupported": true,
            "capabilities": ["text-generation"],
            "orchestrationCapabilities": ["streaming"],
        }],
    })
}

/// A service key whose hosts are these.
pub fn service_key(auth_url: &str, base_url: &str) -> String {
    json!({
        "clientid": "sb-played!b1|aicore!b540",
        "clientsecret": "played-secret-4711",
        "url": auth_url,
        "identityzone": "played",
        "serviceurls": {"AI_API_URL": base_url},
    })
    .to_string()
}
