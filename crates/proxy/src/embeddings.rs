//! What is special about a request for embeddings on its way (see `forward`): its answer is always whole.

use std::sync::Arc;

use bytes::Bytes;
use coretap_aicore::{AiCore, Endpoint, Family, InferenceRequest, Route};
use coretap_formats::{
    EmbeddingFormat, EmbeddingRequest, Encoding, embedding_answer, write_embedding_request,
};
use tokio::time::Instant;

use crate::attempt::{Begun, Fault, reach, read_whole};
use crate::configuration::Limits;
use crate::exchange::Ongoing;
use crate::forward::{Prepared, Wanted};
use crate::knowledge::ModelKnowledge;
use crate::problem::Problem;

/// How the answer is to be read and written.
pub(crate) struct Vectors {
    format: EmbeddingFormat,
    encoding: Encoding,
}

/// Sends `body` once and waits for the answer.
pub(crate) async fn attempt(
    aicore: &AiCore,
    route: &Route,
    limits: &Limits,
    vectors: &Vectors,
    asked: &str,
    body: Bytes,
) -> Result<Begun, Fault> {
    let deadline = Instant::now() + limits.first_byte;
    let request = InferenceRequest {
        stream: false,
        endpoint: Endpoint::Own,
        body,
    };
    let (upstream, upstream_id) = reach(aicore, route, limits, request, deadline).await?;
    let whole = read_whole(upstream, deadline, limits).await?;
    let answer = embedding_answer(&whole, vectors.format, asked, vectors.encoding)
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
        body,
        encoding,
        dropped,
    } = write_embedding_request(body, format, &route.model, &model.rules)?;
    ongoing.exchange.model = Some(Arc::clone(&model.name));
    ongoing.exchange.deployment = Some(Arc::clone(&model.deployment));
    ongoing.exchange.route = Some(model.format);
    ongoing.exchange.dropped = dropped;
    Ok(Prepared {
        route,
        model,
        body: Bytes::from(body),
        answer: Wanted::Vectors(Vectors { format, encoding }),
    })
}
