//! Types and traits of the bar-feed pipeline: the one crate that all others share.
//!
//! A [`CandleSource`] yields [`CandleBatch`]es of one [`Series`]; a [`FrameFeed`] merges sources into
//! [`Frame`]s, one [`Slot`] per series and close instant; an engine publishes frames on an [`EventBus`]; and
//! every component has its logs accepted by a [`LogSink`] before it goes on, through its [`Outbox`]. The other
//! crates of the project know each other only through what is here.
//!
//! It is deliberately not a framework: no runtime, no I/O, no configuration. It runs on any executor.
//!
//! ```
//! use bt_core::{Candle, CandleSource, CandleSourceExt, Series, Timestamp, Trades, from_candles};
//! use futures::{StreamExt, TryStreamExt, executor::block_on, stream};
//!
//! let series: Series = "binance.spot:BTCUSDT@1m".parse()?;
//! let candles = (0..3).map(|minute| Candle {
//!     start: Timestamp::from_secs(60 * minute).unwrap(),
//!     open: 1.0, high: 2.0, low: 0.5, close: 1.5, volume: 10.0,
//!     trades: Trades::UNKNOWN, partial: false,
//! });
//! let source = from_candles(series, None, stream::iter(candles).map(Ok));
//! let stats = source.stats();
//! let closes: Vec<f64> = block_on(source.candles().map_ok(|c| c.close).try_collect())?;
//! assert_eq!(closes, [1.5; 3]);
//! assert_eq!(stats.snapshot().emitted, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod admission;
mod batch;
mod bus;
mod candle;
mod candles;
mod clock;
mod columns;
mod error;
mod event;
mod feed;
mod frame;
mod from_candles;
mod instrument;
mod log;
mod outbox;
mod pace;
mod recycle;
mod slot;
mod source;
mod stats;
mod time;
mod timeframe;
mod topic_name;

pub use admission::{Admission, AdmittedRun};
pub use batch::CandleBatch;
pub use bus::{BusStats, Drain, Envelope, EventBus, Message, SubscriptionStats, TopicStats};
pub use candle::{Candle, Trades};
pub use candles::Candles;
pub use clock::{Clock, SimClock, SystemClock};
pub use columns::Columns;
pub use error::{
    BoxError, BusError, ConfigError, FeedError, LogError, NameError, SourceError, StuckSubscription,
    TimeError, error_chain,
};
pub use event::{Control, Event, topic};
pub use feed::{BoxFeed, FrameFeed, SeriesStats};
pub use frame::{Frame, FrameBlock};
pub use from_candles::{FromCandles, from_candles};
pub use instrument::{Instrument, Series};
pub use log::{BoxLogSink, Level, LogEvent, LogSink, Value};
pub use outbox::Outbox;
pub use pace::{Pacer, WakeYield, Yield};
pub use recycle::Recycler;
pub use slot::{EmptyReason, FillReason, Slot, SlotCounts};
pub use source::{BoxSource, CandleSource, CandleSourceExt};
pub use stats::{SourceStats, StatsHandle};
pub use time::{TimeRange, Timestamp};
pub use timeframe::Timeframe;
pub use topic_name::TopicName;
