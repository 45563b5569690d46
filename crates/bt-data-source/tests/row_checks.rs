//! R7 to R10 and what is logged of them, row by row against the naive checks: dirt of any kind in any column of any
//! row, several faults in one, and instants at both ends of what can be represented.

#![cfg(feature = "write")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bt_core::{
    Candle, CandleSource, Instrument, LogEvent, Series, SourceStats, TimeRange, Timeframe, Timestamp, Trades,
    Value,
};
use bt_data_source::{Cell, FieldKind, MemorySource, ParquetSource};
use bt_testkit::reference::{
    CheckedRows, FailReason, Note, RawRow, RawTrades, Remark, RemarkKind, RowLog, check_rows, row_logs,
};
use bt_testkit::{Recorder, drain_source, strategies};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

const MILLI: i64 = 1_000_000;

/// Rows of any kind, and what must not change what becomes of them.
#[derive(Clone, Debug)]
struct Case {
    timeframe: Timeframe,
    /// Whether starts are stored in milliseconds: then they need not be representable.
    millis: bool,
    rows: Vec<Row>,
    range: TimeRange,
    strict: bool,
    row_logs: u64,
    cuts: Vec<Index>,
    group: usize,
    batch_rows: usize,
}

/// A row, and its start as it is stored.
#[derive(Clone, Debug)]
struct Row {
    stored: Option<i64>,
    row: RawRow,
}

impl Case {
    fn series(&self) -> Series {
        "binance.spot:BTCUSDT".parse::<Instrument>().unwrap().at(self.timeframe)
    }

    /// The rows, file by file.
    fn files(&self) -> Vec<&[Row]> {
        let mut cuts: Vec<_> = self.cuts.iter().map(|cut| cut.index(self.rows.len() + 1)).collect();
        cuts.sort_unstable();
        let mut rest = &self.rows[..];
        let mut files = Vec::new();
        for cut in cuts.into_iter().rev() {
            let (before, after) = rest.split_at(cut);
            files.insert(0, after);
            rest = before;
        }
        files.insert(0, rest);
        files
    }

    fn write(&self, dir: &Path) -> Vec<PathBuf> {
        let kind = if self.millis { FieldKind::Integer } else { FieldKind::Timestamp };
        let cell = |stored| {
            if self.millis { Cell::Integer(stored) } else { Cell::Timestamp(Timestamp::from_nanos(stored)) }
        };
        let write = |(number, rows): (usize, &&[Row])| {
            let path = dir.join(format!("{number}.parquet"));
            let rows = rows.iter().enumerate().map(|(at, row)| {
                let mut cells = common::cells(&row.row);
                cells[0] = row.stored.map_or(Cell::Null, cell);
                // Not known to be final is not final.
                if !row.row.is_final && at % 2 == 0 {
                    cells[7] = Cell::Null;
                }
                cells
            });
            common::write_cells(&path, kind, rows, self.group);
            path
        };
        self.files().iter().enumerate().map(write).collect()
    }

    /// The rows that candles in memory can be.
    fn in_memory(&self) -> Vec<RawRow> {
        let is_candle = |row: &RawRow| {
            row.start.is_some() && row.is_final && !matches!(row.trades, RawTrades::Negative(_))
        };
        self.rows.iter().map(|row| row.row).filter(is_candle).collect()
    }
}

/// Everything that can be seen of a source.
#[derive(Debug, PartialEq)]
struct Course {
    candles: Vec<[u64; 7]>,
    stats: SourceStats,
    logs: Vec<(usize, LogEvent)>,
    error: Option<String>,
}

impl Course {
    fn of(source: impl CandleSource, recorder: &Recorder) -> Course {
        let stats = source.stats();
        let (candles, error) = drain_source(source, recorder);
        let mut logs = recorder.logs_with_positions();
        logs.retain(|(_, log)| log.event != "SOURCE_FILE_OPEN");
        logs.iter_mut().for_each(|(_, log)| log.message = "".into());
        Course {
            candles: candles.iter().map(bits).collect(),
            stats: stats.snapshot(),
            logs,
            error: error.map(|error| error.to_string()),
        }
    }

    /// What there is to see of rows that were checked so; `place` says where the row of a number stands.
    fn expected(case: &Case, checked: &CheckedRows, place: impl Fn(usize) -> String) -> Course {
        let mut logs: Vec<_> =
            row_logs(checked, case.row_logs).iter().map(|log| event(case, checked, log)).collect();
        let error = checked.error.map(|note| {
            let number = checked.stats.rows_read() as usize - 1;
            let start = note.start.map(|start| format!(", which starts at {start}")).unwrap_or_default();
            let reason = objection(checked, note);
            format!("bad row of {} at {}{start}: {reason}", case.series(), place(number))
        });
        if let Some(note) = checked.error {
            let failed = LogEvent::new(bt_core::Level::Error, "source", "SOURCE_FAILED", "")
                .with("reason", format!("bad row: {}", objection(checked, note)))
                .with_series(&case.series());
            logs.push((checked.emitted.len(), failed));
        }
        Course {
            candles: checked.emitted.iter().map(bits).collect(),
            stats: checked.stats.clone(),
            logs,
            error,
        }
    }
}

fn bits(candle: &Candle) -> [u64; 7] {
    let Candle { start, open, high, low, close, volume, trades, partial } = *candle;
    assert!(!partial);
    let [open, high, low, close, volume] = [open, high, low, close, volume].map(f64::to_bits);
    let trades = trades.get().unwrap_or(u64::MAX);
    [start.as_nanos() as u64, open, high, low, close, volume, trades]
}

const fn reason(reason: FailReason) -> &'static str {
    match reason {
        FailReason::Time => "its start is null or not representable",
        FailReason::OffGrid => "its start is not on the grid of the timeframe",
        FailReason::End => "its end is not representable",
        FailReason::NotANumber => "open, high, low, close or volume is null, NaN or infinite",
        FailReason::High => "high is below open or close",
        FailReason::Low => "low is above open or close",
        FailReason::Volume => "volume is negative",
        FailReason::Trades => "the number of trades is negative or not representable",
    }
}

/// What an error of strict mode says of a row.
fn objection(checked: &CheckedRows, note: Note) -> String {
    match note.remark {
        Remark::Failed(why) => reason(why).to_owned(),
        Remark::Duplicate => "it has the start of the row emitted before it".to_owned(),
        Remark::OutOfOrder => {
            let last = checked.emitted[note.position - 1].start;
            format!("it starts before the row emitted last, at {last}")
        }
        Remark::Gap(_) => panic!("a gap is no error"),
    }
}

const fn name(kind: RemarkKind) -> &'static str {
    match kind {
        RemarkKind::Failed(_) => "SOURCE_ROW_FAILED",
        RemarkKind::OutOfOrder => "SOURCE_ROW_DROPPED_MONOTONICITY",
        RemarkKind::Duplicate => "SOURCE_ROW_DROPPED_DUPLICATE",
        RemarkKind::Gap => "SOURCE_GAP_DETECTED",
    }
}

/// The event that says it, but for its message.
fn event(case: &Case, checked: &CheckedRows, log: &RowLog) -> (usize, LogEvent) {
    let mut fields: Vec<(&'static str, Value)> = Vec::new();
    let (position, event, at) = match *log {
        RowLog::One(note) => {
            match note.remark {
                Remark::Failed(why) => fields.push(("reason", reason(why).into())),
                Remark::Duplicate => {}
                Remark::OutOfOrder => fields.push(("last", checked.emitted[note.position - 1].start.into())),
                Remark::Gap(missing) => {
                    let before = checked.emitted[note.position - 1].start;
                    fields.push(("missing", missing.into()));
                    fields.push(("from", case.timeframe.end_of(before).unwrap().into()));
                    fields.push(("to", note.start.unwrap().into()));
                }
            }
            (note.position, name(RemarkKind::of(note.remark)), note.start)
        }
        RowLog::Sum { position, kind, count, missing, span } => {
            fields.push(("event", name(kind).into()));
            fields.push(("count", count.into()));
            match kind {
                RemarkKind::Failed(why) => fields.push(("reason", reason(why).into())),
                RemarkKind::Gap => fields.push(("missing", missing.into())),
                RemarkKind::OutOfOrder | RemarkKind::Duplicate => {}
            }
            if let Some((first, last)) = span {
                fields.extend([("first", first.into()), ("last", last.into())]);
            }
            (position, "SOURCE_ROWS_SUPPRESSED", span.map(|(_, last)| last))
        }
    };
    let mut event = LogEvent::new(bt_core::Level::Warn, "source", event, "").with_series(&case.series());
    event.sim_time = at;
    event.fields = fields;
    (position, event)
}

/// Where the next row starts, in bars from the one that would follow.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Later, or where it belongs.
    Ahead(i64),
    Back(i64),
    /// Off the grid by so many of the unit that starts are stored in.
    Off(i64),
    /// Anywhere.
    At(i64),
    Null,
}

fn place() -> impl Strategy<Value = Place> {
    let edges = select(vec![
        i64::MIN,
        i64::MIN + 1,
        -1,
        0,
        1,
        i64::MAX / MILLI,
        i64::MAX / MILLI + 1,
        i64::MIN / MILLI - 1,
        i64::MAX,
    ]);
    prop_oneof![
        30 => Just(Place::Ahead(0)),
        3 => (1..5i64).prop_map(Place::Ahead),
        // A month or so of the smaller timeframes.
        1 => (1..60_000i64).prop_map(Place::Ahead),
        3 => (1..6i64).prop_map(Place::Back),
        1 => (1..1000i64).prop_map(Place::Off),
        1 => prop_oneof![edges, any::<i64>()].prop_map(Place::At),
        1 => Just(Place::Null),
    ]
}

/// Numbers that make a candle or not, depending on what stands beside them.
fn number() -> impl Strategy<Value = f64> {
    select(vec![
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        -5e-324,
        0.0,
        -0.0,
        -1.0,
        0.5,
        1.0,
        2.0,
        3.0,
    ])
}

fn trades() -> impl Strategy<Value = RawTrades> {
    prop_oneof![
        3 => Just(RawTrades::Unknown),
        3 => (0..9u64).prop_map(RawTrades::Known),
        1 => Just(RawTrades::Known(i64::MAX as u64)),
        1 => select(vec![-1, -2, i64::MIN]).prop_map(RawTrades::Negative),
    ]
}

/// What the columns behind the start hold: mostly a sound candle, else each whatever it may.
fn columns() -> impl Strategy<Value = RawRow> {
    let sound = Just(RawRow { high: 3.0, low: 0.5, close: 2.0, ..RawRow::plain(0) });
    let one = (0..5usize, number()).prop_map(|(column, number)| {
        let mut row = RawRow { high: 3.0, low: 0.5, close: 2.0, ..RawRow::plain(0) };
        *[&mut row.open, &mut row.high, &mut row.low, &mut row.close, &mut row.volume][column] = number;
        row
    });
    let all = (prop::array::uniform5(number()), trades(), prop::bool::weighted(0.7)).prop_map(
        |([open, high, low, close, volume], trades, is_final)| RawRow {
            start: None,
            open,
            high,
            low,
            close,
            volume,
            trades,
            is_final,
        },
    );
    let draft = (trades(), any::<bool>()).prop_map(|(trades, is_final)| RawRow {
        trades,
        is_final,
        ..RawRow::plain(0)
    });
    let volume = Just(RawRow { volume: -0.25, ..RawRow::plain(0) });
    prop_oneof![24 => sound, 4 => one, 4 => all, 4 => draft, 1 => volume]
}

/// The rows that begin at `from`.
fn play(drawn: Vec<(Place, RawRow)>, timeframe: Timeframe, millis: bool, from: Timestamp) -> Vec<Row> {
    let unit = if millis { MILLI } else { 1 };
    let length = i128::from(timeframe.as_nanos() / unit);
    let mut next = i128::from(from.as_nanos().div_euclid(timeframe.as_nanos()));
    let row = |(place, row)| {
        let on_grid = |bar: i128| (bar * length).clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        let stored = match place {
            Place::Ahead(bars) => {
                next += i128::from(bars) + 1;
                Some(on_grid(next - 1))
            }
            Place::Back(bars) => Some(on_grid(next - i128::from(bars))),
            Place::Off(by) => Some(on_grid(next).saturating_add(by)),
            Place::At(stored) => Some(stored),
            Place::Null => None,
        };
        Row { stored, row: RawRow { start: stored.and_then(|stored| stored.checked_mul(unit)), ..row } }
    };
    drawn.into_iter().map(row).collect()
}

fn case() -> impl Strategy<Value = Case> {
    let timeframe = select(vec!["1ms", "7s", "1m", "1h", "1d", "30d", "106751d"]);
    let from =
        select(vec!["1677-09-22", "1969-12-31T23:50:00Z", "2024-01-31T23:50:00Z", "2262-04-11T23:40:00Z"]);
    let rows = (timeframe, any::<bool>(), from, prop::collection::vec((place(), columns()), 0..160));
    let rows = rows.prop_map(|(timeframe, millis, from, drawn)| {
        let timeframe: Timeframe = timeframe.parse().unwrap();
        (timeframe, millis, play(drawn, timeframe, millis, from.parse().unwrap()))
    });
    rows.prop_flat_map(|(timeframe, millis, rows)| {
        // From and to rows, or the ends of time.
        let starts: Vec<_> = rows.iter().filter_map(|row| row.row.start).map(Timestamp::from_nanos).collect();
        let ends: Vec<_> = starts.into_iter().chain([Timestamp::MIN, Timestamp::MAX]).collect();
        let range = prop_oneof![
            Just(TimeRange::ALL),
            (select(ends.clone()), select(ends))
                .prop_map(|(a, b)| { TimeRange::new(a.min(b), a.max(b)).unwrap_or(TimeRange::ALL) })
        ];
        let cuts = prop::collection::vec(any::<Index>(), 0..4);
        let strict = prop::bool::weighted(0.3);
        let row_logs = select(vec![0, 1, 3, u64::MAX]);
        (Just(rows), range, strict, row_logs, cuts, 1..70usize, strategies::batch_rows()).prop_map(
            move |(rows, range, strict, row_logs, cuts, group, batch_rows)| Case {
                timeframe,
                millis,
                rows,
                range,
                strict,
                row_logs,
                cuts,
                group,
                batch_rows,
            },
        )
    })
}

/// A property over rows that hold no fault shows nothing, so the generator itself is looked at.
#[test]
fn cases_hold_every_fate_and_every_log() {
    let mut runner = TestRunner::deterministic();
    let (mut ones, mut sums, mut errors) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (mut stats, mut sums_between) = ([0; 5], 0);
    for _ in 0..512 {
        let case = case().new_tree(&mut runner).unwrap().current();
        let rows = vec![case.rows.iter().map(|row| row.row).collect()];
        let checked = check_rows(&rows, case.timeframe, case.range, case.strict);
        for log in row_logs(&checked, case.row_logs) {
            match log {
                RowLog::One(note) => ones.insert(RemarkKind::of(note.remark)),
                RowLog::Sum { kind, position, .. } => {
                    sums_between += usize::from(position > 0 && position < checked.emitted.len());
                    sums.insert(kind)
                }
            };
        }
        errors.extend(checked.error.map(|note| RemarkKind::of(note.remark)));
        let SourceStats { emitted, out_of_range, failed, skipped, .. } = checked.stats;
        for (sum, count) in
            stats.iter_mut().zip([emitted, out_of_range, failed, skipped, checked.stats.dropped()])
        {
            *sum += count;
        }
    }
    use FailReason::*;
    let failed = [Time, OffGrid, End, NotANumber, High, Low, Volume, Trades].map(RemarkKind::Failed);
    let mut all: BTreeSet<_> =
        failed.into_iter().chain([RemarkKind::OutOfOrder, RemarkKind::Duplicate]).collect();
    assert_eq!(errors, all);
    all.insert(RemarkKind::Gap);
    assert_eq!((&ones, &sums), (&all, &all));
    assert!(stats.iter().all(|count| *count > 500) && sums_between > 100, "{stats:?} {sums_between}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn r7_to_r10_rows_of_files_meet_the_fate_of_the_naive_checks(case in case()) {
        let files: Vec<Vec<RawRow>> =
            case.files().iter().map(|rows| rows.iter().map(|row| row.row).collect()).collect();
        let checked = check_rows(&files, case.timeframe, case.range, case.strict);
        let dir = tempfile::tempdir().unwrap();
        let paths = case.write(dir.path());
        let place = |number: usize| {
            let mut before = 0;
            for (file, path) in files.iter().zip(&paths) {
                if number < before + file.len() {
                    return format!("row {} of {}", number - before, path.display());
                }
                before += file.len();
            }
            panic!("no row {number}")
        };
        let expected = Course::expected(&case, &checked, place);
        let recorder = Recorder::new();
        let builder = ParquetSource::files(case.series(), &paths)
            .range(case.range)
            .strict(case.strict)
            .row_logs(case.row_logs)
            .batch_rows(case.batch_rows)
            .log(recorder.sink());
        prop_assert_eq!(Course::of(common::open(builder).unwrap(), &recorder), expected);
    }

    #[test]
    fn r7_to_r10_candles_in_memory_meet_the_fate_of_the_naive_checks(case in case()) {
        let rows = case.in_memory();
        let mut checked = check_rows(std::slice::from_ref(&rows), case.timeframe, case.range, case.strict);
        checked.stats.files = 0;
        let expected = Course::expected(&case, &checked, |number| format!("row {number}"));
        let candles = rows.iter().map(|row| Candle {
            start: Timestamp::from_nanos(row.start.unwrap()),
            open: row.open,
            high: row.high,
            low: row.low,
            close: row.close,
            volume: row.volume,
            trades: match row.trades {
                RawTrades::Known(count) => Trades::new(count).unwrap(),
                _ => Trades::UNKNOWN,
            },
            partial: false,
        });
        let recorder = Recorder::new();
        let builder = MemorySource::builder(case.series(), candles)
            .range(case.range)
            .strict(case.strict)
            .row_logs(case.row_logs)
            .batch_rows(case.batch_rows)
            .log(recorder.sink());
        prop_assert_eq!(Course::of(builder.build().unwrap(), &recorder), expected);
    }
}
