//! Any text as a person's own `rules.toml`, alone and merged with the built-in rules.
#![no_main]

use std::sync::LazyLock;

use coretap_formats::ModelFormat;
use coretap_formats::rules::Rules;
use libfuzzer_sys::fuzz_target;

static BUILT_IN: LazyLock<Rules> = LazyLock::new(Rules::embedded);

fuzz_target!(|text: &str| {
    let (alone, bad) = Rules::parse(text);
    assert!(bad.iter().all(|bad| !bad.problem.is_empty()));
    let mut merged = BUILT_IN.clone();
    merged.merge(text);
    for rules in [&alone, &merged] {
        for format in [
            ModelFormat::Orchestration,
            ModelFormat::Claude,
            ModelFormat::AzureChat,
        ] {
            let _ = rules.for_model(format, "anthropic--claude-4.5-sonnet").streams();
        }
    }
});
