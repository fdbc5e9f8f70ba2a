//! An answer before it goes out: status, headers and events, and how its bytes are cut.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

use crate::options::Chunking;
use crate::record::Exchange;

/// What goes back to a client.
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The content type.
    pub(crate) content_type: &'static str,
    /// Other headers.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The whole body as one piece, or the events of a stream.
    pub(crate) pieces: Vec<Bytes>,
    /// Whether the pieces are the events of a stream.
    pub(crate) stream: bool,
    /// How the stream ends.
    pub(crate) ending: Ending,
    /// Where the stream waits for the control path's word, if it does.
    pub(crate) hold: Option<Hold>,
    /// How the events are framed.
    pub(crate) framing: Framing,
    /// Why the request was refused, if it was.
    pub(crate) refused: Option<String>,
}

/// How a stream ends.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Ending {
    /// As it should.
    Whole,
    /// The connection breaks.
    Broken,
    /// Nothing more comes, and the connection stays open.
    Stalled,
}

/// A stream that waits after some of its events.
#[derive(Clone)]
pub(crate) struct Hold {
    /// How many events come before.
    pub(crate) after_events: usize,
    /// What [`Release::ErrorEvent`] sends.
    pub(crate) error: Bytes,
    /// How it goes on, once that is said.
    pub(crate) release: watch::Receiver<Option<Release>>,
}

/// How a stream goes on that was held.
#[derive(Clone, Copy, PartialEq, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Release {
    /// As if nothing had been.
    GoOn,
    /// The connection breaks.
    Cut,
    /// It ends without its last events.
    CleanEnd,
    /// An error event comes, and then its end.
    ErrorEvent,
}

/// How the events of a stream are framed.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Framing {
    /// `data: …`.
    Sse,
    /// AWS's binary event stream.
    Aws,
    /// One JSON array, an item for each event.
    JsonArray,
    /// `data: …`, where the data is no JSON but a dictionary as Python writes it.
    Python,
}

impl Answer {
    /// A JSON body.
    pub(crate) fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: "application/json",
            headers: Vec::new(),
            pieces: vec![body.into()],
            stream: false,
            ending: Ending::Whole,
            hold: None,
            framing: Framing::Sse,
            refused: None,
        }
    }

    /// Plain text, as Envoy answers.
    pub(crate) fn text(status: u16, text: &str) -> Self {
        Self {
            content_type: "text/plain",
            ..Self::json(status, text.to_owned())
        }
    }

    /// Plain text that says why a request is refused.
    pub(crate) fn refusal(status: u16, text: &str) -> Self {
        Self::text(status, text).because(text)
    }

    /// A stream of server-sent events.
    pub(crate) fn events(events: Vec<Bytes>) -> Self {
        Self {
            content_type: "text/event-stream",
            pieces: events,
            stream: true,
            ..Self::json(200, "")
        }
    }

    /// A stream in AWS's binary framing.
    pub(crate) fn aws_events(events: Vec<Bytes>) -> Self {
        Self {
            content_type: "application/vnd.amazon.eventstream",
            framing: Framing::Aws,
            ..Self::events(events)
        }
    }

    /// A stream of server-sent events whose data are Python's dictionaries.
    pub(crate) fn python_events(events: Vec<Bytes>) -> Self {
        Self {
            framing: Framing::Python,
            ..Self::events(events)
        }
    }

    /// A stream that is one JSON array.
    pub(crate) fn json_array(items: &[String]) -> Self {
        let last = items.len().saturating_sub(1);
        let piece = |(index, item): (usize, &String)| {
            let opening = if index == 0 { "[" } else { ",\r\n" };
            let closing = if index == last { "]" } else { "" };
            Bytes::from(format!("{opening}{item}{closing}"))
        };
        Self {
            content_type: "application/json",
            framing: Framing::JsonArray,
            ..Self::events(items.iter().enumerate().map(piece).collect())
        }
    }

    /// The same answer, with the reason of a refusal.
    pub(crate) fn because(mut self, reason: impl Into<String>) -> Self {
        self.refused = Some(reason.into());
        self
    }
}

/// The steps by which a body goes out.
enum Step {
    Send(Bytes),
    /// What was sent so far leaves the machine before anything else comes.
    Flush,
    Wait(Duration),
    Hold(Hold),
    Break,
    Stall,
}

/// What a body waits for.
enum Waiting {
    Time(Pin<Box<Sleep>>),
    Release(Pin<Box<dyn Future<Output = Release> + Send>>, Bytes),
}

/// The body of an answer.
pub(crate) struct AnswerBody {
    steps: VecDeque<Step>,
    left: Option<u64>,
    waiting: Option<Waiting>,
    departure: Option<Departure>,
}

impl AnswerBody {
    /// Cuts an answer's bytes as asked. `random` is the state of the cutting's random numbers.
    pub(crate) fn new(
        answer: Answer,
        chunking: Chunking,
        random: &mut fastrand::Rng,
        delays: (Duration, Duration),
        departure: Departure,
    ) -> Self {
        let (first_delay, event_delay) = delays;
        let length: usize = answer.pieces.iter().map(Bytes::len).sum();
        let mut steps = VecDeque::new();
        if !first_delay.is_zero() {
            steps.push_back(Step::Flush);
            steps.push_back(Step::Wait(first_delay));
        }
        let event_delay = if answer.stream {
            event_delay
        } else {
            Duration::ZERO
        };
        let held = answer.hold.as_ref().map_or(0, |hold| hold.after_events);
        let (before, after) = answer.pieces.split_at(held.min(answer.pieces.len()));
        cut(before, chunking, random, event_delay, &mut steps);
        if let Some(hold) = answer.hold {
            steps.push_back(Step::Flush);
            steps.push_back(Step::Hold(hold));
        }
        cut(after, chunking, random, event_delay, &mut steps);
        match answer.ending {
            Ending::Whole => {}
            Ending::Broken => steps.extend([Step::Flush, Step::Break]),
            Ending::Stalled => steps.extend([Step::Flush, Step::Stall]),
        }
        if answer.ending == Ending::Whole {
            // Nothing is to come after the last byte: the end goes out with it.
            while steps.back().is_some_and(|step| !matches!(step, Step::Send(_))) {
                steps.pop_back();
            }
        }
        let exact = !answer.stream && answer.ending == Ending::Whole;
        Self {
            steps,
            left: exact.then_some(length as u64),
            waiting: None,
            departure: Some(departure),
        }
    }

    /// A body for the control paths, which are not recorded.
    pub(crate) fn plain(body: Bytes) -> Self {
        let left = Some(body.len() as u64);
        Self {
            steps: VecDeque::from([Step::Send(body)]),
            left,
            waiting: None,
            departure: None,
        }
    }

    /// What becomes of the rest of a stream that was held.
    fn go_on(&mut self, how: Release, error: Bytes) {
        match how {
            Release::GoOn => {}
            Release::Cut => self.steps = VecDeque::from([Step::Break]),
            Release::CleanEnd => self.steps.clear(),
            Release::ErrorEvent => self.steps = VecDeque::from([Step::Send(error)]),
        }
    }

    /// The body ended as meant: nobody left early.
    fn settle(&mut self) {
        if let Some(departure) = self.departure.take() {
            departure.0.finish();
        }
    }
}

/// The steps by which some pieces go out.
fn cut(
    pieces: &[Bytes],
    chunking: Chunking,
    random: &mut fastrand::Rng,
    event_delay: Duration,
    steps: &mut VecDeque<Step>,
) {
    match chunking {
        Chunking::Event => {
            for piece in pieces {
                steps.push_back(Step::Send(piece.clone()));
                steps.push_back(Step::Flush);
                if !event_delay.is_zero() {
                    steps.push_back(Step::Wait(event_delay));
                }
            }
        }
        Chunking::Whole if pieces.is_empty() => {}
        Chunking::Whole => steps.push_back(Step::Send(joined(pieces))),
        Chunking::Byte | Chunking::Random => {
            let mut rest = joined(pieces);
            while !rest.is_empty() {
                let size = if chunking == Chunking::Byte {
                    1
                } else {
                    random.usize(1..=48)
                };
                steps.push_back(Step::Send(rest.split_to(size.min(rest.len()))));
                steps.push_back(Step::Flush);
            }
        }
    }
}

fn joined(pieces: &[Bytes]) -> Bytes {
    if let [only] = pieces {
        return only.clone();
    }
    let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in pieces {
        whole.extend_from_slice(piece);
    }
    whole.freeze()
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            match &mut self.waiting {
                None => {}
                Some(Waiting::Time(time)) => {
                    ready!(time.as_mut().poll(context));
                    self.waiting = None;
                }
                Some(Waiting::Release(word, error)) => {
                    let how = ready!(word.as_mut().poll(context));
                    let error = error.clone();
                    self.waiting = None;
                    self.go_on(how, error);
                }
            }
            match self.steps.pop_front() {
                None => {
                    self.settle();
                    return Poll::Ready(None);
                }
                Some(Step::Send(bytes)) => {
                    if let Some(left) = &mut self.left {
                        *left -= bytes.len() as u64;
                    }
                    if self.steps.is_empty() {
                        self.settle();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::Flush) => {
                    // hyper writes out what it holds whenever a body isn't ready.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Wait(delay)) => self.waiting = Some(Waiting::Time(Box::pin(sleep(delay)))),
                Some(Step::Hold(hold)) => {
                    let Hold {
                        error, mut release, ..
                    } = hold;
                    let word = async move {
                        let said = release.wait_for(Option::is_some).await;
                        // Nobody is left to say anything when the simulator ends.
                        said.ok().and_then(|said| *said).unwrap_or(Release::Cut)
                    };
                    self.waiting = Some(Waiting::Release(Box::pin(word), error));
                }
                Some(Step::Break) => {
                    self.settle();
                    return Poll::Ready(Some(Err(io::Error::other("the stream is cut"))));
                }
                Some(Step::Stall) => {
                    self.steps.push_front(Step::Stall);
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.waiting.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Notes a client that leaves before its answer has ended.
pub(crate) struct Departure(pub(crate) Arc<Exchange>);

impl Drop for Departure {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
