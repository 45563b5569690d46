//! The straight-line loop: checks, buckets and alignment over columns, as one would write them for just that.
//!
//! It does what a source, a [`Resample`](bt_resample::Resample) and a [`BarFeed`](bt_feeder::BarFeed) do to columns in
//! memory (R7 to R10, R13 to R16, R21, R22), and makes the same frames, but for logs, errors, other policies, and
//! that it could wait for anything. It goes through time a window at a time: first through the rows of each series,
//! then through the closes.

use bt_core::{Candle, Columns, EmptyReason, FillReason, Slot, TimeRange, Timeframe, Timestamp, Trades};

/// Bars of a window.
const WINDOW: usize = 64;

/// What became of the rows of a series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows outside the range.
    pub out_of_range: u64,
    /// Rows that are no candles.
    pub failed: u64,
    /// Rows that repeat the one before, or go back in time.
    pub dropped: u64,
    /// Rows that went into bars.
    pub emitted: u64,
    /// Candles missing between rows.
    pub missing: u64,
}

/// What is to be made of the rows.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// Timeframe of the rows.
    pub source: Timeframe,
    /// Timeframe of the bars.
    pub target: Timeframe,
    /// The rows that are wanted.
    pub range: TimeRange,
}

/// A series, and how far it was read.
struct Lane<'a> {
    columns: &'a Columns,
    row: usize,
    /// The row was checked and is good; it waits for its window.
    good: bool,
    last_start: Timestamp,
    /// Bars of the window, and of how many rows each is made.
    bars: Vec<(Candle, i64)>,
    /// Close of the last bar.
    price: Option<f64>,
    counts: Counts,
}

impl Job {
    /// Shows the frames of all series to `see`, by close and slots, and says what became of the rows of each.
    pub fn frames(self, series: &[&Columns], mut see: impl FnMut(Timestamp, &[Slot])) -> Vec<Counts> {
        let step = self.target.as_nanos();
        let mut lanes: Vec<Lane<'_>> = series.iter().map(|columns| Lane::new(columns)).collect();
        let mut slots = vec![Slot::Empty(EmptyReason::NotStarted); lanes.len()];
        let mut window = self.range.from().as_nanos().div_euclid(step) * step;
        while window < self.range.to().as_nanos() {
            for lane in &mut lanes {
                lane.fold(window, self);
            }
            for bucket in 0..WINDOW {
                let start = Timestamp::from_nanos(window + bucket as i64 * step);
                let mut any = false;
                for (lane, slot) in lanes.iter_mut().zip(&mut slots) {
                    *slot = lane.slot(bucket, start, step / self.source.as_nanos());
                    any |= matches!(slot, Slot::Bar(_));
                }
                if any {
                    see(Timestamp::from_nanos(start.as_nanos() + step), &slots);
                }
            }
            window += WINDOW as i64 * step;
        }
        lanes.iter().map(|lane| lane.counts).collect()
    }
}

const NOTHING: Candle = Candle {
    start: Timestamp::EPOCH,
    open: 0.0,
    high: 0.0,
    low: 0.0,
    close: 0.0,
    volume: 0.0,
    trades: Trades::ZERO,
    partial: false,
};

impl<'a> Lane<'a> {
    fn new(columns: &'a Columns) -> Self {
        Lane {
            columns,
            row: 0,
            good: false,
            last_start: Timestamp::MIN,
            bars: vec![(NOTHING, 0); WINDOW],
            price: None,
            counts: Counts::default(),
        }
    }

    /// Makes the bars of the window that begins at `window`.
    fn fold(&mut self, window: i64, job: Job) {
        self.bars.fill((NOTHING, 0));
        let step = job.target.as_nanos();
        let (mut bucket, mut end) = (0, window + step);
        let rows = self.row..self.columns.len();
        // As slices of one length, which saves looking whether a row is there in each.
        let Columns { start, open, high, low, close, volume, trades, partial } = self.columns;
        let (start, open, high) = (&start[rows.clone()], &open[rows.clone()], &high[rows.clone()]);
        let (low, close, volume) = (&low[rows.clone()], &close[rows.clone()], &volume[rows.clone()]);
        let (trades, partial) = (&trades[rows.clone()], &partial[rows.clone()]);
        for row in 0..rows.len() {
            let row = Candle {
                start: start[row],
                open: open[row],
                high: high[row],
                low: low[row],
                close: close[row],
                volume: volume[row],
                trades: trades[row],
                partial: partial[row],
            };
            if !self.good && !self.check(&row, job) {
                self.row += 1;
                continue;
            }
            let start = row.start.as_nanos();
            self.good = start >= window + WINDOW as i64 * step;
            if self.good {
                break;
            }
            while start >= end {
                bucket += 1;
                end += step;
            }
            let (bar, inputs) = &mut self.bars[bucket];
            if *inputs == 0 {
                *bar = Candle { start: Timestamp::from_nanos(end - step), ..row };
            } else {
                bar.high = if row.high > bar.high { row.high } else { bar.high };
                bar.low = if row.low < bar.low { row.low } else { bar.low };
                bar.close = row.close;
                bar.volume += row.volume;
                bar.trades = bar.trades.plus(row.trades);
                bar.partial |= row.partial;
            }
            *inputs += 1;
            self.row += 1;
        }
    }

    /// Whether a row is a candle that goes on from the last one (R7); counts it.
    fn check(&mut self, row: &Candle, Job { source, range, .. }: Job) -> bool {
        let Candle { start, open, high, low, close, volume, .. } = *row;
        if !range.contains(start) {
            self.counts.out_of_range += 1;
            return false;
        }
        // Comparisons with NaN are false, and open and close lie between low and high.
        let sound = high >= open
            && high >= close
            && low <= open
            && low <= close
            && high <= f64::MAX
            && low >= f64::MIN
            && (0.0..=f64::MAX).contains(&volume);
        let step = source.as_nanos();
        // Not before the first row, whose place on the grid is looked at.
        let follows = self.last_start.as_nanos().wrapping_add(step) == start.as_nanos();
        if !sound || !follows && !source.is_on_grid(start) || source.end_of(start).is_none() {
            self.counts.failed += 1;
            return false;
        }
        if !follows && self.counts.emitted > 0 {
            if start <= self.last_start {
                self.counts.dropped += 1;
                return false;
            }
            self.counts.missing +=
                ((start.as_nanos() - self.last_start.as_nanos()) / step - 1).unsigned_abs();
        }
        self.last_start = start;
        self.counts.emitted += 1;
        true
    }

    /// What the series says of a bucket of the window, of which `whole` rows make a whole bar.
    fn slot(&mut self, bucket: usize, start: Timestamp, whole: i64) -> Slot {
        let (bar, inputs) = self.bars[bucket];
        if inputs > 0 {
            self.price = Some(bar.close);
            return Slot::Bar(Candle { partial: bar.partial || inputs < whole, ..bar });
        }
        let Some(price) = self.price else { return Slot::Empty(EmptyReason::NotStarted) };
        let candle = Candle { start, open: price, high: price, low: price, close: price, ..NOTHING };
        Slot::Filled { candle, reason: FillReason::Quiet }
    }
}
