//! What can be wrong before Coretap runs, each with a stable code, a sentence and a hint.

use std::io;

use coretap_proxy::StartError;

use crate::secrets::SecretError;

/// Why Coretap can't do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing says how to reach SAP AI Core.
    #[error("There is no service key.")]
    CredentialsMissing,
    /// The variables of the service key's parts are set by half.
    #[error("{} {} set, but {} {} missing.", given.join(", "), are(given), missing.join(", "), are(missing))]
    GroupIncomplete {
        /// The variables that are set.
        given: Vec<&'static str>,
        /// The variables that must be set too.
        missing: Vec<&'static str>,
    },
    /// A variable has a value that it can't have.
    #[error("{variable} is '{value}', which is not {allowed}.")]
    Value {
        /// The variable's name.
        variable: &'static str,
        /// What it is set to.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A file that a variable names can't be read.
    #[error("{variable}: {path} can't be read: {source}.")]
    FileUnreadable {
        /// The variable's name.
        variable: &'static str,
        /// The file.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// The config file of SAP's SDKs can't be understood. Nothing of it is repeated: it holds a secret.
    #[error("{path} {problem}.")]
    ConfigFile {
        /// Where it lies.
        path: String,
        /// What is wrong with it, as the end of a sentence.
        problem: String,
    },
    /// The config file of SAP's SDKs is there and has no service key.
    #[error(
        "{path} holds no service key: neither AICORE_CLIENT_ID and what stands beside it nor the key as it was copied."
    )]
    ConfigFileEmpty {
        /// Where it lies.
        path: String,
        /// Whether a variable names this very file.
        is_named: bool,
    },
    /// The service key in the config file of SAP's SDKs can't be used.
    #[error("In {path}: {source}")]
    InConfigFile {
        /// Where it lies.
        path: String,
        /// What is wrong with the key.
        source: Box<Error>,
    },
    /// The settings file can't be used.
    #[error("{path}: {problem}.")]
    SettingsFile {
        /// Where it lies.
        path: String,
        /// What is wrong with it.
        problem: String,
        /// Whether nobody could understand it, as against another Coretap or another time.
        is_broken: bool,
    },
    /// The settings file could not be understood; the defaults hold.
    #[error("{path} can't be understood, so the defaults hold; it is kept as {kept}: {problem}.")]
    SettingsKeptAside {
        /// Where it lay.
        path: String,
        /// Where it lies now.
        kept: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What was set for orchestration can't be sent.
    #[error("Of the orchestration settings, {problem}.")]
    Modules {
        /// What is wrong with it, as the end of a sentence.
        problem: String,
    },
    /// Another Coretap has the right to write the settings.
    #[error("Another Coretap{} has these settings open, so this one can't change them.", process(*pid))]
    SettingsLocked {
        /// Its process, where it is known.
        pid: Option<u32>,
    },
    /// The settings can't be written.
    #[error("{path} can't be written: {source}.")]
    SettingsUnwritable {
        /// The file or folder.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// A row of a file in the settings folder can't be used; the others hold.
    #[error("{path}: {row} is skipped: {problem}.")]
    RowSkipped {
        /// The file.
        path: String,
        /// Which row.
        row: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What was learned can't be read.
    #[error("{path} can't be read, so nothing learned before is known: {problem}.")]
    LearnedFile {
        /// Where it lies.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What was learned can't be written; it holds for this run.
    #[error("{path} can't be written, so what is learned holds for this run only: {source}.")]
    LearnedUnwritable {
        /// The file.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// Another process is changing what was learned, and does not come to an end.
    #[error("Another program has held {path} for seconds, so what is learned can't be written.")]
    LearnedLocked {
        /// The lock.
        path: String,
    },
    /// Nothing of this id was learned.
    #[error("Nothing with the id '{id}' was learned.")]
    NotLearned {
        /// The id.
        id: String,
    },
    /// The system names no folder for settings.
    #[error("The system names no folder for settings.")]
    NoFolder,
    /// No connection of the settings has this name.
    #[error("There is no connection '{asked}'; there are {names}.")]
    ConnectionUnknown {
        /// The name that was asked for.
        asked: String,
        /// The names that there are.
        names: String,
    },
    /// A connection must have a name that no other one has.
    #[error("{problem}")]
    ConnectionName {
        /// What is wrong with the name, as a sentence.
        problem: String,
    },
    /// The keychain can't be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// There is no secret for the saved connection.
    #[error("The client secret or private key of this connection is not in the keychain.")]
    SecretMissing,
    /// The stored secret belongs to another client id or another server.
    #[error("The stored client secret or private key belongs to another client id or another server.")]
    SecretBound,
    /// No running deployment at all, in foundation mode.
    #[error(
        "Resource group '{resource_group}' has no RUNNING deployment of a model that Coretap can reach directly."
    )]
    NothingRuns {
        /// The resource group.
        resource_group: String,
    },
    /// The service key can't be used.
    #[error("{variable}: {source}")]
    ServiceKey {
        /// Where it comes from.
        variable: &'static str,
        /// What is wrong with it.
        source: coretap_aicore::Error,
    },
    /// SAP AI Core can't be reached, or says no.
    #[error(transparent)]
    AiCore(#[from] coretap_aicore::Error),
    /// The local key can't stand in a header.
    #[error("CORETAP_API_KEY is empty or has characters that a header can't carry.")]
    LocalKeyRefused,
    /// There is no local key to show.
    #[error("CORETAP_API_KEY is not set.")]
    LocalKeyMissing,
    /// Port 0 is whatever the system gave `coretap serve`; nobody else knows it.
    #[error("The port is 0, so only 'coretap serve' knows which one it got.")]
    PortUnknown,
    /// The shell has no way to write the local key.
    #[error("cmd has no way to write a key with a percent sign.")]
    LocalKeyUnquotable,
    /// The system gives no random bytes for a local key.
    #[error("The system gives no random bytes: {0}.")]
    Random(getrandom::Error),
    /// The proxy can't listen.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The built-in simulator can't listen.
    #[error("The simulator can't listen: {0}.")]
    Simulator(#[source] io::Error),
}

/// Every code of this crate's own; those of `aicore` and `proxy` pass through it as they are.
pub const CODES: &[&str] = &[
    "CONFIG-NO-SERVICE-KEY",
    "CONFIG-GROUP-INCOMPLETE",
    "CONFIG-VALUE",
    "CONFIG-CONNECTION",
    "CONFIG-FILE",
    "CONFIG-AICORE-FILE",
    "CONFIG-SETTINGS-FILE",
    "CONFIG-ORCHESTRATION",
    "CONFIG-SETTINGS-LOCKED",
    "CONFIG-SETTINGS-WRITE",
    "CONFIG-RULES",
    "CONFIG-LEARNED",
    "RULES-NOT-LEARNED",
    "CONFIG-LOCAL-KEY",
    "CONFIG-NO-LOCAL-KEY",
    "SECRET-NO-KEYCHAIN",
    "SECRET-LOCKED",
    "SECRET-WAITING",
    "SECRET-REFUSED",
    "SECRET-MISSING",
    "SECRET-BOUND",
    "MODEL-HIDDEN-CONTEXT",
    "MODEL-HIDDEN-STREAMING",
    "DESKTOP-REFUSED",
    "DOCTOR-CLOCK",
    "DOCTOR-PROXY",
    "START-RANDOM",
    "START-SIMULATOR",
];

impl Error {
    /// The stable code, explained in docs/problems.md.
    pub fn code(&self) -> &'static str {
        match self {
            Error::CredentialsMissing => "CONFIG-NO-SERVICE-KEY",
            Error::GroupIncomplete { .. } => "CONFIG-GROUP-INCOMPLETE",
            Error::Value { .. } | Error::PortUnknown => "CONFIG-VALUE",
            Error::ConnectionUnknown { .. } | Error::ConnectionName { .. } => "CONFIG-CONNECTION",
            Error::FileUnreadable { .. } => "CONFIG-FILE",
            Error::ConfigFile { .. } | Error::ConfigFileEmpty { .. } => "CONFIG-AICORE-FILE",
            Error::InConfigFile { source, .. } => source.code(),
            Error::SettingsFile { .. } | Error::SettingsKeptAside { .. } => "CONFIG-SETTINGS-FILE",
            Error::Modules { .. } => "CONFIG-ORCHESTRATION",
            Error::SettingsLocked { .. } => "CONFIG-SETTINGS-LOCKED",
            Error::SettingsUnwritable { .. } | Error::NoFolder => "CONFIG-SETTINGS-WRITE",
            Error::RowSkipped { .. } => "CONFIG-RULES",
            Error::LearnedFile { .. } | Error::LearnedUnwritable { .. } | Error::LearnedLocked { .. } => {
                "CONFIG-LEARNED"
            }
            Error::NotLearned { .. } => "RULES-NOT-LEARNED",
            Error::Secret(error) => error.code(),
            Error::SecretMissing => "SECRET-MISSING",
            Error::SecretBound => "SECRET-BOUND",
            Error::NothingRuns { .. } => "ROUTE-NO-DEPLOYMENT",
            Error::ServiceKey { source, .. } | Error::AiCore(source) => source.code(),
            Error::LocalKeyRefused | Error::LocalKeyUnquotable => "CONFIG-LOCAL-KEY",
            Error::LocalKeyMissing => "CONFIG-NO-LOCAL-KEY",
            Error::Random(_) => "START-RANDOM",
            Error::Start(error) => error.code(),
            Error::Simulator(_) => "START-SIMULATOR",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &str {
        match self {
            Error::CredentialsMissing => {
                "Set AICORE_SERVICE_KEY to the service key's JSON, or try 'coretap serve --demo', which needs none."
            }
            Error::GroupIncomplete { .. } => {
                "Set what is missing too, or unset all of them and set AICORE_SERVICE_KEY."
            }
            Error::Value { .. } => "Correct the variable or unset it.",
            Error::ConnectionUnknown { .. } => "'coretap connections' lists their names.",
            Error::ConnectionName { .. } => "Choose another name.",
            Error::FileUnreadable { .. } => "Correct the path, or see who may read the file.",
            Error::ConfigFile { .. } | Error::ConfigFileEmpty { .. } => {
                "Correct the file, which SAP's SDKs read too, or move it away and set AICORE_SERVICE_KEY."
            }
            Error::InConfigFile { source, .. } => source.hint(),
            Error::SettingsFile { .. } => "Correct the file, or move it away; without it the defaults hold.",
            Error::SettingsKeptAside { .. } => {
                "Set what is missing in the window, or correct the kept file and move it back while Coretap does not run."
            }
            Error::Modules { .. } => "Complete it, or turn it off.",
            Error::SettingsLocked { .. } => "Use the other one, or end it and try again.",
            Error::SettingsUnwritable { .. } | Error::LearnedUnwritable { .. } => {
                "Check who may write there and whether the disk is full."
            }
            Error::RowSkipped { .. } => "Correct the row; 'coretap rules' shows which rows hold.",
            Error::LearnedFile { .. } => {
                "Nothing to do: what deployments refuse is learned again, and the file is kept under another name then."
            }
            Error::LearnedLocked { .. } => {
                "End the Coretap that hangs, or whatever else holds the file, and try again."
            }
            Error::NotLearned { .. } => "'coretap rules' lists the ids.",
            Error::NoFolder => "Set CORETAP_HOME to a folder.",
            Error::Secret(error) => error.hint(),
            Error::SecretMissing => "Enter the client secret, or paste the service key again.",
            Error::SecretBound => {
                "Enter the client secret that belongs to this client id and these URLs, or paste the service key again; it is sent nowhere else."
            }
            Error::NothingRuns { .. } => {
                "Start a deployment in SAP AI Launchpad, choose another resource group, or use orchestration."
            }
            Error::ServiceKey { source, .. } | Error::AiCore(source) => source.hint(),
            Error::LocalKeyRefused => "Use printable ASCII characters, and no blank at either end.",
            Error::PortUnknown => "Set CORETAP_PORT to the port that 'coretap serve' printed.",
            Error::LocalKeyMissing => {
                "Set it to the key that 'coretap serve' runs with: the same variable, or the 'local key' it printed."
            }
            Error::LocalKeyUnquotable => "Choose another key, or use PowerShell.",
            Error::Random(_) => "Set CORETAP_API_KEY.",
            Error::Start(StartError::PortTaken { .. }) => {
                "Stop the other program, or choose another port with --port or CORETAP_PORT; 0 picks a free one."
            }
            Error::Start(StartError::Bind { .. }) | Error::Simulator(_) => "Choose another port with --port.",
        }
    }

    /// Whether the person's configuration is at fault, as against the network or SAP AI Core.
    pub fn is_configuration(&self) -> bool {
        self.code().starts_with("CONFIG-")
    }

    /// Whether another program has the port.
    pub fn is_port_taken(&self) -> bool {
        match self {
            Error::Start(error) => matches!(error, StartError::PortTaken { .. }),
            Error::Simulator(error) => error.kind() == io::ErrorKind::AddrInUse,
            _ => false,
        }
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

fn are(names: &[&str]) -> &'static str {
    if names.len() == 1 { "is" } else { "are" }
}
