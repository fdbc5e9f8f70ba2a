//! What hostile neighbours try against the command:
//!
//! - `access`: web pages, and programs without the key
//! - `upstream`: servers that redirect, and deployments that point elsewhere
//! - `requests`: names that inject, bodies that explode, requests hidden in requests
//! - `clients`: clients that stall, or come in thousands
//!
//! What is tried against the crates alone stands with them: `crates/proxy/tests/proxy/{access,bodies}.rs`,
//! `crates/aicore/tests/aicore/{sending,token}.rs` and `service_key.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "A panic is how a test fails."
)]

mod access;
mod clients;
mod requests;
mod upstream;

use std::net::SocketAddr;

use bytes::Bytes;
use coretap_tests::formats::Format;
use coretap_tests::http::Answer;
use coretap_tests::process::{Coretap, Mode, Simulator, in_time};
use http::{HeaderValue, Request};
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const MODEL: &str = "anthropic--claude-4.5-sonnet";

type Ask = Request<Full<Bytes>>;

fn with(mut request: Ask, headers: &[(&'static str, &str)]) -> Ask {
    for (name, value) in headers {
        request
            .headers_mut()
            .append(*name, HeaderValue::from_str(value).unwrap());
    }
    request
}

async fn demo() -> (Simulator, Coretap) {
    let simulator = Simulator::start().await;
    let coretap = Coretap::start(&simulator, Mode::Foundation, &[]).await;
    (simulator, coretap)
}

async fn ask(coretap: &Coretap, format: Format) -> Answer {
    coretap
        .post(&format.path(MODEL, false), &format.ask(MODEL, "Hi", false))
        .await
}

/// The error in the shape of who asked.
fn refused(answer: &Answer, status: u16, is_anthropic: bool, context: &str) {
    assert_eq!(answer.status, status, "{context}: {answer:?}");
    let body = answer.json();
    assert_eq!(body["type"] == "error", is_anthropic, "{context}: {body}");
    let message = body["error"]["message"].as_str();
    assert!(message.is_some_and(|text| !text.is_empty()), "{context}: {body}");
}

/// Sends bytes, and reads all that comes until the connection ends.
async fn raw(address: SocketAddr, text: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset behind the answer is no news.
    let _ = in_time("the connection's end", socket.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// What `/proc` says of a process's memory, in kibibytes.
fn memory(pid: u32, file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}
