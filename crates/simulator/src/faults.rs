//! Faults on demand: what a test asks for befalls the next requests that match.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::answer::{Answer, Ending, Framing, Hold, Release};
use crate::bedrock::aws_exception;
use crate::json::set;
use crate::python;
use crate::route::Route;
use crate::vertex;

/// One fault, as the control path takes it.
#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// A route's name; `any` is every route, `inference` every one where a model answers.
    route: String,
    /// It befalls only requests whose body holds this text: so that each of many requests at once has its own fault.
    #[serde(default)]
    marker: Option<String>,
    /// What happens.
    #[serde(rename = "fault")]
    pub(crate) kind: Kind,
    /// The HTTP status of `status`, and the code inside `error_event`.
    #[serde(default)]
    status: Option<u16>,
    /// Seconds, for the header `retry-after`.
    #[serde(default)]
    retry_after: Option<u64>,
    /// The body of `status`, the data of an error event, or what stands where JSON should.
    #[serde(default)]
    text: Option<String>,
    /// How many events come before it.
    #[serde(default)]
    after_events: usize,
    /// How many bytes of the event behind them still come, when it is cut or ends there.
    #[serde(default)]
    and_bytes: usize,
    /// How long it waits.
    #[serde(default)]
    pub(crate) delay_ms: u64,
    /// How many requests it befalls.
    #[serde(default = "once")]
    times: u32,
}

fn once() -> u32 {
    1
}

/// What happens to a request.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// An HTTP status with the body of the dialect.
    Status,
    /// The connection breaks after some events, or in the middle of a plain body.
    Cut,
    /// The stream ends after some events as if it were whole, without its last events.
    CleanEnd,
    /// The dialect's error event after some events.
    ErrorEvent,
    /// The dialect's throttling event after some events.
    ThrottledEvent,
    /// Nothing goes out for a while.
    SlowFirstByte,
    /// The headers go out, then nothing for a while.
    SlowFirstEvent,
    /// After some events nothing more comes.
    Stall,
    /// After some events nothing more comes until the control path says how it goes on.
    Hold,
    /// After some events one line is no JSON; the rest follows as if nothing were wrong. A plain body is replaced.
    Garbage,
    /// The same with bytes that are no UTF-8.
    InvalidUtf8,
    /// After some events comes a line that does not end.
    HugeLine,
    /// Every token given out so far has expired.
    ExpiredToken,
    /// The connection is closed without an answer.
    RefuseConnection,
    /// The vendor's content filter refuses the prompt.
    ContentFilter,
    /// The vendor's content filter ends the answer.
    OutputFilter,
}

/// Longer than any line that a client would wait for to its end: 65 MiB.
const HUGE_LINE_PIECES: usize = 65;
const HUGE_LINE_PIECE: &[u8] = &[b'a'; 1024 * 1024];

/// How the Responses API throttles a stream (sap-wire.md §3.2).
const THROTTLED_RESPONSE: &[u8] =
    br#"data: {"type":"response.failed","response":{"status":"failed","error":null}}

data: {"type":"error","error":{"type":"too_many_requests","code":"too_many_requests"}}

"#;

/// The faults that wait for a request, and how the answers that are held go on.
pub(crate) struct Faults {
    waiting: Mutex<Vec<Fault>>,
    release: watch::Sender<Option<Release>>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            release: watch::Sender::new(None),
        }
    }
}

impl Faults {
    /// Says how every answer goes on that is held now, or will be until the faults are forgotten.
    pub(crate) fn release(&self, how: Release) {
        self.release.send_replace(Some(how));
    }

    /// Adds faults; the first that matches a request befalls it.
    pub(crate) fn add(&self, faults: Vec<Fault>) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(faults);
    }

    /// Puts others in their place, so that no request falls into a gap between.
    pub(crate) fn replace(&self, faults: Vec<Fault>) {
        self.release.send_replace(None);
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// Forgets them all. What is held from now on waits for a new word.
    pub(crate) fn clear(&self) {
        self.release.send_replace(None);
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Takes the fault that befalls a request of this route and body.
    pub(crate) fn take(&self, route: Route, body: &[u8]) -> Option<Fault> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let at = waiting
            .iter()
            .position(|fault| fault.is_for(route) && fault.is_marked_in(body))?;
        let fault = waiting.get_mut(at)?;
        fault.times = fault.times.saturating_sub(1);
        if fault.times == 0 {
            Some(waiting.remove(at))
        } else {
            Some(fault.clone())
        }
    }
}

impl Fault {
    fn is_for(&self, route: Route) -> bool {
        match self.route.as_str() {
            "any" => true,
            "inference" => route.is_inference(),
            name => name == route.name(),
        }
    }

    fn is_marked_in(&self, body: &[u8]) -> bool {
        let holds = |marker: &String| body.windows(marker.len()).any(|part| part == marker.as_bytes());
        self.marker
            .as_ref()
            .is_none_or(|marker| !marker.is_empty() && holds(marker))
    }

    /// Whether the route's name is known.
    pub(crate) fn names_a_route(&self) -> bool {
        let routes = [
            Route::Token,
            Route::Deployments,
            Route::Models,
            Route::Completion,
            Route::Invoke,
            Route::InvokeStream,
            Route::Chat,
            Route::Responses,
            Route::KeptResponse,
            Route::Embeddings,
            Route::OrchestrationEmbeddings,
            Route::GenerateContent,
            Route::StreamGenerateContent,
            Route::CountTokens,
            Route::Predict,
            Route::Converse,
            Route::ConverseStream,
            Route::InvokeTitan,
            Route::MistralChat,
            Route::PerplexityChat,
            Route::CohereChat,
            Route::NvidiaEmbeddings,
            Route::Other,
        ];
        ["any", "inference"].contains(&self.route.as_str())
            || routes.iter().any(|route| route.name() == self.route)
    }

    /// How long it waits.
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    /// The answer that stands in for the service's, for the faults that need no look at the request.
    pub(crate) fn instead(&self, route: Route) -> Option<Answer> {
        let mut answer = match self.kind {
            Kind::Status => self.status_answer(route),
            Kind::ExpiredToken => Answer::text(401, "Jwt is expired"),
            // Gemini answers that with 200, in the form that the request asks for.
            Kind::ContentFilter if matches!(route, Route::GenerateContent | Route::StreamGenerateContent) => {
                return None;
            }
            Kind::ContentFilter => content_filter(route),
            _ => return None,
        };
        if let Some(seconds) = self.retry_after {
            answer.headers.push(("retry-after", seconds.to_string()));
        }
        Some(answer)
    }

    fn status_answer(&self, route: Route) -> Answer {
        let status = self.status.unwrap_or(500);
        if let Some(text) = &self.text {
            return worded(status, text);
        }
        match status {
            401 => Answer::text(401, "Jwt is expired"),
            403 => Answer::text(403, "RBAC: access denied"),
            404 => Answer::text(404, "deployment not found"),
            413 => Answer::text(413, "Payload Too Large"),
            502 | 503 => Answer::text(
                status,
                "upstream connect error or disconnect/reset before headers. reset reason: connection failure",
            ),
            504 => Answer::text(504, "upstream request timeout"),
            _ => Answer::json(status, dialect_error(route, status, self.retry_after).to_string()),
        }
    }

    /// What happens to an answer that would have been good. `faults` are those that this one was taken from.
    pub(crate) fn befall(&self, route: Route, answer: &mut Answer, faults: &Faults) {
        let keep = self.after_events;
        match self.kind {
            Kind::Cut | Kind::Stall => {
                if answer.stream {
                    self.shorten(answer);
                } else {
                    answer
                        .pieces
                        .iter_mut()
                        .for_each(|piece| *piece = piece.slice(..piece.len() / 2));
                }
                answer.ending = if self.kind == Kind::Cut {
                    Ending::Broken
                } else {
                    Ending::Stalled
                };
            }
            Kind::CleanEnd if answer.stream => self.shorten(answer),
            Kind::Hold if answer.stream => {
                answer.hold = Some(Hold {
                    after_events: keep,
                    error: self.error_event(route, answer.framing),
                    release: faults.release.subscribe(),
                });
            }
            Kind::Garbage | Kind::InvalidUtf8 if answer.stream => {
                let line = [b"data: ", self.garbage().as_ref(), b"\n\n"].concat();
                answer
                    .pieces
                    .insert(keep.min(answer.pieces.len()), Bytes::from(line));
            }
            Kind::Garbage | Kind::InvalidUtf8 => answer.pieces = vec![self.garbage()],
            Kind::HugeLine if answer.stream => {
                answer.pieces.truncate(keep);
                answer.pieces.push(Bytes::from_static(b"data: {\"x\":\""));
                let piece = Bytes::from_static(HUGE_LINE_PIECE);
                answer.pieces.extend(std::iter::repeat_n(piece, HUGE_LINE_PIECES));
                answer.ending = Ending::Stalled;
            }
            Kind::ErrorEvent | Kind::ThrottledEvent if answer.stream => {
                // The Responses API is throttled only once it has said that a response is there.
                let opened = route == Route::Responses && self.kind == Kind::ThrottledEvent;
                answer.pieces.truncate(keep.max(usize::from(opened)));
                answer.pieces.push(self.error_event(route, answer.framing));
            }
            _ => {}
        }
    }

    /// Leaves the first events and a part of the one behind them.
    fn shorten(&self, answer: &mut Answer) {
        let part = answer
            .pieces
            .get(self.after_events)
            .map(|event| event.slice(..self.and_bytes.min(event.len())));
        answer.pieces.truncate(self.after_events);
        answer.pieces.extend(part.filter(|part| !part.is_empty()));
    }

    fn garbage(&self) -> Bytes {
        match &self.text {
            _ if self.kind == Kind::InvalidUtf8 => Bytes::from_static(b"{\"final_result\": \xff\xfe\x80}"),
            Some(text) => Bytes::from(text.clone()),
            None => Bytes::from_static(b"{'final_result': <object at 0x7f3a>}"),
        }
    }

    fn error_event(&self, route: Route, framing: Framing) -> Bytes {
        let throttled = self.kind == Kind::ThrottledEvent;
        let status = self.status.unwrap_or(if throttled { 429 } else { 500 });
        if framing == Framing::Aws {
            let (kind, message) = if throttled {
                (
                    "throttlingException",
                    "Too many tokens, please wait before trying again.",
                )
            } else {
                (
                    "internalServerException",
                    "The system encountered an unexpected error during processing.",
                )
            };
            return aws_exception(kind, message);
        }
        if let Some(text) = &self.text {
            return Bytes::from(format!("data: {text}\n\n"));
        }
        let event = match route {
            Route::Chat if throttled => {
                json!({"error": {"code": "rate_limit_exceeded", "message": "Rate limit is exceeded."}})
            }
            Route::Chat => {
                json!({"error": {"code": status.to_string(), "message": "exceeded token rate limit"}})
            }
            Route::Responses if throttled => return Bytes::from_static(THROTTLED_RESPONSE),
            Route::Responses => json!({
                "type": "error",
                "error": {
                    "type": "server_error",
                    "code": status.to_string(),
                    "message": "The server had an error processing your request.",
                    "param": Value::Null,
                },
                "sequence_number": self.after_events,
            }),
            Route::Invoke | Route::InvokeStream if throttled => {
                json!({"type": "error", "message": "ThrottlingException: Rate exceeded"})
            }
            Route::Invoke | Route::InvokeStream => {
                json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
            }
            Route::ConverseStream if throttled => {
                json!({"throttlingException": {"message": "Too many requests, please wait before trying again."}})
            }
            Route::ConverseStream => {
                json!({"modelStreamErrorException": {
                    "message": "The model's response couldn't be completed.",
                    "originalStatusCode": status,
                }})
            }
            Route::CohereChat if !throttled => json!({"type": "message-end", "delta": {
                "finish_reason": "ERROR",
                "error": "an internal error occurred while generating the response",
            }}),
            _ => dialect_error(route, status, self.retry_after),
        };
        match framing {
            Framing::Python => python::event(&event),
            Framing::JsonArray if self.after_events == 0 => Bytes::from(format!("[{event}]")),
            Framing::JsonArray => Bytes::from(format!(",\r\n{event}]")),
            Framing::Sse | Framing::Aws => Bytes::from(format!("data: {event}\n\n")),
        }
    }
}

/// An error in the fashion of each dialect (sap-wire.md §2.4, §3.2, §3.3, §4.5, §5).
fn dialect_error(route: Route, status: u16, retry_after: Option<u64>) -> Value {
    let throttled = status == 429;
    match route {
        Route::Completion | Route::OrchestrationEmbeddings => {
            let module = if route == Route::Completion {
                "LLM Module"
            } else {
                "Embedding Module"
            };
            let message = if throttled {
                format!("429 - {module}: Too many requests, please retry later.")
            } else {
                format!("{status} - {module}: The model could not answer.")
            };
            let mut error = json!({
                "request_id": "ecb33455-6983-4baa-9889-ab391ddcd9b4",
                "code": status,
                "message": message,
                "location": module,
            });
            if let Some(seconds) = retry_after {
                set(&mut error, "headers", json!({"retry-after": seconds.to_string()}));
            }
            json!({ "error": error })
        }
        Route::Invoke
        | Route::InvokeStream
        | Route::Converse
        | Route::ConverseStream
        | Route::InvokeTitan => {
            let message = match status {
                429 => "Too many tokens, please wait before trying again.",
                400 => "The request is not valid.",
                _ => "The system encountered an unexpected error during processing. Try your request again.",
            };
            json!({ "message": message })
        }
        Route::Token => {
            json!({"error": "server_error", "error_description": "The server is not able to answer"})
        }
        // The AI API's codes are eight digits of its own (sap-wire.md §2.4).
        Route::Deployments | Route::Models => json!({"error": {
            "code": if throttled { "01010429" } else { "01010500" },
            "message": if throttled { "Too many requests." } else { "Internal server error." },
            "requestId": "b8c7f0de-0000-4000-8000-000000000000",
            "target": "/api/v2/lm",
            "details": {},
        }}),
        Route::GenerateContent | Route::StreamGenerateContent | Route::CountTokens | Route::Predict => {
            vertex::error(
                status,
                match status {
                    429 => "Resource exhausted. Please try again later.",
                    400 => "Request contains an invalid argument.",
                    _ => "Internal error encountered.",
                },
            )
        }
        Route::MistralChat => json!({
            "object": "error",
            "message": if throttled { "Rate limit exceeded" } else { "Service unavailable." },
            "type": if throttled { "rate_limited" } else { "internal_server_error" },
            "param": Value::Null,
            "code": if throttled { "1300" } else { "3000" },
        }),
        Route::PerplexityChat => json!({"error": {
            "message": if throttled { "Rate limit exceeded" } else { "Internal server error" },
            "type": if throttled { "rate_limit_exceeded" } else { "internal_error" },
            "code": status,
        }}),
        Route::CohereChat => json!({
            "id": "c5d8a1f0-0000-4000-8000-000000000000",
            "message": if throttled {
                "Too many requests. Please wait and try again later."
            } else {
                "an internal error occurred"
            },
        }),
        Route::NvidiaEmbeddings => json!({"error": if throttled {
            "Too many requests"
        } else {
            "Something went wrong with the request."
        }}),
        Route::Chat | Route::Responses | Route::KeptResponse | Route::Embeddings | Route::Other => {
            let message = if throttled {
                "Requests to the ChatCompletions_Create Operation have exceeded the call rate limit. Please retry later."
            } else {
                "The server had an error processing your request."
            };
            json!({"error": {"code": status.to_string(), "message": message}})
        }
    }
}

/// A body as it is worded: JSON, an HTML page or plain text.
fn worded(status: u16, text: &str) -> Answer {
    let text_answer = Answer::text(status, text);
    let content_type = match text.as_bytes().first() {
        Some(b'{' | b'[') => "application/json",
        Some(b'<') => "text/html; charset=utf-8",
        _ => text_answer.content_type,
    };
    Answer {
        content_type,
        ..text_answer
    }
}

fn content_filter(route: Route) -> Answer {
    let body = match route {
        Route::Completion => json!({"error": {
            "request_id": "5c0a5fe8-0000-4000-8000-000000000000",
            "code": 400,
            "message": "400 - Filtering Module - Input Filter: Prompt filtered due to safety violations. \
                Please modify the prompt and try again.",
            "location": "Filtering Module - Input Filter",
            "intermediate_results": {"input_filtering": {
                "message": "Prompt filtered due to safety violations.",
                "data": {"azure_content_safety": {"Hate": 4, "SelfHarm": 0, "Sexual": 0, "Violence": 0}}
            }},
        }}),
        Route::Chat | Route::Responses => json!({"error": {
            "message": "The response was filtered due to the prompt triggering Azure OpenAI's content \
                management policy.",
            "type": Value::Null,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {"hate": {"filtered": true, "severity": "medium"}}
            },
        }}),
        Route::MistralChat => json!({
            "object": "error",
            "message": "The prompt was blocked by the guardrails.",
            "type": "invalid_request_prompt",
            "param": Value::Null,
            "code": "3051",
        }),
        Route::PerplexityChat => json!({"error": {
            "message": "The request was blocked by a content filter.",
            "type": "content_filter",
            "code": 400,
        }}),
        _ => json!({"message": "The content of the request is blocked by a content filter."}),
    };
    Answer::json(400, body.to_string())
}
