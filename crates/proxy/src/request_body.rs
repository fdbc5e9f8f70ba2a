//! Reading a request's body.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::compression::Compression;
use crate::configuration::Limits;
use crate::problem::Problem;

/// Reads the whole body and unpacks it, if it is compressed.
///
/// A body that is too large is read to its end before the refusal goes out: most clients look for an answer only after
/// they have sent everything, and would see no more than a broken connection.
pub(crate) async fn read(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<Bytes, Problem> {
    let compression = match Compression::of(headers) {
        Ok(compression) => compression,
        Err(problem) => {
            discard(body).await;
            return Err(problem);
        }
    };
    let whole = read_whole(headers, body, limits).await?;
    match compression {
        None => Ok(whole),
        Some(compression) => compression.unpack(whole, limits.body).await,
    }
}

async fn read_whole(headers: &HeaderMap, mut body: Body, limits: &Limits) -> Result<Bytes, Problem> {
    let limit = limits.body;
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        discard(body).await;
        return Err(Problem::too_large(limit));
    }

    let first = match next(&mut body, limits.body_pause).await? {
        Some(first) if announced == Some(first.len()) => return within(first, limit),
        Some(first) => first,
        None => return Ok(Bytes::new()),
    };
    let mut whole = Vec::with_capacity(announced.unwrap_or(0).max(first.len()));
    whole.extend_from_slice(&first);
    while whole.len() <= limit {
        match next(&mut body, limits.body_pause).await? {
            Some(piece) => whole.extend_from_slice(&piece),
            None => return Ok(Bytes::from(whole)),
        }
    }
    discard(body).await;
    Err(Problem::too_large(limit))
}

fn within(body: Bytes, limit: usize) -> Result<Bytes, Problem> {
    if body.len() > limit {
        Err(Problem::too_large(limit))
    } else {
        Ok(body)
    }
}

/// The next piece, which may take `pause` to come.
async fn next(body: &mut Body, pause: Duration) -> Result<Option<Bytes>, Problem> {
    loop {
        let frame = match soon(body).await {
            Some(frame) => frame,
            None => timeout(pause, body.frame())
                .await
                .map_err(|_| Problem::body_stopped(pause.as_secs()))?,
        };
        let Some(frame) = frame else {
            return Ok(None);
        };
        let frame = frame.map_err(|_| Problem::client_left())?;
        if let Ok(bytes) = frame.into_data() {
            return Ok(Some(bytes));
        }
    }
}

type Next = Option<Result<Frame<Bytes>, axum::Error>>;

/// What comes with the connection's next turn, and nothing if that brings nothing: most bodies come together with their
/// head, but hyper hands them over one turn later. So most requests need no timer.
async fn soon(body: &mut Body) -> Option<Next> {
    let mut is_first_turn = true;
    poll_fn(
        |cx: &mut Context<'_>| match http_body::Body::poll_frame(Pin::new(&mut *body), cx) {
            Poll::Ready(frame) => Poll::Ready(Some(frame)),
            Poll::Pending if is_first_turn => {
                is_first_turn = false;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => Poll::Ready(None),
        },
    )
    .await
}

/// Reads what is left and throws it away, for as long as a client on the same machine needs to send it, and no more than
/// twice what anybody may send.
pub(crate) async fn discard(mut body: Body) {
    const LONGEST: Duration = Duration::from_secs(5);
    const MOST: usize = 128 * 1024 * 1024;
    let rest = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > MOST {
                break;
            }
        }
    };
    // Whoever is slower than that finds the connection closed.
    let _ = timeout(LONGEST, rest).await;
}
