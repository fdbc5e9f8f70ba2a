//! The key that agents must show: told by a variable, kept in the keychain, or made.

use std::fmt::Write as _;
use std::sync::Arc;

use coretap_proxy::LocalKey;
use secrecy::ExposeSecret;

use crate::binding;
use crate::error::Error;
use crate::paths::set;
use crate::running::Inner;
use crate::secrets::{self, Secret, Secrets};
use crate::settings_file::SettingsFile;
use crate::snapshot;
use crate::view::{KeyView, ProblemView};

/// The variable that tells it.
pub(crate) const VARIABLE: &str = "CORETAP_API_KEY";

/// Makes a key of 256 random bits. It begins with `sk-`, as some agents want.
pub(crate) fn random() -> Result<LocalKey, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    let mut key = "sk-coretap-".to_owned();
    for byte in bytes {
        // Writing into a String can't fail.
        let _ = write!(key, "{byte:02x}");
    }
    LocalKey::new(key).ok_or(Error::LocalKeyRefused)
}

/// The local key of `CORETAP_API_KEY`, else the one that the desktop app keeps in the keychain, if there is one.
///
/// # Errors
/// When it can't stand in a header, or the keychain can't be read.
pub async fn local_key(environment: &impl Fn(&str) -> Option<String>) -> Result<Option<LocalKey>, Error> {
    if let Some(key) = own_local_key(environment)? {
        return Ok(Some(key));
    }
    // Whoever has never used the desktop app has nothing in the keychain, and must not be asked to unlock it.
    match SettingsFile::load(environment)? {
        Some(_) => stored_local_key(&Secrets::new()).await,
        None => Ok(None),
    }
}

/// The local key of `CORETAP_API_KEY`, if it is set.
///
/// # Errors
/// When it can't stand in a header.
pub(crate) fn own_local_key(
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<Option<LocalKey>, Error> {
    set(environment, VARIABLE)
        .map(|key| LocalKey::new(key).ok_or(Error::LocalKeyRefused))
        .transpose()
}

/// The local key that the desktop app keeps in the keychain.
pub(crate) async fn stored_local_key(secrets: &Secrets) -> Result<Option<LocalKey>, Error> {
    let found = secrets.get(binding::LOCAL_KEY).await?;
    let key = found.and_then(|found| secrets::text(&found.secret));
    Ok(key.and_then(|key| LocalKey::new(key.expose_secret().to_owned())))
}

impl Inner {
    /// The local key of the keychain, or a new one that is put there; without a keychain one for this run.
    pub(crate) async fn read_local_key(self: &Arc<Self>) -> Result<LocalKey, Error> {
        // Two readers who both find none would make two keys.
        let _one_reader = self.local_key.lock().await;
        let known = self.running.lock().await.local_key.clone();
        if self.snapshot.borrow().local_key.stored
            && let Some(known) = known
        {
            return Ok(known);
        }
        let found = self.secrets.get(binding::LOCAL_KEY).await;
        let usable = |secret: &Secret| LocalKey::new(secrets::text(secret)?.expose_secret().to_owned());
        if let Ok(Some(found)) = &found
            && let Some(key) = usable(&found.secret)
        {
            self.note_local_key_trouble(None);
            self.take_local_key(key.clone(), true).await;
            return Ok(key);
        }
        // The key that agents may have already goes before a new one.
        let key = match known {
            Some(key) => key,
            None => random()?,
        };
        let trouble = match found {
            Ok(Some(_)) => Some(Error::LocalKeyRefused),
            Ok(None) => {
                let secret = secrets::bytes(key.expose());
                let written = self.secrets.store(binding::LOCAL_KEY, &secret).await;
                written.err().map(Error::Secret)
            }
            Err(error) => Some(Error::Secret(error)),
        };
        self.note_local_key_trouble(trouble.as_ref());
        self.take_local_key(key.clone(), trouble.is_none()).await;
        Ok(key)
    }

    /// Says why the local key does not last, or that it does.
    fn note_local_key_trouble(&self, trouble: Option<&Error>) {
        self.change(|snapshot| {
            snapshot
                .notices
                .retain(|notice| !notice.code.starts_with("SECRET-") && notice.code != "CONFIG-LOCAL-KEY");
            if let Some(trouble) = trouble {
                let mut notice = ProblemView::from(trouble);
                notice.field = None;
                notice.sentence = format!("The local key holds for this run only. {}", notice.sentence);
                snapshot.notices.push(notice);
            }
        });
    }

    /// Takes a local key into use, from the next [`Inner::apply`] on.
    pub(crate) async fn take_local_key(&self, key: LocalKey, is_stored: bool) {
        let view = KeyView {
            beginning: snapshot::beginning(&key),
            stored: is_stored,
        };
        self.running.lock().await.local_key = Some(key);
        self.change(|snapshot| snapshot.local_key = view);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_another() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert_eq!(one.expose().len(), "sk-coretap-".len() + 64);
        assert_ne!(one.expose(), other.expose());
    }
}
