//! One try to have a request answered, up to the first thing that the model says.

use std::time::Duration;

use bytes::Bytes;
use coretap_aicore::{AiCore, InferenceRequest, Route};
use coretap_formats::event::Failure;
use coretap_formats::{
    Answer, AnswerOptions, AnswerStream, Progress, UpstreamError, answer, answer_as_stream,
    read_filter_verdict, read_upstream_error,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Body;
use http_body_util::{BodyExt, Collected, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use crate::configuration::Limits;
use crate::problem::Problem;
use crate::retry;

/// The longest error body that is read.
const LONGEST_REFUSAL: usize = 256 * 1024;

/// An answer that has begun.
pub(crate) enum Begun {
    /// It is there as a whole.
    Whole {
        answer: Answer,
        upstream_id: Option<HeaderValue>,
    },
    /// Its first events are there. In a box, so that whole answers are not moved about with the room for a stream.
    Stream {
        opening: Box<Opening<Incoming>>,
        upstream_id: Option<HeaderValue>,
    },
}

impl Begun {
    /// How many models of the request's list failed before the one that answers.
    pub(crate) fn failed_models(&self) -> usize {
        match self {
            Begun::Whole { answer, .. } => answer.failed_models,
            Begun::Stream { opening, .. } => opening.answer.failed_models(),
        }
    }
}

/// A stream whose first events have been looked at.
pub(crate) struct Opening<B> {
    /// The rest of the upstream's bytes.
    pub(crate) upstream: B,
    /// The translation so far.
    pub(crate) answer: AnswerStream,
    /// What it has written.
    pub(crate) out: Vec<u8>,
    /// Whether the upstream has already said its regular end.
    pub(crate) ended: bool,
}

/// Why a try came to nothing.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Neither another try nor another route helps.
    Final(Problem),
    /// The way to SAP AI Core failed.
    Core(coretap_aicore::Error),
    /// The upstream said no.
    Refused(Refusal),
    /// The connection broke before the model had said anything.
    Cut(String),
}

/// An upstream's no: by its HTTP status, or inside a body that it had begun with 200.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The HTTP status, or the one that it stands for.
    pub(crate) status: u16,
    /// The upstream's text, word for word.
    pub(crate) text: String,
    /// The upstream's own code.
    pub(crate) code: Option<String>,
    /// Seconds to wait, where the upstream says so.
    pub(crate) retry_after: Option<u64>,
    /// Whether it came inside a body begun with 200.
    pub(crate) in_stream: bool,
    /// What the input filter found, where it is the one that refused and says so.
    pub(crate) verdict: Option<String>,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Refusal {
            status: failure.status,
            text: failure.message,
            code: None,
            retry_after: failure.retry_after,
            in_stream: true,
            verdict: None,
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Final(problem) => problem,
            Fault::Core(error) => error.into(),
            Fault::Refused(Refusal {
                text,
                verdict: Some(verdict),
                ..
            }) => Problem::filtered(text, Some(&verdict)),
            Fault::Refused(refusal) => {
                Problem::refused(refusal.status, refusal.text, refusal.code, refusal.retry_after)
            }
            Fault::Cut(detail) => Problem::cut(&detail),
        }
    }
}

/// Sends a request once and waits for the answer to begin. `agent_streams` says whether the agent wants a stream.
pub(crate) async fn attempt(
    aicore: &AiCore,
    route: &Route,
    limits: &Limits,
    options: AnswerOptions,
    request: InferenceRequest,
    agent_streams: bool,
) -> Result<Begun, Fault> {
    let deadline = Instant::now() + limits.first_byte;
    let stream = request.stream;
    let (upstream, upstream_id) = reach(aicore, route, limits, request, deadline).await?;
    if stream {
        let opening = open(upstream, AnswerStream::new(options), deadline, limits).await?;
        return Ok(Begun::Stream {
            opening: Box::new(opening),
            upstream_id,
        });
    }
    let whole = read_whole(upstream, deadline, limits).await?;
    let translate = if agent_streams { answer_as_stream } else { answer };
    let answer = translate(&options, &whole).map_err(|failure| Fault::Refused(failure.into()))?;
    Ok(Begun::Whole { answer, upstream_id })
}

/// Sends a request and gives the answer's body and the upstream's id for it; a refusal is read to its end.
pub(crate) async fn reach(
    aicore: &AiCore,
    route: &Route,
    limits: &Limits,
    request: InferenceRequest,
    deadline: Instant,
) -> Result<(Incoming, Option<HeaderValue>), Fault> {
    let response = timeout_at(deadline, aicore.send(route, request))
        .await
        .map_err(|_| silent(limits.first_byte))?
        .map_err(Fault::Core)?;
    let status = response.status().as_u16();
    let (head, mut upstream) = response.into_parts();
    if (300..400).contains(&status) {
        return Err(Fault::Final(Problem::redirected(status)));
    }
    if status != 200 {
        let text = timeout_at(deadline, read_at_most(&mut upstream, LONGEST_REFUSAL))
            .await
            .map_err(|_| silent(limits.first_byte))?;
        let UpstreamError {
            message,
            code,
            retry_after,
        } = read_upstream_error(&text);
        return Err(Fault::Refused(Refusal {
            status,
            text: message,
            code,
            retry_after: retry::retry_after(&head.headers).or(retry_after),
            in_stream: false,
            verdict: (status == 400).then(|| read_filter_verdict(&text)).flatten(),
        }));
    }
    Ok((upstream, upstream_id(&head.headers)))
}

/// Reads a whole answer, as long as answers may be. Nothing of it goes to the agent before its end, so it has to be there
/// as soon as a stream's first byte.
pub(crate) async fn read_whole(
    upstream: Incoming,
    deadline: Instant,
    limits: &Limits,
) -> Result<Bytes, Fault> {
    timeout_at(deadline, Limited::new(upstream, limits.answer).collect())
        .await
        .map_err(|_| silent(limits.first_byte))?
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                Fault::Final(Problem::answer_too_large(limits.answer))
            } else {
                Fault::Cut(causes(&*error))
            }
        })
        .map(Collected::to_bytes)
}

/// Reads a stream's first events until the model says something, or until events that only open have stood alone for
/// `first_event`.
pub(crate) async fn open<B>(
    mut upstream: B,
    mut answer: AnswerStream,
    deadline: Instant,
    limits: &Limits,
) -> Result<Opening<B>, Fault>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error,
{
    let mut out = Vec::with_capacity(1024);
    let mut window_ends = None;
    loop {
        let frame = match (
            timeout_at(window_ends.unwrap_or(deadline), upstream.frame()).await,
            window_ends,
        ) {
            (Ok(frame), _) => frame,
            (Err(_), Some(_)) => {
                return Ok(Opening {
                    upstream,
                    answer,
                    out,
                    ended: false,
                });
            }
            (Err(_), None) => return Err(silent(limits.first_byte)),
        };
        let progress = match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) if !bytes.is_empty() => answer.push(&bytes, &mut out),
                _ => continue,
            },
            Some(Err(error)) => return Err(Fault::Cut(causes(&error))),
            None => match answer.finish(&mut out) {
                Progress::Opening | Progress::Running => return Err(Fault::Cut("it ended early".to_owned())),
                over => over,
            },
        };
        match progress {
            Progress::Opening => {
                window_ends = window_ends.or_else(|| Some(Instant::now() + limits.first_event));
            }
            Progress::Running => {
                return Ok(Opening {
                    upstream,
                    answer,
                    out,
                    ended: false,
                });
            }
            Progress::Ended => {
                return Ok(Opening {
                    upstream,
                    answer,
                    out,
                    ended: true,
                });
            }
            Progress::Failed(failure) => return Err(Fault::Refused(failure.into())),
            Progress::Cut(failure) => return Err(Fault::Cut(failure.message)),
        }
    }
}

/// The error and what caused it, in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

fn silent(limit: Duration) -> Fault {
    Fault::Final(Problem::silent(limit.as_secs()))
}

/// Reads a body as far as it comes and is wanted.
async fn read_at_most(body: &mut Incoming, most: usize) -> Vec<u8> {
    let mut text = Vec::new();
    while text.len() < most {
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    text.extend_from_slice(&bytes);
                }
            }
            Some(Err(_)) | None => break,
        }
    }
    text
}

fn upstream_id(headers: &HeaderMap) -> Option<HeaderValue> {
    headers
        .get(const { HeaderName::from_static("x-request-id") })
        .cloned()
}
