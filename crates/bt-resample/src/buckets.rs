//! The arithmetic of resampling: no stream, no waker.

use std::ops::Range;

use bt_core::{Admission, Candle, CandleBatch, Columns, SourceError, Timeframe, Timestamp, Trades};

/// What becomes of a bar that lacks inputs (R15).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PartialPolicy {
    /// It is handed on, flagged `partial`.
    #[default]
    Emit,
    /// It is left out.
    Drop,
}

/// Folds candles into bars: bars that are decided go out, the undecided one stays.
#[derive(Debug)]
pub(crate) struct Buckets {
    input: Admission,
    target: Timeframe,
    /// Inputs that make a whole bar.
    ratio: usize,
    policy: PartialPolicy,
    open: Option<Bucket>,
}

/// A bar that is being made.
#[derive(Debug)]
struct Bucket {
    bar: Candle,
    end: Timestamp,
    inputs: usize,
}

impl Buckets {
    /// Buckets of `ratio` inputs each.
    pub(crate) fn new(input: Admission, target: Timeframe, ratio: usize) -> Self {
        Buckets { input, target, ratio, policy: PartialPolicy::Emit, open: None }
    }

    /// The instant up to which everything was taken in.
    pub(crate) fn reached(&self) -> Timestamp {
        self.input.reached()
    }

    pub(crate) fn set_policy(&mut self, policy: PartialPolicy) {
        self.policy = policy;
    }

    /// Takes in a batch: its rows, then what it says of time. Bars that this decides go to `out`, also
    /// those that were decided before an error.
    pub(crate) fn fold(&mut self, batch: &CandleBatch, out: &mut Columns) -> Result<(), SourceError> {
        let (columns, rows) = batch.columns();
        let refused = batch.starts().iter().enumerate().find_map(|(row, start)| {
            let refused = self.input.admit(*start).err();
            refused.map(|error| (row, *start, error))
        });
        let sound = refused.as_ref().map_or(rows.len(), |(row, ..)| *row);
        self.fold_rows(columns, rows.start..rows.start + sound, out)?;
        if let Some((_, start, error)) = refused {
            // That the series came as far as the bad row is known, and all that will be.
            self.input.pass(start);
            self.pass(start, out);
            return Err(error);
        }
        if let Some(watermark) = batch.watermark() {
            self.input.pass(watermark);
            self.pass(watermark, out);
        }
        Ok(())
    }

    fn fold_rows(
        &mut self,
        columns: &Columns,
        rows: Range<usize>,
        out: &mut Columns,
    ) -> Result<(), SourceError> {
        let mut row = rows.start;
        while row < rows.end {
            let start = columns.start[row];
            if self.open.as_ref().is_some_and(|bucket| start >= bucket.end) {
                self.finish(out);
            }
            let (bar_start, end) = match &self.open {
                Some(bucket) => (bucket.bar.start, bucket.end),
                None => self.bucket_of(start, out)?,
            };
            let until = rows_before(&columns.start[..rows.end], row..row.saturating_add(self.ratio), end);
            match &mut self.open {
                Some(bucket) => bucket.absorb(columns, row..until),
                None => {
                    let mut bucket = Bucket::begin(columns.candle(row), bar_start, end);
                    bucket.absorb(columns, row + 1..until);
                    self.open = Some(bucket);
                }
            }
            row = until;
            // R14: the input that ends where the bucket does decides it.
            if self
                .input
                .series()
                .timeframe()
                .end_of(columns.start[until - 1])
                .is_none_or(|input_end| input_end >= end)
            {
                self.finish(out);
            }
        }
        Ok(())
    }

    /// The input has ended: the bar in the making is decided (R14).
    pub(crate) fn finish(&mut self, out: &mut Columns) {
        if let Some(Bucket { mut bar, inputs, .. }) = self.open.take() {
            bar.partial |= inputs < self.ratio;
            if !bar.partial || self.policy == PartialPolicy::Emit {
                out.push(bar);
            }
        }
    }

    /// Time has passed `watermark`: a bar that ends at or before it is decided (R14).
    fn pass(&mut self, watermark: Timestamp, out: &mut Columns) {
        if self.open.as_ref().is_some_and(|bucket| bucket.end <= watermark) {
            self.finish(out);
        }
    }

    /// Start and end of the bucket that holds `start` (R13).
    fn bucket_of(&self, start: Timestamp, out: &Columns) -> Result<(Timestamp, Timestamp), SourceError> {
        // Where bars follow one another, the next begins where the last one ended: no division.
        let follows = out.start.last().and_then(|bar| self.target.end_of(*bar)).filter(|next| *next == start);
        follows
            .or_else(|| self.target.floor(start))
            .and_then(|floor| Some((floor, self.target.end_of(floor)?)))
            .ok_or_else(|| SourceError::Misplaced {
                series: self.input.series().clone(),
                start,
                reason: "its bar of the target timeframe begins or ends beyond representable time",
            })
    }
}

/// Index of the first row from `within.start` on that starts at or after `end`.
///
/// Rows increase on a grid, so a bucket holds no more than `within` does, and mostly just as many.
fn rows_before(starts: &[Timestamp], within: Range<usize>, end: Timestamp) -> usize {
    let most = within.end.min(starts.len());
    if starts[most - 1] < end {
        most
    } else {
        within.start + starts[within.start..most].partition_point(|start| *start < end)
    }
}

impl Bucket {
    fn begin(first: Candle, start: Timestamp, end: Timestamp) -> Self {
        Bucket { bar: Candle { start, ..first }, end, inputs: 1 }
    }

    /// Adds rows that follow those that are in (R13).
    fn absorb(&mut self, columns: &Columns, rows: Range<usize>) {
        let Some(last) = rows.clone().next_back() else { return };
        let bar = &mut self.bar;
        // Comparisons, not `f64::max`: of two zeros the first stays, whatever their signs, so that the
        // result does not depend on how rows are grouped (R17).
        for high in &columns.high[rows.clone()] {
            if *high > bar.high {
                bar.high = *high;
            }
        }
        for low in &columns.low[rows.clone()] {
            if *low < bar.low {
                bar.low = *low;
            }
        }
        for volume in &columns.volume[rows.clone()] {
            bar.volume += volume;
        }
        bar.trades =
            columns.trades[rows.clone()].iter().fold(bar.trades, |sum, trades: &Trades| sum.plus(*trades));
        bar.partial |= columns.partial[rows.clone()].contains(&true);
        bar.close = columns.close[last];
        self.inputs += rows.len();
    }
}
