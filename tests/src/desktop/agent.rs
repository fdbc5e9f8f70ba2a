//! An agent that has copied its set-up: it asks the proxy with the local key.

use std::net::SocketAddr;

use crate::formats::Format;
use crate::http::{Answer, post, send};

/// Words that the simulator's model repeats.
const WORDS: &str = "plum-4711 früh";

/// Asks a model with this key.
pub async fn ask(address: SocketAddr, local_key: &str, model: &str) -> Answer {
    let question = format!("Repeat the words {WORDS}");
    let mut request = post("/v1/chat/completions", &Format::Chat.ask(model, &question, false));
    let bearer = format!("Bearer {local_key}").parse().unwrap();
    request.headers_mut().insert("authorization", bearer);
    send(address, request).await
}

/// Asks a model with this key, and fails the test unless the model has answered.
pub async fn is_answered(address: SocketAddr, local_key: &str, model: &str) {
    let answer = ask(address, local_key, model).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = Format::Chat.text(&answer.json());
    assert!(text.contains(WORDS), "{text}");
}
