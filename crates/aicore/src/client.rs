//! The connection to SAP AI Core: lists, routes and requests.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Method;

use crate::aliases::Aliases;
use crate::cached::{Cached, Fetched};
use crate::catalogue::{self, Catalogue};
use crate::deployments::{self, Deployments};
use crate::error::Error;
use crate::extra_roots::ExtraRoots;
use crate::gateway::{Gateway, Response};
use crate::known_routes::KnownRoutes;
use crate::machine::{Change, Machine, ThisMachine, Watched};
use crate::restriction::Restrictions;
use crate::route::{AnswerCall, Endpoint, Route, Routes};
use crate::routing::{Choice, Purpose, Routing};
use crate::selectable::{self, SelectableModel, Selection};
use crate::service_key::ServiceKey;
use crate::transport::Timeouts;

const DEPLOYMENTS_FRESH_FOR: Duration = Duration::from_secs(5 * 60);
const CATALOGUE_FRESH_FOR: Duration = Duration::from_secs(15 * 60);
/// Before a person is told that something is not deployed, the list is read again unless it is this young.
const YOUNG_LIST: Duration = Duration::from_secs(10);
/// A request waits this long for the catalogue; then names are taken at their word.
const CATALOGUE_PATIENCE: Duration = Duration::from_secs(3);

/// Which SAP AI Core, as whom, and in which of its two ways.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Credentials and addresses.
    pub service_key: ServiceKey,
    /// The resource group; `default` is the usual one.
    pub resource_group: String,
    /// True: all models through the orchestration deployment. False: each at a deployment of its own.
    pub orchestration: bool,
    /// The model for names that mean nothing here, in any spelling; `None`: such a name is an error.
    pub selected_model: Option<String>,
    /// The deployment to use while it runs. Foundation mode: its model is reached there alone; other models, and this one
    /// while it does not run, are reached at all of theirs that run. Orchestration mode: all models are reached through
    /// it alone; while it does not run, through all that run.
    pub selected_deployment: Option<String>,
    /// Names of the person's own for models; they go before all others.
    pub aliases: Aliases,
}

/// A body for a route, in the format of the route's family.
#[derive(Debug, Clone)]
pub struct InferenceRequest {
    /// Whether the answer is to be a stream.
    pub stream: bool,
    /// Which of the deployment's paths takes it.
    pub endpoint: Endpoint,
    /// The JSON body.
    pub body: Bytes,
}

/// SAP AI Core as one connection sees it. Cheap to clone; clones share token, lists and sockets.
#[derive(Clone)]
pub struct AiCore {
    inner: Arc<Inner>,
}

struct Inner {
    gateway: Arc<Gateway>,
    choice: Choice,
    deployments: Arc<Cached<Deployments>>,
    restrictions: Arc<Restrictions>,
    catalogue: Arc<Cached<Catalogue>>,
    routes: KnownRoutes,
    /// Whether the log has been told that the chosen deployment is not used.
    told_about_choice: AtomicBool,
}

impl AiCore {
    /// A connection; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::ResourceGroupRefused`], [`Error::UrlRefused`], [`Error::HttpClient`].
    pub fn new(connection: Connection, timeouts: Timeouts) -> Result<Self, Error> {
        Self::trusting(connection, timeouts, &ExtraRoots::default())
    }

    /// The same, for a network in which further authorities vouch for the servers on the way.
    ///
    /// # Errors
    /// Those of [`AiCore::new`].
    pub fn trusting(
        connection: Connection,
        timeouts: Timeouts,
        extra_roots: &ExtraRoots,
    ) -> Result<Self, Error> {
        Self::on(Arc::new(ThisMachine), connection, timeouts, extra_roots)
    }

    /// The same on another machine than this one, as tests need it.
    ///
    /// # Errors
    /// Those of [`AiCore::new`].
    pub fn on(
        machine: Arc<dyn Machine>,
        connection: Connection,
        timeouts: Timeouts,
        extra_roots: &ExtraRoots,
    ) -> Result<Self, Error> {
        Ok(Self {
            inner: Arc::new(Inner {
                gateway: Arc::new(Gateway::new(
                    &connection.service_key,
                    &connection.resource_group,
                    timeouts,
                    machine,
                    extra_roots,
                )?),
                choice: Choice {
                    orchestration: connection.orchestration,
                    model: connection.selected_model.filter(|model| !model.trim().is_empty()),
                    deployment: connection.selected_deployment,
                    aliases: connection.aliases,
                },
                deployments: Cached::new(deployments::WHAT),
                restrictions: Arc::default(),
                catalogue: Cached::new(catalogue::WHAT),
                routes: KnownRoutes::default(),
                told_about_choice: AtomicBool::new(false),
            }),
        })
    }

    /// The resource group that it asks in.
    pub fn resource_group(&self) -> &str {
        &self.inner.gateway.resource_group
    }

    /// Whether all models are reached through the orchestration deployment.
    pub fn is_orchestration(&self) -> bool {
        self.inner.choice.orchestration
    }

    /// The same service key and resource group with another mode or selection. Token, lists and sockets are shared, so
    /// nothing is fetched again.
    #[must_use]
    pub fn with_choice(
        &self,
        orchestration: bool,
        selected_model: Option<String>,
        selected_deployment: Option<String>,
        aliases: Aliases,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                gateway: Arc::clone(&self.inner.gateway),
                choice: Choice {
                    orchestration,
                    model: selected_model.filter(|model| !model.trim().is_empty()),
                    deployment: selected_deployment,
                    aliases,
                },
                deployments: Arc::clone(&self.inner.deployments),
                restrictions: Arc::clone(&self.inner.restrictions),
                catalogue: Arc::clone(&self.inner.catalogue),
                routes: KnownRoutes::default(),
                told_about_choice: AtomicBool::new(false),
            }),
        }
    }

    /// The model for names that mean nothing to SAP AI Core, as it was chosen.
    pub fn selected_model(&self) -> Option<&str> {
        self.inner.choice.model.as_deref()
    }

    /// How many connections for requests are open to the Base URL, used or kept for the next request.
    pub fn open_connections(&self) -> usize {
        self.inner.gateway.open_connections()
    }

    /// Finds out where the model is reached that an agent asks for by `asked`, to have its next message: the first of
    /// [`AiCore::routes_for`].
    ///
    /// # Errors
    /// Those of [`AiCore::routes_for`].
    pub async fn route(&self, asked: &str) -> Result<Arc<Route>, Error> {
        self.route_for(Purpose::Chat, asked).await
    }

    /// The same for any purpose. The selected model answers for unknown names in conversations only.
    ///
    /// # Errors
    /// Those of [`AiCore::routes_for`].
    pub async fn route_for(&self, purpose: Purpose, asked: &str) -> Result<Arc<Route>, Error> {
        Ok(Arc::clone(&self.routes_for(purpose, asked).await?.first))
    }

    /// All the deployments at which a model is reached that an agent asks for by `asked`: the chosen one
    /// alone while it runs, else in foundation mode the newest first, in orchestration mode the default one first, then
    /// the newest. Each of them leads to the same model.
    ///
    /// # Errors
    /// [`Error::ModelUnknown`], [`Error::ModelRestricted`], [`Error::ModelPurpose`], [`Error::NoDeployment`],
    /// [`Error::NoOrchestrationDeployment`], [`Error::FamilyUnsupported`], and whatever kept the list of deployments
    /// from being read.
    pub async fn routes_for(&self, purpose: Purpose, asked: &str) -> Result<Arc<Routes>, Error> {
        let inner = &self.inner;
        let deployments = self.deployments().await?;
        let catalogue = inner.catalogue.peek(|| inner.fetch_catalogue());
        if let Some(routes) = inner
            .routes
            .find(asked, purpose, &deployments, catalogue.as_ref())
        {
            return Ok(routes);
        }
        let catalogue = match catalogue {
            // Only the catalogue says for sure which models make embeddings.
            None if purpose == Purpose::Embeddings || inner.needs_catalogue(&deployments) => {
                inner.catalogue_in_time().await
            }
            found => found,
        };
        match inner.find_routes(asked, purpose, &deployments, catalogue.as_deref()) {
            Ok(routes) => Ok(inner
                .routes
                .remember(asked, purpose, routes, deployments, catalogue)),
            Err(error @ (Error::NoDeployment { .. } | Error::NoOrchestrationDeployment { .. })) => {
                // It may have been deployed a moment ago.
                let newer = inner
                    .deployments
                    .get_younger_than(YOUNG_LIST, || inner.fetch_deployments())
                    .await?;
                if Arc::ptr_eq(&newer, &deployments) {
                    return Err(error);
                }
                let routes = inner.find_routes(asked, purpose, &newer, catalogue.as_deref())?;
                Ok(inner.routes.remember(asked, purpose, routes, newer, catalogue))
            }
            Err(error) => Err(error),
        }
    }

    /// Why a model can't be asked for by this name, in a conversation; `None` if it can be, or if nobody knows because the
    /// lists were not read yet. No list is waited for but one that does not name the model and may be too old to.
    pub async fn why_not_offered(&self, asked: &str) -> Option<Error> {
        let inner = &self.inner;
        let deployments = inner.deployments.current()?;
        if inner.needs_catalogue(&deployments) {
            inner.catalogue.current()?;
        }
        let error = self.routes_for(Purpose::Chat, asked).await.err()?;
        matches!(
            error,
            Error::ModelUnknown { .. }
                | Error::ModelRestricted { .. }
                | Error::NoDeployment { .. }
                | Error::NoOrchestrationDeployment { .. }
        )
        .then_some(error)
    }

    /// The routes of a name by a list of deployments that is not older than `age`: after a 404 said that the deployment of
    /// a request begun so long ago is gone. Whoever learns it at the same time shares one call.
    ///
    /// # Errors
    /// Those of [`AiCore::routes_for`].
    pub async fn routes_anew(
        &self,
        purpose: Purpose,
        asked: &str,
        age: Duration,
    ) -> Result<Arc<Routes>, Error> {
        let inner = &self.inner;
        inner
            .deployments
            .get_younger_than(age, || inner.fetch_deployments())
            .await?;
        self.routes_for(purpose, asked).await
    }

    /// Sends one request. A refused token is replaced and the request sent once more: at most once in 30 s, but three
    /// times, with pauses, if it is the token that SAP AI Core finds fault with. Any other answer is given as it is,
    /// whatever its status. The answer's body is not read, and there is no time limit.
    ///
    /// # Errors
    /// [`Error::Permission`] if SAP AI Core's gateway, in plain text, refuses a new token as well; a refusal in JSON
    /// comes from behind the gateway and is given as it is. [`Error::WebPage`] if a page for people came instead of an
    /// answer. [`Error::Unreachable`] if no answer began (see
    /// [`Error::is_connect`]), and whatever kept a token from being fetched.
    pub async fn send(&self, route: &Route, request: InferenceRequest) -> Result<Response, Error> {
        let uri = route.uri(request.endpoint, request.stream);
        let gateway = &self.inner.gateway;
        gateway
            .send(&Method::POST, uri, request.stream, request.body)
            .await
    }

    /// Sends a call about an answer that the route's deployment keeps, with the agent's own `query`; `None` where the route
    /// keeps none, or where no answer can have such an id.
    ///
    /// # Errors
    /// Those of [`AiCore::send`].
    pub async fn send_about_answer(
        &self,
        route: &Route,
        call: AnswerCall,
        id: &str,
        query: Option<&str>,
    ) -> Result<Option<Response>, Error> {
        let Some(uri) = route.answer_uri(call, id, query) else {
            return Ok(None);
        };
        let gateway = &self.inner.gateway;
        let response = gateway.send(&call.method(), &uri, false, Bytes::new()).await?;
        Ok(Some(response))
    }

    /// The catalogue of models; at most 15 minutes old, older only while a newer one is being fetched or can't be.
    ///
    /// # Errors
    /// Whatever kept the first one from being read.
    pub async fn models(&self) -> Result<Arc<Catalogue>, Error> {
        self.inner.catalogue.get(|| self.inner.fetch_catalogue()).await
    }

    /// The deployments of the resource group; at most 5 minutes old, older only while a newer list is being fetched or
    /// can't be.
    ///
    /// # Errors
    /// Whatever kept the first list from being read.
    pub async fn deployments(&self) -> Result<Arc<Deployments>, Error> {
        self.inner
            .deployments
            .get(|| self.inner.fetch_deployments())
            .await
    }

    /// Fetches a token unless there is one that holds: whether the credentials are taken.
    ///
    /// # Errors
    /// Whatever kept a token from being fetched.
    pub async fn token(&self) -> Result<(), Error> {
        self.inner.gateway.token().await
    }

    /// Fetches the deployments, whatever is kept of them: whether a token and lists can be had now. It asks no model
    /// and costs nothing.
    ///
    /// # Errors
    /// Whatever kept the token or the list from being fetched.
    pub async fn probe(&self) -> Result<(), Error> {
        let fetched = self
            .inner
            .deployments
            .get_younger_than(Duration::ZERO, || self.inner.fetch_deployments());
        fetched.await.map(|_| ())
    }

    /// What the clock of the Base URL's server shows: the `Date` of its answer to a request without a token, whatever
    /// it answers. `None` if it does not say.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub async fn server_time(&self) -> Result<Option<SystemTime>, Error> {
        self.inner.gateway.server_time().await
    }

    /// The tenant's resource groups; `None` if this service key may not list them, which says nothing of their use.
    ///
    /// # Errors
    /// When SAP AI Core can't be reached, and whatever kept a token from being fetched.
    pub async fn resource_groups(&self) -> Result<Option<Vec<String>>, Error> {
        self.inner.gateway.resource_groups().await
    }

    /// The models that can be asked for with this connection, by name.
    ///
    /// # Errors
    /// Orchestration mode: no orchestration deployment, or no catalogue. Foundation mode: no list of deployments.
    pub async fn selectable_models(&self) -> Result<Vec<SelectableModel>, Error> {
        Ok(self.selection().await?.models)
    }

    /// The same with the models that are left out of it, and why.
    ///
    /// # Errors
    /// Those of [`AiCore::selectable_models`].
    pub async fn selection(&self) -> Result<Selection, Error> {
        let deployments = self.deployments().await?;
        let choice = &self.inner.choice;
        if choice.orchestration {
            let running = deployments.orchestration(choice.deployment.as_deref());
            if running.is_empty() {
                return Err(Error::NoOrchestrationDeployment {
                    resource_group: self.resource_group().to_owned(),
                });
            }
            return Ok(selectable::through_orchestration(
                &*self.models().await?,
                &running,
            ));
        }
        let catalogue = self.inner.catalogue_in_time().await;
        Ok(selectable::deployed(&deployments, catalogue.as_deref()))
    }

    /// Why the chosen deployment is not used, as a sentence; `None` if it is, if none was chosen, or while no list of
    /// deployments is known.
    pub fn why_choice_is_unused(&self) -> Option<String> {
        let choice = &self.inner.choice;
        let chosen = choice.deployment.as_deref()?;
        let deployments = self.inner.deployments.current()?;
        deployments.why_not(chosen, choice.orchestration)
    }

    /// The machine under this connection, to be looked at each time after `every`.
    pub fn machine(&self, every: Duration) -> Watched {
        Watched::new(self.inner.gateway.machine(), every)
    }

    /// Makes the connections anew if the machine changed, or if the system names other proxies; says whether it did.
    /// Requests under way end on the connections they have. After a sleep the token is another one, too: its time is
    /// measured by a clock that may have stood still.
    pub fn follow(&self, change: Option<Change>) -> bool {
        let gateway = &self.inner.gateway;
        if change.is_none() && !gateway.has_other_proxies() {
            return false;
        }
        let reason = change.map_or("the system's proxies are other ones", Change::words);
        tracing::info!("{reason}: connections to SAP AI Core are made anew");
        gateway.renew_connections();
        if change == Some(Change::Woke) {
            gateway.forget_token();
        }
        true
    }

    /// The aliases, the one that goes first first.
    pub fn aliases(&self) -> &Aliases {
        &self.inner.choice.aliases
    }

    /// Forgets the deployments: the next request reads the list anew.
    pub fn forget_deployments(&self) {
        self.inner.deployments.forget();
    }
}

impl fmt::Debug for AiCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AiCore")
            .field("base_url", &self.inner.gateway.base_url.as_str())
            .field("resource_group", &self.inner.gateway.resource_group)
            .field("orchestration", &self.inner.choice.orchestration)
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn find_routes(
        &self,
        asked: &str,
        purpose: Purpose,
        deployments: &Deployments,
        catalogue: Option<&Catalogue>,
    ) -> Result<Routes, Error> {
        let routing = Routing {
            base_url: &self.gateway.base_url,
            resource_group: &self.gateway.resource_group,
            choice: &self.choice,
            deployments,
            catalogue,
        };
        routing.find(asked, purpose)
    }

    /// Names in orchestration mode, and the family of a deployment that does not say its executable.
    fn needs_catalogue(&self, deployments: &Deployments) -> bool {
        self.choice.orchestration || deployments.foundation().any(|row| row.executable_id.is_none())
    }

    /// The catalogue, if it comes soon enough: whoever names a model by SAP's name does not need it.
    async fn catalogue_in_time(self: &Arc<Self>) -> Option<Arc<Catalogue>> {
        match tokio::time::timeout(CATALOGUE_PATIENCE, self.catalogue.get(|| self.fetch_catalogue())).await {
            Ok(Ok(catalogue)) => Some(catalogue),
            Ok(Err(error)) => {
                tracing::warn!(code = error.code(), %error, "no catalogue: names of models are taken at their word");
                None
            }
            Err(_) => {
                tracing::warn!("the catalogue is late: names of models are taken at their word");
                None
            }
        }
    }

    fn fetch_deployments(
        self: &Arc<Self>,
    ) -> impl Future<Output = Result<Fetched<Deployments>, Error>> + Send + use<> {
        let inner = Arc::clone(self);
        async move {
            let body = inner
                .gateway
                .list(deployments::WHAT, "/v2/lm/deployments", Some("$top=10000"))
                .await?;
            #[cfg(feature = "panic-injection")]
            crate::panic_injection::at("list", &body);
            let mut value = Deployments::read(&body, &inner.gateway.base_url)?;
            inner.restrictions.fill_in(&mut value, &inner.gateway).await;
            let chosen = inner.choice.deployment.as_deref();
            if let Some(problem) = chosen.and_then(|id| value.why_not(id, inner.choice.orchestration))
                && !inner.told_about_choice.swap(true, Ordering::Relaxed)
            {
                tracing::warn!("{problem} Others are used instead.");
            }
            Ok(Fetched {
                value,
                fresh_for: DEPLOYMENTS_FRESH_FOR,
                usable_for: None,
            })
        }
    }

    fn fetch_catalogue(
        self: &Arc<Self>,
    ) -> impl Future<Output = Result<Fetched<Catalogue>, Error>> + Send + use<> {
        let inner = Arc::clone(self);
        async move {
            let path = "/v2/lm/scenarios/foundation-models/models";
            let value = Catalogue::read(&inner.gateway.list(catalogue::WHAT, path, None).await?)?;
            Ok(Fetched {
                value,
                fresh_for: CATALOGUE_FRESH_FOR,
                usable_for: None,
            })
        }
    }
}
