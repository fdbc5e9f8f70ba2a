//! A stream step by step: what each push gives, and what is known then.

use coretap_formats::event::Failure;
use coretap_formats::{
    AgentFormat, AnswerOptions, AnswerStream, ModelFormat, Progress, answer, answer_as_stream,
};

use crate::{AGENTS, UPSTREAMS, options, upstream_files};

/// The stream's lines, each with what ends it.
fn events(bytes: &[u8]) -> Vec<&[u8]> {
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(b"data:"))
        .collect()
}

/// Whether an event says the regular end, in any model's format.
fn is_end(event: &str) -> bool {
    let ends = [
        "[DONE]",
        "message_stop",
        "\"response.completed\"",
        "'metadata'",
        "message-end",
    ];
    ends.iter().any(|end| event.contains(end))
}

fn file(upstream: &str, name: &str) -> Vec<u8> {
    upstream_files(upstream, "sse")
        .into_iter()
        .find(|(stem, _)| stem == name)
        .unwrap()
        .1
}

#[test]
fn what_only_opens_leaves_the_stream_opening() {
    for (format, upstream) in UPSTREAMS {
        for (agent, _) in AGENTS {
            let bytes = file(upstream, "text");
            let mut stream = AnswerStream::new(options(format, agent));
            let mut out = Vec::new();
            let mut saw_opening = false;
            for event in events(&bytes) {
                let progress = stream.push(event, &mut out);
                let text = std::str::from_utf8(&out).unwrap();
                let says_something = text.contains("Grüße");
                let expected = match (says_something, std::str::from_utf8(event).unwrap()) {
                    (false, _) => Progress::Opening,
                    (true, event) if is_end(event) => Progress::Ended,
                    (true, _) => Progress::Running,
                };
                assert_eq!(progress, expected, "{upstream}: {text}");
                saw_opening |= progress == Progress::Opening && !out.is_empty();
            }
            // Gemini's format has nothing that only opens.
            let expected = agent != AgentFormat::Gemini || format == ModelFormat::Vertex;
            assert_eq!(
                saw_opening, expected,
                "{upstream}: the opening is written at once"
            );
        }
    }
}

#[test]
fn every_event_goes_out_as_soon_as_its_line_is_complete() {
    for (format, upstream) in UPSTREAMS {
        for (agent, _) in AGENTS {
            let bytes = file(upstream, "text");
            let mut stream = AnswerStream::new(options(format, agent));
            let mut out = Vec::new();
            let says = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("world");
            for event in events(&bytes) {
                stream.push(event, &mut out);
                assert!(!says(event) || says(&out), "{upstream}");
            }
        }
    }
}

#[test]
fn a_failure_is_returned_and_written_only_when_the_caller_says_so() {
    let bytes = file("orchestration", "error-at-once");
    for (agent, _) in AGENTS {
        let mut stream = AnswerStream::new(options(ModelFormat::Orchestration, agent));
        let mut out = Vec::new();
        let progress = stream.push(&bytes, &mut out);
        let expected = Failure {
            status: 400,
            message: "400 - LLM Module: Model gpt-5 in version x not found.".to_owned(),
            retry_after: None,
        };
        assert_eq!(progress, Progress::Failed(expected));
        assert_eq!(out, b"");
    }
}

#[test]
fn a_sign_of_life_comes_only_between_the_opening_and_the_end() {
    for (format, upstream) in UPSTREAMS {
        for (agent, sign) in [
            (
                AgentFormat::Messages,
                "event: ping\ndata: {\"type\":\"ping\"}\n\n",
            ),
            (AgentFormat::ChatCompletions, ": keep-alive\n\n"),
            (AgentFormat::Responses, ": keep-alive\n\n"),
            (AgentFormat::Gemini, ": keep-alive\n\n"),
        ] {
            let bytes = file(upstream, "text");
            let mut stream = AnswerStream::new(options(format, agent));
            let signs = |stream: &AnswerStream| {
                let mut out = Vec::new();
                stream.keep_alive(&mut out);
                String::from_utf8(out).unwrap()
            };
            assert_eq!(signs(&stream), "");
            let (last, others) = events(&bytes)
                .split_last()
                .map(|(last, others)| (*last, others.to_vec()))
                .unwrap();
            for event in others {
                stream.push(event, &mut Vec::new());
                assert_eq!(signs(&stream), sign, "{upstream}");
            }
            stream.push(last, &mut Vec::new());
            stream.finish(&mut Vec::new());
            assert_eq!(signs(&stream), "");
        }
    }
}

#[test]
fn the_caller_may_end_a_stream_for_its_own_reason() {
    let failure = Failure {
        status: 503,
        message: "Coretap is stopping.".to_owned(),
        retry_after: None,
    };
    let mut stream = AnswerStream::new(options(ModelFormat::Claude, AgentFormat::Messages));
    let mut out = Vec::new();
    stream.push(events(&file("claude", "text"))[0], &mut Vec::new());
    stream.fail(&failure, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"Coretap is stopping.\"}}\n\n"
    );
    assert_eq!(
        stream.push(b"data: {\"type\":\"message_stop\"}\n", &mut Vec::new()),
        Progress::Failed(failure)
    );
}

/// Content is copied for an agent that speaks the model's own format, but never what its reader can't read.
#[test]
fn a_piece_of_content_that_is_no_json_is_a_failure() {
    for (format, before, broken) in [
        (
            ModelFormat::Claude,
            4,
            r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lo}"#,
        ),
        (
            ModelFormat::AzureChat,
            4,
            r#"data: {"choices":[{"index":0,"delta":{"content":"lo}}]}"#,
        ),
        (
            ModelFormat::AzureResponses,
            5,
            r#"data: {"type":"response.output_text.delta","content_index":0,"delta":"lo,"item_id":"msg_0","output_index":0,"sequence_number":5}"#,
        ),
        (
            ModelFormat::Orchestration,
            4,
            r#"data: {"final_result":{"choices":[{"index":0,"delta":{"content":"lo}}]}}"#,
        ),
        (
            ModelFormat::Converse,
            4,
            r"data: {'contentBlockDelta': {'delta': {'text': 'lo}, 'contentBlockIndex': 0}}",
        ),
        (
            ModelFormat::Cohere,
            4,
            r#"data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"lo}}}}"#,
        ),
        (
            ModelFormat::Vertex,
            4,
            r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":"lo}]}}]}"#,
        ),
    ] {
        for (agent, _) in AGENTS {
            let (_, name) = UPSTREAMS.into_iter().find(|(one, _)| *one == format).unwrap();
            let bytes = file(name, "text");
            let mut stream = AnswerStream::new(options(format, agent));
            let mut out = Vec::new();
            for event in events(&bytes).iter().take(before) {
                stream.push(event, &mut out);
            }
            let before = out.len();
            let progress = stream.push(format!("{broken}\n").as_bytes(), &mut out);
            assert!(matches!(progress, Progress::Failed(_)), "{format:?} {agent:?}");
            assert_eq!(
                out.len(),
                before,
                "{format:?} {agent:?}: nothing of it is written"
            );
        }
    }
}

#[test]
fn an_answer_of_claude_begins_once_and_at_its_beginning() {
    let bytes = file("claude", "text");
    let all = events(&bytes);
    let of_kind = |kind: &str| {
        let is_one = |event: &&&[u8]| std::str::from_utf8(event).unwrap().contains(kind);
        *all.iter().find(is_one).unwrap()
    };
    for (agent, _) in AGENTS {
        for (before, next) in [
            (&all[..4], "message_start"),
            (&all[..0], "content_block_start"),
            (&all[..0], "content_block_delta"),
            (&all[..0], "message_delta"),
        ] {
            let next = of_kind(next);
            let mut stream = AnswerStream::new(options(ModelFormat::Claude, agent));
            let mut out = Vec::new();
            for event in before {
                stream.push(event, &mut out);
            }
            let written = out.len();
            let progress = stream.push(next, &mut out);
            assert!(matches!(progress, Progress::Failed(_)), "{agent:?} {progress:?}");
            assert_eq!(out.len(), written, "{agent:?}");
        }
    }
}

/// Without `alt=sse` Gemini's streams are the pieces of one JSON array, at every moment but for its end.
#[test]
fn a_stream_may_be_a_json_array() {
    let mut broken = 0;
    for (format, upstream) in UPSTREAMS {
        for (name, bytes) in upstream_files(upstream, "sse") {
            let events = options(format, AgentFormat::Gemini);
            let array = AnswerOptions {
                as_array: true,
                ..events.clone()
            };
            let as_events = crate::translate(&events, [bytes.as_slice()]);
            let as_array = crate::translate(&array, [bytes.as_slice()]);
            assert_eq!(
                crate::translate(&array, bytes.chunks(1)),
                as_array,
                "{upstream}/{name}"
            );
            assert_eq!(as_array.outcome, as_events.outcome);
            let payloads = |text: &str| -> Vec<serde_json::Value> {
                let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
                lines.map(|data| serde_json::from_str(data).unwrap()).collect()
            };
            let all = format!("{}{}", as_events.written, as_events.told_failure);
            let whole = format!("{}{}", as_array.written, as_array.told_failure);
            let entries: Vec<serde_json::Value> = serde_json::from_str(&whole).expect(&whole);
            assert_eq!(entries, payloads(&all), "{upstream}/{name}");
            if !as_array.told_failure.is_empty() {
                assert!(entries.last().unwrap()["error"]["code"].is_u64());
                broken += 1;
            }
        }
    }
    assert!(broken > 10, "{broken}");
}

/// A stream that has said its last word may still break.
#[test]
fn the_last_chunk_waits_for_the_end_of_the_body() {
    let bytes = file("vertex", "text");
    let mut stream = AnswerStream::new(options(ModelFormat::Vertex, AgentFormat::Gemini));
    let mut out = Vec::new();
    assert_eq!(stream.push(&bytes, &mut out), Progress::Running);
    let before = String::from_utf8(out.clone()).unwrap();
    assert!(
        before.contains("world") && !before.contains("finishReason"),
        "{before}"
    );
    assert_eq!(stream.finish(&mut out), Progress::Ended);
    let after = String::from_utf8(out).unwrap();
    assert!(after.starts_with(&before) && after.contains("\"finishReason\":\"STOP\""));
}

/// A gateway may answer with a plain error, over several lines, although a stream was asked for.
#[test]
fn an_error_in_a_plain_body_is_told_in_its_own_words() {
    let error = "{\n  \"error\": {\n    \"code\": \"429\", \"message\": \"Try again in 7 seconds.\"\n  }\n}";
    let throttled = Progress::Failed(Failure {
        status: 429,
        message: "Try again in 7 seconds.".to_owned(),
        retry_after: Some(7),
    });
    let line = format!("data: {}", error.replace('\n', ""));
    for (format, upstream) in UPSTREAMS {
        for (agent, _) in AGENTS {
            for body in [format!("{error}\n"), format!("[{error}]"), line.clone()] {
                let mut stream = AnswerStream::new(options(format, agent));
                let mut out = Vec::new();
                for piece in body.as_bytes().chunks(7) {
                    assert_eq!(stream.push(piece, &mut out), Progress::Opening, "{upstream}");
                }
                assert_eq!(stream.finish(&mut out), throttled, "{upstream}: {body}");
                assert_eq!(out, b"");
            }
        }
    }
}

/// A list is no format's answer; what it says is told all the same.
#[test]
fn an_error_in_a_list_is_told_where_a_whole_answer_was_asked_for() {
    let body = br#"[{"error":{"code":429,"message":"Too many plums."}}]"#;
    for (format, upstream) in UPSTREAMS {
        for (agent, _) in AGENTS {
            for translate in [answer, answer_as_stream] {
                let failure = translate(&options(format, agent), body).unwrap_err();
                assert_eq!(
                    (failure.status, failure.message.as_str()),
                    (429, "Too many plums."),
                    "{upstream}"
                );
            }
        }
    }
}

/// Only the upstream knows why it ended without its end; half a word about it is none.
#[test]
fn a_body_that_ends_too_early_without_a_word_is_cut() {
    for (format, upstream) in UPSTREAMS {
        let text = file(upstream, "text");
        let beginning = events(&text)[0];
        for (agent, _) in AGENTS {
            for rest in [
                "",
                "{\"error\":{\"code\":429",
                "[{\"error\":{\"code\":429}}",
                "data: {\"error\":{",
            ] {
                for begun in [&b""[..], beginning] {
                    let mut stream = AnswerStream::new(options(format, agent));
                    let mut out = Vec::new();
                    stream.push(begun, &mut out);
                    stream.push(rest.as_bytes(), &mut out);
                    let progress = stream.finish(&mut out);
                    assert!(
                        matches!(progress, Progress::Cut(_)),
                        "{upstream}: {rest}: {progress:?}"
                    );
                }
            }
        }
    }
}
