//! A running simulator and a small client for it.

use std::net::SocketAddr;

use bytes::Bytes;
use coretap_simulator::{Options, Simulator};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

pub(crate) const ORCHESTRATION: &str = "d0aa11bb22cc33dd";
pub(crate) const SONNET: &str = "d3f1a2b4c5d6e7f8";
pub(crate) const OPUS_4_8: &str = "d5b8a7c6d5e4f302";
pub(crate) const OPUS_4_6: &str = "d4c0ffee12345678";
pub(crate) const GPT_4O: &str = "d19b998f347341aa";
pub(crate) const EMBEDDING: &str = "dae0f1c2b3a49586";
pub(crate) const GPT_5: &str = "d2c7e5a90f41b863";
pub(crate) const GPT_5_5: &str = "dbf1e2d3c4b5a697";
pub(crate) const CODEX: &str = "dcf1e2d3c4b5a698";

/// How the ids of the deployments of the resource group `hub` begin.
const HUB: &str = "dc00feed";
pub(crate) const GEMINI_2_5_PRO: &str = "dc00feed00000001";
pub(crate) const GEMINI_2_5_FLASH: &str = "dc00feed00000002";
pub(crate) const GEMINI_3_1_PRO: &str = "dc00feed00000003";
pub(crate) const GEMINI_EMBEDDING: &str = "dc00feed00000005";
pub(crate) const NOVA_PRO: &str = "dc00feed00000006";
pub(crate) const NOVA_MICRO: &str = "dc00feed00000007";
pub(crate) const TITAN: &str = "dc00feed00000008";
pub(crate) const MISTRAL: &str = "dc00feed00000009";
pub(crate) const SONAR: &str = "dc00feed0000000b";
pub(crate) const COHERE: &str = "dc00feed0000000c";
pub(crate) const NVIDIA: &str = "dc00feed0000000d";
pub(crate) const HUB_SONNET: &str = "dc00feed00000010";
pub(crate) const HUB_ORCHESTRATION: &str = "dc00feed000000ff";

/// A simulator that runs as long as the test.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) key: Value,
    token: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether the body broke off.
    pub(crate) broken: bool,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The events of a stream; `[DONE]` is a string.
    pub(crate) fn events(&self) -> Vec<Value> {
        let lines = self.text().lines().filter(|line| !line.is_empty());
        lines
            .map(|line| {
                line.strip_prefix("data: ")
                    .unwrap_or_else(|| panic!("no data line: {line}"))
            })
            .map(|data| serde_json::from_str(data).unwrap_or_else(|_| json!(data)))
            .collect()
    }
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let simulator = Simulator::bind(([127, 0, 0, 1], 0).into(), options)
            .await
            .unwrap();
        let address = simulator.address().unwrap();
        let key = serde_json::from_str(&simulator.service_key()).unwrap();
        tokio::spawn(simulator.run(std::future::pending()));
        let mut running = Self {
            address,
            key,
            token: String::new(),
        };
        running.renew().await;
        running
    }

    /// Fetches a token.
    pub(crate) async fn renew(&mut self) {
        let reply = self.token_request(&[], "", &self.grant()).await;
        reply.json()["access_token"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.token);
    }

    /// The form of a token request, encoded as clients must.
    pub(crate) fn grant(&self) -> String {
        let encode = |text: &str| {
            text.bytes()
                .map(|byte| {
                    if byte.is_ascii_alphanumeric() {
                        char::from(byte).to_string()
                    } else {
                        format!("%{byte:02X}")
                    }
                })
                .collect::<String>()
        };
        format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            encode(self.key["clientid"].as_str().unwrap()),
            encode(self.key["clientsecret"].as_str().unwrap())
        )
    }

    pub(crate) async fn token_request(&self, headers: &[(&str, &str)], query: &str, body: &str) -> Reply {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let headers: Vec<_> = form.iter().chain(headers).copied().collect();
        self.send(
            "POST",
            &format!("/oauth/token{query}"),
            &headers,
            body.to_owned().into(),
        )
        .await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Reply {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    /// An error is a connection that gave no answer.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Reply, hyper::Error> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = sender
            .send_request(request.body(Full::new(body)).unwrap())
            .await?;
        let (parts, mut incoming) = response.into_parts();
        let (mut body, mut broken) = (Vec::new(), false);
        while let Some(frame) = incoming.frame().await {
            match frame {
                Ok(frame) => body.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Err(_) => broken = true,
            }
        }
        Ok(Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.into(),
            broken,
        })
    }

    /// With token and resource group.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        let bearer = format!("Bearer {}", self.token);
        self.send(
            "GET",
            path,
            &[("authorization", &bearer), ("ai-resource-group", "default")],
            Bytes::new(),
        )
        .await
    }

    /// A call of a deployment, with token and resource group.
    pub(crate) async fn call(&self, deployment: &str, path: &str, body: &Value) -> Reply {
        self.call_with(deployment, path, body, &[]).await
    }

    pub(crate) async fn call_with(
        &self,
        deployment: &str,
        path: &str,
        body: &Value,
        more: &[(&str, &str)],
    ) -> Reply {
        self.try_call(deployment, path, body, more).await.unwrap()
    }

    pub(crate) async fn try_call(
        &self,
        deployment: &str,
        path: &str,
        body: &Value,
        more: &[(&str, &str)],
    ) -> Result<Reply, hyper::Error> {
        let bearer = format!("Bearer {}", self.token);
        let group = if deployment.starts_with(HUB) {
            "hub"
        } else {
            "default"
        };
        let mut headers = vec![
            ("authorization", bearer.as_str()),
            ("ai-resource-group", group),
            ("content-type", "application/json"),
        ];
        headers.extend(more);
        let path = format!("/v2/inference/deployments/{deployment}{path}");
        self.try_send("POST", &path, &headers, body.to_string().into())
            .await
    }

    pub(crate) async fn complete(&self, body: &Value) -> Reply {
        self.call(ORCHESTRATION, "/v2/completion", body).await
    }

    pub(crate) async fn chat(&self, deployment: &str, body: &Value) -> Reply {
        self.call(
            deployment,
            "/chat/completions?api-version=2024-12-01-preview",
            body,
        )
        .await
    }

    pub(crate) async fn respond(&self, deployment: &str, body: &Value) -> Reply {
        self.call(deployment, "/responses", body).await
    }

    /// A call about a kept response: without a body and its type.
    pub(crate) async fn kept(&self, method: &str, deployment: &str, path: &str) -> Reply {
        let bearer = format!("Bearer {}", self.token);
        let headers = [
            ("authorization", bearer.as_str()),
            ("ai-resource-group", "default"),
        ];
        let path = format!("/v2/inference/deployments/{deployment}/responses/{path}");
        self.send(method, &path, &headers, Bytes::new()).await
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let reply = self
            .send(
                method,
                &format!("/__simulator/{path}"),
                &[],
                body.to_string().into(),
            )
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    pub(crate) async fn fault(&self, fault: &Value) {
        self.control("POST", "faults", &json!([fault])).await;
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }
}
