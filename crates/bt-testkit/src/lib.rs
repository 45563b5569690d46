//! Test kit of the pipeline: scripted sources and sinks, contract suites, the naive reference.
//!
//! - [`source_contract`]: what every [`CandleSource`](bt_core::CandleSource) keeps to, as a suite to run on a
//!   source of one's own.
//! - [`bus_contract`]: the same for every [`EventBus`](bt_core::EventBus).
//! - [`ScriptedSource`], [`RecordingSink`], [`Recorder`], [`Gate`], [`Jitter`]: doubles that do what they are
//!   told, hold others up, and keep a record of what happened in which order. [`Chop`] cuts candles into
//!   scripts.
//! - [`mod@reference`]: the rules over plain vectors, to compare the real pipeline with.
//! - [`strategies`]: property-test inputs for all of it.
//!
//! It is for tests only and no part of the pipeline: it waits in real time, panics where something is not as
//! it should be, and is slow. Use it from `tests/`, not from unit tests of a crate that it depends on: those
//! would see two copies of each type.
//!
//! A source of one's own is checked like this, over an input that need not be clean: the reference says what
//! must come of it.
//!
//! ```
//! use bt_core::{Series, TimeRange};
//! use bt_testkit::reference::{RawRow, check_rows};
//! use bt_testkit::source_contract::SourceContract;
//! use bt_testkit::{Chop, RecordingSink};
//!
//! // Minutes 0, 1, 1 again, and 5 after a gap.
//! let rows: Vec<RawRow> = [0, 1, 1, 5].map(|minute| RawRow::plain(minute * 60_000_000_000)).to_vec();
//! let series: Series = "binance.spot:BTCUSDT@1m".parse()?;
//! let expected = check_rows(&[rows], series.timeframe(), TimeRange::ALL, false);
//!
//! // In place of a real source, one that plays a script; it is made anew for each check.
//! let (candles, notes) = (expected.emitted.clone(), expected.notes);
//! let make = move |log: RecordingSink| Chop::rows(2).source(&series, None, &candles, &notes).with_log(log);
//!
//! SourceContract::new(make, expected.emitted).check();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bus_contract;
mod chop;
mod drain;
mod gate;
mod jitter;
mod record;
pub mod reference;
mod script;
pub mod source_contract;
pub mod strategies;

pub use chop::Chop;
pub use drain::{drain_feed, drain_source};
pub use gate::Gate;
pub use jitter::{Jitter, JitterExt};
pub use record::{Entry, Recorder, RecordingSink};
pub use script::{PollCount, ScriptedSource, Step};
