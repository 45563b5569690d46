//! What the rows of a chunk are, each taken for itself: R7 without what came before.
//!
//! [`classify`] cuts a chunk into [`Run`]s of rows of one kind. It knows nothing of other chunks, so it runs
//! wherever the chunk was made; what depends on the row emitted last is left to the
//! [`Cutter`](crate::cutter::Cutter).

use std::fmt;
use std::ops::Range;

use bt_core::{Columns, TimeRange, Timeframe, Timestamp};

/// What is wrong with a row beyond what its values show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "rows in memory have no such faults"))]
pub(crate) enum RowFault {
    /// The start is null or beyond what nanoseconds in 64 bits hold; it is given as the epoch.
    Time,
    /// The number of trades is negative or above `i64::MAX`; it is given as unknown.
    Trades,
    /// The row is not final, or it is null whether it is.
    NotFinal,
}

/// Why a row fails, in the order of the checks (R7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// Its start is null or not representable.
    Time,
    /// Its start is not on the grid of the timeframe.
    OffGrid,
    /// Its end is not representable.
    End,
    /// A price or the volume is null, NaN or infinite.
    NotANumber,
    /// The high is below open or close.
    High,
    /// The low is above open or close.
    Low,
    /// The volume is negative.
    Volume,
    /// The number of trades is negative or not representable.
    Trades,
}

impl Reason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Reason::Time => "its start is null or not representable",
            Reason::OffGrid => "its start is not on the grid of the timeframe",
            Reason::End => "its end is not representable",
            Reason::NotANumber => "open, high, low, close or volume is null, NaN or infinite",
            Reason::High => "high is below open or close",
            Reason::Low => "low is above open or close",
            Reason::Volume => "volume is negative",
            Reason::Trades => "the number of trades is negative or not representable",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the rows of a run have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is wrong with them, and each starts where the one before it ends. Only the first needs a look:
    /// whether it follows what was emitted last.
    Fine,
    /// Outside the range.
    Ignored,
    /// Not final.
    NotFinal,
    /// Failed.
    Failed(Reason),
}

/// Rows of one kind, up to `end`; they begin where the run before them ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first row after the run, counted from the first row of the chunk.
    pub(crate) end: u32,
    /// What its rows are.
    pub(crate) verdict: Verdict,
}

/// Rows of raw columns, and what is known to be wrong with them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    /// The columns; all equally long, or only starts.
    pub(crate) columns: &'a Columns,
    /// Which rows of them. At most `u32::MAX`.
    pub(crate) rows: &'a Range<usize>,
    /// Faults by row, counted from the first of `rows`, ascending. A row may have several.
    pub(crate) faults: &'a [(u32, RowFault)],
    /// Only the starts are there, none of which lies in the range.
    pub(crate) start_only: bool,
}

/// What rows are judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Length and grid of the candles.
    pub(crate) timeframe: Timeframe,
    /// The starts that are wanted.
    pub(crate) range: TimeRange,
}

/// Rows that are looked at in one go: few enough that the columns of a block stay in the nearest cache, many
/// enough that one bad row in a thousand costs little.
const BLOCK: usize = 64;

/// Cuts rows into runs of one kind. The runs cover all rows; two fine ones stand side by side only where the
/// second does not directly follow the first.
pub(crate) fn classify(raw: Raw<'_>, rules: Rules) -> Vec<Run> {
    let mut scan = Scan::new(raw, rules);
    let mut runs = Runs::default();
    let total = scan.start.len();
    let mut row = 0;
    while row < total {
        let end = total.min(row + BLOCK);
        if runs.last_is_fine() && scan.follow(row..end) {
            runs.extend(end);
            row = end;
            continue;
        }
        // One by one up to the one that does not follow: behind it, blocks may be fine again.
        let mut follows = true;
        while row < end && follows {
            let verdict = scan.judge(row);
            follows = verdict == Verdict::Fine && runs.last_is_fine() && scan.follows(row);
            runs.push(row, verdict, follows || verdict != Verdict::Fine);
            row += 1;
        }
    }
    runs.0
}

/// The runs so far.
#[derive(Default)]
struct Runs(Vec<Run>);

impl Runs {
    fn last_is_fine(&self) -> bool {
        matches!(self.0.last(), Some(Run { verdict: Verdict::Fine, .. }))
    }

    fn extend(&mut self, end: usize) {
        if let Some(last) = self.0.last_mut() {
            last.end = end as u32;
        }
    }

    fn push(&mut self, row: usize, verdict: Verdict, follows: bool) {
        match self.0.last_mut() {
            Some(last) if last.verdict == verdict && follows => last.end = row as u32 + 1,
            _ => self.0.push(Run { end: row as u32 + 1, verdict }),
        }
    }
}

/// The rows as slices, and how far their faults were looked at.
struct Scan<'a> {
    start: &'a [Timestamp],
    prices: Option<Prices<'a>>,
    faults: &'a [(u32, RowFault)],
    rules: Rules,
}

#[derive(Clone, Copy)]
struct Prices<'a> {
    open: &'a [f64],
    high: &'a [f64],
    low: &'a [f64],
    close: &'a [f64],
    volume: &'a [f64],
}

impl<'a> Scan<'a> {
    fn new(raw: Raw<'a>, rules: Rules) -> Self {
        let Raw { columns, rows, faults, start_only } = raw;
        let prices = (!start_only).then(|| Prices {
            open: &columns.open[rows.clone()],
            high: &columns.high[rows.clone()],
            low: &columns.low[rows.clone()],
            close: &columns.close[rows.clone()],
            volume: &columns.volume[rows.clone()],
        });
        Scan { start: &columns.start[rows.clone()], prices, faults, rules }
    }

    /// Whether all of `rows` are fine and each directly follows the one before it, given that the row before
    /// the first is fine.
    fn follow(&self, rows: Range<usize>) -> bool {
        let Some(prices) = self.prices else { return false };
        if self.faults.first().is_some_and(|(row, _)| (*row as usize) < rows.end) {
            return false;
        }
        let Rules { timeframe, range } = self.rules;
        let before = self.start[rows.start - 1];
        // If the last row is where it belongs and time does not wrap on the way there, then neither does it
        // for a row in between, and all of them lie on the grid and in the range.
        let last = self.start[rows.end - 1];
        let belongs = timeframe
            .as_nanos()
            .checked_mul(rows.len() as i64)
            .and_then(|length| before.checked_add_nanos(length))
            .is_some_and(|expected| last == expected);
        belongs
            && last < range.to()
            && timeframe.end_of(last).is_some()
            && timeframe.separates(&self.start[rows.start - 1..rows.end])
            && prices.all_sound(rows)
    }

    /// Whether a row directly follows the row before it.
    fn follows(&self, row: usize) -> bool {
        self.rules.timeframe.end_of(self.start[row - 1]) == Some(self.start[row])
    }

    /// What a row is: the first check that applies decides (R7). Rows are judged in ascending order.
    fn judge(&mut self, row: usize) -> Verdict {
        let (mut no_time, mut bad_trades, mut not_final) = (false, false, false);
        while let Some(((at, fault), rest)) = self.faults.split_first()
            && *at as usize <= row
        {
            match fault {
                RowFault::Time => no_time = true,
                RowFault::Trades => bad_trades = true,
                RowFault::NotFinal => not_final = true,
            }
            self.faults = rest;
        }
        let start = self.start[row];
        let Rules { timeframe, range } = self.rules;
        if no_time {
            Verdict::Failed(Reason::Time)
        } else if !range.contains(start) {
            Verdict::Ignored
        } else if !timeframe.is_on_grid(start) {
            Verdict::Failed(Reason::OffGrid)
        } else if timeframe.end_of(start).is_none() {
            Verdict::Failed(Reason::End)
        } else if let Some(reason) = self.prices.and_then(|prices| prices.fault(row)) {
            Verdict::Failed(reason)
        } else if bad_trades {
            Verdict::Failed(Reason::Trades)
        } else if not_final {
            Verdict::NotFinal
        } else if self.prices.is_none() {
            // Promised not to be: a row in range of which only the start was read. There is no candle to it.
            debug_assert!(false, "row {row} lies in the range");
            Verdict::Ignored
        } else {
            Verdict::Fine
        }
    }
}

impl Prices<'_> {
    fn all_sound(&self, rows: Range<usize>) -> bool {
        let Prices { open, high, low, close, volume } = *self;
        let rows = open[rows.clone()]
            .iter()
            .zip(&high[rows.clone()])
            .zip(&low[rows.clone()])
            .zip(&close[rows.clone()])
            .zip(&volume[rows]);
        // Comparisons with NaN are false, and open and close lie between low and high. No early way out: that
        // is what lets the compiler look at several rows at once.
        rows.fold(true, |sound, ((((open, high), low), close), volume)| {
            sound
                & (high >= open)
                & (high >= close)
                & (low <= open)
                & (low <= close)
                & (*high <= f64::MAX)
                & (*low >= f64::MIN)
                & (*volume >= 0.0)
                & (*volume <= f64::MAX)
        })
    }

    fn fault(&self, row: usize) -> Option<Reason> {
        let (open, high, low, close) = (self.open[row], self.high[row], self.low[row], self.close[row]);
        let volume = self.volume[row];
        if ![open, high, low, close, volume].iter().all(|number| number.is_finite()) {
            Some(Reason::NotANumber)
        } else if high < open.max(close) {
            Some(Reason::High)
        } else if low > open.min(close) {
            Some(Reason::Low)
        } else if volume < 0.0 {
            Some(Reason::Volume)
        } else {
            None
        }
    }
}

/// Whether prices and volume of a candle pass the checks (R7).
#[cfg(feature = "live")]
pub(crate) fn is_sound(candle: &bt_core::Candle) -> bool {
    let [open, high, low, close, volume] =
        [&candle.open, &candle.high, &candle.low, &candle.close, &candle.volume].map(std::slice::from_ref);
    Prices { open, high, low, close, volume }.fault(0).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bt_core::{Candle, Trades};
    use proptest::prelude::*;

    const MINUTE: i64 = 60_000_000_000;

    fn at(nanos: i64) -> Candle {
        Candle {
            start: Timestamp::from_nanos(nanos),
            open: 2.0,
            high: 3.0,
            low: 1.0,
            close: 2.5,
            volume: 0.0,
            trades: Trades::ZERO,
            partial: false,
        }
    }

    /// Minutes [10, 1000).
    fn rules() -> Rules {
        let [from, to] = [10, 1000].map(|minute| Timestamp::from_nanos(minute * MINUTE));
        Rules { timeframe: Timeframe::MINUTE, range: TimeRange::new(from, to).unwrap() }
    }

    fn runs(candles: &[Candle], faults: &[(u32, RowFault)], rules: Rules) -> Vec<(u32, Verdict)> {
        let columns: Columns = candles.iter().copied().collect();
        let raw = Raw { columns: &columns, rows: &(0..columns.len()), faults, start_only: false };
        classify(raw, rules).into_iter().map(|run| (run.end, run.verdict)).collect()
    }

    fn verdict(candle: Candle, faults: &[RowFault]) -> Verdict {
        let faults: Vec<_> = faults.iter().map(|fault| (0, *fault)).collect();
        let found = runs(&[candle], &faults, rules());
        assert_eq!(found.len(), 1);
        found[0].1
    }

    #[test]
    fn r7_each_fault_is_found_by_the_row_and_by_the_block() {
        let nan = f64::NAN;
        let good = at(100 * MINUTE);
        let cases = [
            (Candle { open: nan, ..good }, Reason::NotANumber),
            (Candle { high: nan, ..good }, Reason::NotANumber),
            (Candle { low: nan, ..good }, Reason::NotANumber),
            (Candle { close: nan, ..good }, Reason::NotANumber),
            (Candle { volume: nan, ..good }, Reason::NotANumber),
            (Candle { high: f64::INFINITY, ..good }, Reason::NotANumber),
            (Candle { low: f64::NEG_INFINITY, ..good }, Reason::NotANumber),
            (Candle { volume: f64::INFINITY, ..good }, Reason::NotANumber),
            (Candle { high: f64::INFINITY, open: f64::INFINITY, ..good }, Reason::NotANumber),
            (Candle { high: 2.2, ..good }, Reason::High),
            (Candle { high: 2.7, open: 2.8, ..good }, Reason::High),
            (Candle { low: 2.2, ..good }, Reason::Low),
            (Candle { low: 1.5, close: 1.2, ..good }, Reason::Low),
            (Candle { volume: -0.5, ..good }, Reason::Volume),
        ];
        for (bad, reason) in cases {
            assert_eq!(verdict(bad, &[]), Verdict::Failed(reason), "{bad:?}");
            // Amid fine rows that are looked at in blocks.
            let mut candles: Vec<_> = (20..320).map(|minute| at(minute * MINUTE)).collect();
            candles[150] = Candle { start: candles[150].start, ..bad };
            let expected = [(150, Verdict::Fine), (151, Verdict::Failed(reason)), (300, Verdict::Fine)];
            assert_eq!(runs(&candles, &[], rules()), expected, "{bad:?}");
        }
        assert_eq!(verdict(Candle { volume: -0.0, ..good }, &[]), Verdict::Fine);
    }

    #[test]
    fn r7_the_first_check_that_applies_decides() {
        let bad = Candle { volume: -1.0, ..at(100 * MINUTE) };
        let all = [RowFault::Time, RowFault::Trades, RowFault::NotFinal];
        assert_eq!(verdict(at(0), &all), Verdict::Failed(Reason::Time));
        assert_eq!(verdict(Candle { start: Timestamp::from_nanos(1), ..bad }, &all[1..]), Verdict::Ignored);
        assert_eq!(verdict(at(1000 * MINUTE), &[]), Verdict::Ignored);
        assert_eq!(verdict(at(1000 * MINUTE - 1), &all[1..]), Verdict::Failed(Reason::OffGrid));
        assert_eq!(verdict(bad, &all[1..]), Verdict::Failed(Reason::Volume));
        assert_eq!(verdict(at(100 * MINUTE), &all[1..]), Verdict::Failed(Reason::Trades));
        assert_eq!(verdict(at(100 * MINUTE), &all[2..]), Verdict::NotFinal);
        assert_eq!(verdict(at(100 * MINUTE), &[]), Verdict::Fine);
    }

    #[test]
    fn r7_a_row_without_a_representable_end_fails() {
        let last = Timeframe::MINUTE.floor(Timestamp::MAX).unwrap();
        let rules = Rules { range: TimeRange::ALL, ..rules() };
        let candles: Vec<_> = (0..100).rev().map(|back| at(last.as_nanos() - back * MINUTE)).collect();
        assert_eq!(runs(&candles, &[], rules), [(99, Verdict::Fine), (100, Verdict::Failed(Reason::End))]);
    }

    #[test]
    fn r7_of_a_chunk_with_starts_only_rows_fail_or_are_ignored() {
        let start = [0, 0, 60 * MINUTE / 60, 2000 * MINUTE].map(Timestamp::from_nanos).to_vec();
        let columns = Columns { start, ..Columns::default() };
        let faults = [(1, RowFault::Time)];
        let raw = Raw { columns: &columns, rows: &(0..4), faults: &faults, start_only: true };
        let expected = [(1, Verdict::Ignored), (2, Verdict::Failed(Reason::Time)), (4, Verdict::Ignored)];
        assert_eq!(classify(raw, rules()), expected.map(|(end, verdict)| Run { end, verdict }));
    }

    #[test]
    fn fine_rows_are_one_run_until_one_does_not_follow() {
        let minutes = |range: Range<i64>| range.map(|minute| at(minute * MINUTE));
        let candles: Vec<_> = minutes(5..300).chain(minutes(301..600)).chain(minutes(599..1100)).collect();
        let (a, b) = (290 + 299, 290 + 299 + 401);
        let expected = [
            (5, Verdict::Ignored),
            (295, Verdict::Fine),
            (5 + a, Verdict::Fine),
            (5 + b, Verdict::Fine),
            (candles.len() as u32, Verdict::Ignored),
        ];
        assert_eq!(runs(&candles, &[], rules()), expected);
    }

    proptest! {
        #[test]
        fn blocks_say_what_the_rows_say_one_by_one(
            kinds in prop::collection::vec((0..400u32, 0..8usize), 0..12),
            total in 0..400u32,
        ) {
            let mut candles: Vec<_> = (0..total).map(|row| at((i64::from(row) + 5) * MINUTE)).collect();
            let mut faults = Vec::new();
            for (row, kind) in kinds.into_iter().filter(|(row, _)| *row < total) {
                let candle = &mut candles[row as usize];
                match kind {
                    0 => candle.high = 0.0,
                    1 => candle.volume = -1.0,
                    2 => candle.start = candle.start.saturating_add_nanos(1),
                    3 => candle.start = candle.start.saturating_add_nanos(MINUTE),
                    4 => candle.start = Timestamp::MAX,
                    5 => faults.push((row, RowFault::Time)),
                    6 => faults.push((row, RowFault::Trades)),
                    _ => faults.push((row, RowFault::NotFinal)),
                }
            }
            faults.sort_by_key(|(row, _)| *row);
            let mut expected: Vec<(u32, Verdict)> = Vec::new();
            for row in 0..total {
                let own: Vec<_> = faults.iter().filter(|(at, _)| *at == row).map(|(_, fault)| *fault).collect();
                let verdict = verdict(candles[row as usize], &own);
                let follows = row > 0
                    && candles[row as usize].start.as_nanos() - MINUTE == candles[row as usize - 1].start.as_nanos();
                match expected.last_mut() {
                    Some((end, last)) if *last == verdict && (follows || verdict != Verdict::Fine) => *end = row + 1,
                    _ => expected.push((row + 1, verdict)),
                }
            }
            prop_assert_eq!(runs(&candles, &faults, rules()), expected);
        }
    }
}
