//! Reading a request's body.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body_util::BodyExt;

use crate::problem::Problem;

/// Reads the whole body, at most `limit` bytes of it.
///
/// A body that is too large is read to its end before the refusal goes out: most clients look for an answer only after
/// they have sent everything, and would see no more than a broken connection.
pub(crate) async fn read(headers: &HeaderMap, mut body: Body, limit: usize) -> Result<Bytes, Problem> {
    if let Some(encoding) = headers.get(CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        discard(body).await;
        return Err(Problem::encoding_refused(encoding.to_str().unwrap_or("?")));
    }
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        discard(body).await;
        return Err(Problem::too_large(limit));
    }

    let first = match next(&mut body).await? {
        Some(first) if announced == Some(first.len()) => return within(first, limit),
        Some(first) => first,
        None => return Ok(Bytes::new()),
    };
    let mut whole = Vec::with_capacity(announced.unwrap_or(0).max(first.len()));
    whole.extend_from_slice(&first);
    while whole.len() <= limit {
        match next(&mut body).await? {
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

async fn next(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::client_left())?;
        if let Ok(bytes) = frame.into_data() {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
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
    let _ = tokio::time::timeout(LONGEST, rest).await;
}
