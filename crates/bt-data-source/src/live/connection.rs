//! One WebSocket, for as long as it is wanted: connect, listen, and again.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bt_core::{Timeframe, Timestamp, error_chain};
use futures_core::Stream;
use futures_sink::Sink;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Bytes, Message as Frame};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use super::backoff::Backoff;
use super::config::{LiveConfig, after};
use super::hub::Hub;
use super::kline::{self, Message};
use super::stats::ConnectionState;
use super::{remarks, tls};

/// Tasks that end when nobody wants them any more (R38).
#[derive(Debug)]
pub(crate) struct Tasks(pub(crate) Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// A series as a venue calls it.
#[derive(Debug)]
pub(crate) struct Listed {
    /// Its places in the hub: as many as there are sources of it.
    pub(crate) lanes: Vec<usize>,
    pub(crate) symbol: String,
    pub(crate) timeframe: Timeframe,
}

/// A connection and what it is to listen to.
pub(crate) struct Connection {
    pub(crate) hub: Arc<Hub>,
    /// Its number in the hub.
    pub(crate) number: usize,
    /// With the streams.
    pub(crate) url: String,
    /// By name of the stream.
    pub(crate) series: HashMap<String, Listed>,
    pub(crate) config: Arc<LiveConfig>,
    pub(crate) connector: Connector,
    pub(crate) backoff: Backoff,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why a session is over.
enum Over {
    /// Another may do better.
    Cut(String),
    /// The venue does not want us.
    Refused(String),
}

/// Characters of what is said of a malformed message, and of a refusal.
const LONGEST: usize = 200;

/// Malformed messages that are told of one by one, on one connection.
const TOLD: u64 = 20;

impl Connection {
    /// Goes on until it is refused or aborted.
    pub(crate) async fn run(mut self) {
        let heard = Heard::default();
        let (hub, number) = (Arc::clone(&self.hub), self.number);
        let stale_after = self.config.stale_after;
        tokio::select! {
            reason = self.sessions(&heard) => {
                hub.enter(number, ConnectionState::Ended, &reason);
                hub.refuse(number, &reason);
            }
            () = watch(&hub, number, &heard, stale_after) => {}
        }
    }

    /// One session after the other. Returns why there is to be none.
    async fn sessions(&mut self, heard: &Heard) -> String {
        loop {
            match self.session(heard).await {
                Over::Refused(reason) => return reason,
                Over::Cut(reason) => {
                    self.hub.lost(self.number);
                    self.hub.enter(self.number, ConnectionState::Reconnecting, &reason);
                    let wait = self.backoff.next();
                    tracing::debug!(connection = self.number, ?wait, reason, "connects again");
                    sleep(wait).await;
                }
            }
        }
    }

    async fn session(&mut self, heard: &Heard) -> Over {
        let limit = self.config.handshake_limit;
        let socket = match timeout(limit, self.connect()).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => return refusal(&error),
            Err(_) => return Over::Cut(format!("no handshake within {limit:?}")),
        };
        Over::Cut(self.listen(socket, heard).await)
    }

    async fn connect(&self) -> Result<Socket, tungstenite::Error> {
        let longest = Some(self.config.max_message);
        let limits = WebSocketConfig::default().max_message_size(longest).max_frame_size(longest);
        let connector = Some(self.connector.clone());
        connect_async_tls_with_config(&self.url, Some(limits), true, connector)
            .await
            .map(|(socket, _)| socket)
    }

    /// Listens until the connection is over. Returns why it is.
    async fn listen(&mut self, mut socket: Socket, heard: &Heard) -> String {
        let LiveConfig { idle_limit, ping_every, reconnect_every, .. } = *self.config;
        let begin = Instant::now();
        let (mut last, mut ping) = (begin, after(begin, ping_every));
        loop {
            tokio::select! {
                message = poll_fn(|cx| Pin::new(&mut socket).poll_next(cx)) => {
                    match message {
                        Some(Ok(message)) => self.take(&message, heard),
                        Some(Err(error)) => return self.broken(&error),
                        None => return "the venue closed the connection".to_owned(),
                    }
                    last = Instant::now();
                    // Many messages come with one read, which by itself would count as one step.
                    consume_budget().await;
                }
                () = sleep_until(after(last, idle_limit)) => return format!("silent for {idle_limit:?}"),
                () = sleep_until(after(begin, reconnect_every)) => return "due to be made anew".to_owned(),
                () = sleep_until(ping) => {
                    ping = after(Instant::now(), ping_every);
                    // It may hang with the connection, but no longer than silence may last.
                    match timeout(idle_limit, send(&mut socket, Frame::Ping(Bytes::new()))).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => return error.to_string(),
                        Err(_) => return format!("takes no ping for {idle_limit:?}"),
                    }
                }
            }
        }
    }

    fn take(&mut self, frame: &Frame, heard: &Heard) {
        let text = match frame {
            Frame::Text(text) => text.as_str(),
            Frame::Binary(_) => return self.malformed("expected text, found binary"),
            _ => return,
        };
        self.hub.count(self.number, |stats| stats.messages += 1);
        match kline::parse(text) {
            Ok(Message::Kline { stream, at, symbol, interval, candle, closed }) => {
                let Some(listed) = self.series.get(&*stream) else {
                    return self.hub.count(self.number, |stats| stats.foreign += 1);
                };
                if symbol != listed.symbol || interval != listed.timeframe {
                    return self.malformed(&format!("stream {stream} with a kline of {symbol}@{interval}"));
                }
                // Time goes on as far as the instant and the kline agree, for it never goes back. What was before the
                // message reaches as far as either of them says, within the kline.
                let end = interval.end_of(candle.start).unwrap_or(Timestamp::MAX);
                let before = if closed { end } else { at.clamp(candle.start, end) };
                let at = at.min(end);
                heard.now();
                self.backoff.reset();
                let candle = closed.then_some((&listed.lanes[..], candle));
                self.hub.arrive(self.number, at, before, candle);
                self.hub.enter(self.number, ConnectionState::Live, "messages arrive");
            }
            Ok(Message::Other) => self.hub.count(self.number, |stats| stats.foreign += 1),
            Ok(Message::Answer { refused: Some(reason), .. }) => self.malformed(&reason),
            Ok(_) => {}
            Err(error) => self.malformed(&error.to_string()),
        }
    }

    /// A message makes no sense. What is said of it may hold as much of it as the venue likes to send.
    fn malformed(&self, reason: &str) {
        let reason: String = reason.chars().take(LONGEST).collect();
        let mut told = None;
        self.hub.count(self.number, |stats| {
            stats.malformed += 1;
            told = (stats.malformed <= TOLD).then_some(stats.event_time);
        });
        self.hub.lost(self.number);
        if let Some(at) = told {
            self.hub.say(remarks::malformed(self.number, at, &reason));
        }
    }

    fn broken(&self, error: &tungstenite::Error) -> String {
        if let tungstenite::Error::Capacity(_) | tungstenite::Error::Utf8(_) = error {
            self.malformed(&error.to_string());
        }
        error.to_string()
    }
}

/// When the venue was last heard.
#[derive(Debug)]
struct Heard(std::sync::Mutex<Instant>);

impl Default for Heard {
    fn default() -> Self {
        Heard(std::sync::Mutex::new(Instant::now()))
    }
}

impl Heard {
    fn now(&self) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Instant::now();
    }

    fn at(&self) -> Instant {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Tells when a connection has been silent for too long.
async fn watch(hub: &Hub, number: usize, heard: &Heard, limit: Duration) {
    loop {
        let last = heard.at();
        sleep_until(after(last, limit)).await;
        if heard.at() == last {
            hub.enter(number, ConnectionState::Stale, &format!("silent for {limit:?}"));
            sleep(limit).await;
        }
    }
}

async fn send(socket: &mut Socket, frame: Frame) -> Result<(), tungstenite::Error> {
    poll_fn(|cx| Pin::new(&mut *socket).poll_ready(cx)).await?;
    Pin::new(&mut *socket).start_send(frame)?;
    poll_fn(|cx| Pin::new(&mut *socket).poll_flush(cx)).await
}

/// What a failed handshake means.
fn refusal(error: &tungstenite::Error) -> Over {
    match error {
        tungstenite::Error::Http(answer) => {
            let status = answer.status();
            let body = String::from_utf8_lossy(answer.body().as_deref().unwrap_or_default());
            let excerpt: String = body.chars().take(LONGEST).collect();
            let reason = format!("the venue answers {status}: {excerpt:?}");
            // Too many requests, or trouble of its own: that may pass.
            let may_pass = status.is_server_error() || matches!(status.as_u16(), 418 | 429);
            if may_pass { Over::Cut(reason) } else { Over::Refused(reason) }
        }
        tungstenite::Error::Url(_) | tungstenite::Error::HttpFormat(_) => Over::Refused(error.to_string()),
        // Whoever it is, it is not the venue.
        _ if tls::is_distrust(error) => Over::Refused(error_chain(error)),
        _ => Over::Cut(error.to_string()),
    }
}
