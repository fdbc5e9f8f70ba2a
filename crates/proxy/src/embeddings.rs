//! What is special about a request for embeddings on its way (see `forward`): its answer is always whole.

use std::iter;
use std::sync::Arc;

use bytes::Bytes;
use coretap_aicore::{AiCore, Endpoint, Family, InferenceRequest, Route};
use coretap_formats::{
    EmbeddingFormat, EmbeddingRequest, Encoding, embedding_answer, write_embedding_request,
};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use crate::attempt::{Begun, Fault, reach, read_whole};
use crate::configuration::Limits;
use crate::exchange::Ongoing;
use crate::knowledge::ModelKnowledge;
use crate::prepare::{Prepared, Wanted};
use crate::problem::Problem;

/// How many calls of one request are under way at a time, where a model takes one text a call.
const AT_ONCE: usize = 4;

/// How the answer is to be read and written.
pub(crate) struct Vectors {
    format: EmbeddingFormat,
    encoding: Encoding,
    /// The bodies behind the first one, where a model takes one text a call.
    others: Vec<Bytes>,
}

/// Sends `body`, and those that follow it, once and waits for the answers. One that fails is the failure of all.
pub(crate) async fn attempt(
    aicore: &AiCore,
    route: &Route,
    limits: &Limits,
    vectors: &Vectors,
    asked: &str,
    body: Bytes,
) -> Result<Begun, Fault> {
    let deadline = Instant::now() + limits.first_byte;
    let call = |body| async move {
        let request = InferenceRequest {
            stream: false,
            endpoint: Endpoint::Own,
            body,
        };
        let (upstream, upstream_id) = reach(aicore, route, limits, request, deadline).await?;
        Ok((read_whole(upstream, deadline, limits).await?, upstream_id))
    };
    let bodies = iter::once(body).chain(vectors.others.iter().cloned());
    let calls = stream::iter(bodies.map(call)).buffered(AT_ONCE);
    let (answers, upstream_ids): (Vec<Bytes>, Vec<_>) =
        calls.try_collect::<Vec<_>>().await?.into_iter().unzip();
    let upstream_id = upstream_ids.into_iter().flatten().next();
    let answer = embedding_answer(&answers, vectors.format, asked, vectors.encoding)
        .map_err(|failure| Fault::Refused(failure.into()))?;
    Ok(Begun::Whole { answer, upstream_id })
}

/// Writes the request in the route's format.
pub(crate) fn prepare(
    model: Arc<ModelKnowledge>,
    body: &[u8],
    route: Arc<Route>,
    ongoing: &mut Ongoing,
) -> Result<Prepared, Problem> {
    let format = match route.family {
        Family::Orchestration => EmbeddingFormat::Orchestration,
        Family::Vertex => EmbeddingFormat::Vertex,
        Family::Titan => EmbeddingFormat::Titan,
        Family::Nvidia => EmbeddingFormat::Nvidia,
        // No other family has a route for embeddings.
        _ => EmbeddingFormat::AzureOpenAi,
    };
    let EmbeddingRequest {
        bodies,
        encoding,
        dropped,
        orchestration,
    } = write_embedding_request(body, format, &route.model, &model.rules)?;
    ongoing.exchange.model = Some(Arc::clone(&model.name));
    ongoing.exchange.deployment = Some(Arc::clone(&model.deployment));
    ongoing.exchange.route = Some(model.format);
    ongoing.exchange.dropped = dropped;
    let mut bodies = bodies.into_iter().map(Bytes::from);
    ongoing.exchange.orchestration = orchestration;
    Ok(Prepared {
        route,
        model,
        other: None,
        // An input without a text was refused, so that there is a first one.
        body: bodies.next().unwrap_or_default(),
        answer: Wanted::Vectors(Vectors {
            format,
            encoding,
            others: bodies.collect(),
        }),
    })
}
