//! What a file system may do to the binary: things that are not what they should be, that change, that are full.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![cfg(unix)]

mod inputs;
mod mutants;
mod outputs;
mod support;
