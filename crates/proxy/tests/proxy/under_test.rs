//! The proxy that a test is about, and how a test asks it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use coretap_aicore::AiCore;
use coretap_formats::OrchestrationModules;
use coretap_proxy::{Configuration, Connected, Exchange, Knowledge, Limits, LocalKey, Proxy};
use serde_json::json;
use tokio::sync::{mpsc, watch};

/// The local key of every proxy under test.
pub(crate) const KEY: &str = "sk-test";

/// A proxy in front of a connection.
pub(crate) struct UnderTest {
    pub(crate) proxy: Proxy,
    pub(crate) address: SocketAddr,
    pub(crate) exchanges: mpsc::Receiver<Exchange>,
    client: reqwest::Client,
    configuration: watch::Sender<Arc<Configuration>>,
}

/// Limits that keep tests quick; whatever a test is about it sets itself.
pub(crate) fn quick() -> Limits {
    Limits {
        backoff: Duration::from_millis(1),
        probe: Duration::from_millis(10),
        ..Limits::default()
    }
}

impl UnderTest {
    pub(crate) async fn start(aicore: AiCore, limits: Limits) -> Self {
        Self::start_knowing(aicore, limits, Arc::default()).await
    }

    pub(crate) async fn start_knowing(aicore: AiCore, limits: Limits, knowledge: Arc<Knowledge>) -> Self {
        Self::start_group(aicore.into(), Vec::new(), limits, knowledge).await
    }

    pub(crate) async fn start_with(
        aicore: AiCore,
        limits: Limits,
        knowledge: Arc<Knowledge>,
        modules: OrchestrationModules,
    ) -> Self {
        let selected = Connected {
            modules: Arc::new(modules),
            ..aicore.into()
        };
        Self::start_group(selected, Vec::new(), limits, knowledge).await
    }

    /// A proxy in front of a selected connection and the others of its group.
    pub(crate) async fn start_group(
        selected: Connected,
        others: Vec<Connected>,
        limits: Limits,
        knowledge: Arc<Knowledge>,
    ) -> Self {
        let configuration = Configuration {
            port: 0,
            local_key: LocalKey::new(KEY.to_owned()).unwrap(),
            allowed_hosts: vec!["coretap.example".to_owned()],
            selected,
            others,
            limits,
        };
        let (sender, receiver) = watch::channel(Arc::new(configuration));
        let (exchange_sender, exchanges) = mpsc::channel(64);
        let proxy = Proxy::new(receiver, knowledge, Some(exchange_sender));
        let address = proxy.start().await.unwrap();
        // Only the first test of a process finds none installed.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        UnderTest {
            proxy,
            address,
            exchanges,
            client,
            configuration: sender,
        }
    }

    /// From the next request on these modules of orchestration are on.
    #[allow(dead_code, reason = "the tests of panics need none")]
    pub(crate) fn set_modules(&self, modules: OrchestrationModules) {
        let before = Arc::clone(&self.configuration.borrow());
        self.configuration.send_replace(Arc::new(Configuration {
            port: before.port,
            local_key: before.local_key.clone(),
            allowed_hosts: before.allowed_hosts.clone(),
            selected: Connected {
                modules: Arc::new(modules),
                ..before.selected.clone()
            },
            others: before.others.clone(),
            limits: before.limits,
        }));
    }

    pub(crate) fn request(&self, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.request(http::Method::GET, path).bearer_auth(KEY)
    }

    pub(crate) fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.request(http::Method::POST, path).bearer_auth(KEY).body(body)
    }

    /// A small request, in the format of the path.
    pub(crate) async fn ask(&self, path: &str, stream: bool) -> reqwest::Response {
        self.post(path, small(stream)).send().await.unwrap()
    }

    /// The exchange that ended next.
    pub(crate) async fn exchange(&mut self) -> Exchange {
        self.exchanges.recv().await.unwrap()
    }
}

/// A request that both formats understand.
pub(crate) fn small(stream: bool) -> String {
    json!({"model": "claude-sonnet-4-5", "max_tokens": 100, "stream": stream,
        "messages": [{"role": "user", "content": "Hi"}]})
    .to_string()
}

/// The paths that give a model's answer.
pub(crate) const ANSWERS: [&str; 2] = ["/v1/messages", "/v1/chat/completions"];

/// Reads on until the text has come.
pub(crate) async fn read_until(response: &mut reqwest::Response, text: &str) -> String {
    let mut read = String::new();
    while !read.contains(text) {
        let chunk = response
            .chunk()
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("no {text:?} in {read:?}"));
        read.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    read
}

/// Reads to the end; `Err` holds what came before the connection broke.
pub(crate) async fn read_to_end(mut response: reqwest::Response) -> Result<String, String> {
    let mut read = String::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => read.push_str(std::str::from_utf8(&chunk).unwrap()),
            Ok(None) => return Ok(read),
            Err(_) => return Err(read),
        }
    }
}
