//! Calls to SAP AI Core: the head that each of them carries, the token and what its refusal leads to.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use http::{Method, StatusCode, Uri};
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::body::Incoming;
use reqwest::Client;
use serde::Deserialize;
use url::Url;

use crate::error::Error;
use crate::excerpt::excerpt;
use crate::inference_client::{self, InferenceClient};
use crate::service_key::{ServiceKey, base_uri, below, host_header, is_loopback};
use crate::token::Tokens;
use crate::transport::{self, Timeouts};

/// A tenant's longest list has a few MB.
const LONGEST_LIST: usize = 32 * 1024 * 1024;
const LONGEST_REFUSAL: usize = 64 * 1024;

const RESOURCE_GROUP: HeaderName = HeaderName::from_static("ai-resource-group");
const CLIENT_TYPE: HeaderName = HeaderName::from_static("ai-client-type");

/// An answer whose head is there and whose body is read by whoever asked.
pub type Response = http::Response<Incoming>;

/// SAP AI Core's gateway, called on behalf of one service key and resource group.
pub(crate) struct Gateway {
    pub(crate) base_url: Url,
    pub(crate) resource_group: String,
    inference: InferenceClient,
    lists: Client,
    call_timeout: Duration,
    tokens: Arc<Tokens>,
    /// Heads of requests without their token, made once: for lists, whole answers and streams.
    list_headers: HeaderMap,
    whole_headers: HeaderMap,
    stream_headers: HeaderMap,
}

impl Gateway {
    pub(crate) fn new(key: &ServiceKey, resource_group: &str, timeouts: Timeouts) -> Result<Self, Error> {
        let resource_group = resource_group.trim();
        if resource_group.is_empty() {
            return Err(Error::ResourceGroupRefused);
        }
        let group = HeaderValue::from_str(resource_group).map_err(|_| Error::ResourceGroupRefused)?;
        let base_uri = base_uri(&key.base_url)?;
        let host = host_header(&base_uri)?;
        let proxy = if is_loopback(&key.base_url) {
            None
        } else {
            inference_client::proxy_of(&base_uri)
        };
        let tls = transport::tls_for(key)?;
        let token_client = transport::client_for(&key.auth_url, tls.clone(), timeouts)?;

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
        let for_inference = |mut headers: HeaderMap| {
            headers.insert(HOST, host.clone());
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers
        };
        Ok(Self {
            base_url: key.base_url.clone(),
            resource_group: resource_group.to_owned(),
            lists: transport::client_for(&key.base_url, tls.clone(), timeouts)?,
            inference: InferenceClient::new(tls, proxy.as_ref(), timeouts.connect),
            call_timeout: timeouts.call,
            tokens: Tokens::new(key, token_client, timeouts),
            list_headers: headers("application/json"),
            whole_headers: for_inference(headers("application/json")),
            stream_headers: for_inference(headers("text/event-stream")),
        })
    }

    /// Sends a JSON body and gives the answer as it is, unless it is the gateway's own refusal of a new token.
    pub(crate) async fn post(&self, uri: &Uri, stream: bool, body: Bytes) -> Result<Response, Error> {
        let headers = if stream {
            &self.stream_headers
        } else {
            &self.whole_headers
        };
        let response = self
            .exchange(|authorization| {
                let mut request = http::Request::new(Full::new(body.clone()));
                *request.method_mut() = Method::POST;
                *request.uri_mut() = uri.clone();
                *request.headers_mut() = headers.clone();
                request.headers_mut().insert(AUTHORIZATION, authorization);
                async move {
                    let response = self.inference.send(request).await;
                    let response =
                        response.map_err(|error| inference_client::unreachable(&self.base_url, error))?;
                    Ok((response.status(), response))
                }
            })
            .await?;
        let (status, what) = (response.status(), "the request");
        if is_refusal(status) && !transport::is_json(response.headers()) {
            let body = Limited::new(response.into_body(), LONGEST_REFUSAL);
            let text = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
            return Err(refusal(what, status, &text));
        }
        Ok(response)
    }

    /// The body of a list; `what` names it in errors.
    pub(crate) async fn list(
        &self,
        what: &'static str,
        path: &str,
        query: Option<&str>,
    ) -> Result<Bytes, Error> {
        let response = self.get(path, query).await?;
        let status = response.status();
        let is_json = transport::is_json(response.headers());
        let not_ai_core = || Error::NotAiCore {
            host: self.base_url.host_str().unwrap_or_default().to_owned(),
            status,
        };
        if status.is_success() {
            let body = transport::read_bounded(response, LONGEST_LIST, what).await?;
            // Some other server's page; a list without its header is still tried.
            return if !is_json && !body.trim_ascii_start().starts_with(b"{") {
                Err(not_ai_core())
            } else {
                Ok(body)
            };
        }
        if status == StatusCode::FORBIDDEN
            && let Some(error) = self.wrong_resource_group().await
        {
            return Err(error);
        }
        let text = transport::read_bounded(response, LONGEST_REFUSAL, what)
            .await
            .unwrap_or_default();
        if is_refusal(status) {
            return Err(refusal(what, status, &text));
        }
        if !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS && !is_json {
            return Err(not_ai_core());
        }
        Err(Error::ListRefused {
            what,
            status,
            text: words(&text),
        })
    }

    /// A 403 says no more than "access denied" (sap-wire.md §1.5). If the resource groups may be listed and the
    /// connection's isn't one of them, that is the reason.
    async fn wrong_resource_group(&self) -> Option<Error> {
        let existing = self.resource_groups().await.ok()??;
        let resource_group = self.resource_group.clone();
        (!existing.contains(&resource_group)).then_some(Error::ResourceGroupUnknown {
            resource_group,
            existing,
        })
    }

    /// The body of a list that many service keys may not read; `None` if this one may not, or there is none. Its 403 must
    /// not cost everybody else the token.
    pub(crate) async fn list_if_allowed(
        &self,
        what: &'static str,
        path: &str,
    ) -> Result<Option<Bytes>, Error> {
        let token = self.tokens.get().await?;
        let request = self.list_request(path, None, token.authorization.clone());
        let response = self.lists.execute(request).await;
        let response = response.map_err(|error| transport::unreachable(&self.base_url, error))?;
        if !response.status().is_success() {
            return Ok(None);
        }
        transport::read_bounded(response, LONGEST_LIST, what)
            .await
            .map(Some)
    }

    /// The resource groups of the tenant (sap-wire.md §2.3); `None` if this service key may not list them.
    pub(crate) async fn resource_groups(&self) -> Result<Option<Vec<String>>, Error> {
        const WHAT: &str = "the list of resource groups";
        let Some(body) = self.list_if_allowed(WHAT, "/v2/admin/resourceGroups").await? else {
            return Ok(None);
        };
        let groups = serde_json::from_slice::<ResourceGroups>(&body).ok();
        Ok(groups.map(|groups| {
            groups
                .resources
                .into_iter()
                .map(|group| group.resource_group_id)
                .collect()
        }))
    }

    /// Makes sure that there is a token.
    pub(crate) async fn token(&self) -> Result<(), Error> {
        self.tokens.get().await.map(|_| ())
    }

    async fn get(&self, path: &str, query: Option<&str>) -> Result<reqwest::Response, Error> {
        self.exchange(|authorization| {
            let request = self.list_request(path, query, authorization);
            async move {
                let response = self.lists.execute(request).await;
                let response = response.map_err(|error| transport::unreachable(&self.base_url, error))?;
                Ok((response.status(), response))
            }
        })
        .await
    }

    fn list_request(&self, path: &str, query: Option<&str>, authorization: HeaderValue) -> reqwest::Request {
        let mut url = below(&self.base_url, path);
        url.set_query(query);
        let mut request = reqwest::Request::new(Method::GET, url);
        *request.headers_mut() = self.list_headers.clone();
        request.headers_mut().insert(AUTHORIZATION, authorization);
        *request.timeout_mut() = Some(self.call_timeout);
        request
    }

    /// Does what `send` does with a token, and again with another one if the token was refused.
    async fn exchange<R, F>(&self, send: impl Fn(HeaderValue) -> F) -> Result<R, Error>
    where
        F: Future<Output = Result<(StatusCode, R), Error>>,
    {
        let mut token = self.tokens.get().await?;
        let mut tries_left = 1;
        loop {
            let (status, response) = send(token.authorization.clone()).await?;
            if !is_refusal(status) || tries_left == 0 || !self.tokens.refused(&token) {
                return Ok(response);
            }
            tries_left -= 1;
            token = self.tokens.get().await?;
        }
    }
}

fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

fn refusal(what: &'static str, status: StatusCode, text: &[u8]) -> Error {
    Error::Permission {
        what,
        status,
        text: words(text),
    }
}

/// The message of an AI API error (spec `AiApiError`), or the text itself: the gateway speaks plain text.
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
