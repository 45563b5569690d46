//! What a venue answers to requests.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::time::Duration;

use bt_serve::{ServeConfig, Speed};
use common::{FROM, MINUTE, at, connect, expected, get, hear, hear_all, range, rows, venue};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

fn at_speed(speed: Speed) -> ServeConfig {
    ServeConfig::default().with_speed(speed)
}

#[tokio::test(start_paused = true)]
async fn only_what_has_closed_is_told() {
    let names = ["GAP@1m", "ETH@5m"];
    let venue = venue(&names, 3000, at_speed(Speed::Max)).await;
    let ask = async |query: &str| get(venue.local_addr(), &format!("/api/v3/klines?{query}")).await.unwrap();
    assert!(rows(&ask("symbol=GAP&interval=1m").await).is_empty());
    let mut socket = connect(&venue, &names).await.unwrap();
    hear_all(&mut socket, 3000).await;
    let gap = &expected(&names, range(3000))["gap@kline_1m"];
    // The last ones, though some of the minutes before them have none.
    assert_eq!(rows(&ask("symbol=GAP&interval=1m").await), gap[gap.len() - 500..]);
    assert_eq!(rows(&ask("symbol=GAP&interval=1m&limit=9999").await), gap[gap.len() - 1000..]);
    // The first ones, with both ends of the range.
    let (start, end) = ((FROM + 2) * MINUTE, (FROM + 3) * MINUTE);
    let some = ask(&format!("symbol=GAP&interval=1m&startTime={start}&endTime={end}")).await;
    assert_eq!(
        rows(&some),
        gap.iter().copied().filter(|minute| (2..=3).contains(minute)).collect::<Vec<_>>()
    );
    let first = ask("symbol=ETH&interval=5m&startTime=0&limit=2").await;
    assert_eq!(rows(&first), [0, 5]);
    let before = ask(&format!("symbol=ETH&interval=5m&endTime={}&limit=2", (FROM + 20) * MINUTE - 1)).await;
    assert_eq!(rows(&before), [10, 15]);
    assert_eq!(
        first.json()[0],
        json!([
            FROM * MINUTE,
            "0.1",
            "0.5",
            "-0.25",
            "0.125",
            "10",
            (FROM + 5) * MINUTE - 1,
            "0",
            3,
            "0",
            "0",
            "0"
        ])
    );
    assert_eq!(first.header("X-MBX-USED-WEIGHT-1M"), Some("5"));
}

#[tokio::test(start_paused = true)]
async fn the_time_is_the_venues() {
    let venue = venue(&["BTC@1m"], 10, at_speed(Speed::Times(60.0))).await;
    let time = async || get(venue.local_addr(), "/api/v3/time").await.unwrap().json();
    assert_eq!(time().await, json!({ "serverTime": FROM * MINUTE }));
    let mut socket = connect(&venue, &["BTC@1m"]).await.unwrap();
    hear(&mut socket).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    let now = time().await["serverTime"].as_i64().unwrap() - FROM * MINUTE;
    assert!((3 * MINUTE..5 * MINUTE).contains(&now), "{now}");
    assert_eq!(get(venue.local_addr(), "/api/v3/ping").await.unwrap().body, "{}");
    assert!(venue.present() >= at(3));
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused() {
    let venue = venue(&["BTC@1m"], 10, at_speed(Speed::Max)).await;
    for (query, code) in [
        ("symbol=XYZ&interval=1m", -1121),
        ("symbol=BTC&interval=5m", -1120),
        ("symbol=BTC", -1102),
        ("symbol=BTC&interval=1m&limit=x", -1100),
    ] {
        let answer = get(venue.local_addr(), &format!("/api/v3/klines?{query}")).await.unwrap();
        assert_eq!((answer.status, answer.json()["code"].as_i64()), (400, Some(code)), "{query}");
    }
    let symbol = get(venue.local_addr(), "/api/v3/klines?symbol=XYZ&interval=1m").await.unwrap();
    assert_eq!(symbol.json(), json!({ "code": -1121, "msg": "Invalid symbol." }));
    assert_eq!(get(venue.local_addr(), "/api/v3/depth").await.unwrap().status, 404);
    // Not a handshake.
    assert_eq!(get(venue.local_addr(), "/stream?streams=btc@kline_1m").await.unwrap().status, 400);
}

#[tokio::test(start_paused = true)]
async fn requests_follow_one_another_on_a_connection_and_nonsense_ends_it() {
    let venue = venue(&["BTC@1m"], 10, at_speed(Speed::Max)).await;
    for nonsense in ["POST /api/v3/ping HTTP/1.1\r\n\r\n".to_owned(), "\0\r\n\r\n".into(), "x".repeat(40_000)]
    {
        let mut stream = TcpStream::connect(venue.local_addr()).await.unwrap();
        let request = "GET /api/v3/ping HTTP/1.1\r\nHost: x\r\n\r\n";
        // In pieces, and two at once.
        stream.write_all(&request.as_bytes()[..7]).await.unwrap();
        sleep(Duration::from_millis(50)).await;
        stream.write_all(&request.as_bytes()[7..]).await.unwrap();
        stream.write_all(format!("{request}{nonsense}").as_bytes()).await.unwrap();
        let mut text = Vec::new();
        // What is not read when a connection ends makes it end hard.
        let _ = stream.read_to_end(&mut text).await;
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
        assert_eq!(text.matches("HTTP/1.1 400 Bad Request").count(), 1, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_too_much_is_told_to_wait_and_then_banned() {
    let config = at_speed(Speed::Max).with_requests_per_minute(Some(3));
    let venue = venue(&["BTC@1m"], 10, config).await;
    let ask = async || {
        let answer = get(venue.local_addr(), "/api/v3/ping").await.unwrap();
        (answer.status, answer.header("Retry-After").map(|wait| wait.parse::<u64>().unwrap()))
    };
    for _ in 0..3 {
        assert_eq!(ask().await, (200, None));
    }
    let (status, wait) = ask().await;
    assert!(status == 429 && (50..=60).contains(&wait.unwrap()), "{status} {wait:?}");
    sleep(Duration::from_secs(wait.unwrap())).await;
    assert_eq!(ask().await, (200, None));
    let mut last = (200, None);
    for _ in 0..8 {
        last = ask().await;
    }
    assert!(last.0 == 418 && (110..=120).contains(&last.1.unwrap()), "{last:?}");
    sleep(Duration::from_secs(last.1.unwrap())).await;
    assert_eq!(ask().await, (200, None));
    assert!(venue.stats().over_limit > 5);
}
