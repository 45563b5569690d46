//! History that turns into the present, without a candle lost or doubled.

#![cfg(feature = "live")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod venue;

use std::ops::Range;
use std::sync::Arc;

use bt_core::{CandleSource, ConfigError, Series, SourceError};
use bt_data_source::{Handover, Live, MemorySource};
use bt_resample::Resample;
use bt_testkit::Recorder;
use futures::StreamExt;
use tokio_tungstenite::tungstenite::Message;

use venue::{Act, Archive, at, candle, closed, config, events, minutes, series, venue};

fn history(recorder: &Recorder, minutes: Range<i64>) -> MemorySource {
    let rows = minutes.map(candle).collect::<Vec<_>>();
    MemorySource::builder(series("BTCUSDT"), rows).log(recorder.sink()).build().unwrap()
}

async fn live(minutes: Range<i64>) -> Live {
    let url = venue(vec![closed("BTCUSDT", minutes)]).await;
    Live::builder(url, [series("BTCUSDT")]).config(config()).build().unwrap()
}

#[tokio::test]
async fn history_goes_on_as_live_with_what_was_between_fetched_once() {
    let log = Recorder::new();
    let archive = Arc::new(Archive::default());
    let builder = live(7..10).await.source(&series("BTCUSDT"), at(0)).unwrap();
    let builder = builder.until(at(10)).backfill(archive.clone()).log(log.sink());
    let source = Handover::new(history(&log, 0..4), builder).unwrap();
    let stats = source.stats();
    assert_eq!((source.series(), source.declared_end()), (&series("BTCUSDT"), Some(at(10))));
    assert_eq!(minutes(source).await, (0..10).collect::<Vec<_>>());
    assert_eq!(*archive.asked.lock().unwrap(), [(4, 7)]);
    let counted = stats.snapshot();
    assert_eq!((counted.emitted, counted.rows_read(), counted.gaps), (10, 10, 0));
    assert_eq!((counted.first_start, counted.last_start), (Some(at(0)), Some(at(9))));
    assert_eq!(events(&log.logs()), ["SOURCE_BACKFILLED", "SOURCE_LIVE"]);
    let live = log.logs().into_iter().find(|event| event.event == "SOURCE_LIVE").unwrap();
    assert!(format!("{live:?}").contains("BTCUSDT"), "{live:?}");
}

#[tokio::test]
async fn what_overlaps_is_left_out() {
    let log = Recorder::new();
    let builder = live(2..8).await.source(&series("BTCUSDT"), at(0)).unwrap().until(at(8));
    let source = Handover::new(history(&log, 0..5), builder).unwrap();
    let stats = source.stats();
    assert_eq!(minutes(source).await, (0..8).collect::<Vec<_>>());
    assert_eq!(stats.snapshot().gaps, 0);
}

#[tokio::test]
async fn a_gap_at_the_switch_that_nobody_fills_is_told() {
    let log = Recorder::new();
    let builder = live(7..9).await.source(&series("BTCUSDT"), at(0)).unwrap();
    let source = Handover::new(history(&log, 0..4), builder.until(at(9)).log(log.sink())).unwrap();
    let stats = source.stats();
    assert_eq!(minutes(source).await, [0, 1, 2, 3, 7, 8]);
    assert_eq!((stats.snapshot().gaps, stats.snapshot().missing_bars), (1, 3));
    assert_eq!(events(&log.logs()), ["SOURCE_BACKFILL_FAILED", "SOURCE_GAP_DETECTED", "SOURCE_LIVE"]);
}

#[tokio::test]
async fn it_ends_with_history_if_nothing_can_follow_and_with_its_error() {
    let log = Recorder::new();
    let builder = live(0..1).await.source(&series("BTCUSDT"), at(0)).unwrap().until(at(4));
    assert_eq!(minutes(Handover::new(history(&log, 0..4), builder).unwrap()).await, [0, 1, 2, 3]);

    let rows = [candle(0), candle(2), candle(1)];
    let bad = MemorySource::builder(series("BTCUSDT"), rows).strict(true).build().unwrap();
    let builder = live(0..1).await.source(&series("BTCUSDT"), at(0)).unwrap();
    let mut source = Handover::new(bad, builder).unwrap();
    assert!(source.next().await.unwrap().is_ok());
    let mut last = source.next().await.unwrap();
    if last.is_ok() {
        last = source.next().await.unwrap();
    }
    assert!(matches!(last, Err(SourceError::Row { .. })), "{last:?}");
    assert!(source.next().await.is_none());
}

#[tokio::test]
async fn an_empty_history_leaves_it_all_to_the_archive() {
    let log = Recorder::new();
    let archive = Arc::new(Archive::default());
    let builder = live(3..5).await.source(&series("BTCUSDT"), at(1)).unwrap().until(at(5));
    let source = Handover::new(history(&log, 0..0), builder.backfill(archive)).unwrap();
    assert_eq!(minutes(source).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn history_of_another_series_is_refused() {
    let other = MemorySource::builder(series("ETHUSDT"), [candle(0)]).build().unwrap();
    let builder = live(0..1).await.source(&series("BTCUSDT"), at(0)).unwrap();
    let error = Handover::new(other, builder).unwrap_err();
    assert!(matches!(&error, ConfigError::Invalid { value, .. } if value.contains("ETHUSDT")), "{error}");
}

#[tokio::test]
async fn bars_made_of_smaller_ones_are_a_history_like_any() {
    let bar = |minute| {
        let Act::Send(Message::Text(text)) = closed("BTCUSDT", minute..minute + 1).remove(0) else {
            panic!("a text")
        };
        Act::Send(Message::text(text.replace("kline_1m", "kline_5m").replace("\"i\":\"1m\"", "\"i\":\"5m\"")))
    };
    let five: Series = "binance.spot:BTCUSDT@5m".parse().unwrap();
    let url = venue(vec![vec![bar(10), bar(15)]]).await;
    let mut live = Live::builder(url, [five.clone()]).config(config()).build().unwrap();
    let history = Resample::new(history(&Recorder::new(), 0..10), five.timeframe()).unwrap();
    let builder = live.source(&five, at(0)).unwrap().until(at(20));
    let mut source = Handover::new(history, builder).unwrap();
    let mut starts = Vec::new();
    while let Some(batch) = source.next().await {
        starts.extend_from_slice(batch.unwrap().starts());
    }
    assert_eq!(starts, [0, 5, 10, 15].map(at));
}
