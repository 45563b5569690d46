//! Live sources against venues that say what no venue should.

#![cfg(feature = "live")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod venue;

use std::sync::Arc;
use std::time::Duration;

use bt_core::{CandleSource, LogEvent};
use bt_data_source::{ConnectionState, Handover, Live, LiveConfig, MemorySource};
use bt_testkit::Recorder;
use futures::StreamExt;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use venue::{
    Act, Archive, at, candle, closed, config, events, kline, minutes, series, venue, venue_by_stream,
};

fn states(log: &[LogEvent]) -> Vec<String> {
    let states = log.iter().filter(|event| event.event == "SOURCE_CONNECTION_STATE");
    states.map(|event| event.message.to_string()).collect()
}

/// A kline whose `E` is that of another minute.
fn misdated(minute: i64, said: i64, closed: bool) -> Act {
    Act::Send(kline("BTCUSDT", minute, (said - minute) * venue::MINUTE, closed))
}

#[tokio::test]
async fn of_many_series_only_those_are_refused_that_the_venue_does_not_have() {
    // Both are asked for, then each, and then what is left.
    let script = vec![vec![Act::Refuse], vec![], vec![Act::Refuse], closed("BTCUSDT", 0..3)];
    let url = venue(script).await;
    let (good, bad) = (series("BTCUSDT"), series("XYZUSDT"));
    let mut live = Live::builder(url, [bad.clone(), good.clone()]).config(config()).build().unwrap();
    let source = live.source(&good, at(0)).unwrap().until(at(3)).build().unwrap();
    assert_eq!(minutes(source).await, [0, 1, 2]);
    // However far the others have come.
    let mut refused = live.source(&bad, at(0)).unwrap().until(at(3)).build().unwrap();
    let error = refused.next().await.unwrap().unwrap_err().to_string();
    assert!(error.contains("XYZUSDT@1m") && error.contains("no such stream"), "{error}");
}

#[tokio::test]
async fn a_refusal_that_is_for_no_stream_of_them_is_one_of_all() {
    let url = venue(vec![vec![Act::Refuse], vec![], vec![]]).await;
    let pair = [series("BTCUSDT"), series("ETHUSDT")];
    let mut live = Live::builder(url, pair.clone()).config(config()).build().unwrap();
    for series in pair {
        let mut source = live.source(&series, at(0)).unwrap().build().unwrap();
        let error = source.next().await.unwrap().unwrap_err().to_string();
        assert!(error.contains(&series.to_string()) && error.contains("no such stream"), "{error}");
    }
}

#[tokio::test]
async fn a_symbol_may_have_any_letters() {
    let acts = closed("币安人生USDT", 0..3);
    let encoded = "streams=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9Fusdt@kline_1m ";
    let url = venue_by_stream([(encoded, acts)]).await;
    let one = series("币安人生USDT");
    let mut live = Live::builder(url, [one.clone()]).config(config()).build().unwrap();
    let source = live.source(&one, at(0)).unwrap().until(at(3)).build().unwrap();
    assert_eq!(minutes(source).await, [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_died_is_made_anew_though_pings_are_answered() {
    // The venue reads on, and so answers pings, but says no more on its first connection.
    let url =
        venue(vec![vec![closed("BTCUSDT", 0..1).remove(0), Act::Listen], closed("BTCUSDT", 3..4)]).await;
    let mut live = Live::builder(url, [series("BTCUSDT")]).config(config()).build().unwrap();
    let source = live.source(&series("BTCUSDT"), at(0)).unwrap().until(at(4));
    let source = source.backfill(Arc::new(Archive::default())).build().unwrap();
    let (begin, limit) = (Instant::now(), Duration::from_secs(640));
    assert_eq!(tokio::time::timeout(limit, minutes(source)).await.unwrap(), [0, 1, 2, 3]);
    assert!(begin.elapsed().as_secs() >= 600, "{:?}", begin.elapsed());
    assert_eq!(live.stats()[0].connects, 2);
}

#[tokio::test]
async fn what_came_before_a_refusal_is_handed_on_and_the_refusal_is_logged() {
    let mut first = closed("BTCUSDT", 0..3);
    first.push(Act::Cut);
    let url = venue(vec![first, vec![Act::Refuse]]).await;
    let mut live = Live::builder(url, [series("BTCUSDT")]).config(config()).build().unwrap();
    let log = Recorder::new();
    let source = live.source(&series("BTCUSDT"), at(0)).unwrap().log(log.sink()).build().unwrap();
    while live.stats()[0].state != ConnectionState::Ended {
        tokio::task::yield_now().await;
    }
    let items: Vec<_> = source.collect().await;
    let rows: usize = items.iter().flatten().map(|batch| batch.len()).sum();
    assert_eq!(rows, 3);
    let error = items.last().unwrap().as_ref().unwrap_err().to_string();
    assert!(error.contains("400") && error.contains("no such stream"), "{error}");
    let states = states(&log.logs());
    assert!(
        states.len() == 4 && states[0].contains("connecting") && states[3].contains("ended"),
        "{states:?}"
    );
}

#[tokio::test]
async fn r7_rows_from_before_the_range_are_outside_of_it_and_no_duplicates() {
    let url = venue(vec![closed("BTCUSDT", 0..6)]).await;
    let mut live = Live::builder(url, [series("BTCUSDT")]).config(config()).build().unwrap();
    let source = live.source(&series("BTCUSDT"), at(2)).unwrap().until(at(6)).strict(true).build().unwrap();
    let stats = source.stats();
    assert_eq!(minutes(source).await, [2, 3, 4, 5]);
    let counted = stats.snapshot();
    assert_eq!((counted.out_of_range, counted.dropped_duplicate, counted.emitted), (2, 0, 4));
}

#[tokio::test]
async fn where_history_and_live_overlap_nothing_is_wrong() {
    let url = venue(vec![closed("BTCUSDT", 0..6)]).await;
    let mut live = Live::builder(url, [series("BTCUSDT")]).config(config()).build().unwrap();
    let source = live.source(&series("BTCUSDT"), at(0)).unwrap().until(at(6)).strict(true);
    let history = MemorySource::new(series("BTCUSDT"), (0..3).map(candle).collect::<Vec<_>>());
    let source = Handover::new(history, source).unwrap();
    assert_eq!(minutes(source).await, [0, 1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn limits_that_never_come_are_limits() {
    let never = Duration::MAX;
    let config = config()
        .with_handshake_limit(never)
        .with_idle_limit(never)
        .with_stale_after(never)
        .with_ping_every(never)
        .with_reconnect_every(never);
    let url = venue(vec![closed("BTCUSDT", 0..3)]).await;
    let mut live = Live::builder(url, [series("BTCUSDT")]).config(config).build().unwrap();
    let source = live.source(&series("BTCUSDT"), at(0)).unwrap().until(at(3)).build().unwrap();
    let all = tokio::time::timeout(Duration::from_secs(5), minutes(source)).await;
    assert_eq!(all.unwrap(), [0, 1, 2]);
}

#[tokio::test]
async fn a_kline_of_the_far_future_does_not_end_the_present() {
    for is_closed in [false, true] {
        let passed = Arc::new(Notify::new());
        let mut acts = closed("BTCUSDT", 0..2);
        acts.push(misdated(1_000_000, 2, is_closed));
        acts.push(Act::Wait(passed.clone()));
        acts.extend(closed("BTCUSDT", 2..6));
        let url = venue(vec![acts]).await;
        let mut live = Live::builder(url, [series("BTCUSDT")]).config(config()).build().unwrap();
        let mut source = live.source(&series("BTCUSDT"), at(0)).unwrap().until(at(6)).build().unwrap();
        let stats = source.stats();
        while live.stats()[0].messages < 3 {
            tokio::task::yield_now().await;
        }
        while stats.snapshot().emitted < 2 {
            source.next().await.unwrap().unwrap();
        }
        assert!(futures::poll!(source.next()).is_pending(), "closed: {is_closed}");
        passed.notify_one();
        assert_eq!(minutes(source).await, [2, 3, 4, 5]);
        assert_eq!(stats.snapshot().dropped_out_of_order, 0);
    }
}

#[tokio::test]
async fn r7_a_row_that_fails_does_not_stand_in_the_way_of_one_that_does_not() {
    let Act::Send(Message::Text(good)) = closed("BTCUSDT", 1..2).remove(0) else { panic!("a text") };
    let bad = Message::text(good.replace("\"h\":\"1.5\"", "\"h\":\"0.5\""));
    let url = venue(vec![vec![
        Act::Send(kline("BTCUSDT", 0, 5, true)),
        Act::Send(bad),
        Act::Send(Message::Text(good)),
        Act::Send(kline("BTCUSDT", 2, 5, true)),
    ]])
    .await;
    let mut live = Live::builder(url, [series("BTCUSDT")]).config(config()).build().unwrap();
    let source = live.source(&series("BTCUSDT"), at(0)).unwrap().until(at(3));
    let source = source.backfill(Arc::new(Archive::default())).build().unwrap();
    let stats = source.stats();
    assert_eq!(minutes(source).await, [0, 1, 2]);
    assert_eq!((stats.snapshot().failed, stats.snapshot().dropped_duplicate), (1, 0));
}

#[tokio::test]
async fn r29_what_is_said_of_a_row_comes_behind_the_rows_before_it() {
    let mut acts = closed("BTCUSDT", 0..2);
    acts.extend(closed("BTCUSDT", 0..1));
    acts.extend(closed("BTCUSDT", 2..3));
    let url = venue(vec![acts]).await;
    let mut live = Live::builder(url, [series("BTCUSDT")]).config(config()).build().unwrap();
    while live.stats()[0].messages < 4 {
        tokio::task::yield_now().await;
    }
    let log = Recorder::new();
    let source = live.source(&series("BTCUSDT"), at(0)).unwrap().until(at(3)).log(log.sink());
    let mut source = source.build().unwrap();
    assert_eq!(source.next().await.unwrap().unwrap().len(), 2);
    assert!(!events(&log.logs()).contains(&"SOURCE_ROW_DROPPED_DUPLICATE"));
    assert_eq!(minutes(source).await, [2]);
    assert!(events(&log.logs()).contains(&"SOURCE_ROW_DROPPED_DUPLICATE"));
}

#[tokio::test]
async fn r8_rows_that_are_dropped_without_a_word_show_in_the_counters() {
    let passed = Arc::new(Notify::new());
    let mut acts = closed("BTCUSDT", 0..1);
    acts.push(Act::Wait(passed.clone()));
    acts.extend([0, 0].into_iter().flat_map(|minute| closed("BTCUSDT", minute..minute + 1)));
    let url = venue(vec![acts]).await;
    let mut live = Live::builder(url, [series("BTCUSDT")]).config(config()).build().unwrap();
    let mut source = live.source(&series("BTCUSDT"), at(0)).unwrap().row_logs(0).build().unwrap();
    let stats = source.stats();
    source.next().await.unwrap().unwrap();
    assert!(futures::poll!(source.next()).is_pending());
    passed.notify_one();
    while live.stats()[0].messages < 3 {
        tokio::task::yield_now().await;
    }
    assert!(futures::poll!(source.next()).is_pending());
    assert_eq!((stats.snapshot().emitted, stats.snapshot().dropped_duplicate), (1, 2));
}

#[tokio::test]
async fn a_url_that_cannot_be_is_found_at_once() {
    for url in ["ws://", "ws://[::", "ws://host:99999", "wss://a b", "ws://host/?x"] {
        let error = Live::builder(url, [series("BTCUSDT")]).config(LiveConfig::default()).build();
        assert!(error.is_err_and(|error| error.to_string().contains(url)), "{url}");
    }
}
