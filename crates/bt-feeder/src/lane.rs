//! One series of a feed: where it stands in time.

use std::ops::Range;

use bt_core::{
    Admission, AdmittedRun, Candle, CandleBatch, Columns, EmptyReason, FillReason, Series, Slot, SourceError,
    Timeframe, Timestamp, Trades,
};

use crate::Fill;

/// What a series has to offer next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// A bar that closes here is in hand.
    Bar(Timestamp),
    /// None is in hand, and none that closes before this instant can come: its frontier.
    Waiting(Timestamp),
    /// None will come.
    Ended,
}

/// State of one series.
#[derive(Debug)]
pub(crate) struct Lane {
    timeframe: Timeframe,
    admission: Admission,
    /// Where the series ends by declaration (R23).
    end: Option<Timestamp>,
    /// What is in hand; let go as soon as it is used up.
    batch: Option<CandleBatch>,
    /// The next row of the batch, and up to where rows are known to be sound and to follow one another directly.
    row: usize,
    sound: usize,
    head: Head,
    /// No bar that closes before it can come.
    frontier: Timestamp,
    /// What is wrong with the next row, to be told when the row's turn comes.
    fault: Option<Box<SourceError>>,
    /// Close of the last bar handed out.
    last_close: Option<f64>,
    /// Slots filled since that bar.
    fills: u64,
    stale: bool,
    /// Whether the absence of bars since the last one has been told, and that the source is cut off.
    pub(crate) absence_told: bool,
    pub(crate) stale_told: bool,
}

/// Rows that are looked at in one go, however large the batch is: all series may have to in one poll (R36).
const AHEAD: usize = 512;

impl Lane {
    pub(crate) fn new(series: &Series, end: Option<Timestamp>) -> Self {
        Lane {
            timeframe: series.timeframe(),
            admission: Admission::new(series.clone(), end),
            end,
            batch: None,
            row: 0,
            sound: 0,
            head: Head::Waiting(Timestamp::MIN),
            frontier: Timestamp::MIN,
            fault: None,
            last_close: None,
            fills: 0,
            stale: false,
            absence_told: false,
            stale_told: false,
        }
    }

    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// Whether the source is cut off, as far as it says.
    pub(crate) fn is_stale(&self) -> bool {
        self.stale
    }

    pub(crate) fn has_started(&self) -> bool {
        self.last_close.is_some()
    }

    /// Takes in what the source yielded; the batch before must have been used up.
    pub(crate) fn accept(&mut self, batch: CandleBatch) {
        self.stale = batch.is_stale();
        self.batch = Some(batch);
        (self.row, self.sound) = (0, 0);
        self.look();
    }

    /// Takes the bar in hand out and looks at the next one.
    pub(crate) fn advance(&mut self) -> Option<Candle> {
        let candle = self.batch.as_ref()?.candle(self.row);
        self.pass(1, candle.start, candle.close);
        Some(candle)
    }

    /// How many bars are in hand that directly follow one another.
    pub(crate) fn in_a_row(&self) -> usize {
        self.sound - self.row
    }

    /// The columns and rows of the next bars in hand.
    pub(crate) fn bars(&self, count: usize) -> Option<(&Columns, Range<usize>)> {
        let (columns, rows) = self.batch.as_ref()?.columns();
        let first = rows.start + self.row;
        Some((columns, first..first + count))
    }

    /// Moves past the next bars in hand, which directly follow one another, and looks at the next one.
    pub(crate) fn skip(&mut self, bars: usize) {
        if let Some((columns, rows)) = self.bars(bars)
            && let Some(last) = rows.last()
        {
            self.pass(bars, columns.start[last], columns.close[last]);
        }
    }

    fn pass(&mut self, bars: usize, last: Timestamp, last_close: f64) {
        let step = self.timeframe.as_nanos();
        self.frontier = last.saturating_add_nanos(step).saturating_add_nanos(step);
        self.row += bars;
        self.last_close = Some(last_close);
        self.fills = 0;
        (self.absence_told, self.stale_told) = (false, false);
        if self.row < self.sound {
            // Where one bar ends the next begins.
            self.head = Head::Bar(self.frontier);
        } else {
            self.look();
        }
    }

    /// The source has ended: no bar will come.
    pub(crate) fn finish(&mut self) {
        self.head = Head::Ended;
        self.batch = None;
    }

    /// The source has failed and is left behind: the series ends before the first bar it lacks (R23, R25).
    pub(crate) fn cut_off(&mut self) {
        let end = self.frontier.saturating_add_nanos(-self.timeframe.as_nanos());
        self.end = Some(self.end.map_or(end, |declared| declared.min(end)));
        self.finish();
    }

    /// What is wrong with the row whose turn it is.
    pub(crate) fn take_fault(&mut self) -> Option<SourceError> {
        self.fault.take().map(|fault| *fault)
    }

    /// Works out what the series has to offer next.
    fn look(&mut self) {
        let Some(batch) = &self.batch else { return };
        let Some(start) = batch.starts().get(self.row).copied() else {
            if let Some(watermark) = batch.watermark() {
                self.admission.pass(watermark);
                self.frontier = self.frontier.max(self.timeframe.next_close(watermark));
            }
            self.batch = None;
            self.head = Head::Waiting(self.frontier);
            return;
        };
        let rows = self.row..batch.len().min(self.row + AHEAD);
        self.head = match self.admission.admit_run(&batch.starts()[rows]) {
            Ok(AdmittedRun { rows }) => {
                self.sound = self.row + rows;
                // Where its timeframe begins once more; representable, or it had been refused.
                Head::Bar(start.saturating_add_nanos(self.timeframe.as_nanos()))
            }
            Err(fault) => {
                // The rows behind a bad one are not to be had. It is told when its own instant has come, for
                // nothing that closes before it may depend on it (R24).
                self.batch = None;
                self.fault = Some(Box::new(fault));
                let close = self.timeframe.end_of(start).unwrap_or(Timestamp::MAX);
                let close =
                    if self.timeframe.is_on_grid(close) { close } else { self.timeframe.next_close(close) };
                self.frontier = self.frontier.max(close);
                Head::Waiting(self.frontier)
            }
        };
    }

    /// Whether the bar that would close at `t`, an instant of the grid, starts before the end (R21).
    pub(crate) fn is_due(&self, t: Timestamp) -> bool {
        self.end.is_none_or(|end| t.as_nanos().saturating_sub(self.timeframe.as_nanos()) < end.as_nanos())
    }

    /// What stands in the frame at `t`, an instant of the grid, in place of a bar (R22).
    pub(crate) fn absent(&mut self, t: Timestamp, fill: Fill) -> Slot {
        if !self.is_due(t) {
            return Slot::Empty(EmptyReason::Ended);
        }
        let Some(price) = self.last_close else { return Slot::Empty(EmptyReason::NotStarted) };
        if !fill.allows(self.fills) {
            return Slot::Empty(EmptyReason::Missing);
        }
        self.fills += 1;
        Slot::Filled {
            candle: Candle {
                start: t.saturating_add_nanos(-self.timeframe.as_nanos()),
                open: price,
                high: price,
                low: price,
                close: price,
                volume: 0.0,
                trades: Trades::ZERO,
                partial: false,
            },
            reason: if self.stale { FillReason::Stale } else { FillReason::Quiet },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r36_of_a_batch_of_any_size_little_is_looked_at_in_one_go() {
        let series: Series = "a.s:A@1m".parse().unwrap();
        let candles = (0..100_000).map(|minute| Candle {
            start: Timestamp::from_nanos(minute * Timeframe::MINUTE.as_nanos()),
            open: 1.0,
            high: 1.0,
            low: 1.0,
            close: 1.0,
            volume: 0.0,
            trades: Trades::ZERO,
            partial: false,
        });
        let mut lane = Lane::new(&series, None);
        lane.accept(candles.collect());
        let mut looks = Vec::new();
        while lane.in_a_row() > 0 {
            looks.push(lane.in_a_row());
            lane.skip(lane.in_a_row());
        }
        let last = looks.pop();
        assert_eq!((looks, last), (vec![AHEAD; 195], Some(100_000 - 195 * AHEAD)));
        assert!(matches!(lane.head(), Head::Waiting(_)));
    }
}
