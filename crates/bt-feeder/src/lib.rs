//! Merge candle sources into time-aligned frames.
//!
//! A [`BarFeed`] takes any number of sources, of any timeframes, and hands out one [`Frame`](bt_core::Frame)
//! per close instant, in strictly increasing order, with one slot per series (R18 to R25). A frame leaves
//! when nothing that belongs to it can still come, and never holds anything from its future. Which source is
//! polled next follows from the candles alone, so frames and logs are the same on every run (R35).
//!
//! It is deliberately not a scheduler: it reads ahead of nothing and races nothing. Latency is hidden by
//! sources that read ahead in the background. It knows no runtime.
//!
//! ```
//! use bt_core::{Candle, Series, Slot, Timestamp, Trades, from_candles};
//! use bt_feeder::{Align, BarFeed};
//! use futures::{StreamExt, TryStreamExt, executor::block_on, stream};
//!
//! let source = |series: &str, step: i64| {
//!     let candles = (0..6 / step).map(move |i| Candle {
//!         start: Timestamp::from_secs(60 * step * i).unwrap(),
//!         open: 1.0, high: 2.0, low: 0.5, close: 1.5, volume: 10.0,
//!         trades: Trades::UNKNOWN, partial: false,
//!     });
//!     Ok::<_, bt_core::NameError>(from_candles(series.parse::<Series>()?, None, stream::iter(candles).map(Ok)))
//! };
//! let mut feed = BarFeed::builder()
//!     .subscribe(source("binance.spot:ETHUSDT@3m", 3)?)
//!     .subscribe(source("binance.spot:BTCUSDT@1m", 1)?)
//!     .align(Align::Outer)
//!     .build()?;
//! let mut bars = Vec::new();
//! while let Some(frame) = block_on(feed.try_next())? {
//!     bars.push(frame.slots().filter(|slot| matches!(slot, Slot::Bar(_))).count());
//! }
//! assert_eq!(bars, [1, 1, 2, 1, 1, 2]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod agenda;
mod builder;
mod feed;
mod lane;
mod merge;
mod remarks;

pub use builder::{Align, BarFeedBuilder, Fill, OnSourceError};
pub use feed::BarFeed;
