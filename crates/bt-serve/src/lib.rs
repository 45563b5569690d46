//! A venue made of history: a WebSocket and REST end point on loopback that serves candles of an archive in Binance's
//! public format, as if they were happening.
//!
//! A [`Venue`] has one present instant for all who ask. It begins at the start of a range once somebody listens, and
//! moves at a multiple of real time or as fast as its clients take what it sends ([`Speed`]). Closed candles go out as
//! klines when the present reaches their end; what lies behind the present can be fetched by REST. [`Faults`] make it
//! a venue on a bad day, the same one for the same seed.
//!
//! It is deliberately not a market: there are no trades, books, orders or accounts, no TLS, and nothing happens that is
//! not in the archive. It is a double for tests, and for trying out services.
//!
//! ```
//! use bt_core::{Candle, CandleSourceExt, Series, TimeRange, Timestamp, Trades, from_candles};
//! use bt_serve::{Opening, Venue};
//! use futures::stream;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let series: Series = "binance.spot:BTCUSDT@1m".parse()?;
//! let range = TimeRange::new("2024-01-01".parse()?, "2024-01-02".parse()?)?;
//! let archive = |series: &Series, range: TimeRange| -> Opening {
//!     let minutes = (range.from().as_nanos()..range.to().as_nanos()).step_by(60_000_000_000);
//!     let candles = minutes.map(|start| Ok(Candle {
//!         start: Timestamp::from_nanos(start),
//!         open: 1.0, high: 2.0, low: 0.5, close: 1.5, volume: 10.0,
//!         trades: Trades::UNKNOWN, partial: false,
//!     }));
//!     let source = from_candles(series.clone(), Some(range.to()), stream::iter(candles.collect::<Vec<_>>()));
//!     Box::pin(async move { Ok(source.boxed_source()) })
//! };
//! let venue = Venue::builder([series], range, archive).listen().await?;
//! println!("listening on ws://{0} and http://{0}", venue.local_addr());
//! # Ok(())
//! # }
//! ```

mod clock;
mod config;
mod connection;
mod counter;
mod desk;
mod faults;
mod listing;
mod pacer;
mod query;
mod quota;
mod rest;
mod roster;
mod schedule;
mod session;
mod stats;
mod steps;
mod text;
mod venue;
mod wire;

pub use config::{ServeConfig, Speed};
pub use faults::{FaultKind, Faults};
pub use stats::ServeStats;
pub use venue::{Archive, Opening, ServeError, Venue, VenueBuilder};
