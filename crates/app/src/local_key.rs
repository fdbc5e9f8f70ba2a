//! A local key for one run.

use std::fmt::Write as _;

use coretap_proxy::LocalKey;

use crate::error::Error;

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
