//! The deployments that may answer one request, at the selected connection and at the others of its group, and what came
//! of asking them.

use std::cmp::Reverse;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use coretap_aicore::{AiCore, Error, Purpose, Route, Routes};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

use crate::attempt::Fault;
use crate::balance::{Balance, ConversationKey, Place};
use crate::configuration::{Configuration, Connected};
use crate::exchange::Ongoing;
use crate::kept_answers::Kept;
use crate::problem::{Concern, Problem, seconds_to_next_minute};
use crate::retry::status_and_code;

/// How long the lists of further connections are waited for once one connection has what is asked for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a connection is left alone that was waited for in vain.
const SILENT_REST: Duration = Duration::from_secs(60);

/// The deployments that may answer a request. One of them is the one to ask now.
pub(crate) struct Candidates<'a> {
    now: Candidate<'a>,
    /// Nothing where there is only one: then nothing is counted or remembered either. In a box, as the futures of the rare
    /// ways are, because a request's future is copied as a whole several times.
    choice: Option<Box<Choice<'a>>>,
}

/// A deployment that may answer.
#[derive(Clone)]
struct Candidate<'a> {
    connection: &'a Connected,
    route: Arc<Route>,
}

/// What there is to choose from.
struct Choice<'a> {
    balance: Arc<Balance>,
    /// Those that were not asked yet.
    waiting: Vec<Candidate<'a>>,
    /// Those that were asked in vain.
    asked: Vec<Candidate<'a>>,
    conversation: Option<ConversationKey>,
    /// The most useful of their faults.
    fault: Option<Fault>,
    /// Whether they are of several connections, so that a deployment's id alone says too little.
    is_of_group: bool,
}

impl<'a> Candidates<'a> {
    /// Finds where `asked` is reached, and chooses the first to ask. `identify` feeds a hasher with what tells the
    /// conversation from others, if anything does; it is called only where there is a choice.
    ///
    /// # Errors
    /// Why the selected connection has no route, where no other one has.
    pub(crate) async fn find(
        configuration: &'a Configuration,
        purpose: Purpose,
        asked: &str,
        identify: impl FnOnce(&mut dyn Hasher) -> bool,
        ongoing: &mut Ongoing,
    ) -> Result<Self, Error> {
        let selected = &configuration.selected;
        let is_of_group = !configuration.others.is_empty();
        let found = if is_of_group {
            Box::pin(all_routes(configuration, purpose, asked, ongoing.balance())).await?
        } else {
            let routes = selected.aicore.routes_for(purpose, asked).await?;
            if routes.others.is_empty() {
                let now = Candidate::new(selected, &routes.first);
                return Ok(Candidates { now, choice: None });
            }
            Found {
                first: (selected, routes),
                others: Vec::new(),
            }
        };
        let (connection, routes) = &found.first;
        let now = Candidate::new(connection, &routes.first);
        let balance = Arc::clone(ongoing.balance());
        let mut hasher = balance.hasher();
        // A session asks several models, each at its own place.
        now.route.model.hash(&mut hasher);
        let conversation = identify(&mut hasher).then(|| ConversationKey(hasher.finish()));
        let mut candidates = Candidates {
            now,
            choice: Some(Box::new(Choice {
                balance,
                waiting: found.candidates(),
                asked: Vec::new(),
                conversation,
                fault: None,
                is_of_group,
            })),
        };
        candidates.choose(ongoing);
        Ok(candidates)
    }

    /// The connection to ask now.
    pub(crate) fn connection(&self) -> &'a Connected {
        self.now.connection
    }

    /// The same as a client.
    pub(crate) fn aicore(&self) -> &'a AiCore {
        &self.now.connection.aicore
    }

    /// Asks the deployment that keeps an answer, and no other one; those that were found, if its connection is no more.
    pub(crate) fn stay_at(&mut self, configuration: &'a Configuration, kept: &Kept, ongoing: &mut Ongoing) {
        let Some(connection) = configuration.named(&kept.connection) else {
            return;
        };
        self.now = Candidate::new(connection, &kept.route);
        self.choice = None;
        ongoing.in_flight = None;
        if !configuration.others.is_empty() {
            ongoing.exchange.connection = Some(Arc::clone(&connection.name));
        }
    }

    /// The route to ask now.
    pub(crate) fn route(&self) -> &Arc<Route> {
        &self.now.route
    }

    /// Notes that the one asked now has answered.
    pub(crate) fn answered(&self, ongoing: &mut Ongoing) {
        if let Some(choice) = &self.choice
            && !ongoing.exchange.attempts.is_empty()
        {
            choice.note(&self.now, "200", ongoing);
        }
    }

    /// Goes on to the next deployment after a fault that another one may not have; the one that failed rests for a while.
    ///
    /// # Errors
    /// When none is left that could do better: the most useful of the faults so far.
    pub(crate) fn go_on(&mut self, fault: Fault, ongoing: &mut Ongoing) -> Result<(), Fault> {
        let Some(choice) = &mut self.choice else {
            return Err(fault);
        };
        let Some(passing) = Passing::of(&fault) else {
            // That one deployment is gone says less than what the others had to say.
            let is_gone = matches!(&fault, Fault::Refused(refusal) if refusal.status == 404);
            return Err(choice.fault.take().filter(|_| is_gone).unwrap_or(fault));
        };
        choice.note(&self.now, &passing.outcome, ongoing);
        let place = self.now.place(&choice.balance);
        choice.balance.rest(place, passing.rest);
        if passing.is_of_connection {
            // What else is there can't be reached either.
            let name = &self.now.connection.name;
            let is_there = |candidate: &mut Candidate<'_>| candidate.connection.name == *name;
            choice.asked.extend(choice.waiting.extract_if(.., is_there));
        }
        choice.asked.push(self.now.clone());
        let fault = match choice.fault.take() {
            Some(former) if usefulness(&former) >= usefulness(&fault) => former,
            _ => fault,
        };
        if self.choose(ongoing) {
            if let Some(choice) = &mut self.choice {
                choice.fault = Some(fault);
            }
            return Ok(());
        }
        Err(fault)
    }

    /// Begins anew with all of them, after a pause; whether there is more than one.
    pub(crate) fn begin_anew(&mut self, ongoing: &mut Ongoing) -> bool {
        let Some(choice) = &mut self.choice else {
            return false;
        };
        choice.waiting.append(&mut choice.asked);
        self.choose(ongoing)
    }

    /// After a 404: reads the deployments of this connection anew, and goes on to the next candidate if the one asked now
    /// is gone; whether it did.
    ///
    /// # Errors
    /// Why nothing is there any more.
    pub(crate) async fn look_again(
        &mut self,
        purpose: Purpose,
        asked: &str,
        ongoing: &mut Ongoing,
    ) -> Result<bool, Error> {
        let connection = self.now.connection;
        let anew = connection.aicore.routes_anew(purpose, asked, ongoing.age()).await;
        let routes = match (anew, &mut self.choice) {
            (Ok(routes), _) => routes,
            (Err(error), None) => return Err(error),
            (Err(error), Some(choice)) => {
                choice
                    .waiting
                    .retain(|candidate| candidate.connection.name != connection.name);
                return if self.choose(ongoing) {
                    Ok(true)
                } else {
                    Err(error)
                };
            }
        };
        let is_asked_now = |route: &&Arc<Route>| route.deployment_id == self.now.route.deployment_id;
        if routes.iter().any(|route| is_asked_now(&route)) {
            return Ok(false);
        }
        let Some(choice) = &mut self.choice else {
            // What else there is by now is found by the next request.
            self.now = Candidate::new(connection, &routes.first);
            return Ok(true);
        };
        choice
            .waiting
            .retain(|candidate| candidate.connection.name != connection.name);
        let was_asked = |route: &Arc<Route>| {
            let mut asked = choice.asked.iter();
            asked.any(|candidate| {
                candidate.connection.name == connection.name
                    && candidate.route.deployment_id == route.deployment_id
            })
        };
        let new = routes.iter().filter(|route| !was_asked(route));
        choice
            .waiting
            .extend(new.map(|route| Candidate::new(connection, route)));
        Ok(self.choose(ongoing))
    }

    /// Chooses among those that wait, and says whether there was one.
    fn choose(&mut self, ongoing: &mut Ongoing) -> bool {
        let Some(choice) = &mut self.choice else {
            return false;
        };
        let balance = &choice.balance;
        let places = choice.waiting.iter().map(|candidate| candidate.place(balance));
        let Some((number, in_flight)) = balance.choose(places, choice.conversation) else {
            return false;
        };
        self.now = choice.waiting.remove(number);
        ongoing.in_flight = Some(in_flight);
        if choice.is_of_group {
            ongoing.exchange.connection = Some(Arc::clone(&self.now.connection.name));
        }
        true
    }
}

impl Candidate<'_> {
    fn new<'a>(connection: &'a Connected, route: &Arc<Route>) -> Candidate<'a> {
        let route = Arc::clone(route);
        Candidate { connection, route }
    }

    fn place(&self, balance: &Balance) -> Place {
        balance.place(&self.connection.name, &self.route.deployment_id)
    }
}

impl Choice<'_> {
    /// Notes in the exchange what came of asking one.
    fn note(&self, candidate: &Candidate<'_>, outcome: &str, ongoing: &mut Ongoing) {
        let deployment = &candidate.route.deployment_id;
        let attempt = if self.is_of_group {
            format!("{}/{deployment}={outcome}", candidate.connection.name)
        } else {
            format!("{deployment}={outcome}")
        };
        ongoing.exchange.attempts.push(attempt);
    }
}

/// What a fault that another deployment may not have says of the one that has it.
struct Passing {
    /// The status, or Coretap's code.
    outcome: String,
    /// How long it wants to be left alone.
    rest: Option<Duration>,
    is_of_connection: bool,
}

impl Passing {
    /// `None` if another deployment would have the same fault.
    fn of(fault: &Fault) -> Option<Self> {
        let rest = match fault {
            Fault::Final(_) => return None,
            Fault::Core(_) | Fault::Cut(_) => None,
            Fault::Refused(refusal) => match (refusal.status, refusal.retry_after) {
                // Inside a stream nobody could say a time.
                (429, None) if !refusal.in_stream => Some(seconds_to_next_minute(SystemTime::now())),
                // Who may not use one deployment may well use another one.
                (401 | 403 | 429 | 500..=599, seconds) => seconds,
                _ => return None,
            },
        };
        let outcome = match status_and_code(fault) {
            (Some(status), _) => status.to_string(),
            (None, code) => code.unwrap_or_default().to_owned(),
        };
        Some(Passing {
            outcome,
            rest: rest.map(Duration::from_secs),
            is_of_connection: matches!(fault, Fault::Core(_)),
        })
    }
}

/// How much a fault tells an agent, more being more: when to come back, soonest first, then what a model's service said,
/// then that something on the way to it broke.
fn usefulness(fault: &Fault) -> (u8, Reverse<u64>) {
    let (rank, seconds) = match fault {
        Fault::Refused(refusal) => {
            let rank = match refusal.status {
                429 => 4,
                503 | 529 => 3,
                _ => 2,
            };
            (rank, refusal.retry_after)
        }
        Fault::Cut(_) => (1, None),
        Fault::Core(_) | Fault::Final(_) => (0, None),
    };
    (rank, Reverse(seconds.unwrap_or(u64::MAX)))
}

/// Where a model is reached, by connection.
struct Found<'a> {
    first: (&'a Connected, Arc<Routes>),
    others: Vec<(&'a Connected, Arc<Routes>)>,
}

impl<'a> Found<'a> {
    fn candidates(self) -> Vec<Candidate<'a>> {
        let all = std::iter::once(self.first).chain(self.others);
        let mut candidates = Vec::new();
        for (connection, routes) in all {
            candidates.extend(routes.iter().map(|route| Candidate::new(connection, route)));
        }
        candidates
    }
}

/// The routes at all connections. The selected one says which model is meant, and where it can't, the next one; further
/// ones count where they reach the same model. Those that rest are asked only if no other one has a route.
async fn all_routes<'a>(
    configuration: &'a Configuration,
    purpose: Purpose,
    asked: &str,
    balance: &Balance,
) -> Result<Found<'a>, Error> {
    let rests = |connection: &&Connected| balance.rests(balance.place(&connection.name, ""));
    let (resting, awake): (Vec<_>, Vec<_>) = configuration.connections().partition(rests);
    let mut outcomes = ask_for_routes(awake, purpose, asked, balance).await;
    if outcomes.iter().all(|(_, outcome)| outcome.is_err()) {
        outcomes.extend(ask_for_routes(resting, purpose, asked, balance).await);
    }
    let number = |connection: &Connected| {
        configuration
            .connections()
            .position(|one| one.name == connection.name)
    };
    outcomes.sort_by_key(|(connection, _)| number(connection));
    let mut why = None;
    let mut found = Vec::with_capacity(outcomes.len());
    for (connection, outcome) in outcomes {
        match outcome {
            Ok(routes) => found.push((connection, routes)),
            Err(error) => why = why.or(Some(error)),
        }
    }
    let mut found = found.into_iter();
    let Some(first) = found.next() else {
        // Each connection has routes or says why not.
        return Err(why.unwrap_or(Error::Interrupted {
            what: "the deployments",
        }));
    };
    let model = &first.1.first.model;
    let others = found
        .filter(|(_, routes)| routes.first.model.eq_ignore_ascii_case(model))
        .collect();
    Ok(Found { first, others })
}

/// What each of these connections says of a name. Once one of them has routes the others have `PATIENCE`. One that can't be
/// asked rests for a while, and one that says nothing longer: each time somebody would wait for it in vain.
async fn ask_for_routes<'a>(
    connections: Vec<&'a Connected>,
    purpose: Purpose,
    asked: &str,
    balance: &Balance,
) -> Vec<(&'a Connected, Result<Arc<Routes>, Error>)> {
    let mut asking: FuturesUnordered<_> = connections
        .iter()
        .map(|connection| async { (*connection, connection.aicore.routes_for(purpose, asked).await) })
        .collect();
    let patience = Instant::now() + PATIENCE;
    let mut outcomes: Vec<(&Connected, Result<Arc<Routes>, Error>)> = Vec::with_capacity(connections.len());
    loop {
        let next = asking.next();
        let next = if outcomes.iter().any(|(_, outcome)| outcome.is_ok()) {
            timeout_at(patience, next).await.unwrap_or(None)
        } else {
            next.await
        };
        let Some(outcome) = next else { break };
        outcomes.push(outcome);
    }
    drop(asking);
    for connection in connections {
        let outcome = outcomes.iter().find(|(one, _)| one.name == connection.name);
        let rest = match outcome {
            Some((_, Ok(_))) => continue,
            Some((_, Err(error))) if !is_trouble(error) => continue,
            Some((_, Err(_))) => None,
            None => Some(SILENT_REST),
        };
        balance.rest(balance.place(&connection.name, ""), rest);
    }
    outcomes
}

/// Whether a connection has no routes because of something else than that nothing is deployed there.
fn is_trouble(error: &Error) -> bool {
    Problem::from(error.clone()).concern() == Some(Concern::Connection)
}
