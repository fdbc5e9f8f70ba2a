//! How a window says what is wrong: the code and the sentence of the error, and a next step that fits a window.

use std::time::{SystemTime, UNIX_EPOCH};

use coretap_aicore::{HiddenModel as LeftOut, Reason};
use coretap_proxy::{Problem, RunState};

use crate::error::Error;
use crate::view::{Field, HiddenModel, ProblemView, ProxyView};

impl ProblemView {
    pub(crate) fn new(code: &str, sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        ProblemView {
            code: code.to_owned(),
            sentence: sentence.into(),
            hint: hint.into(),
            field: None,
        }
    }

    pub(crate) fn at(mut self, field: Field) -> Self {
        self.field = Some(field);
        self
    }
}

impl From<&Error> for ProblemView {
    fn from(error: &Error) -> Self {
        let code = error.code();
        ProblemView {
            code: code.to_owned(),
            sentence: error.to_string(),
            hint: hint_in_a_window(code).unwrap_or(error.hint()).to_owned(),
            field: field(error),
        }
    }
}

impl From<Error> for ProblemView {
    fn from(error: Error) -> Self {
        ProblemView::from(&error)
    }
}

impl From<coretap_aicore::Error> for ProblemView {
    fn from(error: coretap_aicore::Error) -> Self {
        ProblemView::from(&Error::AiCore(error))
    }
}

impl From<&Problem> for ProblemView {
    fn from(problem: &Problem) -> Self {
        let hint = hint_in_a_window(problem.code).unwrap_or(&problem.hint);
        ProblemView::new(problem.code, &problem.sentence, hint)
    }
}

/// Hints that name a variable or a command say something else to a person who looks at a window.
fn hint_in_a_window(code: &str) -> Option<&'static str> {
    Some(match code {
        "START-PORT-TAKEN" => "Use the next free port, or end the other program.",
        "START-BIND" => "Choose another port in the settings.",
        "CONFIG-CA-FILE" => {
            "Choose a file with your company's certificates in PEM form, or leave the field CA file empty."
        }
        "CONFIG-NO-SERVICE-KEY" => "Paste your service key on the page Connection, or try the simulator.",
        "SECRET-NO-KEYCHAIN" => {
            "Start a keychain (GNOME Keyring, KWallet or KeePassXC) and try again, or keep the secret for this run only."
        }
        "SECRET-LOCKED" => "Unlock it and try again, or keep the secret for this run only.",
        "SECRET-WAITING" => {
            "Answer the keychain's question and try again, or keep the secret for this run only."
        }
        "SECRET-REFUSED" => {
            "Allow Coretap to use the keychain and try again, or keep the secret for this run only."
        }
        "ROUTE-MODEL-UNKNOWN" => {
            "Ask for one of the listed models, or select the model that answers for every other name."
        }
        "ROUTE-NO-DEPLOYMENT" => {
            "Choose a model that runs, start a deployment in SAP AI Launchpad, choose another resource group, or use orchestration."
        }
        "ROUTE-NO-ORCHESTRATION" => {
            "Start a deployment of the scenario 'orchestration' in SAP AI Launchpad, choose another resource group, or turn orchestration off."
        }
        _ => return None,
    })
}

/// The field of the form that is wrong.
fn field(error: &Error) -> Option<Field> {
    use coretap_aicore::Error as AiCore;
    Some(match error {
        Error::SecretMissing | Error::SecretBound | Error::Secret(_) => Field::ClientSecret,
        Error::NothingRuns { .. } => Field::ResourceGroup,
        Error::Modules { .. } => Field::OrchestrationModules,
        Error::ServiceKey { source, .. } | Error::AiCore(source) => match source {
            AiCore::ServiceKeyUnreadable { .. }
            | AiCore::ServiceKeyIncomplete { .. }
            | AiCore::BindingMissing => Field::ServiceKey,
            AiCore::UrlRefused {
                field: "url" | "certurl",
                ..
            }
            | AiCore::NotOAuth { .. } => Field::AuthUrl,
            AiCore::UrlRefused { .. } | AiCore::NotAiCore { .. } => Field::BaseUrl,
            AiCore::TokenRefused { .. }
            | AiCore::CertificateRefused { .. }
            | AiCore::ClientCertificateUnreadable { .. }
            | AiCore::ClientCertificateExpired { .. }
            | AiCore::ClientCertificateKey => Field::ClientSecret,
            AiCore::ExtraRoots { .. } => Field::CaFile,
            AiCore::KeyRevoked { .. } => Field::ClientId,
            AiCore::ResourceGroupRefused
            | AiCore::ResourceGroupUnknown { .. }
            | AiCore::NoOrchestrationDeployment { .. } => Field::ResourceGroup,
            AiCore::ModelUnknown { .. } | AiCore::NoDeployment { .. } => Field::Model,
            _ => return None,
        },
        _ => return None,
    })
}

impl From<LeftOut> for HiddenModel {
    fn from(model: LeftOut) -> Self {
        let hint = "Choose another model; a request that names this one is still sent.";
        let problem = match model.reason {
            Reason::Restricted => ProblemView::new(
                "ROUTE-MODEL-RESTRICTED",
                format!("The orchestration deployment does not allow '{}'.", model.name),
                "Choose another model, or ask whoever runs your SAP AI Core to allow it.",
            ),
            Reason::DoesNotStream => ProblemView::new(
                "MODEL-HIDDEN-STREAMING",
                format!("'{}' does not stream, and coding agents do.", model.name),
                hint,
            ),
            Reason::ShortContext { tokens } => ProblemView::new(
                "MODEL-HIDDEN-CONTEXT",
                format!(
                    "'{}' takes {tokens} tokens; coding agents need at least 32000.",
                    model.name
                ),
                hint,
            ),
        };
        HiddenModel {
            name: model.name,
            problem,
        }
    }
}

impl From<&RunState> for ProxyView {
    fn from(state: &RunState) -> Self {
        match state {
            RunState::Stopped => ProxyView::Stopped,
            RunState::Starting => ProxyView::Starting,
            RunState::Running { address } => ProxyView::Running {
                address: format!("http://{address}"),
            },
            RunState::Degraded {
                address,
                problem,
                since,
            } => ProxyView::Degraded {
                address: format!("http://{address}"),
                problem: ProblemView::from(problem.as_ref()),
                since: milliseconds(*since),
            },
            RunState::Stopping => ProxyView::Stopping,
            RunState::Failed {
                code,
                sentence,
                since,
            } => ProxyView::Failed {
                problem: ProblemView::new(code, sentence, hint_in_a_window(code).unwrap_or_default()),
                free_port: None,
                since: milliseconds(*since),
            },
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::SecretError;

    #[test]
    fn a_keychain_that_fails_leaves_a_command_the_variables_and_a_window_this_run() {
        for error in [
            SecretError::NoKeychain("no D-Bus".to_owned()),
            SecretError::Locked,
            SecretError::Waiting,
            SecretError::Refused("no".to_owned()),
        ] {
            let error = Error::Secret(error);
            assert!(
                error
                    .hint()
                    .ends_with("or set AICORE_SERVICE_KEY and CORETAP_API_KEY.")
            );
            let hint = ProblemView::from(&error).hint;
            assert!(hint.ends_with("or keep the secret for this run only."), "{hint}");
        }
    }
}
