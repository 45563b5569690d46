//! Rows and candles of one series.

use bt_core::{Candle, TimeRange, Timeframe, Timestamp};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::reference::{RawRow, RawTrades, check_rows};

const MILLI: i64 = 1_000_000;

/// What is wrong with generated rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dirt {
    /// Nothing, and no bar is missing.
    Clean,
    /// Bars are missing.
    Gaps,
    /// Bars are missing, and there are rows of every kind that R7 knows.
    Dirty,
}

/// Rows on the grid of `timeframe`, beginning within thirty bars from `from`, at most `most` of them.
pub fn rows(
    timeframe: Timeframe,
    from: Timestamp,
    dirt: Dirt,
    most: usize,
) -> impl Strategy<Value = Vec<RawRow>> {
    let lead = if dirt == Dirt::Clean { 0..=0 } else { 0..=30i64 };
    (lead, prop::collection::vec(step(timeframe, dirt), 0..=most)).prop_map(move |(lead, steps)| {
        let first = from.as_nanos().div_euclid(timeframe.as_nanos()) + lead;
        play(&steps, timeframe.as_nanos(), first)
    })
}

/// Rows as by [`rows`], cut into one to four files, some of which may be empty.
pub fn files(
    timeframe: Timeframe,
    from: Timestamp,
    dirt: Dirt,
    most: usize,
) -> impl Strategy<Value = Vec<Vec<RawRow>>> {
    let cuts = prop::collection::vec(any::<Index>(), 0..=3);
    (rows(timeframe, from, dirt, most), cuts).prop_map(|(rows, cuts)| {
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(rows.len() + 1)).collect();
        at.sort_unstable();
        cut(&rows, &at)
    })
}

/// Cuts rows into files before each of the given positions, which ascend.
pub fn cut(rows: &[RawRow], at: &[usize]) -> Vec<Vec<RawRow>> {
    let mut files = Vec::new();
    let mut done = 0;
    for &end in at.iter().chain([&rows.len()]) {
        files.push(rows[done..end].to_vec());
        done = end;
    }
    files
}

/// Sound candles of `timeframe`, in order, with gaps, at most `most`; before and after the epoch.
pub fn candles(timeframe: Timeframe, most: usize) -> impl Strategy<Value = Vec<Candle>> {
    let from = Timestamp::from_nanos(-50 * timeframe.as_nanos());
    rows(timeframe, from, Dirt::Gaps, most)
        .prop_map(move |rows| check_rows(&[rows], timeframe, TimeRange::ALL, false).emitted)
}

/// The next row, or a hole.
#[derive(Clone, Debug)]
struct Step {
    kind: Kind,
    values: Values,
}

/// Whether the series advances after a bad row: if not, a sound one follows in its place.
type Advances = bool;

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A sound row.
    Bar,
    /// No rows for so many bars.
    Hole(i64),
    /// A row with the start of so many bars ago; of one bar ago, it is a duplicate.
    Back(i64),
    /// A row off the grid by so many milliseconds.
    OffGrid(i64, Advances),
    /// A row without a start.
    NoTime(Advances),
    /// A row with impossible values.
    Faulty(Fault, Advances),
    /// A row that is not final.
    Draft(Advances),
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// One of the five numbers is NaN (null) or infinite.
    Number(usize, f64),
    High,
    Low,
    Volume,
    Trades,
}

#[derive(Clone, Copy, Debug)]
struct Values {
    open: u8,
    close: u8,
    above: u8,
    below: u8,
    volume: u8,
    trades: Option<u8>,
}

fn step(timeframe: Timeframe, dirt: Dirt) -> impl Strategy<Value = Step> {
    let milli = timeframe.as_nanos() / MILLI;
    let hole = prop_oneof![4 => 1..4i64, 1 => 4..90i64].prop_map(Kind::Hole);
    let number = (0..5usize, select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]));
    let fault = prop_oneof![
        number.prop_map(|(column, value)| Fault::Number(column, value)),
        Just(Fault::High),
        Just(Fault::Low),
        Just(Fault::Volume),
        Just(Fault::Trades),
    ];
    let bad = prop_oneof![
        2 => (1..5i64).prop_map(Kind::Back),
        1 => (1..milli.max(2), any::<bool>()).prop_map(|(by, advances)| Kind::OffGrid(by, advances)),
        1 => any::<bool>().prop_map(Kind::NoTime),
        3 => (fault, any::<bool>()).prop_map(|(fault, advances)| Kind::Faulty(fault, advances)),
        1 => any::<bool>().prop_map(Kind::Draft),
    ];
    let (holes, bads) = match dirt {
        Dirt::Clean => (0, 0),
        Dirt::Gaps => (3, 0),
        Dirt::Dirty => (3, 6),
    };
    // A weight of zero is refused, so what is not wanted is mapped to what is.
    let kind = (0..24 + holes + bads, hole, bad).prop_map(move |(at, hole, bad)| match at {
        _ if at < 24 => Kind::Bar,
        _ if at < 24 + holes => hole,
        _ => bad,
    });
    (kind, values()).prop_map(|(kind, values)| Step { kind, values })
}

fn values() -> impl Strategy<Value = Values> {
    // Most counts of trades are known, or next to no sum would be.
    let trades = prop::option::weighted(0.98, any::<u8>());
    (0..40u8, 0..40u8, 0..8u8, 0..8u8, any::<u8>(), trades).prop_map(
        |(open, close, above, below, volume, trades)| Values { open, close, above, below, volume, trades },
    )
}

/// The rows that the steps make, the first bar being number `next` since the epoch.
fn play(steps: &[Step], length: i64, mut next: i64) -> Vec<RawRow> {
    let mut rows = Vec::new();
    for Step { kind, values } in steps {
        let row = values.row(next * length);
        let (row, advances) = match *kind {
            Kind::Bar => (row, true),
            Kind::Hole(bars) => {
                next += bars;
                continue;
            }
            Kind::Back(bars) => (RawRow { start: Some((next - bars) * length), ..row }, false),
            Kind::OffGrid(milli, advances) => {
                (RawRow { start: Some(next * length + milli * MILLI), ..row }, advances)
            }
            Kind::NoTime(advances) => (RawRow { start: None, ..row }, advances),
            Kind::Faulty(fault, advances) => (fault.applied_to(row), advances),
            Kind::Draft(advances) => (RawRow { is_final: false, ..row }, advances),
        };
        next += i64::from(advances);
        rows.push(row);
    }
    rows
}

impl Values {
    fn row(&self, start: i64) -> RawRow {
        let [open, close] = [self.open, self.close].map(|n| 10.0 + 0.25 * f64::from(n));
        RawRow {
            start: Some(start),
            open,
            high: open.max(close) + 0.25 * f64::from(self.above),
            low: open.min(close) - 0.25 * f64::from(self.below),
            close,
            volume: 0.25 * f64::from(self.volume),
            trades: self.trades.map_or(RawTrades::Unknown, |n| RawTrades::Known(n.into())),
            is_final: true,
        }
    }
}

impl Fault {
    fn applied_to(self, mut row: RawRow) -> RawRow {
        match self {
            Fault::Number(column, value) => {
                *[&mut row.open, &mut row.high, &mut row.low, &mut row.close, &mut row.volume][column] =
                    value;
            }
            Fault::High => row.high = row.open.max(row.close) - 0.25,
            Fault::Low => row.low = row.open.min(row.close) + 0.25,
            Fault::Volume => row.volume = -0.25,
            Fault::Trades => row.trades = RawTrades::Negative(-1),
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{FailReason, Remark};
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use std::collections::BTreeSet;

    /// A property over rows that hold no fault shows nothing, so the generator itself is looked at.
    #[test]
    fn dirty_rows_hold_every_remark() {
        let mut runner = TestRunner::deterministic();
        let mut seen = BTreeSet::new();
        let (mut skipped, mut emitted, mut bars) = (0, 0, 0);
        let (mut drafts, mut drafts_made_final) = (0, 0);
        for _ in 0..100 {
            let strategy = files(Timeframe::MINUTE, Timestamp::EPOCH, Dirt::Dirty, 200);
            let files = strategy.new_tree(&mut runner).unwrap().current();
            let checked = check_rows(&files, Timeframe::MINUTE, TimeRange::ALL, false);
            seen.extend(checked.notes.iter().map(|note| match note.remark {
                Remark::Gap(_) => "gap".to_owned(),
                other => format!("{other:?}"),
            }));
            for pair in files.concat().windows(2).filter(|pair| !pair[0].is_final) {
                drafts += 1;
                drafts_made_final += usize::from(pair[1].start == pair[0].start);
            }
            skipped += checked.stats.skipped;
            emitted += checked.stats.emitted;
            bars += checked.stats.rows_read();
        }
        use FailReason::*;
        let reasons = [Time, OffGrid, NotANumber, High, Low, Volume, Trades];
        let mut all: BTreeSet<_> = reasons.iter().map(|r| format!("{:?}", Remark::Failed(*r))).collect();
        all.extend(["gap", "Duplicate", "OutOfOrder"].map(str::to_owned));
        assert_eq!(seen, all);
        assert!(drafts_made_final * 4 > drafts, "{drafts_made_final} of {drafts}");
        assert!(skipped > 0 && emitted * 2 > bars, "{emitted} of {bars}, {skipped} skipped");
    }

    proptest! {
        #[test]
        fn clean_rows_are_all_emitted(rows in rows(Timeframe::MINUTE, Timestamp::EPOCH, Dirt::Clean, 50)) {
            let count = rows.len();
            let checked = check_rows(&[rows], Timeframe::MINUTE, TimeRange::ALL, true);
            prop_assert_eq!((checked.emitted.len(), checked.notes.len()), (count, 0));
        }
    }
}
