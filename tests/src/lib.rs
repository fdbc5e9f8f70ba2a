//! What the acceptance tests stand on: the real binary as a child process (`process`), a plain HTTP client that
//! hides nothing (`http`), server-sent events (`events`), the agents' formats (`formats`), the table of faults (`faults`)
//! and what comes of them (`checks`), the turn that every real agent has to finish (`agents`), how costs are counted
//! (`instructions`, `canned`), and the folders that a suite may find absent (`folders`).
//!
//! The binary is the release build that `./dev test` makes; a suite whose tools or data are absent says `SKIPPED`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "This crate is only test code: a panic is how a test fails."
)]

pub mod agents;
pub mod canned;
pub mod checks;
pub mod desktop;
pub mod events;
pub mod faults;
pub mod folders;
pub mod formats;
pub mod http;
pub mod instructions;
pub mod process;
