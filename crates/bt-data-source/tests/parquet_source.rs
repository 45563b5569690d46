//! The rules of sources on files, R5 to R11, R29 and R35, and the contract of sources.

#![cfg(feature = "write")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use std::fs;

use bt_core::{Candle, CandleSource, LogEvent, SourceError, SourceStats, TimeRange, Timestamp, Value};
use bt_data_source::{Limits, MemorySource, MissingPolicy, ParquetBuilder, ParquetSource, ReadPool};
use bt_testkit::reference::{RawRow, RawTrades, check_rows};
use bt_testkit::source_contract::SourceContract;
use bt_testkit::strategies::{self, Dirt};
use bt_testkit::{Gate, Recorder, RecordingSink, drain_source};
use common::{MINUTE, files, minutes, month, open, range, series, write};
use futures::{Stream, StreamExt};
use proptest::prelude::*;
use tokio_test::{assert_pending, assert_ready, task};

/// Everything that can be seen of a source.
#[derive(Debug, PartialEq)]
struct Course {
    candles: Vec<Candle>,
    error: Option<String>,
    stats: SourceStats,
    logs: Vec<(usize, LogEvent)>,
}

impl Course {
    fn of(builder: ParquetBuilder) -> Course {
        let recorder = Recorder::new();
        let source = open(builder.log(recorder.sink())).unwrap();
        Course::of_source(source, &recorder)
    }

    fn of_source(source: impl CandleSource, recorder: &Recorder) -> Course {
        let stats = source.stats();
        let (candles, error) = drain_source(source, recorder);
        Course {
            candles,
            error: error.map(|error| error.to_string()),
            stats: stats.snapshot(),
            logs: recorder.logs_with_positions(),
        }
    }

    fn events(&self) -> Vec<(usize, &'static str)> {
        self.logs.iter().map(|(position, log)| (*position, log.event)).collect()
    }

    fn without_files(mut self) -> Course {
        self.logs.retain(|(_, log)| log.event != "SOURCE_FILE_OPEN");
        self.stats.files = 0;
        self
    }
}

#[test]
fn r11_what_is_asked_of_a_file_beyond_the_format_is_held_against_it() {
    let rows = minutes("2024-01-01", 300);
    let (_dir, paths) = files(std::slice::from_ref(&rows), 200);
    let path = paths[0].display();
    let asked = || ParquetSource::files(series(), &paths);
    let course = Course::of(asked().require_checksums(true));
    let place = "in row group 0 in column `start_ms`";
    let expected = format!("{path} cannot be used {place}: a page has no checksum, expected one");
    assert_eq!((course.candles.len(), course.error), (0, Some(expected)));
    let course = Course::of(asked().limits(Limits::default().with_max_page_bytes(100)));
    assert!(course.error.unwrap().contains("expected 0 to 100"));
    let error = open(asked().limits(Limits::default().with_max_row_group_rows(199))).unwrap_err();
    assert!(error.to_string().contains("200 rows, expected 199 at most"), "{error}");
    let course = Course::of(asked().limits(Limits::default().with_max_row_group_rows(200)));
    assert_eq!((course.candles.len(), course.error), (300, None));
}

#[test]
fn r5_r6_months_are_concatenated_and_the_edge_row_is_emitted_once() {
    let root = tempfile::tempdir().unwrap();
    let mut january = minutes("2024-01-31T23:50:00Z", 11);
    write(&month(root.path(), 2024, "1"), &january, 1000);
    write(&month(root.path(), 2024, "02"), &minutes("2024-02-01", 5), 1000);
    // Neither opened nor counted: the range ends before it.
    fs::write(month(root.path(), 2024, "3"), "no file of candles").unwrap();
    let range = range("2024-01-31T23:55:00Z", "2024-03-01");
    let builder = ParquetSource::builder(root.path(), series()).range(range);
    let course = Course::of(builder);
    january.truncate(10);
    assert_eq!(course.candles.len(), 5 + 1 + 4);
    assert_eq!(course.stats.out_of_range, 5);
    assert_eq!((course.stats.files, course.stats.dropped_duplicate), (2, 1));
    let expected = [(0, "SOURCE_FILE_OPEN"), (6, "SOURCE_FILE_OPEN"), (6, "SOURCE_ROW_DROPPED_DUPLICATE")];
    assert_eq!(course.events(), expected);
    let path = course.logs[0].1.fields[0].clone();
    let shown = "exchange=binance/market=spot/symbol=BTCUSDT/type=candle/timeframe=1m/year=2024/BTCUSDT-1m-2024-1.parquet";
    assert_eq!(path, ("path", Value::Text(shown.into())));
    assert_eq!(course.logs[0].1.fields[1], ("rows", Value::Count(11)));
}

#[test]
fn r5_a_missing_month_is_an_error_or_is_said_in_its_turn() {
    let root = tempfile::tempdir().unwrap();
    write(&month(root.path(), 2024, "1"), &minutes("2024-01-31T23:58:00Z", 2), 1000);
    write(&month(root.path(), 2024, "3"), &minutes("2024-03-01", 2), 1000);
    let builder = || ParquetSource::builder(root.path(), series()).range(range("2024-01-01", "2024-04-02"));
    let error = open(builder()).unwrap_err();
    assert!(matches!(&error, SourceError::MissingPartition { month, .. } if month == "2024-02"), "{error}");
    let course = Course::of(builder().missing(MissingPolicy::Skip));
    let expected = [
        (0, "SOURCE_FILE_OPEN"),
        (2, "SOURCE_PARTITION_MISSING"),
        (2, "SOURCE_FILE_OPEN"),
        (2, "SOURCE_GAP_DETECTED"),
        (4, "SOURCE_PARTITION_MISSING"),
    ];
    assert_eq!(course.events(), expected);
    assert_eq!(course.stats.missing_bars, 29 * 24 * 60);
}

#[test]
fn r5_what_is_wrong_with_the_configuration_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let no_range = open(ParquetSource::builder(root.path(), series())).unwrap_err();
    assert!(no_range.to_string().contains("range"), "{no_range}");
    let no_files = open(ParquetSource::files(series(), Vec::<String>::new())).unwrap_err();
    assert!(no_files.to_string().contains("file"), "{no_files}");
    let (_dir, paths) = files(&[minutes("2024-01-01", 1)], 10);
    let no_rows = open(ParquetSource::files(series(), paths).batch_rows(0)).unwrap_err();
    assert!(no_rows.to_string().contains("batch_rows"), "{no_rows}");
}

#[test]
fn r11_what_cannot_be_read_is_named_when_it_is_opened() {
    let (dir, paths) = files(&[minutes("2024-01-01", 100)], 10);
    let whole = fs::read(&paths[0]).unwrap();
    let damaged = dir.path().join("damaged.parquet");
    let open = |path: &std::path::Path| open(ParquetSource::files(series(), [path])).unwrap_err();

    fs::write(&damaged, &whole[..whole.len() / 2]).unwrap();
    let error = open(&damaged);
    assert!(matches!(&error, SourceError::Corrupt { path, .. } if *path == damaged), "{error}");
    fs::write(&damaged, b"").unwrap();
    assert!(matches!(open(&damaged), SourceError::Corrupt { path, .. } if path == damaged));
    let error = open(dir.path());
    assert!(matches!(&error, SourceError::Io { path, .. } if path == dir.path()), "{error}");
    let error = open(&dir.path().join("nowhere.parquet"));
    assert!(matches!(&error, SourceError::Io { path, .. } if path.ends_with("nowhere.parquet")), "{error}");
    let columns = bt_data_source::ColumnNames::default().with_open("o");
    let error = common::open(ParquetSource::files(series(), &paths).columns(columns)).unwrap_err();
    assert!(
        matches!(&error, SourceError::Unsupported { path, column: Some(c), .. } if *path == paths[0] && c == "o"),
        "{error}"
    );
}

#[test]
fn r11_the_first_of_several_bad_files_is_named() {
    let (dir, mut paths) = files(&vec![minutes("2024-01-01", 3); 40], 10);
    for bad in [20, 39] {
        fs::write(&paths[bad], "no file of candles").unwrap();
    }
    let error = open(ParquetSource::files(series(), &paths)).unwrap_err();
    assert!(matches!(&error, SourceError::Corrupt { path, .. } if *path == paths[20]), "{error}");
    paths.truncate(20);
    assert!(open(ParquetSource::files(series(), &paths)).is_ok());
    drop(dir);
}

#[test]
fn r25_with_late_faults_a_file_ends_the_source_at_its_turn() {
    let root = tempfile::tempdir().unwrap();
    write(&month(root.path(), 2024, "1"), &minutes("2024-01-31T23:00:00Z", 60), 10);
    write(&month(root.path(), 2024, "3"), &minutes("2024-03-01", 60), 10);
    fs::write(month(root.path(), 2024, "2"), "no file of candles").unwrap();
    let range = range("2024-01-01", "2024-04-01");
    let builder = || ParquetSource::builder(root.path(), series()).range(range);
    let early = open(builder()).unwrap_err().to_string();
    let course = Course::of(builder().late_faults(true));
    assert_eq!((course.candles.len(), course.stats.files), (60, 1));
    assert_eq!(course.error, Some(early));
    assert_eq!(course.events(), [(0, "SOURCE_FILE_OPEN"), (60, "SOURCE_FAILED")]);
    let shown = "exchange=binance/market=spot/symbol=BTCUSDT/type=candle/timeframe=1m/year=2024/BTCUSDT-1m-2024-2.parquet";
    assert_eq!(course.logs[1].1.fields[0], ("path", Value::Text(shown.into())));
    // What is missing is no fault of a file.
    fs::remove_file(month(root.path(), 2024, "2")).unwrap();
    assert!(matches!(open(builder().late_faults(true)), Err(SourceError::MissingPartition { .. })));
}

#[test]
fn r11_corrupt_pages_end_the_source_after_what_came_before() {
    let (_dir, paths) = files(&[minutes("2024-01-01", 100), minutes("2024-01-01T01:40:00Z", 100)], 1000);
    let mut bytes = fs::read(&paths[1]).unwrap();
    bytes[4..200].fill(0xff);
    fs::write(&paths[1], bytes).unwrap();
    let recorder = Recorder::new();
    let mut source = open(ParquetSource::files(series(), &paths).log(recorder.sink())).unwrap();
    let (batches, error) = futures::executor::block_on(async {
        let mut rows = 0;
        loop {
            match source.next().await {
                Some(Ok(batch)) => rows += batch.len(),
                Some(Err(error)) => break (rows, Some(error)),
                None => break (rows, None),
            }
        }
    });
    assert_eq!(batches, 100);
    assert!(matches!(&error, Some(SourceError::Corrupt { path, .. }) if *path == paths[1]), "{error:?}");
    assert!(futures::executor::block_on(source.next()).is_none());
    assert_eq!(source.size_hint(), (0, Some(0)));
    assert_eq!(source.stats().snapshot().files, 1);
}

#[test]
fn r11_a_file_that_changes_after_it_was_opened_is_an_error() {
    for truncate in [true, false] {
        // The second file is reached only after the first was read, and the pool reads ahead no further
        // than the first slice before it is asked.
        let (_dir, paths) = files(&[minutes("2024-01-01", 100), minutes("2024-01-01T01:40:00Z", 100)], 1000);
        let source = open(ParquetSource::files(series(), &paths)).unwrap();
        if truncate {
            fs::File::options().write(true).open(&paths[1]).unwrap().set_len(300).unwrap();
        } else {
            write(&paths[1], &minutes("2024-01-01T01:40:00Z", 300), 7);
        }
        let (candles, error) = drain_source(source, &Recorder::new());
        assert_eq!(candles.len(), 100);
        let error = error.unwrap();
        assert!(matches!(&error, SourceError::Corrupt { path, .. } if *path == paths[1]), "{error}");
        assert!(error.to_string().contains("changed"), "{error}");
    }
}

#[test]
fn r11_row_groups_outside_the_range_are_ignored_and_counted() {
    let (_dir, paths) = files(&[minutes("2024-01-01", 3000)], 100);
    let range = range("2024-01-02T00:10:00Z", "2024-01-02T06:00:00Z");
    let course = Course::of(ParquetSource::files(series(), &paths).range(range));
    assert_eq!(course.candles.len(), 350);
    assert_eq!((course.stats.out_of_range, course.stats.rows_read()), (2650, 3000));
    assert_eq!(course.events(), [(0, "SOURCE_FILE_OPEN")]);
}

#[test]
fn r7_strict_mode_names_file_and_row() {
    let mut rows = minutes("2024-01-01", 20);
    rows[13].volume = -1.0;
    let (_dir, paths) = files(&[minutes("2023-12-31", 5), rows], 8);
    let course = Course::of(ParquetSource::files(series(), &paths).strict(true));
    assert_eq!(course.candles.len(), 5 + 13);
    let error = course.error.unwrap();
    assert!(error.contains("row 13") && error.contains("1.parquet") && error.contains("volume"), "{error}");
    assert_eq!((course.stats.failed, course.stats.rows_read()), (1, 19));
}

#[test]
fn r23_the_declared_end_is_that_of_the_range() {
    let (_dir, paths) = files(&[minutes("2024-01-01", 5)], 10);
    let to: Timestamp = "2024-02-01".parse().unwrap();
    let with = ParquetSource::files(series(), &paths).range(range("2024-01-01", "2024-02-01"));
    assert_eq!(open(with).unwrap().declared_end(), Some(to));
    assert_eq!(open(ParquetSource::files(series(), &paths)).unwrap().declared_end(), None);
}

#[test]
fn r29_nothing_is_handed_on_before_a_log_is_accepted() {
    let rows = [minutes("2024-01-01", 3), minutes("2024-01-01T00:05:00Z", 2)].concat();
    let (_dir, paths) = files(&[rows], 100);
    let gate = Gate::closed();
    let sink = RecordingSink::new().with_gate(&gate);
    let recorder = sink.recorder();
    let source = open(ParquetSource::files(series(), &paths).log(sink)).unwrap();
    let mut source = task::spawn(source);
    let stats = source.stats();
    while !gate.is_waited_for() {
        assert_pending!(source.poll_next());
        std::thread::yield_now();
    }
    assert_eq!(stats.snapshot(), SourceStats { files: 1, ..SourceStats::default() });
    gate.admit(1);
    assert!(source.is_woken());
    assert_eq!(assert_ready!(source.poll_next()).unwrap().unwrap().len(), 3);
    assert_eq!(stats.snapshot().emitted, 3);
    assert_pending!(source.poll_next());
    assert_pending!(source.poll_next());
    assert_eq!((stats.snapshot().emitted, stats.snapshot().gaps, recorder.logs().len()), (3, 1, 1));
    gate.admit(1);
    assert!(source.is_woken());
    assert_eq!(assert_ready!(source.poll_next()).unwrap().unwrap().len(), 2);
    assert_eq!(recorder.logs()[1].event, "SOURCE_GAP_DETECTED");
}

/// A corrupt page in the second of two files.
fn corrupt(second: &std::path::Path) {
    let mut bytes = fs::read(second).unwrap();
    bytes[4..200].fill(0xff);
    fs::write(second, bytes).unwrap();
}

#[test]
fn r29_an_error_is_said_before_it_is_yielded_and_the_same_under_any_root() {
    let [one, two] = ["", "deeper/below"].map(|below| {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join(below);
        write(&month(&root, 2024, "1"), &minutes("2024-01-31T23:58:00Z", 2), 1000);
        write(&month(&root, 2024, "2"), &minutes("2024-02-01", 100), 1000);
        corrupt(&month(&root, 2024, "2"));
        let range = range("2024-01-01", "2024-03-01");
        Course::of(ParquetSource::builder(root, series()).range(range))
    });
    assert_eq!(one.logs, two.logs);
    assert!(one.error.is_some());
    let (position, said) = one.logs.last().unwrap();
    assert_eq!((*position, said.event, said.level), (2, "SOURCE_FAILED", bt_core::Level::Error));
    let [
        ("path", Value::Text(path)),
        ("row_group", Value::Count(0)),
        ("column", Value::Text(column)),
        ("reason", Value::Text(_)),
    ] = &said.fields[..]
    else {
        panic!("{said:?}")
    };
    assert!(path.starts_with("exchange=") && path.ends_with("2024-2.parquet"), "{path}");
    assert_eq!(&column[..], "start_ms");
}

#[test]
fn r29_a_skipped_month_is_said_before_the_error_of_the_file_behind_it() {
    let root = tempfile::tempdir().unwrap();
    let shown = |name| month(root.path(), 2024, name);
    write(&shown("1"), &minutes("2024-01-31T23:58:00Z", 2), 1000);
    write(&shown("3"), &[], 1000);
    write(&shown("5"), &minutes("2024-05-01", 100), 1000);
    corrupt(&shown("5"));
    let builder = ParquetSource::builder(root.path(), series()).range(range("2024-01-01", "2024-07-01"));
    let course = Course::of(builder.missing(MissingPolicy::Skip));
    let expected = [
        (0, "SOURCE_FILE_OPEN"),
        (2, "SOURCE_PARTITION_MISSING"),
        (2, "SOURCE_FILE_OPEN"),
        (2, "SOURCE_PARTITION_MISSING"),
        (2, "SOURCE_FAILED"),
    ];
    assert_eq!(course.events(), expected);
    assert_eq!(course.stats.files, 2);
}

#[test]
fn r29_an_error_waits_until_it_was_said() {
    let (dir, paths) = files(&[minutes("2024-01-01", 100), minutes("2024-01-01T01:40:00Z", 100)], 1000);
    corrupt(&paths[1]);
    let gate = Gate::with_permits(1);
    let sink = RecordingSink::new().with_gate(&gate);
    let recorder = sink.recorder();
    let mut source = task::spawn(open(ParquetSource::files(series(), &paths).log(sink)).unwrap());
    let mut rows = 0;
    while !gate.is_waited_for() {
        match source.poll_next() {
            std::task::Poll::Ready(item) => rows += item.unwrap().unwrap().len(),
            std::task::Poll::Pending => std::thread::yield_now(),
        }
    }
    assert_pending!(source.poll_next());
    assert_eq!((rows, recorder.logs().len()), (100, 1));
    gate.admit(1);
    assert!(source.is_woken());
    assert!(assert_ready!(source.poll_next()).unwrap().is_err());
    assert!(assert_ready!(source.poll_next()).is_none());
    let logs = recorder.logs();
    assert_eq!(logs[1].fields[0], ("path", Value::Text("1.parquet".into())));
    assert!(!format!("{:?}", logs[1]).contains(dir.path().to_str().unwrap()), "{:?}", logs[1]);
}

#[test]
fn a_configuration_error_is_not_about_data_and_is_not_said() {
    let (_dir, paths) = files(&[minutes("2024-01-01", 10)], 100);
    let pool = ReadPool::builder().memory(1).build().unwrap();
    let course = Course::of(ParquetSource::files(series(), &paths).pool(&pool));
    assert!(course.error.is_some() && course.logs.is_empty(), "{course:?}");
}

#[test]
fn r36_remarks_about_files_are_work_too() {
    let files: Vec<_> = vec![Vec::new(); 30];
    let (_dir, paths) = common::files(&files, 10);
    let paths = paths.iter().cycle().take(600);
    let mut source = task::spawn(open(ParquetSource::files(series(), paths)).unwrap());
    let mut pendings = 0;
    while source.poll_next().is_pending() {
        assert!(source.is_woken());
        pendings += 1;
    }
    assert!(pendings >= 2, "{pendings}");
    assert_eq!(source.stats().snapshot().files, 600);
}

#[test]
fn r29_a_sink_that_refuses_ends_the_source() {
    let (_dir, paths) = files(&[minutes("2024-01-01", 3), minutes("2024-01-01T00:03:00Z", 2)], 100);
    let sink = RecordingSink::new().with_failure_after(1);
    let source = open(ParquetSource::files(series(), &paths).log(sink)).unwrap();
    let (candles, error) = drain_source(source, &Recorder::new());
    assert_eq!(candles.len(), 3);
    assert!(matches!(error, Some(SourceError::Log(_))), "{error:?}");
}

fn dirty() -> Vec<Vec<RawRow>> {
    let mut first = minutes("2024-01-01", 300);
    first[20].start = None;
    first[50].high = f64::NAN;
    first[51].trades = RawTrades::Negative(-1);
    first[52].is_final = false;
    first.drain(70..75);
    first[120] = first[119];
    first.swap(150, 160);
    let mut second = minutes("2024-01-01T04:50:00Z", 500);
    second.remove(400);
    vec![first, vec![], second]
}

#[test]
fn the_contract_of_sources_holds() {
    let rows = dirty();
    let expected = check_rows(&rows, series().timeframe(), TimeRange::ALL, false);
    let (dir, paths) = files(&rows, 100);
    let pool = ReadPool::builder().threads(2).memory(2 << 20).build().unwrap();
    let (shared, shared_paths) = (pool.clone(), paths.clone());
    let make = move |log: RecordingSink| {
        let builder = ParquetSource::files(series(), &shared_paths).pool(&shared).batch_rows(33).log(log);
        open(builder).unwrap()
    };
    let broken = dir.path().join("broken.parquet");
    let mut bytes = fs::read(&paths[0]).unwrap();
    bytes[4..500].fill(0xff);
    fs::write(&broken, bytes).unwrap();
    let first = check_rows(&rows[..1], series().timeframe(), TimeRange::ALL, false).emitted;
    let fail = [paths[0].clone(), broken];
    let make_failing = move |log| open(ParquetSource::files(series(), &fail).log(log)).unwrap();
    let watched = pool.clone();
    SourceContract::new(make, expected.emitted)
        .with_stats(expected.stats)
        .with_failing(make_failing, first)
        .with_dropped(move || {
            let stats = watched.stats();
            assert_eq!((stats.sources, stats.reserved), (0, 0), "R38");
        })
        .check();
}

#[test]
fn r35_neither_batches_nor_memory_nor_threads_show() {
    let rows = dirty();
    let (_dir, paths) = files(&rows, 64);
    let run = |batch_rows: usize, memory: u64, threads: usize| {
        let pool = ReadPool::builder().threads(threads).memory(memory).build().unwrap();
        Course::of(ParquetSource::files(series(), &paths).pool(&pool).batch_rows(batch_rows))
    };
    let usual = run(8192, 256 << 20, 2);
    assert!(usual.logs.len() > 8);
    let measure = ReadPool::builder().threads(1).build().unwrap();
    let kept = open(ParquetSource::files(series(), &paths).pool(&measure)).unwrap();
    let floor = measure.floor();
    drop(kept);
    for (batch_rows, memory, threads) in [(1, 256 << 20, 2), (7, floor, 1), (64, 4 * floor, 3)] {
        assert_eq!(run(batch_rows, memory, threads), usual, "{batch_rows} {memory} {threads}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn files_of_any_cut_give_what_the_reference_says(
        files in strategies::files(series().timeframe(), Timestamp::from_nanos(0), Dirt::Dirty, 200),
        group in 1..100usize,
        batch_rows in strategies::batch_rows(),
        span in (0..40i64, 50..300i64),
        strict in any::<bool>(),
    ) {
        let [from, to] = [span.0, span.1].map(|minute| Timestamp::from_nanos(minute * MINUTE));
        let range = TimeRange::new(from, to).unwrap();
        let expected = check_rows(&files, series().timeframe(), range, strict);
        let (_dir, paths) = common::files(&files, group);
        let builder = ParquetSource::files(series(), &paths).range(range).batch_rows(batch_rows);
        let course = Course::of(builder.strict(strict));
        prop_assert_eq!(&course.candles, &expected.emitted);
        prop_assert_eq!(&course.stats, &expected.stats);
        prop_assert_eq!(course.error.is_some(), expected.error.is_some());
        let said: Vec<_> = course.logs.iter()
            .filter(|(_, log)| log.event != "SOURCE_FILE_OPEN")
            .map(|(position, log)| (*position, log.event, log.sim_time))
            .collect();
        let failed = course.error.as_ref().map(|_| (course.candles.len(), "SOURCE_FAILED", None));
        let notes: Vec<_> = expected.notes.iter()
            .map(|note| (note.position, note.to_event(&series()).event, note.start))
            .chain(failed)
            .collect();
        prop_assert_eq!(said, notes);
    }

    #[test]
    fn r35_another_cut_into_files_changes_only_the_logs_of_files(
        files in strategies::files(series().timeframe(), Timestamp::from_nanos(0), Dirt::Dirty, 200),
        group in 1..100usize,
    ) {
        let (_a, cut) = common::files(&files, group);
        let (_b, whole) = common::files(&[files.concat()], 1000);
        let [cut, whole] = [cut, whole].map(|paths| Course::of(ParquetSource::files(series(), &paths)).without_files());
        prop_assert_eq!(cut, whole);
    }

    #[test]
    fn candles_in_memory_go_through_the_same_checks(
        rows in strategies::rows(series().timeframe(), Timestamp::from_nanos(0), Dirt::Dirty, 200),
        batch_rows in strategies::batch_rows(),
    ) {
        // What a candle in memory can be.
        let rows: Vec<RawRow> = rows.into_iter()
            .filter(|row| row.start.is_some() && row.is_final && !matches!(row.trades, RawTrades::Negative(_)))
            .map(|row| RawRow { trades: RawTrades::Unknown, ..row })
            .collect();
        let candles: Vec<Candle> = rows.iter().map(|row| Candle {
            start: Timestamp::from_nanos(row.start.unwrap()),
            open: row.open, high: row.high, low: row.low, close: row.close, volume: row.volume,
            trades: bt_core::Trades::UNKNOWN, partial: false,
        }).collect();
        let recorder = Recorder::new();
        let source = MemorySource::builder(series(), candles).batch_rows(batch_rows).log(recorder.sink()).build().unwrap();
        let memory = Course::of_source(source, &recorder);
        let (_dir, paths) = common::files(&[rows], 50);
        prop_assert_eq!(memory, Course::of(ParquetSource::files(series(), &paths)).without_files());
    }
}
