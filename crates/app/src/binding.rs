//! The name under which a connection's secret, client secret or private key, lies in the keychain.
//!
//! Architecture Invariant: a stored secret is sent only where the person meant it to go. Its name is made from the
//! client id and the origins of Auth URL and Base URL, so whoever changes one of them, in the window or in
//! `settings.toml`, looks for another item and finds none: there is no second place that says what belongs together.

use std::fmt::Write as _;

use coretap_aicore::ServiceKey;
use sha2::{Digest, Sha256};

/// The name of the local key's item.
pub(crate) const LOCAL_KEY: &str = "local-key";

/// `<connection id>/client-secret` or `<connection id>/private-key`, the id being 32 hexadecimal digits.
pub(crate) fn secret_name(key: &ServiceKey, is_private_key: bool) -> String {
    let mut hash = Sha256::new();
    for part in [
        key.client_id.as_str(),
        &key.auth_url.origin().ascii_serialization(),
        &key.base_url.origin().ascii_serialization(),
    ] {
        hash.update(part);
        // No part can hold it, so no two different lists run together into one text.
        hash.update([0]);
    }
    let mut name = String::with_capacity(48);
    for byte in hash.finalize().iter().take(16) {
        // Writing into a String can't fail.
        let _ = write!(name, "{byte:02x}");
    }
    name + if is_private_key {
        "/private-key"
    } else {
        "/client-secret"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(client_id: &str, auth_url: &str, base_url: &str) -> String {
        let key = ServiceKey::from_parts(client_id, &"s".into(), auth_url, base_url).unwrap();
        assert_ne!(secret_name(&key, false), secret_name(&key, true));
        secret_name(&key, false)
    }

    #[test]
    fn a_secret_is_bound_to_client_id_and_both_origins() {
        let own = name("id", "https://auth.example", "https://api.example");
        for same in [
            name(
                "id",
                "https://AUTH.example:443/oauth/token",
                "https://api.example/v2",
            ),
            name(" id ", "https://auth.example/", "https://api.example/"),
        ] {
            assert_eq!(own, same);
        }
        for other in [
            name("id2", "https://auth.example", "https://api.example"),
            name("id", "https://auth.example.evil", "https://api.example"),
            name("id", "https://auth.example", "https://api.example:8443"),
            name("id", "http://localhost", "https://api.example"),
            name("id", "https://api.example", "https://auth.example"),
        ] {
            assert_ne!(own, other);
        }
        let (id, rest) = own.split_once('/').unwrap();
        assert_eq!((id.len(), rest), (32, "client-secret"));
    }
}
