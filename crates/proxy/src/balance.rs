//! Which of several deployments answers: the one that a conversation is at, so that its cached prompt stays of use, else
//! the one with the fewest requests under way, and none that has just refused one as long as there are others.
//!
//! A model with one deployment needs none of it, and pays for none of it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Conversations that are remembered; of more the oldest are forgotten.
const MOST_CONVERSATIONS: usize = 4096;
/// A conversation that was silent for so long has no cached prompt any more: the longest that vendors keep one is an hour.
const CONVERSATION_LASTS: Duration = Duration::from_secs(60 * 60);
/// The longest rest, whatever time a deployment asks for: limits count by the minute (sap-wire.md §5).
const LONGEST_REST: Duration = Duration::from_secs(60);
/// The rest of one that failed without saying a time.
const SHORT_REST: Duration = Duration::from_secs(5);

/// What is under way at each deployment, which of them rest, and where conversations are.
#[derive(Default)]
pub(crate) struct Balance {
    state: Mutex<State>,
    hashing: RandomState,
}

/// A deployment at a connection, or a connection itself, as a hash of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place(u64);

/// A conversation, as a hash of what tells it from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConversationKey(pub(crate) u64);

#[derive(Default)]
struct State {
    /// Only what is in use or rests.
    loads: HashMap<Place, Load>,
    conversations: HashMap<ConversationKey, Stay>,
}

#[derive(Default)]
struct Load {
    in_flight: u32,
    /// Until when it rests.
    rest: Option<Instant>,
}

/// Where a conversation is, and when it was last heard of.
struct Stay {
    place: Place,
    at: Instant,
}

/// How ready a deployment is, the readiest first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Readiness {
    /// The conversation is there.
    Warm,
    Ready {
        in_flight: u32,
    },
    Resting {
        until: Instant,
    },
}

/// A request under way at a deployment. It is over when this is dropped.
pub(crate) struct InFlight {
    balance: Arc<Balance>,
    place: Place,
}

impl Balance {
    /// What may be given to [`Balance::choose`] as the place of a deployment, or to [`Balance::rests`] as that of a
    /// connection, whose deployment is the empty one.
    pub(crate) fn place(&self, connection: &str, deployment: &str) -> Place {
        Place(self.hashing.hash_one((connection, deployment)))
    }

    /// A hasher for what tells conversations apart.
    pub(crate) fn hasher(&self) -> impl Hasher + use<> {
        self.hashing.build_hasher()
    }

    /// Chooses the place for a request, by its number, and counts the request there. Where several are equally good it is
    /// the first of them: agents' requests begin alike, so one cache serves many conversations. Where all rest it is the
    /// one that is ready first.
    pub(crate) fn choose(
        self: &Arc<Self>,
        places: impl Iterator<Item = Place>,
        conversation: Option<ConversationKey>,
    ) -> Option<(usize, InFlight)> {
        let now = Instant::now();
        let mut state = self.state();
        let warm = conversation
            .and_then(|key| state.conversations.get(&key))
            .filter(|stay| now.duration_since(stay.at) < CONVERSATION_LASTS)
            .map(|stay| stay.place);
        let (number, place, _) = places
            .enumerate()
            .map(|(number, place)| {
                let load = state.loads.get(&place);
                let rest = load.and_then(|load| load.rest).filter(|until| *until > now);
                let readiness = match rest {
                    Some(until) => Readiness::Resting { until },
                    None if warm == Some(place) => Readiness::Warm,
                    None => Readiness::Ready {
                        in_flight: load.map_or(0, |load| load.in_flight),
                    },
                };
                (number, place, readiness)
            })
            .min_by(|(_, _, one), (_, _, other)| one.cmp(other))?;
        state.loads.entry(place).or_default().in_flight += 1;
        if let Some(key) = conversation {
            state.stay(key, Stay { place, at: now });
        }
        drop(state);
        let balance = Arc::clone(self);
        Some((number, InFlight { balance, place }))
    }

    /// Lets a place rest: for as long as it has asked for, at most a minute, or a few seconds.
    pub(crate) fn rest(&self, place: Place, asked: Option<Duration>) {
        let now = Instant::now();
        let until = now + asked.unwrap_or(SHORT_REST).min(LONGEST_REST);
        let mut state = self.state();
        state.loads.retain(|_, load| load.matters(now));
        state.loads.entry(place).or_default().rest = Some(until);
    }

    /// Whether a place rests.
    pub(crate) fn rests(&self, place: Place) -> bool {
        let now = Instant::now();
        let state = self.state();
        let rest = state.loads.get(&place).and_then(|load| load.rest);
        rest.is_some_and(|until| until > now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole before the next thing that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn stay(&mut self, key: ConversationKey, stay: Stay) {
        if self.conversations.len() >= MOST_CONVERSATIONS && !self.conversations.contains_key(&key) {
            // A quarter at once, so that not every new one looks through all.
            let mut times: Vec<_> = self.conversations.values().map(|stay| stay.at).collect();
            let (_, newest_forgotten, _) = times.select_nth_unstable(MOST_CONVERSATIONS / 4);
            let newest_forgotten = *newest_forgotten;
            self.conversations.retain(|_, stay| stay.at > newest_forgotten);
        }
        self.conversations.insert(key, stay);
    }
}

impl Load {
    fn matters(&self, now: Instant) -> bool {
        self.in_flight > 0 || self.rest.is_some_and(|until| until > now)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.balance.state();
        if let Some(load) = state.loads.get_mut(&self.place) {
            load.in_flight = load.in_flight.saturating_sub(1);
            if !load.matters(now) {
                state.loads.remove(&self.place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three(balance: &Balance) -> [Place; 3] {
        ["d1", "d2", "d3"].map(|deployment| balance.place("one", deployment))
    }

    fn chosen(balance: &Arc<Balance>, key: Option<u64>) -> Option<(usize, InFlight)> {
        balance.choose(three(balance).into_iter(), key.map(ConversationKey))
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_with_the_fewest_requests_is_chosen_and_then_the_first() {
        let balance = Arc::default();
        let mut running: Vec<_> = (0..7).map(|_| chosen(&balance, None).unwrap()).collect();
        let numbers: Vec<_> = running.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 1, 2, 0, 1, 2, 0]);
        // One of them ends at the second.
        running.remove(4);
        assert_eq!(chosen(&balance, None).unwrap().0, 1);
        drop(running);
        assert_eq!(chosen(&balance, None).unwrap().0, 0);
        assert!(
            balance.state().loads.is_empty(),
            "nothing is under way, nothing is kept"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_conversation_stays_where_it_is_until_that_rests_or_it_has_long_been_silent() {
        let balance: Arc<Balance> = Arc::default();
        let _busy = chosen(&balance, None).unwrap();
        let (number, held) = chosen(&balance, Some(7)).unwrap();
        assert_eq!(number, 1);
        // It is the busiest by now, and the conversation's all the same.
        assert_eq!(chosen(&balance, Some(7)).unwrap().0, 1);
        assert_eq!(chosen(&balance, Some(8)).unwrap().0, 2);
        balance.rest(held.place, None);
        assert_eq!(chosen(&balance, Some(7)).unwrap().0, 2);
        tokio::time::advance(SHORT_REST).await;
        assert_eq!(chosen(&balance, Some(7)).unwrap().0, 2, "it has moved");
        tokio::time::advance(CONVERSATION_LASTS).await;
        drop(held);
        assert_eq!(
            chosen(&balance, Some(7)).unwrap().0,
            1,
            "nothing is warm any more"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_rests_is_chosen_only_where_all_rest_and_then_what_is_ready_first() {
        let balance: Arc<Balance> = Arc::default();
        let [one, two, three] = three(&balance);
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        balance.rest(one, seconds(3600));
        balance.rest(two, seconds(20));
        assert_eq!(chosen(&balance, None).unwrap().0, 2);
        balance.rest(three, seconds(40));
        assert_eq!(chosen(&balance, None).unwrap().0, 1);
        tokio::time::advance(Duration::from_secs(40)).await;
        assert!(balance.rests(one) && !balance.rests(two) && !balance.rests(three));
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(!balance.rests(one), "no rest is longer than a minute");
        for place in [one, two, three] {
            balance.rest(place, None);
        }
        assert!(chosen(&balance, None).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_conversations_that_are_remembered_have_a_limit() {
        let balance: Arc<Balance> = Arc::default();
        let _busy = chosen(&balance, None).unwrap();
        let last = 2 * MOST_CONVERSATIONS as u64;
        for key in 0..=last {
            tokio::time::advance(Duration::from_millis(1)).await;
            chosen(&balance, Some(key)).unwrap();
        }
        assert!(balance.state().conversations.len() <= MOST_CONVERSATIONS);
        let knows = |key| balance.state().conversations.contains_key(&ConversationKey(key));
        assert!(knows(last) && knows(last - 1000) && !knows(0));
    }
}
