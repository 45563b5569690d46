//! What the benches share, and the programs that are measured as a whole.
//!
//! The benches of parts are in `benches/`, one file per part; programs are run by `examples/measure.rs`. `cargo xtask
//! bench` runs all of them.

mod bus_loops;
mod candles;
mod data_set;
mod logs;
mod memory;
mod meter;
mod prepared;
pub mod programs;
#[cfg(doctest)]
mod readme;
pub mod straight;
mod strategy;
mod words;

pub use bus_loops::{BusLoop, ENVELOPES_A_ROUND};
pub use candles::{minutes, minutes_with_gaps};
pub use logs::Logs;
pub use memory::MemoryData;
pub use prepared::Prepared;
pub use strategy::drive;
pub use words::{Error, Words};
