//! Who listens on a port of this machine, and what a Coretap there says of itself.

use std::time::Duration;

use bytes::Bytes;
use coretap_proxy::{HealthReport, LocalKey, check_port};
use http::header::{AUTHORIZATION, HOST};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use crate::error::Error;

/// Another program may accept a connection and never answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// What Coretap says of itself is shorter than this.
const LONGEST_REPORT: usize = 64 * 1024;

/// Who listens on a port.
#[derive(Debug)]
pub enum Listener {
    /// Nobody.
    Nobody,
    /// A Coretap with this local key.
    Coretap(Box<HealthReport>),
    /// A Coretap that has another local key, or was shown none.
    OtherKey {
        /// Its version.
        version: String,
    },
    /// Another program.
    Other {
        /// That the port is taken, and by whom where the system tells.
        problem: Error,
    },
}

/// What Coretap says to everybody. Other programs that say as much say more, or something else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenReport {
    status: String,
    version: String,
}

/// Asks who listens on a port of 127.0.0.1; it takes up to five seconds if that one does not answer.
pub async fn listener(port: u16, local_key: Option<&LocalKey>) -> Listener {
    let Some(answer) = tokio::time::timeout(PATIENCE, ask(port, local_key))
        .await
        .unwrap_or(Some(None))
    else {
        return Listener::Nobody;
    };
    if let Some((body, true)) = answer {
        if let Ok(report) = serde_json::from_slice(&body) {
            return Listener::Coretap(Box::new(report));
        }
        if let Ok(OpenReport { status, version }) = serde_json::from_slice(&body)
            && status == "ok"
        {
            return Listener::OtherKey { version };
        }
    }
    match check_port(port).await {
        Err(error) => Listener::Other {
            problem: Error::Start(error),
        },
        // It has gone meanwhile.
        Ok(()) => Listener::Nobody,
    }
}

/// The body at `/health`, and whether its head is like Coretap's. `None` if nobody takes the connection, `Some(None)` if
/// whoever takes it speaks no HTTP.
async fn ask(port: u16, local_key: Option<&LocalKey>) -> Option<Option<(Bytes, bool)>> {
    let address = format!("127.0.0.1:{port}");
    let mut request = http::Request::get(format!("http://{address}/health")).header(HOST, &address);
    if let Some(key) = local_key {
        request = request.header(AUTHORIZATION, format!("Bearer {}", key.expose()));
    }
    let Ok(request) = request.body(Empty::<Bytes>::new()) else {
        return Some(None);
    };
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = match client.request(request).await {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => return None,
        Err(_) => return Some(None),
    };
    let is_like_coretap = answer.status().is_success() && answer.headers().contains_key("x-request-id");
    let body = Limited::new(answer.into_body(), LONGEST_REPORT).collect().await;
    Some(body.ok().map(|body| (body.to_bytes(), is_like_coretap)))
}
