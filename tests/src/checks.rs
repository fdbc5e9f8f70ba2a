//! Whether an agent got what it must get: its own answer word for word, an error in its format, or a stream that breaks.

use crate::faults::{Expected, RetryAfter};
use crate::formats::Format;
use crate::http::Answer;

/// What the model is asked; the marker makes it unlike every other question.
pub fn question(marker: &str) -> String {
    format!("Repeat the words {marker} früh – 李 – 🙂 \"quoted\" {{{{?x}}}} \\ and that is all of {marker}")
}

/// The whole answer of the simulator's model to [`question`].
pub fn echo(marker: &str) -> String {
    format!("You said: {}", question(marker))
}

/// Checks what an agent got. `context` says who, where and what.
pub fn check(
    expected: &Expected,
    format: Format,
    stream: bool,
    marker: &str,
    answer: &Answer,
    context: &str,
) {
    match expected {
        Expected::Answered => {
            assert_eq!(answer.status, 200, "{context}: {answer:?}");
            assert!(answer.complete, "{context}: {answer:?}");
            let text = if stream {
                format.check_stream(&answer.events(), context);
                format.streamed_text(&answer.events())
            } else {
                format.text(&answer.json())
            };
            assert_eq!(text, echo(marker), "{context}");
        }
        Expected::Refused {
            status,
            codes,
            retry_after,
            says,
        } => {
            let message = check_refusal(*status, codes, format, answer, context);
            assert!(message.contains(says), "{context}: {message}");
            check_retry_after(*retry_after, answer.header("retry-after"), context);
        }
        Expected::Broken { pieces, says } => {
            assert_eq!(answer.status, 200, "{context}: {answer:?}");
            assert_eq!(answer.complete, !format.is_cut(), "{context}: {answer:?}");
            let events = answer.events();
            assert!(!format.ended(&events), "{context}: {events:#?}");
            let told = format.pieces(&events);
            assert_eq!(told.len(), *pieces, "{context}: {told:?}");
            assert!(echo(marker).starts_with(&told.concat()), "{context}: {told:?}");
            if !format.tells_of_breaks() {
                return;
            }
            let error = format
                .streamed_error(&events)
                .unwrap_or_else(|| panic!("{context}: no error at the end of {events:#?}"));
            let message = error["message"].as_str().unwrap_or_default();
            assert!(
                !message.is_empty() && message.contains(says),
                "{context}: {error}"
            );
            assert!(
                error["type"].is_string() || error["status"].is_string(),
                "{context}: {error}"
            );
        }
    }
}

/// Status, code and shape of an error; gives its message.
pub fn check_refusal(status: u16, codes: &[&str], format: Format, answer: &Answer, context: &str) -> String {
    let messages = format == Format::Messages;
    let status = if status == 529 && !messages { 503 } else { status };
    assert_eq!(answer.status, status, "{context}: {answer:?}");
    assert!(answer.complete, "{context}: {answer:?}");
    assert_eq!(answer.header("content-type"), "application/json", "{context}");
    let code = answer.header("x-coretap-code");
    assert!(codes.contains(&code), "{context}: {code} is none of {codes:?}");
    let body = answer.json();
    let kind = if format == Format::Gemini {
        &body["error"]["status"]
    } else {
        &body["error"]["type"]
    };
    assert_eq!(kind, format.error_type(status), "{context}: {body}");
    if messages {
        assert_eq!(body["type"], "error", "{context}: {body}");
        assert_eq!(
            body["request_id"],
            answer.header("request-id"),
            "{context}: {body}"
        );
    } else {
        let code = &body["error"]["code"];
        assert!(code.is_string() || *code == status, "{context}: {body}");
        assert_ne!(answer.header("x-request-id"), "", "{context}");
    }
    let message = body["error"]["message"].as_str().unwrap_or_default();
    assert!(!message.trim().is_empty(), "{context}: {body}");
    message.to_owned()
}

fn check_retry_after(expected: RetryAfter, said: &str, context: &str) {
    let seconds: Option<u32> = said.parse().ok();
    let fits = match expected {
        RetryAfter::Unsaid => said.is_empty(),
        RetryAfter::Seconds(wanted) => seconds == Some(wanted),
        RetryAfter::Minute => seconds.is_some_and(|seconds| (1..=60).contains(&seconds)),
    };
    assert!(fits, "{context}: retry-after {said:?} instead of {expected:?}");
}
