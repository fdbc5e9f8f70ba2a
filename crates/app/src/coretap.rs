//! The product: the connections to SAP AI Core, and the proxy in front of them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use coretap_aicore::{AiCore, Alias, Connection, Deployment, ExtraRoots, Selection, ServiceKey, Timeouts};
use coretap_formats::OrchestrationModules;
use coretap_formats::rules::Rules;
use coretap_proxy::{
    Configuration, Connected, Exchange, Knowledge, Limits, LocalKey, Proxy, RunState, check_port,
};
use tokio::sync::{mpsc, watch};

use crate::check;
use crate::demo::Demo;
use crate::error::Error;
use crate::learned;
use crate::learned_file::LearnedFile;
use crate::local_key;
use crate::rules;
use crate::settings::Settings;
use crate::source::{OtherConnection, Source};
use crate::view::{ProblemView, Step};

/// Coretap with its settings. Nothing runs before [`Coretap::start`], but the demo's simulator.
pub struct Coretap {
    proxy: Proxy,
    configuration: watch::Sender<Arc<Configuration>>,
    /// What the current client was made from, and the simulator if it is used.
    current: Mutex<Current>,
    /// The rules that hold, and what deployments have refused.
    knowledge: Arc<Knowledge>,
    /// What of the folder's rules can't be used.
    rule_troubles: Mutex<Vec<Error>>,
    /// What of the folder's lessons could not be used when they were read.
    lesson_troubles: Vec<Error>,
}

/// What the current clients were made from.
struct Current {
    clients: Vec<Client>,
    demo: Option<Demo>,
}

/// A client and what it was made from: it serves on as long as these stay what they are.
#[derive(Clone)]
struct Client {
    service_key: ServiceKey,
    resource_group: String,
    extra_roots: ExtraRoots,
    aicore: AiCore,
}

impl Coretap {
    /// Puts everything together. Nothing is sent to SAP AI Core yet. Finished requests are told to `exchanges`.
    ///
    /// # Errors
    /// When the connection can't be made from the settings, or the demo's simulator can't listen.
    pub async fn new(settings: Settings, exchanges: Option<mpsc::Sender<Exchange>>) -> Result<Self, Error> {
        let (service_key, demo) = match &settings.source {
            Source::AiCore(service_key) => (service_key.clone(), None),
            Source::Demo => {
                let demo = Demo::start().await?;
                (demo.service_key.clone(), Some(demo))
            }
        };
        let (connected, clients) = connect(&service_key, &settings, &[])?;
        let local_key = match settings.local_key {
            Some(key) => key,
            None => local_key::random()?,
        };
        let (sender, configuration) = watch::channel(configuration(settings.port, local_key, connected));
        let (rules, rule_troubles) = own_rules(settings.folder.as_deref());
        let (knowledge, lesson_troubles) = know(rules, settings.folder.as_deref());
        report(&rule_troubles);
        report(&lesson_troubles);
        Ok(Coretap {
            proxy: Proxy::new(configuration, Arc::clone(&knowledge), exchanges),
            configuration: sender,
            current: Mutex::new(Current { clients, demo }),
            knowledge,
            rule_troubles: Mutex::new(rule_troubles),
            lesson_troubles,
        })
    }

    /// Takes other settings for every request that begins from now on. Token, lists and sockets of a connection stay while
    /// its service key and resource group do. A running proxy moves to another port only if the port is another one.
    ///
    /// # Errors
    /// Those of [`Coretap::new`] and [`Coretap::start`]; after one of the first nothing has changed.
    pub async fn reconfigure(&self, settings: Settings) -> Result<(), Error> {
        let before = Arc::clone(&self.configuration.borrow());
        let moves = self.is_listening() && before.port != settings.port;
        if moves {
            // The port that agents know is given up only for one that can be had.
            check_port(settings.port).await?;
        }
        let running_demo = self.current().demo.as_ref().map(|demo| demo.service_key.clone());
        let (service_key, demo) = match (&settings.source, running_demo) {
            (Source::AiCore(service_key), _) => (service_key.clone(), None),
            (Source::Demo, Some(service_key)) => (service_key, None),
            (Source::Demo, None) => {
                let demo = Demo::start().await?;
                (demo.service_key.clone(), Some(demo))
            }
        };
        let connected = {
            let mut current = self.current();
            let (connected, clients) = connect(&service_key, &settings, &current.clients)?;
            current.clients = clients;
            // A simulator that is not asked any more ends here.
            if demo.is_some() || matches!(settings.source, Source::AiCore(_)) {
                current.demo = demo;
            }
            connected
        };
        let (rules, troubles) = own_rules(settings.folder.as_deref());
        report(&troubles);
        self.knowledge.set_rules(rules);
        *self.rule_troubles.lock().unwrap_or_else(PoisonError::into_inner) = troubles;
        let local_key = settings.local_key.unwrap_or_else(|| before.local_key.clone());
        self.configuration
            .send_replace(configuration(settings.port, local_key, connected));
        self.proxy.measure_anew();
        if moves {
            self.stop().await;
            self.start().await?;
        }
        Ok(())
    }

    /// What of the folder's rules and lessons can't be used, for a window.
    pub(crate) fn troubles(&self) -> Vec<ProblemView> {
        let of_rules = self.rule_troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let troubles = of_rules.iter().chain(&self.lesson_troubles);
        troubles.map(ProblemView::from).collect()
    }

    /// Lets a model say something, as an agent would: with the rules that hold and what deployments have taught.
    pub(crate) async fn answer(&self, model: &str, tell: &mut (impl FnMut(Step) + Send)) {
        let configuration = Arc::clone(&self.configuration.borrow());
        let knowledge = Arc::clone(&self.knowledge);
        let Connected { aicore, modules, .. } = &configuration.selected;
        check::answer_with(aicore, modules, model, self.local_key(), knowledge, tell).await;
    }

    /// Whether the proxy takes requests.
    pub(crate) fn is_listening(&self) -> bool {
        matches!(
            *self.proxy.state().borrow(),
            RunState::Running { .. } | RunState::Degraded { .. }
        )
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key that agents must show.
    pub fn local_key(&self) -> LocalKey {
        self.configuration.borrow().local_key.clone()
    }

    /// Starts the proxy and gives its address. Does nothing when it already runs.
    ///
    /// # Errors
    /// When the port is taken or can't be listened on.
    pub async fn start(&self) -> Result<SocketAddr, Error> {
        Ok(self.proxy.start().await?)
    }

    /// Stops the proxy; running streams get a moment to end. Does nothing when it doesn't run.
    pub async fn stop(&self) {
        self.proxy.stop().await;
    }

    /// The run state, now and whenever it changes.
    pub fn state(&self) -> watch::Receiver<RunState> {
        self.proxy.state()
    }

    /// Token, resource group, deployments, models, each told as it goes; it ends at the first that fails. Gives the models
    /// if all worked.
    pub async fn check(&self, mut tell: impl FnMut(Step) + Send) -> Option<Selection> {
        check::lists(&self.aicore(), &mut tell).await
    }

    /// The models that agents can ask for, those for embeddings, and those that are left out.
    ///
    /// # Errors
    /// When SAP AI Core can't be reached or says no.
    pub async fn selection(&self) -> Result<Selection, Error> {
        Ok(self.aicore().selection().await?)
    }

    /// The person's own names for models, the one that goes first first.
    pub fn aliases(&self) -> Vec<Alias> {
        self.aicore().aliases().iter().cloned().collect()
    }

    /// All deployments of the resource group, whatever their status.
    ///
    /// # Errors
    /// When SAP AI Core can't be reached or says no.
    pub async fn deployments(&self) -> Result<Vec<Deployment>, Error> {
        Ok(self.aicore().deployments().await?.rows.clone())
    }

    /// SAP AI Core as the proxy sees it now.
    pub(crate) fn aicore(&self) -> AiCore {
        self.configuration.borrow().selected.aicore.clone()
    }
}

/// The built-in rules with those of the folder, and what of these can't be used.
fn own_rules(folder: Option<&Path>) -> (Rules, Vec<Error>) {
    match folder.map(rules::read) {
        Some(own) => (own.rules, own.troubles),
        None => (Rules::embedded(), Vec::new()),
    }
}

/// What is known at the start, and what of it can't be used; without a folder what is learned is not kept.
fn know(rules: Rules, folder: Option<&Path>) -> (Arc<Knowledge>, Vec<Error>) {
    let Some(folder) = folder else {
        return (Arc::new(Knowledge::new(rules, Vec::new(), None)), Vec::new());
    };
    let file = LearnedFile::new(folder);
    // Whatever changes while it is read is followed.
    let seen = file.stamp();
    let (lessons, troubles) = match file.read(SystemTime::now()) {
        Ok(contents) => (contents.lessons, contents.troubles),
        Err(error) => (Vec::new(), vec![error]),
    };
    let (sender, learned) = mpsc::unbounded_channel();
    let knowledge = Arc::new(Knowledge::new(rules, lessons, Some(sender)));
    tokio::spawn(learned::follow(file, seen, Arc::downgrade(&knowledge), learned));
    (knowledge, troubles)
}

fn report(troubles: &[Error]) {
    for trouble in troubles {
        tracing::warn!(code = trouble.code(), "{trouble}");
    }
}

fn configuration(port: u16, local_key: LocalKey, connected: Connections) -> Arc<Configuration> {
    let Connections { selected, others } = connected;
    Arc::new(Configuration {
        port,
        local_key,
        allowed_hosts: Vec::new(),
        selected,
        others,
        limits: Limits::default(),
    })
}

/// The connection in use and the others of its group.
struct Connections {
    selected: Connected,
    others: Vec<Connected>,
}

/// Connects to all that the settings name, with the clients that there are already where they fit. Another connection of
/// the group that can't be used is left out.
fn connect(
    service_key: &ServiceKey,
    settings: &Settings,
    existing: &[Client],
) -> Result<(Connections, Vec<Client>), Error> {
    let wanted = |service_key: &ServiceKey, resource_group: &str, orchestration, deployment: Option<&str>| {
        Connection {
            service_key: service_key.clone(),
            resource_group: resource_group.to_owned(),
            orchestration,
            // A name means the same at all connections of a group.
            selected_model: settings.selected_model.clone(),
            selected_deployment: deployment.map(str::to_owned),
            aliases: settings.aliases.clone(),
        }
    };
    let roots = &settings.extra_roots;
    let own = wanted(
        service_key,
        &settings.resource_group,
        settings.orchestration,
        settings.selected_deployment.as_deref(),
    );
    let own = client(own, roots, existing)?;
    let selected = connected(&settings.connection, &own, &settings.orchestration_modules);
    let mut clients = vec![own];
    let mut others = Vec::new();
    for other in &settings.others {
        let OtherConnection {
            name,
            service_key,
            resource_group,
            orchestration,
            selected_deployment,
            orchestration_modules,
        } = other;
        let wanted = wanted(
            service_key,
            resource_group,
            *orchestration,
            selected_deployment.as_deref(),
        );
        match client(wanted, roots, existing) {
            Ok(client) => {
                others.push(connected(name, &client, orchestration_modules));
                clients.push(client);
            }
            Err(error) => {
                tracing::warn!(code = error.code(), connection = name, "{error} It is left out.");
            }
        }
    }
    Ok((Connections { selected, others }, clients))
}

fn connected(name: &str, client: &Client, modules: &OrchestrationModules) -> Connected {
    Connected {
        name: Arc::from(name),
        modules: Arc::new(modules.clone()),
        aicore: client.aicore.clone(),
    }
}

/// A client for a connection: the existing one with the same service key, resource group and trust, else a new one.
fn client(wanted: Connection, extra_roots: &ExtraRoots, existing: &[Client]) -> Result<Client, Error> {
    let fits = |client: &&Client| {
        have_same_credentials(&client.service_key, &wanted.service_key)
            && client.resource_group == wanted.resource_group
            && client.extra_roots == *extra_roots
    };
    if let Some(client) = existing.iter().find(fits) {
        let aicore = client.aicore.with_choice(
            wanted.orchestration,
            wanted.selected_model,
            wanted.selected_deployment,
            wanted.aliases,
        );
        return Ok(Client {
            aicore,
            ..client.clone()
        });
    }
    Ok(Client {
        service_key: wanted.service_key.clone(),
        resource_group: wanted.resource_group.clone(),
        extra_roots: extra_roots.clone(),
        aicore: AiCore::trusting(wanted, Timeouts::default(), extra_roots)?,
    })
}

fn have_same_credentials(one: &ServiceKey, other: &ServiceKey) -> bool {
    one.client_id == other.client_id
        && one.credential.is_same_as(&other.credential)
        && one.auth_url == other.auth_url
        && one.base_url == other.base_url
}

#[cfg(test)]
mod tests {
    use coretap_aicore::Aliases;

    use super::*;

    #[tokio::test]
    async fn settings_that_can_not_be_used_change_nothing() {
        let home = tempfile::tempdir().unwrap();
        let settings = |resource_group: &str| Settings {
            extra_roots: ExtraRoots::default(),
            port: 0,
            local_key: None,
            connection: "demo".to_owned(),
            source: Source::Demo,
            others: Vec::new(),
            resource_group: resource_group.to_owned(),
            orchestration: true,
            selected_model: None,
            selected_deployment: None,
            orchestration_modules: OrchestrationModules::default(),
            aliases: Aliases::default(),
            origins: crate::origins::Origins::default(),
            left_out: Vec::new(),
            folder: Some(home.path().to_owned()),
        };
        let coretap = Coretap::new(settings("default"), None).await.unwrap();
        assert_eq!(coretap.troubles(), []);
        std::fs::write(home.path().join("rules.toml"), "= [").unwrap();
        let error = coretap.reconfigure(settings("a\nb")).await.unwrap_err();
        assert_eq!(error.code(), "CONFIG-RESOURCE-GROUP");
        assert_eq!(coretap.troubles(), []);
        coretap.reconfigure(settings("default")).await.unwrap();
        assert_eq!(coretap.troubles()[0].code, "CONFIG-RULES");
    }
}
