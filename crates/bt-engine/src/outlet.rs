//! A publisher that can be let go.

use std::pin::Pin;
use std::task::{Context, Poll};

use bt_core::{BusError, Event, Message};
use futures_sink::Sink;

/// A publisher of the engine's own, until it is let go.
///
/// What a publisher holds of the queues, or waits for, keeps others from it. So the engine lets go of one that
/// it will not use again: from then on it refuses like that of a closed bus.
#[derive(Debug)]
pub(crate) struct Outlet<P> {
    topic: &'static str,
    publisher: Option<P>,
}

impl<P> Outlet<P> {
    pub(crate) fn new(topic: &'static str, publisher: P) -> Self {
        Outlet { topic, publisher: Some(publisher) }
    }

    /// Gives back what it holds or waits for.
    pub(crate) fn let_go(&mut self) {
        self.publisher = None;
    }
}

impl<P: Sink<Message<Event>, Error = BusError> + Unpin> Outlet<P> {
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BusError>> {
        match self.publisher() {
            Ok(publisher) => publisher.poll_ready(cx),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    pub(crate) fn send(&mut self, message: Message<Event>) -> Result<(), BusError> {
        self.publisher()?.start_send(message)
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BusError>> {
        match self.publisher() {
            Ok(publisher) => publisher.poll_flush(cx),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn publisher(&mut self) -> Result<Pin<&mut P>, BusError> {
        let closed = || BusError::Closed { topic: self.topic.to_owned() };
        self.publisher.as_mut().map(Pin::new).ok_or_else(closed)
    }
}
