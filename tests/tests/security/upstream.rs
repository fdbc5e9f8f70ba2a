//! Servers that redirect, and deployments that point elsewhere.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use coretap_tests::formats::Format;
use coretap_tests::process::{Coretap, KEY};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::ask;

/// A server that answers each request's head with what the test says, and keeps the heads.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, kept) = (Arc::new(answer), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (answer, kept) = (Arc::clone(&answer), Arc::clone(&kept));
                tokio::spawn(async move {
                    if let Some(head) = request(&mut socket).await {
                        let answer = answer(&head);
                        kept.lock().unwrap().push(head);
                        socket.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        Server { address, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Reads a whole request and gives its head.
async fn request(socket: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    while socket.read_buf(&mut request).await.is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let line = line.to_ascii_lowercase();
            line.strip_prefix("content-length: ")?.parse::<usize>().ok()
        });
        if body.len() >= length.unwrap_or(0) {
            return Some(head.to_owned());
        }
    }
    None
}

fn answer(body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn redirect(status: u16, to: &str) -> String {
    format!("HTTP/1.1 {status} Elsewhere\r\nLocation: {to}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
}

/// What SAP AI Core answers at a path, with one orchestration deployment.
fn aicore(path: &str, id: &str, url: &str) -> Value {
    if path == "/oauth/token" {
        return json!({"access_token": "SECRET-TOKEN", "token_type": "bearer", "expires_in": 3600});
    }
    if path.contains("/models") {
        return json!({"count": 0, "resources": []});
    }
    json!({"count": 1, "resources": [{
        "id": id, "status": "RUNNING", "scenarioId": "orchestration", "configurationName": "defaultOrchestrationConfig",
        "createdAt": "2026-01-01T00:00:00Z", "deploymentUrl": url, "details": {}
    }]})
}

/// Coretap with `server` as its Auth URL and Base URL, in orchestration mode.
async fn in_front_of(server: &Server) -> Coretap {
    let url = format!("http://{}", server.address);
    let key = json!({"clientid": "id", "clientsecret": "CLIENT-SECRET", "url": url, "serviceurls": {"AI_API_URL": url}});
    let environment = [
        ("AICORE_SERVICE_KEY", &*key.to_string()),
        ("CORETAP_API_KEY", KEY),
        ("CORETAP_ORCHESTRATION", "true"),
    ];
    Coretap::serve(&["--port", "0"], &environment).await
}

fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}

#[tokio::test]
async fn no_redirect_takes_a_secret_or_a_token_elsewhere() {
    let elsewhere = Server::start(|head| answer(&aicore(path(head), "d1234", ""))).await;
    let to = elsewhere.address;
    for status in [301, 302, 303, 307, 308] {
        for (from, code) in [
            ("/oauth/token", "AUTH-URL-NOT-OAUTH"),
            ("/v2/lm/deployments", "UPSTREAM-NOT-AI-CORE"),
            ("/completion", "UPSTREAM-FAILED"),
        ] {
            let server = Server::start(move |head| {
                let path = path(head);
                if path.split('?').next().unwrap().ends_with(from) {
                    redirect(status, &format!("http://{to}{path}"))
                } else {
                    answer(&aicore(path, "d1234", ""))
                }
            })
            .await;
            let coretap = in_front_of(&server).await;
            for format in Format::ALL {
                let refused = ask(&coretap, format).await;
                let told = refused.header("x-coretap-code");
                assert_eq!(told, code, "{from} {status}: {refused:?}");
            }
        }
    }
    assert_eq!(elsewhere.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn a_hostile_deployment_is_never_called() {
    let elsewhere = Server::start(|head| answer(&aicore(path(head), "d1234", ""))).await;
    let foreign = elsewhere.address;
    for (id, url) in [
        (
            "d1234",
            format!("http://{foreign}/v2/inference/deployments/d1234"),
        ),
        (
            "d1234",
            format!("https://{foreign}/v2/inference/deployments/d1234"),
        ),
        ("d1234", format!("http://BASE@{foreign}/v2")),
        ("d1234", format!("http://user:BASE@{foreign}/v2")),
        ("d1234", "http://BASE.evil.example/".to_owned()),
        ("d1234", format!("//{foreign}/v2")),
        ("d1234", "file:///etc/passwd".to_owned()),
        ("../../../admin", String::new()),
        ("d1/../../../x", String::new()),
        ("d1?redirect=1", String::new()),
        ("d1%2f..%2fx", String::new()),
        ("d1\r\nx-evil: 1", String::new()),
    ] {
        let listed = url.clone();
        let server = Server::start(move |head| {
            let base = head.lines().find_map(|line| line.strip_prefix("host: "));
            let url = listed.replace("BASE", base.unwrap_or_default());
            answer(&aicore(path(head), id, &url))
        })
        .await;
        let coretap = in_front_of(&server).await;
        let answer = ask(&coretap, Format::Messages).await;
        let told = answer.header("x-coretap-code");
        assert_eq!(told, "ROUTE-NO-ORCHESTRATION", "{id} {url}: {answer:?}");
        for head in server.seen() {
            let known = [
                "POST /oauth/token ",
                "GET /v2/lm/deployments?",
                "GET /v2/lm/scenarios/",
                "GET /v2/admin/resourceGroups ",
            ];
            let is_known = known.iter().any(|known| head.starts_with(known));
            assert!(is_known, "{id} {url}: {head}");
        }
    }
    assert_eq!(elsewhere.seen(), Vec::<String>::new());

    // The same deployment without malice is called, so it was the malice that was refused.
    let server = Server::start(|head| answer(&aicore(path(head), "d1234", ""))).await;
    ask(&in_front_of(&server).await, Format::Messages).await;
    let called = "POST /v2/inference/deployments/d1234/v2/completion ";
    assert!(server.seen().iter().any(|head| head.starts_with(called)));
}
