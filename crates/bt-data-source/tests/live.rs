//! Live sources against a venue that is made up, with everything that goes wrong on a line.

#![cfg(feature = "live")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod venue;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bt_core::{CandleSource, Series, Timestamp};
use bt_data_source::{Backfill, ConnectionState, Fetch, Live, LiveConfig, LiveError, Overflow};
use bt_testkit::Recorder;
use futures::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use venue::{Act, Archive, at, closed, config, events, kline, minutes, series, venue, venue_by_stream};

#[tokio::test]
async fn candles_of_many_series_come_over_one_connection() {
    let mut acts = Vec::new();
    for minute in 0..5 {
        acts.push(Act::Send(kline("BTCUSDT", minute, -7_000, false)));
        acts.push(Act::Send(kline("BTCUSDT", minute, 5, true)));
        acts.push(Act::Send(kline("ETHUSDT", minute, 6, true)));
    }
    let (btc, eth) = (series("BTCUSDT"), series("ETHUSDT"));
    let mut live =
        Live::builder(venue(vec![acts]).await, [btc.clone(), eth.clone(), eth.clone()]).build().unwrap();
    assert!(matches!(live.source(&series("XRPUSDT"), at(0)), Err(LiveError::NotCarried { .. })));
    let source = live.source(&btc, at(0)).unwrap().until(at(5)).build().unwrap();
    assert!(matches!(live.source(&btc, at(0)), Err(LiveError::NotCarried { .. })), "each once");
    assert_eq!((source.series(), source.declared_end()), (&btc, Some(at(5))));
    let stats = source.stats();
    assert_eq!(minutes(source).await, [0, 1, 2, 3, 4]);
    assert_eq!((stats.snapshot().emitted, stats.snapshot().rows_read()), (5, 5));
    for _ in 0..2 {
        let source = live.source(&eth, at(2)).unwrap().until(at(5)).build().unwrap();
        assert_eq!(minutes(source).await, [2, 3, 4]);
    }
    let [connection] = &live.stats()[..] else { panic!("one connection") };
    assert_eq!((connection.state, connection.connects, connection.messages), (ConnectionState::Live, 1, 15));
}

#[tokio::test]
async fn what_a_cut_lost_is_fetched_once_and_before_what_follows() {
    let mut first = closed("BTCUSDT", 3..6);
    first.push(Act::Cut);
    let mut second = closed("BTCUSDT", 9..10);
    // Behind it time goes on without a closed kline.
    second.push(Act::Send(kline("BTCUSDT", 11, 0, false)));
    second.extend(closed("BTCUSDT", 11..13));
    let url = venue(vec![first, second]).await;
    let archive = Arc::new(Archive { without: 7..8, ..Archive::default() });
    let mut live = Live::builder(url, [series("BTCUSDT")]).config(config()).build().unwrap();
    let log = Recorder::new();
    let source = live.source(&series("BTCUSDT"), at(0)).unwrap().until(at(13)).log(log.sink());
    let source = source.backfill(archive.clone()).build().unwrap();
    let stats = source.stats();
    assert_eq!(minutes(source).await, [0, 1, 2, 3, 4, 5, 6, 8, 9, 11, 12]);
    // What was before the first message, then what the cut lost. That minute 10 has no candle is the market's.
    assert_eq!(*archive.asked.lock().unwrap(), [(0, 3), (6, 9)]);
    assert_eq!((stats.snapshot().gaps, stats.snapshot().missing_bars), (2, 2));
    let log = log.logs();
    let expected = [
        "SOURCE_BACKFILLED",
        "SOURCE_LIVE",
        "SOURCE_BACKFILLED",
        "SOURCE_GAP_DETECTED",
        "SOURCE_GAP_DETECTED",
    ];
    assert_eq!(events(&log), expected);
}

#[tokio::test]
async fn what_an_archive_has_is_checked_like_any_row() {
    let url = venue(vec![closed("BTCUSDT", 3..5)]).await;
    let archive = Arc::new(Archive { odd: Some(1), ..Archive::default() });
    let mut live = Live::builder(url, [series("BTCUSDT")]).config(config()).build().unwrap();
    let source = live.source(&series("BTCUSDT"), at(0)).unwrap().until(at(5)).backfill(archive);
    let source = source.build().unwrap();
    let stats = source.stats();
    assert_eq!(minutes(source).await, [0, 2, 3, 4]);
    let counted = stats.snapshot();
    assert_eq!((counted.failed, counted.emitted, counted.missing_bars), (1, 4, 1));
}

#[tokio::test]
async fn without_an_archive_what_is_lost_is_a_gap() {
    let mut first = closed("BTCUSDT", 0..2);
    first.push(Act::Cut);
    let url = venue(vec![first, closed("BTCUSDT", 4..6)]).await;
    let mut live = Live::builder(url, [series("BTCUSDT")]).config(config()).build().unwrap();
    let source = live.source(&series("BTCUSDT"), at(0)).unwrap().until(at(6)).build().unwrap();
    let stats = source.stats();
    assert_eq!(minutes(source).await, [0, 1, 4, 5]);
    assert_eq!((stats.snapshot().gaps, stats.snapshot().missing_bars), (1, 2));
    assert_eq!(live.stats()[0].connects, 2);
}

/// An archive that does not answer.
#[derive(Debug)]
struct Deaf;

impl Backfill for Deaf {
    fn fetch(&self, _: &Series, _: Range<Timestamp>, _: usize) -> Fetch {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_series_that_is_cut_off_does_not_wait_for_an_archive_that_does_not_answer() {
    let tick = Arc::new(Notify::new());
    let others = closed("ETHUSDT", 0..60).into_iter().flat_map(|act| [Act::Wait(Arc::clone(&tick)), act]);
    let url = venue_by_stream([("btcusdt", closed("BTCUSDT", 0..2)), ("ethusdt", others.collect())]).await;
    let (btc, eth) = (series("BTCUSDT"), series("ETHUSDT"));
    let live = Live::builder(url, [btc.clone(), eth]).config(config().with_series_per_connection(1));
    let mut live = live.build().unwrap();
    tokio::spawn(async move {
        loop {
            sleep(Duration::from_secs(1)).await;
            tick.notify_one();
        }
    });
    let log = Recorder::new();
    let source = live.source(&btc, at(0)).unwrap().until(at(5)).log(log.sink()).backfill(Arc::new(Deaf));
    let begin = Instant::now();
    assert_eq!(minutes(source.build().unwrap()).await, [0, 1]);
    // Ten seconds of silence until then, and twenty for the archive.
    assert!((30..32).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    let log = log.logs();
    let failed = log.iter().find(|event| event.event == "SOURCE_BACKFILL_FAILED").unwrap();
    assert!(failed.message.contains("no answer within 20s"), "{failed:?}");
}

#[tokio::test]
async fn rows_that_are_doubled_or_overtaken_or_make_no_sense_have_their_fates() {
    let send = |minute| Act::Send(kline("BTCUSDT", minute, 5, true));
    let long = format!("\"o\":\"{}", "x".repeat(5_000));
    let nonsense = kline("BTCUSDT", 1, 5, true).to_string().replace("\"o\":\"", &long);
    let nonsense = Message::text(nonsense);
    let acts = vec![
        send(0),
        send(0),
        send(2),
        send(1), // within grace
        Act::Send(nonsense),
        Act::Send(kline("DOGEUSDT", 3, 5, true)),
        Act::Send(kline("BTCUSDT", 4, 5_000, true)),
        send(3), // within grace
        send(5),
    ];
    let config = config().with_grace(Duration::from_secs(90));
    let url = venue(vec![acts]).await;
    let mut live = Live::builder(url, [series("BTCUSDT")]).config(config).build().unwrap();
    let log = Recorder::new();
    let source =
        live.source(&series("BTCUSDT"), at(0)).unwrap().until(at(6)).log(log.sink()).build().unwrap();
    let stats = source.stats();
    assert_eq!(minutes(source).await, [0, 1, 2, 3, 4, 5]);
    let counted = stats.snapshot();
    assert_eq!((counted.emitted, counted.dropped_duplicate, counted.gaps), (6, 1, 0));
    let [connection] = &live.stats()[..] else { panic!("one connection") };
    assert_eq!((connection.malformed, connection.foreign), (1, 1));
    let told = log.logs().into_iter().find(|event| event.event == "SOURCE_MESSAGE_MALFORMED").unwrap();
    assert!(told.message.contains("`o` is") && told.message.len() < 400, "{told:?}");
}

#[tokio::test]
async fn a_row_that_time_has_passed_is_late() {
    let passed = Arc::new(Notify::new());
    let mut acts = closed("BTCUSDT", 0..1);
    acts.push(Act::Send(kline("BTCUSDT", 4, 0, false)));
    acts.push(Act::Wait(passed.clone()));
    acts.extend(closed("BTCUSDT", 2..3));
    acts.extend(closed("BTCUSDT", 4..6));
    let url = venue(vec![acts]).await;
    let mut live = Live::builder(url, [series("BTCUSDT")]).config(config()).build().unwrap();
    let log = Recorder::new();
    let source = live.source(&series("BTCUSDT"), at(0)).unwrap().until(at(6)).log(log.sink());
    let mut source = source.build().unwrap();
    let stats = source.stats();
    while source.next().await.unwrap().unwrap().watermark() < Some(at(4)) {}
    passed.notify_one();
    assert_eq!(minutes(source).await, [4, 5]);
    let counted = stats.snapshot();
    assert_eq!((counted.emitted, counted.dropped_out_of_order, counted.missing_bars), (3, 1, 3));
    assert_eq!(events(&log.logs()), ["SOURCE_LIVE", "SOURCE_LATE", "SOURCE_GAP_DETECTED"]);
}

#[tokio::test]
async fn a_venue_that_refuses_is_an_error_that_names_the_series() {
    let url = venue(vec![vec![Act::Refuse]]).await;
    let mut live = Live::builder(url, [series("BTCUSDT")]).config(config()).build().unwrap();
    let mut source = live.source(&series("BTCUSDT"), at(0)).unwrap().build().unwrap();
    let error = source.next().await.unwrap().unwrap_err().to_string();
    assert!(error.contains("binance.spot:BTCUSDT@1m") && error.contains("400"), "{error}");
    assert!(source.next().await.is_none());
}

#[tokio::test]
async fn a_consumer_that_is_slow_holds_up_nobody_and_its_losses_are_told() {
    for (overflow, kept) in [(Overflow::DropOldest, [8, 9]), (Overflow::DropNewest, [0, 1])] {
        let mut acts = closed("BTCUSDT", 0..10);
        acts.extend(closed("ETHUSDT", 0..10));
        let url = venue(vec![acts]).await;
        let config = config().with_capacity(2).with_overflow(overflow);
        let pair = [series("BTCUSDT"), series("ETHUSDT")];
        let mut live = Live::builder(url, pair.clone()).config(config).build().unwrap();
        while live.stats()[0].messages < 20 {
            tokio::task::yield_now().await;
        }
        let log = Recorder::new();
        let source = live.source(&pair[0], at(0)).unwrap().until(at(10)).log(log.sink()).build().unwrap();
        let mut source = source.take(2);
        let mut got = Vec::new();
        while let Some(batch) = source.next().await {
            got.extend(batch.unwrap().iter().map(|row| row.start.as_nanos() / 60_000_000_000));
        }
        assert_eq!(got, kept);
        assert_eq!(live.stats()[0].dropped, 16);
        let log = log.logs();
        let told = log.iter().find(|event| event.event == "SOURCE_LIVE_DROPPED").unwrap();
        assert!(told.message.starts_with("8 rows"), "{told:?}");
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_cuts_the_connection_and_loses_nothing() {
    let mut first = closed("BTCUSDT", 0..2);
    first.push(Act::Send(Message::text("x".repeat(5_000))));
    let url = venue(vec![first, closed("BTCUSDT", 4..6)]).await;
    let config = config().with_max_message(4_000);
    let mut live = Live::builder(url, [series("BTCUSDT")]).config(config).build().unwrap();
    let source = live.source(&series("BTCUSDT"), at(0)).unwrap().until(at(6));
    let source = source.backfill(Arc::new(Archive::default())).build().unwrap();
    assert_eq!(minutes(source).await, [0, 1, 2, 3, 4, 5]);
    assert_eq!(live.stats()[0].malformed, 1);
}

#[tokio::test]
async fn dropping_everything_ends_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let mut live = Live::builder(url, [series("BTCUSDT")]).config(config()).build().unwrap();
    let source = live.source(&series("BTCUSDT"), at(0)).unwrap().build().unwrap();
    let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
    drop(live);
    socket.send(kline("BTCUSDT", 0, 5, true)).await.unwrap();
    drop(source);
    while let Some(Ok(_)) = socket.next().await {}
}

#[tokio::test]
async fn settings_that_cannot_be_are_errors() {
    let build = |url: &str, config| Live::builder(url, [series("BTCUSDT")]).config(config).build();
    let error = build("http://127.0.0.1:1", LiveConfig::default()).unwrap_err().to_string();
    assert!(error.contains("http://127.0.0.1:1") && error.contains("ws://"), "{error}");
    let error = build("ws://127.0.0.1:1", LiveConfig::default().with_capacity(0)).unwrap_err().to_string();
    assert!(error.contains("capacity"), "{error}");
    let twice = [series("BTCUSDT"), series("BTCUSDT"), series("btcusdt")];
    let error = Live::builder("ws://127.0.0.1:1", twice).build().unwrap_err().to_string();
    assert!(error.contains("btcusdt@1m") && error.contains("once"), "{error}");
    let error = Live::builder("ws://127.0.0.1:1", []).build().unwrap_err().to_string();
    assert!(error.contains("no series"), "{error}");
    let live = Live::builder("ws://127.0.0.1:1", [series("BTCUSDT")]).tls_ca("/nonexistent.pem").build();
    assert!(live.unwrap_err().to_string().contains("/nonexistent.pem"));
}
