//! What is read from the texts of refusals, and what becomes of a request without what they name.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::too_many_lines, reason = "a table of refusals is long")]

mod claude;
mod google;
mod left_out;
mod openai;
mod orchestration;
mod others;

use coretap_formats::limitation::Limitation;
use coretap_formats::{ModelFormat, read_refusal};
use proptest::prelude::*;

fn read(text: &str, format: ModelFormat) -> Vec<Limitation> {
    read_refusal(text, format)
}

fn field(name: &str) -> Limitation {
    Limitation::Field(name.to_owned())
}

#[test]
fn what_a_request_is_made_of_and_every_other_refusal_stays() {
    for text in [
        "",
        "model: Extra inputs are not permitted",
        "messages: Extra inputs are not permitted",
        "tools: Extra inputs are not permitted",
        "system: Extra inputs are not permitted",
        "anthropic_version: Extra inputs are not permitted",
        "tools.0.custom.input_schema: Extra inputs are not permitted",
        "messages.0.content.0.text.text: Extra inputs are not permitted",
        "messages.0.role: Input should be 'user' or 'assistant'",
        "messages.0.content.0: Input tag 'enabled' found using 'type' does not match any of the expected tags: 'text'",
        "Unknown parameter: 'messages'.",
        "Unknown parameter: 'response_format.json_schema.strict'.",
        // An agent that demands JSON or a call of a tool must not get a text instead.
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
        "Additional properties are not allowed ('response_format' was unexpected) - 'config.modules.prompt_templating.prompt'",
        "Unrecognized request argument supplied: response_format",
        "Unsupported parameter: 'tool_choice' is not supported with this model.",
        "400 - LLM Module: Unknown field for GenerationConfig: tool_choice",
        "tool_choice: Extra inputs are not permitted",
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        "Additional properties are not allowed ('messages_history' was unexpected)",
        "Additional properties are not allowed ('name' was unexpected) - 'messages_history.0'",
        "max_tokens: Field required",
        "max_tokens: 100 > 8192, which is the maximum allowed number of output tokens for claude",
        "max_tokens: 100 > 0, which is the maximum allowed number of output tokens for claude",
        "max_tokens is too large: 99999999999999999999. This model supports at most 5 completion tokens",
        "input length and `max_tokens` exceed context limit: 195000 + 32000 > 200000, decrease input length or `max_tokens` and try again",
        "prompt is too long: 204800 tokens > 200000 maximum",
        "This model's maximum context length is 128000 tokens. However, you requested 130000 tokens (98000 in the messages, 32000 in the completion).",
        "`max_tokens` must be greater than `thinking.budget_tokens`.",
        "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.",
        "`top_k` must be unset when thinking is enabled or in adaptive mode.",
        "400 - Filtering Module - Input Filter: Prompt filtered due to safety violations. Please modify the prompt and try again.",
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "400 - LLM Module: tools: Tool names must be unique.",
        "400 - Input Parameters: Error validating parameters. Unused parameters: ['number','phrase'].",
        "Invalid value for 'temperature': expected a number from 0 to 2.",
        "Unknown parameter: 'a b'.",
        "Unknown parameter: '",
    ] {
        for format in [
            ModelFormat::Claude,
            ModelFormat::AzureChat,
            ModelFormat::Orchestration,
            ModelFormat::Vertex,
        ] {
            assert_eq!(read(text, format), [], "{format:?} {text}");
        }
    }
    let far = format!("{}top_k: Extra inputs are not permitted", "é ".repeat(8 * 1024));
    assert_eq!(read(&far, ModelFormat::Claude), [], "only the beginning is read");
    let many: Vec<_> = (0..100)
        .map(|number| format!("a{number}: Extra inputs are not permitted"))
        .collect();
    let many = many.join("\n");
    assert_eq!(read(&many, ModelFormat::Claude).len(), 16);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever a refusal says, it is read without a panic, within bounds, and names nothing of what a request is made of.
    #[test]
    fn any_text_is_read(pieces in prop::collection::vec(prop_oneof![
        prop::sample::select(vec![
            "invalid beta flag", ": Extra inputs are not permitted", "messages.0.content.1.", "tools[0].function.", "Unknown parameter: '",
            "Unrecognized request argument supplied: ", "Unsupported parameter: '", "Unsupported value: '", "' with this model",
            "Additional properties are not allowed (", "' was unexpected)", "extraneous key [", "]", "'", "`", "\"", "{\"", "messages",
            "max_tokens: ", " > ", "which is the maximum allowed number of output tokens", "is too large: ", "completion tokens",
            "supports at most ", "does not support '", "reasoning_effort", "Unknown field for ", ": ", "#/messages/0: ", "cache_control",
            "output_config.effort: Input should be ", "` is not supported on this model", "model", "\n", "4096", "system", "prompt",
        ]).prop_map(str::to_owned),
        ".{0,12}",
    ], 0..14)) {
        let text = pieces.concat();
        for format in [ModelFormat::Claude, ModelFormat::AzureChat, ModelFormat::Orchestration, ModelFormat::Vertex] {
            let limitations = read_refusal(&text, format);
            prop_assert!(limitations.len() <= 16);
            for limitation in limitations {
                let essential = ["model", "messages", "system", "prompt", "tools", "max_tokens", "messages.content", "messages.role"];
                if let Limitation::Field(name) = &limitation {
                    prop_assert!(!essential.contains(&name.as_str()) && name.len() <= 80, "{text:?}: {name}");
                }
                prop_assert!(limitation != Limitation::MaxOutputTokens(0));
            }
        }
    }
}
