//! Any bytes as the text of a refusal: whatever it names could be left out, and the rules take it in.
#![no_main]

use coretap_formats::rules::Rules;
use coretap_formats::{ModelFormat, could_be_left_out, read_refusal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for format in [ModelFormat::Orchestration, ModelFormat::Claude, ModelFormat::AzureChat] {
        let mut rules = Rules::default().for_model(format, "gpt-5");
        for complaint in read_refusal(text, format) {
            assert!(could_be_left_out(&complaint.limitation, format));
            assert!(!complaint.limitation.name().is_empty() && !complaint.words.is_empty());
            rules.limit(&complaint.limitation);
        }
    }
});
