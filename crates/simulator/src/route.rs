//! Which part of SAP AI Core a request is for.

use crate::catalogue::Family;
use crate::deployments;

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Route {
    /// `/oauth/token`.
    Token,
    /// The list of deployments, or one of them.
    Deployments,
    /// The catalogue.
    Models,
    /// Orchestration.
    Completion,
    /// Orchestration's embeddings.
    OrchestrationEmbeddings,
    /// Claude on Bedrock.
    Invoke,
    /// Claude on Bedrock, as a stream.
    InvokeStream,
    /// Azure OpenAI chat.
    Chat,
    /// Azure OpenAI's Responses API.
    Responses,
    /// An answer that the Responses API keeps.
    KeptResponse,
    /// Azure OpenAI embeddings.
    Embeddings,
    /// Gemini on Vertex.
    GenerateContent,
    /// Gemini on Vertex, as a stream.
    StreamGenerateContent,
    /// Gemini on Vertex: only the tokens of a request.
    CountTokens,
    /// Google's embeddings on Vertex.
    Predict,
    /// Bedrock's Converse.
    Converse,
    /// Bedrock's Converse, as a stream.
    ConverseStream,
    /// Amazon's embeddings on Bedrock.
    InvokeTitan,
    /// Mistral's chat.
    MistralChat,
    /// Perplexity's chat.
    PerplexityChat,
    /// Cohere's chat.
    CohereChat,
    /// NVIDIA's embeddings.
    NvidiaEmbeddings,
    /// Anything else.
    Other,
}

impl Route {
    /// The route of a path.
    pub(crate) fn of(path: &str) -> Self {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        match segments.as_slice() {
            ["oauth", "token"] => Self::Token,
            ["v2", "lm", "deployments", ..] => Self::Deployments,
            ["v2", "lm", "scenarios", _, "models"] | ["v2", "lm", "models"] => Self::Models,
            ["v2", "inference", "deployments", id, call @ ..] => Self::of_call(id, call),
            _ => Self::Other,
        }
    }

    /// The route of a call of a deployment; what one path means depends on the deployment's model.
    fn of_call(id: &str, call: &[&str]) -> Self {
        let model = deployments::model(id);
        let executable = model.map_or("", |model| model.executable);
        match (call, executable) {
            (["v2", "completion"], _) => Self::Completion,
            (["v2", "embeddings"], _) => Self::OrchestrationEmbeddings,
            (["v2", "chat"] | ["chat"], _) => Self::CohereChat,
            (["embeddings"], "aicore-nvidia") => Self::NvidiaEmbeddings,
            (["embeddings"], _) => Self::Embeddings,
            (["invoke"], _) if model.is_some_and(|model| model.family == Family::Embedding) => {
                Self::InvokeTitan
            }
            (["invoke"], _) => Self::Invoke,
            (["invoke-with-response-stream"], _) => Self::InvokeStream,
            (["converse"], _) => Self::Converse,
            (["converse-stream"], _) => Self::ConverseStream,
            (["chat", "completions"], "aicore-mistralai") => Self::MistralChat,
            (["chat", "completions"], "perplexity-ai") => Self::PerplexityChat,
            (["chat", "completions"], _) => Self::Chat,
            (["responses"] | ["responses", "compact"], _) => Self::Responses,
            (["responses", ..], _) => Self::KeptResponse,
            (["models", method], _) => match method.rsplit_once(':') {
                Some((_, "generateContent")) => Self::GenerateContent,
                Some((_, "streamGenerateContent")) => Self::StreamGenerateContent,
                Some((_, "countTokens")) => Self::CountTokens,
                Some((_, "predict")) => Self::Predict,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }

    /// The name on the control path.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Deployments => "deployments",
            Self::Models => "models",
            Self::Completion => "completion",
            Self::OrchestrationEmbeddings => "orchestration_embeddings",
            Self::Embeddings => "embeddings",
            Self::Invoke => "invoke",
            Self::InvokeStream => "invoke_stream",
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::KeptResponse => "kept_response",
            Self::GenerateContent => "generate_content",
            Self::StreamGenerateContent => "stream_generate_content",
            Self::CountTokens => "count_tokens",
            Self::Predict => "predict",
            Self::Converse => "converse",
            Self::ConverseStream => "converse_stream",
            Self::InvokeTitan => "invoke_titan",
            Self::MistralChat => "mistral_chat",
            Self::PerplexityChat => "perplexity_chat",
            Self::CohereChat => "cohere_chat",
            Self::NvidiaEmbeddings => "nvidia_embeddings",
            Self::Other => "other",
        }
    }

    /// Whether a model answers there.
    pub(crate) fn is_inference(self) -> bool {
        !matches!(
            self,
            Self::Token | Self::Deployments | Self::Models | Self::KeptResponse | Self::Other
        )
    }
}
