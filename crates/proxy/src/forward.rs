//! The way of a request: find the route, write the route's format, send it, and send it again where that helps.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use coretap_aicore::{Purpose, Route};
use coretap_formats::{AgentFormat, AnswerOptions, Target, UpstreamRequest, model_name, write_request};
use http::{HeaderMap, HeaderName};

use crate::attempt::{Begun, Fault, attempt};
use crate::configuration::Configuration;
use crate::exchange::Ongoing;
use crate::heal::Healing;
use crate::knowledge::{Knowledge, ModelKnowledge};
use crate::problem::Problem;
use crate::retry;

/// An answer that has begun, and what stands in its head.
pub(crate) struct Forwarded {
    pub(crate) begun: Begun,
    pub(crate) model: Arc<ModelKnowledge>,
}

/// A request as one route takes it.
struct Prepared {
    route: Arc<Route>,
    model: Arc<ModelKnowledge>,
    body: Bytes,
    /// What the upstream is asked for.
    streams: bool,
    agent_streams: bool,
    include_usage: bool,
    estimated_input: u64,
}

/// Takes a request to SAP AI Core and waits for its answer to begin.
pub(crate) async fn forward(
    configuration: &Configuration,
    knowledge: &Knowledge,
    agent: AgentFormat,
    headers: &HeaderMap,
    body: &Bytes,
    ongoing: &mut Ongoing,
) -> Result<Forwarded, Problem> {
    let asked = model_name(body)?;
    ongoing.exchange.asked_model = Some(asked.clone());
    let betas = betas(headers);
    let aicore = &configuration.aicore;
    let limits = &configuration.limits;

    let mut prepared: Option<Prepared> = None;
    let mut healing = Healing::default();
    let mut rerouted = false;
    let mut pauses = 0;
    loop {
        let tried = async {
            let ready = if let Some(ready) = prepared.take() {
                ready
            } else {
                let route = aicore.route(&asked).await.map_err(Fault::Core)?;
                let model = knowledge.of(&route);
                prepare(model, agent, body, &betas, route, ongoing).map_err(Fault::Final)?
            };
            let ready = prepared.insert(ready);
            let options = ready.options(agent, &asked, &ongoing.exchange.id);
            let body = ready.body.clone();
            let begun = attempt(
                aicore,
                &ready.route,
                limits,
                options,
                body,
                ready.streams,
                ready.agent_streams,
            )
            .await?;
            Ok(Forwarded {
                begun,
                model: Arc::clone(&ready.model),
            })
        };
        let fault = match tried.await {
            Ok(forwarded) => {
                healing.remember(knowledge, &forwarded.model);
                return Ok(forwarded);
            }
            Err(fault) => fault,
        };

        if let (Fault::Refused(refusal), Some(ready)) = (&fault, &prepared) {
            if refusal.status == 404 && !rerouted {
                // The deployment may be gone, and another one there.
                rerouted = true;
                let route = aicore.route_anew(Purpose::Chat, &asked, ongoing.age()).await?;
                if route.deployment_id != ready.route.deployment_id {
                    let model = knowledge.of(&route);
                    prepared = Some(prepare(model, agent, body, &betas, route, ongoing)?);
                    healing = Healing::default();
                    ongoing.exchange.retries += 1;
                    continue;
                }
            } else if refusal.status == 400 {
                let healed = healing.heal(&refusal.text, &ready.model, |model| {
                    let healed = prepare(model, agent, body, &betas, Arc::clone(&ready.route), ongoing)?;
                    Ok(healed.differs_from(ready).then_some(healed))
                })?;
                if healed.is_some() {
                    prepared = healed;
                    ongoing.exchange.retries += 1;
                    continue;
                }
                healing.remember(knowledge, &ready.model);
            }
        }
        let Some(pause) = retry::pause(&fault, pauses, limits) else {
            return Err(fault.into());
        };
        retry::log(&fault, pause);
        pauses += 1;
        ongoing.exchange.retries += 1;
        tokio::time::sleep(pause).await;
    }
}

/// Writes the request in the route's format.
fn prepare(
    model: Arc<ModelKnowledge>,
    agent: AgentFormat,
    body: &[u8],
    betas: &str,
    route: Arc<Route>,
    ongoing: &mut Ongoing,
) -> Result<Prepared, Problem> {
    let cannot_stream = !model.rules.streams();
    let target = Target {
        format: model.format,
        model: &route.model,
        long_context: route.long_context,
        rules: &model.rules,
        stream: cannot_stream.then_some(false),
    };
    let UpstreamRequest {
        body,
        stream: agent_streams,
        include_usage,
        dropped,
        estimated_input,
    } = write_request(agent, body, betas, &target)?;
    ongoing.exchange.model = Some(Arc::clone(&model.name));
    ongoing.exchange.route = Some(model.format);
    ongoing.exchange.stream = agent_streams;
    ongoing.exchange.dropped = dropped;
    Ok(Prepared {
        route,
        model,
        body: Bytes::from(body),
        streams: agent_streams && !cannot_stream,
        agent_streams,
        include_usage,
        estimated_input,
    })
}

impl Prepared {
    /// Whether the upstream is asked for something else than by `other`.
    fn differs_from(&self, other: &Prepared) -> bool {
        self.streams != other.streams || self.body != other.body
    }

    fn options(&self, agent: AgentFormat, asked: &str, id: &str) -> AnswerOptions {
        AnswerOptions {
            agent,
            upstream: self.model.format,
            model: asked.to_owned(),
            id: id.to_owned(),
            created: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs(),
            include_usage: self.include_usage,
            estimated_input: self.estimated_input,
        }
    }
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
