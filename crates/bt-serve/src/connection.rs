//! One connection: requests, and the one that makes a WebSocket of it.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use bt_core::error_chain;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::desk::Desk;
use crate::faults::{FaultKind, Plan};
use crate::query::{BadRequest, Target};
use crate::quota::Verdict;
use crate::rest::{self, Refused};
use crate::session::Session;
use crate::text;
use crate::wire::{self, Head};

/// A client, from its first request on.
pub(crate) struct Connection {
    pub(crate) desk: Arc<Desk>,
    pub(crate) number: u64,
    pub(crate) stream: TcpStream,
    pub(crate) address: IpAddr,
    pub(crate) plan: Option<Plan>,
}

/// An answer to a request.
struct Answer {
    status: StatusCode,
    headers: Vec<(&'static str, String)>,
    body: String,
}

/// Bytes of the longest message that a client may send.
const LONGEST_MESSAGE: usize = 64 << 10;

/// Bytes of an answer that come slowly, if any do.
const SLOW_BYTES: usize = 100;

impl Connection {
    /// Answers until the client leaves, or is told to.
    pub(crate) async fn run(mut self) {
        let mut unread = Vec::new();
        let patience = self.desk.config.patience;
        loop {
            let request = match wire::head(&mut self.stream, &mut unread, patience).await {
                Some(Head::Request(request)) => request,
                Some(Head::Bad) => {
                    let why = BadRequest::new(-1100, "Expected a GET request of HTTP/1.1.");
                    return self.write(&Answer::refused(&why), false).await.unwrap_or_default();
                }
                None => return,
            };
            let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
            let target = Target::parse(target);
            if let Ok(Target::Stream(names)) = target {
                return self.upgrade(&request, &names, unread).await;
            }
            let stays = stays(&request);
            if self.answer(target, stays).await.is_none() || !stays {
                return;
            }
        }
    }

    /// Makes a WebSocket of the connection, if it can be.
    async fn upgrade(mut self, request: &Request, names: &[String], unread: Vec<u8>) {
        let fault = self.plan.as_mut().and_then(Plan::connection);
        if let Some(fault) = fault {
            self.desk.tally.fault(fault);
        }
        if fault == Some(FaultKind::Refuse) {
            return self.turn_away().await;
        }
        let unknown = names.iter().find(|name| self.desk.listing.stream(name).is_none());
        if let Some(unknown) = unknown {
            let why = BadRequest::new(-1121, format!("Invalid symbol: unknown stream {unknown}."));
            return self.write(&Answer::refused(&why), false).await.unwrap_or_default();
        }
        let Ok(response) = create_response(request) else {
            let why = BadRequest::new(-1100, "Expected the handshake of a WebSocket.");
            return self.write(&Answer::refused(&why), false).await.unwrap_or_default();
        };
        let mut bytes = Vec::new();
        // Writing to memory does not fail, and these headers are texts.
        let _ = write_response(&mut bytes, &response);
        let patience = self.desk.config.patience;
        let written = match fault {
            Some(_) => wire::dribble(&mut self.stream, &bytes, patience).await,
            None => wire::write(&mut self.stream, &bytes, patience).await,
        };
        if written.is_err() {
            return;
        }
        let Connection { desk, number, stream, plan, .. } = self;
        let longest = Some(LONGEST_MESSAGE);
        let limits = WebSocketConfig::default().max_message_size(longest).max_frame_size(longest);
        let socket = WebSocketStream::from_partially_read(stream, unread, Role::Server, Some(limits)).await;
        desk.tally.count(|stats| stats.connections += 1);
        let streams = names.iter().filter_map(|name| desk.listing.stream(name)).collect();
        Session::new(desk, number, socket, plan).run(streams).await;
    }

    /// Refuses a client for no reason.
    async fn turn_away(&mut self) {
        let way = self.plan.as_mut().map_or(0, |plan| plan.below(3));
        let answer = match way {
            0 => Answer::new(StatusCode::SERVICE_UNAVAILABLE, String::new()),
            1 => Answer::over_limit(StatusCode::TOO_MANY_REQUESTS, 1),
            _ => return,
        };
        self.write(&answer, false).await.unwrap_or_default();
    }

    /// Answers a request; none if the client has to go.
    async fn answer(&mut self, target: Result<Target, BadRequest>, stays: bool) -> Option<()> {
        let desk = Arc::clone(&self.desk);
        let _served = desk.counter.serve();
        desk.tally.count(|stats| stats.requests += 1);
        let (used, answer) = match self.desk.ask(self.address) {
            Verdict::Granted { used } => (Some(used), self.reply(target).await),
            Verdict::TooMany { used, wait } => {
                (Some(used), Answer::over_limit(StatusCode::TOO_MANY_REQUESTS, wait))
            }
            Verdict::Banned { wait } => (None, Answer::over_limit(StatusCode::IM_A_TEAPOT, wait)),
        };
        if matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::IM_A_TEAPOT) {
            self.desk.tally.count(|stats| stats.over_limit += 1);
        }
        let answer = answer.with("X-MBX-USED-WEIGHT-1M", used);
        let fault = self.plan.as_mut().and_then(Plan::request);
        if let Some(fault) = fault {
            self.desk.tally.fault(fault);
        }
        let patience = self.desk.config.patience;
        let bytes = answer.bytes(stays);
        match fault {
            Some(FaultKind::RestError) => {
                let broken = Answer::new(StatusCode::INTERNAL_SERVER_ERROR, String::new());
                self.write(&broken, stays).await.ok()
            }
            Some(FaultKind::RestCut) => {
                let some = self.plan.as_mut().map_or(0, |plan| plan.below(bytes.len() as u64)) as usize;
                let _ = wire::write(&mut self.stream, &bytes[..some], patience).await;
                None
            }
            Some(_) => {
                let (slow, rest) = bytes.split_at(bytes.len().min(SLOW_BYTES));
                wire::dribble(&mut self.stream, slow, patience).await.ok()?;
                wire::write(&mut self.stream, rest, patience).await.ok()
            }
            None => wire::write(&mut self.stream, &bytes, patience).await.ok(),
        }
    }

    async fn reply(&self, target: Result<Target, BadRequest>) -> Answer {
        let klines = match target {
            Ok(Target::Klines(klines)) => klines,
            Ok(Target::Time) => {
                return Answer::ok(json!({ "serverTime": self.desk.present.now() }).to_string());
            }
            Ok(Target::Ping) => return Answer::ok("{}".to_owned()),
            Ok(Target::Unknown | Target::Stream(_)) => {
                return Answer::new(StatusCode::NOT_FOUND, String::new());
            }
            Err(why) => return Answer::refused(&why),
        };
        match rest::klines(&self.desk, &klines).await {
            Ok(rows) => Answer::ok(rows),
            Err(Refused::Bad(why)) => Answer::refused(&why),
            Err(Refused::Broken(error)) => {
                tracing::warn!(
                    symbol = klines.symbol,
                    error = error_chain(&error),
                    "cannot answer a request"
                );
                let why = BadRequest::new(-1000, "An unknown error occurred while processing the request.");
                Answer::new(StatusCode::INTERNAL_SERVER_ERROR, text::refusal(&why))
            }
        }
    }

    async fn write(&mut self, answer: &Answer, stays: bool) -> std::io::Result<()> {
        wire::write(&mut self.stream, &answer.bytes(stays), self.desk.config.patience).await
    }
}

/// Whether another request may follow: the client does not say otherwise, and this one has no body that would stand in
/// its way.
fn stays(request: &Request) -> bool {
    let headers = request.headers();
    let closes = headers.get(CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
    !closes && !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING)
}

impl Answer {
    fn new(status: StatusCode, body: String) -> Self {
        Answer { status, headers: Vec::new(), body }
    }

    fn ok(body: String) -> Self {
        Answer::new(StatusCode::OK, body)
    }

    fn refused(why: &BadRequest) -> Self {
        Answer::new(StatusCode::BAD_REQUEST, text::refusal(why))
    }

    /// Another request may be made after `wait` seconds.
    fn over_limit(status: StatusCode, wait: u64) -> Self {
        let why = BadRequest::new(-1003, "Too much request weight used; wait as long as Retry-After says.");
        Answer::new(status, text::refusal(&why)).with("Retry-After", Some(wait))
    }

    fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.headers.extend(value.map(|value| (name, value.to_string())));
        self
    }

    fn bytes(&self, stays: bool) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {}\r\n", self.status);
        for (name, value) in &self.headers {
            // Writing to a string does not fail.
            let _ = write!(text, "{name}: {value}\r\n");
        }
        let connection = if stays { "keep-alive" } else { "close" };
        let _ = write!(
            text,
            "Content-Type: application/json;charset=UTF-8\r\nContent-Length: {}\r\nConnection: {connection}\r\n\r\n{}",
            self.body.len(),
            self.body
        );
        text.into_bytes()
    }
}
