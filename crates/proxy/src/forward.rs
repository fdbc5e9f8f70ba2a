//! The way of a request: find the route, write the route's format, send it, and send it again where that helps.

use std::hash::Hasher;
use std::sync::Arc;

use bytes::Bytes;
use coretap_aicore::{AiCore, InferenceRequest};
use coretap_formats::ModelFormat;

use crate::attempt::{Begun, Fault, attempt};
use crate::candidates::Candidates;
use crate::configuration::{Configuration, Limits};
use crate::embeddings;
use crate::exchange::Ongoing;
use crate::heal::Healing;
use crate::knowledge::{Knowledge, ModelKnowledge};
use crate::prepare::{Prepared, Wanted, prepare};
use crate::problem::Problem;
use crate::retry;
use crate::server::Shared;
use crate::wish::Wish;

/// An answer that has begun, and what stands in its head.
pub(crate) struct Forwarded {
    pub(crate) begun: Begun,
    pub(crate) model: Arc<ModelKnowledge>,
    /// Whether its stream is a JSON array.
    pub(crate) as_array: bool,
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
                    let mut found = found.await.map_err(Fault::Core)?;
                    stay_where_kept(configuration, shared, wish, body, &mut found, ongoing)
                        .map_err(Fault::Final)?;
                    none.insert(found)
                }
            };
            let ready = if let Some(ready) = prepared.take() {
                ready
            } else {
                let route = Arc::clone(candidates.route());
                let model = knowledge.of(&route, &candidates.connection().modules);
                prepare(knowledge, wish, model, None, body, route, ongoing).map_err(Fault::Final)?
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
                if refusal.status != 404 {
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

/// A request that goes on from a kept answer is asked of the deployment that keeps it, and of no other one: only that one
/// can.
fn stay_where_kept<'a>(
    configuration: &'a Configuration,
    shared: &Shared,
    wish: &Wish<'_>,
    body: &[u8],
    candidates: &mut Candidates<'a>,
    ongoing: &mut Ongoing,
) -> Result<(), Problem> {
    let answers = &shared.kept_answers;
    // Few agents have answers kept, and for all others nothing is looked for in the body.
    if answers.is_empty() {
        return Ok(());
    }
    if let Some(kept) = wish.previous_answer(body).and_then(|id| answers.find(&id)) {
        let model = &candidates.route().model;
        if kept.route.model != *model {
            return Err(Problem::answer_of_another_model(&kept.asked, model));
        }
        candidates.stay_at(configuration, &kept, ongoing);
    }
    Ok(())
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
