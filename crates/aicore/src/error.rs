//! Everything that can go wrong between a service key and the first byte of an answer, each with a sentence for people.
//! Its stable code and the hint what to do are in `error_code.rs`.

use std::sync::Arc;

use http::StatusCode;

use crate::routing::Purpose;

/// How a connection failed before an answer began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The host's name could not be resolved.
    Dns,
    /// Nobody accepted the connection, or a proxy on the way refused it.
    Connect,
    /// The TLS handshake failed, mostly because a certificate is not trusted.
    Tls,
    /// No answer within the time limit of the call.
    Timeout,
    /// The connection broke before the head of the answer was complete.
    Broken,
}

/// What the network or the HTTP client said; shared, because errors are cloned.
pub(crate) type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// What went wrong. It is cheap to clone: all who wait for one token or one list share one outcome.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The service key's text is not a JSON object. The text itself is not repeated: it holds a secret.
    #[error("The service key is not a JSON object (line {line}, column {column}).")]
    ServiceKeyUnreadable {
        /// Line where reading stopped, from 1.
        line: usize,
        /// Column where reading stopped, from 0.
        column: usize,
    },
    /// Fields of the service key are absent, blank or not text; all of them are named at once.
    #[error("The service key lacks {}.", missing.join(", "))]
    ServiceKeyIncomplete {
        /// The fields' names as SAP spells them, for example `serviceurls.AI_API_URL`.
        missing: Vec<&'static str>,
    },
    /// The certificate or the private key of an x509 service key can't be used (sap-wire.md §1.1). Nothing of it is
    /// repeated.
    #[error("The service key's '{field}' {reason}.")]
    ClientCertificateUnreadable {
        /// `certificate` or `key`, as SAP spells them.
        field: &'static str,
        /// What is wrong with it, as the end of a sentence.
        reason: &'static str,
    },
    /// The client certificate is not good any more.
    #[error("The client certificate of the service key expired at {when}.")]
    ClientCertificateExpired {
        /// Its last moment, like `2026-11-20T12:00:00Z`.
        when: String,
    },
    /// Certificate and private key are not of one pair.
    #[error("The private key in the service key's 'key' does not belong to its 'certificate'.")]
    ClientCertificateKey,
    /// The file of further certificate authorities can't be used.
    #[error("The CA file {path} {reason}.")]
    ExtraRoots {
        /// Where it lies.
        path: String,
        /// What is wrong with it, as the end of a sentence.
        reason: String,
    },
    /// `VCAP_SERVICES` holds no binding named `aicore`.
    #[error("VCAP_SERVICES has no binding of the service 'aicore'.")]
    BindingMissing,
    /// A URL of the service key can't be used.
    #[error("The URL in '{field}' {reason}.")]
    UrlRefused {
        /// The service key's field.
        field: &'static str,
        /// What is wrong with it, as the end of a sentence.
        reason: &'static str,
    },
    /// The resource group's name is blank or can't be sent in a header.
    #[error("The resource group's name is blank or has characters that a name can't have.")]
    ResourceGroupRefused,
    /// The HTTP client could not be built; in practice the system has no certificates.
    #[error("The HTTP client could not be set up: the system's certificates can't be read.")]
    HttpClient(#[source] Cause),

    /// The OAuth server refused client id or client secret (sap-wire.md §1.4).
    #[error("The client id or the client secret was refused: {text}")]
    TokenRefused {
        /// The answer's status.
        status: StatusCode,
        /// The server's own words, shortened, never with the secret in them.
        text: String,
    },
    /// The OAuth server refused the client certificate, in the TLS handshake or with an OAuth error.
    #[error("The client certificate was refused: {text}")]
    CertificateRefused {
        /// The server's own words, shortened.
        text: String,
    },
    /// The OAuth server knows no such client, or one whose key it gave tokens for before is refused now: the service
    /// key was deleted or has expired (sap-wire.md §1.4). A mistyped client id looks the same.
    #[error("SAP does not know this service key, or not any more: {text}")]
    KeyRevoked {
        /// The answer's status.
        status: StatusCode,
        /// The server's own words, shortened, never with the secret in them.
        text: String,
    },
    /// Whatever answers at the Auth URL is no OAuth server (an HTML page, a 404, a redirect).
    #[error("The Auth URL ({host}) answers with status {}, but not like an OAuth server.", status.as_u16())]
    NotOAuth {
        /// The Auth URL's host.
        host: String,
        /// The answer's status.
        status: StatusCode,
    },
    /// The OAuth server is there but can't give a token now (429 or 5xx).
    #[error("The OAuth server {host} can't give a token now (status {}).", status.as_u16())]
    TokenUnavailable {
        /// The Auth URL's host.
        host: String,
        /// The answer's status.
        status: StatusCode,
    },
    /// SAP AI Core's gateway refused the call although the token is new (plain text 401 or 403, sap-wire.md §1.5).
    #[error("SAP AI Core refused {what} (status {}): {text}", status.as_u16())]
    Permission {
        /// What was asked for.
        what: &'static str,
        /// 401 or 403.
        status: StatusCode,
        /// The gateway's own words, shortened.
        text: String,
    },
    /// The resource group does not exist for this service key.
    #[error(
        "There is no resource group '{resource_group}' for this service key; there are: {}.",
        listed(existing)
    )]
    ResourceGroupUnknown {
        /// The group that was asked for.
        resource_group: String,
        /// The groups that exist.
        existing: Vec<String>,
    },

    /// A person's alias can't be used.
    #[error("The alias '{name}' {reason}.")]
    AliasRefused {
        /// The alias.
        name: String,
        /// What is wrong with it, as the end of a sentence.
        reason: &'static str,
    },
    /// Orchestration mode: the name is neither SAP's nor can it be turned into one of SAP's.
    #[error("SAP AI Core has no model '{asked}'{}; there are: {}.", for_alias(alias.as_deref()), listed(available))]
    ModelUnknown {
        /// The name that was asked for, or that an alias stands for, shortened.
        asked: String,
        /// The alias that was asked for.
        alias: Option<String>,
        /// The models that orchestration offers.
        available: Vec<String>,
    },
    /// Foundation mode: no RUNNING deployment of the model.
    #[error(
        "Resource group '{resource_group}' has no running deployment of '{model}'{}; {}.",
        for_alias(alias.as_deref()),
        running_sentence(running)
    )]
    NoDeployment {
        /// The connection's resource group.
        resource_group: String,
        /// SAP's name of the model, or the asked one when no SAP name could be derived.
        model: String,
        /// The alias that was asked for.
        alias: Option<String>,
        /// The models that have a RUNNING deployment.
        running: Vec<String>,
    },
    /// Orchestration mode: no RUNNING orchestration deployment.
    #[error("Resource group '{resource_group}' has no running orchestration deployment.")]
    NoOrchestrationDeployment {
        /// The connection's resource group.
        resource_group: String,
    },
    /// Orchestration mode: no orchestration deployment lets the model through (sap-wire.md §2.3).
    #[error(
        "The orchestration deployments of resource group '{resource_group}' do not allow '{model}'; allowed are: {}.",
        listed(allowed)
    )]
    ModelRestricted {
        /// The connection's resource group.
        resource_group: String,
        /// SAP's name of the model.
        model: String,
        /// The models that are allowed.
        allowed: Vec<String>,
    },
    /// A model for embeddings was asked for an answer, or another one for embeddings.
    #[error("{}", purpose_sentence(model, *purpose, available))]
    ModelPurpose {
        /// SAP's name of the model.
        model: String,
        /// What was asked of it.
        purpose: Purpose,
        /// The models that do what was asked.
        available: Vec<String>,
    },
    /// The model's own API is one that Coretap does not write.
    #[error(
        "'{model}' can't be reached directly: {reason}. Turn on orchestration mode, which reaches the models of every \
         provider."
    )]
    FamilyUnsupported {
        /// SAP's name of the model.
        model: String,
        /// Why, as the end of a sentence.
        reason: String,
    },

    /// No answer began: the connection failed.
    #[error("{}", failure_sentence(*failure, host))]
    Unreachable {
        /// Host of the URL that was called.
        host: String,
        /// How it failed.
        failure: Failure,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// Whatever answers at the Base URL is not SAP AI Core (an HTML page, a 404, a redirect).
    #[error("The Base URL ({host}) answers with status {}, but not like SAP AI Core.", status.as_u16())]
    NotAiCore {
        /// The Base URL's host.
        host: String,
        /// The answer's status.
        status: StatusCode,
    },
    /// A request was answered with a page for people, as networks that want a sign-in and companies' proxies do.
    #[error("{host} answered with a web page{} instead of a model's answer.", titled(title.as_deref()))]
    WebPage {
        /// The Base URL's host.
        host: String,
        /// What the page calls itself.
        title: Option<String>,
    },
    /// A list call was answered with an error.
    #[error("SAP AI Core did not give {what} (status {}): {text}", status.as_u16())]
    ListRefused {
        /// What was asked for.
        what: &'static str,
        /// The answer's status.
        status: StatusCode,
        /// The service's own words, shortened.
        text: String,
    },
    /// An answer came, but it is not what the API promises.
    #[error("{what} can't be read: {reason}.")]
    Unreadable {
        /// What was asked for.
        what: &'static str,
        /// What is wrong, as the end of a sentence.
        reason: String,
    },
    /// The task that fetched something ended before it had a result.
    #[error("Reading {what} was interrupted.")]
    Interrupted {
        /// What was being fetched.
        what: &'static str,
    },
}

fn failure_sentence(failure: Failure, host: &str) -> String {
    match failure {
        Failure::Dns => format!("The name '{host}' can't be resolved."),
        Failure::Connect => format!("No connection to {host}."),
        Failure::Tls => {
            format!("No secure connection to {host}: its certificate is not trusted, or TLS failed.")
        }
        Failure::Timeout => format!("{host} did not answer in time."),
        Failure::Broken => format!("The connection to {host} broke before an answer came."),
    }
}

fn titled(title: Option<&str>) -> String {
    title.map(|title| format!(" (\"{title}\")")).unwrap_or_default()
}

fn for_alias(alias: Option<&str>) -> String {
    alias.map_or_else(String::new, |alias| {
        format!(" (which the alias '{alias}' stands for)")
    })
}

fn purpose_sentence(model: &str, purpose: Purpose, available: &[String]) -> String {
    match purpose {
        Purpose::Chat => format!("'{model}' makes embeddings; it does not answer."),
        Purpose::Embeddings => format!(
            "'{model}' makes no embeddings; models that do: {}.",
            listed(available)
        ),
    }
}

fn running_sentence(running: &[String]) -> String {
    if running.is_empty() {
        "nothing is running there".to_owned()
    } else {
        format!("running are {}", listed(running))
    }
}

/// Names as a sentence lists them; a tenant has up to a hundred models, more than that helps nobody.
fn listed(names: &[String]) -> String {
    const MOST: usize = 100;
    if names.is_empty() {
        return "none".to_owned();
    }
    let mut text = names
        .iter()
        .take(MOST)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > MOST {
        text.push_str(", …");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_and_what_runs_is_said() {
        let error = Error::NoDeployment {
            resource_group: "team".into(),
            model: "gpt-5".into(),
            alias: None,
            running: vec!["gpt-4o".into(), "anthropic--claude-4.5-sonnet".into()],
        };
        assert_eq!(
            error.to_string(),
            "Resource group 'team' has no running deployment of 'gpt-5'; running are gpt-4o, anthropic--claude-4.5-sonnet."
        );
        let error = Error::NoDeployment {
            resource_group: "x".into(),
            model: "gpt-5".into(),
            alias: Some("smart".into()),
            running: vec![],
        };
        assert_eq!(
            error.to_string(),
            "Resource group 'x' has no running deployment of 'gpt-5' (which the alias 'smart' stands for); nothing is running there."
        );
    }
}
