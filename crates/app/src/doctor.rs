//! Every check that can say why an agent gets no answer: the way to SAP AI Core step by step, and beside it what can be
//! wrong on this machine.

use std::time::{Duration, SystemTime};

use coretap_aicore::AiCore;
use coretap_proxy::HealthState;
use serde::Serialize;

use crate::coretap::Coretap;
use crate::error::Error;
use crate::local_key::local_key;
use crate::origins::origins;
use crate::settings::{Flags, Settings, port};
use crate::status::{Listener, listener};
use crate::view::{ProblemView, Step, StepId, StepStatus};

/// Clocks that differ by more make certificates and tokens look expired, or not yet valid.
const CLOCKS_MAY_DIFFER: Duration = Duration::from_secs(5 * 60);
/// The variables that lead calls of `http://` through a proxy; some programs know only one spelling.
const PROXIES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// What is looked at, in the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The settings, and where each comes from.
    Configuration,
    /// The OAuth server gives a token.
    Token,
    /// SAP AI Core knows the resource group.
    ResourceGroup,
    /// The deployments of the group.
    Deployments,
    /// The models that can be asked for.
    Models,
    /// A model answers. It costs a few tokens.
    Answer,
    /// This machine's clock, against the server's.
    Clock,
    /// The port: who listens there.
    Port,
    /// Variables that would lead agents' requests away from this machine.
    ProxyVariables,
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All is well.
    Ok,
    /// It may be in the way, or not.
    Warning,
    /// It is wrong.
    Failed,
    /// It could not be looked at.
    Skipped,
}

/// One check and what it found. No secret has a place in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// What it came to.
    pub verdict: Verdict,
    /// What was found, in a sentence; empty if the problem says it.
    pub found: String,
    /// More of it, each worth a line.
    pub details: Vec<String>,
    /// How long it took.
    pub milliseconds: Option<u64>,
    /// What is wrong, and what to do.
    pub problem: Option<ProblemView>,
}

/// What all findings come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diagnosis {
    /// No check failed.
    Well,
    /// One did.
    Failed,
    /// The configuration is incomplete or wrong.
    Incomplete,
}

impl Finding {
    fn new(check: Check, verdict: Verdict, found: impl Into<String>) -> Self {
        Finding {
            check,
            verdict,
            found: found.into(),
            details: Vec::new(),
            milliseconds: None,
            problem: None,
        }
    }

    fn because(check: Check, verdict: Verdict, problem: ProblemView) -> Self {
        Finding {
            problem: Some(problem),
            ..Finding::new(check, verdict, "")
        }
    }
}

/// The problem with the hint for whoever types commands.
fn problem(error: &Error) -> ProblemView {
    ProblemView::new(error.code(), error.to_string(), error.hint())
}

fn in_a_line(problem: &ProblemView) -> String {
    let line = format!("{} ({}) {}", problem.sentence, problem.code, problem.hint);
    line.trim_end().to_owned()
}

/// Does every check and tells each as it is done. `environment` gives a variable's value. The steps to SAP AI Core end at
/// the first that fails; what does not depend on them is looked at all the same. The last step lets a model say a word,
/// which costs a few tokens.
pub async fn doctor(
    flags: &Flags,
    environment: &impl Fn(&str) -> Option<String>,
    mut tell: impl FnMut(Finding) + Send,
) -> Diagnosis {
    let mut diagnosis = Diagnosis::Well;
    let mut note = |finding: Finding| {
        if finding.verdict == Verdict::Failed && diagnosis == Diagnosis::Well {
            diagnosis = Diagnosis::Failed;
        }
        tell(finding);
    };
    let mut is_incomplete = false;
    let coretap = match connected(flags, environment).await {
        Ok((coretap, selected_model, finding)) => {
            note(finding);
            Some((coretap, selected_model))
        }
        Err(error) => {
            is_incomplete = error.is_configuration();
            note(Finding::because(
                Check::Configuration,
                Verdict::Failed,
                problem(&error),
            ));
            None
        }
    };
    match &coretap {
        Some((coretap, selected_model)) => {
            steps(coretap, selected_model.clone(), &mut note).await;
            note(clock(&coretap.aicore()).await);
        }
        None => {
            for check in [STEPS.map(|(_, check)| check).as_slice(), &[Check::Clock]].concat() {
                note(not_reached(check));
            }
        }
    }
    note(who_listens(environment).await);
    note(proxy_variables(environment));
    if is_incomplete {
        Diagnosis::Incomplete
    } else {
        diagnosis
    }
}

/// A connection from the settings, the selected model, and what there is to say of them.
async fn connected(
    flags: &Flags,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<(Coretap, Option<String>, Finding), Error> {
    let settings = Settings::read(flags, environment).await?;
    let mut details = origins(&settings);
    let mut ignored = settings.left_out.clone();
    let selected_model = settings.selected_model.clone();
    let coretap = Coretap::new(settings, None).await?;
    ignored.extend(coretap.troubles().iter().map(in_a_line));
    let finding = if ignored.is_empty() {
        Finding::new(Check::Configuration, Verdict::Ok, "It is complete.")
    } else {
        details.extend(ignored.into_iter().map(|line| format!("warning: {line}")));
        let found = "It is complete, but not all of it can be used: see the warnings below.";
        Finding::new(Check::Configuration, Verdict::Warning, found)
    };
    Ok((coretap, selected_model, Finding { details, ..finding }))
}

/// The steps of the connection test, as checks.
const STEPS: [(StepId, Check); 5] = [
    (StepId::Token, Check::Token),
    (StepId::ResourceGroup, Check::ResourceGroup),
    (StepId::Deployments, Check::Deployments),
    (StepId::Models, Check::Models),
    (StepId::Answer, Check::Answer),
];

async fn steps(coretap: &Coretap, selected_model: Option<String>, note: &mut (impl FnMut(Finding) + Send)) {
    let mut is_done = [false; STEPS.len()];
    let aicore = coretap.aicore();
    let mut tell = |step: Step| {
        let place = STEPS.iter().zip(&mut is_done).find(|((id, _), _)| *id == step.id);
        let (Some(((_, check), is_done)), true) = (place, step.status != StepStatus::Running) else {
            return;
        };
        *is_done = true;
        let mut finding = of_step(*check, step);
        if *check == Check::Deployments
            && let Some(why) = aicore.why_choice_is_unused()
        {
            finding.verdict = Verdict::Warning;
            finding
                .details
                .push(format!("warning: {why} Others are used instead."));
        }
        note(finding);
    };
    let mut is_for_embeddings_only = false;
    if let Some(selection) = coretap.check(&mut tell).await {
        match selected_model.or_else(|| Some(selection.models.first()?.name.clone())) {
            Some(model) => coretap.answer(&model, &mut tell).await,
            None => is_for_embeddings_only = true,
        }
    }
    for ((_, check), is_done) in STEPS.iter().zip(is_done) {
        if *check == Check::Answer && is_for_embeddings_only {
            let why = "No model that answers runs here, only models for embeddings.";
            note(Finding::new(*check, Verdict::Skipped, why));
        } else if !is_done {
            note(not_reached(*check));
        }
    }
}

fn not_reached(check: Check) -> Finding {
    let why = "It was not looked at, because something before it failed.";
    Finding::new(check, Verdict::Skipped, why)
}

fn of_step(check: Check, step: Step) -> Finding {
    let milliseconds = step.milliseconds;
    if let Some(problem) = step.problem {
        return Finding {
            milliseconds,
            ..Finding::because(check, Verdict::Failed, problem)
        };
    }
    let (count, hidden) = (step.count.unwrap_or_default(), step.hidden.unwrap_or_default());
    let name = step.name.unwrap_or_default();
    let found = match check {
        Check::Token => "SAP takes the service key and gives a token.".to_owned(),
        Check::ResourceGroup => match step.count {
            Some(count) => format!(
                "'{name}' is there; the service key sees {}.",
                many(count, "group")
            ),
            None => format!("'{name}' can be used; the service key may not list the groups."),
        },
        Check::Deployments => format!("{count} RUNNING, {hidden} not."),
        Check::Models => {
            let offered = match count {
                0 => "Only models for embeddings can be asked for".to_owned(),
                count => format!("{} can be asked for", many(count, "model")),
            };
            match hidden {
                0 => format!("{offered}."),
                1 => format!("{offered}; 1 more is not offered."),
                hidden => format!("{offered}; {hidden} more are not offered."),
            }
        }
        _ => format!("'{name}' has answered; that cost a few tokens."),
    };
    Finding {
        milliseconds,
        ..Finding::new(check, Verdict::Ok, found)
    }
}

fn many(count: u64, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

async fn clock(aicore: &AiCore) -> Finding {
    let check = Check::Clock;
    let not_told = |why| Finding::new(check, Verdict::Skipped, why);
    let server = match aicore.server_time().await {
        Ok(Some(server)) => server,
        Ok(None) => return not_told("SAP AI Core does not tell the time."),
        Err(_) => return not_told("SAP AI Core can't be asked for the time."),
    };
    let now = SystemTime::now();
    let (by, direction) = match now.duration_since(server) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    if by <= CLOCKS_MAY_DIFFER {
        return Finding::new(check, Verdict::Ok, "It agrees with SAP AI Core's.");
    }
    let sentence = format!(
        "This machine's clock is {} minutes {direction} SAP AI Core's.",
        by.as_secs() / 60
    );
    let hint = "Set it right, or let the system set it: tokens and certificates are valid for a time only.";
    Finding::because(
        check,
        Verdict::Failed,
        ProblemView::new("DOCTOR-CLOCK", sentence, hint),
    )
}

async fn who_listens(environment: &impl Fn(&str) -> Option<String>) -> Finding {
    let check = Check::Port;
    let port = match port(environment) {
        Ok(0) => {
            return Finding::new(
                check,
                Verdict::Skipped,
                "The port is 0: each start takes a free one.",
            );
        }
        Ok(port) => port,
        Err(error) => return Finding::because(check, Verdict::Failed, problem(&error)),
    };
    // A keychain that does not give it is no business of the port.
    let key = local_key(environment).await.ok().flatten();
    match listener(port, key.as_ref()).await {
        Listener::Nobody => {
            let found = format!("Port {port} is free; no Coretap runs there.");
            Finding::new(check, Verdict::Ok, found)
        }
        Listener::Coretap(report) => {
            let found = format!(
                "Coretap {} runs on port {port} (process {}).",
                report.version, report.pid
            );
            match report.problem {
                Some(told) if report.state == HealthState::Degraded => Finding {
                    found,
                    ..Finding::because(
                        check,
                        Verdict::Warning,
                        ProblemView::new(&told.code, told.sentence, told.hint),
                    )
                },
                _ => Finding::new(check, Verdict::Ok, found),
            }
        }
        Listener::OtherKey { version } if key.is_none() => {
            let found =
                format!("Coretap {version} runs on port {port}; it tells more to whoever has its local key.");
            Finding::new(check, Verdict::Ok, found)
        }
        Listener::OtherKey { version } => {
            let sentence =
                format!("Coretap {version} runs on port {port} with another local key than yours.");
            let hint = "Agents that are set up with yours are refused: set CORETAP_API_KEY for both, or start it anew.";
            Finding::because(
                check,
                Verdict::Failed,
                ProblemView::new("ACCESS-KEY", sentence, hint),
            )
        }
        Listener::Other { problem: taken } => Finding::because(check, Verdict::Failed, problem(&taken)),
    }
}

fn proxy_variables(environment: &impl Fn(&str) -> Option<String>) -> Finding {
    let check = Check::ProxyVariables;
    let set = |name: &&str| environment(name).is_some_and(|value| !value.trim().is_empty());
    let names: Vec<&str> = PROXIES.into_iter().filter(set).collect();
    if names.is_empty() {
        return Finding::new(
            check,
            Verdict::Ok,
            "None leads requests to this machine elsewhere.",
        );
    }
    let names = names.join(", ");
    let spares = |name: &str| environment(name).is_some_and(|list| spares_this_machine(&list));
    if spares("NO_PROXY") || spares("no_proxy") {
        let found = format!("{names} would, but NO_PROXY spares this machine.");
        return Finding::new(check, Verdict::Ok, found);
    }
    let sentence =
        format!("{names} may lead agents' requests to this machine to a proxy that can't reach it.");
    let hint = "export NO_PROXY=127.0.0.1,localhost (what 'coretap env' prints has it).";
    Finding::because(
        check,
        Verdict::Warning,
        ProblemView::new("DOCTOR-PROXY", sentence, hint),
    )
}

/// Whether a list like `NO_PROXY` names both names of this machine.
fn spares_this_machine(list: &str) -> bool {
    let names: Vec<&str> = list.split(',').map(str::trim).collect();
    names.contains(&"*") || ["127.0.0.1", "localhost"].iter().all(|name| names.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_that_would_catch_this_machine_are_named() {
        let finding = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> = set
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            proxy_variables(&|name| {
                let found = set.iter().find(|(known, _)| known == name);
                found.map(|(_, value)| value.clone())
            })
        };
        assert_eq!(finding(&[]).verdict, Verdict::Ok);
        assert_eq!(finding(&[("HTTP_PROXY", " ")]).verdict, Verdict::Ok);
        assert_eq!(
            finding(&[("HTTPS_PROXY", "http://proxy.corp:3128")]).verdict,
            Verdict::Ok,
            "agents reach this machine by http"
        );
        let proxy = ("HTTP_PROXY", "http://user:hush@proxy.corp:3128");
        let caught = finding(&[proxy]);
        assert_eq!(caught.verdict, Verdict::Warning);
        assert!(!format!("{caught:?}").contains("hush"), "{caught:?}");
        for (list, verdict) in [
            ("corp", Verdict::Warning),
            ("127.0.0.1", Verdict::Warning),
            ("corp, localhost ,127.0.0.1", Verdict::Ok),
            ("*", Verdict::Ok),
        ] {
            assert_eq!(finding(&[proxy, ("NO_PROXY", list)]).verdict, verdict, "{list}");
        }
    }
}
