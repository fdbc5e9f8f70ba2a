//! The body of a streamed answer: one upstream chunk in, one frame out, with nothing in between.
//!
//! It is polled by the agent's connection and polls the upstream's: no task, no channel. Dropping it, when the agent
//! leaves, drops the upstream's connection with it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use coretap_formats::event::Failure;
use coretap_formats::{AgentFormat, AnswerStream, Progress};
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep};

use crate::attempt::{Opening, causes};
use crate::exchange::Ongoing;
use crate::problem::{Problem, code};

/// How long the end of the upstream's body is waited for after its last event: a connection whose body was read to its
/// end can be used again, another one costs a new TLS handshake.
const LINGER: Duration = Duration::from_millis(100);

/// The agent's stream must not look complete: the connection is closed without the body's end.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
pub(crate) struct BrokenOff;

pub(crate) struct AgentStream<B> {
    upstream: B,
    answer: AnswerStream,
    out: Vec<u8>,
    stage: Stage,
    keep_alive: Duration,
    last_frame: Instant,
    /// Made when the upstream first keeps us waiting; it fires at the next sign of life or at the end of `LINGER`.
    timer: Option<Pin<Box<Sleep>>>,
    ongoing: Ongoing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    /// The regular end is written; only the end of the upstream's body is missing.
    Ended,
    /// The failure is written, but perhaps not yet on the socket.
    Failed,
    /// The failure is on the socket.
    Broken,
    Over,
}

impl<B> AgentStream<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error,
{
    pub(crate) fn new(opening: Opening<B>, keep_alive: Duration, ongoing: Ongoing) -> Self {
        let Opening {
            upstream,
            answer,
            out,
            ended,
        } = opening;
        let mut stream = AgentStream {
            upstream,
            answer,
            out,
            stage: Stage::Running,
            keep_alive,
            last_frame: Instant::now(),
            timer: None,
            ongoing,
        };
        if ended {
            stream.end();
        }
        stream
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        loop {
            if !self.out.is_empty() {
                let frame = Frame::data(Bytes::copy_from_slice(&self.out));
                self.out.clear();
                self.last_frame = Instant::now();
                return Poll::Ready(Some(Ok(frame)));
            }
            match self.stage {
                Stage::Running => match Pin::new(&mut self.upstream).poll_frame(cx) {
                    Poll::Ready(next) => self.take(next),
                    Poll::Pending if self.ongoing.is_cut_off() => self.break_off(&Problem::stopped()),
                    Poll::Pending => ready!(self.poll_keep_alive(cx)),
                },
                Stage::Ended => {
                    ready!(self.poll_end(cx));
                    self.stage = Stage::Over;
                }
                Stage::Failed => {
                    // The connection writes its buffer to the socket once nothing more is ready, and throws it away on an
                    // error. So the failure gets a turn to leave before the error ends everything.
                    self.stage = Stage::Broken;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Stage::Broken => {
                    self.stage = Stage::Over;
                    return Poll::Ready(Some(Err(BrokenOff)));
                }
                Stage::Over => return Poll::Ready(None),
            }
        }
    }

    fn take(&mut self, next: Option<Result<Frame<Bytes>, B::Error>>) {
        let progress = match next {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) => {
                    #[cfg(feature = "panic-injection")]
                    coretap_aicore::panic_injection::at("stream", &bytes);
                    self.answer.push(&bytes, &mut self.out)
                }
                Err(_trailers) => return,
            },
            Some(Err(error)) => return self.cut(&causes(&error)),
            None => match self.answer.finish(&mut self.out) {
                Progress::Opening | Progress::Running => return self.cut("it ended early"),
                over => over,
            },
        };
        match progress {
            Progress::Opening | Progress::Running => {}
            Progress::Ended => self.end(),
            Progress::Cut(failure) => self.cut(&failure.message),
            Progress::Failed(failure) => {
                let Failure {
                    status,
                    message,
                    retry_after,
                } = failure.clone();
                self.fail(&failure, &Problem::refused(status, message, None, retry_after));
            }
        }
    }

    fn end(&mut self) {
        self.stage = Stage::Ended;
        self.ongoing.answered(self.answer.outcome().usage);
    }

    fn cut(&mut self, detail: &str) {
        self.break_off(&Problem::cut(detail));
    }

    fn break_off(&mut self, problem: &Problem) {
        let failure = Failure {
            status: problem.status,
            message: problem.sentence.clone(),
            retry_after: None,
        };
        self.fail(&failure, problem);
    }

    fn fail(&mut self, failure: &Failure, problem: &Problem) {
        // Gemini CLI dies of a connection that breaks; that its answer is not whole the last object says (agents.md §4).
        self.stage = if self.ongoing.exchange.format == AgentFormat::Gemini {
            Stage::Over
        } else {
            Stage::Failed
        };
        self.answer.fail(failure, &mut self.out);
        self.ongoing.failed(problem);
    }

    /// Ready when a sign of life was written.
    fn poll_keep_alive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = self.last_frame + self.keep_alive;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        ready!(timer.as_mut().poll(cx));
        // The timer is not moved at every frame; when it fires it is usually too early.
        let now = Instant::now();
        if due > now {
            timer.as_mut().reset(due);
            ready!(timer.as_mut().poll(cx));
        }
        timer.as_mut().reset(now + self.keep_alive);
        self.answer.keep_alive(&mut self.out);
        Poll::Ready(())
    }

    /// Ready when the upstream's body has ended or takes too long to.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(next) = Pin::new(&mut self.upstream).poll_frame(cx) {
            if !matches!(next, Some(Ok(_))) {
                return Poll::Ready(());
            }
        }
        let ends = self.last_frame + LINGER;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(ends)));
        if timer.deadline() != ends {
            timer.as_mut().reset(ends);
        }
        timer.as_mut().poll(cx)
    }
}

impl<B> Body for AgentStream<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error,
{
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let stream = self.get_mut();
        // A panic here would end the connection's task without a word.
        catch_unwind(AssertUnwindSafe(|| stream.poll(cx))).unwrap_or_else(|_| {
            tracing::error!(code = code::INTERNAL, "a stream failed by a panic");
            stream.ongoing.failed(&Problem::internal());
            stream.stage = Stage::Over;
            Poll::Ready(Some(Err(BrokenOff)))
        })
    }
}

impl<B> Drop for AgentStream<B> {
    fn drop(&mut self) {
        self.ongoing.exchange.usage = self.answer.outcome().usage;
    }
}
