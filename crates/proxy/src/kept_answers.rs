//! Answers that deployments keep (Responses with `store`), and what agents may ask of them later. Only the deployment that
//! gave an answer has it, so its id is remembered here, as long as Coretap runs.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::response::Response;
use coretap_aicore::{AnswerCall, Route};
use coretap_formats::{AgentTools, UpstreamError, kept_answer, read_upstream_error};
use http::header::{CONTENT_TYPE, HeaderValue};
use tokio::time::{Instant, timeout_at};

use crate::attempt::{Begun, read_whole};
use crate::configuration::{Configuration, Connected};
use crate::prepare::Prepared;
use crate::problem::Problem;

/// More answers than agents come back to; OpenAI itself forgets them after thirty days.
const MOST: usize = 10_000;

/// Where an answer is kept, and how its agent knows it.
#[derive(Clone)]
pub(crate) struct Kept {
    /// The name of the connection that reaches it.
    pub(crate) connection: Arc<str>,
    /// The route of the deployment that has it.
    pub(crate) route: Arc<Route>,
    /// The model's name as the agent spelt it.
    pub(crate) asked: Arc<str>,
    /// The tools that the agent knows in another form than the model.
    pub(crate) tools: Arc<AgentTools>,
}

/// The answers that are kept somewhere, by their ids.
#[derive(Default)]
pub(crate) struct KeptAnswers(Mutex<Known>);

#[derive(Default)]
struct Known {
    answers: HashMap<String, Kept>,
    /// The ids, the oldest first.
    order: VecDeque<String>,
}

impl KeptAnswers {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers where an answer is kept.
    pub(crate) fn remember(&self, id: &str, kept: Kept) {
        let mut known = self.lock();
        if known.answers.insert(id.to_owned(), kept).is_none() {
            known.order.push_back(id.to_owned());
        }
        if known.order.len() > MOST
            && let Some(oldest) = known.order.pop_front()
        {
            known.answers.remove(&oldest);
        }
    }

    /// Remembers an answer that has begun, where its deployment keeps it. `asked` is the model's name as the agent spelt it.
    pub(crate) fn remember_begun(
        &self,
        begun: &Begun,
        prepared: &Prepared,
        connection: &Connected,
        asked: &str,
    ) {
        let id = match begun {
            Begun::Whole { answer, .. } => answer.id.as_deref(),
            Begun::Stream { opening, .. } => opening.answer.id(),
        };
        if let (Some(id), Some(tools)) = (id, prepared.tools_of_kept()) {
            let kept = Kept {
                connection: Arc::clone(&connection.name),
                route: Arc::clone(&prepared.route),
                asked: Arc::from(asked),
                tools: Arc::new(tools.clone()),
            };
            self.remember(id, kept);
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().answers.is_empty()
    }

    /// Where an answer is kept.
    pub(crate) fn find(&self, id: &str) -> Option<Kept> {
        self.lock().answers.get(id).cloned()
    }
}

/// Asks the deployment that keeps the answer, and gives what it says.
pub(crate) async fn ask(
    configuration: &Configuration,
    answers: &KeptAnswers,
    call: AnswerCall,
    id: &str,
    query: Option<&str>,
) -> Result<Response, Problem> {
    let kept = answers.find(id).ok_or_else(|| Problem::answer_unknown(id))?;
    let connection = configuration.named(&kept.connection);
    let aicore = &connection.ok_or_else(|| Problem::answer_unknown(id))?.aicore;
    let limits = &configuration.limits;
    let deadline = Instant::now() + limits.first_byte;
    let sent = timeout_at(deadline, aicore.send_about_answer(&kept.route, call, id, query)).await;
    let sent = sent.map_err(|_| Problem::silent(limits.first_byte.as_secs()))??;
    let (head, body) = sent.ok_or_else(|| Problem::answer_unknown(id))?.into_parts();
    let body = read_whole(body, deadline, limits).await?;
    let status = head.status.as_u16();
    if !head.status.is_success() {
        let UpstreamError {
            message,
            code,
            retry_after,
        } = read_upstream_error(&body);
        return Err(Problem::refused(status, message, code, retry_after));
    }
    let told = match call {
        AnswerCall::Get | AnswerCall::Cancel => kept_answer(&body, &kept.asked, &kept.tools),
        AnswerCall::Delete | AnswerCall::InputItems => None,
    };
    let mut response = Response::new(told.map_or_else(|| Body::from(body), Body::from));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}
