//! Secrets: in the system's keychain, or in memory until this run ends. Never in a file.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use tokio::sync::{Notify, oneshot};

use crate::keychain;

/// A secret as it is kept: a text's bytes, or a private key's.
pub(crate) type Secret = SecretSlice<u8>;

/// The bytes of a text.
pub(crate) fn bytes(text: &str) -> Secret {
    Secret::from(text.as_bytes().to_vec())
}

/// The text whose bytes these are; `None` if they are none.
pub(crate) fn text(secret: &Secret) -> Option<SecretString> {
    let text = std::str::from_utf8(secret.expose_secret()).ok()?;
    Some(SecretString::from(text))
}

/// The keychain may ask the person for a password. Longer than this nobody waits for it; the question stays open.
const PATIENCE: Duration = Duration::from_secs(10);
/// Questions that may wait while the keychain shows a prompt; those whose asker has gone are passed over.
const QUEUE: usize = 16;

/// Why the keychain can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is none.
    #[error("This system has no keychain that Coretap can use: {0}.")]
    NoKeychain(String),
    /// It is locked, and was not unlocked.
    #[error("The keychain is locked, and it was not unlocked.")]
    Locked,
    /// It has not answered in time, probably because it shows a prompt.
    #[error(
        "The keychain has not answered for 10 seconds; it may be asking for your password in a window of its own."
    )]
    Waiting,
    /// It said no, or broke.
    #[error("The keychain refused: {0}.")]
    Refused(String),
}

impl SecretError {
    /// The stable code, explained in docs/problems.md.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            SecretError::NoKeychain(_) => "SECRET-NO-KEYCHAIN",
            SecretError::Locked => "SECRET-LOCKED",
            SecretError::Waiting => "SECRET-WAITING",
            SecretError::Refused(_) => "SECRET-REFUSED",
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            SecretError::NoKeychain(_) => {
                "Start a keychain (GNOME Keyring, KWallet or KeePassXC) and try again, or set AICORE_SERVICE_KEY and CORETAP_API_KEY."
            }
            SecretError::Locked => "Unlock it and try again, or set AICORE_SERVICE_KEY and CORETAP_API_KEY.",
            SecretError::Waiting => {
                "Answer the keychain's question and try again, or set AICORE_SERVICE_KEY and CORETAP_API_KEY."
            }
            SecretError::Refused(_) => {
                "Allow Coretap to use the keychain and try again, or set AICORE_SERVICE_KEY and CORETAP_API_KEY."
            }
        }
    }
}

/// What is asked of the keychain; the answer goes back by the channel.
enum Question {
    Read(oneshot::Sender<Result<Option<Secret>, SecretError>>),
    Write(Secret, oneshot::Sender<Result<(), SecretError>>),
    Remove(oneshot::Sender<Result<(), SecretError>>),
}

/// All secrets. One thread of its own asks the keychain, one question after another, because each may block for as
/// long as a prompt is open.
pub(crate) struct Secrets {
    questions: Mutex<Option<mpsc::SyncSender<(String, Question)>>>,
    /// Since when the thread has been at one question.
    asking_since: Arc<Mutex<Option<Instant>>>,
    /// Rung when the keychain has answered somebody who had given up.
    late: Arc<Notify>,
    kept: Mutex<HashMap<String, Secret>>,
}

/// A secret and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) secret: Secret,
    /// Whether it is in the keychain, as against this run's memory.
    pub(crate) stored: bool,
}

impl Secrets {
    pub(crate) fn new() -> Self {
        Secrets {
            questions: Mutex::new(None),
            asking_since: Arc::default(),
            late: Arc::default(),
            kept: Mutex::default(),
        }
    }

    /// The secret of this name: one that is kept for this run, else the keychain's.
    ///
    /// # Errors
    /// When the keychain can't be read.
    pub(crate) async fn get(&self, name: &str) -> Result<Option<Found>, SecretError> {
        let kept = self.kept().get(name).cloned();
        if let Some(secret) = kept {
            return Ok(Some(Found {
                secret,
                stored: false,
            }));
        }
        let found = self.ask(name, Question::Read).await?;
        Ok(found.map(|secret| Found { secret, stored: true }))
    }

    /// Puts a secret into the keychain, and forgets one that was kept for this run.
    ///
    /// # Errors
    /// When the keychain did not take it; then nothing has changed.
    pub(crate) async fn store(&self, name: &str, secret: &Secret) -> Result<(), SecretError> {
        let secret = secret.clone();
        self.ask(name, |answer| Question::Write(secret, answer)).await?;
        self.kept().remove(name);
        Ok(())
    }

    /// Keeps a secret in memory until this run ends.
    pub(crate) fn keep_for_this_run(&self, name: &str, secret: Secret) {
        self.kept().insert(name.to_owned(), secret);
    }

    /// Removes a secret everywhere; one that isn't there is no error.
    ///
    /// # Errors
    /// When the keychain can't be asked; what was kept for this run is gone all the same.
    pub(crate) async fn forget(&self, name: &str) -> Result<(), SecretError> {
        let was_kept = self.kept().remove(name).is_some();
        match self.ask(name, Question::Remove).await {
            // Where there is no keychain, there is nothing in it.
            Err(SecretError::NoKeychain(_)) if was_kept => Ok(()),
            removed => removed,
        }
    }

    /// Waits until the keychain answers a question whose asker has given up: what was missing may be there now.
    pub(crate) async fn answered_late(&self) {
        self.late.notified().await;
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<String, Secret>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask<T>(
        &self,
        name: &str,
        question: impl FnOnce(oneshot::Sender<Result<T, SecretError>>) -> Question,
    ) -> Result<T, SecretError> {
        // Nobody waits another ten seconds behind a prompt that is known to be open.
        let since = *self.asking_since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_some_and(|since| since.elapsed() >= PATIENCE) {
            return Err(SecretError::Waiting);
        }
        let (answer, answered) = oneshot::channel();
        {
            let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
            let sender = questions
                .get_or_insert_with(|| start(Arc::clone(&self.asking_since), Arc::clone(&self.late)));
            match sender.try_send((name.to_owned(), question(answer))) {
                Ok(()) => {}
                Err(mpsc::TrySendError::Full(_)) => return Err(SecretError::Waiting),
                Err(mpsc::TrySendError::Disconnected(_)) => {
                    // The next question starts another thread.
                    *questions = None;
                    *self.asking_since.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    return Err(SecretError::Refused("its thread ended".to_owned()));
                }
            }
        }
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(SecretError::Refused("its thread ended".to_owned())),
            Err(_) => Err(SecretError::Waiting),
        }
    }
}

/// Starts the thread that asks; it ends with its sender.
fn start(
    asking_since: Arc<Mutex<Option<Instant>>>,
    late: Arc<Notify>,
) -> mpsc::SyncSender<(String, Question)> {
    let (sender, questions) = mpsc::sync_channel::<(String, Question)>(QUEUE);
    let thread = std::thread::Builder::new().name("keychain".to_owned());
    let started = thread.spawn(move || {
        let note = |since| *asking_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
        for (name, question) in questions {
            note(Some(Instant::now()));
            // Whoever has given up must not cause another prompt.
            let in_time = match question {
                Question::Read(answer) => answer.is_closed() || answer.send(keychain::read(&name)).is_ok(),
                Question::Write(secret, answer) => answer.is_closed() || write(&name, &secret, answer),
                Question::Remove(answer) => {
                    answer.is_closed() || answer.send(keychain::remove(&name)).is_ok()
                }
            };
            if !in_time {
                late.notify_one();
            }
            note(None);
        }
    });
    if let Err(error) = started {
        // The questions then find no receiver, and their answer is that the thread ended.
        tracing::error!(%error, "no thread for the keychain");
    }
    sender
}

/// Writes an item. Whoever has given up was told that nothing has changed, so then the item becomes again what it was.
/// Says whether the answer came in time.
fn write(name: &str, secret: &Secret, answer: oneshot::Sender<Result<(), SecretError>>) -> bool {
    let former = keychain::read(name);
    if answer.is_closed() {
        return false;
    }
    let written = keychain::write(name, secret.expose_secret());
    let Err(written) = answer.send(written) else {
        return true;
    };
    if written.is_ok() {
        let undone = match former {
            Ok(Some(former)) => keychain::write(name, former.expose_secret()),
            _ => keychain::remove(name),
        };
        if let Err(error) = undone {
            tracing::warn!(code = error.code(), %error, "a secret that came too late stays in the keychain");
        }
    }
    false
}
