//! A source whose batches lie ready.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bt_core::{CandleBatch, CandleSource, Columns, Series, SourceError, StatsHandle, Timestamp};
use futures_core::{FusedStream, Stream};

/// A source that hands out slices of shared columns and does nothing else: what is measured behind it is not
/// the source.
#[derive(Clone, Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Prepared {
    series: Series,
    whole: CandleBatch,
    next: usize,
    batch_rows: usize,
}

impl Prepared {
    /// The rows of `columns` as candles of `series`, at most `batch_rows` at a time. The series ends by
    /// declaration where the last candle does.
    pub fn new(series: Series, columns: impl Into<Arc<Columns>>, batch_rows: usize) -> Self {
        Prepared { series, whole: CandleBatch::new(columns), next: 0, batch_rows: batch_rows.max(1) }
    }
}

impl Stream for Prepared {
    type Item = Result<CandleBatch, SourceError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let rows = self.next..self.whole.len().min(self.next.saturating_add(self.batch_rows));
        if rows.is_empty() {
            return Poll::Ready(None);
        }
        self.next = rows.end;
        Poll::Ready(Some(Ok(self.whole.slice(rows))))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let batches = (self.whole.len() - self.next).div_ceil(self.batch_rows);
        (batches, Some(batches))
    }
}

impl FusedStream for Prepared {
    fn is_terminated(&self) -> bool {
        self.next == self.whole.len()
    }
}

impl CandleSource for Prepared {
    fn series(&self) -> &Series {
        &self.series
    }

    fn declared_end(&self) -> Option<Timestamp> {
        self.whole.progress(self.series.timeframe())
    }

    fn stats(&self) -> StatsHandle {
        StatsHandle::new()
    }
}
