//! Any cutting gives the same answer, and no bytes make it panic or end as if all were well.

use coretap_formats::event::Failure;
use coretap_formats::{AnswerOptions, Progress, answer, answer_as_stream};
use proptest::prelude::*;
use proptest::sample::Index;

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
        let is_failed = matches!(translated.progress, Progress::Failed(_));
        prop_assert!(is_failed || translated.progress == Progress::Ended);
        prop_assert_eq!(grammar::ends_regularly(options.agent, &translated.written), !is_failed);
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
    fn any_bytes_are_a_failure(bytes in prop::collection::vec(any::<u8>(), 0..200), which: Index) {
        let streams = streams();
        let (options, _) = which.get(&streams);
        let mut line = b"data: ".to_vec();
        line.extend_from_slice(&bytes);
        let progress = translate(options, [line.as_slice(), b"\n\n"]).progress;
        prop_assert!(matches!(progress, Progress::Failed(_)));
        prop_assert!(answer(options, &bytes).is_err());
        prop_assert!(answer_as_stream(options, &bytes).is_err());
    }
}
