//! TLS, the HTTP client for tokens and lists, and what its failures mean.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use std::{io, iter};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use hyper_util::client::proxy::matcher::Intercept;
use reqwest::{Client, Proxy, Response, redirect};
use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::{AlertDescription, ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_platform_verifier::{BuilderVerifierExt, Verifier};
use url::Url;

use crate::error::{Error, Failure};
use crate::extra_roots::ExtraRoots;
use crate::service_key::{Credential, ServiceKey};

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

/// Unused connections that are kept per host, and for how long.
pub(crate) const MOST_IDLE: usize = 256;
pub(crate) const UNUSED_UNTIL: Duration = Duration::from_secs(90);

/// TLS for both addresses of a service key, checked by the system's rules and with the authorities in `extra_roots` beside
/// the system's. Certificates are loaded at most once, and not at all where no TLS is spoken: they take a megabyte, and
/// are absent in small containers.
pub(crate) fn tls_for(key: &ServiceKey, extra_roots: &ExtraRoots) -> Result<ClientConfig, Error> {
    let tls = if key.auth_url.scheme() == "http" && key.base_url.scheme() == "http" {
        trusting_nobody()
    } else if !extra_roots.is_empty() {
        trusting_also(extra_roots)
    } else {
        tls_builder()
            .and_then(BuilderVerifierExt::with_platform_verifier)
            .map(over_http1)
    };
    tls.map_err(|error| Error::HttpClient(Arc::new(error)))
}

fn trusting_also(extra_roots: &ExtraRoots) -> Result<ClientConfig, rustls::Error> {
    let builder = tls_builder()?;
    let provider = Arc::clone(builder.crypto_provider());
    let verifier = Verifier::new_with_extra_roots(extra_roots.certificates(), provider)?;
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    Ok(over_http1(builder))
}

/// The same TLS for the host that tokens come from: only it is shown the client certificate, if there is one.
pub(crate) fn for_tokens(mut tls: ClientConfig, key: &ServiceKey) -> ClientConfig {
    if let Credential::Certificate(certificate) = &key.credential {
        tls.client_auth_cert_resolver = certificate.resolver();
    }
    tls
}

/// TLS that accepts no certificate.
pub(crate) fn trusting_nobody() -> Result<ClientConfig, rustls::Error> {
    Ok(over_http1(
        tls_builder()?.with_root_certificates(RootCertStore::empty()),
    ))
}

fn tls_builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
}

fn over_http1(builder: ConfigBuilder<ClientConfig, WantsClientCert>) -> ClientConfig {
    let mut tls = builder.with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    tls
}

/// A client for tokens or lists, directly or through a proxy. No redirect is followed: a token goes where the service key
/// says and nowhere else.
pub(crate) fn client_for(
    tls: ClientConfig,
    timeouts: Timeouts,
    proxy: Option<&Intercept>,
) -> Result<Client, Error> {
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .tcp_nodelay(true)
        .pool_max_idle_per_host(MOST_IDLE)
        .pool_idle_timeout(UNUSED_UNTIL)
        .connect_timeout(timeouts.connect)
        .redirect(redirect::Policy::none())
        .referer(false)
        // The client looks for none by itself.
        .no_proxy();
    if let Some(proxy) = proxy {
        builder = builder.proxy(proxy_for(proxy)?);
    }
    builder
        .build()
        .map_err(|error| Error::HttpClient(Arc::new(error)))
}

fn proxy_for(proxy: &Intercept) -> Result<Proxy, Error> {
    let through = Proxy::all(proxy.uri().to_string()).map_err(|error| Error::HttpClient(Arc::new(error)))?;
    Ok(match proxy.basic_auth() {
        Some(password) => through.custom_http_auth(password.clone()),
        None => through,
    })
}

/// What it means that a call for a token or a list got no answer.
pub(crate) fn unreachable(url: &Url, error: reqwest::Error) -> Error {
    let failure = if error.is_dns() {
        Failure::Dns
    } else if causes(&error).any(<dyn StdError>::is::<rustls::Error>) {
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

/// The alert by which a server said that it does not take the client's certificate, or wants one.
pub(crate) fn refusal_of_certificate(error: &reqwest::Error) -> Option<String> {
    let alert = causes(error).find_map(|cause| match cause.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::AlertReceived(alert)) => Some(*alert),
        _ => None,
    })?;
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
    )
    .then(|| format!("{alert:?}"))
}

/// An error and its causes. An `io::Error` hides the error it was made of from `source`, so it is asked for it.
pub(crate) fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |&error| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
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

/// Whether a head says that its body is a page for people.
pub(crate) fn is_html(headers: &HeaderMap) -> bool {
    const HTML: &[u8] = b"text/html";
    headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.as_bytes().get(..HTML.len()))
        .is_some_and(|kind| kind.eq_ignore_ascii_case(HTML))
}

/// Whether a head says that its body is JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    headers
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
            .tls_backend_preconfigured(trusting_nobody().unwrap())
            .dns_resolver(Arc::new(KnowsNothing));
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
