//! Something fetched from SAP AI Core and kept for a while: the token, the deployments, the catalogue.
//!
//! One fetch at a time, whoever asks; a value past its best is still given at once while a new one is fetched in the
//! background; a fetch that fails keeps the old value. A caller that goes away does not stop a fetch, because others
//! may wait for it.

use std::future::{Future, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::error::Error;

/// After a failed refresh the old value counts as good for this long, so that a broken service isn't asked at every
/// request.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// What a fetch brings, and how long it holds.
pub(crate) struct Fetched<T> {
    pub(crate) value: T,
    /// Until then nothing is fetched.
    pub(crate) fresh_for: Duration,
    /// From then on the value must not be used any more; `None`: it is better than nothing for ever.
    pub(crate) usable_for: Option<Duration>,
}

type Outcome<T> = Shared<BoxFuture<'static, Result<Arc<T>, Error>>>;

/// A fetch in a task of its own.
struct Flight<T> {
    outcome: Outcome<T>,
    task: AbortHandle,
}

pub(crate) struct Cached<T> {
    /// What it is, for sentences such as "Reading … was interrupted".
    what: &'static str,
    kept: RwLock<Option<Kept<T>>>,
    flight: Mutex<Option<Flight<T>>>,
}

struct Kept<T> {
    value: Arc<T>,
    fetched: Instant,
    fresh_until: Instant,
    usable_until: Option<Instant>,
}

/// How good the kept value is at this moment.
enum Found<T> {
    Fresh(Arc<T>),
    Stale(Arc<T>),
    Nothing,
}

impl<T> Found<T> {
    fn fresh(self) -> Option<Arc<T>> {
        match self {
            Self::Fresh(value) => Some(value),
            Self::Stale(_) | Self::Nothing => None,
        }
    }

    fn usable(self) -> Option<Arc<T>> {
        match self {
            Self::Fresh(value) | Self::Stale(value) => Some(value),
            Self::Nothing => None,
        }
    }
}

impl<T: Send + Sync + 'static> Cached<T> {
    pub(crate) fn new(what: &'static str) -> Arc<Self> {
        Arc::new(Self {
            what,
            kept: RwLock::new(None),
            flight: Mutex::new(None),
        })
    }

    /// The value: the kept one if it may be used, else the one that `fetch` brings.
    pub(crate) async fn get<F>(self: &Arc<Self>, fetch: impl Fn() -> F) -> Result<Arc<T>, Error>
    where
        F: Future<Output = Result<Fetched<T>, Error>> + Send + 'static,
    {
        match self.peek(&fetch) {
            Some(value) => Ok(value),
            None => self.join_or_begin(fetch, Found::usable).await,
        }
    }

    /// The kept value if it may be used; one past its best is refreshed in the background. Never waits.
    pub(crate) fn peek<F>(self: &Arc<Self>, fetch: impl Fn() -> F) -> Option<Arc<T>>
    where
        F: Future<Output = Result<Fetched<T>, Error>> + Send + 'static,
    {
        match self.find() {
            Found::Fresh(value) => Some(value),
            Found::Stale(value) => {
                // Nobody waits for it: it runs as a task of its own.
                drop(self.join_or_begin(fetch, Found::fresh));
                Some(value)
            }
            Found::Nothing => None,
        }
    }

    /// A value that is not older than `age`, fetched now if the kept one is.
    pub(crate) async fn get_younger_than<F>(
        self: &Arc<Self>,
        age: Duration,
        fetch: impl Fn() -> F,
    ) -> Result<Arc<T>, Error>
    where
        F: Future<Output = Result<Fetched<T>, Error>> + Send + 'static,
    {
        let young = self
            .read()
            .as_ref()
            .filter(|kept| kept.fetched.elapsed() < age)
            .map(|kept| Arc::clone(&kept.value));
        match young {
            Some(value) => Ok(value),
            None => self.join_or_begin(fetch, |_| None).await,
        }
    }

    /// The kept value if it may be used.
    pub(crate) fn current(&self) -> Option<Arc<T>> {
        self.find().usable()
    }

    /// Forgets the kept value: the next caller waits for a new one.
    pub(crate) fn forget(&self) {
        *self.write() = None;
    }

    fn find(&self) -> Found<T> {
        let kept = self.read();
        let Some(kept) = kept.as_ref() else {
            return Found::Nothing;
        };
        let now = Instant::now();
        if kept.usable_until.is_some_and(|until| now >= until) {
            Found::Nothing
        } else if now < kept.fresh_until {
            Found::Fresh(Arc::clone(&kept.value))
        } else {
            Found::Stale(Arc::clone(&kept.value))
        }
    }

    /// Joins the fetch under way or begins one, unless the kept value, seen under the lock, is `good_enough` by now.
    fn join_or_begin<F>(
        self: &Arc<Self>,
        fetch: impl Fn() -> F,
        good_enough: impl FnOnce(Found<T>) -> Option<Arc<T>>,
    ) -> Outcome<T>
    where
        F: Future<Output = Result<Fetched<T>, Error>> + Send + 'static,
    {
        let mut flight = self.flight();
        // A task that panicked is finished, too: the next caller begins anew.
        if let Some(under_way) = flight.as_ref().filter(|flight| !flight.task.is_finished()) {
            return under_way.outcome.clone();
        }
        if let Some(value) = good_enough(self.find()) {
            return ready(Ok(value)).boxed().shared();
        }
        let (cached, fetch, what) = (Arc::clone(self), fetch(), self.what);
        let task = tokio::spawn(async move { cached.keep(fetch.await) });
        let handle = task.abort_handle();
        let outcome = task
            .map(move |joined| joined.unwrap_or(Err(Error::Interrupted { what })))
            .boxed()
            .shared();
        *flight = Some(Flight {
            outcome: outcome.clone(),
            task: handle,
        });
        outcome
    }

    fn keep(&self, outcome: Result<Fetched<T>, Error>) -> Result<Arc<T>, Error> {
        let now = Instant::now();
        match outcome {
            Ok(fetched) => {
                let value = Arc::new(fetched.value);
                *self.write() = Some(Kept {
                    value: Arc::clone(&value),
                    fetched: now,
                    fresh_until: now + fetched.fresh_for,
                    usable_until: fetched.usable_for.map(|usable| now + usable),
                });
                tracing::debug!(what = self.what, "fetched");
                Ok(value)
            }
            Err(error) => {
                if let Some(kept) = self.write().as_mut() {
                    kept.fresh_until = now + PAUSE_AFTER_FAILURE;
                    tracing::warn!(what = self.what, code = error.code(), %error, "refresh failed, the old one is kept");
                }
                Err(error)
            }
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Option<Kept<T>>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Option<Kept<T>>> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn flight(&self) -> MutexGuard<'_, Option<Flight<T>>> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    /// Gives 1, 2, 3 … each after a permit, and fails or panics on demand.
    struct Source {
        asked: AtomicUsize,
        permits: Semaphore,
    }

    impl Source {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                asked: AtomicUsize::new(0),
                permits: Semaphore::new(0),
            })
        }

        fn fetch(self: &Arc<Self>) -> impl Future<Output = Result<Fetched<usize>, Error>> + Send + use<> {
            let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            let source = Arc::clone(self);
            async move {
                source.permits.acquire().await.unwrap().forget();
                Ok(Fetched {
                    value: number,
                    fresh_for: Duration::from_secs(60),
                    usable_for: Some(Duration::from_secs(100)),
                })
            }
        }
    }

    async fn failing() -> Result<Fetched<usize>, Error> {
        Err(Error::Interrupted { what: "a test" })
    }

    #[tokio::test(start_paused = true)]
    async fn fifty_callers_share_one_fetch() {
        let (cached, source) = (Cached::new("numbers"), Source::new());
        source.permits.add_permits(1);
        let values = join_all((0..50).map(|_| cached.get(|| source.fetch()))).await;
        assert!(values.into_iter().all(|value| *value.unwrap() == 1));
        assert_eq!(source.asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stale_value_is_given_at_once_and_refreshed_behind_it() {
        let (cached, source) = (Cached::new("numbers"), Source::new());
        source.permits.add_permits(1);
        assert_eq!(*cached.get(|| source.fetch()).await.unwrap(), 1);

        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(*cached.get(|| source.fetch()).await.unwrap(), 1);
        assert_eq!(source.asked.load(Ordering::SeqCst), 1, "still fresh");

        tokio::time::advance(Duration::from_secs(1)).await;
        for _ in 0..3 {
            // No permit is there, so this would hang if it waited for the refresh.
            assert_eq!(*cached.get(|| source.fetch()).await.unwrap(), 1);
        }
        assert_eq!(source.asked.load(Ordering::SeqCst), 2, "one refresh under way");
        source.permits.add_permits(1);
        while *cached.peek(|| source.fetch()).unwrap() == 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(source.asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_past_its_end_is_never_given() {
        let (cached, source) = (Cached::new("numbers"), Source::new());
        source.permits.add_permits(2);
        cached.get(|| source.fetch()).await.unwrap();
        tokio::time::advance(Duration::from_secs(100)).await;
        assert!(cached.current().is_none());
        assert_eq!(*cached.get(|| source.fetch()).await.unwrap(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_refresh_keeps_the_old_value_and_pauses() {
        let (cached, source) = (Cached::new("numbers"), Source::new());
        source.permits.add_permits(1);
        cached.get(|| source.fetch()).await.unwrap();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(*cached.get(failing).await.unwrap(), 1);
        while cached
            .flight()
            .as_ref()
            .is_some_and(|flight| !flight.task.is_finished())
        {
            tokio::task::yield_now().await;
        }
        assert_eq!(*cached.get(|| source.fetch()).await.unwrap(), 1);
        assert_eq!(
            source.asked.load(Ordering::SeqCst),
            1,
            "within the pause nothing is fetched"
        );
        tokio::time::advance(PAUSE_AFTER_FAILURE).await;
        cached.get(|| source.fetch()).await.unwrap();
        assert_eq!(source.asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_without_an_old_value_is_everyones_and_the_next_caller_tries_again() {
        let (cached, source) = (Cached::new("numbers"), Source::new());
        let outcomes = join_all((0..3).map(|_| cached.get(failing))).await;
        assert!(outcomes.iter().all(Result::is_err));
        source.permits.add_permits(1);
        assert_eq!(*cached.get(|| source.fetch()).await.unwrap(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_leaves_does_not_stop_the_fetch() {
        let (cached, source) = (Cached::new("numbers"), Source::new());
        // Asked once and dropped: the caller has left.
        assert!(cached.get(|| source.fetch()).now_or_never().is_none());
        source.permits.add_permits(1);
        assert_eq!(*cached.get(|| source.fetch()).await.unwrap(), 1);
        assert_eq!(source.asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panicking_fetch_is_an_error_and_lived_through() {
        let (cached, source) = (Cached::<usize>::new("numbers"), Source::new());
        let outcome = cached.get(|| async { panic!("injected") }).await;
        assert!(matches!(outcome, Err(Error::Interrupted { what: "numbers" })));
        source.permits.add_permits(1);
        assert_eq!(*cached.get(|| source.fetch()).await.unwrap(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_forgotten_or_too_old_is_fetched_anew() {
        let (cached, source) = (Cached::new("numbers"), Source::new());
        source.permits.add_permits(3);
        cached.get(|| source.fetch()).await.unwrap();
        cached.forget();
        assert_eq!(*cached.get(|| source.fetch()).await.unwrap(), 2);
        let ten = Duration::from_secs(10);
        assert_eq!(*cached.get_younger_than(ten, || source.fetch()).await.unwrap(), 2);
        tokio::time::advance(ten).await;
        assert_eq!(*cached.get_younger_than(ten, || source.fetch()).await.unwrap(), 3);
    }
}
