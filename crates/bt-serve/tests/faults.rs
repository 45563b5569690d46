//! What goes wrong, as clients see it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::ops::Range;
use std::time::Duration;

use bt_core::{BoxError, Candle, Series, SourceError, Timestamp};
use bt_data_source::{Backfill, BackfillError, Fetch, Live, LiveConfig};
use bt_serve::{FaultKind, Faults, ServeConfig, Speed, Venue};
use common::{
    FROM, Heard, MINUTE, Socket, at, candle, candles, closed, connect, expected, get, range, series, venue,
};
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

const NAMES: [&str; 3] = ["BTC@1m", "ETH@1m", "SOL@1m"];

async fn faulty(minutes: i64, faults: Faults) -> Venue {
    let config = ServeConfig::default().with_speed(Speed::Max).with_faults(Some(faults));
    venue(&NAMES, minutes, config).await
}

/// All texts until the venue's time is past the end, or the connection is over.
async fn texts(socket: &mut Socket, minutes: i64) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let late = (FROM + minutes) * MINUTE + 30_000;
        // Skew is of an hour at most.
        if Heard::of(&text).is_some_and(|kline| !kline.closed && kline.start >= late - 90_000) {
            break;
        }
        texts.push(text.to_string());
    }
    texts
}

fn heard(texts: &[String]) -> Vec<Heard> {
    texts.iter().filter_map(|text| Heard::of(text)).collect()
}

/// Whether so many faults were seen of those that happened; some happen to what comes behind the end.
fn seen(found: usize, times: u64) -> bool {
    (times.saturating_sub(3)..=times).contains(&(found as u64)) && found > 0
}

/// Everything that a venue of this one fault sends over one connection, and how often it happened.
async fn all(kind: FaultKind, faults: Faults) -> (Vec<String>, u64) {
    let venue = faulty(300, faults).await;
    let mut socket = connect(&venue, &NAMES).await.unwrap();
    let texts = texts(&mut socket, 300).await;
    let stats = venue.stats();
    for (other, times) in stats.faults() {
        assert_eq!(times > 0, other == kind, "{other:?} {times}");
    }
    (texts, stats.fault(kind))
}

#[tokio::test(start_paused = true)]
async fn messages_come_twice() {
    let (texts, times) = all(FaultKind::Duplicate, Faults::none(1).with_duplicate(0.1)).await;
    let twice = texts.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert!(seen(twice, times), "{twice} {times}");
    let mut once = texts;
    once.dedup();
    assert_eq!(closed(&heard(&once)), expected(&NAMES, range(300)));
}

#[tokio::test(start_paused = true)]
async fn messages_are_overtaken_within_their_instant() {
    let (texts, times) = all(FaultKind::Reorder, Faults::none(1).with_reorder(0.2)).await;
    let heard = heard(&texts);
    assert_eq!(closed(&heard), expected(&NAMES, range(300)));
    assert!(heard.is_sorted_by_key(|kline| kline.event));
    let odd = heard.chunks(3).filter(|chunk| !chunk.is_sorted_by_key(|kline| &kline.stream)).count();
    assert!(odd as u64 <= times && odd > 50, "{odd} {times}");
}

#[tokio::test(start_paused = true)]
async fn garbage_and_cut_texts_come_in_place_of_messages_or_before_them() {
    let (texts, times) = all(FaultKind::Malformed, Faults::none(1).with_malformed(0.2)).await;
    let (odd, lost) =
        (texts.len() - heard(&texts).len(), 900 - closed(&heard(&texts)).values().flatten().count());
    // One of the garbage looks like a kline of nobody's.
    assert!(odd as u64 <= times && odd > 50 && lost > 30 && (lost as u64) < times, "{odd} {lost} {times}");
    let (texts, times) = all(FaultKind::Truncated, Faults::none(1).with_truncated(0.2)).await;
    let odd: Vec<&String> = texts.iter().filter(|text| Heard::of(text).is_none()).collect();
    assert!(seen(odd.len(), times), "{} {times}", odd.len());
    assert_eq!(heard(&texts).len(), 900 - odd.len());
    assert!(odd.iter().all(|text| {
        r#"{"stream":"btc@kline_1m"eth@kline_1m"sol@kline_1m"#.contains(&text[..text.len().min(11)])
    }));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asked_for_comes_beside_messages() {
    let (texts, times) = all(FaultKind::WrongId, Faults::none(1).with_wrong_id(0.2)).await;
    let answers = texts.iter().filter(|text| text.contains(r#""result":null"#)).count();
    let mut closed = closed(&heard(&texts));
    let strangers = closed.remove("nobodyasked@kline_1m").unwrap().len();
    assert_eq!(closed, expected(&NAMES, range(300)));
    assert!(seen(answers + strangers, times), "{answers} {strangers} {times}");
    assert!(answers > 30 && strangers > 30);
}

#[tokio::test(start_paused = true)]
async fn event_times_are_off_by_up_to_an_hour() {
    let (texts, times) = all(FaultKind::Skew, Faults::none(1).with_skew(0.2)).await;
    let heard = heard(&texts);
    assert_eq!(closed(&heard), expected(&NAMES, range(300)));
    let off: Vec<i64> =
        heard.iter().map(|kline| kline.event - kline.start - MINUTE - 1).filter(|off| *off != 0).collect();
    assert!(seen(off.len(), times), "{} {times}", off.len());
    assert!(off.iter().all(|off| off.abs() <= 3_600_000));
    assert!(off.iter().any(|off| *off > 1_800_000) && off.iter().any(|off| *off < -1_800_000));
}

#[tokio::test(start_paused = true)]
async fn messages_of_two_mebibytes_come_before_others() {
    let (texts, times) = all(FaultKind::Oversized, Faults::none(1).with_oversized(0.02)).await;
    assert_eq!(closed(&heard(&texts)), expected(&NAMES, range(300)));
    assert!(seen(texts.iter().filter(|text| text.len() > 2 << 20).count(), times));
}

#[tokio::test(start_paused = true)]
async fn a_slow_message_comes_a_byte_at_a_time_and_whole() {
    let venue = faulty(300, Faults::none(1).with_loris(0.01)).await;
    let mut socket = connect(&venue, &NAMES).await.unwrap();
    let began = Instant::now();
    let texts = texts(&mut socket, 300).await;
    let times = venue.stats().fault(FaultKind::Loris);
    assert_eq!(closed(&heard(&texts)), expected(&NAMES, range(300)));
    assert!(times > 2 && began.elapsed() > Duration::from_secs(20 * times), "{times} {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn connections_are_cut_also_within_messages() {
    let venue = faulty(3000, Faults::none(1).with_cut(0.02)).await;
    let (mut closes, mut heard_in_all) = (0, 0);
    while closes < 20 {
        let mut socket = connect(&venue, &NAMES).await.unwrap();
        heard_in_all += texts(&mut socket, 3000).await.len();
        closes += 1;
        assert_eq!(venue.stats().fault(FaultKind::Cut), closes);
    }
    assert!(heard_in_all > 100);
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_stays_open_and_holds_up_nobody() {
    let venue = faulty(300, Faults::none(3).with_silence(0.02)).await;
    let mut socket = connect(&venue, &NAMES).await.unwrap();
    while venue.stats().fault(FaultKind::Silence) == 0 {
        socket.next().await.unwrap().unwrap();
    }
    while let Ok(Some(Ok(_))) = timeout(Duration::from_secs(1), socket.next()).await {}
    // No answers, no pings, no end.
    socket.send(Message::Ping("x".into())).await.unwrap();
    assert!(timeout(Duration::from_secs(1000), socket.next()).await.is_err());
    let mut other = connect(&venue, &NAMES).await.unwrap();
    assert!(other.next().await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn connections_are_refused_in_three_ways() {
    let venue = faulty(300, Faults::none(1).with_refuse(0.9)).await;
    let (mut statuses, mut closes) = (Vec::new(), 0);
    for _ in 0..40 {
        match connect(&venue, &NAMES).await {
            Ok(_) => {}
            Err(Error::Http(answer)) => statuses.push(answer.status().as_u16()),
            Err(_) => closes += 1,
        }
    }
    let count = |status| statuses.iter().filter(|other| **other == status).count();
    assert!(count(503) > 3 && count(429) > 3 && closes > 3, "{statuses:?} {closes}");
    let stats = venue.stats();
    assert_eq!(stats.fault(FaultKind::Refuse), statuses.len() as u64 + closes);
    assert_eq!(stats.connections + stats.fault(FaultKind::Refuse), 40);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_comes_a_byte_at_a_time() {
    let venue = faulty(300, Faults::none(1).with_slow_handshake(1.0)).await;
    let began = Instant::now();
    // A client that looks at how its bytes come may take it for an attack.
    let mut stream = TcpStream::connect(venue.local_addr()).await.unwrap();
    let request = "GET /stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
    }
    let answer = String::from_utf8(answer).unwrap().to_lowercase();
    assert!(answer.contains("101 switching") && answer.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");
    assert!(began.elapsed() > Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(venue.stats().fault(FaultKind::SlowHandshake), 1);
}

#[tokio::test(start_paused = true)]
async fn requests_fail_in_three_ways() {
    let faults = Faults::none(1).with_rest_error(0.3).with_rest_cut(0.3).with_rest_slow(0.3);
    let venue = faulty(300, faults).await;
    let (mut errors, mut cuts, mut slow) = (0, 0, 0);
    for _ in 0..40 {
        let began = Instant::now();
        match get(venue.local_addr(), "/api/v3/time").await {
            Some(answer) if answer.status == 500 => errors += 1,
            Some(_) if began.elapsed() > Duration::from_secs(9) => slow += 1,
            Some(answer) => assert_eq!(answer.status, 200),
            None => cuts += 1,
        }
    }
    let stats = venue.stats();
    let counted =
        [FaultKind::RestError, FaultKind::RestCut, FaultKind::RestSlow].map(|kind| stats.fault(kind));
    assert_eq!([errors, cuts, slow], counted);
    assert!(counted.iter().all(|times| *times > 3), "{counted:?}");
}

/// Asks the venue for what was lost.
#[derive(Debug)]
struct Rest(std::net::SocketAddr);

impl Backfill for Rest {
    fn fetch(&self, series: &Series, range: Range<Timestamp>, limit: usize) -> Fetch {
        let millis = |at: Timestamp| at.as_nanos() / 1_000_000;
        let (address, symbol, interval) = (self.0, series.instrument().symbol(), series.timeframe());
        let target = format!(
            "/api/v3/klines?symbol={symbol}&interval={interval}&startTime={}&endTime={}&limit={limit}",
            millis(range.start),
            millis(range.end) - 1
        );
        Box::pin(async move {
            for _ in 0..10 {
                if let Some(answer) = get(address, &target).await
                    && answer.status == 200
                {
                    let row = |row: &serde_json::Value| {
                        candle(Timestamp::from_millis(row[0].as_i64().unwrap()).unwrap())
                    };
                    return Ok(answer.json().as_array().unwrap().iter().map(row).collect());
                }
            }
            Err::<Vec<Candle>, BackfillError>(SourceError::Other(BoxError::from("no answer")).into())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn live_sources_that_ask_again_have_all_candles_on_a_bad_day() {
    let mut happened = 0;
    for seed in 0..8 {
        let faults = Faults::seeded(seed);
        let faults =
            faults.clone().with_skew(0.0).with_cut(0.002).with_duplicate(0.002).with_malformed(0.002);
        let venue = faulty(1000, faults).await;
        let names = NAMES.map(series);
        let config = LiveConfig::default().with_capacity(10_000).with_seed(Some(seed));
        let url = format!("ws://{}", venue.local_addr());
        let mut live = Live::builder(url, names.clone()).config(config).build().unwrap();
        for series in names {
            let builder = live.source(&series, at(0)).unwrap().until(at(1000));
            let mut source = builder.backfill(std::sync::Arc::new(Rest(venue.local_addr()))).build().unwrap();
            let mut found = Vec::new();
            while let Some(batch) = source.next().await {
                found.extend(batch.unwrap().iter());
            }
            assert_eq!(found.len(), 1000, "seed {seed}, {series}");
            assert_eq!(found, candles(&series, range(1000)), "seed {seed}, {series}");
        }
        happened += venue.stats().faults().filter(|(_, times)| *times > 0).count();
    }
    assert!(happened > 40, "{happened}");
}
