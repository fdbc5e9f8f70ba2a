//! The steps from a token to an answer, each done for real and told as it goes: the overview's check and the
//! connection test.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use coretap_aicore::{AiCore, Selection};
use coretap_formats::OrchestrationModules;
use coretap_proxy::{Configuration, Connected, Knowledge, Limits, LocalKey, Proxy};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::sync::watch;

use crate::error::Error;
use crate::view::{HiddenModel, ProblemView, Step, StepId, StepStatus};

/// An answer to the test's question is a few hundred bytes; an error's page may be longer.
const LONGEST_ANSWER: usize = 1024 * 1024;

impl Step {
    pub(crate) fn new(id: StepId, status: StepStatus) -> Self {
        Step {
            id,
            status,
            count: None,
            hidden: None,
            name: None,
            milliseconds: None,
            problem: None,
        }
    }
}

/// What a step found: how many there are, how many can't be used, and a name.
#[derive(Default)]
struct Found {
    count: Option<usize>,
    hidden: Option<usize>,
    name: Option<String>,
}

/// Tells that a step runs, does it, and tells what came of it. Gives the step's value if it worked.
async fn step<T>(
    id: StepId,
    tell: &mut (impl FnMut(Step) + Send),
    work: impl Future<Output = Result<(T, Found), ProblemView>>,
) -> Option<T> {
    tell(Step::new(id, StepStatus::Running));
    let begun = Instant::now();
    let outcome = work.await;
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).ok();
    let number = |count: Option<usize>| count.and_then(|count| u64::try_from(count).ok());
    match outcome {
        Ok((value, found)) => {
            tell(Step {
                count: number(found.count),
                hidden: number(found.hidden),
                name: found.name,
                milliseconds,
                ..Step::new(id, StepStatus::Done)
            });
            Some(value)
        }
        Err(problem) => {
            tell(Step {
                milliseconds,
                problem: Some(problem),
                ..Step::new(id, StepStatus::Failed)
            });
            None
        }
    }
}

/// Token, resource group, deployments, models; it ends at the first step that fails. Gives the models if all worked.
pub(crate) async fn lists(aicore: &AiCore, tell: &mut (impl FnMut(Step) + Send)) -> Option<Selection> {
    let resource_group = aicore.resource_group();
    step(StepId::Token, tell, async {
        aicore.token().await?;
        Ok(((), Found::default()))
    })
    .await?;
    let deployments = step(StepId::ResourceGroup, tell, async {
        let groups = aicore.resource_groups().await?;
        let count = groups.as_ref().map(Vec::len);
        if let Some(existing) = groups.filter(|groups| groups.iter().all(|name| name != resource_group)) {
            let unknown = coretap_aicore::Error::ResourceGroupUnknown {
                resource_group: resource_group.to_owned(),
                existing,
            };
            return Err(unknown.into());
        }
        // Who may not list the groups learns by using one whether it is there.
        let deployments = aicore.deployments().await?;
        let found = Found {
            count,
            name: Some(resource_group.to_owned()),
            ..Found::default()
        };
        Ok((deployments, found))
    })
    .await?;
    step(StepId::Deployments, tell, async {
        let running = deployments.rows.iter().filter(|row| row.is_callable()).count();
        let found = Found {
            count: Some(running),
            hidden: Some(deployments.rows.len() - running),
            ..Found::default()
        };
        Ok(((), found))
    })
    .await?;
    step(StepId::Models, tell, async {
        let selection = aicore.selection().await?;
        // A group for embeddings alone is as good as another.
        if selection.models.is_empty() && selection.embeddings.is_empty() {
            return Err(match selection.hidden.into_iter().next() {
                Some(hidden) => HiddenModel::from(hidden).problem,
                None if aicore.is_orchestration() => nothing_to_ask(),
                None => ProblemView::from(Error::NothingRuns {
                    resource_group: resource_group.to_owned(),
                }),
            });
        }
        let found = Found {
            count: Some(selection.models.len()),
            hidden: Some(selection.hidden.len()),
            ..Found::default()
        };
        Ok((selection, found))
    })
    .await
}

/// There is no model at all.
pub(crate) fn nothing_to_ask() -> ProblemView {
    ProblemView::new(
        "ROUTE-MODEL-UNKNOWN",
        "SAP AI Core lists no model that can be asked.",
        "Choose another resource group, or ask whoever runs your SAP AI Core which models it has.",
    )
}

/// Lets the model of a form say something, with the built-in rules: nothing is learned for what nobody has saved.
pub(crate) async fn answer(
    aicore: &AiCore,
    modules: &Arc<OrchestrationModules>,
    model: &str,
    local_key: LocalKey,
    tell: &mut (impl FnMut(Step) + Send),
) {
    answer_with(aicore, modules, model, local_key, Arc::default(), tell).await;
}

/// Lets the model say something, on the same way as an agent's request: through a proxy that lives as long as the test. The
/// step names the model that has answered, which an alias or a selected model makes another than the asked one.
pub(crate) async fn answer_with(
    aicore: &AiCore,
    modules: &Arc<OrchestrationModules>,
    model: &str,
    local_key: LocalKey,
    knowledge: Arc<Knowledge>,
    tell: &mut (impl FnMut(Step) + Send),
) {
    let bearer = format!("Bearer {}", local_key.expose());
    let (_sender, configuration) = watch::channel(Arc::new(Configuration {
        port: 0,
        local_key,
        allowed_hosts: Vec::new(),
        selected: Connected {
            modules: Arc::clone(modules),
            ..aicore.clone().into()
        },
        others: Vec::new(),
        limits: Limits {
            // A test says what is wrong instead of trying to get around it.
            retries: 0,
            drain: std::time::Duration::ZERO,
            ..Limits::default()
        },
    }));
    let proxy = Proxy::new(configuration, knowledge, None);
    step(StepId::Answer, tell, async {
        let address = proxy.start().await.map_err(Error::Start)?;
        let found = Found {
            name: Some(ask(address, bearer, model).await?),
            ..Found::default()
        };
        Ok(((), found))
    })
    .await;
    proxy.stop().await;
}

#[derive(Deserialize)]
struct Refusal {
    error: RefusalBody,
}

#[derive(Deserialize)]
struct RefusalBody {
    message: String,
}

/// Gives the name of the model that has answered.
async fn ask(address: std::net::SocketAddr, bearer: String, model: &str) -> Result<String, ProblemView> {
    let failed = |why: String| {
        ProblemView::new(
            "PROXY-INTERNAL",
            format!("Coretap could not ask itself: {why}."),
            "",
        )
    };
    let body = format!(
        r#"{{"model":{},"max_tokens":64,"messages":[{{"role":"user","content":"Say OK."}}]}}"#,
        quoted(model)
    );
    let request = http::Request::post(format!("http://{address}/v1/chat/completions"))
        .header(HOST, address.to_string())
        .header(AUTHORIZATION, bearer)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| failed(error.to_string()))?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let answer = client
        .request(request)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, LONGEST_ANSWER).collect().await;
    let body = body.map_err(|error| failed(error.to_string()))?.to_bytes();
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    if head.status.is_success() {
        return Ok(header("x-coretap-model").unwrap_or(model).to_owned());
    }
    let code = header("x-coretap-code");
    let message = serde_json::from_slice::<Refusal>(&body).map(|refusal| refusal.error.message);
    Err(ProblemView::new(
        code.unwrap_or("UPSTREAM-REFUSED"),
        message.unwrap_or_else(|_| format!("The model did not answer (status {}).", head.status.as_u16())),
        "",
    ))
}

/// A model's name as JSON text.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
