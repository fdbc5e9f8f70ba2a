//! What is read from the texts of refusals, and what becomes of a request without what they name.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::too_many_lines, reason = "a table of refusals is long")]

use std::sync::LazyLock;

use coretap_formats::limitation::Limitation;
use coretap_formats::rules::{MaxTokensName, Rules, ThinkingKind};
use coretap_formats::{
    AgentFormat, ModelFormat, RequestHead, Target, UpstreamRequest, read_refusal, write_request,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(text: &str, format: ModelFormat) -> Vec<Limitation> {
    read_refusal(text, format)
}

fn field(name: &str) -> Limitation {
    Limitation::Field(name.to_owned())
}

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

#[test]
fn a_signature_that_cannot_be_verified_is_left_out_with_its_thinking() {
    for (text, route) in [
        (
            "The encrypted content for item rs_1 could not be verified. Reason: Encrypted content could not be decrypted or parsed.",
            (ModelFormat::AzureResponses, "gpt-5.5"),
        ),
        (
            "messages.1.content.0: Invalid `signature` in `thinking` block",
            (ModelFormat::Claude, "anthropic--claude-4.5-sonnet"),
        ),
        (
            "Thought signature is not valid.",
            (ModelFormat::Vertex, "gemini-3.5-flash"),
        ),
    ] {
        let limitation = Limitation::Signatures;
        assert_eq!(read(text, route.0), std::slice::from_ref(&limitation), "{text}");
        assert!(!limitation.lasts());
        let signature = match route.0 {
            ModelFormat::AzureResponses => "openai:c2lnbmVk",
            ModelFormat::Vertex => "google:c2lnbmVk",
            _ => "c2lnbmVk",
        };
        let body = json!({"model": "m", "max_tokens": 4000, "messages": [
            {"role": "user", "content": "Look"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "I look.", "signature": signature},
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "a plum"}]},
        ], "tools": [{"name": "look", "description": "Looks", "input_schema": {"type": "object"}}],
        "thinking": {"type": "enabled", "budget_tokens": 2000}});
        let sent = |limits: &[Limitation]| {
            let request = write(AgentFormat::Messages, &body, route, limits);
            (String::from_utf8(request.body).unwrap(), request.dropped)
        };
        assert!(sent(&[]).0.contains("c2lnbmVk"), "{route:?}");
        let (without, dropped) = sent(&[limitation]);
        assert!(
            !without.contains("c2lnbmVk") && without.contains("a plum"),
            "{without}"
        );
        assert!(
            dropped.iter().any(|name| name == "signed thinking"),
            "{dropped:?}"
        );
    }
}

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

#[test]
fn what_is_kept_of_a_refusal_has_none_of_its_words() {
    let text = "TOPSECRETPROMPT is bad. Unknown parameter: 'seed'.";
    let named = read(text, ModelFormat::AzureChat);
    assert_eq!(named, [field("seed")]);
    assert_eq!(named[0].refused(), "refused the field 'seed'");
    for limitation in limitations() {
        let sentence = limitation.refused();
        assert!(
            sentence.starts_with("refused ") && sentence.len() > 12,
            "{sentence}"
        );
    }
}

/// Every limitation that a text or a row of rules can name.
fn limitations() -> Vec<Limitation> {
    let fields = [
        "temperature",
        "top_p",
        "top_k",
        "seed",
        "stop",
        "effort",
        "tool_choice",
        "parallel_tool_calls",
        "stream_options",
        "response_format",
        "timeout",
        "max_retries",
        "chunk_size",
        "tools.strict",
        "tools.defer_loading",
        "messages.citations",
        "messages.is_error",
        "messages.caller",
        "frequency_penalty",
        "user",
        "nothing",
    ];
    let mut all: Vec<_> = fields.into_iter().map(field).collect();
    all.extend([
        Limitation::Beta("context-1m-2025-08-07".to_owned()),
        Limitation::Betas,
        Limitation::MaxOutputTokens(7),
        Limitation::MaxTokensName(MaxTokensName::MaxCompletionTokens),
        Limitation::MaxTokensName(MaxTokensName::MaxTokens),
        Limitation::Thinking(ThinkingKind::None),
        Limitation::Thinking(ThinkingKind::Budget),
        Limitation::Thinking(ThinkingKind::Adaptive),
        Limitation::Effort("high".to_owned()),
        Limitation::EffortWithTools,
        Limitation::TemperatureWithTopP,
        Limitation::Prefill,
        Limitation::StructuredOutput,
        Limitation::CacheMarks,
        Limitation::CacheTtl,
        Limitation::ThinkingReplay,
        Limitation::Signatures,
        Limitation::Streaming,
    ]);
    all
}

const ROUTES: [(ModelFormat, &str); 7] = [
    (ModelFormat::Orchestration, "anthropic--claude-4.5-sonnet"),
    (ModelFormat::Orchestration, "gpt-4o"),
    (ModelFormat::Claude, "anthropic--claude-4.5-sonnet"),
    (ModelFormat::Claude, "anthropic--claude-4.8-opus"),
    (ModelFormat::AzureChat, "gpt-4o"),
    (ModelFormat::Vertex, "gemini-2.5-pro"),
    (ModelFormat::Vertex, "gemini-3.5-flash"),
];

fn write(
    agent: AgentFormat,
    body: &Value,
    (format, model): (ModelFormat, &str),
    limits: &[Limitation],
) -> UpstreamRequest {
    static RULES: LazyLock<Rules> = LazyLock::new(Rules::embedded);
    let mut rules = RULES.for_model(format, model);
    for limitation in limits {
        rules.limit(limitation);
    }
    let target = Target {
        format,
        model,
        long_context: true,
        rules: &rules,
        responses: None,
    };
    let head = RequestHead {
        format: agent,
        betas: "interleaved-thinking-2025-05-14",
        streams: false,
    };
    write_request(&head, body.to_string().as_bytes(), &target).unwrap()
}

/// A request that has all that could be refused.
fn rich(agent: AgentFormat) -> Value {
    let mark = json!({"type": "ephemeral", "ttl": "1h"});
    if agent == AgentFormat::Messages {
        json!({
            "model": "m", "max_tokens": 30000, "stream": true, "temperature": 0.5, "top_p": 0.5, "top_k": 5,
            "stop_sequences": ["plum-stop"], "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
            "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object", "title": "plum-schema"}}},
            "system": [{"type": "text", "text": "plum-system", "cache_control": mark}],
            "tools": [{"name": "plum_tool", "description": "plum-description", "strict": true, "cache_control": mark,
                       "input_schema": {"type": "object", "properties": {"plum_member": {"type": "string"}}}}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "plum-question", "cache_control": mark, "citations": null}]},
                {"role": "assistant", "content": [
                    {"type": "text", "text": "plum-before"},
                    {"type": "tool_use", "id": "toolu_1", "name": "plum_tool", "input": {"plum_member": "plum-argument"}, "caller": {"type": "direct"}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "plum-result", "is_error": true},
                    {"type": "text", "text": "plum-last"}]},
                {"role": "assistant", "content": "plum-prefill"}]
        })
    } else if agent == AgentFormat::Gemini {
        json!({
            "contents": [
                {"role": "user", "parts": [{"text": "plum-question", "videoMetadata": {"fps": 1}}]},
                {"role": "model", "parts": [
                    {"text": "plum-before"},
                    {"functionCall": {"name": "plum_tool", "args": {"plum_member": "plum-argument"}}, "thoughtSignature": "cGx1bQ=="}]},
                {"role": "user", "parts": [
                    {"functionResponse": {"name": "plum_tool", "response": {"output": "plum-result"}}},
                    {"text": "plum-last"}]}],
            "systemInstruction": {"parts": [{"text": "plum-system"}]},
            "tools": [{"functionDeclarations": [{"name": "plum_tool", "description": "plum-description", "responseJsonSchema": {},
                        "parametersJsonSchema": {"type": "object", "properties": {"plum_member": {"type": "string"}}}}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
            "safetySettings": [],
            "generationConfig": {"maxOutputTokens": 30000, "temperature": 0.5, "topP": 0.5, "topK": 3, "seed": 5, "stopSequences": ["plum-stop"],
                "mediaResolution": "MEDIA_RESOLUTION_LOW", "thinkingConfig": {"thinkingBudget": 2000},
                "responseMimeType": "application/json", "responseSchema": {"type": "OBJECT", "title": "plum-schema"}}
        })
    } else {
        json!({
            "model": "m", "max_tokens": 30000, "stream": true, "temperature": 0.5, "top_p": 0.5, "seed": 5, "user": "u",
            "frequency_penalty": 0.5, "stop": ["plum-stop"], "tool_choice": "auto", "parallel_tool_calls": false,
            "reasoning_effort": "high",
            "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "title": "plum-schema"}}},
            "tools": [{"type": "function", "function": {"name": "plum_tool", "description": "plum-description", "strict": true,
                       "parameters": {"type": "object", "properties": {"plum_member": {"type": "string"}}}}}],
            "messages": [
                {"role": "system", "content": "plum-system"},
                {"role": "user", "content": "plum-question"},
                {"role": "assistant", "content": "plum-before", "refusal": "no", "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "plum_tool", "arguments": "{\"plum_member\":\"plum-argument\"}"}}]},
                {"role": "tool", "tool_call_id": "call_1", "content": "plum-result"},
                {"role": "user", "content": "plum-last"}]
        })
    }
}

/// What must be in every body, whatever is left out of it.
const SAID: [&str; 9] = [
    "plum-system",
    "plum-question",
    "plum-before",
    "plum_tool",
    "plum-description",
    "plum_member",
    "plum-argument",
    "plum-result",
    "plum-last",
];

/// The members and values in which two bodies differ, as paths.
fn differences(one: &Value, other: &Value, path: &str, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            for name in one
                .keys()
                .chain(other.keys().filter(|name| !one.contains_key(*name)))
            {
                let path = format!("{path}.{name}");
                match (one.get(name), other.get(name)) {
                    (Some(one), Some(other)) => differences(one, other, &path, found),
                    _ => found.push(path),
                }
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (position, (one, other)) in one.iter().zip(other).enumerate() {
                differences(one, other, &format!("{path}.{position}"), found);
            }
        }
        _ if one == other => {}
        _ => found.push(path.to_owned()),
    }
}

fn parsed(request: &UpstreamRequest) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[test]
fn a_refused_thing_is_all_that_is_left_out_and_it_is_told() {
    let claude = (ModelFormat::Claude, "anthropic--claude-4.5-sonnet");
    let opus = (ModelFormat::Claude, "anthropic--claude-4.5-opus");
    let gpt = (ModelFormat::AzureChat, "gpt-4o");
    let harmonized = (ModelFormat::Orchestration, "gpt-4o");
    let gemini = (ModelFormat::Vertex, "gemini-3.5-flash");
    let cases: [(AgentFormat, _, Limitation, &[&str], &[&str]); 25] = [
        (
            AgentFormat::Gemini,
            gemini,
            field("top_k"),
            &[".generationConfig.topK"],
            &["top_k"],
        ),
        (
            AgentFormat::Gemini,
            gemini,
            field("mediaResolution"),
            &[".generationConfig.mediaResolution"],
            &["generationConfig.mediaResolution"],
        ),
        (
            AgentFormat::Gemini,
            gemini,
            field("safetySettings"),
            &[".safetySettings"],
            &["safetySettings"],
        ),
        (
            AgentFormat::Gemini,
            gemini,
            field("tools.responseJsonSchema"),
            &[".tools.0.functionDeclarations.0.responseJsonSchema"],
            &["tools.responseJsonSchema"],
        ),
        (
            AgentFormat::Gemini,
            gemini,
            field("messages.videoMetadata"),
            &[".contents.0.parts.0.videoMetadata"],
            &["messages.videoMetadata"],
        ),
        (
            AgentFormat::Gemini,
            gemini,
            Limitation::Thinking(ThinkingKind::Budget),
            &[
                ".generationConfig.thinkingConfig.thinkingBudget",
                ".generationConfig.thinkingConfig.thinkingLevel",
            ],
            &[],
        ),
        (
            AgentFormat::Gemini,
            gemini,
            Limitation::StructuredOutput,
            &[
                ".generationConfig.responseJsonSchema",
                ".generationConfig.responseMimeType",
                ".systemInstruction.parts",
            ],
            &[],
        ),
        (
            AgentFormat::Messages,
            claude,
            field("top_k"),
            &[".top_k"],
            &["top_k"],
        ),
        (
            AgentFormat::Messages,
            claude,
            field("stop"),
            &[".stop_sequences"],
            &["stop_sequences"],
        ),
        (
            AgentFormat::Messages,
            claude,
            field("tool_choice"),
            &[".tool_choice"],
            &["tool_choice"],
        ),
        (
            AgentFormat::Messages,
            claude,
            field("parallel_tool_calls"),
            &[".tool_choice.disable_parallel_tool_use"],
            &["parallel_tool_calls"],
        ),
        (
            AgentFormat::Messages,
            claude,
            field("tools.strict"),
            &[".tools.0.strict"],
            &["tools.strict"],
        ),
        (
            AgentFormat::Messages,
            claude,
            field("messages.caller"),
            &[".messages.1.content.1.caller"],
            &["messages.caller"],
        ),
        (
            AgentFormat::Messages,
            claude,
            Limitation::MaxOutputTokens(7),
            &[".max_tokens"],
            &["max_tokens"],
        ),
        (
            AgentFormat::Messages,
            claude,
            Limitation::CacheTtl,
            &[
                ".messages.0.content.0.cache_control.ttl",
                ".system.0.cache_control.ttl",
                ".tools.0.cache_control.ttl",
            ],
            &["cache_control.ttl"],
        ),
        (
            AgentFormat::Messages,
            claude,
            Limitation::CacheMarks,
            &[
                ".messages.0.content.0.cache_control",
                ".system.0.cache_control",
                ".tools.0.cache_control",
            ],
            &[],
        ),
        (
            AgentFormat::Messages,
            claude,
            Limitation::Betas,
            &[".anthropic_beta"],
            &[
                "anthropic_beta.interleaved-thinking-2025-05-14",
                "anthropic_beta.context-1m-2025-08-07",
            ],
        ),
        (
            AgentFormat::Messages,
            claude,
            Limitation::StructuredOutput,
            &[".output_config", ".system"],
            &[],
        ),
        (
            AgentFormat::Messages,
            opus,
            field("effort"),
            &[".anthropic_beta", ".output_config.effort"],
            &["output_config.effort"],
        ),
        (
            AgentFormat::ChatCompletions,
            gpt,
            field("seed"),
            &[".seed"],
            &["seed"],
        ),
        (
            AgentFormat::ChatCompletions,
            gpt,
            field("response_format"),
            &[".response_format"],
            &["response_format"],
        ),
        (
            AgentFormat::ChatCompletions,
            gpt,
            field("tools.strict"),
            &[".tools.0.function.strict"],
            &["tools.strict"],
        ),
        (
            AgentFormat::ChatCompletions,
            gpt,
            field("messages.refusal"),
            &[".messages.2.refusal"],
            &["messages.refusal"],
        ),
        (
            AgentFormat::ChatCompletions,
            gpt,
            Limitation::MaxTokensName(MaxTokensName::MaxCompletionTokens),
            &[".max_completion_tokens", ".max_tokens"],
            &[],
        ),
        (
            AgentFormat::ChatCompletions,
            harmonized,
            field("timeout"),
            &[".config.modules.prompt_templating.model.timeout"],
            &[],
        ),
    ];
    for (agent, route, limitation, changed, reported) in cases {
        let before = write(agent, &rich(agent), route, &[]);
        let after = write(agent, &rich(agent), route, std::slice::from_ref(&limitation));
        let mut found = Vec::new();
        differences(&parsed(&before), &parsed(&after), "", &mut found);
        found.sort();
        assert_eq!(found, changed, "{limitation:?} on {route:?}");
        let told: Vec<_> = after
            .dropped
            .iter()
            .filter(|name| !before.dropped.contains(name))
            .collect();
        assert_eq!(told, reported, "{limitation:?} on {route:?}");
    }
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

    /// Whatever is left out, the body stays JSON and says all that was said, with all tools.
    #[test]
    fn no_limitation_takes_away_what_is_said(chosen in prop::collection::vec(prop::sample::select(limitations()), 1..5)) {
        for agent in [AgentFormat::Messages, AgentFormat::ChatCompletions, AgentFormat::Gemini] {
            for route in ROUTES {
                let request = write(agent, &rich(agent), route, &chosen);
                let body = parsed(&request).to_string();
                for text in SAID {
                    prop_assert!(body.contains(text), "{chosen:?} on {route:?} lost {text}: {body}");
                }
            }
        }
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
