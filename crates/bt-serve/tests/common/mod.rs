//! A made-up archive, and clients that know nothing of each other.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bt_core::{Candle, CandleSourceExt, Series, TimeRange, Timestamp, Trades, from_candles};
use bt_serve::{Opening, ServeConfig, Venue};
use futures::{StreamExt, stream};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) const MINUTE: i64 = 60_000;

/// Where histories begin, in minutes since the epoch.
pub(crate) const FROM: i64 = 28_401_120;

pub(crate) fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis((FROM + minute) * MINUTE).unwrap()
}

pub(crate) fn minute(at: Timestamp) -> i64 {
    at.as_nanos() / 1_000_000 / MINUTE - FROM
}

pub(crate) fn range(minutes: i64) -> TimeRange {
    TimeRange::new(at(0), at(minutes)).unwrap()
}

pub(crate) fn series(name: &str) -> Series {
    format!("binance.spot:{name}").parse().unwrap()
}

/// The one candle that can start then, so that a row shows by itself whether it is right.
pub(crate) fn candle(start: Timestamp) -> Candle {
    let minute = minute(start) as f64;
    Candle {
        start,
        open: minute + 0.1,
        high: minute + 0.5,
        low: minute - 0.25,
        close: minute + 0.125,
        volume: 10.0,
        trades: Trades::from(3),
        partial: false,
    }
}

/// Of symbols with a `G`, every seventh candle is missing.
pub(crate) fn has(series: &Series, start: Timestamp) -> bool {
    let number = start.as_nanos() / series.timeframe().as_nanos();
    !series.instrument().symbol().contains('G') || number % 7 != 0
}

/// All candles of a series in a range.
pub(crate) fn candles(series: &Series, range: TimeRange) -> Vec<Candle> {
    let step = series.timeframe().as_nanos();
    let first = range.from().as_nanos().div_euclid(step) * step;
    let starts = (first..range.to().as_nanos()).step_by(step as usize).map(Timestamp::from_nanos);
    starts.filter(|start| range.contains(*start) && has(series, *start)).map(candle).collect()
}

pub(crate) fn archive(series: &Series, range: TimeRange) -> Opening {
    let rows: Vec<_> = candles(series, range).into_iter().map(Ok).collect();
    let source = from_candles(series.clone(), Some(range.to()), stream::iter(rows)).boxed_source();
    Box::pin(async move { Ok(source) })
}

pub(crate) async fn venue(names: &[&str], minutes: i64, config: ServeConfig) -> Venue {
    let series = names.iter().map(|name| series(name));
    Venue::builder(series, range(minutes), archive).config(config).listen().await.unwrap()
}

pub(crate) fn url(venue: &Venue, names: &[&str]) -> String {
    let streams: Vec<String> = names.iter().map(|name| stream_of(name)).collect();
    format!("ws://{}/stream?streams={}", venue.local_addr(), streams.join("/"))
}

/// `BTC@1m` is `btc@kline_1m`.
pub(crate) fn stream_of(name: &str) -> String {
    let (symbol, interval) = name.split_once('@').unwrap();
    format!("{}@kline_{interval}", symbol.to_lowercase())
}

pub(crate) async fn connect(venue: &Venue, names: &[&str]) -> Result<Socket, Error> {
    connect_async(url(venue, names)).await.map(|(socket, _)| socket)
}

/// A kline as it was received.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heard {
    pub(crate) stream: String,
    pub(crate) event: i64,
    pub(crate) start: i64,
    pub(crate) closed: bool,
    pub(crate) close: f64,
}

impl Heard {
    /// Of a message that is a kline.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(text).ok()?;
        let data = &message["data"];
        Some(Heard {
            stream: message["stream"].as_str()?.to_owned(),
            event: data["E"].as_i64()?,
            start: data["k"]["t"].as_i64()?,
            closed: data["k"]["x"].as_bool()?,
            close: data["k"]["c"].as_str()?.parse().ok()?,
        })
    }

    pub(crate) fn minute(&self) -> i64 {
        self.start / MINUTE - FROM
    }
}

/// The next kline; none if the connection is over.
pub(crate) async fn hear(socket: &mut Socket) -> Option<Heard> {
    loop {
        match socket.next().await?.ok()? {
            Message::Text(text) => return Some(Heard::of(&text).unwrap_or_else(|| panic!("{text}"))),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// All klines until the venue's time is past the end of a range of so many minutes.
pub(crate) async fn hear_all(socket: &mut Socket, minutes: i64) -> Vec<Heard> {
    let mut heard = Vec::new();
    while let Some(kline) = hear(socket).await {
        if kline.event >= (FROM + minutes) * MINUTE + 30_000 {
            break;
        }
        heard.push(kline);
    }
    heard
}

/// The minutes of closed klines, by stream, as they came.
pub(crate) fn closed(heard: &[Heard]) -> BTreeMap<String, Vec<i64>> {
    let mut by_stream = BTreeMap::<_, Vec<i64>>::new();
    for kline in heard.iter().filter(|kline| kline.closed) {
        by_stream.entry(kline.stream.clone()).or_default().push(kline.minute());
    }
    by_stream
}

/// The same, as it should be.
pub(crate) fn expected(names: &[&str], range: TimeRange) -> BTreeMap<String, Vec<i64>> {
    let minutes = |name: &&str| candles(&series(name), range).iter().map(|row| minute(row.start)).collect();
    names.iter().map(|name| (stream_of(name), minutes(name))).collect()
}

/// An answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Asks, on a connection of its own. None if the answer is cut short.
pub(crate) async fn get(address: SocketAddr, target: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let answer = Answer { status, head: head.to_owned(), body: body.to_owned() };
    (answer.header("Content-Length")?.parse() == Ok(body.len())).then_some(answer)
}

/// The minutes of the rows of an answer, each of which must be the one candle of its start.
pub(crate) fn rows(answer: &Answer) -> Vec<i64> {
    let rows = answer.json();
    let minutes = rows.as_array().unwrap().iter().map(|row| {
        let start = Timestamp::from_millis(row[0].as_i64().unwrap()).unwrap();
        let Candle { open, close, .. } = candle(start);
        assert_eq!((row[1].as_str(), row[4].as_str()), (Some(&*open.to_string()), Some(&*close.to_string())));
        minute(start)
    });
    minutes.collect()
}
