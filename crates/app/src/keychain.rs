//! The system's keychain: Secret Service on Linux, Keychain on macOS, Credential Manager on Windows. Every call may
//! block for as long as the keychain shows a prompt.

use crate::secrets::{Secret, SecretError};
use keyring::{Entry, Error};

/// The name that all items have in common.
const SERVICE: &str = "coretap";

/// Reads an item; `None` if there is none.
pub(crate) fn read(name: &str) -> Result<Option<Secret>, SecretError> {
    Ok(with_item(name, keyring_core::Entry::get_secret)?.map(Secret::from))
}

/// Writes an item, in place of the one that is there. Bytes, not text: Windows would keep a text in two bytes for each
/// character, and takes 2,560 of them.
pub(crate) fn write(name: &str, secret: &[u8]) -> Result<(), SecretError> {
    with_item(name, |item| item.set_secret(secret)).map(|_| ())
}

/// Removes an item, if it is there.
pub(crate) fn remove(name: &str) -> Result<(), SecretError> {
    with_item(name, keyring_core::Entry::delete_credential).map(|_| ())
}

/// Uses an item; `None` if there is no such item. `keyring` opens the keychain once per process and remembers even
/// that it failed; one that starts later, or starts anew, is found only by opening it again.
fn with_item<T>(
    name: &str,
    using: impl Fn(&keyring_core::Entry) -> Result<T, Error>,
) -> Result<Option<T>, SecretError> {
    let mut used = Entry::new(SERVICE, name).and_then(|entry| using(&entry.inner));
    if matches!(used, Err(Error::NoDefaultStore | Error::PlatformFailure(_))) {
        open_again().map_err(|error| SecretError::NoKeychain(one_line(&error.to_string())))?;
        used = keyring_core::Entry::new(SERVICE, name).and_then(|entry| using(&entry));
    }
    match used {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::NoEntry) => Ok(None),
        Err(Error::NoStorageAccess(_)) => Err(SecretError::Locked),
        Err(error) => Err(SecretError::Refused(one_line(&error.to_string()))),
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
fn open_again() -> Result<(), Error> {
    keyring_core::set_default_store(zbus_secret_service_keyring_store::Store::new()?);
    Ok(())
}

/// The other systems' keychains are always there: what failed once fails for a reason of its own.
#[cfg(not(all(unix, not(target_os = "macos"))))]
fn open_again() -> Result<(), Error> {
    Ok(())
}

/// The cause's words without line ends and without the full stop that the sentence around them has.
fn one_line(words: &str) -> String {
    let words: Vec<_> = words.split_whitespace().collect();
    words.join(" ").trim_end_matches('.').to_owned()
}
