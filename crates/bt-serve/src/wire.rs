//! Bytes on a connection, and the heads of requests.

use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::Request;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::steps::within;

/// Bytes of the longest head of a request.
const LONGEST_HEAD: usize = 16 << 10;

/// How long a slow byte takes.
const SLOW: Duration = Duration::from_millis(100);

/// What stands at the beginning of a request.
#[derive(Debug)]
pub(crate) enum Head {
    Request(Box<Request>),
    /// It makes no sense, or is not for getting something.
    Bad,
}

/// The head of the next request; none if the client leaves, or takes longer than `patience` over it. `unread` is what
/// was read and not used.
pub(crate) async fn head(stream: &mut TcpStream, unread: &mut Vec<u8>, patience: Duration) -> Option<Head> {
    if unread.is_empty() && more(stream, unread).await? == 0 {
        return None;
    }
    within(patience, rest_of_head(stream, unread)).await?
}

async fn rest_of_head(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<Head> {
    loop {
        match Request::try_parse(unread) {
            Ok(Some((used, request))) => {
                unread.drain(..used);
                return Some(Head::Request(Box::new(request)));
            }
            Ok(None) if unread.len() <= LONGEST_HEAD => {}
            Ok(None) | Err(_) => return Some(Head::Bad),
        }
        if more(stream, unread).await? == 0 {
            return None;
        }
    }
}

async fn more(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<usize> {
    stream.read_buf(unread).await.ok()
}

/// Writes all of `bytes`, as long as the client takes some within `patience`.
pub(crate) async fn write(stream: &mut TcpStream, mut bytes: &[u8], patience: Duration) -> io::Result<()> {
    while !bytes.is_empty() {
        match within(patience, stream.write(bytes)).await {
            Some(Ok(0)) => return Err(ErrorKind::WriteZero.into()),
            Some(taken) => bytes = &bytes[taken?..],
            None => return Err(ErrorKind::TimedOut.into()),
        }
    }
    Ok(())
}

/// Writes `bytes` one by one, slowly.
pub(crate) async fn dribble(stream: &mut TcpStream, bytes: &[u8], patience: Duration) -> io::Result<()> {
    for byte in bytes {
        write(stream, &[*byte], patience).await?;
        sleep(SLOW).await;
    }
    Ok(())
}

/// Reads and forgets whatever comes, until the client leaves.
pub(crate) async fn forget(stream: &mut TcpStream) {
    let mut bytes = [0; 4096];
    while !matches!(stream.read(&mut bytes).await, Ok(0) | Err(_)) {}
}

/// A text as a WebSocket's frame.
pub(crate) fn frame(text: &str) -> Vec<u8> {
    let frame = Frame::message(text.to_owned(), OpCode::Data(Data::Text), true);
    let mut bytes = Vec::with_capacity(frame.len());
    // Writing to memory does not fail.
    let _ = frame.format(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_those_of_the_protocol() {
        assert_eq!(frame("Hello"), [0x81, 5, b'H', b'e', b'l', b'l', b'o']);
        assert_eq!(frame(&"x".repeat(300))[..4], [0x81, 126, 1, 44]);
    }
}
