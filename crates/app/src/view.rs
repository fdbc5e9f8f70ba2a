//! What a window shows and what it says: the types of the border between the product and its pages.
//!
//! They are written for TypeScript too (`ui/src/backend/types`, by `./dev types`). No type that goes to a page has a
//! place for a secret.

use std::fmt;

use coretap_formats::OrchestrationModules;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// All that is true now. It is sent whole whenever any of it changes.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// What the proxy does.
    pub proxy: ProxyView,
    /// Where models come from.
    pub source: SourceView,
    /// The saved connection in use; `None` until the first one is saved. While the simulator is used it stays what it is.
    pub connection: Option<ConnectionView>,
    /// Whether that connection has its secret.
    pub secret: SecretView,
    /// All saved connections, the one in use among them.
    pub connections: Vec<SavedConnection>,
    /// Where the key that agents show is kept.
    pub local_key: KeyView,
    /// The way from the service key to an agent's first request, in order.
    pub steps: Vec<Step>,
    /// The models that can be selected now, by name; empty until they are known.
    pub models: Vec<ModelView>,
    /// The model for names that mean nothing to SAP AI Core.
    pub selected_model: Option<String>,
    /// What can be set beside the connection.
    pub settings: SettingsView,
    /// What the person must know whatever page is open: a broken settings file, a keychain that does not answer.
    pub notices: Vec<ProblemView>,
    /// Today's use, as far as this run has seen it.
    pub usage: UsageView,
    /// The last request that went wrong, if any did.
    pub last_problem: Option<LastProblem>,
}

/// What the proxy does.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(tag = "state", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ProxyView {
    /// It does not listen.
    Stopped,
    /// It is about to listen.
    Starting,
    /// It listens, and what was measured last of SAP AI Core, if anything was, worked.
    Running {
        /// `http://127.0.0.1:4000`
        address: String,
    },
    /// It listens, but what was measured last of SAP AI Core did not work.
    Degraded {
        /// `http://127.0.0.1:4000`
        address: String,
        /// What does not work.
        problem: ProblemView,
        /// Since when, in milliseconds since 1970.
        #[ts(type = "number")]
        since: u64,
    },
    /// Running answers may end.
    Stopping,
    /// It could not start.
    Failed {
        /// Why.
        problem: ProblemView,
        /// When the port is taken: the next one that is free.
        free_port: Option<u16>,
        /// Since when, in milliseconds since 1970.
        #[ts(type = "number")]
        since: u64,
    },
}

/// Where models come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SourceView {
    /// Nothing is set up yet.
    None,
    /// The built-in simulator.
    Simulator,
    /// The saved connection.
    SapAiCore,
}

/// A connection to SAP AI Core without its secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionView {
    /// What the person calls it; no two have the same name.
    pub name: String,
    /// Connections of one group answer for each other.
    pub group: Option<String>,
    /// OAuth client id.
    pub client_id: String,
    /// The AI API.
    pub base_url: String,
    /// Where tokens come from.
    pub auth_url: String,
    /// The resource group.
    pub resource_group: String,
    /// True: all models through orchestration. False: each at a deployment of its own.
    pub orchestration: bool,
    /// The selected model.
    pub model: Option<String>,
    /// The chosen deployment: in foundation mode the selected model's, where `None` is all that run; in orchestration mode,
    /// where only `settings.toml` chooses it, the one for all models, where `None` is all that run.
    pub deployment: Option<String>,
    /// What orchestration does beside completing; foundation mode has none of it.
    pub orchestration_modules: OrchestrationModules,
    /// The client certificate (x509), if there is one in place of a client secret.
    pub certificate: Option<CertificateView>,
}

/// One of the saved connections.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SavedConnection {
    /// What is saved of it.
    pub connection: ConnectionView,
    /// Whether it has its secret.
    pub secret: SecretView,
    /// What part it has in answering.
    pub part: ConnectionPart,
}

/// What part a saved connection has in answering agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionPart {
    /// It is the one in use.
    Selected,
    /// It answers for the one in use, because it is in its group.
    Group,
    /// None.
    None,
}

/// A client certificate, without its private key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CertificateView {
    /// Whom it names, like `CN=…,O=SAP SE,C=DE`.
    pub subject: String,
    /// The last moment at which it is good, in milliseconds since 1970.
    #[ts(type = "number")]
    pub valid_until: u64,
}

/// Whether the saved connection has its secret.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SecretView {
    /// It must be given.
    Missing,
    /// It lies in the keychain.
    Stored,
    /// It is kept in memory until Coretap ends.
    ThisRun,
    /// The keychain is being asked; it may show a prompt of its own.
    Asking,
    /// The keychain did not give it.
    Unreadable {
        /// Why.
        problem: ProblemView,
    },
}

/// Where the key that agents show is kept, and its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct KeyView {
    /// Its first characters, to tell one key from another.
    pub beginning: String,
    /// False: it is made for this run only, because the keychain can't be used.
    pub stored: bool,
}

/// One step of the way from the service key to an agent's request, or of a connection test.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Which one.
    pub id: StepId,
    /// How far it is.
    pub status: StepStatus,
    /// How many there are: groups, running deployments, models, requests.
    #[ts(type = "number | null")]
    pub count: Option<u64>,
    /// How many there are beside them that can't be used: other deployments, hidden models.
    #[ts(type = "number | null")]
    pub hidden: Option<u64>,
    /// What it is about: the client id, the group, the model that answered, the address.
    pub name: Option<String>,
    /// How long it took.
    #[ts(type = "number | null")]
    pub milliseconds: Option<u64>,
    /// Why it failed.
    pub problem: Option<ProblemView>,
}

/// Which step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum StepId {
    /// There is a service key with its secret.
    ServiceKey,
    /// The OAuth server gives a token.
    Token,
    /// SAP AI Core knows the resource group.
    ResourceGroup,
    /// The deployments of the group.
    Deployments,
    /// The models that can be asked for.
    Models,
    /// A model answers.
    Answer,
    /// The proxy listens.
    Proxy,
    /// An agent has been answered.
    Agent,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It waits for the ones before it.
    Waiting,
    /// It is being done.
    Running,
    /// It worked.
    Done,
    /// It did not.
    Failed,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ProblemView {
    /// The stable code, explained in docs/problems.md.
    pub code: String,
    /// What happened, in a sentence.
    pub sentence: String,
    /// What to do; may be empty.
    pub hint: String,
    /// The field that is wrong, if it is one.
    pub field: Option<Field>,
}

/// A field of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum Field {
    /// Name.
    Name,
    /// The pasted service key.
    ServiceKey,
    /// Client ID.
    ClientId,
    /// Client Secret.
    ClientSecret,
    /// Base URL.
    BaseUrl,
    /// Auth URL.
    AuthUrl,
    /// Resource Group.
    ResourceGroup,
    /// Model.
    Model,
    /// Deployment.
    Deployment,
    /// What orchestration does beside completing.
    OrchestrationModules,
    /// Port.
    Port,
    /// CA file.
    CaFile,
}

/// A model that can be selected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ModelView {
    /// SAP's name.
    pub name: String,
    /// The name for people.
    pub display_name: String,
    /// Who made it.
    pub provider: Option<String>,
    /// Tokens that fit into one request and its answer.
    #[ts(type = "number | null")]
    pub context_length: Option<u64>,
    /// Whether it sees images; `None` when the catalogue does not say.
    pub images: Option<bool>,
    /// What input costs, as the catalogue writes it.
    pub input_cost: Option<String>,
    /// What output costs, as the catalogue writes it.
    pub output_cost: Option<String>,
    /// How many RUNNING deployments it has; `None` in orchestration mode.
    #[ts(type = "number | null")]
    pub running_deployments: Option<u64>,
    /// Whether it will be retired.
    pub deprecated: bool,
    /// The day when it will be, as SAP writes it (mostly `2026-12-31`), if that is decided.
    pub retirement_date: Option<String>,
}

/// A model that is there but can't be selected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct HiddenModel {
    /// SAP's name.
    pub name: String,
    /// Why: the code, and the sentence.
    pub problem: ProblemView,
}

/// A deployment of the resource group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentView {
    /// Its id.
    pub id: String,
    /// `RUNNING`, `PENDING`, `STOPPED`, `DEAD`, `UNKNOWN` …
    pub status: String,
    /// SAP's name of its model; `None` for orchestration.
    pub model: Option<String>,
    /// Whether requests can be sent to it: it is RUNNING and nothing speaks against it.
    pub selectable: bool,
    /// What speaks against it although it runs.
    pub problem: Option<String>,
}

/// What there is to choose from with the credentials of a form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// The resource groups, as far as the service key may see them.
    pub resource_groups: Vec<String>,
    /// The models of the mode.
    pub models: Vec<ModelView>,
    /// The models that are left out.
    pub hidden_models: Vec<HiddenModel>,
    /// All deployments of the resource group, whatever their status.
    pub deployments: Vec<DeploymentView>,
}

/// What can be set beside the connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SettingsView {
    /// The port on 127.0.0.1, 1 to 65535.
    pub port: u16,
    /// Whether the proxy starts with the app.
    pub start_proxy: bool,
    /// A file with certificate authorities that are trusted beside the system's, in PEM form.
    pub ca_file: Option<String>,
}

/// Use since the day began, as far as this run has seen it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct UsageView {
    /// Requests that a model answered or refused.
    #[ts(type = "number")]
    pub requests: u64,
    /// Tokens that were sent.
    #[ts(type = "number")]
    pub input_tokens: u64,
    /// Tokens that came back.
    #[ts(type = "number")]
    pub output_tokens: u64,
    /// The modules of orchestration that touched any of the requests.
    pub modules: Vec<ModuleUse>,
}

/// How often a module of orchestration was on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ModuleUse {
    /// The module, in the word of the header `x-coretap-orchestration`.
    pub module: String,
    /// The requests that it touched.
    #[ts(type = "number")]
    pub requests: u64,
}

/// The last request that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LastProblem {
    /// Its code, explained in docs/problems.md.
    pub code: String,
    /// The status that the agent was told.
    pub status: u16,
    /// The path that was asked for.
    pub path: String,
    /// The model, if one was named.
    pub model: Option<String>,
    /// The modules of orchestration that touched it, in the words of the header `x-coretap-orchestration`.
    pub modules: Vec<String>,
    /// When, in milliseconds since 1970.
    #[ts(type = "number")]
    pub at: u64,
}

/// What a pasted service key holds, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ServiceKeyFields {
    /// OAuth client id.
    pub client_id: String,
    /// The AI API.
    pub base_url: String,
    /// Where tokens come from.
    pub auth_url: String,
    /// The client certificate (x509), if the key has one in place of a client secret.
    pub certificate: Option<CertificateView>,
}

/// A connection as it stands in the form.
#[derive(Clone, Debug, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionDraft {
    /// The name of the saved connection whose place it takes; `None` for a new one.
    pub replaces: Option<String>,
    /// What the person calls it.
    pub name: String,
    /// Its group; empty means none.
    pub group: Option<String>,
    /// OAuth client id.
    pub client_id: String,
    /// Where the secret comes from.
    pub client_secret: SecretDraft,
    /// The AI API.
    pub base_url: String,
    /// Where tokens come from.
    pub auth_url: String,
    /// The resource group; empty means `default`.
    pub resource_group: String,
    /// True: orchestration mode.
    pub orchestration: bool,
    /// The selected model.
    pub model: Option<String>,
    /// Foundation mode: the chosen deployment of the selected model.
    pub deployment: Option<String>,
    /// What orchestration does beside completing.
    pub orchestration_modules: OrchestrationModules,
}

/// Where the secret of a form comes from. It goes this way only, never back.
#[derive(Clone, Deserialize, TS)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum SecretDraft {
    /// The saved one, as long as client id and both URLs' origins stay what they are.
    Stored,
    /// It was typed.
    Typed {
        /// The secret.
        #[ts(type = "string")]
        value: SecretString,
    },
    /// It stands in the service key that was pasted, with its certificate if it has one.
    ServiceKey {
        /// The whole service key.
        #[ts(type = "string")]
        text: SecretString,
    },
}

impl fmt::Debug for SecretDraft {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            SecretDraft::Stored => "stored",
            SecretDraft::Typed { .. } => "typed <redacted>",
            SecretDraft::ServiceKey { .. } => "service key <redacted>",
        })
    }
}

/// Where a secret is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// In the system's keychain.
    Keychain,
    /// In memory, until Coretap ends.
    ThisRun,
}

/// A coding agent that can be set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AgentView {
    /// Its name for machines, like `claude-code`.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// How its set-up can be written, the usual one first: `bash`, `zsh`, `fish`, `powershell`, `cmd`, `file`.
    pub forms: Vec<String>,
    /// The agent's own file, for the form `file`.
    pub file: Option<String>,
}
