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
    reached: Timestamp,
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
        Buckets { reached: input.reached(), input, target, ratio, policy: PartialPolicy::Emit, open: None }
    }

    /// The instant up to which everything was taken in; after an error, where the row at fault begins.
    pub(crate) fn reached(&self) -> Timestamp {
        self.reached
    }

    pub(crate) fn set_policy(&mut self, policy: PartialPolicy) {
        self.policy = policy;
    }

    /// Takes in a batch: its rows, then what it says of time. Bars that this decides go to `out`, also
    /// those that were decided before an error.
    pub(crate) fn fold(&mut self, batch: &CandleBatch, out: &mut Columns) -> Result<(), SourceError> {
        let (columns, mut rows) = batch.columns();
        // A bar that was begun before, whole ones, and one that is decided by what is said of time.
        out.reserve(rows.len() / self.ratio + 2);
        while !rows.is_empty() {
            let admitted = self.input.admit_run(&columns.start[rows.clone()]);
            let folded = admitted.and_then(|run| {
                let mut run = rows.start..rows.start + run.rows;
                let folded = self.fold_run(columns, &mut run, out);
                rows.start = run.start;
                folded
            });
            if let Err(error) = folded {
                // That the series came as far as this row is known, and all that will be: not what is behind it,
                // whether it came in the same batch or not (R35).
                let start = columns.start[rows.start];
                self.reached = self.reached.max(start);
                self.pass(start, out);
                return Err(error);
            }
            self.reached = self.input.reached();
        }
        if let Some(watermark) = batch.watermark() {
            self.input.pass(watermark);
            self.reached = self.input.reached();
            self.pass(watermark, out);
        }
        Ok(())
    }

    /// Takes in rows that directly follow one another: the rest of a bar, whole bars, the first of another. What
    /// is left of `rows` begins with the one at fault.
    fn fold_run(
        &mut self,
        columns: &Columns,
        rows: &mut Range<usize>,
        out: &mut Columns,
    ) -> Result<(), SourceError> {
        let step = self.input.series().timeframe().as_nanos();
        while rows.start < rows.end {
            let start = columns.start[rows.start];
            self.pass(start, out);
            let (bar_start, end) = match &self.open {
                Some(bucket) => (bucket.bar.start, bucket.end),
                None => self.bucket_of(start, out)?,
            };
            // Both lie on the input's grid, and so few rows fit a bar that they fit the number.
            let left = ((end.as_nanos() - start.as_nanos()) / step) as usize;
            // A bar with a partial input is made by itself.
            let sound = columns.partial[rows.clone()].iter().take_while(|partial| !**partial).count();
            let whole = rows.start..rows.start + (sound - sound % self.ratio);
            if left == self.ratio && !whole.is_empty() {
                rows.start = whole.end;
                push_whole(columns, whole, self.ratio, out);
                continue;
            }
            let part = rows.start..rows.end.min(rows.start.saturating_add(left));
            rows.start = part.end;
            let decided = part.len() == left;
            match &mut self.open {
                Some(bucket) => bucket.absorb(columns, part),
                None => {
                    let mut bucket = Bucket::begin(columns.candle(part.start), bar_start, end);
                    bucket.absorb(columns, part.start + 1..part.end);
                    self.open = Some(bucket);
                }
            }
            // R14: the input that ends where the bucket does decides it.
            if decided {
                self.finish(out);
            }
        }
        Ok(())
    }

    /// The input has ended: the bar in the making is decided (R14).
    pub(crate) fn finish(&mut self, out: &mut Columns) {
        if let Some(Bucket { mut bar, inputs, .. }) = self.open.take() {
            bar.partial |= inputs < self.ratio;
            bar.volume = held(bar.volume);
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

/// Makes bars of `ratio` rows each, none of them partial; the first begins where its rows do, and so do all.
fn push_whole(columns: &Columns, rows: Range<usize>, ratio: usize, out: &mut Columns) {
    let bars = rows.len() / ratio;
    out.start.extend(columns.start[rows.clone()].iter().step_by(ratio));
    out.open.extend(columns.open[rows.clone()].iter().step_by(ratio));
    out.close.extend(columns.close[rows.clone()].iter().skip(ratio - 1).step_by(ratio));
    out.partial.resize(out.partial.len() + bars, false);
    let highs = columns.high[rows.clone()].chunks_exact(ratio);
    let lows = columns.low[rows.clone()].chunks_exact(ratio);
    let volumes = columns.volume[rows.clone()].chunks_exact(ratio);
    let trades = columns.trades[rows].chunks_exact(ratio);
    for (((highs, lows), volumes), trades) in highs.zip(lows).zip(volumes).zip(trades) {
        let rest = highs[1..].iter().zip(&lows[1..]).zip(&volumes[1..]).zip(&trades[1..]);
        let first = (highs[0], lows[0], volumes[0], trades[0]);
        let (high, low, volume, trades) = rest.fold(first, |bar, (((high, low), volume), trades)| {
            (higher(bar.0, *high), lower(bar.1, *low), bar.2 + volume, bar.3.plus(*trades))
        });
        out.high.push(high);
        out.low.push(low);
        out.volume.push(held(volume));
        out.trades.push(trades);
    }
}

// Comparisons, not `f64::max`: of two zeros the first stays, whatever their signs, so that the result does not
// depend on how rows are grouped (R17).

fn higher(so_far: f64, next: f64) -> f64 {
    if next > so_far { next } else { so_far }
}

fn lower(so_far: f64, next: f64) -> f64 {
    if next < so_far { next } else { so_far }
}

/// A sum of volumes, held at the largest number, so that a bar is one that R7 lets pass.
fn held(volume: f64) -> f64 {
    if volume > f64::MAX { f64::MAX } else { volume }
}

impl Bucket {
    fn begin(first: Candle, start: Timestamp, end: Timestamp) -> Self {
        Bucket { bar: Candle { start, ..first }, end, inputs: 1 }
    }

    /// Adds rows that follow those that are in (R13).
    fn absorb(&mut self, columns: &Columns, rows: Range<usize>) {
        let Some(last) = rows.clone().next_back() else { return };
        let bar = &mut self.bar;
        bar.high = columns.high[rows.clone()].iter().copied().fold(bar.high, higher);
        bar.low = columns.low[rows.clone()].iter().copied().fold(bar.low, lower);
        bar.volume = columns.volume[rows.clone()].iter().fold(bar.volume, |sum, volume| sum + volume);
        bar.trades = columns.trades[rows.clone()].iter().copied().fold(bar.trades, Trades::plus);
        bar.partial |= columns.partial[rows.clone()].contains(&true);
        bar.close = columns.close[last];
        self.inputs += rows.len();
    }
}
