//! What becomes of a request without what a deployment refuses.

use std::sync::LazyLock;

use coretap_formats::limitation::Limitation;
use coretap_formats::rules::{MaxTokensName, Rules, ThinkingKind};
use coretap_formats::{AgentFormat, ModelFormat, RequestHead, Target, UpstreamRequest, write_request};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{field, read};

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

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
