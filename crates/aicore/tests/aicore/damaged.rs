//! Whatever is pasted as a service key or comes as a list: it is read or refused, never a panic. `fuzz/` looks for the same
//! with more patience.

use coretap_aicore::{Catalogue, Deployments, Error, ServiceKey};
use proptest::prelude::*;
use proptest::sample::Index;
use url::Url;

const DEPLOYMENTS: &str = include_str!("../../../../fuzz/seeds/lists/deployments.json");
const MODELS: &str = include_str!("../../../../fuzz/seeds/lists/models.json");
const SERVICE_KEY: &str = include_str!("../../../../fuzz/seeds/service_key/secret.json");
const BINDING: &str = include_str!("../../../../fuzz/seeds/service_key/binding.json");

/// A document with some of its bytes taken out, doubled or replaced, or cut short.
fn damaged(document: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(br#""\{}[]:,-9e."#.to_vec())];
    let change = (0..4u8, any::<Index>(), 1..60usize, byte);
    prop::collection::vec(change, 0..4).prop_map(move |changes| {
        let mut bytes = document.as_bytes().to_vec();
        for (kind, place, length, byte) in changes {
            if bytes.is_empty() {
                break;
            }
            let start = place.index(bytes.len());
            let end = (start + length).min(bytes.len());
            match kind {
                0 => drop(bytes.drain(start..end)),
                1 => {
                    let doubled = bytes[start..end].to_vec();
                    bytes.splice(end..end, doubled);
                }
                2 => bytes[start] = byte,
                _ => bytes.truncate(start),
            }
        }
        bytes
    })
}

fn check_lists(body: &[u8]) {
    let base = Url::parse("https://api.example.com").unwrap();
    for error in [Deployments::read(body, &base).err(), Catalogue::read(body).err()]
        .into_iter()
        .flatten()
    {
        assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
    }
}

fn check_service_key(text: &str) {
    for read in [
        ServiceKey::parse(text),
        ServiceKey::from_pasted(text),
        ServiceKey::from_vcap_services(text),
    ] {
        match read {
            Ok(key) => assert!(!format!("{key:?}").contains("a$b="), "{key:?}"),
            Err(error) => assert!(!error.to_string().contains("a$b="), "{error}"),
        }
    }
}

#[test]
fn the_documents_are_whole() {
    let base = Url::parse("https://api.example.com").unwrap();
    let deployments = Deployments::read(DEPLOYMENTS.as_bytes(), &base).unwrap();
    assert_eq!((deployments.rows.len(), deployments.unreadable), (2, 0));
    let catalogue = Catalogue::read(MODELS.as_bytes()).unwrap();
    assert_eq!((catalogue.models.len(), catalogue.unreadable), (1, 0));
    assert!(ServiceKey::parse(SERVICE_KEY).is_ok());
    assert!(ServiceKey::from_pasted(BINDING).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_damaged_list_is_read_or_refused(
        deployments in damaged(DEPLOYMENTS),
        models in damaged(MODELS),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        check_lists(&deployments);
        check_lists(&models);
        check_lists(&bytes);
    }

    #[test]
    fn a_damaged_service_key_is_read_or_refused_without_its_secret(
        key in damaged(SERVICE_KEY),
        binding in damaged(BINDING),
        text in any::<String>(),
    ) {
        check_service_key(&String::from_utf8_lossy(&key));
        check_service_key(&String::from_utf8_lossy(&binding));
        check_service_key(&text);
    }
}
