//! What agents see of the proxy, with a scripted SAP AI Core behind it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

mod access;
mod answers;
mod bodies;
mod choice;
mod embeddings;
mod gemini;
mod healing;
mod modules;
mod moved;
mod network;
mod responses;
mod running;
mod streams;
mod under_test;
mod upstream;

use serde_json::Value;

fn header(response: &reqwest::Response, name: &str) -> String {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap().to_owned())
        .unwrap_or_default()
}

async fn error(response: reqwest::Response) -> String {
    let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    body["error"]["message"]
        .as_str()
        .unwrap_or_else(|| panic!("{body}"))
        .to_owned()
}

/// Whether a stream in the format of `path` says its regular end.
fn ends(path: &str, text: &str) -> bool {
    text.contains(if path == "/v1/messages" {
        "message_stop"
    } else {
        "[DONE]"
    })
}
