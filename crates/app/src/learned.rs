//! What deployments have refused, while Coretap runs: kept in `learned.toml`, where others may change it too. Who has the file
//! in use looks for changes of others every few seconds.

use std::sync::Weak;
use std::time::{Duration, SystemTime};

use coretap_proxy::{Knowledge, Lesson};
use tokio::sync::mpsc;

use crate::learned_file::{LearnedFile, Stamp, holds};

/// How often changes of others are looked for.
const PAUSE: Duration = Duration::from_secs(3);

/// Keeps in the file what is learned, and follows what others change in it, for as long as anybody learns. `seen` is what the
/// file was like before it was read.
pub(crate) async fn follow(
    file: LearnedFile,
    mut seen: Stamp,
    knowledge: Weak<Knowledge>,
    mut learned: mpsc::UnboundedReceiver<Lesson>,
) {
    let mut pause = tokio::time::interval(PAUSE);
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let mut new = Vec::new();
        tokio::select! {
            first = learned.recv() => match first {
                Some(first) => {
                    new.push(first);
                    new.extend(std::iter::from_fn(|| learned.try_recv().ok()));
                }
                None => return,
            },
            _ = pause.tick() => {}
        }
        let Some(known) = knowledge.upgrade() else { return };
        let now = SystemTime::now();
        let lessons = if new.is_empty() {
            let stamp = file.stamp();
            let is_old = known.lessons().iter().any(|lesson| !holds(lesson, now));
            if stamp == seen && !is_old {
                continue;
            }
            seen = stamp;
            file.read(now).map(|contents| contents.lessons)
        } else {
            let file = file.clone();
            // Another process may have the lock.
            match tokio::task::spawn_blocking(move || file.add(new, now)).await {
                Ok(Ok((lessons, stamp))) => {
                    seen = stamp;
                    Ok(lessons)
                }
                Ok(Err(error)) => Err(error),
                Err(_) => return,
            }
        };
        match lessons {
            Ok(lessons) if lessons != known.lessons() => known.set_lessons(lessons),
            Ok(_) => {}
            // What is in memory holds for this run.
            Err(error) => tracing::warn!(code = error.code(), "{error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use coretap_formats::limitation::Limitation;
    use coretap_formats::rules::Rules;

    use super::*;
    use crate::learned_file::tests::{file, lesson};

    #[tokio::test(start_paused = true)]
    async fn what_was_read_at_the_start_is_not_read_again_while_it_stays() {
        let (_home, file) = file();
        file.add(
            vec![lesson("m", Limitation::Betas, SystemTime::now())],
            SystemTime::now(),
        )
        .unwrap();
        let (_sender, receiver) = mpsc::unbounded_channel();
        // Nothing is known, so reading it once more would be seen.
        let knowledge = Arc::new(Knowledge::new(Rules::embedded(), Vec::new(), None));
        let known = Arc::downgrade(&knowledge);
        tokio::spawn(follow(file.clone(), file.stamp(), known, receiver));
        tokio::time::sleep(PAUSE * 4).await;
        assert_eq!(knowledge.lessons(), []);
    }

    #[tokio::test]
    async fn what_others_change_is_followed() {
        let (_home, file) = file();
        let (sender, receiver) = mpsc::unbounded_channel();
        let knowledge = Arc::new(Knowledge::new(Rules::embedded(), Vec::new(), None));
        let following = tokio::spawn(follow(
            file.clone(),
            file.stamp(),
            Arc::downgrade(&knowledge),
            receiver,
        ));
        let wait_for = async |count| {
            while knowledge.lessons().len() != count
                || file.read(SystemTime::now()).unwrap().lessons.len() != count
            {
                tokio::task::yield_now().await;
            }
        };
        let now = SystemTime::now();
        sender.send(lesson("own", Limitation::Betas, now)).unwrap();
        wait_for(1).await;
        file.add(vec![lesson("others", Limitation::Betas, now)], now)
            .unwrap();
        wait_for(2).await;
        file.forget("d1/own/anthropic_beta", now).unwrap();
        wait_for(1).await;
        drop(sender);
        following.await.unwrap();
    }
}
