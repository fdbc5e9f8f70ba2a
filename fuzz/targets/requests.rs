//! Any bytes as an agent's request: an error that names what is wrong, or a body that the route can read.
#![no_main]

use std::sync::LazyLock;

use coretap_formats::rules::Rules;
use coretap_formats::{AgentFormat, ModelFormat, Target, count_tokens, model_name, write_request};
use libfuzzer_sys::fuzz_target;

const ROUTES: [(ModelFormat, &str); 5] = [
    (ModelFormat::Orchestration, "anthropic--claude-4.5-sonnet"),
    (ModelFormat::Orchestration, "gpt-5"),
    (ModelFormat::Claude, "anthropic--claude-4.8-opus"),
    (ModelFormat::AzureChat, "gpt-4o"),
    (ModelFormat::AzureChat, "gpt-5"),
];

static RULES: LazyLock<Rules> = LazyLock::new(Rules::embedded);

fuzz_target!(|body: &[u8]| {
    let _ = model_name(body);
    let _ = count_tokens(body);
    for (format, model) in ROUTES {
        let rules = RULES.for_model(format, model);
        let target = Target {
            format,
            model,
            long_context: true,
            rules: &rules,
            stream: None,
        };
        for agent in [AgentFormat::Messages, AgentFormat::ChatCompletions] {
            match write_request(agent, body, "effort-2025-11-24,,x", &target) {
                Ok(request) => {
                    serde_json::from_slice::<serde_json::Value>(&request.body)
                        .expect("what is written is JSON");
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
});
