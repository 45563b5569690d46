//! The streams of this crate by hand.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::task::Poll;

use bt_core::{
    Candle, CandleBatch, CandleSource, CandleSourceExt, Pacer, Series, SourceError, Timestamp, Trades,
    from_candles,
};
use bt_testkit::{Gate, ScriptedSource, Step};
use futures::stream::{self, FusedStream};
use futures::{Stream, StreamExt, executor::block_on};
use tokio_test::task;

fn series() -> Series {
    "a.b:C@1m".parse().unwrap()
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_secs(60 * minute).unwrap()
}

fn candle(minute: i64) -> Candle {
    let start = at(minute);
    Candle {
        start,
        open: 1.0,
        high: 1.0,
        low: 1.0,
        close: 1.0,
        volume: 1.0,
        trades: Trades::ZERO,
        partial: false,
    }
}

fn rows(minutes: impl IntoIterator<Item = i64>) -> Step {
    Step::Batch(minutes.into_iter().map(candle).collect())
}

fn boom() -> SourceError {
    SourceError::Other("the line is dead".into())
}

#[test]
fn candles_come_one_by_one_and_stop_at_the_first_error() {
    let gate = Gate::closed();
    let tick = Step::Batch(CandleBatch::tick(at(3)));
    let script = [rows([0, 1]), tick, Step::Gate(gate.clone()), rows([4]), Step::Error(boom()), rows([5])];
    let mut candles = task::spawn(ScriptedSource::new(series(), None, script).candles());
    assert!(matches!(candles.poll_next(), Poll::Ready(Some(Ok(c))) if c == candle(0)));
    assert_eq!(candles.size_hint(), (1, None));
    assert!(matches!(candles.poll_next(), Poll::Ready(Some(Ok(c))) if c == candle(1)));
    assert!(candles.poll_next().is_pending() && !candles.is_woken());
    gate.open();
    assert!(candles.is_woken());
    assert!(matches!(candles.poll_next(), Poll::Ready(Some(Ok(c))) if c == candle(4)));
    assert!(matches!(candles.poll_next(), Poll::Ready(Some(Err(_)))));
    assert!(candles.is_terminated());
    assert!(matches!(candles.poll_next(), Poll::Ready(None)));
    assert_eq!(candles.size_hint(), (0, Some(0)));
}

#[test]
fn r36_single_candles_give_the_thread_back_within_a_batch_too() {
    let all = 3 * Pacer::LIMIT as i64;
    let mut candles = task::spawn(ScriptedSource::new(series(), None, [rows(0..all)]).candles());
    let (mut taken, mut runs) = (0, vec![0]);
    loop {
        match candles.poll_next() {
            Poll::Ready(Some(_)) => {
                taken += 1;
                *runs.last_mut().unwrap() += 1;
            }
            Poll::Ready(None) => break,
            Poll::Pending => {
                assert!(candles.is_woken());
                runs.push(0);
            }
        }
    }
    assert_eq!(taken, all);
    assert!(runs.iter().all(|run| *run <= Pacer::LIMIT), "{runs:?}");
}

#[test]
fn r25_a_stream_of_candles_is_held_against_what_a_source_promises() {
    let off_grid = Candle { start: Timestamp::from_nanos(at(3).as_nanos() + 1), ..candle(0) };
    for (candles, expected) in [
        (vec![candle(0), candle(1), candle(1)], "went back"),
        (vec![candle(0), candle(1), candle(0)], "went back"),
        (vec![candle(0), candle(1), off_grid], "grid"),
        (vec![candle(0), candle(1), candle(9)], "declared end"),
    ] {
        let candles = candles.into_iter().map(Ok).chain([Ok(candle(2))]);
        let mut source = from_candles(series(), Some(at(9)), stream::iter(candles));
        let stats = source.stats();
        let items: Vec<_> = block_on(source.by_ref().collect());
        assert_eq!(items.len(), 3);
        let error = match &items[2] {
            Err(error @ (SourceError::OutOfOrder { .. } | SourceError::Misplaced { .. })) => {
                error.to_string()
            }
            other => panic!("{other:?}"),
        };
        assert!(error.contains(expected) && error.contains("a.b:C@1m"), "{error}");
        assert!(source.is_terminated() && block_on(source.next()).is_none());
        let stats = stats.snapshot();
        assert_eq!((stats.emitted, stats.first_start, stats.last_start), (2, Some(at(0)), Some(at(1))));
    }
}

#[test]
fn a_stream_that_fails_ends_its_source() {
    let source = from_candles(series(), None, stream::iter([Ok(candle(0)), Err(boom()), Ok(candle(1))]));
    assert_eq!((source.declared_end(), source.size_hint()), (None, (0, Some(3))));
    let items: Vec<_> = block_on(source.collect());
    assert!(items.len() == 2 && items[0].is_ok() && items[1].is_err());
}
