//! Any cutting gives the same answer, and no bytes make it panic or end as if all were well.

use std::fmt::Write as _;

use coretap_formats::event::{Failure, StopReason};
use coretap_formats::{
    AgentFormat, AnswerOptions, ModelFormat, Progress, answer, answer_as_stream, read_upstream_error,
};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::{AGENTS, UPSTREAMS, grammar, options, translate, upstream_files};

/// Every stream with every agent.
fn streams() -> Vec<(AnswerOptions, Vec<u8>)> {
    files("sse")
}

fn files(ending: &str) -> Vec<(AnswerOptions, Vec<u8>)> {
    let mut all = Vec::new();
    for (format, upstream) in UPSTREAMS {
        for (_, bytes) in upstream_files(upstream, ending) {
            for (agent, _) in AGENTS {
                all.push((options(format, agent), bytes.clone()));
            }
        }
    }
    all
}

/// An error of each dialect (sap-wire.md §1.4, §2.4, §3.2, §3.3, §4.5).
const ERRORS: [&str; 7] = [
    r#"{"error":{"request_id":"r","code":429,"message":"429 - LLM Module: no","location":"x","headers":{"retry-after":"7"}}}"#,
    r#"{"error":[{"code":400,"message":"one"},{"code":500,"message":"two"}]}"#,
    r#"{"error":{"code":"content_filter","message":null,"innererror":{"code":"Policy","message":"Inner."}}}"#,
    r#"{"message":"Too many tokens, please wait before trying again."}"#,
    r#"{"error":{"code":"01010076","message":"Deployment not found","requestId":"b8c7","target":"/api","details":{}}}"#,
    r#"{"error":"unauthorized","error_description":"Bad credentials"}"#,
    "<html><head><title> 502 Bad Gateway </title></head></html>",
];

fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// One change of a stream: bytes taken out, doubled, or replaced.
fn mutate(bytes: &mut Vec<u8>, (kind, place, length, byte): (u8, Index, usize, u8)) {
    if bytes.is_empty() {
        return;
    }
    let start = place.index(bytes.len());
    let end = (start + length).min(bytes.len());
    match kind {
        0 => drop(bytes.drain(start..end)),
        1 => {
            let doubled = bytes[start..end].to_vec();
            bytes.splice(end..end, doubled);
        }
        2 => bytes[start] = byte,
        _ => bytes.truncate(start),
    }
}

fn change() -> impl Strategy<Value = (u8, Index, usize, u8)> {
    (
        0..4u8,
        any::<Index>(),
        1..200usize,
        prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), Just(b'}'), Just(b'\n')],
    )
}

/// A stream of parallel calls whose pieces come in any order, text between them.
#[derive(Default)]
struct Mixed {
    stream: String,
    text: String,
    /// Every call's name and arguments, by the names.
    calls: Vec<(String, Value)>,
}

impl Mixed {
    /// One call for each of `lengths`, with that many members in its arguments; `turns` says whose piece is next, the
    /// text's or a call's.
    fn new(lengths: &[usize], turns: &[Index]) -> Self {
        let mut mixed = Mixed::default();
        let mut pieces = Vec::new();
        for (call, length) in lengths.iter().enumerate() {
            let members: Vec<String> = (0..*length)
                .map(|at| format!("\"m{at}\":\"}}\\n{at}\""))
                .collect();
            let arguments = format!("{{{}}}", members.join(","));
            let name = format!("tool{call}");
            let mut waiting = vec![json!({"index": call, "id": name, "function": {"name": name}})];
            if *length > 0 {
                let cut = arguments
                    .as_bytes()
                    .chunks(5)
                    .map(|piece| std::str::from_utf8(piece).unwrap());
                waiting.extend(cut.map(|piece| json!({"index": call, "function": {"arguments": piece}})));
            }
            mixed
                .calls
                .push((name, serde_json::from_str(&arguments).unwrap()));
            pieces.push(waiting.into_iter());
        }
        for turn in turns {
            let turn = turn.index(lengths.len() + 1);
            if turn == lengths.len() {
                let word = format!("{} ", mixed.text.len());
                mixed.text.push_str(&word);
                mixed.push(&json!({"content": word}));
            } else if let Some(piece) = pieces[turn].next() {
                mixed.push(&json!({"tool_calls": [piece]}));
            }
        }
        for piece in pieces.into_iter().flatten() {
            mixed.push(&json!({"tool_calls": [piece]}));
        }
        mixed.stream.push_str("data: [DONE]\n\n");
        mixed
    }

    fn push(&mut self, delta: &Value) {
        let chunk = json!({"choices": [{"index": 0, "delta": delta}]});
        write!(self.stream, "data: {chunk}\n\n").unwrap();
    }
}

/// The text and the calls of a Messages stream, as [`Mixed`] has them.
fn told(stream: &str) -> (String, Vec<(String, Value)>) {
    let (mut text, mut calls) = (String::new(), Vec::new());
    for data in stream.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let event: Value = serde_json::from_str(data).unwrap();
        text.push_str(event["delta"]["text"].as_str().unwrap_or_default());
        if let Some(name) = event["content_block"]["name"].as_str() {
            calls.push((name.to_owned(), String::new()));
        }
        if let Some(piece) = event["delta"]["partial_json"].as_str() {
            calls.last_mut().unwrap().1.push_str(piece);
        }
    }
    calls.sort();
    let read = |(name, arguments): (String, String)| (name, serde_json::from_str(&arguments).unwrap());
    (text, calls.into_iter().map(read).collect())
}

#[test]
fn byte_by_byte_gives_the_same_answer() {
    for (options, bytes) in streams() {
        assert_eq!(
            translate(&options, bytes.chunks(1)),
            translate(&options, [bytes.as_slice()])
        );
    }
}

#[test]
fn other_line_ends_and_blank_lines_give_the_same_answer() {
    for (options, bytes) in streams() {
        let text = String::from_utf8(bytes).unwrap();
        let expected = translate(&options, [text.as_bytes()]);
        for changed in [
            text.replace("\n\n", "\n"),
            text.replace("\n\n", "\n\n\n"),
            text.replace('\n', "\r\n"),
            text.replace("data: ", "data:"),
            text.replace("data: ", ": comment\nevent: x\ndata:  "),
        ] {
            assert_eq!(translate(&options, [changed.as_bytes()]), expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_cutting_gives_the_same_answer(which: Index, cuts in prop::collection::vec(any::<Index>(), 0..30)) {
        let streams = streams();
        let (options, bytes) = which.get(&streams);
        prop_assert_eq!(translate(options, cut(bytes, &cuts)), translate(options, [bytes.as_slice()]));
    }

    #[test]
    fn a_damaged_stream_never_panics_and_never_ends_after_a_failure(
        which: Index,
        changes in prop::collection::vec(change(), 1..4),
        cuts in prop::collection::vec(any::<Index>(), 0..5),
    ) {
        let streams = streams();
        let (options, bytes) = which.get(&streams);
        let mut bytes = bytes.clone();
        for change in changes {
            mutate(&mut bytes, change);
        }
        let translated = translate(options, cut(&bytes, &cuts));
        prop_assert_eq!(&translated, &translate(options, [bytes.as_slice()]));
        let is_failed = matches!(translated.progress, Progress::Failed(_) | Progress::Cut(_));
        prop_assert!(is_failed || translated.progress == Progress::Ended);
        prop_assert_eq!(grammar::ends_regularly(options.agent, &translated.written), !is_failed);
    }

    #[test]
    fn nothing_is_lost_however_the_pieces_of_calls_and_text_are_mixed(
        lengths in prop::collection::vec(0..6usize, 1..5),
        turns in prop::collection::vec(any::<Index>(), 0..40),
    ) {
        let mixed = Mixed::new(&lengths, &turns);
        let options = options(ModelFormat::AzureChat, AgentFormat::Messages);
        let translated = translate(&options, [mixed.stream.as_bytes()]);
        prop_assert_eq!(&translated.progress, &Progress::Ended);
        prop_assert_eq!(translated.outcome.stop_reason, Some(StopReason::ToolUse));
        grammar::check(options.agent, &translated);
        prop_assert_eq!(told(&translated.written), (mixed.text, mixed.calls));
    }

    #[test]
    fn a_damaged_body_never_panics(which: Index, changes in prop::collection::vec(change(), 0..4)) {
        let bodies = files("json");
        let (options, bytes) = which.get(&bodies);
        let mut bytes = bytes.clone();
        for change in changes {
            mutate(&mut bytes, change);
        }
        let as_failure = |result: Result<_, Failure>| result.map(|_| ());
        if answer(options, &bytes).is_ok() {
            prop_assert_eq!(as_failure(answer_as_stream(options, &bytes)), Ok(()));
        }
    }

    #[test]
    fn a_damaged_error_is_told_as_far_as_it_can_be_read(
        which: Index,
        changes in prop::collection::vec(change(), 0..4),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut damaged = which.get(&ERRORS).as_bytes().to_vec();
        for change in changes {
            mutate(&mut damaged, change);
        }
        for body in [damaged, bytes] {
            let error = read_upstream_error(&body);
            prop_assert!(error.message.len() <= 64 + 6 * body.len(), "{:?}", error);
            let says_something = !String::from_utf8_lossy(&body).trim().is_empty();
            prop_assert_eq!(!error.message.is_empty(), says_something);
        }
    }

    #[test]
    fn any_bytes_are_a_failure(bytes in prop::collection::vec(any::<u8>(), 0..200), which: Index) {
        let streams = streams();
        let (options, _) = which.get(&streams);
        let mut line = b"data: ".to_vec();
        line.extend_from_slice(&bytes);
        let progress = translate(options, [line.as_slice(), b"\n\n"]).progress;
        prop_assert!(matches!(progress, Progress::Failed(_) | Progress::Cut(_)));
        prop_assert!(answer(options, &bytes).is_err());
        prop_assert!(answer_as_stream(options, &bytes).is_err());
    }
}
