//! A plain HTTP/1.1 client: one connection per request, every header as the test wrote it, and a body that says
//! whether it ended as it should.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, header::HOST};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::events::{Event, events};
use crate::process::in_time;

/// An answer read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The answer's headers.
    pub headers: HeaderMap,
    /// The body, as text.
    pub body: String,
    /// Whether the body ended as HTTP says it does; `false` when the connection was cut.
    pub complete: bool,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The body as server-sent events.
    pub fn events(&self) -> Vec<Event> {
        events(&self.body)
    }

    /// A header's text, "" when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// An answer whose body is still coming. Dropping it closes the connection, as an agent does that leaves.
pub struct Opened {
    /// The HTTP status.
    pub status: u16,
    /// The answer's headers.
    pub headers: HeaderMap,
    text: Vec<u8>,
    body: Incoming,
    connection: JoinHandle<()>,
}

impl Opened {
    /// Reads until the body holds `wanted`; panics when it ends without it.
    pub async fn read_until(&mut self, wanted: &str) {
        while !String::from_utf8_lossy(&self.text).contains(wanted) {
            let frame = in_time("a part of the answer", self.body.frame()).await;
            let frame = frame.unwrap_or_else(|| panic!("the answer ended without {wanted:?}"));
            if let Ok(data) = frame.unwrap().into_data() {
                self.text.extend_from_slice(&data);
            }
        }
    }

    /// Reads the rest.
    pub async fn finish(mut self) -> Answer {
        let mut complete = true;
        loop {
            match in_time("a part of the answer", self.body.frame()).await {
                Some(Ok(frame)) => self
                    .text
                    .extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(_)) => complete = false,
                None => break,
            }
            if !complete {
                break;
            }
        }
        let body = String::from_utf8(std::mem::take(&mut self.text)).expect("an answer is UTF-8");
        Answer {
            status: self.status,
            headers: std::mem::take(&mut self.headers),
            body,
            complete,
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Sends the request on a new connection and reads the answer's head. `Host` is the address unless the request has one.
pub async fn open(address: SocketAddr, mut request: Request<Full<Bytes>>) -> Opened {
    if !request.headers().contains_key(HOST) {
        request
            .headers_mut()
            .insert(HOST, address.to_string().parse().unwrap());
    }
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .unwrap();
    let connection = tokio::spawn(async move {
        // A connection that breaks shows itself as a broken body.
        let _ = connection.await;
    });
    let answer = in_time("the answer's head", sender.send_request(request))
        .await
        .unwrap();
    let (head, body) = answer.into_parts();
    Opened {
        status: head.status.as_u16(),
        headers: head.headers,
        text: Vec::new(),
        body,
        connection,
    }
}

/// Sends the request on a new connection and reads the whole answer.
pub async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    open(address, request).await.finish().await
}

/// A request with a JSON body.
pub fn post(path: &str, body: &Value) -> Request<Full<Bytes>> {
    Request::post(path)
        .header("content-type", "application/json")
        .body(Full::from(body.to_string()))
        .unwrap()
}

/// A request without a body.
pub fn empty(method: &str, path: &str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .body(Full::default())
        .unwrap()
}
