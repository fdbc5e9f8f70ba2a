//! Coretap as a person uses it: settings and secrets that last, a proxy that follows them, and one snapshot of all
//! that is true now.
//!
//! Whoever shows Coretap (the desktop app) calls the methods of [`App`] and follows [`App::snapshots`]; nothing is
//! decided anywhere else.

use std::sync::Arc;

use coretap_proxy::{LocalKey, check_port};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::agents::{self, Agent, Form, Setup};
use crate::binding;
use crate::check;
use crate::credential::{secret_name, secret_of};
use crate::error::Error;
use crate::local_key;
use crate::offer::offer;
use crate::paths::home;
use crate::running::{Inner, lock};
use crate::secrets;
use crate::settings_file::folder;
use crate::snapshot;
use crate::store::Store;
use crate::view::{
    ConnectionDraft, Field, Keep, Offer, ProblemView, ProxyView, SecretDraft, SettingsView, Snapshot,
    SourceView, Step, StepId, StepStatus,
};

/// The whole product. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

impl App {
    /// Opens settings and secrets and, if the person has set it so, starts the proxy. The keychain is asked in the
    /// background: what it says is in a later snapshot.
    ///
    /// # Errors
    /// When the system names no folder for settings.
    pub fn open(environment: &impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let (store, trouble) = Store::open(&folder(environment).ok_or(Error::NoFolder)?);
        let (_, unusable) = store.settings().aliases();
        let notices = trouble.iter().chain(&unusable).map(ProblemView::from).collect();
        let no_proxy = environment("NO_PROXY").or_else(|| environment("no_proxy"));
        let app = App {
            inner: Inner::new(store, notices, no_proxy, home(environment)),
        };
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
        let name = draft.name_problem(&self.inner.saved_settings());
        let problems = draft.problems(self.inner.saved_for(draft).as_ref());
        name.into_iter().chain(problems).collect()
    }

    /// What there is to choose from with the credentials of a form.
    ///
    /// # Errors
    /// When SAP AI Core can't be reached or says no.
    pub async fn offer(&self, draft: &ConnectionDraft) -> Result<Offer, ProblemView> {
        let aicore = self.inner.client_of(draft).await?;
        offer(&aicore).await
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
        let aicore = match self.inner.client_of(draft).await {
            Ok(aicore) => aicore,
            Err(error) => return tell(fail(StepId::ServiceKey, error.into())),
        };
        tell(Step {
            name: Some(draft.client_id.trim().to_owned()),
            ..Step::new(StepId::ServiceKey, StepStatus::Done)
        });
        let Some(selection) = check::lists(&aicore, tell).await else {
            return;
        };
        let first = selection.models.first().map(|model| model.name.clone());
        let Some(model) = draft.model.clone().or(first) else {
            return tell(fail(StepId::Answer, check::nothing_to_ask()));
        };
        match local_key::random() {
            Ok(key) => {
                let modules = Arc::new(draft.orchestration_modules.clone());
                check::answer(&aicore, &modules, &model, key, tell).await;
            }
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

    /// Saves a form, in the place of the connection that it replaces or as a new one; the connection in use stays in use.
    /// Its secret goes where `keep` says; one that nobody needs any more is removed.
    ///
    /// # Errors
    /// The first problem of the form, the keychain's refusal, or that the settings can't be written; then nothing is
    /// saved.
    pub async fn save_connection(&self, draft: &ConnectionDraft, keep: Keep) -> Result<(), ProblemView> {
        let inner = &self.inner;
        if let Some(problem) = self.validate(draft).into_iter().next() {
            return Err(problem);
        }
        let saved = inner.saved_for(draft);
        let key = draft.service_key(&inner.secrets, saved.as_ref()).await?;
        let name = secret_name(&key);
        // Whether the settings can be written is known before the keychain is touched.
        inner.change_settings(|_| {})?;
        if !matches!(draft.client_secret, SecretDraft::Stored) {
            let secret = secret_of(&key);
            match keep {
                Keep::Keychain => inner.secrets.store(&name, &secret).await.map_err(Error::Secret)?,
                Keep::ThisRun => inner.secrets.keep_for_this_run(&name, secret),
            }
        }
        let settings = draft.to_settings(&key, saved.as_ref());
        let mut is_in_use = true;
        inner.change_settings(|file| {
            let own = settings.name().to_owned();
            file.put(draft.replaces.as_deref(), settings);
            is_in_use = file.selected().is_some_and(|selected| selected.name() == own);
            if is_in_use {
                file.simulator = false;
            }
        })?;
        if let Some(saved) = saved
            && let Err(error) = inner.forget_unused_secret(&saved).await
        {
            tracing::warn!(code = error.code(), %error, "the former secret stays in the keychain");
        }
        inner.forget_what_was_read().await;
        if is_in_use {
            inner.change(|snapshot| snapshot.models.clear());
        }
        inner.follow_settings().await
    }

    /// Removes a saved connection's secret from keychain and memory; a proxy that uses it stops.
    ///
    /// # Errors
    /// When there is no connection of this name, or the keychain can't be asked.
    pub async fn forget_secret(&self, connection: &str) -> Result<(), ProblemView> {
        let saved = self.inner.named(connection)?;
        let forgotten = match saved.without_secret() {
            Ok(Some(key)) => self.inner.secrets.forget(&key.secret_name()).await,
            _ => Ok(()),
        };
        // Whatever the keychain says, this process does not use it any more.
        self.inner.forget_what_was_read().await;
        // That there is no secret any more is what was asked for.
        let _ = self.inner.follow_settings().await;
        Ok(forgotten.map_err(Error::Secret)?)
    }

    /// Lets models come from another saved connection.
    ///
    /// # Errors
    /// When there is none of this name, its secret can't be had, or the settings can't be written.
    pub async fn select_connection(&self, name: &str) -> Result<(), ProblemView> {
        self.inner.named(name)?;
        self.inner.change_settings(|settings| {
            // It was there a moment ago; if it is not, the one in use stays in use.
            let _ = settings.select(name);
            settings.simulator = false;
        })?;
        self.inner.change(|snapshot| snapshot.models.clear());
        self.inner.follow_settings().await
    }

    /// Removes a saved connection, and its secret unless another one has the same. If it was in use, the first of the
    /// others is; without any the proxy stops.
    ///
    /// # Errors
    /// When there is none of this name, the settings can't be written, or the keychain did not give the secret up; the
    /// connection is gone in that last case.
    pub async fn remove_connection(&self, name: &str) -> Result<(), ProblemView> {
        let saved = self.inner.named(name)?;
        self.inner.change_settings(|settings| settings.remove(name))?;
        let forgotten = self.inner.forget_unused_secret(&saved).await;
        self.inner.forget_what_was_read().await;
        self.inner.change(|snapshot| snapshot.models.clear());
        // What is wrong with the next one is in the snapshot, and nothing that was asked for here.
        let _ = self.inner.follow_settings().await;
        Ok(forgotten?)
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
                if let Some(connection) = settings.selected_mut()
                    && connection.model.as_deref() != Some(name)
                {
                    connection.model = Some(name.to_owned());
                    if !connection.orchestration.unwrap_or_default() {
                        // It was one of the model before; orchestration's is for all models.
                        connection.deployment = None;
                    }
                }
            })?;
        }
        self.inner.apply().await
    }

    /// Saves what can be set beside the connection. A running proxy moves to a new port.
    ///
    /// # Errors
    /// When the settings can't be written, the new port can't be listened on, or the CA file can't be used.
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
        let ca_file = settings.ca_file.map(|path| path.trim().to_owned());
        let ca_file = ca_file.filter(|path| !path.is_empty());
        self.inner.extra_roots(ca_file.as_deref())?;
        self.inner.change_settings(|file| {
            file.port = Some(settings.port);
            file.start_proxy = settings.start_proxy;
            file.ca_file = ca_file;
        })?;
        self.inner.apply().await
    }

    /// Makes a new local key and keeps it. Agents that have the old one are refused from then on.
    ///
    /// # Errors
    /// When the system gives no random bytes, or the keychain did not take it: then the old key stays.
    pub async fn rotate_local_key(&self) -> Result<(), ProblemView> {
        let key = local_key::random()?;
        let secret = secrets::bytes(key.expose());
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
