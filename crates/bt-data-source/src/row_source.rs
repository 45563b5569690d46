//! The stream that hands rows on: one for every kind of source.

use std::fmt;
use std::mem;
use std::path::Path;
use std::task::{Context, Poll, ready};

use bt_core::{
    CandleBatch, ConfigError, LogEvent, LogSink, Outbox, Pacer, Series, SourceError, StatsHandle, TimeRange,
    Timestamp, Yield,
};

use crate::check::Rules;
use crate::chunk::{Unit, Units};
use crate::cutter::{Cutter, Step};
use crate::remark::Remark;

/// Rows in a batch, unless set.
const BATCH_ROWS: usize = 8192;

/// How many failed rows (of one reason), duplicates, rows out of order and gaps a source logs one by one in a calendar
/// month, unless set.
pub const ROW_LOGS: u64 = 100;

/// What can be set of any source.
#[derive(Debug)]
pub(crate) struct RowOptions {
    pub(crate) series: Series,
    pub(crate) range: Option<TimeRange>,
    pub(crate) strict: bool,
    pub(crate) batch_rows: usize,
    pub(crate) row_logs: u64,
    pub(crate) outbox: Outbox,
    pub(crate) pacer: Pacer,
    /// Counters to go on from: those of the rows before.
    pub(crate) stats: StatsHandle,
}

impl RowOptions {
    pub(crate) fn new(series: Series) -> Self {
        RowOptions {
            series,
            range: None,
            strict: false,
            batch_rows: BATCH_ROWS,
            row_logs: ROW_LOGS,
            outbox: Outbox::discard(),
            pacer: Pacer::default(),
            stats: StatsHandle::new(),
        }
    }

    pub(crate) fn log(&mut self, sink: impl LogSink + 'static) {
        self.outbox = Outbox::new(sink);
    }

    pub(crate) fn yielding(&mut self, yielding: impl Yield + 'static) {
        self.pacer = Pacer::new(yielding);
    }

    /// What rows are judged by.
    pub(crate) fn rules(&self) -> Rules {
        Rules { timeframe: self.series.timeframe(), range: self.range.unwrap_or(TimeRange::ALL) }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.batch_rows == 0 {
            return Err(ConfigError::Invalid {
                option: "batch_rows",
                value: self.batch_rows.to_string(),
                expected: "at least 1",
            });
        }
        Ok(())
    }
}

/// Batches made of the rows of `units`, with their logs and counters.
///
/// A thin shell: what becomes of a row is the [`Cutter`]'s to decide, where rows come from the units'.
pub(crate) struct RowSource<U> {
    /// Gone at the end of the rows, so that what it holds is free even if the stream is kept.
    units: Option<U>,
    cutter: Cutter,
    outbox: Outbox,
    pacer: Pacer,
    stats: StatsHandle,
    end: Option<Timestamp>,
    state: State,
}

/// ```text
///    ┌────────────── spent ───────────────┐
///    ▼                                    │
/// Pulling ──rows──────────────────────► Cutting ──batch──► handed on, still Cutting
///    │  └──file, last words──► Logging    │  ▲
///    │                           ▲ └accepted─┘
///    │                           └─remark─┤
///    ├─────error──────► Failing ◄──error──┘
///    │                     └──accepted──┐
///    └────────────end────────────────► Done
/// ```
#[derive(Debug)]
enum State {
    /// Waits for the next unit.
    Pulling,
    /// Works through the cutter's chunk.
    Cutting,
    /// Waits until what the outbox holds is accepted (R29).
    Logging,
    /// Waits until what it says of this error is accepted (R29), then yields it.
    Failing(SourceError),
    /// Ended.
    Done,
}

impl<U: Units> RowSource<U> {
    pub(crate) fn new(units: U, options: RowOptions) -> Self {
        let RowOptions { series, range, strict, batch_rows, row_logs, outbox, pacer, stats } = options;
        RowSource {
            units: Some(units),
            cutter: Cutter::new(series, strict, batch_rows, row_logs).after(stats.snapshot()),
            outbox,
            pacer,
            stats,
            end: range.map(TimeRange::to),
            state: State::Pulling,
        }
    }

    pub(crate) fn series(&self) -> &Series {
        self.cutter.series()
    }

    pub(crate) fn declared_end(&self) -> Option<Timestamp> {
        self.end
    }

    pub(crate) fn stats(&self) -> StatsHandle {
        self.stats.clone()
    }

    pub(crate) fn is_terminated(&self) -> bool {
        matches!(self.state, State::Done)
    }

    pub(crate) fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.is_terminated().then_some(0))
    }

    pub(crate) fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<CandleBatch, SourceError>>> {
        if !matches!(self.state, State::Failing(_) | State::Done) {
            match ready!(self.poll_step(cx)) {
                Some(Err(error)) => self.fail(error),
                item => {
                    if item.is_none() {
                        self.state = State::Done;
                    }
                    // A batch and the end show in the counters when they are seen.
                    self.stats.publish(self.cutter.stats());
                    return Poll::Ready(item);
                }
            }
        }
        if let State::Failing(_) = self.state {
            // If even this is refused, the error at hand is the one that tells more.
            let _ = ready!(self.outbox.poll_accepted(cx));
        }
        match mem::replace(&mut self.state, State::Done) {
            State::Failing(error) => Poll::Ready(Some(Err(error))),
            _ => Poll::Ready(None),
        }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<CandleBatch, SourceError>>> {
        loop {
            match self.state {
                State::Pulling => {
                    ready!(self.pacer.poll_ready(cx));
                    let unit = match &mut self.units {
                        Some(units) => ready!(units.poll_unit(cx)).transpose()?,
                        None => None,
                    };
                    match unit {
                        None => {
                            self.units = None;
                            match self.cutter.settle() {
                                Some(remark) => self.say(&remark),
                                None => return Poll::Ready(None),
                            }
                        }
                        #[cfg(feature = "live")]
                        Some(Unit::Said(event)) => self.push(|_| *event),
                        #[cfg(feature = "live")]
                        Some(Unit::Time { watermark, stale }) => {
                            let tick = CandleBatch::tick(watermark).with_stale(stale);
                            return Poll::Ready(Some(Ok(tick)));
                        }
                        #[cfg(feature = "live")]
                        Some(Unit::Dropped(remark)) => {
                            if let Step::Say(remark) = self.cutter.drop_row(remark)? {
                                self.say(&remark);
                            } else {
                                self.pacer.charge(1);
                                self.stats.publish(self.cutter.stats());
                            }
                        }
                        Some(Unit::Rows(chunk)) => {
                            self.cutter.load(chunk);
                            self.state = State::Cutting;
                        }
                        Some(Unit::File { path, rows }) => {
                            self.cutter.open(&path);
                            self.say(&Remark::FileOpen { path, rows });
                        }
                        Some(Unit::Missing { month, path }) => {
                            self.say(&Remark::PartitionMissing { month, path });
                        }
                    }
                }
                State::Cutting => {
                    ready!(self.pacer.poll_ready(cx));
                    match self.cutter.step()? {
                        Step::Batch(batch) => {
                            self.pacer.charge(batch.len());
                            return Poll::Ready(Some(Ok(batch)));
                        }
                        Step::Say(remark) => self.say(&remark),
                        Step::Passed(rows) => self.pacer.charge(rows),
                        Step::Spent(columns) => {
                            // Of rows that are passed over in silence there is nothing else to see.
                            self.stats.publish(self.cutter.stats());
                            if let Some(units) = &mut self.units {
                                units.passed(columns);
                            }
                            self.state = State::Pulling;
                        }
                        Step::Idle => self.state = State::Pulling,
                    }
                }
                State::Logging => {
                    ready!(self.outbox.poll_accepted(cx))?;
                    self.state = State::Cutting;
                }
                State::Failing(_) | State::Done => return Poll::Ready(None),
            }
        }
    }

    /// An error means done, once it has been said.
    fn fail(&mut self, error: SourceError) {
        self.stats.publish(self.cutter.stats());
        let units = self.units.take();
        let shown = |path: &Path| units.as_ref().and_then(|units| units.shown(path));
        if let Some(remark) = Remark::of_error(&error, shown) {
            while let Some(owed) = self.cutter.settle() {
                self.outbox.push(owed.to_event(self.cutter.series()));
            }
            self.outbox.push(remark.to_event(self.cutter.series()));
        }
        self.state = State::Failing(error);
    }

    fn say(&mut self, remark: &Remark) {
        self.push(|series| remark.to_event(series));
    }

    fn push(&mut self, event: impl FnOnce(&Series) -> LogEvent) {
        self.pacer.charge(1);
        self.stats.publish(self.cutter.stats());
        if !self.outbox.is_discarding() {
            self.outbox.push(event(self.cutter.series()));
        }
        self.state = State::Logging;
    }
}

impl<U> fmt::Debug for RowSource<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowSource")
            .field("series", self.cutter.series())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Makes a public source of a field that is a [`RowSource`]: `impl_source!(MemorySource, rows)`.
macro_rules! impl_source {
    ($source:ident, $rows:ident) => {
        impl futures_core::Stream for $source {
            type Item = Result<bt_core::CandleBatch, bt_core::SourceError>;

            fn poll_next(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Self::Item>> {
                self.$rows.poll_batch(cx)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.$rows.size_hint()
            }
        }

        impl futures_core::FusedStream for $source {
            fn is_terminated(&self) -> bool {
                self.$rows.is_terminated()
            }
        }

        impl bt_core::CandleSource for $source {
            fn series(&self) -> &bt_core::Series {
                self.$rows.series()
            }

            fn declared_end(&self) -> Option<bt_core::Timestamp> {
                self.$rows.declared_end()
            }

            fn stats(&self) -> bt_core::StatsHandle {
                self.$rows.stats()
            }
        }
    };
}
pub(crate) use impl_source;

/// The settings that the builder of every source has, in its field `options`: `row_settings!(MemoryBuilder)`.
macro_rules! row_settings {
    ($builder:ident) => {
        impl $builder {
            /// Makes any failed or dropped row an error (R7).
            pub fn strict(mut self, strict: bool) -> Self {
                self.options.strict = strict;
                self
            }

            /// Sets how many failed rows (of one reason), duplicates, rows out of order and gaps are logged one by one
            /// in a calendar month; [`ROW_LOGS`](crate::ROW_LOGS) of each unless set. The others are counted, and
            /// logged together at the end of the month.
            pub fn row_logs(mut self, most: u64) -> Self {
                self.options.row_logs = most;
                self
            }

            /// Sets where logs go; nowhere unless set.
            pub fn log(mut self, sink: impl bt_core::LogSink + 'static) -> Self {
                self.options.log(sink);
                self
            }

            /// Sets how the stream gives its executor the thread back (R36).
            pub fn with_yield(mut self, yielding: impl bt_core::Yield + 'static) -> Self {
                self.options.yielding(yielding);
                self
            }
        }
    };
}
pub(crate) use row_settings;
