//! Candles out of files that others write.

use std::future::poll_fn;
use std::ops::Range;
use std::path::PathBuf;
use std::pin::Pin;

use bt_core::{Candle, ConfigError, Series, SourceError, TimeRange, Timestamp};
use futures_core::Stream;

use super::backfill::{Backfill, BackfillError, Fetch};
use crate::{ColumnNames, MissingPolicy, ParquetBuilder, ParquetSource, ReadPool};

/// A [`Backfill`] from the month files under a root, in the layout of [`ParquetSource`].
///
/// Months without a file have no candles. Files are looked for anew at each call, so that those that have come in the
/// meantime are found.
#[derive(Clone, Debug)]
pub struct ParquetBackfill {
    root: PathBuf,
    columns: ColumnNames,
    pool: ReadPool,
}

impl ParquetBackfill {
    /// What the files under `root` hold, read by `pool`.
    pub fn new(root: impl Into<PathBuf>, pool: &ReadPool) -> Self {
        ParquetBackfill { root: root.into(), columns: ColumnNames::default(), pool: pool.clone() }
    }

    /// Sets what the columns are called.
    #[must_use]
    pub fn columns(mut self, names: ColumnNames) -> Self {
        self.columns = names;
        self
    }
}

impl Backfill for ParquetBackfill {
    fn fetch(&self, series: &Series, range: Range<Timestamp>, limit: usize) -> Fetch {
        let source = ParquetSource::builder(&self.root, series.clone()).missing(MissingPolicy::Skip);
        let source = source.columns(self.columns.clone()).batch_rows(limit.max(1)).pool(&self.pool);
        Box::pin(first(source, range, limit))
    }
}

async fn first(
    source: ParquetBuilder,
    range: Range<Timestamp>,
    limit: usize,
) -> Result<Vec<Candle>, BackfillError> {
    let range =
        TimeRange::new(range.start, range.end).map_err(ConfigError::from).map_err(SourceError::from)?;
    let mut source = source.range(range).open().await?;
    let mut rows = Vec::new();
    while rows.len() < limit
        && let Some(batch) = poll_fn(|cx| Pin::new(&mut source).poll_next(cx)).await
    {
        rows.extend(batch?.iter());
    }
    rows.truncate(limit);
    Ok(rows)
}
