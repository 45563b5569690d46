//! Sources of candles: Parquet files read and decoded off the runtime, and candles in memory.
//!
//! - [`ParquetSource`] reads the month files of a data set, or files given by name, on the threads of a
//!   [`ReadPool`] that sources share, within a budget of bytes.
//! - [`MemorySource`] hands on candles that are there already.
//!
//! Both put every row through the same checks (R7): what cannot be a candle is counted, logged and passed over,
//! or an error in strict mode. Gaps are logged, never filled. Whatever is logged about a row is accepted before
//! the row is handed on (R29), and neither batch size, memory nor threads change candles or logs (R35). Of many
//! remarks of a kind the first of a month are logged one by one, the rest as a count.
//!
//! It is deliberately not a general reader of Parquet: it knows the columns of candles and their types, and
//! sorts and merges nothing. It knows no runtime but tokio, for what is live; its other futures and
//! streams run on any executor.
//!
//! With the feature `live`, `WsCandleSource` takes candles from a venue as they happen, over the connections of
//! a `Live`.
//!
//! Features: `parquet` (default) for the sources on files; `write` for writing the layout; `synth` for a
//! seeded generator of candles; `live` for WebSockets, which needs tokio. (`bare` and `fuzz` open the decoder to
//! this project's benchmarks and to fuzzers, and promise nothing.)
//!
//! ```
//! use bt_core::{Candle, CandleSource, CandleSourceExt, Series, Timestamp, Trades};
//! use bt_data_source::MemorySource;
//! use futures::{TryStreamExt, executor::block_on};
//!
//! let series: Series = "binance.spot:BTCUSDT@1m".parse()?;
//! let candle = |minute: i64, high| Candle {
//!     start: Timestamp::from_secs(60 * minute).unwrap(),
//!     open: 1.0, high, low: 0.5, close: 1.5, volume: 10.0,
//!     trades: Trades::UNKNOWN, partial: false,
//! };
//! // The second is no candle: its high is below its close. The third comes after a gap.
//! let source = MemorySource::new(series, [candle(0, 2.0), candle(1, 1.0), candle(3, 2.0)]);
//! let stats = source.stats();
//! let candles: Vec<Candle> = block_on(source.candles().try_collect())?;
//! assert_eq!(candles, [candle(0, 2.0), candle(3, 2.0)]);
//! let counted = stats.snapshot();
//! assert_eq!((counted.emitted, counted.failed, counted.missing_bars), (2, 1, 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "bare")]
#[doc(hidden)]
pub mod bare;
mod check;
mod chunk;
#[cfg(feature = "parquet")]
mod columns;
#[cfg(feature = "write")]
mod compression;
mod cutter;
#[cfg(feature = "parquet")]
mod decode;
#[cfg(feature = "parquet")]
mod files;
#[cfg(any(feature = "fuzz", all(test, feature = "parquet")))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(any(feature = "parquet", feature = "synth"))]
mod layout;
#[cfg(feature = "parquet")]
mod limits;
#[cfg(feature = "parquet")]
mod listing;
#[cfg(feature = "live")]
mod live;
mod memory;
#[cfg(feature = "parquet")]
mod parquet_source;
#[cfg(feature = "parquet")]
mod pool;
mod remark;
mod row_source;
#[cfg(feature = "synth")]
mod synth;
mod tally;
#[cfg(feature = "write")]
mod write;

#[cfg(feature = "parquet")]
pub use columns::ColumnNames;
#[cfg(feature = "write")]
pub use compression::Compression;
#[cfg(feature = "parquet")]
pub use limits::Limits;
#[cfg(feature = "parquet")]
pub use listing::MissingPolicy;
#[cfg(all(feature = "live", feature = "parquet"))]
pub use live::ParquetBackfill;
#[cfg(feature = "live")]
pub use live::{
    Backfill, BackfillError, ConnectionState, ConnectionStats, Fetch, Handover, Live, LiveBuilder,
    LiveConfig, LiveError, Overflow, RestBackfill, RestConfig, WsBuilder, WsCandleSource,
};
pub use memory::{MemoryBuilder, MemorySource};
#[cfg(feature = "parquet")]
pub use parquet_source::{ParquetBuilder, ParquetSource};
#[cfg(feature = "parquet")]
pub use pool::{PoolStats, ReadPool, ReadPoolBuilder};
pub use row_source::ROW_LOGS;
#[cfg(all(feature = "synth", feature = "write"))]
pub use synth::SynthProgress;
#[cfg(feature = "synth")]
pub use synth::{Synth, SynthConfig};
#[cfg(feature = "write")]
pub use write::{CandleWriter, Cell, Field, FieldKind, TableWriter, WriteError, WriteOptions, write_month};
