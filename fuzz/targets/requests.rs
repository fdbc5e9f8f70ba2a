//! Any bytes as an agent's request: an error that names what is wrong, or a body that the route can read.
#![no_main]

use std::sync::LazyLock;

use coretap_formats::rules::Rules;
use coretap_formats::{AgentFormat, ModelFormat, RequestHead, Target, count_tokens, model_name, write_request};
use libfuzzer_sys::fuzz_target;

const ROUTES: [(ModelFormat, &str); 10] = [
    (ModelFormat::Orchestration, "anthropic--claude-4.5-sonnet"),
    (ModelFormat::Orchestration, "gpt-5"),
    (ModelFormat::Claude, "anthropic--claude-4.8-opus"),
    (ModelFormat::AzureChat, "gpt-4o"),
    (ModelFormat::AzureChat, "gpt-5"),
    (ModelFormat::AzureResponses, "gpt-5"),
    (ModelFormat::Vertex, "gemini-3.5-flash"),
    (ModelFormat::Converse, "amazon--nova-pro"),
    (ModelFormat::OpenAiCompatible, "mistralai--mistral-medium-instruct"),
    (ModelFormat::Cohere, "cohere--command-a-reasoning"),
];

const AGENTS: [AgentFormat; 4] = [
    AgentFormat::Messages,
    AgentFormat::ChatCompletions,
    AgentFormat::Responses,
    AgentFormat::Gemini,
];

static RULES: LazyLock<Rules> = LazyLock::new(Rules::embedded);

fuzz_target!(|body: &[u8]| {
    let _ = model_name(body);
    for agent in AGENTS {
        let _ = count_tokens(agent, body);
    }
    for (format, model) in ROUTES {
        let rules = RULES.for_model(format, model);
        let target = Target {
            format,
            model,
            long_context: true,
            rules: &rules,
            responses: None,
        };
        for format in AGENTS {
            let head = RequestHead { format, betas: "effort-2025-11-24,,x", streams: true };
            match write_request(&head, body, &target) {
                Ok(request) => {
                    serde_json::from_slice::<serde_json::Value>(&request.body)
                        .expect("what is written is JSON");
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
});
