//! A desktop of a test's own: an X server, a session bus, a keychain and a tray host that nobody else sees, the real
//! app in it, and a driver that works its window.
//!
//! Everything is unique to one [`Session`], so that tests run side by side, and all of it ends with the session.

pub mod agent;
pub mod disk;
pub mod elements;
pub mod form;
pub mod hidden;
pub mod hosts;
pub mod keychain;
pub mod memory;
pub mod menu;
pub mod processes;
pub mod screen;
pub mod session;
pub mod settings;
pub mod tray;
mod watcher;
pub mod window;

use std::time::{Duration, Instant};

use crate::process::LIMIT;

/// Asks again and again until `condition` gives something, and fails the test when that takes longer than a minute.
pub async fn until<T>(what: &str, condition: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(LIMIT, what, condition).await
}

/// As [`until`], for what has to come sooner.
pub async fn until_within<T>(limit: Duration, what: &str, condition: impl AsyncFnMut() -> Option<T>) -> T {
    poll(limit, condition)
        .await
        .unwrap_or_else(|| panic!("not within {limit:?}: {what}"))
}

/// Asks again and again until `condition` gives something; `None` when it did not within the time.
pub async fn poll<T>(limit: Duration, mut condition: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    // The one pause of these tests: what is waited for here sends no event that could be waited for.
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let last = start.elapsed() > limit;
        let found = condition().await;
        if found.is_some() || last {
            return found;
        }
    }
}
