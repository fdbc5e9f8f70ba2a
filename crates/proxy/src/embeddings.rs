//! The way of a request for embeddings: like that of any other (see `forward`), but its answer is always whole.

use std::sync::Arc;

use bytes::Bytes;
use coretap_aicore::{Family, InferenceRequest, Purpose, Route};
use coretap_formats::{
    EmbeddingFormat, EmbeddingRequest, Encoding, embedding_answer, model_name, write_embedding_request,
};
use tokio::time::Instant;

use crate::attempt::{Begun, Fault, reach, read_whole};
use crate::configuration::Configuration;
use crate::exchange::Ongoing;
use crate::forward::Forwarded;
use crate::heal::Healing;
use crate::knowledge::{Knowledge, ModelKnowledge};
use crate::problem::Problem;
use crate::retry;

/// A request as one route takes it.
struct Prepared {
    route: Arc<Route>,
    model: Arc<ModelKnowledge>,
    format: EmbeddingFormat,
    encoding: Encoding,
    body: Bytes,
}

/// Takes a request to SAP AI Core and waits for its answer.
pub(crate) async fn embed(
    configuration: &Configuration,
    knowledge: &Knowledge,
    body: &Bytes,
    ongoing: &mut Ongoing,
) -> Result<Forwarded, Problem> {
    let asked = model_name(body)?;
    ongoing.exchange.asked_model = Some(asked.clone());
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
                let route = aicore.route_for(Purpose::Embeddings, &asked).await;
                let route = route.map_err(Fault::Core)?;
                prepare(knowledge.of(&route), body, route, ongoing).map_err(Fault::Final)?
            };
            let ready = prepared.insert(ready);
            let request = InferenceRequest {
                stream: false,
                body: ready.body.clone(),
            };
            let deadline = Instant::now() + limits.first_byte;
            let (upstream, upstream_id) = reach(aicore, &ready.route, limits, request, deadline).await?;
            let whole = read_whole(upstream, deadline, limits).await?;
            let answer = embedding_answer(&whole, ready.format, &asked, ready.encoding)
                .map_err(|failure| Fault::Refused(failure.into()))?;
            Ok(Forwarded {
                begun: Begun::Whole { answer, upstream_id },
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
                let route = aicore
                    .route_anew(Purpose::Embeddings, &asked, ongoing.age())
                    .await?;
                if route.deployment_id != ready.route.deployment_id {
                    prepared = Some(prepare(knowledge.of(&route), body, route, ongoing)?);
                    healing = Healing::default();
                    ongoing.exchange.retries += 1;
                    continue;
                }
            } else if refusal.status == 400 {
                let healed = healing.heal(&refusal.text, &ready.model, |model| {
                    let healed = prepare(model, body, Arc::clone(&ready.route), ongoing)?;
                    Ok((healed.body != ready.body).then_some(healed))
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
    body: &[u8],
    route: Arc<Route>,
    ongoing: &mut Ongoing,
) -> Result<Prepared, Problem> {
    let format = match route.family {
        Family::Orchestration => EmbeddingFormat::Orchestration,
        // Of the models with a deployment of their own only Azure's have a route for embeddings.
        Family::AzureOpenAi | Family::Claude => EmbeddingFormat::AzureOpenAi,
    };
    let EmbeddingRequest {
        body,
        encoding,
        dropped,
    } = write_embedding_request(body, format, &route.model, &model.rules)?;
    ongoing.exchange.model = Some(Arc::clone(&model.name));
    ongoing.exchange.route = Some(model.format);
    ongoing.exchange.dropped = dropped;
    Ok(Prepared {
        route,
        model,
        format,
        encoding,
        body: Bytes::from(body),
    })
}
