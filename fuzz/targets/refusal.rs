//! Any bytes as the text of a refusal: whatever it names could be left out, and the rules take it in.
#![no_main]

use coretap_formats::rules::Rules;
use coretap_formats::{ModelFormat, could_be_left_out, read_refusal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for format in [
        ModelFormat::Orchestration,
        ModelFormat::Claude,
        ModelFormat::AzureChat,
    ] {
        let mut rules = Rules::default().for_model(format, "gpt-5");
        for limitation in read_refusal(text, format) {
            assert!(could_be_left_out(&limitation, format));
            assert!(!limitation.name().is_empty() && !limitation.refused().is_empty());
            rules.limit(&limitation);
        }
    }
});
