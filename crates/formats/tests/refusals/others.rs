//! What the smaller vendors say.

use coretap_formats::ModelFormat;
use coretap_formats::limitation::Limitation;

use super::{field, read};

#[test]
fn the_smaller_vendors_refusals_name_what_is_left_out() {
    use ModelFormat::{Cohere, Converse, OpenAiCompatible};
    let cases = [
        (
            OpenAiCompatible,
            r#"{"detail":[{"type":"extra_forbidden","loc":["body","presence_penalty"],"msg":"Extra inputs are not permitted","input":1},{"type":"missing","loc":["body","top_p"]}]}"#,
            vec![field("presence_penalty")],
        ),
        (
            OpenAiCompatible,
            r#"{"detail":[{"type":"extra_forbidden","loc":["body","tools",0,"function","strict"],"msg":"x"}]}"#,
            vec![field("tools.strict")],
        ),
        (
            OpenAiCompatible,
            "['seed']: Extra inputs are not permitted",
            vec![field("seed")],
        ),
        (
            OpenAiCompatible,
            "Last message must have role `user` or `tool`.",
            vec![Limitation::Prefill],
        ),
        (
            OpenAiCompatible,
            "max_tokens must be less than or equal to 8192",
            vec![Limitation::MaxOutputTokens(8192)],
        ),
        (
            Cohere,
            "invalid request: unknown field: parameter 'seed' is not a valid field",
            vec![field("seed")],
        ),
        (
            Converse,
            "Malformed input request: #/inferenceConfig: extraneous key [topP] is not permitted, please reformat your input and try again.",
            vec![field("top_p")],
        ),
        (
            Converse,
            "This model doesn't support assistant message prefill. The conversation must end with a user message.",
            vec![Limitation::Prefill],
        ),
        (
            Converse,
            "This model doesn't support the cachePoint field. Remove cachePoint and try again.",
            vec![Limitation::CacheMarks],
        ),
        (
            Converse,
            "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
            vec![],
        ),
        (
            OpenAiCompatible,
            "Unexpected role 'user' after role 'tool'",
            vec![],
        ),
        (Cohere, "invalid request: tool names must be unique", vec![]),
    ];
    for (format, text, expected) in cases {
        assert_eq!(read(text, format), expected, "{text}");
    }
}
