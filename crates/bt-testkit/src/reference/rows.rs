//! Rows to candles: R7 to R10.

use std::fmt;

use bt_core::{Candle, Level, LogEvent, Series, SourceStats, TimeRange, Timeframe, Timestamp, Trades};

/// A row as it stands in a file, before any check.
#[derive(Clone, Copy, PartialEq)]
pub struct RawRow {
    /// Start in nanoseconds since the epoch; `None` if it is null or does not fit.
    pub start: Option<i64>,
    /// First price; NaN stands for null too, as in the other numbers.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Traded volume.
    pub volume: f64,
    /// Number of trades.
    pub trades: RawTrades,
    /// Whether the row is final; a file without such a column has only final rows.
    pub is_final: bool,
}

/// The number of trades as it stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawTrades {
    /// Null, or no such column.
    Unknown,
    /// A count, at most `i64::MAX`.
    Known(u64),
    /// A number below zero, which fails the row.
    Negative(i64),
}

impl RawRow {
    /// A final row that passes every check of its values: all prices 1, volume 1, trades unknown.
    pub fn plain(start: i64) -> Self {
        RawRow {
            start: Some(start),
            open: 1.0,
            high: 1.0,
            low: 1.0,
            close: 1.0,
            volume: 1.0,
            trades: RawTrades::Unknown,
            is_final: true,
        }
    }

    /// The final row that a complete candle comes from.
    pub fn of(candle: &Candle) -> Self {
        RawRow {
            start: Some(candle.start.as_nanos()),
            open: candle.open,
            high: candle.high,
            low: candle.low,
            close: candle.close,
            volume: candle.volume,
            trades: candle.trades.get().map_or(RawTrades::Unknown, RawTrades::Known),
            is_final: true,
        }
    }

    /// What is wrong with the values of the row, the first fault in the order of R7.
    fn fault(&self) -> Option<FailReason> {
        let RawRow { open, high, low, close, volume, trades, .. } = *self;
        if ![open, high, low, close, volume].iter().all(|number| number.is_finite()) {
            return Some(FailReason::NotANumber);
        }
        if high < open || high < close {
            return Some(FailReason::High);
        }
        if low > open || low > close {
            return Some(FailReason::Low);
        }
        if volume < 0.0 {
            return Some(FailReason::Volume);
        }
        if let RawTrades::Negative(_) = trades {
            return Some(FailReason::Trades);
        }
        None
    }
}

impl fmt::Debug for RawRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RawRow { start, open, high, low, close, volume, trades, is_final } = self;
        match start {
            Some(nanos) => write!(f, "{}", Timestamp::from_nanos(*nanos))?,
            None => write!(f, "(no start)")?,
        }
        write!(f, " {open}/{high}/{low}/{close} x{volume} {trades:?}")?;
        if *is_final { Ok(()) } else { write!(f, " not final") }
    }
}

/// Why a row failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailReason {
    /// Its start is null or does not fit.
    Time,
    /// Its start is not on the grid of the timeframe.
    OffGrid,
    /// Its end does not fit.
    End,
    /// Null, NaN or infinite in one of the prices or the volume.
    NotANumber,
    /// `high < max(open, close)`.
    High,
    /// `low > min(open, close)`.
    Low,
    /// Negative volume.
    Volume,
    /// Negative number of trades.
    Trades,
}

/// What a source has to say about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// The row failed.
    Failed(FailReason),
    /// The row was dropped: it has the start of the last emitted row.
    Duplicate,
    /// The row was dropped: it starts before the last emitted row.
    OutOfOrder,
    /// Before this row, which is emitted, so many bars are missing.
    Gap(u64),
}

/// A remark, and its place among the candles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// Number of candles emitted before it.
    pub position: usize,
    /// Start of the row that it is about, if the row has one.
    pub start: Option<Timestamp>,
    /// What there is to say.
    pub remark: Remark,
}

impl Note {
    /// The log that a scripted source makes of it. Event and instant are those of a real source; level,
    /// message and fields are no more than a stand-in.
    pub fn to_event(&self, series: &Series) -> LogEvent {
        let (event, missing) = match self.remark {
            Remark::Failed(_) => ("SOURCE_ROW_FAILED", None),
            Remark::Duplicate => ("SOURCE_ROW_DROPPED_DUPLICATE", None),
            Remark::OutOfOrder => ("SOURCE_ROW_DROPPED_MONOTONICITY", None),
            Remark::Gap(missing) => ("SOURCE_GAP_DETECTED", Some(missing)),
        };
        let mut log = LogEvent::new(Level::Warn, "source", event, format!("{:?}", self.remark));
        log.sim_time = self.start;
        if let Some(missing) = missing {
            log = log.with("missing", missing);
        }
        log.with_series(series)
    }
}

/// What comes of the rows of a series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckedRows {
    /// The candles, in order.
    pub emitted: Vec<Candle>,
    /// The counters at the end.
    pub stats: SourceStats,
    /// What there was to say, in order.
    pub notes: Vec<Note>,
    /// The row that ended the source, in strict mode. It is counted by its fate, and stands in place of the
    /// log that there would have been otherwise.
    pub error: Option<Note>,
}

/// Checks the rows of a series, given file by file in the order of time (R6), by R7 to R10.
pub fn check_rows(
    files: &[Vec<RawRow>],
    timeframe: Timeframe,
    range: TimeRange,
    strict: bool,
) -> CheckedRows {
    let mut checked = CheckedRows::default();
    for file in files {
        checked.stats.files += 1;
        for row in file {
            check_row(&mut checked, row, timeframe, range, strict);
            if checked.error.is_some() {
                return checked;
            }
        }
    }
    checked
}

fn check_row(checked: &mut CheckedRows, row: &RawRow, timeframe: Timeframe, range: TimeRange, strict: bool) {
    let fail = |checked: &mut CheckedRows, reason| {
        checked.stats.failed += 1;
        object(checked, row, Remark::Failed(reason), strict);
    };
    let Some(start) = row.start.map(Timestamp::from_nanos) else {
        return fail(checked, FailReason::Time);
    };
    if start < range.from() || start >= range.to() {
        checked.stats.out_of_range += 1;
        return;
    }
    if start.as_nanos() % timeframe.as_nanos() != 0 {
        return fail(checked, FailReason::OffGrid);
    }
    if start.as_nanos().checked_add(timeframe.as_nanos()).is_none() {
        return fail(checked, FailReason::End);
    }
    if let Some(reason) = row.fault() {
        return fail(checked, reason);
    }
    if !row.is_final {
        checked.stats.skipped += 1;
        return;
    }
    if let Some(last) = checked.stats.last_start {
        if start < last {
            checked.stats.dropped_out_of_order += 1;
            return object(checked, row, Remark::OutOfOrder, strict);
        }
        if start == last {
            checked.stats.dropped_duplicate += 1;
            return object(checked, row, Remark::Duplicate, strict);
        }
        let missing = bars_between(last, start, timeframe);
        if missing > 0 {
            checked.stats.gaps += 1;
            checked.stats.missing_bars += missing;
            let position = checked.emitted.len();
            checked.notes.push(Note { position, start: Some(start), remark: Remark::Gap(missing) });
        }
    } else {
        checked.stats.first_start = Some(start);
    }
    checked.stats.emitted += 1;
    checked.stats.last_start = Some(start);
    checked.emitted.push(Candle {
        start,
        open: row.open,
        high: row.high,
        low: row.low,
        close: row.close,
        volume: row.volume,
        trades: match row.trades {
            RawTrades::Known(count) => Trades::new(count).expect("a count fits"),
            RawTrades::Unknown | RawTrades::Negative(_) => Trades::UNKNOWN,
        },
        partial: false,
    });
}

/// Takes down a remark on a bad row, or ends the source over it.
fn object(checked: &mut CheckedRows, row: &RawRow, remark: Remark, strict: bool) {
    let start = row.start.map(Timestamp::from_nanos);
    let note = Note { position: checked.emitted.len(), start, remark };
    if strict {
        checked.error = Some(note);
    } else {
        checked.notes.push(note);
    }
}

/// How many bars would fit between the bar at `last` and the bar at `start`.
fn bars_between(last: Timestamp, start: Timestamp, timeframe: Timeframe) -> u64 {
    let step = i128::from(timeframe.as_nanos());
    let bars = (i128::from(start.as_nanos()) - i128::from(last.as_nanos())) / step - 1;
    u64::try_from(bars).expect("starts increase by whole bars")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000_000;

    fn at(minute: i64) -> RawRow {
        RawRow::plain(minute * MINUTE)
    }

    /// Minutes [10, 20).
    fn range() -> TimeRange {
        let [from, to] = [10, 20].map(|m| Timestamp::from_nanos(m * MINUTE));
        TimeRange::new(from, to).unwrap()
    }

    fn check(rows: &[RawRow]) -> CheckedRows {
        check_rows(&[rows.to_vec()], Timeframe::MINUTE, range(), false)
    }

    fn starts(checked: &CheckedRows) -> Vec<i64> {
        checked.emitted.iter().map(|c| c.start.as_nanos() / MINUTE).collect()
    }

    fn remarks(checked: &CheckedRows) -> Vec<(usize, Remark)> {
        checked.notes.iter().map(|n| (n.position, n.remark)).collect()
    }

    #[test]
    fn r7_each_fault_of_a_row_alone() {
        let nan = f64::NAN;
        let faults = [
            (RawRow { start: None, ..at(11) }, FailReason::Time),
            (RawRow { start: Some(11 * MINUTE + 1), ..at(11) }, FailReason::OffGrid),
            (RawRow { open: nan, ..at(11) }, FailReason::NotANumber),
            (RawRow { high: f64::INFINITY, ..at(11) }, FailReason::NotANumber),
            (RawRow { low: f64::NEG_INFINITY, ..at(11) }, FailReason::NotANumber),
            (RawRow { close: nan, ..at(11) }, FailReason::NotANumber),
            (RawRow { volume: nan, ..at(11) }, FailReason::NotANumber),
            (RawRow { high: 1.5, open: 2.0, ..at(11) }, FailReason::High),
            (RawRow { high: 1.5, close: 2.0, ..at(11) }, FailReason::High),
            (RawRow { high: 2.0, low: 1.5, close: 2.0, ..at(11) }, FailReason::Low),
            (RawRow { high: 2.0, low: 1.5, open: 2.0, ..at(11) }, FailReason::Low),
            (RawRow { volume: -0.25, ..at(11) }, FailReason::Volume),
            (RawRow { trades: RawTrades::Negative(-1), ..at(11) }, FailReason::Trades),
        ];
        for (row, reason) in faults {
            let checked = check(&[at(10), row, at(11)]);
            assert_eq!(starts(&checked), [10, 11], "{row:?}");
            assert_eq!(remarks(&checked), [(1, Remark::Failed(reason))], "{row:?}");
            assert_eq!((checked.stats.failed, checked.stats.rows_read()), (1, 3));
        }
        let sound = RawRow { trades: RawTrades::Known(0), volume: 0.0, ..at(11) };
        assert_eq!(check(&[sound]).emitted[0].trades, Trades::ZERO);
    }

    #[test]
    fn r7_the_first_check_that_applies_decides() {
        let bad = RawRow { volume: -1.0, is_final: false, ..at(15) };
        // (row, failed, out of range, skipped, out of order, duplicate), after a row at minute 15.
        let cases = [
            // A row without a time cannot be out of range.
            (RawRow { start: None, ..bad }, [1, 0, 0, 0, 0]),
            // Outside the range comes before off the grid and bad values.
            (RawRow { start: Some(9 * MINUTE + 1), ..bad }, [0, 1, 0, 0, 0]),
            (RawRow { start: Some(20 * MINUTE), ..bad }, [0, 1, 0, 0, 0]),
            // The range ends before its `to`, not at it.
            (RawRow { start: Some(20 * MINUTE - 1), ..at(0) }, [1, 0, 0, 0, 0]),
            // Bad values come before not final, out of order and duplicate.
            (bad, [1, 0, 0, 0, 0]),
            (RawRow { volume: -1.0, ..at(12) }, [1, 0, 0, 0, 0]),
            // Not final comes before out of order and duplicate.
            (RawRow { is_final: false, ..at(15) }, [0, 0, 1, 0, 0]),
            (RawRow { is_final: false, ..at(12) }, [0, 0, 1, 0, 0]),
            (at(12), [0, 0, 0, 1, 0]),
            (at(15), [0, 0, 0, 0, 1]),
        ];
        for (row, expected) in cases {
            let SourceStats {
                failed, out_of_range, skipped, dropped_out_of_order, dropped_duplicate, ..
            } = check(&[at(15), row]).stats;
            let found = [failed, out_of_range, skipped, dropped_out_of_order, dropped_duplicate];
            assert_eq!(found, expected, "{row:?}");
        }
    }

    #[test]
    fn r8_every_row_is_counted_once_and_ends_are_kept() {
        let rows = [at(9), at(10), at(10), RawRow { is_final: false, ..at(11) }, at(12), at(11), at(20)];
        let stats = check(&rows).stats;
        let expected = SourceStats {
            out_of_range: 2,
            skipped: 1,
            dropped_duplicate: 1,
            dropped_out_of_order: 1,
            emitted: 2,
            gaps: 1,
            missing_bars: 1,
            first_start: Some(Timestamp::from_nanos(10 * MINUTE)),
            last_start: Some(Timestamp::from_nanos(12 * MINUTE)),
            files: 1,
            failed: 0,
        };
        assert_eq!(stats, expected);
        assert_eq!(stats.rows_read(), 7);
        assert_eq!(check(&[]).stats, SourceStats { files: 1, ..SourceStats::default() });
    }

    #[test]
    fn r9_of_duplicates_the_first_is_kept_across_files_too() {
        let second = RawRow { close: 0.5, low: 0.5, ..at(11) };
        let files = [vec![at(10), at(11)], vec![second, at(12)]];
        let checked = check_rows(&files, Timeframe::MINUTE, range(), false);
        assert_eq!(starts(&checked), [10, 11, 12]);
        assert_eq!(checked.emitted[1].close, 1.0);
        assert_eq!(remarks(&checked), [(2, Remark::Duplicate)]);
        assert_eq!(checked.stats.files, 2);
    }

    #[test]
    fn r9_a_row_that_is_not_final_is_no_first() {
        let draft = RawRow { close: 0.5, low: 0.5, is_final: false, ..at(10) };
        let checked = check(&[draft, at(10)]);
        assert_eq!((starts(&checked), checked.emitted[0].close), (vec![10], 1.0));
    }

    #[test]
    fn r10_gaps_are_counted_in_bars_between_emitted_rows_only() {
        // Neither the space before the first row nor the rows that are passed over count.
        let rows = [at(12), at(13), RawRow { volume: -1.0, ..at(14) }, at(15), at(19)];
        let checked = check(&rows);
        assert_eq!(starts(&checked), [12, 13, 15, 19]);
        assert_eq!(
            remarks(&checked),
            [(2, Remark::Failed(FailReason::Volume)), (2, Remark::Gap(1)), (3, Remark::Gap(3))]
        );
        assert_eq!((checked.stats.gaps, checked.stats.missing_bars), (2, 4));
    }

    #[test]
    fn strict_mode_ends_at_the_first_failed_or_dropped_row() {
        let rows = [at(10), at(12), at(12), at(13)];
        let checked = check_rows(&[rows.to_vec()], Timeframe::MINUTE, range(), true);
        assert_eq!(starts(&checked), [10, 12]);
        assert_eq!(remarks(&checked), [(1, Remark::Gap(1))]);
        assert_eq!(checked.error.unwrap().remark, Remark::Duplicate);
        let skipped = [at(9), RawRow { is_final: false, ..at(10) }, at(10)];
        assert_eq!(check_rows(&[skipped.to_vec()], Timeframe::MINUTE, range(), true).error, None);
    }

    #[test]
    fn rows_before_the_epoch_lie_on_the_grid_too() {
        let rows = vec![at(-2), RawRow { start: Some(-MINUTE - 1), ..at(0) }, at(-1)];
        let checked = check_rows(&[rows], Timeframe::MINUTE, TimeRange::ALL, false);
        assert_eq!((starts(&checked), checked.stats.failed), (vec![-2, -1], 1));
    }

    #[test]
    fn a_row_reads_well_in_a_failing_case() {
        let row = RawRow { is_final: false, ..at(1) };
        assert_eq!(format!("{row:?}"), "1970-01-01T00:01:00Z 1/1/1/1 x1 Unknown not final");
    }
}
