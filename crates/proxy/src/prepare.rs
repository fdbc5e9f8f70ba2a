//! A request, written for one route: what is sent, and how the answer is to be read.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use coretap_aicore::{Endpoint, Route};
use coretap_formats::{
    AgentFormat, AgentTools, AnswerOptions, ModelFormat, RequestHead, RequestSettings, Target,
    UpstreamRequest, write_compaction, write_request,
};

use crate::embeddings::{self, Vectors};
use crate::exchange::Ongoing;
use crate::knowledge::{Knowledge, ModelKnowledge};
use crate::problem::Problem;
use crate::wish::Wish;

/// A request as one route takes it.
pub(crate) struct Prepared {
    pub(crate) route: Arc<Route>,
    pub(crate) model: Arc<ModelKnowledge>,
    /// What is known of the model in Azure's other API, where the deployment has two.
    pub(crate) other: Option<Arc<ModelKnowledge>>,
    pub(crate) body: Bytes,
    pub(crate) answer: Wanted,
}

/// How the answer is to be read and written.
pub(crate) enum Wanted {
    Message(Message),
    Vectors(Vectors),
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each says one thing about the answer, and none follows from another"
)]
pub(crate) struct Message {
    agent: AgentFormat,
    /// What the upstream is asked for.
    pub(crate) streams: bool,
    pub(crate) endpoint: Endpoint,
    pub(crate) agent_streams: bool,
    pub(crate) as_array: bool,
    include_usage: bool,
    tools: AgentTools,
    settings: RequestSettings,
    /// Whether the deployment keeps the answer.
    is_kept: bool,
    estimated_input: u64,
}

/// Writes the request in the route's format. `model` is what is known of the model in the format of the route's family,
/// or, after something was learned, in the one that was written before; `other` is then what it had beside it.
pub(crate) fn prepare(
    knowledge: &Knowledge,
    wish: &Wish<'_>,
    model: Arc<ModelKnowledge>,
    other: Option<Arc<ModelKnowledge>>,
    body: &[u8],
    route: Arc<Route>,
    ongoing: &mut Ongoing,
) -> Result<Prepared, Problem> {
    let (model, responses) = match model.format {
        _ if matches!(wish, Wish::Embeddings) => return embeddings::prepare(model, body, route, ongoing),
        ModelFormat::AzureResponses => (
            other.unwrap_or_else(|| knowledge.of(&route, &model.modules)),
            Some(model),
        ),
        ModelFormat::AzureChat => {
            let other = other.or_else(|| knowledge.of_responses(&route, &model.modules));
            (model, other)
        }
        _ => (model, None),
    };
    let target = Target {
        format: model.format,
        model: &route.model,
        long_context: route.long_context,
        rules: &model.rules,
        responses: responses.as_deref().map(|responses| &responses.rules),
    };
    let (agent, path) = match wish {
        Wish::Message(wish) => (wish.agent, wish.path.as_ref()),
        Wish::Compaction | Wish::Embeddings => (AgentFormat::Responses, None),
    };
    let written = match wish {
        Wish::Message(wish) => {
            let head = RequestHead {
                format: agent,
                betas: &wish.betas,
                streams: path.is_some_and(|path| path.streams),
            };
            write_request(&head, body, &target)?
        }
        Wish::Compaction | Wish::Embeddings => write_compaction(body, &target)?,
    };
    let UpstreamRequest {
        format,
        body,
        stream: agent_streams,
        upstream_streams: streams,
        include_usage,
        tools,
        settings,
        dropped,
        is_kept,
        orchestration,
        estimated_input,
    } = written;
    let (model, other) = match responses {
        Some(responses) if responses.format == format => (responses, Some(model)),
        responses => (model, responses),
    };
    ongoing.exchange.model = Some(Arc::clone(&model.name));
    ongoing.exchange.deployment = Some(Arc::clone(&model.deployment));
    ongoing.exchange.route = Some(format);
    ongoing.exchange.stream = agent_streams;
    ongoing.exchange.dropped = dropped;
    ongoing.exchange.orchestration = orchestration;
    let endpoint = match (wish, format) {
        (Wish::Compaction, _) => Endpoint::CompactResponses,
        (_, ModelFormat::AzureResponses) => Endpoint::Responses,
        _ => Endpoint::Own,
    };
    Ok(Prepared {
        route,
        model,
        other,
        body: Bytes::from(body),
        answer: Wanted::Message(Message {
            agent,
            streams,
            endpoint,
            agent_streams,
            as_array: path.is_some_and(|path| path.as_array),
            include_usage,
            tools,
            settings,
            is_kept,
            estimated_input,
        }),
    })
}

impl Prepared {
    /// The agent's tools, where the deployment keeps the answer.
    pub(crate) fn tools_of_kept(&self) -> Option<&AgentTools> {
        match &self.answer {
            Wanted::Message(message) if message.is_kept => Some(&message.tools),
            _ => None,
        }
    }

    /// Whether the upstream is asked for something else than by `other`.
    pub(crate) fn differs_from(&self, other: &Prepared) -> bool {
        self.streams() != other.streams() || self.body != other.body
    }

    fn streams(&self) -> bool {
        matches!(&self.answer, Wanted::Message(message) if message.streams)
    }
}

impl Message {
    /// How the answer is to be read and written, for a request of this id that asked for the model by this name.
    pub(crate) fn options(&self, model: &ModelKnowledge, asked: &str, id: &str) -> AnswerOptions {
        AnswerOptions {
            agent: self.agent,
            upstream: model.format,
            model: asked.to_owned(),
            id: id.to_owned(),
            created: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs(),
            include_usage: self.include_usage,
            as_array: self.as_array,
            tools: self.tools.clone(),
            settings: self.settings.clone(),
            has_fallbacks: model.rules.fallback(1).is_some(),
            estimated_input: self.estimated_input,
        }
    }
}
