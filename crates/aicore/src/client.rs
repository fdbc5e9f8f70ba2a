//! The connection to SAP AI Core: lists, routes and requests.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, StatusCode};
use reqwest::{Client, Request, Response};
use serde::Deserialize;
use url::Url;

use crate::cached::{Cached, Fetched};
use crate::catalogue::{self, Catalogue};
use crate::deployments::{self, Deployments};
use crate::error::{Error, excerpt};
use crate::names::{self, Known, Resolution};
use crate::route::{Family, Route, direct_family};
use crate::selectable::{self, SelectableModel};
use crate::service_key::{ServiceKey, below};
use crate::token::Tokens;
use crate::transport::{self, Timeouts};

const DEPLOYMENTS_FRESH_FOR: Duration = Duration::from_secs(5 * 60);
const CATALOGUE_FRESH_FOR: Duration = Duration::from_secs(15 * 60);
/// Before a person is told that something is not deployed, the list is read again unless it is this young.
const YOUNG_LIST: Duration = Duration::from_secs(10);
/// A request waits this long for the catalogue; then names are taken at their word.
const CATALOGUE_PATIENCE: Duration = Duration::from_secs(3);
/// A tenant's longest list has a few MB.
const LONGEST_LIST: usize = 32 * 1024 * 1024;
const LONGEST_REFUSAL: usize = 64 * 1024;
/// Routes kept by asked name. Agents ask for a handful of names; whoever asks for many begins anew.
const MOST_ROUTES: usize = 256;
const LONGEST_NAME: usize = 200;

const RESOURCE_GROUP: HeaderName = HeaderName::from_static("ai-resource-group");
const CLIENT_TYPE: HeaderName = HeaderName::from_static("ai-client-type");

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
}

/// A body for a route, in the format of the route's family.
#[derive(Debug, Clone)]
pub struct InferenceRequest {
    /// Whether the answer is to be a stream.
    pub stream: bool,
    /// The JSON body.
    pub body: Bytes,
}

/// SAP AI Core as one connection sees it. Cheap to clone; clones share token, lists and sockets.
#[derive(Clone)]
pub struct AiCore {
    inner: Arc<Inner>,
}

struct Inner {
    base_url: Url,
    resource_group: String,
    orchestration: bool,
    selected_model: Option<String>,
    client: Client,
    call_timeout: Duration,
    tokens: Arc<Tokens>,
    /// Heads of requests without their token, made once: for lists, whole answers and streams.
    list_headers: HeaderMap,
    whole_headers: HeaderMap,
    stream_headers: HeaderMap,
    deployments: Arc<Cached<Deployments>>,
    catalogue: Arc<Cached<Catalogue>>,
    routes: RwLock<Option<Routes>>,
}

/// Routes by asked name, as long as the lists they were made from are the current ones.
struct Routes {
    deployments: Arc<Deployments>,
    catalogue: Option<Arc<Catalogue>>,
    by_name: HashMap<Box<str>, Arc<Route>>,
}

impl AiCore {
    /// A connection; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::ResourceGroupRefused`], [`Error::HttpClient`].
    pub fn new(connection: Connection, timeouts: Timeouts) -> Result<Self, Error> {
        let key = connection.service_key;
        let resource_group = connection.resource_group.trim().to_owned();
        if resource_group.is_empty() {
            return Err(Error::ResourceGroupRefused);
        }
        let group = HeaderValue::from_str(&resource_group).map_err(|_| Error::ResourceGroupRefused)?;

        let client = transport::client_for(&key.base_url, timeouts)?;
        let same_way = key.auth_url.origin() == key.base_url.origin();
        let token_client = if same_way {
            client.clone()
        } else {
            transport::client_for(&key.auth_url, timeouts)?
        };

        let headers = |accept| {
            let mut headers = HeaderMap::with_capacity(8);
            // A place for the token, so that filling it in makes nothing grow.
            headers.insert(AUTHORIZATION, HeaderValue::from_static(""));
            headers.insert(RESOURCE_GROUP, group.clone());
            headers.insert(CLIENT_TYPE, HeaderValue::from_static("Coretap"));
            headers.insert(
                USER_AGENT,
                HeaderValue::from_static(concat!("Coretap/", env!("CARGO_PKG_VERSION"))),
            );
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            headers
        };
        let with_body = |mut headers: HeaderMap| {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers
        };
        Ok(Self {
            inner: Arc::new(Inner {
                tokens: Tokens::new(&key, token_client, timeouts),
                base_url: key.base_url,
                resource_group,
                orchestration: connection.orchestration,
                selected_model: connection.selected_model.filter(|model| !model.trim().is_empty()),
                client,
                call_timeout: timeouts.call,
                list_headers: headers("application/json"),
                whole_headers: with_body(headers("application/json")),
                stream_headers: with_body(headers("text/event-stream")),
                deployments: Cached::new(deployments::WHAT),
                catalogue: Cached::new(catalogue::WHAT),
                routes: RwLock::new(None),
            }),
        })
    }

    /// Finds out where the model is reached that an agent asks for by `asked`.
    ///
    /// # Errors
    /// [`Error::ModelUnknown`], [`Error::NoDeployment`], [`Error::NoOrchestrationDeployment`],
    /// [`Error::FamilyUnsupported`], and whatever kept the list of deployments from being read.
    pub async fn route(&self, asked: &str) -> Result<Arc<Route>, Error> {
        let inner = &self.inner;
        let deployments = self.deployments().await?;
        let catalogue = inner.catalogue.peek(|| inner.fetch_catalogue());
        if let Some(route) = inner.known_route(asked, &deployments, catalogue.as_ref()) {
            return Ok(route);
        }
        let catalogue = match catalogue {
            None if inner.needs_catalogue(&deployments) => inner.catalogue_in_time().await,
            found => found,
        };
        match inner.find_route(asked, &deployments, catalogue.as_deref()) {
            Ok(route) => Ok(inner.remember(asked, route, deployments, catalogue)),
            Err(error @ (Error::NoDeployment { .. } | Error::NoOrchestrationDeployment { .. })) => {
                // It may have been deployed a moment ago.
                let newer = inner
                    .deployments
                    .get_younger_than(YOUNG_LIST, || inner.fetch_deployments())
                    .await?;
                if Arc::ptr_eq(&newer, &deployments) {
                    return Err(error);
                }
                let route = inner.find_route(asked, &newer, catalogue.as_deref())?;
                Ok(inner.remember(asked, route, newer, catalogue))
            }
            Err(error) => Err(error),
        }
    }

    /// Sends one request. A refused token is replaced (at most once in 30 s) and the request sent once more; any other
    /// answer is given as it is, whatever its status. The answer's body is not read, and there is no time limit.
    ///
    /// # Errors
    /// [`Error::Permission`] if SAP AI Core's gateway, in plain text, refuses a new token as well; a refusal in JSON
    /// comes from behind the gateway and is given as it is. [`Error::Unreachable`] if no answer began (see
    /// [`Error::is_connect`]), and whatever kept a token from being fetched.
    pub async fn send(&self, route: &Route, request: InferenceRequest) -> Result<Response, Error> {
        let inner = &self.inner;
        let (url, headers) = if request.stream {
            (&route.stream_url, &inner.stream_headers)
        } else {
            (&route.url, &inner.whole_headers)
        };
        let response = inner
            .exchange(|| {
                let mut sent = Request::new(Method::POST, url.clone());
                *sent.headers_mut() = headers.clone();
                *sent.body_mut() = Some(request.body.clone().into());
                sent
            })
            .await?;
        if is_refusal(response.status()) && !transport::is_json(&response) {
            return Err(refusal("the request", response).await);
        }
        Ok(response)
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

    /// The models that can be asked for with this connection, by name.
    ///
    /// # Errors
    /// Orchestration mode: no orchestration deployment, or no catalogue. Foundation mode: no list of deployments.
    pub async fn selectable_models(&self) -> Result<Vec<SelectableModel>, Error> {
        let deployments = self.deployments().await?;
        if self.inner.orchestration {
            if deployments.orchestration().is_none() {
                return Err(self.inner.no_orchestration());
            }
            return Ok(selectable::through_orchestration(&*self.models().await?));
        }
        let catalogue = self.inner.catalogue_in_time().await;
        Ok(selectable::deployed(&deployments, catalogue.as_deref()))
    }

    /// Forgets the deployments, after a 404 said that one of them is gone: the next request reads the list anew.
    pub fn forget_deployments(&self) {
        self.inner.deployments.forget();
    }
}

impl Inner {
    fn find_route(
        &self,
        asked: &str,
        deployments: &Deployments,
        catalogue: Option<&Catalogue>,
    ) -> Result<Route, Error> {
        if self.orchestration {
            self.orchestration_route(asked, deployments, catalogue)
        } else {
            self.direct_route(asked, deployments, catalogue)
        }
    }

    fn orchestration_route(
        &self,
        asked: &str,
        deployments: &Deployments,
        catalogue: Option<&Catalogue>,
    ) -> Result<Route, Error> {
        let deployment = deployments
            .orchestration()
            .ok_or_else(|| self.no_orchestration())?;
        let names: Vec<&str> = catalogue
            .into_iter()
            .flat_map(Catalogue::of_orchestration)
            .map(|model| model.name.as_str())
            .collect();
        let known = if names.is_empty() {
            Known::Unavailable
        } else {
            Known::All(&names)
        };
        let Some(resolution) = names::resolve(asked, known, self.selected_model.as_deref()) else {
            let mut available: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            available.sort_unstable();
            return Err(Error::ModelUnknown {
                asked: excerpt(asked, 100),
                available,
            });
        };
        let Resolution { model, long_context } = resolution;
        Ok(Route::new(
            &self.base_url,
            deployment,
            Family::Orchestration,
            model,
            long_context,
        ))
    }

    fn direct_route(
        &self,
        asked: &str,
        deployments: &Deployments,
        catalogue: Option<&Catalogue>,
    ) -> Result<Route, Error> {
        let names: Vec<&str> = deployments
            .foundation()
            .filter_map(|row| row.model.as_deref())
            .collect();
        let not_deployed = || Error::NoDeployment {
            resource_group: self.resource_group.clone(),
            model: excerpt(&names::likely(asked), 100),
            running: deployments.running_models(),
        };
        let Resolution { model, long_context } =
            names::resolve(asked, Known::All(&names), self.selected_model.as_deref())
                .ok_or_else(not_deployed)?;
        let deployment = deployments.of_model(&model).ok_or_else(not_deployed)?;
        let listed = || catalogue?.model(&model)?.executable_id.as_deref();
        match direct_family(&model, deployment.executable_id.as_deref().or_else(listed)) {
            Ok(family) => Ok(Route::new(
                &self.base_url,
                deployment,
                family,
                model,
                long_context,
            )),
            Err(reason) => Err(Error::FamilyUnsupported { model, reason }),
        }
    }

    fn no_orchestration(&self) -> Error {
        Error::NoOrchestrationDeployment {
            resource_group: self.resource_group.clone(),
        }
    }

    /// Names in orchestration mode, and the family of a deployment that does not say its executable.
    fn needs_catalogue(&self, deployments: &Deployments) -> bool {
        self.orchestration || deployments.foundation().any(|row| row.executable_id.is_none())
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

    fn known_route(
        &self,
        asked: &str,
        deployments: &Arc<Deployments>,
        catalogue: Option<&Arc<Catalogue>>,
    ) -> Option<Arc<Route>> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes
            .as_ref()
            .filter(|routes| routes.are_of(deployments, catalogue))?
            .by_name
            .get(asked)
            .cloned()
    }

    fn remember(
        &self,
        asked: &str,
        route: Route,
        deployments: Arc<Deployments>,
        catalogue: Option<Arc<Catalogue>>,
    ) -> Arc<Route> {
        let route = Arc::new(route);
        if asked.len() <= LONGEST_NAME {
            let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
            let current = routes.take().filter(|routes| {
                routes.are_of(&deployments, catalogue.as_ref()) && routes.by_name.len() < MOST_ROUTES
            });
            routes
                .insert(current.unwrap_or_else(|| Routes {
                    deployments,
                    catalogue,
                    by_name: HashMap::new(),
                }))
                .by_name
                .insert(asked.into(), Arc::clone(&route));
        }
        route
    }

    fn fetch_deployments(
        self: &Arc<Self>,
    ) -> impl Future<Output = Result<Fetched<Deployments>, Error>> + Send + use<> {
        let inner = Arc::clone(self);
        async move {
            let body = inner
                .list(deployments::WHAT, "/v2/lm/deployments", Some("$top=10000"))
                .await?;
            let value = Deployments::read(&body, &inner.base_url)?;
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
            let value = Catalogue::read(&inner.list(catalogue::WHAT, path, None).await?)?;
            Ok(Fetched {
                value,
                fresh_for: CATALOGUE_FRESH_FOR,
                usable_for: None,
            })
        }
    }

    async fn list(&self, what: &'static str, path: &str, query: Option<&str>) -> Result<Bytes, Error> {
        let response = self.get(path, query).await?;
        let status = response.status();
        if status.is_success() {
            return transport::read_bounded(response, LONGEST_LIST, what).await;
        }
        if status == StatusCode::FORBIDDEN
            && let Some(error) = self.wrong_resource_group().await
        {
            return Err(error);
        }
        if is_refusal(status) {
            return Err(refusal(what, response).await);
        }
        let text = transport::read_bounded(response, LONGEST_REFUSAL, what)
            .await
            .unwrap_or_default();
        Err(Error::ListRefused {
            what,
            status,
            text: words(&text),
        })
    }

    /// A 403 says no more than "access denied" (sap-wire.md §1.5). If the resource groups may be listed and the
    /// connection's isn't one of them, that is the reason.
    async fn wrong_resource_group(&self) -> Option<Error> {
        const WHAT: &str = "the list of resource groups";
        let response = self.get("/v2/admin/resourceGroups", None).await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let body = transport::read_bounded(response, LONGEST_LIST, WHAT).await.ok()?;
        let groups: ResourceGroups = serde_json::from_slice(&body).ok()?;
        let existing: Vec<_> = groups
            .resources
            .into_iter()
            .map(|group| group.resource_group_id)
            .collect();
        let resource_group = self.resource_group.clone();
        (!existing.contains(&resource_group)).then_some(Error::ResourceGroupUnknown {
            resource_group,
            existing,
        })
    }

    async fn get(&self, path: &str, query: Option<&str>) -> Result<Response, Error> {
        let mut url = below(&self.base_url, path);
        url.set_query(query);
        self.exchange(|| {
            let mut request = Request::new(Method::GET, url.clone());
            *request.headers_mut() = self.list_headers.clone();
            *request.timeout_mut() = Some(self.call_timeout);
            request
        })
        .await
    }

    /// Sends what `request` makes with a token, and again with another one if the token was refused.
    async fn exchange(&self, request: impl Fn() -> Request) -> Result<Response, Error> {
        let mut token = self.tokens.get().await?;
        let mut tries_left = 1;
        loop {
            let mut request = request();
            request
                .headers_mut()
                .insert(AUTHORIZATION, token.authorization.clone());
            let response = self
                .client
                .execute(request)
                .await
                .map_err(|error| transport::unreachable(&self.base_url, error))?;
            if !is_refusal(response.status()) || tries_left == 0 || !self.tokens.refused(&token) {
                return Ok(response);
            }
            tries_left -= 1;
            token = self.tokens.get().await?;
        }
    }
}

impl Routes {
    fn are_of(&self, deployments: &Arc<Deployments>, catalogue: Option<&Arc<Catalogue>>) -> bool {
        Arc::ptr_eq(&self.deployments, deployments)
            && match (&self.catalogue, catalogue) {
                (Some(mine), Some(current)) => Arc::ptr_eq(mine, current),
                (None, None) => true,
                _ => false,
            }
    }
}

fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

async fn refusal(what: &'static str, response: Response) -> Error {
    let status = response.status();
    let text = transport::read_bounded(response, LONGEST_REFUSAL, what)
        .await
        .unwrap_or_default();
    Error::Permission {
        what,
        status,
        text: words(&text),
    }
}

/// The message of an AI API error (spec AiApiError), or the text itself: the gateway speaks plain text.
fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let message = serde_json::from_slice::<ApiError>(body).map(|answer| answer.error.message);
    let words = excerpt(message.as_deref().unwrap_or(&text), 300);
    if words.is_empty() {
        "the answer says nothing more".to_owned()
    } else {
        words
    }
}

#[derive(Deserialize)]
struct ApiError {
    error: ApiErrorBody,
}

#[derive(Deserialize)]
struct ApiErrorBody {
    message: String,
}

#[derive(Deserialize)]
struct ResourceGroups {
    resources: Vec<ResourceGroup>,
}

#[derive(Deserialize)]
struct ResourceGroup {
    #[serde(rename = "resourceGroupId")]
    resource_group_id: String,
}
