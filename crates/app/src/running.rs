//! What runs, and how it follows the settings and secrets.
//!
//! Whoever changes one of them calls [`Inner::follow_settings`] or [`Inner::apply`]; everything else follows from there
//! into the snapshot.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use coretap_aicore::{AiCore, ExtraRoots};
use coretap_proxy::{Exchange, LocalKey, RunState};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::check;
use crate::connections::ConnectionSettings;
use crate::coretap::Coretap;
use crate::error::Error;
use crate::origins::Origins;
use crate::paths::expand;
use crate::problem_view::milliseconds;
use crate::secrets::{Secret, Secrets};
use crate::settings::{DEFAULT_PORT, Settings};
use crate::settings_file::SettingsFile;
use crate::snapshot;
use crate::source::{OtherConnection, Source};
use crate::store::Store;
use crate::usage::Usage;
use crate::view::{
    ConnectionDraft, ConnectionView, ModelView, ProblemView, ProxyView, SecretView, Snapshot, SourceView,
    Step, StepId, StepStatus,
};

/// Finished requests that may wait to be counted; more are passed over.
const EXCHANGES: usize = 1024;
/// Ports that are tried when the chosen one is taken.
const NEXT_PORTS: u16 = 100;

/// Everything that the clones of an [`App`](crate::App) share.
pub(crate) struct Inner {
    store: Mutex<Store>,
    pub(crate) secrets: Secrets,
    pub(crate) snapshot: watch::Sender<Snapshot>,
    exchanges: mpsc::Sender<Exchange>,
    /// One change of what runs at a time.
    pub(crate) running: tokio::sync::Mutex<Running>,
    /// Held by whoever reads or makes the local key.
    pub(crate) local_key: tokio::sync::Mutex<()>,
    check: Mutex<Option<AbortHandle>>,
    /// What `NO_PROXY` held when Coretap began: set-ups add loopback to it.
    pub(crate) no_proxy: Option<String>,
    /// The person's home folder.
    home: Option<PathBuf>,
    pub(crate) test: Mutex<CancellationToken>,
}

/// What runs, and what it was made from.
#[derive(Default)]
pub(crate) struct Running {
    pub(crate) coretap: Option<Arc<Coretap>>,
    pub(crate) local_key: Option<LocalKey>,
    /// The secrets that were read, by their names in the keychain: it is not asked at every change.
    pub(crate) secrets: HashMap<String, Secret>,
    /// The simulator's selected model; it is not worth keeping.
    pub(crate) simulator_model: Option<String>,
}

/// A lock whose holder panicked still guards whole data: every change here is one assignment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    /// Nothing runs yet. The snapshot says what the settings say.
    pub(crate) fn new(
        store: Store,
        notices: Vec<ProblemView>,
        no_proxy: Option<String>,
        home: Option<PathBuf>,
    ) -> Arc<Self> {
        let (exchanges, finished) = mpsc::channel(EXCHANGES);
        let inner = Arc::new(Inner {
            secrets: Secrets::new(),
            snapshot: watch::Sender::new(snapshot::of(store.settings(), notices)),
            store: Mutex::new(store),
            exchanges,
            running: tokio::sync::Mutex::default(),
            local_key: tokio::sync::Mutex::default(),
            check: Mutex::default(),
            no_proxy,
            home,
            test: Mutex::default(),
        });
        tokio::spawn(count(Arc::clone(&inner), finished));
        inner
    }

    /// Changes the snapshot; whoever follows it is told if it is another one then.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        self.snapshot.send_if_modified(|snapshot| {
            let before = snapshot.clone();
            change(snapshot);
            snapshot::finish(snapshot);
            *snapshot != before
        });
    }

    /// Changes the settings, writes them, and takes them into the snapshot.
    ///
    /// # Errors
    /// When they can't be written; then nothing has changed.
    pub(crate) fn change_settings(&self, change: impl FnOnce(&mut SettingsFile)) -> Result<(), Error> {
        let mut store = lock(&self.store);
        let changed = store.change(change);
        let settings = store.settings().clone();
        drop(store);
        self.change(|snapshot| {
            snapshot::take_settings(snapshot, &settings);
            if changed.is_ok() {
                snapshot
                    .notices
                    .retain(|notice| notice.code != "CONFIG-SETTINGS-LOCKED");
            }
        });
        changed
    }

    /// The settings as they are.
    pub(crate) fn saved_settings(&self) -> SettingsFile {
        lock(&self.store).settings().clone()
    }

    /// The saved connection whose place a form takes.
    pub(crate) fn saved_for(&self, draft: &ConnectionDraft) -> Option<ConnectionSettings> {
        self.saved_settings().named(draft.replaces.as_deref()?).cloned()
    }

    /// The saved connection of a name.
    ///
    /// # Errors
    /// [`Error::ConnectionUnknown`].
    pub(crate) fn named(&self, name: &str) -> Result<ConnectionSettings, Error> {
        let settings = self.saved_settings();
        settings
            .named(name)
            .cloned()
            .ok_or_else(|| Error::ConnectionUnknown {
                asked: name.to_owned(),
                names: settings.names(),
            })
    }

    /// The authorities that are trusted beside the system's: those of a file, or none.
    pub(crate) fn extra_roots(&self, ca_file: Option<&str>) -> Result<ExtraRoots, Error> {
        let Some(path) = ca_file else {
            return Ok(ExtraRoots::default());
        };
        Ok(ExtraRoots::read(&expand(self.home.as_ref(), path))?)
    }

    /// A client of its own for what a form says.
    pub(crate) async fn client_of(&self, draft: &ConnectionDraft) -> Result<AiCore, Error> {
        let ca_file = lock(&self.store).settings().ca_file.clone();
        let extra_roots = self.extra_roots(ca_file.as_deref())?;
        draft
            .client(&self.secrets, self.saved_for(draft).as_ref(), &extra_roots)
            .await
    }

    /// Makes what runs fit the settings, and does the overview's steps anew.
    pub(crate) async fn follow_settings(self: &Arc<Self>) -> Result<(), ProblemView> {
        if self.running.lock().await.local_key.is_none() || !self.snapshot.borrow().local_key.stored {
            // Why there is none that lasts is a notice in the snapshot.
            let _ = self.read_local_key().await;
        }
        let applied = self.apply().await;
        self.start_check().await;
        applied
    }

    /// Makes what runs fit the settings. Without a usable connection nothing runs, and a failure is told as that.
    pub(crate) async fn apply(self: &Arc<Self>) -> Result<(), ProblemView> {
        let mut running = self.running.lock().await;
        let source = self.source(&mut running).await;
        let others = self.others(&mut running).await;
        let Ok(Some(source)) = source else {
            if let Some(coretap) = running.coretap.take() {
                coretap.stop().await;
            }
            self.change(|snapshot| {
                snapshot.models.clear();
                snapshot::forget_checks(snapshot);
            });
            return source.map(|_| ());
        };
        let applied = match (self.settings(&running, source, others), &running.coretap) {
            (Ok(settings), Some(coretap)) => coretap.reconfigure(settings).await,
            (Ok(settings), None) => match Coretap::new(settings, Some(self.exchanges.clone())).await {
                Ok(coretap) => {
                    tokio::spawn(follow_state(Arc::clone(self), coretap.state()));
                    running.coretap = Some(Arc::new(coretap));
                    Ok(())
                }
                Err(error) => Err(error),
            },
            (Err(error), _) => Err(error),
        };
        let troubles = running.coretap.as_ref().map(|coretap| coretap.troubles());
        self.change(|snapshot| {
            if let Some(troubles) = troubles {
                let is_of_rules = |code: &str| matches!(code, "CONFIG-RULES" | "CONFIG-LEARNED");
                snapshot.notices.retain(|notice| !is_of_rules(&notice.code));
                snapshot.notices.extend(troubles);
            }
            if snapshot.source == SourceView::Simulator {
                snapshot.selected_model.clone_from(&running.simulator_model);
            }
        });
        let applied = applied.map_err(ProblemView::from);
        let listens = running
            .coretap
            .as_ref()
            .is_some_and(|coretap| coretap.is_listening());
        if let Err(problem) = &applied
            && !listens
        {
            self.failed(problem);
        }
        applied
    }

    /// Where models come from, with the secret from the keychain; `None` when nothing is set up or the secret is missing.
    async fn source(&self, running: &mut Running) -> Result<Option<Source>, ProblemView> {
        let is_simulated = self.snapshot.borrow().source == SourceView::Simulator;
        let saved = self.saved_settings().selected().cloned();
        let Some(saved) = saved else {
            self.change(|snapshot| snapshot.secret = SecretView::Missing);
            return Ok(is_simulated.then_some(Source::Demo));
        };
        let key = self.whole_key(running, &saved).await;
        if is_simulated {
            // The form shows whether the saved connection has its secret; the simulator needs none.
            return Ok(Some(Source::Demo));
        }
        Ok(key?.map(Source::AiCore))
    }

    /// The connections that answer for the one in use. Of all that are saved the snapshot says whether they have their
    /// secret; what is wrong with one of them is its own trouble.
    async fn others(&self, running: &mut Running) -> Vec<OtherConnection> {
        let settings = self.saved_settings();
        let selected = settings.selected().map(ConnectionSettings::name);
        let mut others = Vec::new();
        for saved in &settings.connections {
            if selected == Some(saved.name()) {
                continue;
            }
            let key = self.whole_key(running, saved).await;
            let is_of_group = settings
                .others_of_group()
                .any(|other| other.name() == saved.name());
            if let Ok(Some(key)) = key
                && is_of_group
            {
                others.push(OtherConnection::new(saved, key));
            }
        }
        others
    }

    fn settings(
        &self,
        running: &Running,
        source: Source,
        others: Vec<OtherConnection>,
    ) -> Result<Settings, Error> {
        let (file, folder) = {
            let store = lock(&self.store);
            (store.settings().clone(), store.folder().to_owned())
        };
        let connection = if matches!(source, Source::Demo) {
            // The simulator's models and groups are not the connection's, and orchestration reaches all of them.
            ConnectionSettings {
                orchestration: Some(true),
                model: running.simulator_model.clone(),
                ..ConnectionSettings::default()
            }
        } else {
            file.selected().cloned().unwrap_or_default()
        };
        let is_simulated = matches!(source, Source::Demo);
        let connection = ConnectionView::from(&connection);
        let aliases = file.aliases().0;
        // The simulator is reached without TLS.
        let ca_file = file.ca_file.filter(|_| !is_simulated);
        Ok(Settings {
            extra_roots: self.extra_roots(ca_file.as_deref())?,
            port: file.port.unwrap_or(DEFAULT_PORT),
            local_key: running.local_key.clone(),
            connection: connection.name,
            source,
            others: if is_simulated { Vec::new() } else { others },
            resource_group: connection.resource_group,
            orchestration: connection.orchestration,
            selected_model: connection.model,
            selected_deployment: connection.deployment,
            orchestration_modules: connection.orchestration_modules,
            aliases,
            // The window asks for neither of these.
            origins: Origins::default(),
            left_out: Vec::new(),
            folder: Some(folder),
        })
    }

    /// Why there is nothing to start.
    pub(crate) fn what_is_missing(&self) -> ProblemView {
        let snapshot = self.snapshot.borrow();
        match &snapshot.secret {
            _ if snapshot.connection.is_none() => ProblemView::from(Error::CredentialsMissing),
            SecretView::Unreadable { problem } => problem.clone(),
            _ => ProblemView::from(Error::SecretMissing),
        }
    }

    /// Shows that the proxy could not start, with the next free port if the chosen one is taken.
    pub(crate) fn failed(&self, problem: &ProblemView) {
        let free_port = (problem.code == "START-PORT-TAKEN")
            .then(|| next_free_port(self.snapshot.borrow().settings.port))
            .flatten();
        self.change(|snapshot| {
            // Who starts and who follows the proxy's state both say it; it is one failure.
            let since = match &snapshot.proxy {
                ProxyView::Failed {
                    problem: known,
                    since,
                    ..
                } if known.code == problem.code => *since,
                _ => milliseconds(SystemTime::now()),
            };
            snapshot.proxy = ProxyView::Failed {
                problem: problem.clone(),
                free_port,
                since,
            };
        });
    }

    /// Whether a degraded proxy's overview shows steps that failed, which a connection that works again may mend.
    fn waits_for_connection(&self) -> bool {
        let snapshot = self.snapshot.borrow();
        let checked = [StepId::Token, StepId::ResourceGroup, StepId::Models];
        let has_failed = |step: &Step| checked.contains(&step.id) && step.status == StepStatus::Failed;
        matches!(snapshot.proxy, ProxyView::Degraded { .. }) && snapshot.steps.iter().any(has_failed)
    }

    /// Does the overview's steps in the background; steps that are still being done are given up.
    async fn start_check(self: &Arc<Self>) {
        if let Some(former) = lock(&self.check).take() {
            former.abort();
        }
        let coretap = self.running.lock().await.coretap.clone();
        let Some(coretap) = coretap else {
            return;
        };
        self.change(snapshot::forget_checks);
        let inner = Arc::clone(self);
        let aicore = coretap.aicore();
        let task = tokio::spawn(async move {
            let mut tell = |step| inner.change(|snapshot| snapshot::take_step(snapshot, step));
            let found = check::lists(&aicore, &mut tell).await;
            inner.change(|snapshot| {
                let models = found.map(|selection| selection.models).unwrap_or_default();
                snapshot.models = models.into_iter().map(ModelView::from).collect();
            });
        });
        if let Some(other) = lock(&self.check).replace(task.abort_handle()) {
            other.abort();
        }
    }
}

/// Takes the proxy's state into the snapshot, for as long as there is that proxy.
async fn follow_state(inner: Arc<Inner>, mut states: watch::Receiver<RunState>) {
    loop {
        let state = ProxyView::from(&*states.borrow_and_update());
        match state {
            ProxyView::Failed { problem, .. } => inner.failed(&problem),
            state => {
                let is_back = matches!(state, ProxyView::Running { .. }) && inner.waits_for_connection();
                inner.change(|snapshot| snapshot.proxy = state);
                if is_back {
                    inner.start_check().await;
                }
            }
        }
        if states.changed().await.is_err() {
            // It was stopped before it was dropped, and another one may run already.
            return;
        }
    }
}

/// Counts finished requests.
async fn count(inner: Arc<Inner>, mut finished: mpsc::Receiver<Exchange>) {
    let mut usage = Usage::default();
    let mut many = Vec::new();
    while finished.recv_many(&mut many, EXCHANGES).await > 0 {
        // A snapshot has the whole list of models: it is not copied and compared for every request.
        inner.snapshot.send_if_modified(|snapshot| {
            let mut is_changed = false;
            for exchange in many.drain(..) {
                is_changed |= usage.add(&exchange, snapshot);
            }
            if is_changed {
                snapshot::finish(snapshot);
            }
            is_changed
        });
    }
}

fn next_free_port(taken: u16) -> Option<u16> {
    (taken.saturating_add(1)..=taken.saturating_add(NEXT_PORTS))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
}
