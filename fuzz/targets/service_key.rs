//! Any text as a service key, in each of the places where one is read.
#![no_main]

use coretap_aicore::ServiceKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for read in [
        ServiceKey::parse(text),
        ServiceKey::from_pasted(text),
        ServiceKey::from_vcap_services(text),
    ] {
        match read {
            Ok(key) => drop(format!("{key:?}")),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
