//! Any bytes as SAP AI Core's list of deployments and as its catalogue of models.
#![no_main]

use coretap_aicore::{Catalogue, Deployments};
use libfuzzer_sys::fuzz_target;
use url::Url;

fuzz_target!(|body: &[u8]| {
    let base = Url::parse("https://api.example.com").expect("a URL");
    if let Ok(deployments) = Deployments::read(body, &base) {
        drop(format!("{deployments:?}"));
    }
    if let Ok(catalogue) = Catalogue::read(body) {
        drop(format!("{catalogue:?}"));
    }
});
