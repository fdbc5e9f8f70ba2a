//! The HTTP client for inference: connections to the Base URL, and nothing between a request and its connection. Rare
//! calls (tokens, lists) are reqwest's, which costs some forty thousand instructions each.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;
use url::Url;

use crate::error::{Error, Failure};
use crate::idle_connections::{IdleConnections, Sender};
use crate::transport::causes;

/// After so long a silence the other side is asked whether it is there, three times.
const KEEPALIVE: Duration = Duration::from_secs(15);

type BoxError = Box<dyn StdError + Send + Sync>;

/// A way to the Base URL's host or to the proxy before it; TLS is spoken here only to a proxy that wants it.
type Way = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Sends requests, all of them to one origin. It follows no redirect: a token goes where the service key says and nowhere
/// else.
///
/// hyper-util's client keeps connections for any number of origins and costs 7,000 instructions a request more.
pub(crate) struct InferenceClient {
    https: HttpsConnector<BoxCloneSyncService<Uri, Way, BoxError>>,
    connect_timeout: Duration,
    idle: IdleConnections,
    /// Each open connection holds it once more.
    open: Arc<()>,
}

impl InferenceClient {
    /// `connect_timeout` is for a connection in all: name, proxy and TLS.
    pub(crate) fn new(tls: ClientConfig, proxy: Option<&Intercept>, connect_timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(GaiResolver::new().map_err(UnknownName));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // A running stream only reads: without it nobody would notice that the network under it is gone.
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(3));
        // Shared by the host's addresses, so that one that is silent leaves time for the next one.
        tcp.set_connect_timeout(Some(connect_timeout));
        let tls = Arc::new(tls);
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
        Self {
            https: HttpsConnector::from((way, tls)),
            connect_timeout,
            idle: IdleConnections::default(),
            open: Arc::default(),
        }
    }

    /// Sends a request that has all its headers, `Host` too. Dropped before its end, it closes its connection.
    ///
    /// A connection that the other side has closed while nobody used it is found out only by using it. Nothing of the
    /// request has left then, and it goes over another connection.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, SendError> {
        let uri = request.uri().clone();
        *request.uri_mut() = uri.path_and_query().cloned().map(Uri::from).unwrap_or_default();
        loop {
            let kept = self.idle.take();
            let is_new = kept.is_none();
            let mut sender = match kept {
                Some(sender) => sender,
                None => self.connect(uri.clone()).await?,
            };
            match sender.try_send_request(request).await {
                Ok(response) => {
                    self.idle.put(sender);
                    return Ok(response);
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !is_new => request = unsent,
                    _ => return Err(SendError::Broken(error.into_error())),
                },
            }
        }
    }

    /// How many connections are open, used or kept for the next request.
    pub(crate) fn open_connections(&self) -> usize {
        Arc::strong_count(&self.open) - 1
    }

    /// In a box, because nearly every request does without it.
    fn connect(&self, uri: Uri) -> BoxFuture<'static, Result<Sender, SendError>> {
        let connecting = tokio::time::timeout(self.connect_timeout, self.https.clone().oneshot(uri));
        let connecting = connecting.map(|connected| connected.unwrap_or_else(|elapsed| Err(elapsed.into())));
        let open = Arc::clone(&self.open);
        Box::pin(
            connecting
                .map_err(SendError::Connect)
                .and_then(|connection| begin(connection, open)),
        )
    }
}

/// Lets HTTP be spoken on a connection; gives our end of it.
async fn begin(connection: MaybeHttpsStream<Way>, open: Arc<()>) -> Result<Sender, SendError> {
    let (sender, connection) = http1::handshake(connection).await.map_err(SendError::Broken)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to SAP AI Core ended early");
        }
        drop(open);
    });
    Ok(sender)
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// There is no connection.
    #[error("no connection")]
    Connect(#[source] BoxError),
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
}

/// What it means that a request got no answer.
pub(crate) fn unreachable(url: &Url, error: SendError) -> Error {
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
    let failure = cause.unwrap_or(match error {
        SendError::Connect(_) => Failure::Connect,
        SendError::Broken(_) => Failure::Broken,
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::{join, join_all};
    use http_body_util::BodyExt;
    use hyper_util::client::proxy::matcher::Matcher;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::transport::{UNUSED_UNTIL, trusting_nobody};

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

    async fn answer(socket: &mut TcpStream) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n{}") {
            request.push(socket.read_u8().await.unwrap());
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        socket.write_all(answer).await.unwrap();
    }

    /// Answers `requests` on each connection that comes and closes it then; gives how many have come.
    async fn closing_after(requests: usize) -> (String, Arc<AtomicUsize>) {
        let (listener, address) = listening().await;
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    for _ in 0..requests {
                        answer(&mut socket).await;
                    }
                });
            }
        });
        (format!("http://{address}/v2"), connections)
    }

    async fn whole_answer(client: &InferenceClient, uri: &str) -> Bytes {
        let answer = asked(client, uri).await.unwrap();
        answer.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn a_connection_is_used_again_until_the_other_side_closes_it() {
        let (uri, connections) = closing_after(3).await;
        let client = direct();
        for request in 0..9 {
            assert_eq!(whole_answer(&client, &uri).await, "ok");
            assert_eq!(connections.load(Ordering::Relaxed), request / 3 + 1);
        }
    }

    #[tokio::test]
    async fn a_connection_that_nobody_uses_is_closed_in_time() {
        let (listener, address) = listening().await;
        let (client, uri) = (direct(), format!("http://{address}/v2"));
        let answering = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            answer(&mut socket).await;
            socket
        };
        let (_, mut socket) = join(whole_answer(&client, &uri), answering).await;
        tokio::time::pause();
        let closed = tokio::time::timeout(3 * UNUSED_UNTIL, socket.read(&mut [0])).await;
        assert_eq!(closed.unwrap().unwrap(), 0);
        // Until here the client was there.
        drop(client);
    }

    #[tokio::test]
    async fn requests_at_once_have_connections_of_their_own() {
        let (uri, connections) = closing_after(100).await;
        let client = direct();
        for _ in 0..3 {
            let answers = join_all((0..5).map(|_| whole_answer(&client, &uri))).await;
            assert!(answers.iter().all(|answer| answer == "ok"));
        }
        assert_eq!(connections.load(Ordering::Relaxed), 5);
    }
}
