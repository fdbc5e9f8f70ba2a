//! Where a model is reached: through the orchestration deployment, or at a deployment of its own.

use std::borrow::Cow;
use std::sync::Arc;

use http::{Method, Uri};
use url::Url;

use crate::deployments::Deployment;
use crate::error::Error;
use crate::routing::Purpose;
use crate::service_key::{base_uri, below};

/// The version that Azure's data plane is asked for (sap-wire.md §3.2); without one it answers 404.
const AZURE_API_VERSION: &str = "api-version=2024-12-01-preview";

/// The API that a deployment speaks. A family is listed here when `formats` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// SAP's harmonized API for all models: orchestration v2 completion and embeddings (sap-wire.md §4).
    Orchestration,
    /// Anthropic's Messages as Amazon Bedrock's `InvokeModel` takes them (sap-wire.md §3.3).
    Claude,
    /// Azure OpenAI chat completions, responses and embeddings (sap-wire.md §3.2).
    AzureOpenAi,
    /// Gemini as Vertex AI takes it, and its embeddings (sap-wire.md §3.5).
    Vertex,
    /// Amazon Bedrock's Converse (sap-wire.md §3.4): Nova.
    Converse,
    /// Amazon's Titan, which makes embeddings by `InvokeModel` (sap-wire.md §3.4).
    Titan,
    /// Chat completions with the model's name in the body (sap-wire.md §3.6): Mistral, Perplexity and others.
    OpenAiCompatible,
    /// Cohere's chat, version 2 (sap-wire.md §3.6).
    Cohere,
    /// NVIDIA's embeddings (sap-wire.md §3.6).
    Nvidia,
}

/// Which of a deployment's paths takes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// The family's own.
    Own,
    /// Azure's `/responses` (sap-wire.md §3.2).
    Responses,
    /// Azure's `/responses/compact` (sap-wire.md §3.2).
    CompactResponses,
}

/// What is wanted of an answer that a deployment of Azure's keeps (sap-wire.md §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerCall {
    /// The answer.
    Get,
    /// That it be forgotten.
    Delete,
    /// That it be made no further, where it is made in the background.
    Cancel,
    /// The input that led to it.
    InputItems,
}

impl AnswerCall {
    pub(crate) fn method(self) -> Method {
        match self {
            AnswerCall::Get | AnswerCall::InputItems => Method::GET,
            AnswerCall::Delete => Method::DELETE,
            AnswerCall::Cancel => Method::POST,
        }
    }

    fn path(self) -> &'static str {
        match self {
            AnswerCall::Get | AnswerCall::Delete => "",
            AnswerCall::Cancel => "/cancel",
            AnswerCall::InputItems => "/input_items",
        }
    }
}

/// Where one model is reached. Everything that a request needs is made once, here.
#[derive(Debug, Clone)]
pub struct Route {
    /// SAP's name of the model.
    pub model: String,
    /// The model's version: `latest`, or the one that is deployed.
    pub version: String,
    /// The API to write and read.
    pub family: Family,
    /// The deployment that answers.
    pub deployment_id: String,
    /// The agent asked for the long context window (`[1m]`).
    pub long_context: bool,
    pub(crate) uri: Uri,
    pub(crate) stream_uri: Uri,
    pub(crate) responses_uri: Option<Uri>,
    pub(crate) compact_uri: Option<Uri>,
}

/// All the deployments at which one model is reached.
#[derive(Debug)]
pub struct Routes {
    /// The one to use where nothing speaks against it.
    pub first: Arc<Route>,
    /// Those that may answer in its place, the best first.
    pub others: Vec<Arc<Route>>,
}

impl Routes {
    /// `None` if there are none.
    pub(crate) fn new(routes: Vec<Route>) -> Option<Self> {
        let mut routes = routes.into_iter().map(Arc::new);
        Some(Self {
            first: routes.next()?,
            others: routes.collect(),
        })
    }

    /// All of them, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl Route {
    pub(crate) fn new(
        base_url: &Url,
        deployment: &Deployment,
        family: Family,
        purpose: Purpose,
        model: String,
        long_context: bool,
    ) -> Result<Self, Error> {
        let at = |path: &str, query| {
            let path = format!("/v2/inference/deployments/{}{path}", deployment.id);
            let mut url = below(base_url, &path);
            url.set_query(query);
            base_uri(&url)
        };
        let one = |path: &'static str, query| (Cow::Borrowed(path), None, query);
        let (path, stream, query) = match (family, purpose) {
            (Family::Orchestration, Purpose::Chat) => one("/v2/completion", None),
            (Family::Orchestration, Purpose::Embeddings) => one("/v2/embeddings", None),
            (Family::Claude, _) => (
                Cow::Borrowed("/invoke"),
                Some((Cow::Borrowed("/invoke-with-response-stream"), None)),
                None,
            ),
            (Family::AzureOpenAi, Purpose::Chat) => one("/chat/completions", Some(AZURE_API_VERSION)),
            (Family::AzureOpenAi, Purpose::Embeddings) => one("/embeddings", Some(AZURE_API_VERSION)),
            (Family::Vertex, Purpose::Chat) => {
                let action = |action| Cow::Owned(format!("/models/{model}:{action}"));
                (
                    action("generateContent"),
                    Some((action("streamGenerateContent"), Some("alt=sse"))),
                    None,
                )
            }
            (Family::Vertex, Purpose::Embeddings) => {
                (Cow::Owned(format!("/models/{model}:predict")), None, None)
            }
            (Family::Converse, _) => (
                Cow::Borrowed("/converse"),
                Some((Cow::Borrowed("/converse-stream"), None)),
                None,
            ),
            (Family::Titan, _) => one("/invoke", None),
            (Family::OpenAiCompatible, _) => one("/chat/completions", None),
            (Family::Cohere, _) => one("/v2/chat", None),
            (Family::Nvidia, _) => one("/embeddings", None),
        };
        let uri = at(&path, query)?;
        let stream_uri = match stream {
            Some((path, query)) => at(&path, query)?,
            None => uri.clone(),
        };
        let has_responses = family == Family::AzureOpenAi && purpose == Purpose::Chat;
        let of_responses = |path: &str| has_responses.then(|| at(path, None)).transpose();
        let (responses_uri, compact_uri) = (of_responses("/responses")?, of_responses("/responses/compact")?);
        let version = deployment
            .model_version
            .clone()
            .filter(|_| family != Family::Orchestration);
        Ok(Self {
            model,
            version: version.unwrap_or_else(|| "latest".to_owned()),
            family,
            deployment_id: deployment.id.clone(),
            long_context,
            uri,
            stream_uri,
            responses_uri,
            compact_uri,
        })
    }

    /// Where a request for this endpoint goes. Only Azure's deployments have one for responses.
    pub(crate) fn uri(&self, endpoint: Endpoint, stream: bool) -> &Uri {
        let other = match endpoint {
            Endpoint::Own => None,
            Endpoint::Responses => self.responses_uri.as_ref(),
            Endpoint::CompactResponses => self.compact_uri.as_ref(),
        };
        other.unwrap_or(if stream { &self.stream_uri } else { &self.uri })
    }

    /// Where a call about a kept answer goes; nothing where the route keeps none, or where no id looks like this: it is a
    /// step of the path. `query` is the agent's own.
    pub(crate) fn answer_uri(&self, call: AnswerCall, id: &str, query: Option<&str>) -> Option<Uri> {
        const LONGEST_ID: usize = 256;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(plain) {
            return None;
        }
        let base = self.responses_uri.as_ref()?;
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("{base}/{id}{}{query}", call.path()).parse().ok()
    }
}

/// The family of a model that has a deployment of its own, by its executable (sap-wire.md §3.1), or why there is none,
/// as the end of a sentence.
pub(crate) fn direct_family(
    model: &str,
    executable_id: Option<&str>,
    purpose: Purpose,
) -> Result<Family, String> {
    let model = model.to_ascii_lowercase();
    match executable_id.or_else(|| executable_by_name(&model)) {
        Some("azure-openai") => Ok(Family::AzureOpenAi),
        Some("gcp-vertexai") => Ok(Family::Vertex),
        Some("aws-bedrock") if purpose == Purpose::Embeddings && model.contains("titan") => Ok(Family::Titan),
        Some("aicore-nvidia") if purpose == Purpose::Embeddings => Ok(Family::Nvidia),
        Some(other) if purpose == Purpose::Embeddings => {
            Err(format!("Coretap does not speak its API for embeddings ({other})"))
        }
        Some("aws-bedrock") if model.starts_with("anthropic--") => Ok(Family::Claude),
        Some("aws-bedrock") => Ok(Family::Converse),
        Some("aicore-mistralai" | "perplexity-ai" | "aicore-opensource" | "aicore-ibm") => {
            Ok(Family::OpenAiCompatible)
        }
        Some("aicore-cohere") => Ok(Family::Cohere),
        Some(other) => Err(format!("Coretap does not speak its API ({other})")),
        None => Err("nothing says which API it speaks".to_owned()),
    }
}

/// Which API a deployment of this model speaks (an `executableId`), judged by its name alone (sap-wire.md §3.1).
pub(crate) fn executable_by_name(model: &str) -> Option<&'static str> {
    const PREFIXES: &[(&str, &str)] = &[
        ("gpt-", "azure-openai"),
        ("o1", "azure-openai"),
        ("o3", "azure-openai"),
        ("o4", "azure-openai"),
        ("text-embedding-", "azure-openai"),
        ("anthropic--", "aws-bedrock"),
        ("amazon--", "aws-bedrock"),
        ("gemini-", "gcp-vertexai"),
        ("mistralai--", "aicore-mistralai"),
        ("cohere", "aicore-cohere"),
        ("nvidia--", "aicore-nvidia"),
        ("sonar", "perplexity-ai"),
        ("sap-rpt-", "aicore-sap"),
    ];
    PREFIXES
        .iter()
        .find(|(prefix, _)| model.starts_with(prefix))
        .map(|(_, executable)| *executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_follows_the_executable_and_then_the_name() {
        for (model, executable, family) in [
            ("gpt-4o", Some("azure-openai"), Some(Family::AzureOpenAi)),
            ("gpt-4o", None, Some(Family::AzureOpenAi)),
            ("o3-mini", None, Some(Family::AzureOpenAi)),
            (
                "gpt-oss",
                Some("aicore-opensource"),
                Some(Family::OpenAiCompatible),
            ),
            ("tenants-own", Some("azure-openai"), Some(Family::AzureOpenAi)),
            ("tenants-own", None, None),
            ("tenants-own", Some("aicore-new"), None),
            ("anthropic--claude-4.5-sonnet", None, Some(Family::Claude)),
            (
                "Anthropic--Claude-4.5-Sonnet",
                Some("aws-bedrock"),
                Some(Family::Claude),
            ),
            ("amazon--nova-pro", None, Some(Family::Converse)),
            ("Amazon--Nova-Pro", Some("aws-bedrock"), Some(Family::Converse)),
            ("gemini-2.5-pro", None, Some(Family::Vertex)),
            (
                "gemini-2.5-pro",
                Some("aicore-opensource"),
                Some(Family::OpenAiCompatible),
            ),
            (
                "mistralai--mistral-medium-instruct",
                None,
                Some(Family::OpenAiCompatible),
            ),
            ("sonar-pro", None, Some(Family::OpenAiCompatible)),
            ("sonar-pro", Some("perplexity-ai"), Some(Family::OpenAiCompatible)),
            (
                "ibm--granite-13b-chat",
                Some("aicore-ibm"),
                Some(Family::OpenAiCompatible),
            ),
            ("cohere--command-a-reasoning", None, Some(Family::Cohere)),
            ("sap-rpt-1-large", None, None),
            ("sap-abap-1", None, None),
            ("nvidia--llama-3.2-nv-embedqa-1b", None, None),
        ] {
            assert_eq!(
                direct_family(model, executable, Purpose::Chat).ok(),
                family,
                "{model} {executable:?}"
            );
        }
        for (model, executable, family) in [
            ("text-embedding-3-small", None, Some(Family::AzureOpenAi)),
            ("amazon--titan-embed-text", None, Some(Family::Titan)),
            (
                "amazon--titan-embed-text",
                Some("aws-bedrock"),
                Some(Family::Titan),
            ),
            ("gemini-embedding", None, Some(Family::Vertex)),
            ("nvidia--llama-3.2-nv-embedqa-1b", None, Some(Family::Nvidia)),
            (
                "nvidia--llama-3.2-nv-embedqa-1b",
                Some("aicore-nvidia"),
                Some(Family::Nvidia),
            ),
            ("anthropic--claude-embed", None, None),
            ("cohere--embed-4", None, None),
            ("mistralai--embed", Some("aicore-mistralai"), None),
        ] {
            let found = direct_family(model, executable, Purpose::Embeddings);
            assert_eq!(found.ok(), family, "{model} {executable:?}");
        }
    }
}
