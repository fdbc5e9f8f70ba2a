//! What runs, and how it follows the settings and secrets.
//!
//! Whoever changes one of them calls [`Inner::follow_settings`] or [`Inner::apply`]; everything else follows from there
//! into the snapshot.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use coretap_aicore::{AiCore, ExtraRoots, ServiceKey};
use coretap_proxy::{Exchange, LocalKey, RunState};
use secrecy::ExposeSecret;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::binding;
use crate::check;
use crate::coretap::Coretap;
use crate::error::Error;
use crate::local_key;
use crate::origins::Origins;
use crate::paths::expand;
use crate::problem_view::milliseconds;
use crate::secrets::{self, Secret, SecretError, Secrets};
use crate::settings::{DEFAULT_PORT, OtherConnection, Settings, Source};
use crate::settings_file::{ConnectionSettings, SettingsFile};
use crate::snapshot;
use crate::store::Store;
use crate::usage::Usage;
use crate::view::{
    ConnectionDraft, ConnectionView, KeyView, ModelView, ProblemView, ProxyView, SecretView, Snapshot,
    SourceView, Step, StepId, StepStatus,
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

    /// Removes the secret of a connection that was saved, unless one that is saved has the same.
    pub(crate) async fn forget_unused_secret(&self, former: &ConnectionSettings) -> Result<(), Error> {
        let name_of =
            |connection: &ConnectionSettings| Some(connection.without_secret().ok()??.secret_name());
        let Some(name) = name_of(former) else {
            return Ok(());
        };
        let is_used = {
            let settings = self.saved_settings();
            settings
                .connections
                .iter()
                .filter_map(name_of)
                .any(|used| used == name)
        };
        if is_used {
            return Ok(());
        }
        match self.secrets.forget(&name).await {
            // Where there is no keychain, there is nothing in it.
            Err(SecretError::NoKeychain(_)) => Ok(()),
            forgotten => Ok(forgotten?),
        }
    }

    /// Asks the keychain anew for every secret from now on.
    pub(crate) async fn forget_what_was_read(&self) {
        self.running.lock().await.secrets.clear();
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

    /// A saved connection's service key with its secret; `None` when it names no server or the secret is missing. The
    /// snapshot says how it is with the secret.
    async fn whole_key(
        &self,
        running: &mut Running,
        saved: &ConnectionSettings,
    ) -> Result<Option<ServiceKey>, ProblemView> {
        let name = saved.name();
        let key = match saved.without_secret() {
            Ok(Some(key)) => key,
            Ok(None) => {
                self.note_secret(name, &SecretView::Missing);
                return Ok(None);
            }
            Err(error) => return Err(self.note_unreadable(name, error)),
        };
        let Some(secret) = self.secret(running, name, key.secret_name()).await? else {
            return Ok(None);
        };
        key.with_secret(&secret)
            .map(Some)
            .map_err(|error| self.note_unreadable(name, error))
    }

    async fn secret(
        &self,
        running: &mut Running,
        connection: &str,
        name: String,
    ) -> Result<Option<Secret>, ProblemView> {
        let known = running.secrets.get(&name).cloned();
        if known.is_some() && self.knows_secret_of(connection) {
            return Ok(known);
        }
        self.note_secret(connection, &SecretView::Asking);
        match self.secrets.get(&name).await {
            Ok(Some(found)) => {
                running.secrets.insert(name, found.secret.clone());
                let view = if found.stored {
                    SecretView::Stored
                } else {
                    SecretView::ThisRun
                };
                self.note_secret(connection, &view);
                Ok(Some(found.secret))
            }
            Ok(None) => {
                self.note_secret(connection, &SecretView::Missing);
                Ok(None)
            }
            Err(error) => Err(self.note_unreadable(connection, Error::Secret(error))),
        }
    }

    /// Whether the snapshot says already where the secret of a connection lies.
    fn knows_secret_of(&self, connection: &str) -> bool {
        let snapshot = self.snapshot.borrow();
        let mut saved = snapshot.connections.iter();
        saved.any(|saved| {
            saved.connection.name == connection
                && matches!(saved.secret, SecretView::Stored | SecretView::ThisRun)
        })
    }

    fn note_secret(&self, connection: &str, secret: &SecretView) {
        self.change(|snapshot| snapshot::take_secret(snapshot, connection, secret));
    }

    fn note_unreadable(&self, connection: &str, error: Error) -> ProblemView {
        let problem = ProblemView::from(error);
        let secret = SecretView::Unreadable {
            problem: problem.clone(),
        };
        self.note_secret(connection, &secret);
        problem
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

    /// The local key of the keychain, or a new one that is put there; without a keychain one for this run.
    pub(crate) async fn read_local_key(self: &Arc<Self>) -> Result<LocalKey, Error> {
        // Two readers who both find none would make two keys.
        let _one_reader = self.local_key.lock().await;
        let known = self.running.lock().await.local_key.clone();
        if self.snapshot.borrow().local_key.stored
            && let Some(known) = known
        {
            return Ok(known);
        }
        let found = self.secrets.get(binding::LOCAL_KEY).await;
        let usable = |secret: &Secret| LocalKey::new(secrets::text(secret)?.expose_secret().to_owned());
        if let Ok(Some(found)) = &found
            && let Some(key) = usable(&found.secret)
        {
            self.note_local_key_trouble(None);
            self.take_local_key(key.clone(), true).await;
            return Ok(key);
        }
        // The key that agents may have already goes before a new one.
        let key = match known {
            Some(key) => key,
            None => local_key::random()?,
        };
        let trouble = match found {
            Ok(Some(_)) => Some(Error::LocalKeyRefused),
            Ok(None) => {
                let secret = secrets::bytes(key.expose());
                let written = self.secrets.store(binding::LOCAL_KEY, &secret).await;
                written.err().map(Error::Secret)
            }
            Err(error) => Some(Error::Secret(error)),
        };
        self.note_local_key_trouble(trouble.as_ref());
        self.take_local_key(key.clone(), trouble.is_none()).await;
        Ok(key)
    }

    /// Says why the local key does not last, or that it does.
    fn note_local_key_trouble(&self, trouble: Option<&Error>) {
        self.change(|snapshot| {
            snapshot
                .notices
                .retain(|notice| !notice.code.starts_with("SECRET-") && notice.code != "CONFIG-LOCAL-KEY");
            if let Some(trouble) = trouble {
                let mut notice = ProblemView::from(trouble);
                notice.field = None;
                notice.sentence = format!("The local key holds for this run only. {}", notice.sentence);
                snapshot.notices.push(notice);
            }
        });
    }

    /// Takes a local key into use, from the next [`Inner::apply`] on.
    pub(crate) async fn take_local_key(&self, key: LocalKey, is_stored: bool) {
        let view = KeyView {
            beginning: snapshot::beginning(&key),
            stored: is_stored,
        };
        self.running.lock().await.local_key = Some(key);
        self.change(|snapshot| snapshot.local_key = view);
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
