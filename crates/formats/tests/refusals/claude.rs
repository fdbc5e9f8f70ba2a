//! What Claude on Bedrock says.

use coretap_formats::ModelFormat;
use coretap_formats::limitation::Limitation;
use coretap_formats::rules::ThinkingKind;

use super::{field, read};

#[test]
fn claudes_refusals_name_what_is_left_out() {
    let beta = |flag: &str| Limitation::Beta(flag.to_owned());
    let effort = |level: &str| Limitation::Effort(level.to_owned());
    let cases = [
        ("invalid beta flag", vec![Limitation::Betas]),
        (
            "ValidationException: invalid beta flag (request id: 2026-01-20-11)",
            vec![Limitation::Betas],
        ),
        (
            "invalid beta flag: context-1m-2025-08-07",
            vec![beta("context-1m-2025-08-07")],
        ),
        (
            "Unexpected value(s) `effort-2025-11-24` for the `anthropic-beta` header. Please consult our docs.",
            vec![beta("effort-2025-11-24")],
        ),
        (
            "anthropic_beta: Extra inputs are not permitted",
            vec![Limitation::Betas],
        ),
        (
            "enable_thinking: Extra inputs are not permitted",
            vec![field("enable_thinking")],
        ),
        (
            "tools.0.custom.defer_loading: Extra inputs are not permitted",
            vec![field("tools.defer_loading")],
        ),
        (
            "tools.3.custom.cache_control.ttl: Extra inputs are not permitted",
            vec![Limitation::CacheTtl],
        ),
        (
            "messages.1.content.0.cache_control.scope: Extra inputs are not permitted",
            vec![Limitation::CacheMarks],
        ),
        (
            "system.0.cache_control: Extra inputs are not permitted",
            vec![Limitation::CacheMarks],
        ),
        (
            "messages.0.content.2.tool_result.content.0.text.citations: Extra inputs are not permitted",
            vec![field("messages.citations")],
        ),
        (
            "messages.1.content.0.tool_use.caller: Extra inputs are not permitted",
            vec![field("messages.caller")],
        ),
        (
            "output_config.format: Extra inputs are not permitted",
            vec![Limitation::StructuredOutput],
        ),
        (
            "output_config: Extra inputs are not permitted",
            vec![field("effort"), Limitation::StructuredOutput],
        ),
        (
            "top_k: Extra inputs are not permitted, stop_sequences: Extra inputs are not permitted",
            vec![field("top_k"), field("stop")],
        ),
        (
            "Malformed input request: #: extraneous key [top_k] is not permitted, please reformat your input and try again.",
            vec![field("top_k")],
        ),
        (
            "Malformed input request: #/tools/0: extraneous key [strict] is not permitted",
            vec![field("tools.strict")],
        ),
        (
            "max_tokens: 32000 > 8192, which is the maximum allowed number of output tokens for claude-3-5-sonnet",
            vec![Limitation::MaxOutputTokens(8192)],
        ),
        (
            "The maximum tokens you requested exceeds the model limit of 4096. Try again with a maximum tokens value that is lower than 4096.",
            vec![Limitation::MaxOutputTokens(4096)],
        ),
        (
            "This model does not support assistant message prefill. The conversation must end with a user message.",
            vec![Limitation::Prefill],
        ),
        (
            "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\".",
            vec![Limitation::Thinking(ThinkingKind::Adaptive)],
        ),
        (
            "The model returned the following errors: thinking: Input tag 'adaptive' found using 'type' does not match any of the expected tags: 'disabled', 'enabled'",
            vec![Limitation::Thinking(ThinkingKind::Budget)],
        ),
        (
            "adaptive thinking is not supported on this model",
            vec![Limitation::Thinking(ThinkingKind::Budget)],
        ),
        (
            "thinking is not supported on this model",
            vec![Limitation::Thinking(ThinkingKind::None)],
        ),
        (
            "thinking: Extra inputs are not permitted",
            vec![Limitation::Thinking(ThinkingKind::None)],
        ),
        (
            "This model does not support the effort parameter.",
            vec![field("effort")],
        ),
        (
            "output_config.effort: 'xhigh' is not supported on this model",
            vec![effort("xhigh")],
        ),
        (
            "output_config.effort: Input should be 'low', 'medium' or 'high'",
            vec![effort("xhigh"), effort("max")],
        ),
        ("`top_p` is not supported on this model.", vec![field("top_p")]),
        (
            "`temperature` is deprecated for this model.",
            vec![field("temperature")],
        ),
        (
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
            vec![Limitation::TemperatureWithTopP],
        ),
        (
            "tool_choice.disable_parallel_tool_use: Extra inputs are not permitted",
            vec![field("parallel_tool_calls")],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text, ModelFormat::Claude), expected, "{text}");
    }
}
