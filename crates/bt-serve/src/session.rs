//! One WebSocket.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream;
use futures_sink::Sink;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use crate::desk::Desk;
use crate::faults::{FaultKind, Plan};
use crate::roster::{Beat, Seat};
use crate::steps::within;
use crate::{text, wire};

/// A client that is connected, and what it listens to.
pub(crate) struct Session {
    desk: Arc<Desk>,
    number: u64,
    socket: WebSocketStream<TcpStream>,
    /// Numbers of series, in the order in which they were asked for.
    streams: Vec<usize>,
    /// The same, by number.
    listens: Vec<bool>,
    /// While it listens to something.
    seat: Option<Seat>,
    plan: Option<Plan>,
    held: Option<Held>,
}

/// A message that others of its instant are to overtake.
struct Held {
    text: String,
    /// How many more.
    by: u64,
    overtaken: bool,
}

/// Why a session is over.
enum Over {
    /// The client has left, or takes nothing, or has been dropped.
    Gone,
    /// It stays, and hears nothing more.
    Silent,
}

type Going = Result<(), Over>;

impl Session {
    pub(crate) fn new(
        desk: Arc<Desk>,
        number: u64,
        socket: WebSocketStream<TcpStream>,
        plan: Option<Plan>,
    ) -> Self {
        let listens = vec![false; desk.listing.len()];
        Session { desk, number, socket, streams: Vec::new(), listens, seat: None, plan, held: None }
    }

    /// Goes on until the client has left.
    pub(crate) async fn run(mut self, streams: Vec<usize>) {
        streams.into_iter().for_each(|stream| self.subscribe(stream));
        if let Err(Over::Silent) = self.listen().await {
            self.seat = None;
            wire::forget(self.socket.get_mut()).await;
        }
    }

    async fn listen(&mut self) -> Going {
        let every = self.desk.config.ping_every;
        let mut ping = Instant::now() + every;
        loop {
            tokio::select! {
                message = next(&mut self.socket) => match message {
                    Some(Ok(Message::Text(text))) => self.answer(&text).await?,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Err(Over::Gone),
                },
                beat = next_beat(&mut self.seat) => match beat {
                    Some(beat) => self.tell(&beat).await?,
                    // It was too late.
                    None => return Err(Over::Gone),
                },
                () = sleep_until(ping) => {
                    ping = Instant::now() + every;
                    self.feed(Message::Ping(Bytes::new())).await?;
                    self.flush().await?;
                }
            }
        }
    }

    fn subscribe(&mut self, stream: usize) {
        if !std::mem::replace(&mut self.listens[stream], true) {
            self.streams.push(stream);
        }
        if self.seat.is_none() {
            self.seat = Some(self.desk.roster.join(self.number, self.desk.room()));
        }
    }

    fn unsubscribe(&mut self, stream: usize) {
        self.listens[stream] = false;
        self.streams.retain(|other| *other != stream);
        if self.streams.is_empty() {
            self.seat = None;
        }
    }

    /// Does as a client asks, and says so.
    async fn answer(&mut self, request: &str) -> Going {
        let request: Value = serde_json::from_str(request).unwrap_or_default();
        let result = self.act(&request);
        let answer = text::answer(&request["id"], result);
        self.text(answer).await?;
        self.flush().await
    }

    fn act(&mut self, request: &Value) -> Result<Value, String> {
        let method = request["method"].as_str().ok_or("expected a method")?;
        if method == "LIST_SUBSCRIPTIONS" {
            let names = self.streams.iter().map(|stream| &*self.desk.listing.at(*stream).stream);
            return Ok(names.collect());
        }
        let names = request["params"].as_array().ok_or("expected a list of streams as params")?;
        let streams = names.iter().map(|name| {
            let stream = name.as_str().and_then(|name| self.desk.listing.stream(name));
            stream.ok_or_else(|| format!("unknown stream {name}"))
        });
        let streams: Vec<usize> = streams.collect::<Result<_, _>>()?;
        match method {
            "SUBSCRIBE" => streams.into_iter().for_each(|stream| self.subscribe(stream)),
            "UNSUBSCRIBE" => streams.into_iter().for_each(|stream| self.unsubscribe(stream)),
            _ => return Err(format!("unknown method {method}")),
        }
        Ok(Value::Null)
    }

    /// Tells of all at an instant that the client listens to.
    async fn tell(&mut self, beat: &Beat) -> Going {
        let desk = Arc::clone(&self.desk);
        let mut told = false;
        for (number, candle) in &beat.closed {
            if !self.listens[*number] {
                continue;
            }
            told = true;
            let write = |at| text::kline(desk.listing.at(*number), candle, at, true);
            self.say(beat.at, &write, true).await?;
        }
        // Whoever hears of no candle hears at least what time it is.
        let open = if beat.open { self.streams.len() } else { usize::from(!told) };
        for at in 0..open.min(self.streams.len()) {
            let (listed, candle) = desk.open_kline(self.streams[at], beat.at);
            self.say(beat.at, &|at| text::kline(listed, &candle, at, false), false).await?;
        }
        if let Some(Held { text, .. }) = self.held.take() {
            self.text(text).await?;
        }
        self.flush().await
    }

    /// Sends a kline, or what becomes of it when something goes wrong. `write` writes it with an event time.
    async fn say(&mut self, at: i64, write: &(dyn Fn(i64) -> String + Sync), closed: bool) -> Going {
        match self.plan.as_mut().and_then(Plan::message) {
            None => self.text(write(at)).await?,
            Some(FaultKind::Reorder) if self.held.is_none() => {
                self.count(closed);
                let by = self.draw(3) + 1;
                self.held = Some(Held { text: write(at), by, overtaken: false });
                return Ok(());
            }
            Some(FaultKind::Reorder) => self.text(write(at)).await?,
            Some(fault) => {
                self.desk.tally.fault(fault);
                if !self.fail(fault, at, write).await? {
                    return Ok(());
                }
            }
        }
        self.count(closed);
        self.overtake().await
    }

    fn count(&self, closed: bool) {
        self.desk.tally.count(|stats| stats.candles += u64::from(closed));
    }

    /// A message has gone: one that is held was overtaken by it.
    async fn overtake(&mut self) -> Going {
        let Some(held) = &mut self.held else { return Ok(()) };
        if !std::mem::replace(&mut held.overtaken, true) {
            self.desk.tally.fault(FaultKind::Reorder);
        }
        held.by -= 1;
        if held.by > 0 {
            return Ok(());
        }
        match self.held.take() {
            Some(Held { text, .. }) => self.text(text).await,
            None => Ok(()),
        }
    }

    /// Sends what is wrong. Returns whether the kline itself went out as it should.
    async fn fail(
        &mut self,
        fault: FaultKind,
        at: i64,
        write: &(dyn Fn(i64) -> String + Sync),
    ) -> Result<bool, Over> {
        let patience = self.desk.config.patience;
        match fault {
            FaultKind::Cut => {
                if self.draw(2) == 0 {
                    let bytes = wire::frame(&write(at));
                    let some = self.draw(bytes.len() as u64) as usize;
                    self.flush().await?;
                    let _ = wire::write(self.socket.get_mut(), &bytes[..some], patience).await;
                }
                return Err(Over::Gone);
            }
            FaultKind::Silence => {
                self.flush().await?;
                return Err(Over::Silent);
            }
            FaultKind::Loris => {
                self.flush().await?;
                self.desk.tally.count(|stats| stats.messages += 1);
                let bytes = wire::frame(&write(at));
                let written = wire::dribble(self.socket.get_mut(), &bytes, patience).await;
                written.map_err(|_| Over::Gone)?;
            }
            FaultKind::Duplicate => {
                self.text(write(at)).await?;
                self.text(write(at)).await?;
            }
            FaultKind::Malformed => {
                let garbage = GARBAGE[self.draw(GARBAGE.len() as u64) as usize];
                self.text(garbage.to_owned()).await?;
                if self.draw(2) == 0 {
                    return Ok(false);
                }
                self.text(write(at)).await?;
            }
            FaultKind::Truncated => {
                let text = write(at);
                let some = self.draw(text.chars().count() as u64) as usize;
                self.text(text.chars().take(some).collect()).await?;
                return Ok(false);
            }
            FaultKind::Skew => {
                let off = self.draw(2 * HOUR) as i64 - HOUR as i64;
                self.text(write(at.saturating_add(off))).await?;
            }
            FaultKind::Oversized => {
                self.text(format!(r#"{{"stream":"{}"}}"#, "x".repeat(OVERSIZE))).await?;
                self.text(write(at)).await?;
            }
            _ => {
                let stray = self.stray(at);
                self.text(stray).await?;
                self.text(write(at)).await?;
            }
        }
        Ok(true)
    }

    /// What nobody asked for.
    fn stray(&mut self, at: i64) -> String {
        if self.draw(2) == 0 {
            return text::answer(&Value::from(self.draw(1 << 32)), Ok(Value::Null));
        }
        let (_, candle) = self.desk.open_kline(self.streams.first().copied().unwrap_or(0), at);
        text::kline(self.desk.stranger.at(0), &candle, at, true)
    }

    fn draw(&mut self, bound: u64) -> u64 {
        self.plan.as_mut().map_or(0, |plan| plan.below(bound))
    }

    async fn text(&mut self, text: String) -> Going {
        self.desk.tally.count(|stats| stats.messages += 1);
        self.feed(Message::text(text)).await
    }

    async fn feed(&mut self, message: Message) -> Going {
        let ready = poll_fn(|cx| Pin::new(&mut self.socket).poll_ready(cx));
        let ready = within(self.desk.config.patience, ready).await;
        self.patient(ready)?;
        Pin::new(&mut self.socket).start_send(message).map_err(|_| Over::Gone)
    }

    async fn flush(&mut self) -> Going {
        let flushed = poll_fn(|cx| Pin::new(&mut self.socket).poll_flush(cx));
        let flushed = within(self.desk.config.patience, flushed).await;
        self.patient(flushed)
    }

    /// A client that takes nothing is cut, as venues do.
    fn patient(&self, done: Option<Result<(), Error>>) -> Going {
        if done.is_none() {
            self.desk.tally.count(|stats| stats.cut_off += 1);
        }
        done.and_then(Result::ok).ok_or(Over::Gone)
    }
}

/// Milliseconds of an hour.
const HOUR: u64 = 3_600_000;

/// Bytes of what is too long.
const OVERSIZE: usize = 2 << 20;

/// What makes no sense.
const GARBAGE: [&str; 6] = [
    "",
    "{}",
    "garbage",
    "[1,2,{]",
    r#"{"stream":7,"data":{"e":"kline"}}"#,
    r#"{"stream":"x","data":{"e":"kline","E":1,"s":"X","k":{"t":0,"i":"1m","o":"1,5","h":"","l":"-","c":"NaN?","v":"1","x":true}}}"#,
];

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Option<Result<Message, Error>> {
    poll_fn(|cx| Pin::new(&mut *socket).poll_next(cx)).await
}

async fn next_beat(seat: &mut Option<Seat>) -> Option<Arc<Beat>> {
    match seat {
        Some(seat) => seat.beats.recv().await,
        None => pending().await,
    }
}
