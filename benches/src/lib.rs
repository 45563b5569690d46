//! What the benches share: candles that are the same on every run, and a source that costs next to nothing.
//!
//! The benches themselves are in `benches/`, one file per part; `cargo xtask bench` runs them.

mod bus_loops;
mod candles;
mod prepared;
#[cfg(doctest)]
mod readme;

pub use bus_loops::{BusLoop, ENVELOPES_A_ROUND};
pub use candles::minutes;
pub use prepared::Prepared;
