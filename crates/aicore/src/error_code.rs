//! The code of each problem, and what to do about it.

use crate::error::{Error, Failure};

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

    #[expect(clippy::too_many_lines, reason = "a table, one row for each problem")]
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::StatusCode;

    use super::*;
    use crate::error::Cause;
    use crate::routing::Purpose;

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
