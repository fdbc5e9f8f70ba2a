//! What orchestration says.

use coretap_formats::ModelFormat;
use coretap_formats::limitation::Limitation;

use super::{field, read};

#[test]
fn orchestrations_refusals_name_what_is_left_out() {
    let cases = [
        (
            "400 - LLM Module: Unknown field for GenerationConfig: seed",
            vec![field("seed")],
        ),
        (
            "400 - LLM Module: Invalid JSON payload received. Unknown name \"seed\" at 'generation_config': Cannot find field.",
            vec![field("seed")],
        ),
        (
            "400 - LLM Module: Unable to submit request because it has a maxOutputTokens value of 99999 but the supported range is from 1 (inclusive) to 65537 (exclusive).",
            vec![Limitation::MaxOutputTokens(65536)],
        ),
        (
            "400 - LLM Module: Streaming is not supported for this model",
            vec![Limitation::Streaming],
        ),
        (
            r#"400 - LLM Module: {"error":{"message":"Unsupported parameter: 'top_p' is not supported with this model.","code":"unsupported_parameter"}}"#,
            vec![field("top_p")],
        ),
        (
            r#"400 - LLM Module: Invalid value for reasoning_effort: "xhigh". Supported values are: low."#,
            vec![Limitation::Effort("xhigh".to_owned())],
        ),
        (
            "400 - Request Body: Additional properties are not allowed ('cache_control' was unexpected) - 'messages_history.0.content.0'",
            vec![Limitation::CacheMarks],
        ),
        (
            "Additional properties are not allowed ('max_retries', 'timeout' were unexpected) - 'config.modules.prompt_templating.model'",
            vec![field("max_retries"), field("timeout")],
        ),
        (
            "Additional properties are not allowed ('strict' was unexpected) - 'config.modules.prompt_templating.prompt.tools.0.function'",
            vec![field("tools.strict")],
        ),
        (
            "Additional properties are not allowed ('reasoning_content' was unexpected) - 'messages_history.1'",
            vec![Limitation::ThinkingReplay],
        ),
        (
            "Unrecognized request argument supplied: reasoning_effort",
            vec![field("effort")],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text, ModelFormat::Orchestration), expected, "{text}");
    }
}
