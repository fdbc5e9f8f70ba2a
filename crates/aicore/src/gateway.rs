//! Calls to SAP AI Core: the head that each of them carries, the token and what its refusal leads to.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderName, HeaderValue,
    USER_AGENT,
};
use http::{Method, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde::Deserialize;
use url::Url;

use crate::clients::CurrentClients;
use crate::error::Error;
use crate::excerpt::excerpt;
use crate::extra_roots::ExtraRoots;
use crate::inference_client;
use crate::machine::Machine;
use crate::service_key::{ServiceKey, base_uri, below, host_header};
use crate::token::Tokens;
use crate::transport::{self, Timeouts};

/// A tenant's longest list has a few MB.
const LONGEST_LIST: usize = 32 * 1024 * 1024;
const LONGEST_REFUSAL: usize = 64 * 1024;
/// New tokens that one call may be tried with.
const MOST_TOKENS: u32 = 3;

const RESOURCE_GROUP: HeaderName = HeaderName::from_static("ai-resource-group");
const CLIENT_TYPE: HeaderName = HeaderName::from_static("ai-client-type");

/// An answer whose head is there and whose body is read by whoever asked.
pub type Response = http::Response<Incoming>;

/// SAP AI Core's gateway, called on behalf of one service key and resource group.
pub(crate) struct Gateway {
    pub(crate) base_url: Url,
    pub(crate) resource_group: String,
    clients: Arc<CurrentClients>,
    call_timeout: Duration,
    tokens: Arc<Tokens>,
    /// Heads of requests without their token, made once: for lists, whole answers and streams.
    list_headers: HeaderMap,
    whole_headers: HeaderMap,
    stream_headers: HeaderMap,
}

impl Gateway {
    pub(crate) fn new(
        key: &ServiceKey,
        resource_group: &str,
        timeouts: Timeouts,
        machine: Arc<dyn Machine>,
        extra_roots: &ExtraRoots,
    ) -> Result<Self, Error> {
        let resource_group = resource_group.trim();
        if resource_group.is_empty() {
            return Err(Error::ResourceGroupRefused);
        }
        let group = HeaderValue::from_str(resource_group).map_err(|_| Error::ResourceGroupRefused)?;
        let base_uri = base_uri(&key.base_url)?;
        let host = host_header(&base_uri)?;
        let clients = Arc::new(CurrentClients::new(key, timeouts, machine, extra_roots)?);

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
            // A place for the length as well; hyper would make the map grow for it.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static(""));
            headers
        };
        Ok(Self {
            base_url: key.base_url.clone(),
            resource_group: resource_group.to_owned(),
            call_timeout: timeouts.call,
            tokens: Tokens::new(key, Arc::clone(&clients), timeouts),
            clients,
            list_headers: headers("application/json"),
            whole_headers: for_inference(headers("application/json")),
            stream_headers: for_inference(headers("text/event-stream")),
        })
    }

    /// Sends a request with a JSON body, or without one, and gives the answer as it is, unless it is the gateway's own refusal of a new token, or a page
    /// that something else on the way shows.
    pub(crate) async fn send(
        &self,
        method: &Method,
        uri: &Uri,
        stream: bool,
        body: Bytes,
    ) -> Result<Response, Error> {
        let headers = if stream {
            &self.stream_headers
        } else {
            &self.whole_headers
        };
        let tried = self
            .exchange(|authorization| {
                let mut request = http::Request::new(Full::new(body.clone()));
                *request.method_mut() = method.clone();
                *request.uri_mut() = uri.clone();
                *request.headers_mut() = headers.clone();
                request.headers_mut().insert(AUTHORIZATION, authorization);
                request.headers_mut().insert(CONTENT_LENGTH, body.len().into());
                async move {
                    let clients = self.clients.get();
                    let response = clients.inference.send(request).await;
                    let response =
                        response.map_err(|error| inference_client::unreachable(&self.base_url, error))?;
                    let status = response.status();
                    if is_refusal(status) && !transport::is_json(response.headers()) {
                        let text = beginning(response).await;
                        return Ok(Tried::Refused { status, text });
                    }
                    Ok(Tried::Answered { status, response })
                }
            })
            .await?;
        match tried {
            Tried::Refused { status, text } => Err(refusal("the request", status, &text)),
            Tried::Answered { status, response }
                if status == StatusCode::OK && transport::is_html(response.headers()) =>
            {
                Err(Error::WebPage {
                    host: self.host(),
                    title: title(&beginning(response).await),
                })
            }
            Tried::Answered { response, .. } => Ok(response),
        }
    }

    fn host(&self) -> String {
        self.base_url.host_str().unwrap_or_default().to_owned()
    }

    /// The body of a list; `what` names it in errors.
    pub(crate) async fn list(
        &self,
        what: &'static str,
        path: &str,
        query: Option<&str>,
    ) -> Result<Bytes, Error> {
        let (status, response) = match self.get(what, path, query).await? {
            Tried::Answered { status, response } => (status, response),
            Tried::Refused { status, text } => return Err(self.list_refusal(what, status, &text).await),
        };
        let is_json = transport::is_json(response.headers());
        let not_ai_core = || Error::NotAiCore {
            host: self.host(),
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
        let text = transport::read_bounded(response, LONGEST_REFUSAL, what)
            .await
            .unwrap_or_default();
        if is_refusal(status) {
            return Err(self.list_refusal(what, status, &text).await);
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

    async fn list_refusal(&self, what: &'static str, status: StatusCode, text: &[u8]) -> Error {
        let reason = if status == StatusCode::FORBIDDEN {
            self.wrong_resource_group().await
        } else {
            None
        };
        reason.unwrap_or_else(|| refusal(what, status, text))
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
        let response = self.clients.get().lists.execute(request).await;
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

    pub(crate) fn open_connections(&self) -> usize {
        self.clients.get().inference.open_connections()
    }

    /// The `Date` of whatever the Base URL answers.
    pub(crate) async fn server_time(&self) -> Result<Option<SystemTime>, Error> {
        let lists = &self.clients.get().lists;
        let request = lists.head(self.base_url.clone()).timeout(self.call_timeout);
        let response = request.send().await;
        let response = response.map_err(|error| transport::unreachable(&self.base_url, error))?;
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        Ok(date.and_then(|date| httpdate::parse_http_date(date).ok()))
    }

    /// Makes sure that there is a token.
    pub(crate) async fn token(&self) -> Result<(), Error> {
        self.tokens.get().await.map(|_| ())
    }

    /// Whether the system names other proxies than when the connections were made.
    pub(crate) fn has_other_proxies(&self) -> bool {
        self.clients.have_other_proxies()
    }

    /// Calls that begin from now on go over new connections.
    pub(crate) fn renew_connections(&self) {
        self.clients.renew();
    }

    /// The next call gets a new token first.
    pub(crate) fn forget_token(&self) {
        self.tokens.forget();
    }

    pub(crate) fn machine(&self) -> Arc<dyn Machine> {
        self.clients.machine()
    }

    async fn get(
        &self,
        what: &'static str,
        path: &str,
        query: Option<&str>,
    ) -> Result<Tried<reqwest::Response>, Error> {
        self.exchange(|authorization| {
            let request = self.list_request(path, query, authorization);
            async move {
                let response = self.clients.get().lists.execute(request).await;
                let response = response.map_err(|error| transport::unreachable(&self.base_url, error))?;
                let status = response.status();
                if is_refusal(status) && !transport::is_json(response.headers()) {
                    let text = transport::read_bounded(response, LONGEST_REFUSAL, what).await;
                    let text = text.unwrap_or_default();
                    return Ok(Tried::Refused { status, text });
                }
                Ok(Tried::Answered { status, response })
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
    async fn exchange<R, F>(&self, send: impl Fn(HeaderValue) -> F) -> Result<Tried<R>, Error>
    where
        F: Future<Output = Result<Tried<R>, Error>>,
    {
        let mut token = self.tokens.get().await?;
        let mut other_tokens = 0;
        loop {
            let tried = send(token.authorization.clone()).await?;
            let is_no_good = match &tried {
                Tried::Answered { status, .. } if !is_refusal(*status) => return Ok(tried),
                Tried::Answered { .. } => false,
                Tried::Refused { text, .. } => is_about_the_token(text),
            };
            let most = if is_no_good { MOST_TOKENS } else { 1 };
            if other_tokens >= most || !self.tokens.refused(&token, is_no_good) {
                return Ok(tried);
            }
            other_tokens += 1;
            token = self.tokens.get().await?;
        }
    }
}

/// What one try came to.
enum Tried<R> {
    /// Whatever came, perhaps a refusal from behind the gateway, in JSON.
    Answered { status: StatusCode, response: R },
    /// The gateway's own refusal, which it makes in plain text (sap-wire.md §1.5).
    Refused { status: StatusCode, text: Bytes },
}

/// Whether a refusal says that the token is expired or not valid, as against a missing permission. These are the words of
/// the gateway's JWT filter (sap-wire.md §1.5).
fn is_about_the_token(text: &[u8]) -> bool {
    text.trim_ascii_start()
        .get(..3)
        .is_some_and(|word| word.eq_ignore_ascii_case(b"jwt"))
}

/// What a body begins with, as far as it comes.
async fn beginning(response: Response) -> Bytes {
    let mut body = response.into_body();
    let mut text = BytesMut::new();
    while text.len() < LONGEST_REFUSAL {
        match body.frame().await {
            Some(Ok(frame)) => text.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
            Some(Err(_)) | None => break,
        }
    }
    text.freeze()
}

/// What a page calls itself.
fn title(page: &[u8]) -> Option<String> {
    let page = String::from_utf8_lossy(page);
    // ASCII only, so that the places stay the same.
    let small = page.to_ascii_lowercase();
    let (_, behind) = small.split_once("<title")?;
    let (tag, behind) = behind.split_once('>')?;
    let (title, _) = behind.split_once('<')?;
    let begins = small.len() - behind.len();
    let title = excerpt(page.get(begins..begins + title.len())?, 100);
    (tag.is_empty() || tag.starts_with(' '))
        .then_some(title)
        .filter(|title| !title.is_empty())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pages_title_is_one_short_line() {
        for (page, expected) in [
            (
                "<html><TITLE>Sign in\n  to Hotel</Title>",
                Some("Sign in to Hotel"),
            ),
            (
                "\u{feff}<title lang=\"de\">Bitte anmelden – Gäste</title>",
                Some("Bitte anmelden – Gäste"),
            ),
            ("<title> </title>", None),
            ("<title>never ends", None),
            ("<titles>no</titles>", None),
            ("no page at all", None),
        ] {
            assert_eq!(title(page.as_bytes()).as_deref(), expected, "{page}");
        }
        assert_eq!(
            title(b"\xff\xfe<title>x\xff</title>").as_deref(),
            Some("x\u{fffd}")
        );
    }
}
