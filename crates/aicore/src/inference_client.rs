//! The HTTP client for inference: one pool of connections to the Base URL, and nothing between a request and its
//! connection. Rare calls (tokens, lists) are reqwest's, which costs some forty thousand instructions each.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::{self, Client};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};
use url::Url;

use crate::error::{Error, Failure};
use crate::open_connections::{Counted, OpenConnections};
use crate::transport::{MOST_IDLE, UNUSED_UNTIL, causes};

type BoxError = Box<dyn StdError + Send + Sync>;

/// A way to the Base URL's host or to the proxy before it; TLS is spoken here only to a proxy that wants it.
type Way = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Sends requests to one origin. It follows no redirect: a token goes where the service key says and nowhere else.
pub(crate) struct InferenceClient {
    pub(crate) open: OpenConnections,
    client: Client<Connector, Full<Bytes>>,
}

impl InferenceClient {
    /// `connect_timeout` is for a connection in all: name, proxy and TLS.
    pub(crate) fn new(tls: ClientConfig, proxy: Option<&Intercept>, connect_timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(GaiResolver::new().map_err(UnknownName));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Shared by the host's addresses, so that one that is silent leaves time for the next one.
        tcp.set_connect_timeout(Some(connect_timeout));
        let tls = Arc::new(tls);
        let open = OpenConnections::default();
        let way = match proxy {
            None => {
                BoxCloneSyncService::new(tcp.map_response(MaybeHttpsStream::Http).map_err(BoxError::from))
            }
            Some(proxy) => {
                let way_to_proxy = HttpsConnector::from((tcp, Arc::clone(&tls)));
                let mut tunnel = Tunnel::new(proxy.uri().clone(), way_to_proxy);
                if let Some(authorization) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(authorization.clone());
                }
                BoxCloneSyncService::new(tunnel.map_err(BoxError::from))
            }
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(UNUSED_UNTIL)
            .pool_max_idle_per_host(MOST_IDLE)
            // Its value is always the same, so it is among the headers that are made once.
            .set_host(false)
            .build(Connector(Arc::new(Connecting {
                https: HttpsConnector::from((way, tls)),
                limit: connect_timeout,
                open: open.clone(),
            })));
        Self { open, client }
    }

    /// Sends a request that has all its headers, `Host` too. Dropped before its end, it closes its connection.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, legacy::Error> {
        self.client.request(request).await
    }
}

/// What it means that a request got no answer.
pub(crate) fn unreachable(url: &Url, error: legacy::Error) -> Error {
    let cause = causes(&error).find_map(|cause| {
        if cause.is::<UnknownName>() {
            Some(Failure::Dns)
        } else if cause.is::<rustls::Error>() {
            Some(Failure::Tls)
        } else if cause.is::<Elapsed>() || is_timeout(cause) {
            Some(Failure::Timeout)
        } else {
            None
        }
    });
    let failure = cause.unwrap_or(if error.is_connect() {
        Failure::Connect
    } else {
        Failure::Broken
    });
    Error::Unreachable {
        host: url.host_str().unwrap_or_default().to_owned(),
        failure,
        source: Arc::new(error),
    }
}

fn is_timeout(cause: &(dyn StdError + 'static)) -> bool {
    cause
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// The resolver's error, marked: by its type alone it looks like any other.
#[derive(Debug, thiserror::Error)]
#[error("the name can't be resolved")]
struct UnknownName(#[source] io::Error);

/// The client clones it for every request, even for one that finds an open connection: so it is one pointer.
#[derive(Clone)]
struct Connector(Arc<Connecting>);

struct Connecting {
    https: HttpsConnector<BoxCloneSyncService<Uri, Way, BoxError>>,
    limit: Duration,
    open: OpenConnections,
}

impl Service<Uri> for Connector {
    type Response = Counted<MaybeHttpsStream<Way>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, origin: Uri) -> Self::Future {
        let (https, limit, open) = (self.0.https.clone(), self.0.limit, self.0.open.clone());
        let connecting = tokio::time::timeout(limit, https.oneshot(origin));
        Box::pin(connecting.map(move |connected| {
            let connected = connected.unwrap_or_else(|elapsed| Err(elapsed.into()));
            connected.map(|connection| open.counted(connection))
        }))
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::client::proxy::matcher::Matcher;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::transport::trusting_nobody;

    const LIMIT: Duration = Duration::from_secs(10);

    async fn listening() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        (listener, address)
    }

    /// Accepts connections, reads the beginning of what comes, answers and closes; gives what came.
    async fn answering(answer: &'static str) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let (listener, address) = listening().await;
        let (seen, seeing) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut head = [0; 1024];
                let length = socket.read(&mut head).await.unwrap();
                drop(seen.send(String::from_utf8_lossy(&head[..length]).into_owned()));
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (address, seeing)
    }

    fn proxied(proxy: &str) -> InferenceClient {
        let matcher = Matcher::builder().all(proxy).build();
        let proxy = matcher.intercept(&Uri::from_static("https://api.ai.example.invalid"));
        InferenceClient::new(trusting_nobody().unwrap(), Some(&proxy.unwrap()), LIMIT)
    }

    fn direct() -> InferenceClient {
        InferenceClient::new(trusting_nobody().unwrap(), None, LIMIT)
    }

    async fn asked(client: &InferenceClient, uri: &str) -> Result<Response<Incoming>, Error> {
        let request = Request::post(uri).body(Full::from("{}")).unwrap();
        client
            .send(request)
            .await
            .map_err(|error| unreachable(&Url::parse(uri).unwrap(), error))
    }

    #[tokio::test]
    async fn each_way_of_not_reaching_it_has_its_own_problem() {
        let nobody = listening().await.1;
        let (plain, _) = answering("HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let (breaking, _) = answering("HTTP/1.1 2").await;
        let (refusing, _) = answering("HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
        // A label of more than 63 characters is refused before anybody is asked.
        let unknown = format!("{}.invalid", "x".repeat(64));
        let elsewhere = "https://api.ai.example.invalid";
        for (client, uri, code) in [
            (direct(), format!("http://{unknown}/"), "UPSTREAM-DNS"),
            (direct(), format!("http://{nobody}/"), "UPSTREAM-CONNECT"),
            (direct(), format!("https://{plain}/"), "UPSTREAM-TLS"),
            (direct(), format!("http://{breaking}/"), "UPSTREAM-BROKEN"),
            (proxied(&unknown), elsewhere.to_owned(), "UPSTREAM-DNS"),
            (proxied(&nobody), elsewhere.to_owned(), "UPSTREAM-CONNECT"),
            (proxied(&refusing), elsewhere.to_owned(), "UPSTREAM-CONNECT"),
            (
                proxied(&format!("https://{plain}")),
                elsewhere.to_owned(),
                "UPSTREAM-TLS",
            ),
            (
                proxied(&format!("socks5://{nobody}")),
                elsewhere.to_owned(),
                "UPSTREAM-CONNECT",
            ),
        ] {
            let error = asked(&client, &uri).await.unwrap_err();
            assert_eq!(error.code(), code, "{uri}: {error:?}");
        }
    }

    #[tokio::test]
    async fn a_silent_handshake_is_given_up_after_the_time_for_connecting() {
        let (listener, address) = listening().await;
        let asking = tokio::spawn(async move { asked(&direct(), &format!("https://{address}/")).await });
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.read_exact(&mut [0; 16]).await.unwrap();
        tokio::time::pause();
        tokio::time::advance(LIMIT).await;
        assert_eq!(asking.await.unwrap().unwrap_err().code(), "UPSTREAM-TIMEOUT");
    }

    #[tokio::test]
    async fn a_proxy_gets_the_hosts_name_and_its_own_password() {
        let (address, mut seeing) = answering("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        let client = proxied(&format!("http://user:pass@{address}"));
        asked(&client, "https://api.ai.example.invalid/v2")
            .await
            .unwrap_err();
        let head = seeing.recv().await.unwrap();
        assert!(
            head.starts_with("CONNECT api.ai.example.invalid:443 HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(
            head.contains("\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n"),
            "{head}"
        );
    }

    #[tokio::test]
    async fn a_request_that_nobody_waits_for_any_more_closes_its_connection() {
        let (listener, address) = listening().await;
        let asking = tokio::spawn(async move { asked(&direct(), &format!("http://{address}/")).await });
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.read_exact(&mut [0; 16]).await.unwrap();
        asking.abort();
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(LIMIT, socket.read_to_end(&mut rest)).await;
        closed.unwrap().unwrap();
    }
}
