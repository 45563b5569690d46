//! One WebSocket, for as long as it is wanted: connect, listen, and again.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;

use bt_core::{Timeframe, Timestamp, error_chain};
use futures_core::Stream;
use futures_sink::Sink;
use reqwest::Url;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Bytes, Message as Frame};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use super::backoff::Backoff;
use super::config::LiveConfig;
use super::hub::Hub;
use super::kline::{self, Message};
use super::stats::ConnectionState;
use super::vigil::{Due, Heard, Vigil, watch};
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
    /// Of the venue's combined streams.
    pub(crate) url: Url,
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
    /// The venue has not all of the streams that were asked for.
    Refused(String),
    /// There is to be no other.
    Final(String),
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
        let _fall = Fall { hub: &hub, number };
        hub.say(remarks::state(number, ConnectionState::Connecting, None, "for the first time"));
        tokio::select! {
            reason = self.sessions(&heard) => end(&hub, number, &reason),
            () = watch(&hub, number, &heard, stale_after) => {}
        }
    }

    /// One session after the other. Returns why there is to be none.
    async fn sessions(&mut self, heard: &Heard) -> String {
        loop {
            let over = match self.session(heard).await {
                Over::Refused(reason) if self.series.len() > 1 => self.sort_out(reason).await,
                over => over,
            };
            match over {
                Over::Final(reason) | Over::Refused(reason) => return reason,
                Over::Cut(reason) => {
                    self.hub.lost(self.number);
                    self.hub.enter(self.number, ConnectionState::Reconnecting, &reason);
                    let wait = self.backoff.next();
                    tracing::warn!(connection = self.number, ?wait, reason, "connects again");
                    sleep(wait).await;
                }
            }
        }
    }

    async fn session(&mut self, heard: &Heard) -> Over {
        let mut names: Vec<&str> = self.series.keys().map(String::as_str).collect();
        names.sort_unstable();
        match self.connect(&names).await {
            Ok(socket) => Over::Cut(self.listen(socket, heard).await),
            Err(over) => over,
        }
    }

    /// Connects to some streams.
    async fn connect(&self, names: &[&str]) -> Result<Socket, Over> {
        let LiveConfig { max_message, handshake_limit, .. } = *self.config;
        let mut url = self.url.clone();
        url.set_query(Some(&format!("streams={}", names.join("/"))));
        let longest = Some(max_message);
        let limits = WebSocketConfig::default().max_message_size(longest).max_frame_size(longest);
        let connector = Some(self.connector.clone());
        let connecting = connect_async_tls_with_config(url.as_str(), Some(limits), true, connector);
        match timeout(handshake_limit, connecting).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(error)) => Err(refusal(&error)),
            Err(_) => Err(Over::Cut(format!("no handshake within {handshake_limit:?}"))),
        }
    }

    /// Finds those streams that the venue does not have, by asking for ever smaller parts, and does without them.
    async fn sort_out(&mut self, reason: String) -> Over {
        let count = self.series.len();
        let mut names: Vec<String> = self.series.keys().cloned().collect();
        names.sort_unstable();
        let mut parts = vec![names];
        while let Some(part) = parts.pop() {
            let (one, other) = part.split_at(part.len() / 2);
            for half in [one, other] {
                let asked: Vec<&str> = half.iter().map(String::as_str).collect();
                match self.connect(&asked).await {
                    Ok(_) => {}
                    Err(Over::Refused(_)) if half.len() > 1 => parts.push(half.to_vec()),
                    Err(Over::Refused(reason)) => {
                        let listed = self.series.remove(&half[0]);
                        self.hub.refuse(listed.iter().flat_map(|listed| &listed.lanes), &reason);
                    }
                    Err(over) => return over,
                }
            }
        }
        // If each part will do, it is not for a stream that all are refused.
        let is_hopeless = self.series.is_empty() || self.series.len() == count;
        if is_hopeless { Over::Final(reason) } else { Over::Cut(reason) }
    }

    /// Listens until the connection is over. Returns why it is.
    async fn listen(&mut self, mut socket: Socket, heard: &Heard) -> String {
        let mut vigil = Vigil::new(&self.config);
        // One timer for all limits, set anew only when it goes off: messages are many.
        let mut timer = pin!(sleep_until(vigil.next(heard)));
        loop {
            tokio::select! {
                // What has arrived comes before what is due: it may be that nobody had time to look.
                biased;
                message = poll_fn(|cx| Pin::new(&mut socket).poll_next(cx)) => {
                    match message {
                        Some(Ok(message)) => self.take(&message, heard),
                        Some(Err(error)) => return self.broken(&error),
                        None => return "the venue closed the connection".to_owned(),
                    }
                    vigil.last = Instant::now();
                    // Many messages come with one read, which by itself would count as one step.
                    consume_budget().await;
                }
                () = &mut timer => {}
            }
            if timer.deadline() > Instant::now() {
                continue;
            }
            match vigil.due(heard) {
                Some(Due::Ping) => {
                    // It may hang with the connection, but no longer than silence may last.
                    let limit = self.config.idle_limit;
                    match timeout(limit, send(&mut socket, Frame::Ping(Bytes::new()))).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => return error.to_string(),
                        Err(_) => return format!("takes no ping for {limit:?}"),
                    }
                }
                Some(Due::End(reason)) => return reason,
                None => {}
            }
            timer.as_mut().reset(vigil.next(heard));
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

/// Nothing more comes over a connection.
fn end(hub: &Hub, number: usize, reason: &str) {
    hub.enter(number, ConnectionState::Ended, reason);
    hub.refuse_all(number, reason);
}

/// Ends a connection whose task panics: its series would wait for ever.
struct Fall<'a> {
    hub: &'a Hub,
    number: usize,
}

impl Drop for Fall<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            end(self.hub, self.number, "its task has panicked");
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
            match status.as_u16() {
                400 => Over::Refused(reason),
                // Too many requests, or trouble of its own: that may pass.
                418 | 429 | 500.. => Over::Cut(reason),
                _ => Over::Final(reason),
            }
        }
        tungstenite::Error::Url(_) | tungstenite::Error::HttpFormat(_) => Over::Final(error.to_string()),
        // Whoever it is, it is not the venue.
        _ if tls::is_distrust(error) => Over::Final(error_chain(error)),
        _ => Over::Cut(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::config::Overflow;

    #[test]
    fn when_the_task_of_a_connection_panics_its_series_end() {
        let hub = Hub::new(&[1, 1], 4, Overflow::DropOldest);
        let fallen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _fall = Fall { hub: &hub, number: 1 };
            panic!("as it should");
        }));
        assert!(fallen.is_err());
        assert_eq!(hub.look(0).refused, None);
        assert_eq!(hub.look(1).refused.as_deref(), Some("its task has panicked"));
        assert_eq!(hub.stats()[1].state, ConnectionState::Ended);
    }
}
