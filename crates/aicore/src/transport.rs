//! The HTTP clients, and what their failures mean.

use std::io;
use std::sync::{Arc, Once};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Client, Response, redirect};
use url::Url;

use crate::error::{Error, Failure};
use crate::service_key::is_loopback;

/// How long calls may take. Inference has no limit here: the proxy sets one for the first byte, and a running stream
/// has none.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For a whole token or list call.
    pub call: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            call: Duration::from_secs(15),
        }
    }
}

/// A client for an origin. This machine is reached directly whatever the system's or environment's proxy settings
/// say, everything else as they say. No redirect is followed: a token goes where the service key says and nowhere else.
pub(crate) fn client_for(origin: &Url, timeouts: Timeouts) -> Result<Client, Error> {
    static PROVIDER: Once = Once::new();
    // An error means that somebody installed a provider before: then there is one, which is all that is wanted.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));

    let mut builder = Client::builder()
        .tls_backend_rustls()
        .http1_only()
        .tcp_nodelay(true)
        .pool_max_idle_per_host(256)
        .pool_idle_timeout(Duration::from_secs(90))
        .connect_timeout(timeouts.connect)
        .redirect(redirect::Policy::none())
        .referer(false);
    if is_loopback(origin) {
        builder = builder.no_proxy();
    }
    if origin.scheme() == "http" {
        // No TLS is spoken, so the system's certificates (a megabyte, and absent in small containers) stay unread.
        builder = builder.tls_certs_only([]);
    }
    builder
        .build()
        .map_err(|error| Error::HttpClient(Arc::new(error)))
}

/// Whether one client may serve both origins.
pub(crate) fn same_way(one: &Url, other: &Url) -> bool {
    (is_loopback(one), one.scheme()) == (is_loopback(other), other.scheme())
}

/// What it means that a request got no answer.
pub(crate) fn unreachable(url: &Url, error: reqwest::Error) -> Error {
    let failure = if error.is_dns() {
        Failure::Dns
    } else if is_tls(&error) {
        Failure::Tls
    } else if error.is_timeout() {
        Failure::Timeout
    } else if error.is_connect() {
        Failure::Connect
    } else {
        Failure::Broken
    };
    Error::Unreachable {
        host: url.host_str().unwrap_or_default().to_owned(),
        failure,
        source: Arc::new(error.without_url()),
    }
}

fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    // An io::Error hides the error it was made of from `source`, so it has to be asked for it.
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<rustls::Error>()
        || inner.is_some_and(|inner| is_tls(inner))
        || error.source().is_some_and(is_tls)
}

/// A body of at most `limit` bytes; more is [`Error::Unreadable`].
pub(crate) async fn read_bounded(
    mut response: Response,
    limit: usize,
    what: &'static str,
) -> Result<Bytes, Error> {
    let url = response.url().clone();
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&url, error))? {
        if body.len() + chunk.len() > limit {
            return Err(Error::Unreadable {
                what,
                reason: format!("it is longer than {limit} bytes"),
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Whether a response says that its body is JSON.
pub(crate) fn is_json(response: &Response) -> bool {
    response
        .headers()
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().contains("json"))
}

#[cfg(test)]
mod tests {
    use reqwest::dns::{Name, Resolve, Resolving};

    use super::*;

    /// A resolver that knows no name, so that the test asks none beyond this machine.
    struct KnowsNothing;

    impl Resolve for KnowsNothing {
        fn resolve(&self, _: Name) -> Resolving {
            Box::pin(async { Err(io::Error::other("no such name").into()) })
        }
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_told_from_a_refused_connection() {
        let url = Url::parse("http://api.ai.example.invalid").unwrap();
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .dns_resolver(Arc::new(KnowsNothing));
        drop(rustls::crypto::ring::default_provider().install_default());
        let error = client.build().unwrap().get(url.clone()).send().await.unwrap_err();
        let error = unreachable(&url, error);
        assert_eq!(
            (error.code(), error.is_connect()),
            ("UPSTREAM-DNS", true),
            "{error:?}"
        );
        assert_eq!(
            error.to_string(),
            "The name 'api.ai.example.invalid' can't be resolved."
        );
    }
}
