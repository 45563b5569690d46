//! Candles as they happen: WebSockets, and what makes up for their failings.

mod backfill;
mod backoff;
mod config;
mod connection;
mod hub;
mod kline;
mod remarks;
mod source;
mod stats;
mod tape;
mod tls;
mod units;

pub use backfill::{Backfill, BackfillError, Fetch};
pub use config::{LiveConfig, Overflow};
pub use source::{Live, LiveBuilder, LiveError, WsBuilder, WsCandleSource};
pub use stats::{ConnectionState, ConnectionStats};
