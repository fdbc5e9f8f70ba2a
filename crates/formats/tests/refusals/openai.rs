//! What Azure's two APIs say.

use coretap_formats::limitation::Limitation;
use coretap_formats::rules::MaxTokensName;
use coretap_formats::{ModelFormat, read_refusal};

use super::{field, read};

#[test]
fn openais_refusals_name_what_is_left_out() {
    let cases = [
        ("Unknown parameter: 'beta'.", vec![field("beta")]),
        (
            "Unknown parameter: 'tools[0].function.strict'.",
            vec![field("tools.strict")],
        ),
        (
            "Unknown parameter: 'messages[2].refusal'.",
            vec![field("messages.refusal")],
        ),
        (
            "Unknown parameter: 'stream_options.include_usage'.",
            vec![field("stream_options")],
        ),
        (
            "Unrecognized request argument supplied: seed",
            vec![field("seed")],
        ),
        (
            "Unrecognized request arguments supplied: seed, user",
            vec![field("seed"), field("user")],
        ),
        (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            vec![Limitation::MaxTokensName(MaxTokensName::MaxCompletionTokens)],
        ),
        (
            "Unrecognized request argument supplied: max_completion_tokens",
            vec![Limitation::MaxTokensName(MaxTokensName::MaxTokens)],
        ),
        (
            "Unsupported parameter: 'top_p' is not supported with this model.",
            vec![field("top_p")],
        ),
        (
            "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
            vec![field("temperature")],
        ),
        (
            "Unsupported value: 'reasoning_effort' does not support 'minimal' with this model. Supported values are: 'low'.",
            vec![Limitation::Effort("minimal".to_owned())],
        ),
        (
            "Unsupported value: 'stream' does not support true with this model.",
            vec![Limitation::Streaming],
        ),
        (
            "max_tokens is too large: 32000. This model supports at most 16384 completion tokens, whereas you provided 32000.",
            vec![Limitation::MaxOutputTokens(16384)],
        ),
        (
            "Function tools with reasoning_effort are not supported for gpt-5.5 in /v1/chat/completions. Please use /v1/responses instead.",
            vec![Limitation::EffortWithTools],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text, ModelFormat::AzureChat), expected, "{text}");
    }
}

/// Azure has some models for one of its two APIs only, and says so in several ways; nothing else may be taken for it.
#[test]
fn a_model_may_have_only_one_of_azures_two_apis() {
    let chat = [
        "The chatCompletion operation does not work with the specified model, gpt-5.3-codex. Please choose different model.",
        "This model is only supported in v1/responses and not in v1/chat/completions.",
        "The model 'gpt-5.3-codex' is not supported in /chat/completions.",
        "Please use /v1/responses instead.",
    ];
    let responses = [
        "Resource not found",
        "The responses operation does not work with the specified model, gpt-35-turbo.",
        "The model 'gpt-4' does not support the Responses API.",
    ];
    for text in chat {
        assert_eq!(
            read_refusal(text, ModelFormat::AzureChat),
            [Limitation::ChatCompletions],
            "{text}"
        );
        assert_eq!(read_refusal(text, ModelFormat::AzureResponses), [], "{text}");
    }
    for text in responses {
        assert_eq!(
            read_refusal(text, ModelFormat::AzureResponses),
            [Limitation::Responses],
            "{text}"
        );
        assert_eq!(read_refusal(text, ModelFormat::AzureChat), [], "{text}");
    }
    let about_effort = "Function tools with reasoning_effort are not supported for gpt-5.5 in /v1/chat/completions. Please use /v1/responses instead.";
    assert_eq!(
        read_refusal(about_effort, ModelFormat::AzureChat),
        [Limitation::EffortWithTools]
    );
    for text in [
        "Previous response with id 'resp_1' not found.",
        "Response with id 'resp_1' not found.",
    ] {
        assert_eq!(read_refusal(text, ModelFormat::AzureResponses), [], "{text}");
    }
    let summary = "Unsupported parameter: 'reasoning.summary' is not supported with this model.";
    assert_eq!(
        read_refusal(summary, ModelFormat::AzureResponses),
        [Limitation::Field("reasoning_summary".to_owned())]
    );
}
