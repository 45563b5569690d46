//! What must hold after every item, whoever polls.

use bt_core::{Candle, CandleBatch, CandleSource, Columns, Series, SourceStats, StatsHandle, Timestamp};
use std::task::Poll;

use super::driver::Driver;

/// Polls after the end.
const POLLS_AFTER_END: usize = 3;

/// The account of one source, from its first poll to its end.
pub(super) struct Ledger {
    series: Series,
    end: Option<Timestamp>,
    stats: StatsHandle,
    pub(super) candles: Vec<Candle>,
    watermark: Option<Timestamp>,
    last_counted: SourceStats,
    /// What `size_hint` said before each item.
    hints: Vec<(usize, Option<usize>)>,
}

impl Ledger {
    pub(super) fn open(driver: &Driver) -> Self {
        let source = &driver.source;
        let ledger = Ledger {
            series: source.series().clone(),
            end: source.declared_end(),
            stats: source.stats(),
            candles: Vec::new(),
            watermark: None,
            last_counted: source.stats().snapshot(),
            hints: Vec::new(),
        };
        let counted = &ledger.last_counted;
        assert_eq!((counted.emitted, counted.first_start), (0, None), "R8: emitted before the first poll");
        ledger
    }

    /// Takes one item; `false` at the end. An error is put down as the end and returned.
    pub(super) fn take(&mut self, driver: &mut Driver) -> Result<bool, bt_core::SourceError> {
        self.hints.push(futures::Stream::size_hint(&driver.source));
        match driver.next() {
            Some(Ok(batch)) => {
                self.book(&batch);
                Ok(true)
            }
            Some(Err(error)) => {
                self.hints.push(futures::Stream::size_hint(&driver.source));
                self.close(driver);
                Err(error)
            }
            None => {
                self.close(driver);
                Ok(false)
            }
        }
    }

    /// Takes all items. An error is returned.
    pub(super) fn drain(&mut self, driver: &mut Driver) -> Result<(), bt_core::SourceError> {
        while self.take(driver)? {}
        Ok(())
    }

    pub(super) fn book(&mut self, batch: &CandleBatch) {
        let series = &self.series;
        let timeframe = series.timeframe();
        check_lengths(batch.columns().0);
        for candle in batch.iter() {
            let start = candle.start;
            assert!(timeframe.is_on_grid(start), "{series}: {start} is off the grid");
            let close = timeframe.end_of(start);
            let close = close.unwrap_or_else(|| panic!("{series}: the end of {start} is not representable"));
            assert!(
                self.end.is_none_or(|end| start < end),
                "{series}: {start} is at or after the declared end"
            );
            if let Some(last) = self.candles.last() {
                assert!(last.start < start, "{series}: {start} follows {}", last.start);
            }
            if let Some(watermark) = self.watermark {
                assert!(close > watermark, "{series}: {start} closes at or before the watermark {watermark}");
            }
            self.candles.push(candle);
        }
        self.watermark = self.watermark.max(batch.watermark());
        let counted = self.stats.snapshot();
        self.check_counters(&counted);
        self.last_counted = counted;
    }

    /// Rows count when they are handed on, not when they are decoded ahead.
    fn check_counters(&self, counted: &SourceStats) {
        let series = &self.series;
        assert_eq!(
            counted.emitted,
            self.candles.len() as u64,
            "R8: {series}: emitted is not what was yielded"
        );
        let ends = [self.candles.first(), self.candles.last()].map(|candle| candle.map(|c| c.start));
        assert_eq!([counted.first_start, counted.last_start], ends, "R8: {series}: first and last start");
        assert!(
            counted.rows_read() >= self.last_counted.rows_read(),
            "R8: {series}: the counters went back from {:?} to {counted:?}",
            self.last_counted
        );
    }

    fn close(&mut self, driver: &mut Driver) {
        let series = self.series.clone();
        self.check_counters(&self.stats.snapshot());
        for _ in 0..POLLS_AFTER_END {
            let after = driver.poll();
            assert!(matches!(after, Poll::Ready(None)), "R11: {series}: {after:?} after the end");
        }
        self.hints.push(futures::Stream::size_hint(&driver.source));
        // The last two hints were given when nothing was to come.
        let items = self.hints.len() - 2;
        for (before, (least, most)) in self.hints.iter().enumerate() {
            let left = items.saturating_sub(before);
            assert!(
                *least <= left && most.is_none_or(|most| left <= most),
                "{series}: size_hint was {:?} with {left} items to come",
                (least, most)
            );
        }
        assert_eq!(driver.source.series(), &series, "the series changed");
        assert_eq!(driver.source.declared_end(), self.end, "{series}: the declared end changed");
    }
}

fn check_lengths(columns: &Columns) {
    let Columns { start, open, high, low, close, volume, trades, partial } = columns;
    let numbers = [open, high, low, close, volume].map(Vec::len);
    let rows = start.len();
    assert!(
        numbers == [rows; 5] && trades.len() == rows && partial.len() == rows,
        "the columns of a batch differ in length"
    );
}
