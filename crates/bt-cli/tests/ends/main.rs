//! How `bt run` ends when something makes it end: signals, failing services, a journal that cannot be
//! written, pipes that nobody reads.
//!
//! What comes at random comes at moments drawn from a fixed seed, a few of them; `cargo xtask soak` tries many. No
//! clock decides when: a test reads so much of what the process writes, and then acts.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![cfg(unix)]

mod drills;
mod journals;
mod pipes;
mod signals;
mod support;
