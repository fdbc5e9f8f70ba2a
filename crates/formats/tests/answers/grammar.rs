//! What a stream of each agent's format must look like, whatever it says.

use coretap_formats::{AgentFormat, Progress};
use serde_json::{Value, json};

use crate::Translated;

/// Checks that a stream is well formed, and that it ends regularly exactly when the upstream's did.
pub(crate) fn check(agent: AgentFormat, translated: &Translated) {
    match &translated.progress {
        Progress::Ended => check_events(agent, &translated.written),
        Progress::Failed(_) | Progress::Cut(_) => {
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
        AgentFormat::Responses => {
            let ends = ["event: response.completed", "event: response.incomplete"];
            return stream.lines().any(|line| ends.contains(&line));
        }
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
        AgentFormat::Responses => check_responses(&events),
        AgentFormat::Gemini => check_gemini(&events),
    }
}

/// The payloads: exactly one `data:` line in each event, for Messages and Responses under a line with its type.
fn events(agent: AgentFormat, stream: &str) -> Vec<Value> {
    assert!(stream.is_empty() || stream.ends_with("\n\n"), "{stream}");
    let blocks = stream.split_terminator("\n\n");
    let read = |block: &str| {
        let lines: Vec<&str> = block.split('\n').collect();
        let data = match (agent, lines.as_slice()) {
            (AgentFormat::Messages | AgentFormat::Responses, [name, data]) => {
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
            serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {block}"))
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

/// The members that every event of an item's kind has, besides `type` and `sequence_number`: SDKs demand them.
const RESPONSES_EVENTS: [(&str, &[&str]); 15] = [
    ("response.output_item.added", &["output_index", "item"]),
    ("response.output_item.done", &["output_index", "item"]),
    (
        "response.content_part.added",
        &["item_id", "output_index", "content_index", "part"],
    ),
    (
        "response.content_part.done",
        &["item_id", "output_index", "content_index", "part"],
    ),
    (
        "response.output_text.delta",
        &["item_id", "output_index", "content_index", "delta", "logprobs"],
    ),
    (
        "response.output_text.done",
        &["item_id", "output_index", "content_index", "text"],
    ),
    (
        "response.refusal.delta",
        &["item_id", "output_index", "content_index", "delta"],
    ),
    (
        "response.refusal.done",
        &["item_id", "output_index", "content_index", "refusal"],
    ),
    (
        "response.reasoning_summary_part.added",
        &["item_id", "output_index", "summary_index", "part"],
    ),
    (
        "response.reasoning_summary_part.done",
        &["item_id", "output_index", "summary_index", "part"],
    ),
    (
        "response.reasoning_summary_text.delta",
        &["item_id", "output_index", "summary_index", "delta"],
    ),
    (
        "response.reasoning_summary_text.done",
        &["item_id", "output_index", "summary_index", "text"],
    ),
    (
        "response.function_call_arguments.delta",
        &["item_id", "output_index", "delta"],
    ),
    (
        "response.function_call_arguments.done",
        &["item_id", "output_index", "arguments"],
    ),
    (
        "response.custom_tool_call_input.done",
        &["item_id", "output_index", "input"],
    ),
];

/// Every item opens in its place, its pieces come to what it is done with, and the end repeats all items.
fn check_responses(events: &[Value]) {
    let numbers: Vec<u64> = events
        .iter()
        .map(|event| event["sequence_number"].as_u64().unwrap())
        .collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    let (last, events) = events.split_last().unwrap();
    for (event, kind) in events.iter().zip(["response.created", "response.in_progress"]) {
        assert_eq!(event["type"], kind);
        assert_eq!(event["response"]["status"], "in_progress");
    }
    let mut items: Vec<(String, Value)> = Vec::new();
    for event in events.iter().skip(2) {
        let kind = event["type"].as_str().unwrap();
        if let Some((_, members)) = RESPONSES_EVENTS.iter().find(|(known, _)| *known == kind) {
            for member in *members {
                assert!(event.get(member).is_some(), "{member} of {event}");
            }
        }
        let Some(place) = event["output_index"].as_u64() else {
            assert_eq!(kind, "response.weather_report");
            continue;
        };
        let place = usize::try_from(place).unwrap();
        if kind == "response.output_item.added" {
            assert_eq!(place, items.len(), "{event}");
            assert!(!event["item"]["id"].as_str().unwrap().is_empty());
            items.push((String::new(), Value::Null));
            continue;
        }
        let (pieces, done) = &mut items[place];
        assert!(done.is_null(), "{kind} after the item is done");
        pieces.push_str(event["delta"].as_str().unwrap_or_default());
        for whole in ["text", "refusal", "arguments", "input"] {
            if let Some(whole) = event[whole].as_str() {
                assert!(
                    *pieces == *whole || pieces.is_empty(),
                    "{kind}: {pieces:?}, not {whole:?}"
                );
                pieces.clear();
            }
        }
        if kind == "response.output_item.done" {
            check_item(&event["item"]);
            *done = event["item"].clone();
        }
    }
    let response = &last["response"];
    let status = response["status"].as_str().unwrap();
    assert!(["completed", "incomplete"].contains(&status));
    assert_eq!(last["type"], format!("response.{status}"));
    assert_eq!(
        status == "incomplete",
        response["incomplete_details"]["reason"].is_string()
    );
    for member in ["id", "object", "model", "tool_choice"] {
        assert!(response[member].is_string(), "{member}");
    }
    assert!(response["created_at"].is_u64() && response["parallel_tool_calls"].is_boolean());
    assert!(response["tools"].is_array());
    assert!(response["usage"]["total_tokens"].is_u64());
    let done: Vec<&Value> = items.iter().map(|(_, item)| item).collect();
    assert_eq!(
        response["output"].as_array().unwrap().iter().collect::<Vec<_>>(),
        done
    );
}

/// An item as SDKs take it when it is done.
fn check_item(item: &Value) {
    let strings: &[&str] = match item["type"].as_str().unwrap() {
        "message" => {
            assert!(item["content"].as_array().is_some_and(|parts| !parts.is_empty()));
            &["id", "role", "status"]
        }
        "reasoning" => {
            assert!(item["summary"].is_array());
            &["id"]
        }
        "function_call" => &["id", "call_id", "name", "arguments"],
        "custom_tool_call" => &["id", "call_id", "name", "input"],
        "tool_search_call" => {
            assert!(item["arguments"].is_object());
            &["id", "call_id", "execution"]
        }
        other => panic!("an item {other}"),
    };
    for member in strings {
        assert!(item[member].is_string(), "{member} of {item}");
    }
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
