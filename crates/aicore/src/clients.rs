//! The HTTP clients of one connection, for tokens, lists and inference: made together, and replaced together when the
//! network under them is another one. A request keeps the client that it began with, so a replacement cuts nothing off.

use std::sync::{Arc, PoisonError, RwLock};

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::Client;
use rustls::ClientConfig;
use url::Url;

use crate::error::Error;
use crate::extra_roots::ExtraRoots;
use crate::inference_client::InferenceClient;
use crate::machine::Machine;
use crate::service_key::{ServiceKey, base_uri, is_loopback};
use crate::transport::{self, Timeouts};

/// One of each.
pub(crate) struct Clients {
    pub(crate) tokens: Client,
    pub(crate) lists: Client,
    pub(crate) inference: InferenceClient,
    proxies: Proxies,
}

/// The clients of the moment, and what new ones are made from.
pub(crate) struct CurrentClients {
    auth: Origin,
    base: Origin,
    tls: ClientConfig,
    /// The same with the client certificate, which only the host of the Auth URL is shown.
    tls_for_tokens: ClientConfig,
    timeouts: Timeouts,
    machine: Arc<dyn Machine>,
    current: RwLock<Arc<Clients>>,
}

struct Origin {
    url: Url,
    uri: Uri,
}

impl CurrentClients {
    /// Makes the first ones.
    pub(crate) fn new(
        key: &ServiceKey,
        timeouts: Timeouts,
        machine: Arc<dyn Machine>,
        extra_roots: &ExtraRoots,
    ) -> Result<Self, Error> {
        let origin = |url: &Url| {
            Ok::<_, Error>(Origin {
                url: url.clone(),
                uri: base_uri(url)?,
            })
        };
        let (auth, base) = (origin(&key.auth_url)?, origin(&key.base_url)?);
        let tls = transport::tls_for(key, extra_roots)?;
        let tls_for_tokens = transport::for_tokens(tls.clone(), key);
        let proxies = Proxies::of(&machine.proxies(), &auth, &base);
        let first = make(&tls, &tls_for_tokens, timeouts, proxies)?;
        Ok(CurrentClients {
            auth,
            base,
            tls,
            tls_for_tokens,
            timeouts,
            machine,
            current: RwLock::new(Arc::new(first)),
        })
    }

    /// The clients for a call that begins now.
    pub(crate) fn get(&self) -> Arc<Clients> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the system names other proxies than those that the clients were made for.
    pub(crate) fn have_other_proxies(&self) -> bool {
        self.get().proxies != Proxies::of(&self.machine.proxies(), &self.auth, &self.base)
    }

    /// Calls that begin from now on go over new connections, by the proxies of this moment. Connections that nobody uses
    /// are closed.
    pub(crate) fn renew(&self) {
        let proxies = Proxies::of(&self.machine.proxies(), &self.auth, &self.base);
        match make(&self.tls, &self.tls_for_tokens, self.timeouts, proxies) {
            Ok(clients) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(clients);
            }
            Err(error) => {
                tracing::warn!(code = error.code(), %error, "the former connections are kept");
            }
        }
    }

    pub(crate) fn machine(&self) -> Arc<dyn Machine> {
        Arc::clone(&self.machine)
    }
}

fn make(
    tls: &ClientConfig,
    tls_for_tokens: &ClientConfig,
    timeouts: Timeouts,
    proxies: Proxies,
) -> Result<Clients, Error> {
    let (for_auth, for_base) = (
        proxies.auth.as_ref().map(|proxy| &proxy.0),
        proxies.base.as_ref().map(|proxy| &proxy.0),
    );
    Ok(Clients {
        tokens: transport::client_for(tls_for_tokens.clone(), timeouts, for_auth)?,
        lists: transport::client_for(tls.clone(), timeouts, for_base)?,
        inference: InferenceClient::new(tls.clone(), for_base, timeouts.connect),
        proxies,
    })
}

/// The proxies on the way to the Auth URL and to the Base URL.
#[derive(PartialEq)]
struct Proxies {
    auth: Option<Proxy>,
    base: Option<Proxy>,
}

impl Proxies {
    /// This machine is reached directly, whatever the system says.
    fn of(system: &Matcher, auth: &Origin, base: &Origin) -> Self {
        let of = |origin: &Origin| {
            if is_loopback(&origin.url) {
                None
            } else {
                system.intercept(&origin.uri).map(Proxy)
            }
        };
        Proxies {
            auth: of(auth),
            base: of(base),
        }
    }
}

struct Proxy(Intercept);

impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        self.0.uri() == other.0.uri()
            && self.0.basic_auth() == other.0.basic_auth()
            && self.0.raw_auth() == other.0.raw_auth()
    }
}
