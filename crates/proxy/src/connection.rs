//! One connection of an agent, from its first byte to its end.
//!
//! Agents keep connections open between requests, for as long as they like. What has a limit is a head that has begun:
//! nobody needs half a minute for it but who wants to hold the connection. hyper's own limit counts the time between
//! requests too, so the time is taken here, and a timer is made only while somebody is really late.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use crate::routes;
use crate::server::Shared;

/// How a connection learns that the proxy stops.
pub(crate) struct Stopping {
    /// Nothing new is taken: a connection that waits for no answer is closed at once.
    pub(crate) stop: CancellationToken,
    /// The answer that is still running is cut off.
    pub(crate) cut: CancellationToken,
}

/// Serves the requests of one connection until the client ends it, or the proxy stops.
pub(crate) async fn serve(socket: TcpStream, shared: Arc<Shared>, stopping: Stopping) {
    // Without it the kernel holds every small event back until the one before was acknowledged.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let phase = Arc::new(Phase::default());
    let socket = Socket {
        stream: socket,
        phase: Arc::clone(&phase),
        limit: shared.configuration().limits.head,
        timer: None,
    };
    // The one handler finds its paths itself: axum's router costs 4,000 instructions a request more.
    let service = service_fn(|request: Request<Incoming>| {
        let answering = Answering::begin(&phase);
        // In a box, because hyper keeps room for it as long as the connection lives, and most of the time it only waits.
        let handled = Box::pin(routes::handle(State(Arc::clone(&shared)), request.map(Body::new)));
        async move {
            let response = handled.await;
            Ok::<_, Infallible>(response.map(|body| AnswerBody {
                body,
                _answering: answering,
            }))
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stopping.stop.cancelled() => {
            if phase.get() == Phase::HEAD {
                return;
            }
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                ended = connection.as_mut() => ended,
                // It is polled again, and whoever answers finds by `Shared::is_cut_off` that the time is over.
                () = stopping.cut.cancelled() => connection.await,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// What the client of a connection is at.
#[derive(Default)]
struct Phase(AtomicU8);

impl Phase {
    /// Nothing of a request is there.
    const IDLE: u8 = 0;
    /// A request's head has begun.
    const HEAD: u8 = 1;
    /// A request is being read or answered.
    const ANSWER: u8 = 2;

    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, phase: u8) {
        self.0.store(phase, Ordering::Relaxed);
    }
}

/// From a complete head to the last byte of its answer.
struct Answering(Arc<Phase>);

impl Answering {
    fn begin(phase: &Arc<Phase>) -> Self {
        phase.set(Phase::ANSWER);
        Answering(Arc::clone(phase))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.set(Phase::IDLE);
    }
}

/// An answer's body, which ends the answering with itself.
struct AnswerBody {
    body: Body,
    _answering: Answering,
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The client's socket. Reading from it fails when a head that has begun is not complete in time.
struct Socket {
    stream: TcpStream,
    phase: Arc<Phase>,
    limit: Duration,
    /// Made when a head comes in more than one piece.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.phase.get() != Phase::HEAD {
            return Poll::Pending;
        }
        let limit = self.limit;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the request's head was not complete in time",
        )))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_pending() {
            return self.poll_late(cx);
        }
        if buffer.filled().len() > before && self.phase.get() == Phase::IDLE {
            self.phase.set(Phase::HEAD);
            self.timer = None;
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
