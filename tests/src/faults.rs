//! Every fault of SAP AI Core that Coretap must live through, and what an agent sees of each: the table behind the fault
//! matrix. The facts are those of sap-wire.md (§1.5, §2.4, §3.2, §3.3, §4.4, §4.5, §5, §8).

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::formats::Format;
use crate::process::Mode;

/// What the model's route speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Orchestration.
    Orchestration,
    /// Claude on Bedrock.
    Claude,
    /// Azure OpenAI.
    Azure,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Orchestration, Self::Claude, Self::Azure];

    /// The mode in which it is spoken.
    pub fn mode(self) -> Mode {
        if self == Self::Orchestration {
            Mode::Orchestration
        } else {
            Mode::Foundation
        }
    }

    /// The simulator's deployment that speaks it to [`Dialect::model`]. Chosen, it is used alone: otherwise another one would
    /// answer in the place of the one that a fault befalls.
    pub fn deployment(self) -> &'static str {
        match self {
            Self::Orchestration => "d0aa11bb22cc33dd",
            Self::Claude => "d3f1a2b4c5d6e7f8",
            Self::Azure => "d19b998f347341aa",
        }
    }

    /// A model that is reached by it.
    pub fn model(self) -> &'static str {
        if self == Self::Azure {
            "gpt-4o"
        } else {
            "anthropic--claude-4.5-sonnet"
        }
    }
}

/// What an agent must see of a fault.
#[derive(Debug, Clone)]
pub enum Expected {
    /// The whole answer, word for word.
    Answered,
    /// An error in the agent's format with this status.
    Refused {
        /// The HTTP status; 529 is 503 for everyone but Messages.
        status: u16,
        /// What may stand in `x-coretap-code`.
        codes: &'static [&'static str],
        /// What `retry-after` says.
        retry_after: RetryAfter,
        /// What the message holds.
        says: &'static str,
    },
    /// A stream that brings so many pieces of the text, then an error, and no normal end.
    Broken {
        /// How many pieces of text came before.
        pieces: usize,
        /// What the error's message holds.
        says: &'static str,
    },
}

impl Expected {
    /// What an agent of this format sees of it. A fault comes behind so many events, and the Responses of Azure, which agents
    /// that speak them get, open with two more than its Chat Completions.
    #[must_use]
    pub fn seen_by(&self, format: Format, dialect: Dialect) -> Self {
        match self {
            Self::Broken { pieces, says } if format == Format::Responses && dialect == Dialect::Azure => {
                Self::Broken {
                    pieces: pieces.saturating_sub(2),
                    says,
                }
            }
            other => other.clone(),
        }
    }
}

/// What a refusal says about coming back.
#[derive(Debug, Clone, Copy)]
pub enum RetryAfter {
    /// Nothing.
    Unsaid,
    /// So many seconds.
    Seconds(u32),
    /// SAP counts per minute, so without its word: at most until the next full minute.
    Minute,
}

/// Which answers a case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// Streams and whole ones.
    All,
    /// Only streams.
    Streams,
    /// Only whole ones.
    Whole,
}

/// A fault and what comes of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name in failures.
    pub name: &'static str,
    /// The fault, as the simulator takes it, without `route` and `marker`; nothing: all is well.
    pub fault: Option<Value>,
    /// The dialects that have it.
    pub dialects: &'static [Dialect],
    /// The answers that have it.
    pub answers: Answers,
    /// What the agent sees.
    pub expected: Expected,
    /// How many requests reach the upstream.
    pub tries: RangeInclusive<usize>,
    /// Whether two hundred of it at once cost no more than memory and time in reason.
    pub at_two_hundred: bool,
}

impl Case {
    fn new(name: &'static str, fault: Value, expected: Expected, tries: RangeInclusive<usize>) -> Self {
        Self {
            name,
            fault: Some(fault),
            dialects: &Dialect::ALL,
            answers: Answers::All,
            expected,
            tries,
            at_two_hundred: true,
        }
    }

    fn of(mut self, dialects: &'static [Dialect]) -> Self {
        self.dialects = dialects;
        self
    }

    fn streams(mut self) -> Self {
        self.answers = Answers::Streams;
        self
    }

    fn whole(mut self) -> Self {
        self.answers = Answers::Whole;
        self
    }

    fn alone(mut self) -> Self {
        self.at_two_hundred = false;
        self
    }

    /// Whether it is about such an answer of this dialect.
    pub fn is_about(&self, dialect: Dialect, stream: bool) -> bool {
        let answers = match self.answers {
            Answers::All => true,
            Answers::Streams => stream,
            Answers::Whole => !stream,
        };
        answers && self.dialects.contains(&dialect)
    }
}

/// It lasts: longer than anybody tries again.
fn lasting(mut fault: Value) -> Value {
    fault["times"] = json!(99);
    fault
}

fn status(status: u16) -> Value {
    json!({"fault": "status", "status": status})
}

fn worded(status: u16, text: &str) -> Value {
    json!({"fault": "status", "status": status, "text": text})
}

fn refused(status: u16, codes: &'static [&'static str], says: &'static str) -> Expected {
    Expected::Refused {
        status,
        codes,
        retry_after: RetryAfter::Unsaid,
        says,
    }
}

fn limited(retry_after: RetryAfter) -> Expected {
    Expected::Refused {
        status: 429,
        codes: &["UPSTREAM-RATE-LIMIT"],
        retry_after,
        says: "",
    }
}

fn broken(says: &'static str) -> Expected {
    Expected::Broken { pieces: 3, says }
}

/// Orchestration's error whose vendor said when to come back, in the body only (sap-wire.md §4.5).
const LIMIT_IN_BODY: &str = r#"{"error":{"request_id":"r","code":429,"message":"429 - LLM Module: Too many requests","location":"LLM Module","headers":{"retry-after":"21"}}}"#;
/// An error for each of two fallbacks (sap-wire.md §4.5).
const ERROR_LIST: &str = r#"{"error":[{"request_id":"r","code":400,"message":"400 - LLM Module: first plum","location":"LLM Module"},{"request_id":"r","code":400,"message":"400 - LLM Module: second plum","location":"LLM Module"}]}"#;
/// The AI API's shape (sap-wire.md §2.4).
const AI_API_ERROR: &str = r#"{"error":{"code":"01010076","message":"Deployment not found","requestId":"b8c7","target":"/api/v2/deployments/dxyz","details":{}}}"#;
/// An error as orchestration wrote it before v2, inside a stream (sap-wire.md §4.4).
const OLD_EVENT: &str =
    r#"{"request_id":"r","code":500,"message":"500 - the old plum","location":"LLM Module"}"#;
const NOT_WHOLE: &[&str] = &["UPSTREAM-CUT", "UPSTREAM-FAILED"];
const NO_ACCESS: &[&str] = &["AUTH-PERMISSION", "UPSTREAM-FORBIDDEN"];

/// Every case. Those before the first byte are lived through when they pass and told with their status when they last;
/// those behind it break the stream, and nothing is asked a second time.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![Case {
        fault: None,
        ..Case::new("nothing", json!({}), Expected::Answered, 1..=1)
    }];
    cases.extend(passing());
    cases.extend(refusals());
    cases.extend(silent_failures());
    cases.extend(behind_the_first_byte());
    cases
}

/// Before the first byte, and over soon.
fn passing() -> Vec<Case> {
    use Expected::Answered;
    let again = |name, fault| Case::new(name, fault, Answered, 2..=2);
    vec![
        again(
            "429 for a second",
            json!({"fault": "status", "status": 429, "retry_after": 1}),
        ),
        again("502 once", status(502)),
        again("503 once", status(503)),
        again("504 once", status(504)),
        Case::new(
            "no healthy upstream, twice",
            json!({"fault": "status", "status": 503, "text": "no healthy upstream", "times": 2}),
            Answered,
            3..=3,
        ),
        again("a refused connection", json!({"fault": "refuse_connection"})),
        again("a whole answer cut once", json!({"fault": "cut"})).whole(),
        again("a stream cut before its first event", json!({"fault": "cut"})).streams(),
        again(
            "a stream cut in its opening",
            json!({"fault": "cut", "after_events": 1, "and_bytes": 12}),
        )
        .streams(),
        again(
            "a stream that ends before its first event",
            json!({"fault": "clean_end"}),
        )
        .streams(),
        again(
            "a stream that ends in its opening",
            json!({"fault": "clean_end", "after_events": 2}),
        )
        .streams(),
        again(
            "throttled in the first event",
            json!({"fault": "throttled_event"}),
        )
        .streams(),
        again("an empty body once", worded(200, "")),
        again("garbage once", worded(200, "upstream says plum")),
        again(
            "truncated JSON once",
            worded(200, r#"{"request_id":"r","final_result":{"choi"#),
        ),
        Case::new(
            "a slow first byte",
            json!({"fault": "slow_first_byte", "delay_ms": 300}),
            Answered,
            1..=1,
        ),
        Case::new(
            "a slow first event",
            json!({"fault": "slow_first_event", "delay_ms": 300}),
            Answered,
            1..=1,
        ),
    ]
}

/// Before the first byte, said with a status, and lasting.
fn refusals() -> Vec<Case> {
    use Dialect::{Azure, Claude, Orchestration};
    use RetryAfter::{Minute, Seconds};
    let overloaded = |retry_after| Expected::Refused {
        status: 529,
        codes: &["UPSTREAM-OVERLOADED"],
        retry_after,
        says: "",
    };
    let once = |name, fault, expected| Case::new(name, lasting(fault), expected, 1..=1);
    let thrice = |name, fault, expected| Case::new(name, lasting(fault), expected, 3..=3);
    vec![
        once("429 for long", json!({"fault": "status", "status": 429, "retry_after": 37}), limited(Seconds(37))),
        once("429 without a time", status(429), limited(Minute)),
        once("429 in plain text", worded(429, "TooManyRequests"), limited(Minute)),
        once("429 with the time in the body", worded(429, LIMIT_IN_BODY), limited(Seconds(21))).of(&[Orchestration]),
        thrice("throttled in the first event, always", json!({"fault": "throttled_event"}), limited(Minute)).streams(),
        thrice(
            "overloaded in the first event, always",
            json!({"fault": "error_event", "text": r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#}),
            overloaded(Seconds(5)),
        )
        .streams()
        .of(&[Claude]),
        thrice("503, always", status(503), overloaded(Seconds(5))),
        once("503 for long", json!({"fault": "status", "status": 503, "retry_after": 600}), overloaded(Seconds(600))),
        thrice("502, always", status(502), refused(502, &["UPSTREAM-FAILED"], "upstream connect error")),
        thrice("504, always", status(504), refused(504, &["UPSTREAM-FAILED"], "upstream request timeout")),
        once("500", status(500), refused(500, &["UPSTREAM-FAILED"], "")),
        once("500 in plain text", worded(500, "the plum module broke"), refused(500, &["UPSTREAM-FAILED"], "the plum module broke")),
        once("400 in plain text", worded(400, "the plum is not valid"), refused(400, &["UPSTREAM-REFUSED"], "the plum is not valid")),
        once("408", worded(408, "the plum took too long"), refused(408, &["UPSTREAM-REFUSED"], "the plum took too long")),
        once(
            "400",
            worded(400, r#"{"error":{"code":400,"message":"messages.1.role: Input should be 'user' or 'assistant'"}}"#),
            refused(400, &["UPSTREAM-REFUSED"], "messages.1.role: Input should be 'user' or 'assistant'"),
        ),
        once("400 for each fallback", worded(400, ERROR_LIST), refused(400, &["UPSTREAM-REFUSED"], "first plum\n400 - LLM Module: second plum"))
            .of(&[Orchestration]),
        once("a content filter", json!({"fault": "content_filter"}), refused(400, &["UPSTREAM-REFUSED", "UPSTREAM-FILTERED"], "filter")),
        once("413 in plain text", status(413), refused(413, &["UPSTREAM-REFUSED"], "Payload Too Large")),
        once("404 in plain text", status(404), refused(404, &["UPSTREAM-NOT-FOUND"], "deployment not found")),
        once("404 that says nothing", worded(404, ""), refused(404, &["UPSTREAM-NOT-FOUND"], "status 404 and said nothing")),
        once("404 of the AI API", worded(404, AI_API_ERROR), refused(404, &["UPSTREAM-NOT-FOUND"], "Deployment not found")),
        // A refused token is renewed once in a while, so one of many is tried again.
        Case::new("403 RBAC", lasting(status(403)), refused(403, NO_ACCESS, "RBAC: access denied"), 1..=2),
        Case::new(
            "401 of another issuer",
            lasting(worded(401, "Authentication Failed. Issuer Is Invalid")),
            refused(403, NO_ACCESS, "Issuer Is Invalid"),
            1..=5,
        ),
        Case::new("401 without a tenant", lasting(worded(401, "Missing Tenant Id")), refused(403, NO_ACCESS, "Missing Tenant Id"), 1..=5),
        Case::new(
            "403 of a restricted deployment",
            lasting(worded(403, r#"{"error":{"code":403,"message":"The plum model is not allowed here"}}"#)),
            refused(403, NO_ACCESS, "The plum model is not allowed here"),
            1..=2,
        ),
        once("500 in Azure's words", worded(500, r#"{"error":{"code":"500","message":"The plum server failed","type":null,"param":null}}"#), refused(500, &["UPSTREAM-FAILED"], "The plum server failed"))
            .of(&[Azure]),
    ]
}

/// Before the first byte, lasting, and without a word that could be told.
fn silent_failures() -> Vec<Case> {
    let thrice = |name, fault, codes| Case::new(name, lasting(fault), refused(502, codes, ""), 3..=3);
    vec![
        thrice(
            "no connection, ever",
            json!({"fault": "refuse_connection"}),
            &["UPSTREAM-BROKEN"],
        ),
        thrice("every whole answer cut", json!({"fault": "cut"}), NOT_WHOLE).whole(),
        thrice(
            "every stream cut in its opening",
            json!({"fault": "cut", "after_events": 1}),
            NOT_WHOLE,
        )
        .streams(),
        thrice(
            "every stream ends in its opening",
            json!({"fault": "clean_end", "after_events": 1}),
            NOT_WHOLE,
        )
        .streams(),
        thrice("an empty body, always", worded(200, ""), NOT_WHOLE),
        thrice("garbage, always", worded(200, "upstream says plum"), NOT_WHOLE),
        thrice(
            "truncated JSON, always",
            worded(200, r#"{"request_id":"r","final_result":{"choi"#),
            NOT_WHOLE,
        ),
        thrice("no UTF-8, always", json!({"fault": "invalid_utf8"}), NOT_WHOLE),
        Case::new(
            "a page of HTML",
            lasting(worded(
                200,
                "<!doctype html><html><head><title>Sign in to Plum</title></head></html>",
            )),
            refused(502, &["UPSTREAM-WEB-PAGE"], "Sign in to Plum"),
            1..=1,
        ),
    ]
}

/// Behind the first byte: three pieces of text have come.
fn behind_the_first_byte() -> Vec<Case> {
    use Dialect::{Claude, Orchestration};
    // Two events open a stream in each dialect.
    let after = |mut fault: Value| {
        fault["after_events"] = json!(5);
        lasting(fault)
    };
    let case = |name, fault, says| Case::new(name, after(fault), broken(says), 1..=1).streams();
    vec![
        case("cut", json!({"fault": "cut"}), "broke"),
        case("cut inside an event", json!({"fault": "cut", "and_bytes": 30}), "broke"),
        case("ends early", json!({"fault": "clean_end"}), "broke"),
        case("ends inside an event", json!({"fault": "clean_end", "and_bytes": 30}), "broke"),
        case("an error", json!({"fault": "error_event"}), ""),
        case("an error with 429", json!({"fault": "error_event", "status": 429}), ""),
        case("throttled", json!({"fault": "throttled_event"}), ""),
        case("an error of old", json!({"fault": "error_event", "text": OLD_EVENT}), "the old plum").of(&[Orchestration]),
        case(
            "an error of the gateway",
            json!({"fault": "error_event", "text": r#"{"error":{"code":503,"message":"the gateway's plum"}}"#}),
            "the gateway's plum",
        ),
        case(
            "a rate limit",
            json!({"fault": "error_event", "text": r#"{"type":"error","error":{"type":"rate_limit_error","message":"the limited plum"}}"#}),
            "the limited plum",
        )
        .of(&[Claude]),
        case("garbage", json!({"fault": "garbage"}), ""),
        case("no UTF-8", json!({"fault": "invalid_utf8"}), ""),
        case("a line that does not end", json!({"fault": "huge_line"}), "too long").alone(),
    ]
}
