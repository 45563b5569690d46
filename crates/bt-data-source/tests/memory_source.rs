//! Sources of candles in memory, and what holds of every source.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use bt_core::{Candle, CandleSource, Pacer, Series, SourceError, SourceStats, TimeRange, Timestamp, Trades};
use bt_data_source::MemorySource;
use bt_testkit::source_contract::SourceContract;
use bt_testkit::{Recorder, RecordingSink, drain_source};
use std::task::Poll;
use tokio_test::task;

fn series() -> Series {
    "binance.spot:BTCUSDT@1m".parse().unwrap()
}

fn candle(minute: i64) -> Candle {
    Candle {
        start: Timestamp::from_secs(60 * minute).unwrap(),
        open: 1.0,
        high: 2.0,
        low: 0.5,
        close: 1.5,
        volume: 1.0,
        trades: Trades::from(3),
        partial: minute % 2 == 0,
    }
}

fn candles(minutes: impl IntoIterator<Item = i64>) -> Vec<Candle> {
    minutes.into_iter().map(candle).collect()
}

#[test]
fn the_contract_of_sources_holds() {
    let given = candles((0..50).chain(60..90).chain(85..95));
    let expected = candles((0..50).chain(60..95));
    let stats = SourceStats {
        dropped_out_of_order: 4,
        dropped_duplicate: 1,
        emitted: 85,
        gaps: 1,
        missing_bars: 10,
        first_start: Some(candle(0).start),
        last_start: Some(candle(94).start),
        ..SourceStats::default()
    };
    let make = move |log: RecordingSink| {
        MemorySource::builder(series(), given.iter().copied()).batch_rows(7).log(log).build().unwrap()
    };
    let strict = candles([0, 1, 2, 2]);
    let make_failing = move |_: RecordingSink| {
        MemorySource::builder(series(), strict.iter().copied()).strict(true).build().unwrap()
    };
    SourceContract::new(make, expected)
        .with_stats(stats)
        .with_failing(make_failing, candles([0, 1, 2]))
        .check();
}

#[test]
fn r2_a_range_selects_by_start_and_is_the_declared_end() {
    let [from, to] = [candle(3).start, candle(7).start];
    let range = TimeRange::new(from, to).unwrap();
    let source = MemorySource::builder(series(), candles(0..10)).range(range).build().unwrap();
    let stats = source.stats();
    assert_eq!(source.declared_end(), Some(to));
    assert_eq!(drain_source(source, &Recorder::new()).0, candles(3..7));
    assert_eq!((stats.snapshot().out_of_range, stats.snapshot().rows_read()), (6, 10));
    assert_eq!(MemorySource::new(series(), []).declared_end(), None);
}

#[test]
fn columns_are_shared_not_copied() {
    let columns = std::sync::Arc::new(candles(0..10).into_iter().collect::<bt_core::Columns>());
    let source = MemorySource::from_columns(series(), columns.clone()).build().unwrap();
    let mut source = task::spawn(source);
    let Poll::Ready(Some(Ok(batch))) = source.poll_next() else { panic!("a batch") };
    assert!(std::ptr::eq(batch.columns().0, &*columns));
}

#[test]
#[should_panic(expected = "different lengths")]
fn columns_of_different_lengths_are_refused() {
    let mut columns: bt_core::Columns = candles(0..10).into_iter().collect();
    columns.open.pop();
    let _ = MemorySource::from_columns(series(), columns);
}

#[test]
fn r36_no_poll_looks_at_more_rows_than_the_limit() {
    let range = TimeRange::new(candle(1_000_000).start, candle(2_000_000).start).unwrap();
    let ignored = MemorySource::builder(series(), candles(0..100_000)).range(range).build().unwrap();
    let mut source = task::spawn(ignored);
    let stats = source.stats();
    let mut seen = 0;
    loop {
        let polled = source.poll_next();
        let read = stats.snapshot().rows_read();
        assert!(read - seen <= 2 * Pacer::LIMIT as u64, "{read} after {seen}");
        seen = read;
        match polled {
            Poll::Pending => assert!(source.is_woken(), "R36: it gives the thread back, and comes again"),
            Poll::Ready(None) => break,
            Poll::Ready(Some(batch)) => panic!("{batch:?}"),
        }
    }
    assert_eq!(stats.snapshot().out_of_range, 100_000);

    // Rows that are handed on count as work too.
    let mut source = task::spawn(MemorySource::new(series(), candles(0..20_000)));
    let (mut rows, mut pendings) = (0, 0);
    loop {
        match source.poll_next() {
            Poll::Pending => pendings += 1,
            Poll::Ready(Some(batch)) => rows += batch.unwrap().len(),
            Poll::Ready(None) => break,
        }
    }
    assert!(rows == 20_000 && pendings >= 4, "{pendings}");
}

#[test]
fn r8_every_snapshot_adds_up_while_rows_are_handed_on() {
    let given = candles([0, 1, 1, 2, 7, 3, 8, 9, 20, 21]);
    let source = MemorySource::builder(series(), given).log(RecordingSink::new()).build().unwrap();
    let stats = source.stats();
    let mut source = task::spawn(source);
    let mut handed_on = 0;
    while let Poll::Ready(Some(batch)) = source.poll_next() {
        handed_on += batch.unwrap().len() as u64;
        let now = stats.snapshot();
        assert_eq!(now.emitted, handed_on);
        assert!(now.rows_read() >= handed_on);
    }
    let end = stats.snapshot();
    assert_eq!((end.rows_read(), end.emitted, end.dropped(), end.gaps), (10, 8, 2, 2));
}

#[test]
fn batches_of_no_rows_are_refused() {
    let error = MemorySource::builder(series(), []).batch_rows(0).build().unwrap_err();
    assert!(error.to_string().contains("batch_rows"), "{error}");
}

#[test]
fn r7_strict_mode_is_an_error_of_the_row() {
    let source = MemorySource::builder(series(), candles([0, 1, 1])).strict(true).build().unwrap();
    let (rows, error) = drain_source(source, &Recorder::new());
    assert_eq!(rows.len(), 2);
    assert!(matches!(error, Some(SourceError::Row { .. })));
}
