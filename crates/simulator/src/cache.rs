//! The prompt cache, as far as usage figures show it. Unlike the vendor's it has no least size.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use crate::conversation::Prompt;

/// The most prefixes that are remembered.
const REMEMBERED: usize = 10_000;

/// The prefixes seen so far.
#[derive(Default)]
pub(crate) struct Cache {
    seen: Mutex<HashSet<u64>>,
}

/// How the prompt's tokens split.
#[derive(Default, Clone, Copy, Debug, PartialEq)]
pub(crate) struct CacheUse {
    /// Read from the cache.
    pub(crate) read: u64,
    /// Written for five minutes.
    pub(crate) written: u64,
    /// Written for an hour.
    pub(crate) written_hour: u64,
}

impl Cache {
    /// Looks the marked prefixes up and remembers them.
    pub(crate) fn look(&self, model: &str, prompt: &Prompt) -> CacheUse {
        let Some(last) = prompt.marks.last() else {
            return CacheUse::default();
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let key = |hash: u64| {
            let mut hasher = DefaultHasher::new();
            (model, hash).hash(&mut hasher);
            hasher.finish()
        };
        let known = prompt
            .marks
            .iter()
            .rev()
            .find(|mark| seen.contains(&key(mark.hash)));
        let read = known.map_or(0, |mark| mark.tokens);
        let written = last.tokens - read;
        if seen.len() > REMEMBERED {
            seen.clear();
        }
        seen.extend(prompt.marks.iter().map(|mark| key(mark.hash)));
        if last.hour {
            CacheUse {
                read,
                written: 0,
                written_hour: written,
            }
        } else {
            CacheUse {
                read,
                written,
                written_hour: 0,
            }
        }
    }
}
