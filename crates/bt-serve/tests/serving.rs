//! What a venue sends to those who listen.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::time::Duration;

use bt_core::{BoxError, SourceError, TimeRange, Timestamp};
use bt_data_source::{Live, LiveConfig};
use bt_serve::{Opening, ServeConfig, ServeError, Speed, Venue};
use common::{
    FROM, Heard, MINUTE, archive, at, candles, closed, connect, expected, get, hear, hear_all, range, rows,
    series, venue,
};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

const NAMES: [&str; 4] = ["BTC@1m", "GAP@1m", "ETH@5m", "GAP@15m"];

fn at_speed(speed: Speed) -> ServeConfig {
    ServeConfig::default().with_speed(speed)
}

#[tokio::test(start_paused = true)]
async fn at_full_speed_every_candle_comes_once_when_it_closes() {
    let venue = venue(&NAMES, 600, at_speed(Speed::Max)).await;
    let mut socket = connect(&venue, &NAMES).await.unwrap();
    let heard = hear_all(&mut socket, 600).await;
    assert_eq!(closed(&heard), expected(&NAMES, range(600)));
    assert!(heard.is_sorted_by_key(|kline| kline.event));
    // Nothing came but candles, each a millisecond after its end.
    for kline in &heard {
        let length = match &*kline.stream {
            "eth@kline_5m" => 5,
            "gap@kline_15m" => 15,
            _ => 1,
        };
        assert_eq!((kline.closed, kline.event), (true, kline.start + length * MINUTE + 1), "{kline:?}");
    }
    let stats = venue.stats();
    assert_eq!((stats.connections, stats.candles), (1, heard.len() as u64));
    assert!(stats.faults().all(|(_, times)| times == 0));
}

#[tokio::test(start_paused = true)]
async fn at_a_speed_candles_come_in_time_and_open_klines_in_between() {
    let venue = venue(&NAMES, 30, at_speed(Speed::Times(6.0))).await;
    let mut socket = connect(&venue, &NAMES).await.unwrap();
    let began = Instant::now();
    let heard = hear_all(&mut socket, 30).await;
    assert_eq!(closed(&heard), expected(&NAMES, range(30)));
    assert!(heard.is_sorted_by_key(|kline| kline.event));
    // What is open is at the first price there is, and then at the last.
    let btc: Vec<&Heard> = heard.iter().filter(|kline| kline.stream == "btc@kline_1m").collect();
    assert_eq!((btc[0].close, btc[0].closed), (0.1, false));
    assert!(btc.windows(2).all(|pair| pair[1].closed || pair[0].close == pair[1].close));
    // Thirty minutes are over in five.
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(290) && took <= Duration::from_secs(310), "{took:?}");
    // Every two seconds, twelve of the venue's, each series says what is open; the first time before any close.
    let open: Vec<i64> = heard.iter().filter(|kline| !kline.closed).map(|kline| kline.event).collect();
    assert!((4 * 140..=4 * 150).contains(&open.len()), "{}", open.len());
    assert!(open[0] < (FROM + 1) * MINUTE);
    assert!(open.windows(5).all(|some| (11_000..13_000).contains(&(some[4] - some[0]))));
}

#[tokio::test(start_paused = true)]
async fn behind_the_end_time_goes_on() {
    for speed in [Speed::Max, Speed::Times(60.0)] {
        let venue = venue(&["BTC@1m"], 5, at_speed(speed)).await;
        let mut socket = connect(&venue, &["BTC@1m"]).await.unwrap();
        hear_all(&mut socket, 5).await;
        let next = hear(&mut socket).await.unwrap();
        let times = if speed == Speed::Max { 1 } else { 60 };
        let step = next.event - (FROM + 5) * MINUTE - 30_000;
        assert!((2_000 * times..2_200 * times).contains(&step) && !next.closed, "{step} {next:?}");
        assert!(venue.present() > at(5));
    }
}

#[tokio::test(start_paused = true)]
async fn live_sources_have_all_candles() {
    for speed in [Speed::Max, Speed::Times(60.0)] {
        let venue = venue(&NAMES, 120, at_speed(speed)).await;
        let names = NAMES.map(series);
        let config = LiveConfig::default().with_series_per_connection(4).with_capacity(10_000);
        let url = format!("ws://{}", venue.local_addr());
        let mut live = Live::builder(url, names.clone()).config(config).build().unwrap();
        for series in names {
            let mut source = live.source(&series, at(0)).unwrap().until(at(120)).build().unwrap();
            let mut found = Vec::new();
            while let Some(batch) = source.next().await {
                found.extend(batch.unwrap().iter());
            }
            assert_eq!(found, candles(&series, range(120)), "{series} at {speed:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_late_asks_for_what_was() {
    let names = ["GAP@1m"];
    let venue = venue(&names, 60, at_speed(Speed::Times(60.0))).await;
    let mut first = connect(&venue, &names).await.unwrap();
    while hear(&mut first).await.unwrap().event < (FROM + 20) * MINUTE {}
    let mut late = connect(&venue, &names).await.unwrap();
    let heard = hear_all(&mut late, 60).await;
    let heard = closed(&heard).remove("gap@kline_1m").unwrap();
    assert!((20..30).contains(&heard[0]), "{heard:?}");
    let query = |end: i64, limit: i64| {
        let end = (FROM + end) * MINUTE - 1;
        format!(
            "/api/v3/klines?symbol=GAP&interval=1m&startTime={}&endTime={end}&limit={limit}",
            FROM * MINUTE
        )
    };
    let answer = get(venue.local_addr(), &query(heard[0], 1000)).await.unwrap();
    let mut all = rows(&answer);
    all.extend(&heard);
    assert_eq!(vec![all], expected(&names, range(60)).into_values().collect::<Vec<_>>());
    let first = get(venue.local_addr(), &query(60, 3)).await.unwrap();
    assert_eq!(rows(&first), expected(&names, range(60))["gap@kline_1m"][..3]);
}

#[tokio::test(start_paused = true)]
async fn time_waits_for_its_clients() {
    let names = ["BTC@1m"];
    let venue = venue(&names, 10, at_speed(Speed::Max).with_clients(2)).await;
    let mut first = connect(&venue, &names).await.unwrap();
    assert!(timeout(Duration::from_secs(15), hear(&mut first)).await.is_err());
    assert_eq!(venue.present(), at(0));
    let mut second = connect(&venue, &names).await.unwrap();
    let both = tokio::join!(hear_all(&mut first, 10), hear_all(&mut second, 10));
    assert_eq!(
        (closed(&both.0), closed(&both.1)),
        (expected(&names, range(10)), expected(&names, range(10)))
    );
}

#[tokio::test(start_paused = true)]
async fn at_full_speed_time_stands_still_while_nobody_listens() {
    let names = ["BTC@1m"];
    let venue = venue(&names, 20_000, at_speed(Speed::Max)).await;
    let mut socket = connect(&venue, &names).await.unwrap();
    hear(&mut socket).await.unwrap();
    drop(socket);
    sleep(Duration::from_secs(1)).await;
    let stood = venue.present();
    assert!(stood < at(20_000));
    sleep(Duration::from_secs(100)).await;
    assert_eq!(venue.present(), stood);
    let mut socket = connect(&venue, &names).await.unwrap();
    assert!(hear(&mut socket).await.unwrap().event > stood.as_nanos() / 1_000_000);
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_is_cut_and_holds_up_nobody_for_long() {
    let names = ["BTC@1m"];
    let venue = venue(&names, 100_000, at_speed(Speed::Max).with_clients(2)).await;
    let _deaf = connect(&venue, &names).await.unwrap();
    let mut socket = connect(&venue, &names).await.unwrap();
    let heard = hear_all(&mut socket, 100_000).await;
    assert_eq!(closed(&heard), expected(&names, range(100_000)));
    assert_eq!(venue.stats().cut_off, 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_too_late_at_a_speed_is_cut() {
    let names = ["BTC@1m"];
    let config = at_speed(Speed::Times(600_000.0)).with_behind(16).with_clients(2);
    let venue = venue(&names, 200_000, config).await;
    let _deaf = connect(&venue, &names).await.unwrap();
    let mut socket = connect(&venue, &names).await.unwrap();
    let began = Instant::now();
    while venue.stats().cut_off == 0 {
        hear(&mut socket).await.unwrap();
    }
    // Long before who takes nothing is cut at any speed.
    assert!(began.elapsed() < ServeConfig::default().patience / 2, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_there_is_refused_by_name() {
    let venue = venue(&["BTC@1m"], 10, at_speed(Speed::Max)).await;
    let Err(Error::Http(answer)) = connect(&venue, &["BTC@1m", "XYZ@1m"]).await else { panic!("refused") };
    assert_eq!(answer.status().as_u16(), 400);
    let body = String::from_utf8(answer.into_body().unwrap()).unwrap();
    assert!(body.contains("xyz@kline_1m") && !body.contains("btc"), "{body}");
    assert_eq!(venue.stats().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn streams_can_be_asked_for_one_by_one() {
    // Time stands still until there are two who listen.
    let venue = venue(&["BTC@1m", "ETH@5m"], 10, at_speed(Speed::Max).with_clients(2)).await;
    let mut socket = connect(&venue, &[]).await.unwrap();
    let mut ask = async |method: &str, params: Value| {
        let request = json!({ "method": method, "params": params, "id": 7 });
        socket.send(Message::text(request.to_string())).await.unwrap();
        let Some(Ok(Message::Text(answer))) = socket.next().await else { panic!("an answer") };
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["id"], 7);
        (answer["result"].take(), answer["error"]["msg"].take())
    };
    assert_eq!(ask("LIST_SUBSCRIPTIONS", Value::Null).await, (json!([]), Value::Null));
    let (_, refused) = ask("SUBSCRIBE", json!(["btc@kline_1m", "xyz@kline_1m"])).await;
    assert_eq!(refused, "Invalid request: unknown stream \"xyz@kline_1m\"");
    assert_eq!(ask("SUBSCRIBE", json!([])).await, (Value::Null, Value::Null));
    let (_, refused) = ask("DANCE", json!([])).await;
    assert_eq!(refused, "Invalid request: unknown method DANCE");
    let both = json!(["eth@kline_5m", "btc@kline_1m"]);
    assert_eq!(ask("SUBSCRIBE", both.clone()).await, (Value::Null, Value::Null));
    assert_eq!(ask("LIST_SUBSCRIPTIONS", Value::Null).await, (both, Value::Null));
    assert_eq!(ask("UNSUBSCRIBE", json!(["btc@kline_1m"])).await, (Value::Null, Value::Null));
    let _other = connect(&venue, &["BTC@1m"]).await.unwrap();
    let heard = hear_all(&mut socket, 10).await;
    assert_eq!(closed(&heard), expected(&["ETH@5m"], range(10)));
}

#[tokio::test(start_paused = true)]
async fn pings_come_and_are_answered() {
    let venue = venue(&["BTC@1m"], 10, at_speed(Speed::Max)).await;
    let mut socket = connect(&venue, &[]).await.unwrap();
    socket.send(Message::Ping("x".into())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("x".into()));
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Ping("".into()));
}

#[tokio::test(start_paused = true)]
async fn all_ends_when_the_venue_is_dropped() {
    let names = ["BTC@1m"];
    let venue = venue(&names, 10_000, at_speed(Speed::Max)).await;
    let mut socket = connect(&venue, &names).await.unwrap();
    hear(&mut socket).await.unwrap();
    let address = venue.local_addr();
    assert!(Handle::current().metrics().num_alive_tasks() > 1);
    drop(venue);
    let mut turns = 0;
    while Handle::current().metrics().num_alive_tasks() > 0 {
        turns += 1;
        assert!(turns < 1_000_000, "tasks go on");
        tokio::task::yield_now().await;
    }
    while hear(&mut socket).await.is_some() {}
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_archive_that_fails_is_told() {
    let broken = |series: &bt_core::Series, range: TimeRange| -> Opening {
        let rows = candles(series, range).into_iter().take(3).map(Ok);
        let error = SourceError::Other(BoxError::from("the disk is gone"));
        let rows: Vec<_> = rows.chain([Err(error)]).collect();
        let rows = bt_core::from_candles(series.clone(), None, futures::stream::iter(rows));
        Box::pin(async move { Ok(bt_core::CandleSourceExt::boxed_source(rows)) })
    };
    let builder = Venue::builder([series("BTC@1m")], range(10), broken).config(at_speed(Speed::Max));
    let mut venue = builder.listen().await.unwrap();
    let mut socket = connect(&venue, &["BTC@1m"]).await.unwrap();
    assert_eq!(venue.failure().await.to_string(), "the disk is gone");
    assert_eq!(hear(&mut socket).await.unwrap().minute(), 0);
    let answer = get(venue.local_addr(), "/api/v3/klines?symbol=BTC&interval=1m&limit=1").await.unwrap();
    assert_eq!(answer.status, 500);
}

#[tokio::test]
async fn settings_that_cannot_be_are_named() {
    let odd = TimeRange::new(at(0), Timestamp::from_nanos(at(1).as_nanos() + 1)).unwrap();
    let refused = Venue::builder([series("BTC@1m")], odd, archive).listen().await.unwrap_err();
    assert!(matches!(&refused, ServeError::NotMillis { .. }), "{refused}");
    assert!(refused.to_string().contains("binance.spot:BTC@1m"), "{refused}");
    let twice = Venue::builder(["BTC@1m", "btc@1m"].map(series), range(1), archive).listen().await;
    assert!(twice.unwrap_err().to_string().contains("binance.spot:btc@1m"));
    let venue = venue(&["BTC@1m"], 1, ServeConfig::default()).await;
    let taken = ServeConfig::default().with_listen(venue.local_addr());
    let refused =
        Venue::builder([series("BTC@1m")], range(1), archive).config(taken).listen().await.unwrap_err();
    assert!(refused.to_string().contains(&venue.local_addr().to_string()), "{refused}");
}
