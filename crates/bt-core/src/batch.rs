//! The unit in which candles move.

use std::ops::Range;
use std::sync::Arc;

use crate::{Candle, Columns, Timeframe, Timestamp};

/// A run of candles of one series, with what is known about time.
///
/// The rows are a range of shared columns, so a batch is cloned and cut without copying. A batch may have no
/// rows: that is how a quiet live source tells time. Starts are strictly increasing, within a batch and from
/// one to the next.
///
/// A batch never spans a log: whatever a source says about a row, it says between the batch before that row
/// and the batch that begins with it (R29).
#[derive(Clone, Debug)]
pub struct CandleBatch {
    columns: Arc<Columns>,
    rows: Range<usize>,
    watermark: Option<Timestamp>,
    work: usize,
    stale: bool,
}

impl CandleBatch {
    /// All rows of `columns`, without a watermark of its own.
    pub fn new(columns: impl Into<Arc<Columns>>) -> Self {
        let columns = columns.into();
        let rows = 0..columns.len();
        CandleBatch { work: rows.len(), columns, rows, watermark: None, stale: false }
    }

    /// No rows: only the word that no later row of the series ends at or before `watermark`.
    pub fn tick(watermark: Timestamp) -> Self {
        CandleBatch::new(Columns::default()).with_watermark(watermark)
    }

    /// Adds the promise that no later row of the series ends at or before `watermark`.
    #[must_use]
    pub fn with_watermark(mut self, watermark: Timestamp) -> Self {
        self.watermark = Some(watermark);
        self
    }

    /// States how many candles were looked at to make this batch; the number of its rows unless set.
    #[must_use]
    pub fn with_work(mut self, candles: usize) -> Self {
        self.work = candles;
        self
    }

    /// Says that the source is cut off and its watermark moved by others (R22 `stale`).
    #[must_use]
    pub fn with_stale(mut self, stale: bool) -> Self {
        self.stale = stale;
        self
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The columns that the rows lie in, and where.
    pub fn columns(&self) -> (&Columns, Range<usize>) {
        (&self.columns, self.rows.clone())
    }

    /// The starts of the rows.
    pub fn starts(&self) -> &[Timestamp] {
        &self.columns.start[self.rows.clone()]
    }

    /// The candle in `row`, counted from the batch's first.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn candle(&self, row: usize) -> Candle {
        assert!(row < self.len(), "row {row} of a batch of {}", self.len());
        self.columns.candle(self.rows.start + row)
    }

    /// The candles, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Candle> + '_ {
        self.rows.clone().map(|row| self.columns.candle(row))
    }

    /// A part of the rows, as a batch of the same columns. It keeps the watermark only if it reaches the
    /// last row: what holds after all rows need not hold after some.
    ///
    /// # Panics
    /// If `rows` does not lie within the batch.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> CandleBatch {
        assert!(rows.start <= rows.end && rows.end <= self.len(), "{rows:?} of a batch of {}", self.len());
        CandleBatch {
            columns: Arc::clone(&self.columns),
            watermark: if rows.end == self.len() { self.watermark } else { None },
            work: rows.len(),
            rows: self.rows.start + rows.start..self.rows.start + rows.end,
            stale: self.stale,
        }
    }

    /// The declared watermark: no later row of this series ends at or before it.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.watermark
    }

    /// All that is known of time after this batch: the declared watermark or the end of the last row,
    /// whichever is later, given that starts increase.
    pub fn progress(&self, timeframe: Timeframe) -> Option<Timestamp> {
        let last = self.starts().last().and_then(|start| timeframe.end_of(*start));
        self.watermark.max(last)
    }

    /// How many candles were looked at to make this batch: what its receiver charges its
    /// [`Pacer`](crate::Pacer) with, so that a tree of streams shares one measure of work (R36).
    pub fn work(&self) -> usize {
        self.work
    }

    /// Whether the source is cut off (R22 `stale`).
    pub fn is_stale(&self) -> bool {
        self.stale
    }
}

impl FromIterator<Candle> for CandleBatch {
    fn from_iter<I: IntoIterator<Item = Candle>>(candles: I) -> Self {
        CandleBatch::new(Columns::from_iter(candles))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Trades;

    fn batch(n: i64) -> CandleBatch {
        (0..n)
            .map(|i| Candle {
                start: Timestamp::from_secs(i * 60).unwrap(),
                open: 1.0,
                high: 2.0,
                low: 0.5,
                close: 1.5,
                volume: 3.0,
                trades: Trades::UNKNOWN,
                partial: i % 2 == 0,
            })
            .collect()
    }

    #[test]
    fn slices_share_columns_and_lose_a_watermark_that_need_not_hold() {
        let whole = batch(5).with_watermark(Timestamp::from_secs(600).unwrap());
        let part = whole.slice(1..5).slice(0..3);
        assert_eq!(part.iter().collect::<Vec<_>>(), whole.iter().skip(1).take(3).collect::<Vec<_>>());
        assert!(std::ptr::eq(part.columns().0, whole.columns().0));
        assert_eq!(part.watermark(), None);
        assert_eq!(whole.slice(2..5).watermark(), whole.watermark());
        assert_eq!(part.candle(0), whole.candle(1));
    }

    #[test]
    fn progress_is_the_later_of_watermark_and_last_end() {
        let at = |s| Timestamp::from_secs(s).unwrap();
        let tf = Timeframe::MINUTE;
        assert_eq!(batch(5).progress(tf), Some(at(300)));
        assert_eq!(batch(5).with_watermark(at(600)).progress(tf), Some(at(600)));
        assert_eq!(batch(5).with_watermark(at(60)).progress(tf), Some(at(300)));
        assert_eq!(batch(0).progress(tf), None);
        assert_eq!(CandleBatch::tick(at(60)).progress(tf), Some(at(60)));
    }
}
