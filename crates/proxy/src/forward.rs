//! The way of a request: find the route, write the route's format, send it, and send it again where that helps.

use std::borrow::Cow;
use std::hash::Hasher;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use coretap_aicore::{AiCore, Endpoint, InferenceRequest, Purpose, Route};
use coretap_formats::{
    AgentFormat, AgentTools, AnswerOptions, ModelFormat, RequestHead, RequestSettings, Target,
    UpstreamRequest, hash_beginning, model_name, write_compaction, write_request,
};
use http::{HeaderMap, HeaderName};

use crate::attempt::{Begun, Fault, attempt};
use crate::candidates::Candidates;
use crate::configuration::{Configuration, Limits};
use crate::embeddings::{self, Vectors};
use crate::exchange::Ongoing;
use crate::heal::Healing;
use crate::knowledge::{Knowledge, ModelKnowledge};
use crate::problem::Problem;
use crate::retry;
use crate::server::Shared;

/// An answer that has begun, and what stands in its head.
pub(crate) struct Forwarded {
    pub(crate) begun: Begun,
    pub(crate) model: Arc<ModelKnowledge>,
    /// Whether its stream is a JSON array.
    pub(crate) as_array: bool,
}

/// What an agent asks for.
pub(crate) enum Wish<'a> {
    /// The next message.
    Message(MessageWish<'a>),
    /// The conversation, compacted by the model's vendor.
    Compaction,
    /// Vectors.
    Embeddings,
}

/// What a request for the next message says outside its body.
pub(crate) struct MessageWish<'a> {
    agent: AgentFormat,
    betas: Cow<'a, str>,
    headers: Option<&'a HeaderMap>,
    /// Gemini says in the path which model it means, and how it wants the answer.
    path: Option<GeminiPath<'a>>,
}

/// What Gemini's path says: `/v1beta/models/{model}:streamGenerateContent?alt=sse`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GeminiPath<'a> {
    pub(crate) model: Cow<'a, str>,
    pub(crate) streams: bool,
    /// A stream as a JSON array, because `alt=sse` was not asked for.
    pub(crate) as_array: bool,
}

impl<'a> Wish<'a> {
    pub(crate) fn message(agent: AgentFormat, headers: &'a HeaderMap) -> Self {
        Wish::Message(MessageWish {
            agent,
            betas: betas(headers),
            headers: Some(headers),
            path: None,
        })
    }

    pub(crate) fn gemini(path: GeminiPath<'a>) -> Self {
        Wish::Message(MessageWish {
            agent: AgentFormat::Gemini,
            betas: Cow::Borrowed(""),
            headers: None,
            path: Some(path),
        })
    }

    /// The model's name, as the agent spells it.
    fn model(&self, body: &[u8]) -> Result<String, Problem> {
        match self {
            Wish::Message(MessageWish { path: Some(path), .. }) => Ok(path.model.clone().into_owned()),
            _ => Ok(model_name(body)?),
        }
    }

    /// Feeds `hasher` with what tells the request's conversation from others: the agent's own ids of it, else its
    /// beginning. Says whether there is anything; requests for embeddings are no conversation.
    fn identify(&self, body: &[u8], mut hasher: &mut dyn Hasher) -> bool {
        let Wish::Message(wish) = self else {
            return false;
        };
        let named = wish.headers.is_some_and(|headers| session(headers, hasher));
        named || hash_beginning(wish.agent, body, &mut hasher)
    }

    fn purpose(&self) -> Purpose {
        match self {
            Wish::Message(_) | Wish::Compaction => Purpose::Chat,
            Wish::Embeddings => Purpose::Embeddings,
        }
    }
}

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
    streams: bool,
    endpoint: Endpoint,
    agent_streams: bool,
    as_array: bool,
    include_usage: bool,
    tools: AgentTools,
    settings: RequestSettings,
    /// Whether the deployment keeps the answer.
    is_kept: bool,
    /// The earlier answer that the request goes on from.
    previous_answer: Option<String>,
    estimated_input: u64,
}

/// Takes a request to SAP AI Core and waits for its answer to begin.
pub(crate) async fn forward(
    configuration: &Configuration,
    shared: &Shared,
    wish: &Wish<'_>,
    body: &Bytes,
    ongoing: &mut Ongoing,
) -> Result<Forwarded, Problem> {
    let knowledge: &Knowledge = &shared.knowledge;
    let asked = wish.model(body)?;
    ongoing.exchange.asked_model = Some(asked.clone());
    let purpose = wish.purpose();
    let limits = &configuration.limits;

    let mut candidates: Option<Candidates<'_>> = None;
    let mut prepared: Option<Prepared> = None;
    let mut healing = Healing::default();
    let mut rerouted = false;
    let mut pauses = 0;
    loop {
        let tried = async {
            let candidates = match &mut candidates {
                Some(found) => found,
                none => {
                    let identify = |hasher: &mut dyn Hasher| wish.identify(body, hasher);
                    let found = Candidates::find(configuration, purpose, &asked, identify, ongoing);
                    none.insert(found.await.map_err(Fault::Core)?)
                }
            };
            let ready = if let Some(ready) = prepared.take() {
                ready
            } else {
                let written = write_for(configuration, shared, wish, candidates, body, ongoing);
                written.map_err(Fault::Final)?
            };
            let ready = prepared.insert(ready);
            let begun = begin(candidates.aicore(), limits, ready, &asked, &ongoing.exchange.id).await?;
            candidates.answered(ongoing);
            Ok(Forwarded {
                begun,
                model: Arc::clone(&ready.model),
                as_array: matches!(&ready.answer, Wanted::Message(message) if message.as_array),
            })
        };
        let fault = match tried.await {
            Ok(mut forwarded) => {
                healing.remember(knowledge, &forwarded.model);
                if let (Some(ready), Some(candidates)) = (&prepared, &candidates) {
                    shared.kept_answers.remember_begun(
                        &forwarded.begun,
                        ready,
                        candidates.connection(),
                        &asked,
                    );
                }
                let failed_models = forwarded.begun.failed_models();
                if failed_models > 0 {
                    forwarded.model = forwarded.model.answered_after(failed_models);
                    ongoing.exchange.model = Some(Arc::clone(&forwarded.model.name));
                }
                return Ok(forwarded);
            }
            Err(fault) => fault,
        };
        if let (Fault::Refused(refusal), Some(ready), Some(candidates)) = (&fault, &prepared, &mut candidates)
        {
            if refusal.status == 404 && !rerouted {
                // The deployment may be gone, and another one there.
                rerouted = true;
                if Box::pin(candidates.look_again(purpose, &asked, ongoing)).await? {
                    prepared = None;
                    healing = Healing::default();
                    ongoing.exchange.retries += 1;
                    continue;
                }
            }
            let azure = matches!(
                ready.model.format,
                ModelFormat::AzureChat | ModelFormat::AzureResponses
            );
            // Mistral's validator answers 422, and Azure's 404 may mean that the deployment has no such path.
            if matches!(refusal.status, 400 | 422) || refusal.status == 404 && azure {
                let healed = healing.heal(&refusal.text, &ready.model, |model| {
                    let (other, route) = (ready.other.clone(), Arc::clone(&ready.route));
                    let healed = prepare(knowledge, wish, model, other, body, route, ongoing)?;
                    Ok(healed.differs_from(ready).then_some(healed))
                })?;
                if healed.is_some() {
                    prepared = healed;
                    ongoing.exchange.retries += 1;
                    continue;
                }
                if refusal.status == 400 {
                    healing.remember(knowledge, &ready.model);
                }
            }
        }
        let going_on = match &mut candidates {
            Some(candidates) => candidates.go_on(fault, ongoing),
            None => Err(fault),
        };
        let Err(fault) = going_on else {
            prepared = None;
            healing = Healing::default();
            ongoing.exchange.retries += 1;
            continue;
        };
        let Some(pause) = retry::pause(&fault, pauses, limits) else {
            return Err(fault.into());
        };
        retry::log(&fault, pause);
        pauses += 1;
        ongoing.exchange.retries += 1;
        tokio::time::sleep(pause).await;
        if let Some(candidates) = &mut candidates
            && candidates.begin_anew(ongoing)
        {
            prepared = None;
            healing = Healing::default();
        }
    }
}

/// Writes the request for the deployment to ask now, or for the one that keeps the answer that it goes on from: only that
/// one can.
fn write_for<'a>(
    configuration: &'a Configuration,
    shared: &Shared,
    wish: &Wish<'_>,
    candidates: &mut Candidates<'a>,
    body: &[u8],
    ongoing: &mut Ongoing,
) -> Result<Prepared, Problem> {
    let knowledge = &shared.knowledge;
    let write = |candidates: &Candidates<'_>, ongoing: &mut Ongoing| {
        let route = Arc::clone(candidates.route());
        let model = knowledge.of(&route, &candidates.connection().modules);
        prepare(knowledge, wish, model, None, body, route, ongoing)
    };
    let ready = write(candidates, ongoing)?;
    let Some(kept) = shared.kept_answers.of_previous(&ready) else {
        return Ok(ready);
    };
    if kept.route.model != ready.route.model {
        return Err(Problem::answer_of_another_model(&kept.asked, &ready.route.model));
    }
    candidates.stay_at(configuration, &kept, ongoing);
    write(candidates, ongoing)
}

/// Sends a request once and waits for its answer to begin.
async fn begin(
    aicore: &AiCore,
    limits: &Limits,
    ready: &Prepared,
    asked: &str,
    id: &str,
) -> Result<Begun, Fault> {
    match &ready.answer {
        Wanted::Message(message) => {
            let options = message.options(&ready.model, asked, id);
            let request = InferenceRequest {
                stream: message.streams,
                endpoint: message.endpoint,
                body: ready.body.clone(),
            };
            attempt(
                aicore,
                &ready.route,
                limits,
                options,
                request,
                message.agent_streams,
            )
            .await
        }
        Wanted::Vectors(vectors) => {
            embeddings::attempt(aicore, &ready.route, limits, vectors, asked, ready.body.clone()).await
        }
    }
}

/// Writes the request in the route's format. `model` is what is known of the model in the format of the route's family,
/// or, after something was learned, in the one that was written before; `other` is then what it had beside it.
fn prepare(
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
        previous_answer,
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
            previous_answer,
            estimated_input,
        }),
    })
}

impl Prepared {
    /// The earlier answer that the request goes on from, by its id.
    pub(crate) fn previous_answer(&self) -> Option<&str> {
        match &self.answer {
            Wanted::Message(message) => message.previous_answer.as_deref(),
            Wanted::Vectors(_) => None,
        }
    }

    /// The agent's tools, where the deployment keeps the answer.
    pub(crate) fn tools_of_kept(&self) -> Option<&AgentTools> {
        match &self.answer {
            Wanted::Message(message) if message.is_kept => Some(&message.tools),
            _ => None,
        }
    }

    /// Whether the upstream is asked for something else than by `other`.
    fn differs_from(&self, other: &Prepared) -> bool {
        self.streams() != other.streams() || self.body != other.body
    }

    fn streams(&self) -> bool {
        matches!(&self.answer, Wanted::Message(message) if message.streams)
    }
}

impl Message {
    fn options(&self, model: &ModelKnowledge, asked: &str, id: &str) -> AnswerOptions {
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

/// Feeds `hasher` with the ids of session and agent that agents send (agents.md §3), if there are any.
fn session(headers: &HeaderMap, hasher: &mut dyn Hasher) -> bool {
    const IDS: [HeaderName; 6] = [
        HeaderName::from_static("x-claude-code-session-id"),
        // Each of the agents in one session talks about something else.
        HeaderName::from_static("x-claude-code-agent-id"),
        HeaderName::from_static("thread-id"),
        HeaderName::from_static("session-id"),
        HeaderName::from_static("x-session-id"),
        HeaderName::from_static("x-session-affinity"),
    ];
    let mut is_fed = false;
    for id in IDS.iter().filter_map(|name| headers.get(name)) {
        hasher.write(id.as_bytes());
        is_fed = true;
    }
    is_fed
}

/// The `anthropic-beta` headers as one list.
fn betas(headers: &HeaderMap) -> Cow<'_, str> {
    let mut values = headers
        .get_all(const { HeaderName::from_static("anthropic-beta") })
        .iter()
        .filter_map(|value| value.to_str().ok());
    let first = values.next().unwrap_or_default();
    values.fold(Cow::Borrowed(first), |list, value| {
        Cow::Owned(format!("{list},{value}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_beta_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        assert_eq!(betas(&headers), "");
        headers.append("anthropic-beta", "a-2025-01-01,b-2025-01-01".parse().unwrap());
        assert!(matches!(
            betas(&headers),
            Cow::Borrowed("a-2025-01-01,b-2025-01-01")
        ));
        headers.append("anthropic-beta", "c-2025-01-01".parse().unwrap());
        assert_eq!(betas(&headers), "a-2025-01-01,b-2025-01-01,c-2025-01-01");
    }
}
