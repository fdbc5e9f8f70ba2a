//! Coretap as a person uses it: settings and secrets that last, a proxy that follows them, and one snapshot of all
//! that is true now.
//!
//! Whoever shows Coretap (the desktop app) calls the methods of [`App`] and follows [`App::snapshots`]; nothing is
//! decided anywhere else.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use coretap_aicore::ServiceKey;
use coretap_proxy::{Exchange, LocalKey, RunState, check_port};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::agents::{self, Agent, Form, Setup};
use crate::binding;
use crate::check;
use crate::coretap::Coretap;
use crate::draft;
use crate::error::Error;
use crate::local_key;
use crate::secrets::{Found, Secrets};
use crate::settings::{DEFAULT_PORT, Settings, Source};
use crate::settings_file::{ConnectionSettings, folder};
use crate::snapshot;
use crate::store::Store;
use crate::usage::Usage;
use crate::view::{
    ConnectionDraft, ConnectionView, Field, Keep, KeyView, ModelView, Offer, ProblemView, ProxyView,
    SecretDraft, SecretView, SettingsView, Snapshot, SourceView, Step, StepId, StepStatus,
};

/// Finished requests that may wait to be counted; more are passed over.
const EXCHANGES: usize = 1024;
/// Ports that are tried when the chosen one is taken.
const NEXT_PORTS: u16 = 100;

/// The whole product. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    store: Mutex<Store>,
    secrets: Secrets,
    snapshot: watch::Sender<Snapshot>,
    exchanges: mpsc::Sender<Exchange>,
    /// One change of what runs at a time.
    running: tokio::sync::Mutex<Running>,
    /// Held by whoever reads or makes the local key.
    local_key: tokio::sync::Mutex<()>,
    check: Mutex<Option<AbortHandle>>,
    /// What `NO_PROXY` held when Coretap began: set-ups add loopback to it.
    no_proxy: Option<String>,
    test: Mutex<CancellationToken>,
}

/// What runs, and what it was made from.
#[derive(Default)]
struct Running {
    coretap: Option<Arc<Coretap>>,
    local_key: Option<LocalKey>,
    /// The secret that was read last, by its name in the keychain: it is not asked for at every change.
    secret: Option<(String, SecretString)>,
    /// The simulator's selected model; it is not worth keeping.
    simulator_model: Option<String>,
}

impl App {
    /// Opens settings and secrets and, if the person has set it so, starts the proxy. The keychain is asked in the
    /// background: what it says is in a later snapshot.
    ///
    /// # Errors
    /// When the system names no folder for settings.
    pub fn open(environment: &impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let (store, trouble) = Store::open(&folder(environment).ok_or(Error::NoFolder)?);
        let notices = trouble.iter().map(ProblemView::from).collect();
        let snapshot = snapshot::of(store.settings(), notices);
        let (exchanges, finished) = mpsc::channel(EXCHANGES);
        let app = App {
            inner: Arc::new(Inner {
                store: Mutex::new(store),
                secrets: Secrets::new(),
                snapshot: watch::Sender::new(snapshot),
                exchanges,
                running: tokio::sync::Mutex::default(),
                local_key: tokio::sync::Mutex::default(),
                check: Mutex::default(),
                no_proxy: environment("NO_PROXY").or_else(|| environment("no_proxy")),
                test: Mutex::default(),
            }),
        };
        tokio::spawn(count(Arc::clone(&app.inner), finished));
        tokio::spawn(app.clone().begin());
        Ok(app)
    }

    /// Reads secrets, starts what is to be started, and does both again when the keychain answers late. Why something
    /// failed is in the snapshot.
    async fn begin(self) {
        let _ = self.inner.follow_settings().await;
        let mut is_first = true;
        loop {
            let (starts, waits) = {
                let snapshot = self.inner.snapshot.borrow();
                let is_set_up = snapshot.source != SourceView::None;
                let waits = match &snapshot.proxy {
                    // Later on it was the person who stopped it.
                    ProxyView::Stopped => is_first,
                    ProxyView::Failed { problem, .. } => problem.code.starts_with("SECRET-"),
                    _ => false,
                };
                (snapshot.settings.start_proxy && is_set_up, waits)
            };
            if starts && waits {
                let _ = self.start().await;
            }
            is_first = false;
            self.inner.secrets.answered_late().await;
            let _ = self.inner.follow_settings().await;
        }
    }

    /// All that is true now, and whenever it changes.
    pub fn snapshots(&self) -> watch::Receiver<Snapshot> {
        self.inner.snapshot.subscribe()
    }

    /// What is wrong with a form, each problem with its field; empty when it can be saved.
    pub fn validate(&self, draft: &ConnectionDraft) -> Vec<ProblemView> {
        draft.problems(self.inner.saved().as_ref())
    }

    /// What there is to choose from with the credentials of a form.
    ///
    /// # Errors
    /// When SAP AI Core can't be reached or says no.
    pub async fn offer(&self, draft: &ConnectionDraft) -> Result<Offer, ProblemView> {
        let aicore = draft.client(&self.inner.secrets).await?;
        draft::offer(&aicore).await
    }

    /// Tries a form, step by step, and tells each step as it goes. It ends at the first that fails, at the end, or when
    /// [`App::cancel_test`] is called; a test that runs already is cancelled.
    pub async fn test(&self, draft: &ConnectionDraft, mut tell: impl FnMut(Step) + Send) {
        let cancelled = self.new_test();
        tokio::select! {
            () = self.do_test(draft, &mut tell) => {}
            () = cancelled.cancelled() => {}
        }
    }

    async fn do_test(&self, draft: &ConnectionDraft, tell: &mut (impl FnMut(Step) + Send)) {
        let fail = |id, problem| Step {
            problem: Some(problem),
            ..Step::new(id, StepStatus::Failed)
        };
        if let Some(problem) = self.validate(draft).into_iter().next() {
            return tell(fail(StepId::ServiceKey, problem));
        }
        let aicore = match draft.client(&self.inner.secrets).await {
            Ok(aicore) => aicore,
            Err(error) => return tell(fail(StepId::ServiceKey, error.into())),
        };
        tell(Step {
            name: Some(draft.client_id.trim().to_owned()),
            ..Step::new(StepId::ServiceKey, StepStatus::Done)
        });
        let Some(selection) = check::lists(&aicore, draft.resource_group(), draft.orchestration, tell).await
        else {
            return;
        };
        let first = selection.models.first().map(|model| model.name.clone());
        let Some(model) = draft.model.clone().or(first) else {
            return tell(fail(StepId::Answer, check::nothing_to_ask()));
        };
        match local_key::random() {
            Ok(key) => check::answer(&aicore, &model, key, tell).await,
            Err(error) => tell(fail(StepId::Answer, error.into())),
        }
    }

    /// Ends a running test.
    pub fn cancel_test(&self) {
        self.new_test();
    }

    fn new_test(&self) -> CancellationToken {
        let mut test = lock(&self.inner.test);
        test.cancel();
        *test = CancellationToken::new();
        test.clone()
    }

    /// Saves a form. Its secret goes where `keep` says; one that belonged to the connection before, under another name,
    /// is removed. Models come from the saved connection from then on.
    ///
    /// # Errors
    /// The first problem of the form, the keychain's refusal, or that the settings can't be written; then nothing is
    /// saved.
    pub async fn save_connection(&self, draft: &ConnectionDraft, keep: Keep) -> Result<(), ProblemView> {
        let inner = &self.inner;
        if let Some(problem) = self.validate(draft).into_iter().next() {
            return Err(problem);
        }
        let key = draft.service_key(&inner.secrets).await?;
        let name = binding::client_secret(&key);
        // Whether the settings can be written is known before the keychain is touched.
        inner.change_settings(|_| {})?;
        if !matches!(draft.client_secret, SecretDraft::Stored) {
            match keep {
                Keep::Keychain => inner
                    .secrets
                    .store(&name, &key.client_secret)
                    .await
                    .map_err(Error::Secret)?,
                Keep::ThisRun => inner.secrets.keep_for_this_run(&name, key.client_secret),
            }
        }
        let before = inner.saved_name();
        inner.change_settings(|settings| {
            settings.connections = vec![draft.to_settings()];
            settings.simulator = false;
        })?;
        if let Some(before) = before.filter(|before| *before != name)
            && let Err(error) = inner.secrets.forget(&before).await
        {
            tracing::warn!(code = error.code(), %error, "the former client secret stays in the keychain");
        }
        inner.running.lock().await.secret = None;
        inner.change(|snapshot| snapshot.models.clear());
        inner.follow_settings().await
    }

    /// Removes the saved connection's secret from keychain and memory; a proxy that uses it stops.
    ///
    /// # Errors
    /// When the keychain can't be asked.
    pub async fn forget_secret(&self) -> Result<(), ProblemView> {
        let forgotten = match self.inner.saved_name() {
            Some(name) => self.inner.secrets.forget(&name).await,
            None => Ok(()),
        };
        // Whatever the keychain says, this process does not use it any more.
        self.inner.running.lock().await.secret = None;
        // That there is no secret any more is what was asked for.
        let _ = self.inner.follow_settings().await;
        Ok(forgotten.map_err(Error::Secret)?)
    }

    /// Asks the keychain again for all that it did not give.
    pub async fn retry_keychain(&self) {
        // What it says is in the snapshot.
        let _ = self.inner.follow_settings().await;
    }

    /// Lets the built-in simulator answer, or the saved connection again.
    ///
    /// # Errors
    /// When the settings can't be written.
    pub async fn use_simulator(&self, on: bool) -> Result<(), ProblemView> {
        self.inner.change_settings(|settings| settings.simulator = on)?;
        self.inner.change(|snapshot| snapshot.models.clear());
        self.inner.follow_settings().await
    }

    /// Lets the simulator answer and starts the proxy, if nothing is set up.
    ///
    /// # Errors
    /// Those of [`App::use_simulator`] and [`App::start`].
    pub async fn try_simulator(&self) -> Result<(), ProblemView> {
        if self.inner.snapshot.borrow().source != SourceView::None {
            return Ok(());
        }
        self.use_simulator(true).await?;
        self.start().await
    }

    /// Starts the proxy. Does nothing when it runs.
    ///
    /// # Errors
    /// When nothing is set up, the secret can't be had, or the port can't be listened on; the snapshot says the same.
    pub async fn start(&self) -> Result<(), ProblemView> {
        let mut coretap = self.inner.running.lock().await.coretap.clone();
        let mut followed = Ok(());
        if coretap.is_none() {
            // What was missing may be there now: the keychain, or its password.
            followed = self.inner.follow_settings().await;
            coretap.clone_from(&self.inner.running.lock().await.coretap);
        }
        let started = match coretap {
            Some(coretap) => coretap.start().await.map(|_| ()).map_err(ProblemView::from),
            None => followed.and_then(|()| Err(self.inner.what_is_missing())),
        };
        if let Err(problem) = &started {
            self.inner.failed(problem);
        }
        started
    }

    /// Stops the proxy; running streams get a moment to end. Does nothing when it doesn't run.
    pub async fn stop(&self) {
        let coretap = self.inner.running.lock().await.coretap.clone();
        if let Some(coretap) = coretap {
            coretap.stop().await;
        }
        // A start that failed is over too.
        self.inner.change(|snapshot| {
            if matches!(snapshot.proxy, ProxyView::Failed { .. }) {
                snapshot.proxy = ProxyView::Stopped;
            }
        });
    }

    /// Chooses the port that the snapshot offers in place of the one that is taken, and starts there.
    ///
    /// # Errors
    /// When the settings can't be written, and those of [`App::start`].
    pub async fn use_free_port(&self) -> Result<(), ProblemView> {
        let offered = match self.inner.snapshot.borrow().proxy {
            ProxyView::Failed { free_port, .. } => free_port,
            _ => None,
        };
        if let Some(port) = offered {
            self.inner
                .change_settings(|settings| settings.port = Some(port))?;
            self.inner.follow_settings().await?;
        }
        self.start().await
    }

    /// Does the steps of the overview anew.
    pub async fn check_again(&self) {
        if let Some(coretap) = self.inner.running.lock().await.coretap.clone() {
            coretap.aicore().forget_deployments();
        }
        // What it finds is in the snapshot.
        let _ = self.inner.follow_settings().await;
    }

    /// Selects the model for names that mean nothing to SAP AI Core.
    ///
    /// # Errors
    /// When the settings can't be written.
    pub async fn select_model(&self, name: &str) -> Result<(), ProblemView> {
        if self.inner.snapshot.borrow().source == SourceView::Simulator {
            self.inner.running.lock().await.simulator_model = Some(name.to_owned());
        } else {
            self.inner.change_settings(|settings| {
                if let Some(connection) = settings.connections.first_mut()
                    && connection.model.as_deref() != Some(name)
                {
                    connection.model = Some(name.to_owned());
                    // It was one of the model before.
                    connection.deployment = None;
                }
            })?;
        }
        self.inner.apply().await
    }

    /// Saves what can be set beside the connection. A running proxy moves to a new port.
    ///
    /// # Errors
    /// When the settings can't be written, or the new port can't be listened on.
    pub async fn save_settings(&self, settings: SettingsView) -> Result<(), ProblemView> {
        if settings.port == 0 {
            let problem = ProblemView::new(
                "CONFIG-VALUE",
                "Port 0 is none that agents could be told.",
                "Choose a port from 1 to 65535.",
            );
            return Err(problem.at(Field::Port));
        }
        let coretap = self.inner.running.lock().await.coretap.clone();
        let runs_elsewhere = coretap.is_some_and(|coretap| coretap.is_listening())
            && self.inner.snapshot.borrow().settings.port != settings.port;
        if runs_elsewhere {
            let free = check_port(settings.port).await.map_err(Error::Start);
            free.map_err(|error| ProblemView::from(error).at(Field::Port))?;
        }
        self.inner.change_settings(|file| {
            file.port = Some(settings.port);
            file.start_proxy = settings.start_proxy;
        })?;
        self.inner.apply().await
    }

    /// Makes a new local key and keeps it. Agents that have the old one are refused from then on.
    ///
    /// # Errors
    /// When the system gives no random bytes, or the keychain did not take it: then the old key stays.
    pub async fn rotate_local_key(&self) -> Result<(), ProblemView> {
        let key = local_key::random()?;
        let secret = SecretString::from(key.expose());
        let _one_reader = self.inner.local_key.lock().await;
        self.inner
            .secrets
            .store(binding::LOCAL_KEY, &secret)
            .await
            .map_err(Error::Secret)?;
        self.inner.take_local_key(key, true).await;
        self.inner.apply().await
    }

    /// The set-up of an agent, in the form of a shell or of the agent's own file. With `shown` the local key's end is
    /// hidden.
    ///
    /// # Errors
    /// When the form can't hold the key.
    pub async fn snippet(&self, agent: Agent, form: Form, shown: bool) -> Result<String, ProblemView> {
        let key = self.local_key().await?;
        let key = if shown { hidden(&key) } else { key };
        let (port, model) = {
            let snapshot = self.inner.snapshot.borrow();
            (snapshot::port(&snapshot), snapshot.selected_model.clone())
        };
        let setup = Setup {
            port,
            key: &key,
            model: model.as_deref(),
            no_proxy: self.inner.no_proxy.as_deref(),
        };
        Ok(agents::snippet(Some(agent), form, &setup)?)
    }

    /// Where agents reach the proxy, or will when it runs.
    pub fn address(&self) -> String {
        format!(
            "http://127.0.0.1:{}",
            snapshot::port(&self.inner.snapshot.borrow())
        )
    }

    /// The key that agents must show, for the person's clipboard.
    ///
    /// # Errors
    /// When the system gives no random bytes for one.
    pub async fn local_key(&self) -> Result<LocalKey, ProblemView> {
        let known = self.inner.running.lock().await.local_key.clone();
        match known {
            Some(key) => Ok(key),
            None => Ok(self.inner.read_local_key().await?),
        }
    }
}

/// The key as it may stand on a screen: enough of it to tell it from another.
fn hidden(key: &LocalKey) -> LocalKey {
    let shown = format!("{}********", snapshot::beginning(key));
    LocalKey::new(shown).unwrap_or_else(|| key.clone())
}

/// A lock whose holder panicked still guards whole data: every change here is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        self.snapshot.send_if_modified(|snapshot| {
            let before = snapshot.clone();
            change(snapshot);
            snapshot::finish(snapshot);
            *snapshot != before
        });
    }

    fn change_settings(
        &self,
        change: impl FnOnce(&mut crate::settings_file::SettingsFile),
    ) -> Result<(), Error> {
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

    fn saved(&self) -> Option<ConnectionSettings> {
        lock(&self.store).settings().connections.first().cloned()
    }

    /// The name of the saved connection's secret.
    fn saved_name(&self) -> Option<String> {
        let key = self.saved()?.without_secret().ok()??;
        Some(binding::client_secret(&key))
    }

    /// Makes what runs fit the settings, and does the overview's steps anew.
    async fn follow_settings(self: &Arc<Self>) -> Result<(), ProblemView> {
        if self.running.lock().await.local_key.is_none() || !self.snapshot.borrow().local_key.stored {
            // Why there is none that lasts is a notice in the snapshot.
            let _ = self.read_local_key().await;
        }
        let applied = self.apply().await;
        self.start_check().await;
        applied
    }

    /// Makes what runs fit the settings. Without a usable connection nothing runs, and a failure is told as that.
    async fn apply(self: &Arc<Self>) -> Result<(), ProblemView> {
        let mut running = self.running.lock().await;
        let source = self.source(&mut running).await;
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
        let settings = self.settings(&running, source);
        let applied = match &running.coretap {
            Some(coretap) => coretap.reconfigure(settings).await,
            None => match Coretap::new(settings, Some(self.exchanges.clone())).await {
                Ok(coretap) => {
                    tokio::spawn(follow_state(Arc::clone(self), coretap.state()));
                    running.coretap = Some(Arc::new(coretap));
                    Ok(())
                }
                Err(error) => Err(error),
            },
        };
        self.change(|snapshot| {
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
        let saved = self.saved();
        let key = saved.map_or(Ok(None), |saved| saved.without_secret());
        let key = key.map_err(|error| {
            let problem = ProblemView::from(error);
            self.change(|snapshot| {
                snapshot.secret = SecretView::Unreadable {
                    problem: problem.clone(),
                };
            });
            problem
        })?;
        let is_simulated = self.snapshot.borrow().source == SourceView::Simulator;
        let Some(key) = key else {
            self.change(|snapshot| snapshot.secret = SecretView::Missing);
            return Ok(is_simulated.then_some(Source::Demo));
        };
        if is_simulated {
            // The form shows whether the saved connection has its secret; the simulator needs none.
            let _ = self.client_secret(running, &key).await;
            return Ok(Some(Source::Demo));
        }
        let found = self.client_secret(running, &key).await?;
        Ok(found.map(|client_secret| Source::AiCore(ServiceKey { client_secret, ..key })))
    }

    async fn client_secret(
        &self,
        running: &mut Running,
        key: &ServiceKey,
    ) -> Result<Option<SecretString>, ProblemView> {
        let name = binding::client_secret(key);
        if let Some((known, secret)) = &running.secret
            && *known == name
        {
            return Ok(Some(secret.clone()));
        }
        self.change(|snapshot| snapshot.secret = SecretView::Asking);
        let found = self.secrets.get(&name).await;
        let (view, outcome) = match found {
            Ok(Some(found)) => {
                running.secret = Some((name, found.secret.clone()));
                let view = if found.stored {
                    SecretView::Stored
                } else {
                    SecretView::ThisRun
                };
                (view, Ok(Some(found.secret)))
            }
            Ok(None) => (SecretView::Missing, Ok(None)),
            Err(error) => {
                let problem = ProblemView::from(Error::Secret(error));
                let view = SecretView::Unreadable {
                    problem: problem.clone(),
                };
                (view, Err(problem))
            }
        };
        self.change(|snapshot| snapshot.secret = view);
        outcome
    }

    fn settings(&self, running: &Running, source: Source) -> Settings {
        let file = lock(&self.store).settings().clone();
        let is_simulated = matches!(source, Source::Demo);
        let view = ConnectionView::from(&file.connection());
        Settings {
            port: file.port.unwrap_or(DEFAULT_PORT),
            local_key: running.local_key.clone(),
            source,
            resource_group: if is_simulated {
                "default".to_owned()
            } else {
                view.resource_group
            },
            orchestration: is_simulated || view.orchestration,
            selected_model: if is_simulated {
                running.simulator_model.clone()
            } else {
                view.model
            },
            selected_deployment: view.deployment.filter(|_| !is_simulated),
        }
    }

    /// The local key of the keychain, or a new one that is put there; without a keychain one for this run.
    async fn read_local_key(self: &Arc<Self>) -> Result<LocalKey, Error> {
        // Two readers who both find none would make two keys.
        let _one_reader = self.local_key.lock().await;
        let known = self.running.lock().await.local_key.clone();
        if self.snapshot.borrow().local_key.stored
            && let Some(known) = known
        {
            return Ok(known);
        }
        let found = self.secrets.get(binding::LOCAL_KEY).await;
        let usable = |found: &Found| LocalKey::new(found.secret.expose_secret().to_owned());
        if let Ok(Some(key)) = found.as_ref().map(|found| found.as_ref().and_then(usable)) {
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
                let secret = SecretString::from(key.expose());
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

    async fn take_local_key(&self, key: LocalKey, is_stored: bool) {
        let view = KeyView {
            beginning: snapshot::beginning(&key),
            stored: is_stored,
        };
        self.running.lock().await.local_key = Some(key);
        self.change(|snapshot| snapshot.local_key = view);
    }

    /// Why there is nothing to start.
    fn what_is_missing(&self) -> ProblemView {
        let snapshot = self.snapshot.borrow();
        match &snapshot.secret {
            _ if snapshot.connection.is_none() => ProblemView::from(Error::CredentialsMissing),
            SecretView::Unreadable { problem } => problem.clone(),
            _ => ProblemView::from(Error::SecretMissing),
        }
    }

    fn failed(&self, problem: &ProblemView) {
        let free_port = (problem.code == "START-PORT-TAKEN")
            .then(|| next_free_port(self.snapshot.borrow().settings.port))
            .flatten();
        self.change(|snapshot| {
            snapshot.proxy = ProxyView::Failed {
                problem: problem.clone(),
                free_port,
            };
        });
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
        let (group, orchestration) = if self.snapshot.borrow().source == SourceView::Simulator {
            ("default".to_owned(), true)
        } else {
            let view = ConnectionView::from(&self.saved().unwrap_or_default());
            (view.resource_group, view.orchestration)
        };
        self.change(snapshot::forget_checks);
        let inner = Arc::clone(self);
        let aicore = coretap.aicore();
        let task = tokio::spawn(async move {
            let mut tell = |step| inner.change(|snapshot| snapshot::take_step(snapshot, step));
            let found = check::lists(&aicore, &group, orchestration, &mut tell).await;
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
            state => inner.change(|snapshot| snapshot.proxy = state),
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
        inner.change(|snapshot| {
            for exchange in many.drain(..) {
                usage.add(&exchange, snapshot);
            }
        });
    }
}

fn next_free_port(taken: u16) -> Option<u16> {
    (taken.saturating_add(1)..=taken.saturating_add(NEXT_PORTS))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
}
