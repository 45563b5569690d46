//! Candles as they happen: WebSockets, and what makes up for their failings.

mod backfill;
mod backoff;
mod config;
mod connection;
#[cfg(feature = "parquet")]
mod files;
mod handover;
mod hub;
mod kline;
mod rate;
mod remarks;
mod rest;
mod source;
mod stats;
mod tape;
mod tls;
mod units;
mod vigil;

pub use backfill::{Backfill, BackfillError, Fetch};
pub use config::{LiveConfig, Overflow};
#[cfg(feature = "parquet")]
pub use files::ParquetBackfill;
pub use handover::Handover;
pub use rest::{RestBackfill, RestConfig};
pub use source::{Live, LiveBuilder, LiveError, WsBuilder, WsCandleSource};
pub use stats::{ConnectionState, ConnectionStats};

#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn read_message(text: &str) -> Result<(), String> {
    kline::parse(text).map(drop).map_err(|error| error.to_string())
}

#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn read_answer(bytes: &[u8]) -> Result<usize, String> {
    rest::parse(bytes).map(|rows| rows.len())
}
