//! Connections that wait for their next request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use crate::transport::{MOST_IDLE, UNUSED_UNTIL};

/// Our end of a connection. The connection closes when it is dropped.
pub(crate) type Sender = SendRequest<Full<Bytes>>;

/// The connections of one origin that nobody uses. They close when it is dropped.
#[derive(Default)]
pub(crate) struct IdleConnections(Arc<Mutex<List>>);

#[derive(Default)]
struct List {
    /// The one that was used last at the end.
    connections: VecDeque<Idle>,
    /// Whether a task is about that closes those that are unused for long.
    is_watched: bool,
}

struct Idle {
    sender: Sender,
    since: Instant,
}

impl IdleConnections {
    /// The connection that was used last, if one is open, as far as anybody knows.
    pub(crate) fn take(&self) -> Option<Sender> {
        let mut list = lock(&self.0);
        loop {
            let Idle { sender, since } = list.connections.pop_back()?;
            if sender.is_ready() && since.elapsed() < UNUSED_UNTIL {
                return Some(sender);
            }
        }
    }

    /// Takes a connection whose answer has begun, and keeps it once the answer is read to its end.
    pub(crate) fn put(&self, mut sender: Sender) {
        if sender.is_ready() {
            return keep(&self.0, sender);
        }
        let list = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            if sender.ready().await.is_ok()
                && let Some(list) = list.upgrade()
            {
                keep(&list, sender);
            }
        });
    }
}

fn keep(shared: &Arc<Mutex<List>>, sender: Sender) {
    let mut list = lock(shared);
    if list.connections.len() >= MOST_IDLE {
        list.connections.pop_front();
    }
    list.connections.push_back(Idle {
        sender,
        since: Instant::now(),
    });
    if !list.is_watched {
        list.is_watched = true;
        tokio::spawn(close_unused(Arc::downgrade(shared)));
    }
}

/// Closes what is unused for long, until there is nothing left.
async fn close_unused(list: Weak<Mutex<List>>) {
    loop {
        tokio::time::sleep(UNUSED_UNTIL).await;
        let Some(list) = list.upgrade() else { return };
        let mut list = lock(&list);
        list.connections
            .retain(|idle| !idle.sender.is_closed() && idle.since.elapsed() < UNUSED_UNTIL);
        if list.connections.is_empty() {
            list.is_watched = false;
            return;
        }
    }
}

fn lock(list: &Mutex<List>) -> MutexGuard<'_, List> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
