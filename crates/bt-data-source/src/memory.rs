//! Candles that are in memory already.

use std::sync::Arc;
use std::task::{Context, Poll};

use bt_core::{Candle, Columns, ConfigError, Pacer, Series, SourceError, TimeRange};

use crate::check::Rules;
use crate::chunk::{Chunk, Unit, Units};
use crate::row_source::{RowOptions, RowSource, impl_source, row_settings};

/// A source of candles that are in memory.
///
/// They go through the same checks, counters and logs as the rows of a file (R7 to R10). It is open-ended
/// unless given a range.
///
/// # Cancel safety
/// It holds what it has not yet said or handed on: a `next()` that is dropped loses nothing.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct MemorySource {
    rows: RowSource<MemoryUnits>,
}

impl MemorySource {
    /// A source of all of `candles`, in their order.
    pub fn new(series: Series, candles: impl IntoIterator<Item = Candle>) -> Self {
        let options = RowOptions::new(series);
        MemorySource::with_options(Arc::new(candles.into_iter().collect()), options)
    }

    /// A builder, for sources with a range, logs and more.
    pub fn builder(series: Series, candles: impl IntoIterator<Item = Candle>) -> MemoryBuilder {
        MemoryBuilder::new(series, Arc::new(candles.into_iter().collect()))
    }

    /// A builder of a source of candles that are in columns, which may be shared. Nothing is copied.
    ///
    /// # Panics
    /// If the columns differ in length.
    pub fn from_columns(series: Series, columns: impl Into<Arc<Columns>>) -> MemoryBuilder {
        let columns: Arc<Columns> = columns.into();
        let Columns { start, open, high, low, close, volume, trades, partial } = &*columns;
        let lengths =
            [open.len(), high.len(), low.len(), close.len(), volume.len(), trades.len(), partial.len()];
        assert!(lengths.iter().all(|length| *length == start.len()), "columns of different lengths");
        MemoryBuilder::new(series, columns)
    }

    fn with_options(columns: Arc<Columns>, options: RowOptions) -> Self {
        let units = MemoryUnits { columns, next: 0, rules: options.rules() };
        MemorySource { rows: RowSource::new(units, options) }
    }
}

impl_source!(MemorySource, rows);
row_settings!(MemoryBuilder);

/// Settings of a [`MemorySource`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct MemoryBuilder {
    columns: Arc<Columns>,
    options: RowOptions,
}

impl MemoryBuilder {
    fn new(series: Series, columns: Arc<Columns>) -> Self {
        MemoryBuilder { columns, options: RowOptions::new(series) }
    }

    /// Hands on only candles that start in `range` (R2), whose `to` is the declared end (R23).
    pub fn range(mut self, range: TimeRange) -> Self {
        self.options.range = Some(range);
        self
    }

    /// Sets the largest number of rows in a batch. It changes neither candles nor logs.
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.options.batch_rows = rows;
        self
    }

    /// The source.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for batches of no rows.
    pub fn build(self) -> Result<MemorySource, ConfigError> {
        let MemoryBuilder { columns, options } = self;
        options.check()?;
        Ok(MemorySource::with_options(columns, options))
    }
}

/// The candles, cut where they lie: little enough at a time that checking them is one poll's work (R36).
#[derive(Debug)]
struct MemoryUnits {
    columns: Arc<Columns>,
    next: usize,
    rules: Rules,
}

impl Units for MemoryUnits {
    fn poll_unit(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Unit, SourceError>>> {
        let rows = self.next..self.columns.len().min(self.next + Pacer::LIMIT);
        if rows.is_empty() {
            return Poll::Ready(None);
        }
        self.next = rows.end;
        let number = rows.start as u64;
        Poll::Ready(Some(Ok(Unit::Rows(Chunk::new(Arc::clone(&self.columns), rows, number, self.rules)))))
    }

    fn passed(&mut self, _: Arc<Columns>) {}
}
