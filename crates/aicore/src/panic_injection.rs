//! Panics on demand, so that tests can show what one costs: its own request and nothing else. Only with the cargo feature
//! `panic-injection`, which no release has.

/// Panics when `bytes` hold the words `coretap-panic-in-` and `place`.
///
/// # Panics
/// That is what it is for.
pub fn at(place: &str, bytes: &[u8]) {
    let words = format!("coretap-panic-in-{place}");
    let asked = bytes.windows(words.len()).any(|part| part == words.as_bytes());
    assert!(!asked, "injected into the {place}");
}
