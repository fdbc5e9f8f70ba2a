//! coretap
fn main() {}
