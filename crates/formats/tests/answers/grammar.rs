//! What a stream of each agent's format must look like, whatever it says.

use coretap_formats::{AgentFormat, Progress};
use serde_json::{Value, json};

use crate::Translated;

/// Checks that a stream is well formed, and that it ends regularly exactly when the upstream's did.
pub(crate) fn check(agent: AgentFormat, translated: &Translated) {
    match &translated.progress {
        Progress::Ended => check_events(agent, &translated.written),
        Progress::Failed(_) => {
            let all = format!("{}{}", translated.written, translated.told_failure);
            assert!(
                !ends_regularly(agent, &all),
                "a stream that broke looks like one that is done:\n{all}"
            );
            events(agent, &all);
        }
        other => panic!("a finished stream is {other:?}"),
    }
}

/// Whether the agent would take the stream for done.
pub(crate) fn ends_regularly(agent: AgentFormat, stream: &str) -> bool {
    let marker = match agent {
        AgentFormat::Messages => "event: message_stop",
        AgentFormat::ChatCompletions => "data: [DONE]",
        AgentFormat::Responses => "event: response.completed",
        AgentFormat::Gemini => {
            return stream.contains("\"finishReason\":\"") || stream.contains("\"blockReason\":\"");
        }
    };
    stream.lines().any(|line| line == marker)
}

/// Checks a stream that ended regularly.
pub(crate) fn check_events(agent: AgentFormat, stream: &str) {
    let events = events(agent, stream);
    match agent {
        AgentFormat::Messages => check_messages(&events),
        AgentFormat::ChatCompletions => check_chat(&events),
        AgentFormat::Gemini => check_gemini(&events),
        AgentFormat::Responses => {}
    }
}

/// The payloads: exactly one `data:` line in each event, for Messages under a line with its type.
fn events(agent: AgentFormat, stream: &str) -> Vec<Value> {
    assert!(stream.is_empty() || stream.ends_with("\n\n"), "{stream}");
    let blocks = stream.split_terminator("\n\n");
    let read = |block: &str| {
        let lines: Vec<&str> = block.split('\n').collect();
        let data = match (agent, lines.as_slice()) {
            (AgentFormat::Messages, [name, data]) => {
                let payload: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
                assert_eq!(name.strip_prefix("event: "), payload["type"].as_str(), "{block}");
                return payload;
            }
            (AgentFormat::ChatCompletions | AgentFormat::Gemini, [data]) => {
                data.strip_prefix("data: ").unwrap()
            }
            _ => panic!("no event: {block}"),
        };
        if data == "[DONE]" {
            json!("[DONE]")
        } else {
            serde_json::from_str(data).unwrap()
        }
    };
    blocks.map(read).collect()
}

fn check_messages(events: &[Value]) {
    let mut named = events.iter().filter(|event| event["type"] != "ping").peekable();
    let start = &named.next().unwrap()["message"];
    assert_eq!(start["role"], "assistant");
    assert_eq!(start["content"], json!([]));
    assert!(start["usage"]["input_tokens"].is_u64());
    let mut index = 0;
    loop {
        let event = named.next().unwrap();
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!(event["index"], index);
                let kind = event["content_block"]["type"].as_str().unwrap();
                let mut input = String::new();
                while let Some(delta) = named.next_if(|next| next["type"] == "content_block_delta") {
                    assert_eq!(delta["index"], index);
                    let expected: &[&str] = match kind {
                        "text" => &["text_delta", "citations_delta"],
                        "thinking" => &["thinking_delta", "signature_delta"],
                        "tool_use" => &["input_json_delta"],
                        _ => &[],
                    };
                    assert!(
                        expected.contains(&delta["delta"]["type"].as_str().unwrap()),
                        "{delta} in {kind}"
                    );
                    input.push_str(delta["delta"]["partial_json"].as_str().unwrap_or_default());
                }
                if !input.is_empty() {
                    assert!(
                        serde_json::from_str::<Value>(&input).unwrap().is_object(),
                        "{input}"
                    );
                }
                let stop = named.next().unwrap();
                assert_eq!(
                    (stop["type"].as_str(), &stop["index"]),
                    (Some("content_block_stop"), &json!(index))
                );
                index += 1;
            }
            "message_delta" => {
                assert!(event["delta"]["stop_reason"].is_string());
                assert!(event["usage"]["output_tokens"].is_u64());
                break;
            }
            "weather_report" => {}
            other => panic!("{other} at the wrong place"),
        }
    }
    assert_eq!(named.next(), Some(&json!({"type": "message_stop"})));
    assert_eq!(named.next(), None);
}

fn check_chat(events: &[Value]) {
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(done, "[DONE]");
    let mut finished = false;
    let mut calls: Vec<String> = Vec::new();
    for (position, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert!(chunk["id"].as_str().unwrap().starts_with("chatcmpl-"));
        let choices = chunk["choices"].as_array().unwrap();
        let Some(choice) = choices.first() else {
            assert!(finished && position + 1 == chunks.len() && chunk["usage"]["total_tokens"].is_u64());
            continue;
        };
        assert!(!finished, "content after the finish reason");
        finished = !choice["finish_reason"].is_null();
        assert_eq!(
            position == 0,
            choice["delta"]["role"] == "assistant",
            "the role comes first, and once"
        );
        for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            if index == calls.len() {
                assert!(!call["id"].as_str().unwrap().is_empty() && call["type"] == "function");
                assert!(!call["function"]["name"].as_str().unwrap().is_empty());
                calls.push(String::new());
            }
            calls[index].push_str(call["function"]["arguments"].as_str().unwrap());
        }
    }
    assert!(finished, "a finish reason is given");
}

fn check_gemini(chunks: &[Value]) {
    let (last, _) = chunks.split_last().unwrap();
    assert!(last["usageMetadata"]["totalTokenCount"].is_u64(), "{last}");
    let mut finished = false;
    for chunk in chunks {
        assert_eq!(chunk["modelVersion"], "asked-\"model\"", "{chunk}");
        let candidate = &chunk["candidates"][0];
        assert!(
            !finished || candidate.is_null(),
            "content after the finish reason"
        );
        finished |=
            candidate["finishReason"].is_string() || chunk["promptFeedback"]["blockReason"].is_string();
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            let call = &part["functionCall"];
            if call.is_object() {
                assert!(
                    !call["id"].as_str().unwrap().is_empty() && call["args"].is_object(),
                    "{call}"
                );
                assert!(!call["name"].as_str().unwrap().contains(':'), "{call}");
            } else {
                assert!(part["text"].is_string(), "{part}");
            }
        }
    }
    assert!(finished, "a finish reason is given");
}
