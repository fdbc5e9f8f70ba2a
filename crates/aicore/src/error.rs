//! Everything that can go wrong between a service key and the first byte of an answer, each with a stable code,
//! a sentence for people and a hint what to do.

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
type Cause = Arc<dyn std::error::Error + Send + Sync>;

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
    #[error("'{model}' can't be reached directly: {reason}.")]
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

/// Every code that [`Error::code`] can give, so that documentation can be checked for completeness.
pub const CODES: &[&str] = &[
    "CONFIG-SERVICE-KEY-JSON",
    "CONFIG-SERVICE-KEY-INCOMPLETE",
    "CONFIG-CLIENT-CERTIFICATE",
    "CONFIG-CLIENT-CERTIFICATE-EXPIRED",
    "CONFIG-CLIENT-CERTIFICATE-KEY",
    "CONFIG-CA-FILE",
    "CONFIG-VCAP-SERVICES",
    "CONFIG-URL",
    "CONFIG-RESOURCE-GROUP",
    "CONFIG-CERTIFICATES",
    "CONFIG-ALIAS",
    "AUTH-TOKEN-REFUSED",
    "AUTH-CERTIFICATE-REFUSED",
    "AUTH-KEY-REVOKED",
    "AUTH-URL-NOT-OAUTH",
    "AUTH-UNAVAILABLE",
    "AUTH-PERMISSION",
    "AUTH-RESOURCE-GROUP",
    "ROUTE-MODEL-UNKNOWN",
    "ROUTE-NO-DEPLOYMENT",
    "ROUTE-NO-ORCHESTRATION",
    "ROUTE-MODEL-RESTRICTED",
    "ROUTE-MODEL-PURPOSE",
    "ROUTE-FAMILY-UNSUPPORTED",
    "UPSTREAM-DNS",
    "UPSTREAM-CONNECT",
    "UPSTREAM-TLS",
    "UPSTREAM-TIMEOUT",
    "UPSTREAM-BROKEN",
    "UPSTREAM-NOT-AI-CORE",
    "UPSTREAM-WEB-PAGE",
    "UPSTREAM-LIST",
    "UPSTREAM-UNREADABLE",
    "UPSTREAM-INTERRUPTED",
];

impl Error {
    /// The stable code of this problem, one of [`CODES`].
    pub fn code(&self) -> &'static str {
        self.code_and_hint().0
    }

    /// One sentence on what the person can do.
    pub fn hint(&self) -> &str {
        self.code_and_hint().1
    }

    /// Whether the connection failed before an answer began for a reason that may pass, so that the same request
    /// may be sent again: DNS, connect, timeout, a connection that broke before the answer's head, a fetch that was
    /// interrupted on the way to it. Not TLS: an untrusted certificate stays untrusted.
    pub fn is_connect(&self) -> bool {
        matches!(
            self,
            Self::Unreachable {
                failure: Failure::Dns | Failure::Connect | Failure::Timeout | Failure::Broken,
                ..
            } | Self::Interrupted { .. }
        )
    }

    fn code_and_hint(&self) -> (&'static str, &'static str) {
        match self {
            Self::ServiceKeyUnreadable { .. } => (
                "CONFIG-SERVICE-KEY-JSON",
                "Paste the whole service key as SAP BTP cockpit shows it, from the first { to the last }.",
            ),
            Self::ServiceKeyIncomplete { .. } => (
                "CONFIG-SERVICE-KEY-INCOMPLETE",
                "Create a service key for the SAP AI Core instance in SAP BTP cockpit and paste all of it.",
            ),
            Self::ClientCertificateUnreadable { .. } => (
                "CONFIG-CLIENT-CERTIFICATE",
                "Copy the whole service key again, or create a new one.",
            ),
            Self::ClientCertificateExpired { .. } => (
                "CONFIG-CLIENT-CERTIFICATE-EXPIRED",
                "Create a new service key in SAP BTP cockpit (its parameters say how long it is good), and check this machine's clock.",
            ),
            Self::ClientCertificateKey => (
                "CONFIG-CLIENT-CERTIFICATE-KEY",
                "Take certificate and key from one service key.",
            ),
            Self::ExtraRoots { .. } => (
                "CONFIG-CA-FILE",
                "Give a file with your company's certificates in PEM form: CORETAP_CA_FILE, ca_file in settings.toml, or CA file on the page Settings.",
            ),
            Self::BindingMissing => (
                "CONFIG-VCAP-SERVICES",
                "Bind an SAP AI Core instance to the application, or give the service key itself.",
            ),
            Self::UrlRefused { .. } => (
                "CONFIG-URL",
                "Take the URL from the service key as it is: https, a host, nothing behind it.",
            ),
            Self::ResourceGroupRefused => (
                "CONFIG-RESOURCE-GROUP",
                "Give the resource group's id as SAP AI Launchpad shows it; the usual one is 'default'.",
            ),
            Self::HttpClient(_) => (
                "CONFIG-CERTIFICATES",
                "Install the system's certificates (on Debian and Ubuntu the package ca-certificates).",
            ),
            Self::AliasRefused { .. } => (
                "CONFIG-ALIAS",
                "Correct the line under [aliases] in settings.toml: the name that agents ask for = \"the model that it means\".",
            ),
            Self::TokenRefused { .. } => (
                "AUTH-TOKEN-REFUSED",
                "Check that the service key still exists in SAP BTP cockpit and that id and secret come from the same key.",
            ),
            Self::CertificateRefused { .. } => (
                "AUTH-CERTIFICATE-REFUSED",
                "Check that the service key still exists in SAP BTP cockpit, that the Auth URL is its 'certurl', and that no proxy on the way opens TLS.",
            ),
            Self::KeyRevoked { .. } => (
                "AUTH-KEY-REVOKED",
                "Create a new service key in SAP BTP cockpit and paste it; if the client id was typed, check it letter by letter.",
            ),
            Self::NotOAuth { .. } => (
                "AUTH-URL-NOT-OAUTH",
                "Check the Auth URL: it is the field 'url' of the service key, not the Base URL.",
            ),
            Self::TokenUnavailable { .. } => ("AUTH-UNAVAILABLE", "Try again in a minute."),
            Self::Permission { .. } => (
                "AUTH-PERMISSION",
                "Check that the resource group exists and that this service key may use it.",
            ),
            Self::ResourceGroupUnknown { .. } => (
                "AUTH-RESOURCE-GROUP",
                "Choose one of the existing resource groups; upper and lower case count.",
            ),
            Self::ModelUnknown { .. } => (
                "ROUTE-MODEL-UNKNOWN",
                "Ask for one of the listed models, or set CORETAP_MODEL to one of them: it answers for every other name.",
            ),
            Self::NoDeployment { .. } => (
                "ROUTE-NO-DEPLOYMENT",
                "Ask for a running one, set CORETAP_MODEL to one of them, start a deployment in SAP AI Launchpad, or turn on orchestration mode.",
            ),
            Self::NoOrchestrationDeployment { .. } => (
                "ROUTE-NO-ORCHESTRATION",
                "Start a deployment of the scenario 'orchestration' in SAP AI Launchpad; 'coretap deployments' shows what there is and what is wrong with it.",
            ),
            Self::ModelRestricted { .. } => (
                "ROUTE-MODEL-RESTRICTED",
                "Ask for an allowed model, choose another orchestration deployment, or ask whoever runs your SAP AI Core to allow it.",
            ),
            Self::ModelPurpose { .. } => (
                "ROUTE-MODEL-PURPOSE",
                "Ask embedding models at /v1/embeddings and all others at /v1/messages or /v1/chat/completions.",
            ),
            Self::FamilyUnsupported { .. } => (
                "ROUTE-FAMILY-UNSUPPORTED",
                "Turn on orchestration mode: it reaches the models of every provider.",
            ),
            Self::Unreachable { failure, .. } => match failure {
                Failure::Dns => (
                    "UPSTREAM-DNS",
                    "Check the URL's spelling, the network and the VPN.",
                ),
                Failure::Connect => (
                    "UPSTREAM-CONNECT",
                    "Check the network, the VPN and the proxy settings.",
                ),
                Failure::Tls => (
                    "UPSTREAM-TLS",
                    "If a company proxy opens TLS, its certificate must be in the system's certificate store or in the CA file.",
                ),
                Failure::Timeout => ("UPSTREAM-TIMEOUT", "Check the network and try again."),
                Failure::Broken => (
                    "UPSTREAM-BROKEN",
                    "Try again; if it stays, look at the proxy on the way.",
                ),
            },
            Self::NotAiCore { .. } => (
                "UPSTREAM-NOT-AI-CORE",
                "Check the Base URL: it is 'serviceurls.AI_API_URL' of the service key, not the Auth URL.",
            ),
            Self::WebPage { .. } => (
                "UPSTREAM-WEB-PAGE",
                "Something on the way answers in SAP's place: open a page in a browser and see whether the network wants a sign-in, or ask whoever runs the proxy.",
            ),
            Self::ListRefused { .. } => (
                "UPSTREAM-LIST",
                "Try again; if it stays, look at SAP's status page.",
            ),
            Self::Unreadable { .. } => (
                "UPSTREAM-UNREADABLE",
                "Check the Base URL ('serviceurls.AI_API_URL' of the service key) and the Auth URL ('url').",
            ),
            Self::Interrupted { .. } => ("UPSTREAM-INTERRUPTED", "Try again."),
        }
    }
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

    #[test]
    fn every_problem_has_a_listed_code_of_its_own_and_a_hint() {
        let cause: Cause = Arc::new(std::fmt::Error);
        let unreachable = |failure| Error::Unreachable {
            host: "host".into(),
            failure,
            source: Arc::clone(&cause),
        };
        let (status, text, what) = (StatusCode::FORBIDDEN, String::from("no"), "it");
        let all = [
            Error::ServiceKeyUnreadable { line: 1, column: 0 },
            Error::ServiceKeyIncomplete { missing: vec!["url"] },
            Error::ClientCertificateUnreadable {
                field: "key",
                reason: "is none",
            },
            Error::ClientCertificateExpired { when: "then".into() },
            Error::ClientCertificateKey,
            Error::ExtraRoots {
                path: "ca.pem".into(),
                reason: "is none".into(),
            },
            Error::BindingMissing,
            Error::UrlRefused {
                field: "url",
                reason: "is none",
            },
            Error::ResourceGroupRefused,
            Error::HttpClient(Arc::clone(&cause)),
            Error::AliasRefused {
                name: "x".into(),
                reason: "names no model",
            },
            Error::TokenRefused {
                status,
                text: text.clone(),
            },
            Error::CertificateRefused { text: text.clone() },
            Error::KeyRevoked {
                status,
                text: text.clone(),
            },
            Error::NotOAuth {
                host: "host".into(),
                status,
            },
            Error::TokenUnavailable {
                host: "host".into(),
                status,
            },
            Error::Permission {
                what,
                status,
                text: text.clone(),
            },
            Error::ResourceGroupUnknown {
                resource_group: "x".into(),
                existing: vec![],
            },
            Error::ModelUnknown {
                asked: "x".into(),
                alias: None,
                available: vec![],
            },
            Error::NoDeployment {
                resource_group: "x".into(),
                model: "x".into(),
                alias: None,
                running: vec![],
            },
            Error::NoOrchestrationDeployment {
                resource_group: "x".into(),
            },
            Error::ModelRestricted {
                resource_group: "x".into(),
                model: "x".into(),
                allowed: vec![],
            },
            Error::ModelPurpose {
                model: "x".into(),
                purpose: Purpose::Chat,
                available: vec![],
            },
            Error::FamilyUnsupported {
                model: "x".into(),
                reason: "it is not".into(),
            },
            unreachable(Failure::Dns),
            unreachable(Failure::Connect),
            unreachable(Failure::Tls),
            unreachable(Failure::Timeout),
            unreachable(Failure::Broken),
            Error::NotAiCore {
                host: "host".into(),
                status,
            },
            Error::WebPage {
                host: "host".into(),
                title: Some("Sign in".into()),
            },
            Error::ListRefused { what, status, text },
            Error::Unreadable {
                what,
                reason: "it is not".into(),
            },
            Error::Interrupted { what },
        ];
        let codes: Vec<_> = all.iter().map(Error::code).collect();
        assert_eq!(codes, CODES);
        for error in all {
            assert!(error.hint().ends_with('.'), "{error:?}");
            assert!(error.to_string().ends_with(['.', 'o']), "{error}");
        }
    }
}
