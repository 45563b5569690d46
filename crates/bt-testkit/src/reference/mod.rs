//! The naive reference: the rules R5 to R24 over plain vectors, row by row and slow, written only to be
//! read. The real pipeline is compared with it.
//!
//! It knows no batches, no watermarks, no wakers and no logs: [`check_rows`] makes candles of rows and says
//! what a source has to say about them, [`row_logs`] how much of it is logged, [`resample`] makes bars of candles, [`frames`] makes frames of bars,
//! and [`pipeline`] is the three together.
//!
//! What it leaves out: sources that are cut off (`Stale`), and the policy on failed sources (R25) — an
//! isolated failure is a declared end, which the caller gives.

mod frames;
mod months;
mod pipeline;
mod resample;
mod row_logs;
mod rows;

pub use frames::{Align, Fill, FrameRules, RefFrame, RefSeries, frames};
pub use months::{Month, by_month, months_of};
pub use pipeline::{RefInput, check_input, pipeline, ref_series};
pub use resample::{PartialPolicy, resample};
pub use row_logs::{RemarkKind, RowLog, row_logs};
pub use rows::{CheckedRows, FailReason, Note, RawRow, RawTrades, Remark, check_rows};
