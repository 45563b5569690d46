//! A venue on loopback that does as a script says, and an archive that knows all minutes.

#![allow(dead_code, reason = "each test uses its part")]

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bt_core::{Candle, CandleSource, LogEvent, Series, Timestamp, Trades};
use bt_data_source::{Backfill, Fetch, LiveConfig};
use futures::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_async, accept_hdr_async};

pub(crate) const MINUTE: i64 = 60_000;

pub(crate) fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(minute * MINUTE).unwrap()
}

pub(crate) fn series(symbol: &str) -> Series {
    format!("binance.spot:{symbol}@1m").parse().unwrap()
}

/// The one candle that a minute can have, so that a row shows by itself whether it is right.
pub(crate) fn candle(minute: i64) -> Candle {
    Candle {
        start: at(minute),
        open: minute as f64,
        high: minute as f64 + 0.5,
        low: minute as f64 - 0.25,
        close: minute as f64 + 0.125,
        volume: 10.0,
        trades: Trades::from(3),
        partial: false,
    }
}

/// A kline as the venue sends it, `late` milliseconds after its minute.
pub(crate) fn kline(symbol: &str, minute: i64, late: i64, closed: bool) -> Message {
    let (start, lower) = (minute * MINUTE, symbol.to_lowercase());
    let Candle { open, high, low, close, .. } = candle(minute);
    let text = format!(
        r#"{{"stream":"{lower}@kline_1m","data":{{"e":"kline","E":{},"s":"{symbol}","k":{{"t":{start},"T":{},
        "s":"{symbol}","i":"1m","o":"{open}","c":"{close}","h":"{high}","l":"{low}","v":"10.00","n":3,"x":{closed}}}}}}}"#,
        start + MINUTE + late,
        start + MINUTE - 1,
    );
    Message::text(text)
}

/// What the venue does on one connection after the other; behind the last it is silent.
pub(crate) type Script = Vec<Vec<Act>>;

pub(crate) enum Act {
    Send(Message),
    Cut,
    Refuse,
    Wait(Arc<Notify>),
    /// Until the other end hangs up.
    Listen,
}

pub(crate) fn closed(symbol: &str, minutes: Range<i64>) -> Vec<Act> {
    minutes.map(|minute| Act::Send(kline(symbol, minute, 5, true))).collect()
}

/// A venue on loopback.
pub(crate) async fn venue(script: Script) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        for acts in script {
            let (stream, _) = listener.accept().await.unwrap();
            kept.extend(serve(stream, acts).await);
        }
        std::future::pending::<()>().await;
    });
    format!("ws://{address}")
}

/// A venue on loopback that does, on a connection that asks for a stream by such a name, as the script of that name says.
pub(crate) async fn venue_by_stream<const N: usize>(scripts: [(&'static str, Vec<Act>); N]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut scripts: Vec<_> = scripts.into();
        let mut serving = tokio::task::JoinSet::new();
        while !scripts.is_empty() {
            let (stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let some = stream.peek(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..some]).into_owned();
            let asked = scripts.iter().position(|(name, _)| head.contains(name)).unwrap();
            let (_, acts) = scripts.swap_remove(asked);
            serving.spawn(async move {
                let _socket = serve(stream, acts).await;
                std::future::pending::<()>().await;
            });
        }
        std::future::pending::<()>().await;
    });
    format!("ws://{address}")
}

#[expect(clippy::result_large_err, reason = "the signature is the handshake's")]
pub(crate) fn refuse(_: &Request, _: Response) -> Result<Response, ErrorResponse> {
    let mut answer = ErrorResponse::new(Some("no such stream".to_owned()));
    *answer.status_mut() = 400u16.try_into().unwrap();
    Err(answer)
}

pub(crate) async fn serve(stream: TcpStream, acts: Vec<Act>) -> Option<WebSocketStream<TcpStream>> {
    if matches!(acts.first(), Some(Act::Refuse)) {
        assert!(accept_hdr_async(stream, refuse).await.is_err());
        return None;
    }
    let mut socket = accept_async(stream).await.unwrap();
    for act in acts {
        match act {
            Act::Send(message) => socket.send(message).await.unwrap(),
            Act::Cut => return None,
            Act::Wait(until) => until.notified().await,
            Act::Listen => while let Some(Ok(_)) = socket.next().await {},
            Act::Refuse => panic!("only at the beginning"),
        }
    }
    Some(socket)
}

/// An archive of all minutes but some, which notes what it is asked for.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    pub(crate) without: Range<i64>,
    /// The row of this minute is off the grid.
    pub(crate) odd: Option<i64>,
    pub(crate) asked: Mutex<Vec<(i64, i64)>>,
}

impl Backfill for Archive {
    fn fetch(&self, _: &Series, range: Range<Timestamp>, limit: usize) -> Fetch {
        let minutes = range.start.as_nanos() / 60_000_000_000..range.end.as_nanos() / 60_000_000_000;
        self.asked.lock().unwrap().push((minutes.start, minutes.end));
        let moved = |minute| match candle(minute) {
            row if self.odd == Some(minute) => Candle { start: row.start.saturating_add_nanos(1), ..row },
            row => row,
        };
        let rows = minutes.filter(|minute| !self.without.contains(minute)).map(moved).take(limit).collect();
        Box::pin(async move { Ok(rows) })
    }
}

pub(crate) fn config() -> LiveConfig {
    LiveConfig::default().with_backoff(Duration::from_millis(1)).with_seed(Some(1))
}

/// All starts, in minutes, that a source yields; each row must be the one candle of its minute.
pub(crate) async fn minutes(mut source: impl CandleSource + Unpin) -> Vec<i64> {
    let mut minutes = Vec::new();
    while let Some(batch) = source.next().await {
        for row in batch.unwrap().iter() {
            let minute = row.start.as_nanos() / 60_000_000_000;
            assert_eq!(row, candle(minute));
            minutes.push(minute);
        }
    }
    minutes
}

pub(crate) fn events(log: &[LogEvent]) -> Vec<&'static str> {
    log.iter().map(|event| event.event).filter(|event| *event != "SOURCE_CONNECTION_STATE").collect()
}
