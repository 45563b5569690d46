//! Fetching candles over HTTP, from a venue that is made up and does not always do as asked.

#![cfg(feature = "live")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bt_core::{Series, Timestamp, Trades};
use bt_data_source::{Backfill, BackfillError, LiveError, RestBackfill, RestConfig};
use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_secs(60 * minute).unwrap()
}

fn range(minutes: Range<i64>) -> Range<Timestamp> {
    at(minutes.start)..at(minutes.end)
}

fn series() -> Series {
    "binance.spot:BTCUSDT@1m".parse().unwrap()
}

fn row(minute: i64) -> String {
    let start = minute * 60_000;
    format!(
        r#"[{start},"{minute}.5","{minute}.75","{minute}.25","{minute}.5","10.00",{},"0",3,"0","0","0"]"#,
        start + 59_999
    )
}

fn rows(minutes: Range<i64>) -> String {
    ok(&format!("[{}]", minutes.map(row).collect::<Vec<_>>().join(",")))
}

fn ok(body: &str) -> String {
    answer("200 OK", "", body)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// A venue that gives these answers, one a connection, and what it was asked, with when.
struct Venue {
    /// How long it takes for an answer.
    takes: Arc<Mutex<Duration>>,
    url: String,
    asked: Arc<Mutex<Vec<(Duration, String)>>>,
}

async fn venue(answers: impl IntoIterator<Item = String>) -> Venue {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut answers: VecDeque<String> = answers.into_iter().collect();
    let (heard, begin) = (Arc::clone(&asked), Instant::now());
    let takes = Arc::new(Mutex::new(Duration::ZERO));
    let work = Arc::clone(&takes);
    tokio::spawn(async move {
        while let Some(answer) = answers.pop_front() {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = Vec::new();
            while !question.ends_with(b"\r\n\r\n") {
                question.push(stream.read_u8().await.unwrap());
            }
            let question = String::from_utf8(question).unwrap();
            let line = question.lines().next().unwrap().to_owned();
            heard.lock().unwrap().push((begin.elapsed(), line));
            let work = *work.lock().unwrap();
            sleep(work).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    Venue { takes, url, asked }
}

impl Venue {
    fn archive(&self, config: RestConfig) -> RestBackfill {
        RestBackfill::new(&self.url, None, config).unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }

    fn times(&self) -> Vec<u64> {
        self.asked.lock().unwrap().iter().map(|(at, _)| at.as_secs()).collect()
    }
}

fn minutes(rows: &[bt_core::Candle]) -> Vec<i64> {
    rows.iter().map(|row| row.start.as_nanos() / 60_000_000_000).collect()
}

#[tokio::test]
async fn candles_are_asked_for_in_milliseconds_and_read_exactly() {
    let venue = venue([rows(2..4), ok("[]")]).await;
    let rows = venue.archive(RestConfig::default()).fetch(&series(), range(2..5), 10).await.unwrap();
    assert_eq!(minutes(&rows), [2, 3]);
    assert_eq!((rows[0].open, rows[0].high, rows[0].low, rows[0].close), (2.5, 2.75, 2.25, 2.5));
    assert_eq!((rows[0].volume, rows[0].trades), (10.0, Trades::from(3)));
    let asked =
        "GET /api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=120000&endTime=299999&limit=10 HTTP/1.1";
    assert_eq!(venue.asked()[0], asked);
    // Fewer than were asked for need not be all.
    assert!(venue.asked()[1].contains("startTime=240000&endTime=299999&"), "{:?}", venue.asked());
}

#[tokio::test]
async fn more_than_a_page_is_asked_for_page_by_page() {
    let venue = venue([rows(0..1000), rows(1000..1200)]).await;
    let rows = venue.archive(RestConfig::default()).fetch(&series(), range(0..1500), 1200).await.unwrap();
    assert_eq!(minutes(&rows), (0..1200).collect::<Vec<_>>());
    let asked = venue.asked();
    assert!(asked[0].contains("startTime=0&") && asked[0].contains("limit=1000"), "{asked:?}");
    assert!(asked[1].contains("startTime=60000000&") && asked[1].contains("limit=200"), "{asked:?}");
}

#[tokio::test]
async fn a_venue_that_hands_out_little_at_a_time_is_asked_on() {
    let venue = venue([rows(0..3), rows(3..4), rows(6..9)]).await;
    let rows = venue.archive(RestConfig::default()).fetch(&series(), range(0..9), 10).await.unwrap();
    assert_eq!(minutes(&rows), [0, 1, 2, 3, 6, 7, 8]);
}

#[tokio::test(start_paused = true)]
async fn a_venue_that_asks_for_a_pause_gets_it() {
    let slow = |status: &str| answer(status, "Retry-After: 7\r\n", "{}");
    let venue = venue([slow("429 Too Many Requests"), slow("418 I'm a teapot"), rows(0..2)]).await;
    let config = RestConfig::default().with_backoff_limit(Duration::from_secs(1));
    let rows = venue.archive(config).fetch(&series(), range(0..2), 10).await.unwrap();
    assert_eq!(minutes(&rows), [0, 1]);
    assert_eq!(venue.times(), [0, 7, 14]);
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_until_patience_is_over() {
    let cut = rows(0..2)[..120].to_owned();
    let reversed = ok(&format!("[{},{}]", row(1), row(0)));
    let venue =
        venue([answer("503 Service Unavailable", "", ""), cut, ok("<html>"), reversed, rows(0..2)]).await;
    let fetched = venue.archive(RestConfig::default()).fetch(&series(), range(0..2), 10).await.unwrap();
    assert_eq!((minutes(&fetched), venue.asked().len()), (vec![0, 1], 5));

    let busy = "x".repeat(5_000);
    let venue = self::venue(std::iter::repeat_n(answer("503 Service Unavailable", "", &busy), 1000)).await;
    let begin = Instant::now();
    let error = venue.archive(RestConfig::default()).fetch(&series(), range(0..2), 10).await.unwrap_err();
    assert!((20..26).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    let error = error.to_string();
    assert!(error.contains("503") && error.contains(&venue.url) && error.len() < 500, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_venue_that_says_nothing_is_not_waited_for_longer_than_patience_lasts() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let archive = RestBackfill::new(&url, None, RestConfig::default()).unwrap();
    let begin = Instant::now();
    let error = archive.fetch(&series(), range(0..2), 10).await.unwrap_err();
    assert_eq!(begin.elapsed().as_secs(), 20);
    assert!(
        matches!(&error, BackfillError::Unreachable { url: asked, .. } if asked.starts_with(&url)),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn no_more_is_asked_in_a_minute_than_may_be() {
    let venue = venue((0..5).map(|_| rows(0..2))).await;
    let archive = venue.archive(RestConfig::default().with_per_minute(2));
    for _ in 0..5 {
        archive.fetch(&series(), range(0..2), 10).await.unwrap();
    }
    assert_eq!(venue.times(), [0, 0, 60, 60, 120]);
}

#[tokio::test(start_paused = true)]
async fn whoever_stands_in_line_is_patient_while_others_are_answered() {
    let config = RestConfig::default().with_at_once(1);
    let venue = venue((0..10).map(|_| rows(0..2))).await;
    *venue.takes.lock().unwrap() = Duration::from_secs(4);
    let archive = venue.archive(config.clone());
    let (series, begin) = (series(), Instant::now());
    let all = (0..10).map(|_| archive.fetch(&series, range(0..2), 10));
    assert!(join_all(all).await.iter().all(Result::is_ok));
    assert_eq!(begin.elapsed().as_secs(), 40);

    // Where nobody is, all give up together.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (archive, begin) = (RestBackfill::new(&url, None, config).unwrap(), Instant::now());
    let all = (0..10).map(|_| archive.fetch(&series, range(0..2), 10));
    assert!(join_all(all).await.iter().all(Result::is_err));
    assert_eq!(begin.elapsed().as_secs(), 20);
}

#[tokio::test]
async fn a_refusal_is_final_and_says_why() {
    let refusal = answer("400 Bad Request", "", r#"{"code":-1121,"msg":"Invalid symbol."}"#);
    let venue = venue([refusal]).await;
    let error = venue.archive(RestConfig::default()).fetch(&series(), range(0..2), 10).await.unwrap_err();
    assert!(matches!(&error, BackfillError::Refused { status: 400, .. }), "{error:?}");
    assert!(error.to_string().contains("Invalid symbol."), "{error}");
}

#[test]
fn a_setting_that_cannot_be_is_named() {
    for (url, config, expected) in [
        ("ws://x", RestConfig::default(), "`http://` or `https://`"),
        ("nonsense", RestConfig::default(), "nonsense"),
        ("http://x", RestConfig::default().with_at_once(0), "at_once"),
        ("http://x", RestConfig::default().with_per_minute(0), "per_minute"),
    ] {
        let error: LiveError = RestBackfill::new(url, None, config).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_without_end_is_no_panic() {
    let answer = answer("429 Too Many Requests", "Retry-After: 18446744073709551615\r\n", "{}");
    let venue = venue([answer]).await;
    let archive = venue.archive(RestConfig::default());
    for _ in 0..2 {
        let error = archive.fetch(&series(), range(0..2), 10).await.unwrap_err().to_string();
        assert!(error.contains(&venue.url), "{error}");
    }
    assert_eq!(venue.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_redirection_is_not_followed_nor_asked_for_again() {
    let moved = answer("302 Found", "Location: http://127.0.0.1:1/\r\n", "");
    let venue = venue([moved.clone(), moved]).await;
    let error = venue.archive(RestConfig::default()).fetch(&series(), range(0..2), 10).await.unwrap_err();
    assert!(matches!(&error, BackfillError::Refused { status: 302, .. }), "{error:?}");
    assert_eq!(venue.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn patience_with_a_venue_that_is_away_is_not_had_for_each_series_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let archive = RestBackfill::new(&url, None, RestConfig::default()).unwrap();
    let begin = Instant::now();
    // Twenty seconds of patience; nothing, for five; then an attempt, which takes as long.
    for (pause, until) in [(0, 20), (0, 20), (5, 30)] {
        sleep(Duration::from_secs(pause)).await;
        archive.fetch(&series(), range(0..2), 10).await.unwrap_err();
        assert_eq!(begin.elapsed().as_secs(), until);
    }
    let answer = tokio::spawn(async move {
        // Those that were given up are in front.
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(rows(0..2).as_bytes()).await;
        }
    });
    sleep(Duration::from_secs(5)).await;
    assert_eq!(archive.fetch(&series(), range(0..2), 10).await.unwrap().len(), 2);
    answer.abort();
    let _ = answer.await;
    let begin = Instant::now();
    archive.fetch(&series(), range(0..2), 10).await.unwrap_err();
    assert!(begin.elapsed().as_secs() >= 20, "it has it again: {:?}", begin.elapsed());
}
