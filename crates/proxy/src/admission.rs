//! Who may come in: the `Host`, `Origin` and local key of a request.
//!
//! The server listens on loopback, but every page in the person's browser can reach loopback too. A page can neither
//! choose its `Host` (a rebound DNS name stays in it) nor leave its `Origin` out, and it does not know the local key.

use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN};
use http::uri::{Authority, Uri};

use crate::configuration::Configuration;
use crate::gemini_path::query_value;
use crate::problem::Problem;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Google's header for a key.
pub(crate) const X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// Checks that a request was made for this machine and not by a foreign page.
pub(crate) fn check_origin(
    configuration: &Configuration,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else {
        return Err(Problem::host_refused(None));
    };
    if !is_allowed_host(configuration, host) {
        return Err(Problem::host_refused(Some(host)));
    }
    if uri
        .authority()
        .is_some_and(|authority| !is_allowed_host(configuration, authority.as_str()))
    {
        return Err(Problem::host_refused(uri.authority().map(Authority::as_str)));
    }
    match headers.get(ORIGIN) {
        Some(origin) if !is_own_origin(origin.to_str().unwrap_or_default(), host) => {
            Err(Problem::origin_refused())
        }
        _ => Ok(()),
    }
}

/// Checks the local key, as `Authorization: Bearer`, as `x-api-key`, or as Google's clients give it: as `x-goog-api-key`
/// or in the query. Agents that have several send them all, and one of them may be meant for somebody else: one right key
/// is enough.
pub(crate) fn check_key(
    configuration: &Configuration,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let mut given = false;
    // Where most agents have it.
    for value in headers.get_all(AUTHORIZATION) {
        given = true;
        if bearer(value.as_bytes()).is_some_and(|key| configuration.local_key.matches(key)) {
            return Ok(());
        }
    }
    let in_header = headers.get_all(&X_API_KEY).iter();
    let in_header = in_header.chain(headers.get_all(&X_GOOG_API_KEY));
    let in_query = query_value(uri, "key");
    let keys = in_header.map(HeaderValue::as_bytes);
    for key in keys.chain(in_query.as_deref().map(str::as_bytes)) {
        given = true;
        if configuration.local_key.matches(key) {
            return Ok(());
        }
    }
    Err(Problem::key_refused(given))
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
}

fn is_allowed_host(configuration: &Configuration, host: &str) -> bool {
    let Some(name) = without_port(host) else {
        return false;
    };
    matches!(name, "127.0.0.1" | "0.0.0.0" | "[::1]")
        || name.eq_ignore_ascii_case("localhost")
        || configuration
            .allowed_hosts
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(name))
}

/// The host without its port; nothing when what stands behind the colon is no port.
fn without_port(host: &str) -> Option<&str> {
    // The colons of an IPv6 address stand inside its brackets.
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_port = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    is_port.then_some(name)
}

/// A page that this address itself served: the origin is `http` or `https` and the very host that was called.
fn is_own_origin(origin: &str, host: &str) -> bool {
    origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
        .is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}
