//! Resample a candle source to a larger timeframe.
//!
//! [`Resample`] turns a source of small candles into a source of larger ones: buckets closed and labelled
//! left, open of the first, highest high, lowest low, close of the last, sums of volume and trades (R12 to
//! R17). It works on columns, a batch at a time, hands a bar on as soon as it is decided, and forwards the
//! watermark. A bar that lacks inputs says so.
//!
//! It is deliberately not an aggregator of trades or ticks, and it invents nothing: an empty bucket makes no
//! bar. It knows no runtime.
//!
//! ```
//! use bt_core::{Candle, CandleSourceExt, Series, Timestamp, Trades, from_candles};
//! use bt_resample::Resample;
//! use futures::{StreamExt, TryStreamExt, executor::block_on, stream};
//!
//! let minutes: Series = "binance.spot:BTCUSDT@1m".parse()?;
//! let candles = (0..7).map(|minute| Candle {
//!     start: Timestamp::from_secs(60 * minute).unwrap(),
//!     open: 1.0, high: 2.0 + minute as f64, low: 0.5, close: 1.5, volume: 10.0,
//!     trades: Trades::from(4), partial: false,
//! });
//! let bars = Resample::new(from_candles(minutes, None, stream::iter(candles).map(Ok)), "5m".parse()?)?;
//! let bars: Vec<Candle> = block_on(bars.candles().try_collect())?;
//! assert_eq!(bars.len(), 2);
//! assert_eq!((bars[0].high, bars[0].volume, bars[0].partial), (6.0, 50.0, false));
//! assert_eq!((bars[1].high, bars[1].volume, bars[1].partial), (8.0, 20.0, true));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod buckets;
mod resample;

pub use buckets::PartialPolicy;
pub use resample::Resample;
