//! Which part of SAP AI Core a request is for.

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
            ["v2", "inference", "deployments", _, rest @ ..] => match rest {
                ["v2", "completion"] => Self::Completion,
                ["v2", "embeddings"] => Self::OrchestrationEmbeddings,
                ["embeddings"] => Self::Embeddings,
                ["invoke"] => Self::Invoke,
                ["invoke-with-response-stream"] => Self::InvokeStream,
                ["chat", "completions"] => Self::Chat,
                ["responses"] | ["responses", "compact"] => Self::Responses,
                ["responses", ..] => Self::KeptResponse,
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
            Self::Other => "other",
        }
    }

    /// Whether a model answers there.
    pub(crate) fn is_inference(self) -> bool {
        matches!(
            self,
            Self::Completion
                | Self::OrchestrationEmbeddings
                | Self::Invoke
                | Self::InvokeStream
                | Self::Chat
                | Self::Responses
                | Self::Embeddings
        )
    }
}
