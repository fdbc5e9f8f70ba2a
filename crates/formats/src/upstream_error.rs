//! Errors as SAP AI Core and the vendors behind it spell them: in a refused request's body and in the middle of a
//! stream (sap-wire.md §1.4, §2.4, §3.2, §3.3, §4.5, §5).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::Failure;
use crate::json::{Document, Text};

/// An error that an upstream answered with its HTTP status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamError {
    /// Its text word for word; the whole body where it is no JSON that is known, a page's title where it is HTML.
    /// Empty where the body is.
    pub message: String,
    /// Its own code, where it has one: a number, a word, or an eight-digit number of the AI API.
    pub code: Option<String>,
    /// Seconds to wait that the body names, in the vendor's `headers` (orchestration passes them, sap-wire.md §4.5) or in
    /// the text ("Try again in 7 seconds.").
    pub retry_after: Option<u64>,
}

/// Reads an error body of any dialect: orchestration's object and list, Azure's, Bedrock's, the AI API's, or plain text
/// (sap-wire.md §2.4, §3, §4.5). Of a list (one entry for each fallback) every text is told, one a line.
///
/// The shapes tell themselves apart: a gateway in front of a deployment answers in its own.
pub fn read_upstream_error(body: &[u8]) -> UpstreamError {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let reports = read_reports(text);
    let reported = reports.iter().filter_map(|report| report.message.as_deref());
    let message = reported.collect::<Vec<_>>().join("\n");
    UpstreamError {
        message: if message.is_empty() {
            plain_message(text)
        } else {
            message
        },
        code: reports.iter().find_map(|report| report.words.first().cloned()),
        retry_after: reports.iter().find_map(|report| report.retry_after),
    }
}

/// Reads an error that stands inside a stream or a body that began with 200. The status is the one that the upstream's
/// code or words stand for: 429 for throttling in any spelling, 529 for overload, otherwise 500.
pub(crate) fn read_failure(payload: &str) -> Failure {
    let reports = read_reports(payload.trim());
    let mut error = read_upstream_error(payload.as_bytes());
    if error.message.is_empty() {
        "The upstream gave no reason.".clone_into(&mut error.message);
    }
    let statuses: Vec<u16> = reports.iter().filter_map(Report::status).collect();
    // Of several fallbacks one that may be tried again decides; otherwise the one that was tried last.
    let retryable = statuses.iter().find(|status| matches!(status, 429 | 529));
    Failure {
        status: retryable.or(statuses.last()).copied().unwrap_or(500),
        message: error.message,
        retry_after: error.retry_after,
    }
}

/// Reads a list that stands where an answer or an event should; nothing where it is no list, or holds no error. No format's
/// answers are lists, but a vendor's or a gateway's errors may be (Google's are, without `alt=sse`).
pub(crate) fn read_failure_list(payload: &[u8]) -> Option<Failure> {
    if payload.trim_ascii_start().first() != Some(&b'[') {
        return None;
    }
    let text = String::from_utf8_lossy(payload);
    (!read_reports(text.trim()).is_empty()).then(|| read_failure(&text))
}

/// A failure in the words of Coretap: the upstream broke off or sent what nobody can read.
pub(crate) fn broken(message: &str) -> Failure {
    Failure {
        status: 502,
        message: message.to_owned(),
        retry_after: None,
    }
}

/// The upstream said that its answer is complete, and there was none.
pub(crate) fn no_answer() -> Failure {
    broken("The upstream ended without an answer.")
}

/// What one error object says.
struct Report {
    message: Option<String>,
    /// Its codes and types, the most telling first.
    words: Vec<String>,
    retry_after: Option<u64>,
}

impl Report {
    fn status(&self) -> Option<u16> {
        let by_word = self.words.iter().find_map(|word| status_of_word(word));
        let by_number = || {
            self.words
                .iter()
                .find_map(|word| word.parse().ok().filter(|code| (400..600).contains(code)))
        };
        by_word
            .or_else(by_number)
            .or_else(|| status_of_message(self.message.as_deref()?))
    }
}

/// What the words stand for that vendors use instead of a status (sap-wire.md §3.2; Anthropic's and AWS's error types).
fn status_of_word(word: &str) -> Option<u16> {
    Some(match word {
        "429"
        | "too_many_requests"
        | "rate_limit_exceeded"
        | "rate_limit_error"
        | "rate_limited"
        | "throttling_exception"
        | "ThrottlingException"
        | "throttlingException"
        | "RESOURCE_EXHAUSTED"
        | "insufficient_quota" => 429,
        "529" | "overloaded_error" => 529,
        "invalid_request_error"
        | "content_filter"
        | "context_length_exceeded"
        | "validationException"
        | "ValidationException"
        | "INVALID_ARGUMENT" => 400,
        "authentication_error" => 401,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "timeout_error" | "modelTimeoutException" | "ModelTimeoutException" => 504,
        "serviceUnavailableException" | "ServiceUnavailableException" => 503,
        _ => return None,
    })
}

/// What a text without any code stands for: Bedrock's (sap-wire.md §3.2, §3.4).
fn status_of_message(message: &str) -> Option<u16> {
    let begins = |texts: &[&str]| texts.iter().any(|text| message.starts_with(text));
    if begins(&[
        "ThrottlingException",
        "Too many tokens",
        "Too many requests",
        "TooManyRequests",
        "Rate exceeded",
    ]) {
        Some(429)
    } else if begins(&["Overloaded", "ServiceUnavailableException"]) {
        Some(529)
    } else {
        None
    }
}

/// The members that any of the dialects use, around an error and inside it.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    error_description: Option<&'a RawValue>,
    message: Option<&'a RawValue>,
    code: Option<&'a RawValue>,
    r#type: Option<&'a RawValue>,
    status: Option<&'a RawValue>,
    headers: Option<&'a RawValue>,
    innererror: Option<&'a RawValue>,
}

/// Every error that `text` holds; none where it is no JSON that is known.
fn read_reports(text: &str) -> Vec<Report> {
    let mut reports = Vec::new();
    collect(text, 0, &mut reports);
    reports
}

fn collect(text: &str, depth: usize, reports: &mut Vec<Report>) {
    // Errors nest at most `{"error":[{"error":…}]}`; deeper ones are somebody's joke.
    if depth > 3 {
        return;
    }
    if text.starts_with('[') {
        if let Ok(document) = Document::read(text) {
            for entry in document.root().list().into_iter().flatten() {
                collect(entry.get(), depth + 1, reports);
            }
        }
        return;
    }
    let Ok(members) = serde_json::from_str::<Members<'_>>(text) else {
        return;
    };
    if let Some(nested) = members
        .error
        .filter(|nested| nested.get().starts_with(['{', '[']))
    {
        collect(nested.get(), depth + 1, reports);
        return;
    }
    let inner = members
        .innererror
        .and_then(|inner| serde_json::from_str::<Members<'_>>(inner.get()).ok());
    let (inner_code, inner_message) = inner.map_or((None, None), |inner| (inner.code, inner.message));
    let words: Vec<String> = [members.code, members.error, members.r#type, members.status, inner_code]
        .into_iter()
        .filter_map(word)
        // `"type":"error"` is how an event says that it is one.
        .filter(|word| word != "error")
        .collect();
    let message = [
        members.message,
        members.error_description,
        members.error,
        inner_message,
    ]
    .into_iter()
    .find_map(|raw| Some(Text::from_raw(raw?)?.decode().into_owned()))
    .filter(|message| !message.is_empty())
    // Mistral's validator says in an object what is wrong where.
    .or_else(|| {
        let object = members.message.map(RawValue::get);
        object.filter(|object| object.starts_with('{')).map(str::to_owned)
    })
    .or_else(|| words.first().cloned());
    if message.is_some() {
        let retry_after = members
            .headers
            .and_then(retry_after)
            .or_else(|| told_wait(message.as_deref()?));
        reports.push(Report {
            message,
            words,
            retry_after,
        });
    }
}

/// A code: a string that is not empty, or a number.
fn word(raw: Option<&RawValue>) -> Option<String> {
    let raw = raw?;
    let word = match Text::from_raw(raw) {
        Some(text) => text.decode().into_owned(),
        None => raw.get().parse::<u64>().ok()?.to_string(),
    };
    (!word.is_empty()).then_some(word)
}

/// The seconds that a vendor's headers tell to wait. A date is not read: this crate has no clock.
fn retry_after(headers: &RawValue) -> Option<u64> {
    let headers = Document::read(headers.get()).ok()?;
    let is_wanted = |name: &Text<'_>| name.escaped().eq_ignore_ascii_case("retry-after");
    let (_, value) = headers
        .root()
        .object()?
        .members()
        .find(|(name, _)| is_wanted(name))?;
    let seconds = value.text().map_or(Cow::Borrowed(value.get()), |text| {
        text.decode().into_owned().into()
    });
    seconds.trim().parse().ok()
}

/// The whole seconds that a text tells to wait: "Try again in 7 seconds.", "Please retry after 7 seconds.".
fn told_wait(message: &str) -> Option<u64> {
    let (_, behind) = ["ry again in ", "etry after "]
        .into_iter()
        .find_map(|words| message.split_once(words))?;
    let (number, unit) = behind.split_once(' ')?;
    let seconds = number.parse().ok()?;
    unit.starts_with("second").then_some(seconds)
}

/// What is told of a body that is no JSON that is known.
fn plain_message(text: &str) -> String {
    if !text.starts_with('<') {
        return text.to_owned();
    }
    // ASCII letters keep their place in lower case, so a position found there holds in the text itself.
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").zip(lower.find("</title>"));
    let title = title
        .and_then(|(start, end)| text.get(start + "<title>".len()..end))
        .map_or("", str::trim);
    if title.is_empty() {
        "The upstream answered with a page instead of an error.".to_owned()
    } else {
        title.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> (String, Option<String>, Option<u64>) {
        let error = read_upstream_error(body.as_bytes());
        (error.message, error.code, error.retry_after)
    }

    fn told(message: &str, code: Option<&str>) -> (String, Option<String>, Option<u64>) {
        (message.to_owned(), code.map(str::to_owned), None)
    }

    #[test]
    fn every_dialect_is_read() {
        let cases = [
            (
                r#"{"error":{"request_id":"r","code":400,"message":"'config' is a required property","location":"request body"}}"#,
                told("'config' is a required property", Some("400")),
            ),
            (
                r#"{"request_id":"r","code":400,"message":"Content filtered.","location":"Filtering Module"}"#,
                told("Content filtered.", Some("400")),
            ),
            (
                r#"{"error":[{"code":404,"message":"No such model."},{"code":429,"message":"Too much."}]}"#,
                told("No such model.\nToo much.", Some("404")),
            ),
            (
                r#"{"error":{"code":"01010076","message":"Deployment not found","requestId":"b","details":{}}}"#,
                told("Deployment not found", Some("01010076")),
            ),
            (
                r#"{"error":{"code":null,"message":"Relevant","param":null,"type":"invalid_request_error"}}"#,
                told("Relevant", Some("invalid_request_error")),
            ),
            (
                r#"{"error":{"code":"content_filter","message":null,"innererror":{"code":"Policy","message":"Inner."}}}"#,
                told("Inner.", Some("content_filter")),
            ),
            (
                r#"{"object":"error","message":{"detail":[{"loc":["body","seed"]}]},"type":"invalid_request_error","param":null}"#,
                told(
                    r#"{"detail":[{"loc":["body","seed"]}]}"#,
                    Some("invalid_request_error"),
                ),
            ),
            (
                r#"{"message":"Too many tokens, please wait."}"#,
                told("Too many tokens, please wait.", None),
            ),
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Over\"loaded"}}"#,
                told("Over\"loaded", Some("overloaded_error")),
            ),
            (
                r#"{"error":"unauthorized","error_description":"Bad credentials"}"#,
                told("Bad credentials", Some("unauthorized")),
            ),
            (
                r#"{"type":"error","error":{"type":"too_many_requests","code":"too_many_requests"}}"#,
                told("too_many_requests", Some("too_many_requests")),
            ),
            ("RBAC: access denied\n", told("RBAC: access denied", None)),
            (r#"{"detail":1}"#, told(r#"{"detail":1}"#, None)),
            ("", told("", None)),
            (" \r\n", told("", None)),
            (
                "<html><head><TITLE> 502 Bad Gateway </TITLE></head>…",
                told("502 Bad Gateway", None),
            ),
            (
                "<!doctype html>",
                told("The upstream answered with a page instead of an error.", None),
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(read(body), expected, "{body}");
        }
    }

    #[test]
    fn the_vendors_headers_tell_how_long_to_wait() {
        let body =
            r#"{"error":{"code":429,"message":"m","location":"LLM Module","headers":{"Retry-After":"17"}}}"#;
        assert_eq!(read(body).2, Some(17));
        assert_eq!(read(&body.replace("\"17\"", "17")).2, Some(17));
        assert_eq!(read(&body.replace("17", "Wed, 21 Oct 2026 07:28:00 GMT")).2, None);
        assert_eq!(
            read_failure(body),
            Failure {
                status: 429,
                message: "m".to_owned(),
                retry_after: Some(17)
            }
        );
    }

    #[test]
    fn a_text_may_tell_how_long_to_wait() {
        for (message, seconds) in [
            ("Rate limit is exceeded. Try again in 7 seconds.", Some(7)),
            ("Please retry after 1 second. To raise your quota, ask.", Some(1)),
            ("Please try again in 20 seconds", Some(20)),
            ("Please try again in 2 minutes.", None),
            ("Please try again in 0.2 seconds.", None),
            ("Please try again in a few seconds.", None),
            ("Please try again in 7", None),
            ("It took 7 seconds.", None),
        ] {
            let body = format!(r#"{{"error":{{"code":"429","message":"{message}"}}}}"#);
            assert_eq!(read(&body).2, seconds, "{message}");
            assert_eq!(read_failure(&body).retry_after, seconds, "{message}");
        }
        let body =
            r#"{"error":{"code":429,"message":"Try again in 7 seconds.","headers":{"retry-after":"17"}}}"#;
        assert_eq!(read(body).2, Some(17), "the header is what is meant for machines");
    }

    #[test]
    fn a_list_is_read_where_it_holds_an_error() {
        let failure = |payload: &str| read_failure_list(payload.as_bytes());
        let throttled = failure(" [\n{\"error\":{\"code\":429,\"message\":\"Too much.\"}}]").unwrap();
        assert_eq!((throttled.status, throttled.message.as_str()), (429, "Too much."));
        for payload in [
            "[DONE]",
            "[]",
            "[1]",
            r#"[{"candidates":[]}]"#,
            r#"{"error":"no list"}"#,
            "",
        ] {
            assert_eq!(failure(payload), None, "{payload}");
        }
    }

    #[test]
    fn a_failure_stands_for_a_status() {
        let cases = [
            (
                r#"{"error":{"code":"429","message":"exceeded token rate limit"}}"#,
                429,
            ),
            (r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}"#, 429),
            (r#"{"error":{"code":"rate_limit_exceeded","message":"m"}}"#, 429),
            (
                r#"{"type":"error","error":{"type":"rate_limit_error","message":"m"}}"#,
                429,
            ),
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
                529,
            ),
            (
                r#"{"type":"error","message":"ThrottlingException: Rate exceeded"}"#,
                429,
            ),
            (r#"{"message":"ThrottlingException: Rate exceeded"}"#, 429),
            (
                r#"{"error":{"code":400,"message":"400 - LLM Module: Model not found."}}"#,
                400,
            ),
            (
                r#"{"error":[{"code":404,"message":"a"},{"code":400,"message":"b"}]}"#,
                400,
            ),
            (
                r#"{"error":[{"code":429,"message":"a"},{"code":400,"message":"b"}]}"#,
                429,
            ),
            (
                r#"{"type":"error","error":{"type":"api_error","message":"m"}}"#,
                500,
            ),
            (r#"{"error":{"code":"01510003","message":"m"}}"#, 500),
            (r#"{"error":"broken"}"#, 500),
        ];
        for (payload, status) in cases {
            assert_eq!(read_failure(payload).status, status, "{payload}");
        }
    }
}
