//! Whether the way to SAP AI Core works, as it was measured, and what is told of it.
//!
//! There are two measurements, because one may fail while the other works: the *connection* (a token, the lists, a
//! socket), which requests and probes measure, and the *models'* answers, which only requests measure. A request that is
//! answered clears both; a probe that works clears the connection's problem and says nothing of the models.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use tokio::sync::{Notify, watch};

use crate::configuration::Configuration;
use crate::health_report::{HealthProblem, HealthReport, HealthState, Mode, RequestCounts};
use crate::problem::{Concern, Problem};
use crate::server::{RunState, Shared};

/// What lines of the log begin with.
const TARGET: &str = "coretap::health";

/// What has been measured since the proxy began to listen.
pub(crate) struct Health {
    /// The run state; the proxy sets all of it but the turn between running and degraded.
    pub(crate) state: watch::Sender<RunState>,
    troubles: Mutex<Troubles>,
    /// Whether there are any: nearly every request finds none and takes no lock.
    is_troubled: AtomicBool,
    /// Milliseconds since 1970; 0 before anything worked.
    worked_at: AtomicU64,
    began_at: AtomicU64,
    running: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    /// Rung when the way to SAP AI Core is another one, so that it is measured at once.
    is_another: Notify,
}

#[derive(Default)]
struct Troubles {
    connection: Option<Trouble>,
    models: Option<Trouble>,
}

#[derive(Clone)]
struct Trouble {
    problem: Arc<Problem>,
    since: SystemTime,
}

impl Troubles {
    /// What is told: without a connection no model answers, so that comes first.
    fn told(&self) -> Option<&Trouble> {
        self.connection.as_ref().or(self.models.as_ref())
    }
}

/// Notes a problem; another one before it keeps its time, because nothing has worked since then.
fn note(trouble: &mut Option<Trouble>, problem: &Problem) {
    if trouble.as_ref().is_some_and(|known| *known.problem == *problem) {
        return;
    }
    let since = trouble.as_ref().map_or_else(SystemTime::now, |known| known.since);
    *trouble = Some(Trouble {
        problem: Arc::new(problem.clone()),
        since,
    });
}

impl Health {
    pub(crate) fn new() -> Self {
        Health {
            state: watch::Sender::new(RunState::Stopped),
            troubles: Mutex::default(),
            is_troubled: AtomicBool::new(false),
            worked_at: AtomicU64::new(0),
            began_at: AtomicU64::new(0),
            running: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            is_another: Notify::new(),
        }
    }

    /// The proxy listens; nothing has been measured.
    pub(crate) fn begin(&self, running: RunState) {
        self.began_at.store(now(), Ordering::Relaxed);
        self.answered.store(0, Ordering::Relaxed);
        self.failed.store(0, Ordering::Relaxed);
        self.forget();
        self.state.send_replace(running);
    }

    /// The way to SAP AI Core is another one: what was measured holds no more, and is measured anew at once.
    pub(crate) fn measure_anew(&self) {
        self.forget();
        self.is_another.notify_one();
    }

    fn forget(&self) {
        self.worked_at.store(0, Ordering::Relaxed);
        self.settle(|troubles| *troubles = Troubles::default());
    }

    /// A model has answered a request to its end.
    pub(crate) fn request_worked(&self) {
        self.worked_at.store(now(), Ordering::Relaxed);
        if self.is_troubled.load(Ordering::Relaxed) {
            self.mend(|troubles| *troubles = Troubles::default());
        }
    }

    /// A request was answered with a problem, which counts only if it is not that one request's own.
    pub(crate) fn request_failed(&self, problem: &Problem) {
        match problem.concern() {
            Some(Concern::Connection) => self.settle(|troubles| note(&mut troubles.connection, problem)),
            Some(Concern::Models) => self.settle(|troubles| note(&mut troubles.models, problem)),
            None => false,
        };
    }

    fn probed(&self, outcome: Result<(), Problem>) {
        match outcome {
            Ok(()) => {
                self.worked_at.store(now(), Ordering::Relaxed);
                if self.is_troubled.load(Ordering::Relaxed) {
                    self.mend(|troubles| troubles.connection = None);
                }
            }
            Err(problem) => {
                self.settle(|troubles| note(&mut troubles.connection, &problem));
            }
        }
    }

    /// Changes what is wrong, and takes what is to be told of it into the run state; says whether that is another one then.
    fn settle(&self, change: impl FnOnce(&mut Troubles)) -> bool {
        let mut troubles = self.troubles();
        change(&mut troubles);
        let told = troubles.told().cloned();
        self.is_troubled.store(told.is_some(), Ordering::Relaxed);
        let mut worse = None;
        // The lock is held on, so that two changes arrive in the order in which they were made.
        let is_changed = self.state.send_if_modified(|state| {
            let address = match state {
                RunState::Running { address } | RunState::Degraded { address, .. } => *address,
                _ => return false,
            };
            let next = match told {
                None => RunState::Running { address },
                Some(Trouble { problem, since }) => RunState::Degraded {
                    address,
                    problem,
                    since,
                },
            };
            if *state == next {
                return false;
            }
            if let RunState::Degraded { problem, .. } = &next {
                worse = Some(Arc::clone(problem));
            }
            *state = next;
            true
        });
        drop(troubles);
        if let Some(problem) = worse {
            tracing::warn!(target: TARGET, code = problem.code, "{}", problem.sentence_without_upstream());
        }
        is_changed
    }

    /// The same for what has worked.
    fn mend(&self, change: impl FnOnce(&mut Troubles)) {
        let is_changed = self.settle(change);
        if is_changed && !self.is_troubled.load(Ordering::Relaxed) {
            tracing::info!(target: TARGET, "SAP AI Core can be used again");
        }
    }

    /// Whether there is anything that a probe can find to be over.
    fn has_no_connection(&self) -> bool {
        self.troubles().connection.is_some()
    }

    fn troubles(&self) -> std::sync::MutexGuard<'_, Troubles> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request for a model's answer begins.
    pub(crate) fn request_begins(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    /// It is over: answered, failed, or `None` when its agent left.
    pub(crate) fn request_ends(&self, is_answered: Option<bool>) {
        self.running.fetch_sub(1, Ordering::Relaxed);
        match is_answered {
            Some(true) => self.answered.fetch_add(1, Ordering::Relaxed),
            Some(false) => self.failed.fetch_add(1, Ordering::Relaxed),
            None => 0,
        };
    }

    /// What the holder of the local key is told.
    pub(crate) fn report(&self, configuration: &Configuration) -> HealthReport {
        let (state, problem) = match &*self.state.borrow() {
            RunState::Degraded { problem, since, .. } => {
                let problem = HealthProblem {
                    code: problem.code.to_owned(),
                    sentence: problem.sentence_without_upstream().to_owned(),
                    hint: problem.hint.clone(),
                    since: whole_seconds(*since),
                };
                (HealthState::Degraded, Some(problem))
            }
            RunState::Stopping => (HealthState::Stopping, None),
            _ => (HealthState::Running, None),
        };
        let aicore = &configuration.selected.aicore;
        let worked_at = self.worked_at.load(Ordering::Relaxed);
        HealthReport {
            status: "ok".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            state,
            mode: if aicore.is_orchestration() {
                Mode::Orchestration
            } else {
                Mode::Foundation
            },
            orchestration: if aicore.is_orchestration() {
                let on = configuration.selected.modules.on().into_iter();
                on.map(str::to_owned).collect()
            } else {
                Vec::new()
            },
            resource_group: aicore.resource_group().to_owned(),
            model: aicore.selected_model().map(str::to_owned),
            running_since: at(self.began_at.load(Ordering::Relaxed)),
            last_success: (worked_at > 0).then(|| at(worked_at)),
            problem,
            requests: RequestCounts {
                running: self.running.load(Ordering::Relaxed),
                answered: self.answered.load(Ordering::Relaxed),
                failed: self.failed.load(Ordering::Relaxed),
            },
            connections: configuration
                .connections()
                .map(|connection| connection.aicore.open_connections())
                .sum(),
        }
    }
}

/// Asks SAP AI Core for a token and the deployments, and takes what came of it as measured. What belongs to a
/// configuration that is no more says nothing. The selected connection alone is asked: what another one of its group
/// suffers from is no trouble as long as requests are answered.
pub(crate) async fn probe(shared: &Shared) {
    let configuration = shared.configuration();
    let outcome = configuration.selected.aicore.probe().await;
    if Arc::ptr_eq(&configuration, &shared.configuration()) {
        shared.health.probed(outcome.map_err(Problem::from));
    }
}

/// Measures once at the start and whenever the way is another one. Beyond that nothing is asked while all is well, and
/// while there is no connection it is looked for at pauses that grow from `Limits::probe` to twelve times as long.
pub(crate) async fn keep_measuring(shared: &Shared) {
    let first = shared.configuration().limits.probe;
    let mut pause = first;
    loop {
        probe(shared).await;
        if !shared.health.has_no_connection() {
            pause = first;
        }
        tokio::select! {
            () = shared.health.is_another.notified() => pause = first,
            () = until_it_is_time(&shared.health, pause) => pause = longer(pause, first),
        }
    }
}

/// Waits until the connection has not worked for as long as `pause`.
async fn until_it_is_time(health: &Health, pause: Duration) {
    let mut states = health.state.subscribe();
    loop {
        // Not `wait_for`: it asks while it holds the state's lock, and `settle` takes that lock while it holds the other one.
        while !health.has_no_connection() {
            // The sender lives in `health`, so there is no end to it.
            let _ = states.changed().await;
        }
        tokio::time::sleep(pause).await;
        if health.has_no_connection() {
            return;
        }
    }
}

fn longer(pause: Duration, first: Duration) -> Duration {
    (pause * 2).min(first * 12)
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn at(milliseconds: u64) -> OffsetDateTime {
    whole_seconds(UNIX_EPOCH + Duration::from_millis(milliseconds))
}

/// A time for people: parts of a second are of no use to them.
fn whole_seconds(time: SystemTime) -> OffsetDateTime {
    let time = OffsetDateTime::from(time);
    time.replace_nanosecond(0).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening() -> Health {
        let health = Health::new();
        health.begin(RunState::Running {
            address: ([127, 0, 0, 1], 4000).into(),
        });
        health
    }

    fn told(health: &Health) -> Option<&'static str> {
        match &*health.state.borrow() {
            RunState::Degraded { problem, .. } => Some(problem.code),
            _ => None,
        }
    }

    fn of_a_model() -> Problem {
        Problem::refused(500, "the plum module broke".to_owned(), None, None)
    }

    fn of_the_connection() -> Problem {
        Problem::from(coretap_aicore::Error::NotAiCore {
            host: "example.com".to_owned(),
            status: http::StatusCode::NOT_FOUND,
        })
    }

    #[test]
    fn a_probe_that_works_does_not_hide_that_a_model_fails() {
        let health = listening();
        health.request_failed(&of_a_model());
        health.probed(Ok(()));
        assert_eq!(told(&health), Some("UPSTREAM-FAILED"));

        health.request_failed(&of_the_connection());
        assert_eq!(told(&health), Some("UPSTREAM-NOT-AI-CORE"));
        health.probed(Ok(()));
        assert_eq!(
            told(&health),
            Some("UPSTREAM-FAILED"),
            "it is still there behind the other"
        );
        health.request_worked();
        assert_eq!(told(&health), None);
    }

    #[test]
    fn what_a_probe_finds_a_probe_clears() {
        let health = listening();
        // As found by a request it may be the model's gateway that refuses; a probe asks no model.
        let refused = || {
            Problem::from(coretap_aicore::Error::Permission {
                what: "the request",
                status: http::StatusCode::FORBIDDEN,
                text: "RBAC: access denied".to_owned(),
            })
        };
        health.request_failed(&refused());
        health.probed(Ok(()));
        assert_eq!(told(&health), Some("AUTH-PERMISSION"));
        health.request_worked();
        health.probed(Err(refused()));
        assert_eq!(told(&health), Some("AUTH-PERMISSION"));
        health.probed(Ok(()));
        assert_eq!(told(&health), None);
    }

    #[test]
    fn one_requests_own_problem_is_none_of_all() {
        let health = listening();
        for status in [400, 404, 413, 429] {
            health.request_failed(&Problem::refused(status, "yours".to_owned(), None, None));
            assert_eq!(told(&health), None, "{status}");
        }
        for status in [401, 500, 503] {
            health.request_failed(&Problem::refused(status, "ours".to_owned(), None, None));
            assert!(told(&health).is_some(), "{status}");
            health.request_worked();
        }
    }

    #[test]
    fn since_when_is_since_when_nothing_has_worked() {
        let health = listening();
        let since = |health: &Health| match &*health.state.borrow() {
            RunState::Degraded { since, .. } => *since,
            state => panic!("{state:?}"),
        };
        health.probed(Err(of_the_connection()));
        let first = since(&health);
        let other = Problem::from(coretap_aicore::Error::Interrupted { what: "the token" });
        health.probed(Err(other));
        assert_eq!(
            (told(&health), since(&health)),
            (Some("UPSTREAM-INTERRUPTED"), first)
        );
    }

    #[test]
    fn what_does_not_listen_has_no_health() {
        let health = Health::new();
        health.probed(Err(of_the_connection()));
        assert_eq!(*health.state.borrow(), RunState::Stopped);
        health.begin(RunState::Running {
            address: ([127, 0, 0, 1], 4000).into(),
        });
        assert_eq!(told(&health), None, "what was before the start is forgotten");
    }

    /// While one model fails and another answers the state turns to and fro, and every turn wakes whoever waits for it.
    #[test]
    fn turns_to_and_fro_hold_nobody_up() {
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let health = Arc::new(listening());
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let waiting = Arc::clone(&health);
            runtime.spawn(async move {
                loop {
                    until_it_is_time(&waiting, Duration::ZERO).await;
                    tokio::task::yield_now().await;
                }
            });
            let turning: Vec<_> = [of_the_connection(), of_a_model()]
                .into_iter()
                .map(|problem| {
                    let health = Arc::clone(&health);
                    std::thread::spawn(move || {
                        for _ in 0..20_000 {
                            health.request_failed(&problem);
                            health.request_worked();
                        }
                    })
                })
                .collect();
            for thread in turning {
                thread.join().unwrap();
            }
            done.send(()).unwrap();
            runtime.shutdown_background();
        });
        let outcome = is_done.recv_timeout(Duration::from_secs(60));
        assert!(outcome.is_ok(), "two locks wait for each other");
    }

    #[test]
    fn pauses_grow_to_a_minute() {
        let first = Duration::from_secs(5);
        let pauses = std::iter::successors(Some(first), |pause| Some(longer(*pause, first)));
        let seconds: Vec<u64> = pauses.take(6).map(|pause| pause.as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 60, 60]);
    }
}
