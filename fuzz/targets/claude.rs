//! Any bytes as an answer of a route that speaks `ModelFormat::Claude`.
#![no_main]

use coretap_formats::ModelFormat;
use libfuzzer_sys::fuzz_target;

mod answers;

fuzz_target!(|bytes: &[u8]| answers::check(ModelFormat::Claude, bytes));
