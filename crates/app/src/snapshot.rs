//! How the snapshot follows from the settings and from what has happened.

use coretap_proxy::LocalKey;

use crate::connections::ConnectionSettings;
use crate::settings::DEFAULT_PORT;
use crate::settings_file::SettingsFile;
use crate::view::{
    ConnectionPart, ConnectionView, KeyView, ProblemView, ProxyView, SavedConnection, SecretView,
    SettingsView, Snapshot, SourceView, Step, StepId, StepStatus, UsageView,
};

/// The overview's steps, in order. Each waits for the ones before it.
const STEPS: [StepId; 6] = [
    StepId::ServiceKey,
    StepId::Token,
    StepId::ResourceGroup,
    StepId::Models,
    StepId::Proxy,
    StepId::Agent,
];
/// Characters of the local key that are shown.
const SHOWN: usize = 15;

/// The snapshot before anything has happened.
pub(crate) fn of(settings: &SettingsFile, notices: Vec<ProblemView>) -> Snapshot {
    let mut snapshot = Snapshot {
        proxy: ProxyView::Stopped,
        source: SourceView::None,
        connection: None,
        secret: SecretView::Missing,
        connections: Vec::new(),
        local_key: KeyView {
            beginning: String::new(),
            stored: false,
        },
        steps: STEPS.map(|id| Step::new(id, StepStatus::Waiting)).to_vec(),
        models: Vec::new(),
        selected_model: None,
        settings: SettingsView {
            port: DEFAULT_PORT,
            start_proxy: false,
            ca_file: None,
        },
        notices,
        usage: UsageView::default(),
        last_problem: None,
    };
    take_settings(&mut snapshot, settings);
    finish(&mut snapshot);
    snapshot
}

/// What of the snapshot the settings say.
pub(crate) fn take_settings(snapshot: &mut Snapshot, settings: &SettingsFile) {
    let connection = settings
        .selected()
        .filter(|connection| connection.client_id.is_some())
        .map(ConnectionView::from);
    snapshot.source = match connection {
        _ if settings.simulator => SourceView::Simulator,
        Some(_) => SourceView::SapAiCore,
        None => SourceView::None,
    };
    // The simulator's is not kept in the settings.
    if snapshot.source != SourceView::Simulator {
        snapshot.selected_model = connection
            .as_ref()
            .and_then(|connection| connection.model.clone());
    }
    snapshot.connection = connection;
    snapshot.connections = saved_connections(settings, &snapshot.connections);
    snapshot.settings = SettingsView {
        port: settings.port.filter(|port| *port != 0).unwrap_or(DEFAULT_PORT),
        start_proxy: settings.start_proxy,
        ca_file: settings.ca_file.clone(),
    };
}

/// All connections of the settings; what is known of their secrets stays as it was.
fn saved_connections(settings: &SettingsFile, before: &[SavedConnection]) -> Vec<SavedConnection> {
    let selected = settings.selected().map(ConnectionSettings::name);
    let group: Vec<_> = settings.others_of_group().map(ConnectionSettings::name).collect();
    let saved = settings
        .connections
        .iter()
        .filter(|saved| saved.client_id.is_some());
    saved
        .map(|saved| {
            let name = saved.name();
            let known = before.iter().find(|known| known.connection.name == name);
            SavedConnection {
                connection: ConnectionView::from(saved),
                secret: known.map_or(SecretView::Missing, |known| known.secret.clone()),
                part: if selected == Some(name) {
                    ConnectionPart::Selected
                } else if group.contains(&name) {
                    ConnectionPart::Group
                } else {
                    ConnectionPart::None
                },
            }
        })
        .collect()
}

/// Takes what is known of the secret of a connection.
pub(crate) fn take_secret(snapshot: &mut Snapshot, name: &str, secret: &SecretView) {
    if snapshot
        .connection
        .as_ref()
        .is_some_and(|connection| connection.name == name)
    {
        snapshot.secret.clone_from(secret);
    }
    let saved = snapshot.connections.iter_mut();
    for saved in saved.filter(|saved| saved.connection.name == name) {
        saved.secret.clone_from(secret);
    }
}

/// Takes a step that a check has told; those that the overview does not show are passed over.
pub(crate) fn take_step(snapshot: &mut Snapshot, step: Step) {
    if let Some(own) = snapshot.steps.iter_mut().find(|own| own.id == step.id) {
        *own = step;
    }
}

/// The steps that a check does wait for the next one.
pub(crate) fn forget_checks(snapshot: &mut Snapshot) {
    for id in [StepId::Token, StepId::ResourceGroup, StepId::Models] {
        take_step(snapshot, Step::new(id, StepStatus::Waiting));
    }
}

/// The steps that follow from the rest of the snapshot.
pub(crate) fn finish(snapshot: &mut Snapshot) {
    for step in [service_key(snapshot), proxy(snapshot), agent(snapshot)] {
        take_step(snapshot, step);
    }
}

fn failed(id: StepId, problem: &ProblemView) -> Step {
    Step {
        problem: Some(problem.clone()),
        ..Step::new(id, StepStatus::Failed)
    }
}

fn service_key(snapshot: &Snapshot) -> Step {
    let id = StepId::ServiceKey;
    let done = |name: Option<String>| Step {
        name,
        ..Step::new(id, StepStatus::Done)
    };
    match (snapshot.source, &snapshot.secret, &snapshot.connection) {
        (SourceView::None, ..) => Step::new(id, StepStatus::Waiting),
        (SourceView::Simulator, ..) => done(None),
        (_, SecretView::Stored | SecretView::ThisRun, connection) => {
            done(connection.as_ref().map(|connection| connection.client_id.clone()))
        }
        (_, SecretView::Asking, _) => Step::new(id, StepStatus::Running),
        (_, SecretView::Unreadable { problem }, _) => failed(id, problem),
        (_, SecretView::Missing, _) => failed(id, &ProblemView::from(crate::Error::SecretMissing)),
    }
}

fn proxy(snapshot: &Snapshot) -> Step {
    let id = StepId::Proxy;
    match &snapshot.proxy {
        ProxyView::Stopped => Step::new(id, StepStatus::Waiting),
        ProxyView::Starting | ProxyView::Stopping => Step::new(id, StepStatus::Running),
        ProxyView::Running { address } => Step {
            name: Some(address.clone()),
            ..Step::new(id, StepStatus::Done)
        },
        ProxyView::Degraded { address, problem, .. } => Step {
            name: Some(address.clone()),
            ..failed(id, problem)
        },
        ProxyView::Failed { problem, .. } => failed(id, problem),
    }
}

fn agent(snapshot: &Snapshot) -> Step {
    let requests = snapshot.usage.requests;
    let status = if requests > 0 {
        StepStatus::Done
    } else {
        StepStatus::Waiting
    };
    Step {
        count: (requests > 0).then_some(requests),
        ..Step::new(StepId::Agent, status)
    }
}

/// The port that agents reach: the one that the proxy listens on, else the chosen one.
pub(crate) fn port(snapshot: &Snapshot) -> u16 {
    let (ProxyView::Running { address } | ProxyView::Degraded { address, .. }) = &snapshot.proxy else {
        return snapshot.settings.port;
    };
    let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
    port.unwrap_or(snapshot.settings.port)
}

/// The beginning of a key, to tell it from another.
pub(crate) fn beginning(key: &LocalKey) -> String {
    key.expose().chars().take(SHOWN).collect()
}
