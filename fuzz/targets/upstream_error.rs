//! Any bytes as an upstream's error body.
#![no_main]

use coretap_formats::read_upstream_error;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let error = read_upstream_error(body);
    // Quotes and escapes may make a text longer, never many times longer.
    assert!(error.message.len() <= 64 + 6 * body.len(), "{error:?}");
});
