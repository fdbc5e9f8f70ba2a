//! What Vertex AI says.

use coretap_formats::ModelFormat;
use coretap_formats::limitation::Limitation;
use coretap_formats::rules::ThinkingKind;

use super::{field, read};

#[test]
fn googles_refusals_name_what_is_left_out() {
    let unknown = |name: &str, place: &str| {
        format!("Invalid JSON payload received. Unknown name \"{name}\" at '{place}': Cannot find field.")
    };
    let cases = [
        (unknown("presencePenalty", "generation_config"), vec![field("presence_penalty")]),
        (unknown("mediaResolution", "generation_config"), vec![field("mediaResolution")]),
        (unknown("stopSequences", "generation_config"), vec![field("stop")]),
        (
            unknown("responseJsonSchema", "generation_config"),
            vec![Limitation::StructuredOutput],
        ),
        (
            unknown("thinkingConfig", "generation_config"),
            vec![Limitation::Thinking(ThinkingKind::None)],
        ),
        (
            unknown("thinkingLevel", "generation_config.thinking_config"),
            vec![Limitation::Thinking(ThinkingKind::Budget)],
        ),
        (
            unknown("responseJsonSchema", "tools[0].function_declarations[3]"),
            vec![field("tools.responseJsonSchema")],
        ),
        (
            unknown("videoMetadata", "contents[2].parts[0]"),
            vec![field("messages.videoMetadata")],
        ),
        (
            "Invalid JSON payload received. Unknown name \"safetySettings\": Cannot find field.".to_owned(),
            vec![field("safetySettings")],
        ),
        (
            format!("{}\n{}", unknown("topK", "generation_config"), unknown("seed", "generation_config")),
            vec![field("top_k"), field("seed")],
        ),
        (
            "Function calling with a response mime type: 'application/json' is unsupported".to_owned(),
            vec![Limitation::StructuredOutput],
        ),
        (
            "Unable to submit request because it has a maxOutputTokens value of 99999 but the supported range is from 1 (inclusive) to 8193 (exclusive).".to_owned(),
            vec![Limitation::MaxOutputTokens(8192)],
        ),
        (
            "Penalty is not enabled for models/gemini-2.5-flash-lite".to_owned(),
            vec![field("presence_penalty"), field("frequency_penalty")],
        ),
        ("Thinking level is not supported for this model.".to_owned(), vec![Limitation::Thinking(ThinkingKind::Budget)]),
        (unknown("parametersJsonSchema", "tools[0].function_declarations[0]"), vec![]),
        (unknown("thoughtSignature", "contents[1].parts[0]"), vec![]),
        (unknown("contents", ""), vec![]),
    ];
    for (text, expected) in cases {
        assert_eq!(read(&text, ModelFormat::Vertex), expected, "{text}");
    }
}
