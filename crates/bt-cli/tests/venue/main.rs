//! `bt serve` and `bt live` as two processes, and what each does when the other, or nobody, is there.
//!
//! No clock decides when: a test reads what a process writes, and then acts.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![cfg(unix)]

mod alike;
mod live;
mod scale;
mod serving;
mod support;
