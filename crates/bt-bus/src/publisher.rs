//! Publishing to one topic.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bt_core::{BusError, Envelope, Message, Timestamp};
use futures_sink::Sink;

use crate::after::After;
use crate::core::{Closed, Stamp};
use crate::line::Claim;
use crate::shared::Shared;
use crate::{Publish, TryPublishError};

/// Publishes to one topic.
///
/// As a `Sink`, `poll_ready` reserves a place in every queue of the topic, all or nothing; publishers that
/// find no room wait in line, first come first served, and one that waits holds nothing. `start_send` gives
/// the message its sequence number and queues it everywhere: it is accepted. A reservation that is not used
/// is given back by dropping or closing the publisher, and the next in line gets it. So does a place in line:
/// do not leave a publisher that was polled lying about.
///
/// There is no line across topics: a publisher that waits for one queue keeps nobody from another that has
/// room. So a consumer can always publish to queues with room, whoever waits for its own.
#[must_use = "sinks do nothing unless polled"]
pub struct Publisher<E> {
    pub(crate) shared: Arc<Shared<E>>,
    pub(crate) topic: usize,
    pub(crate) claim: Claim,
    pub(crate) after: After<E>,
}

impl<E> Publisher<E> {
    pub(crate) fn new(shared: Arc<Shared<E>>, topic: usize) -> Self {
        Publisher { shared, topic, claim: Claim::Nothing, after: After::new() }
    }

    /// Name of the topic.
    pub fn topic(&self) -> &str {
        &self.shared.topics[self.topic]
    }

    /// Publishes a message, waiting for room, and gives its sequence number.
    ///
    /// # Errors
    /// [`BusError::Closed`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has not published, the message is gone, and the place in line is given
    /// up. To keep the message, use the `Sink`.
    pub fn publish(&mut self, message: Message<E>) -> Publish<'_, E> {
        let envelope = self.envelope(message.instant, message.payload);
        Publish::new(self, envelope)
    }

    /// Publishes a message if there is room and nobody waits in line, or on the place that the publisher holds,
    /// and gives its sequence number.
    ///
    /// # Errors
    /// [`TryPublishError::Full`] with the message; [`TryPublishError::Refused`] if the bus is closed.
    pub fn try_publish(&mut self, message: Message<E>) -> Result<u64, TryPublishError<E>> {
        let held = self.shared.lock().reserve_more(self.topic, &mut self.claim, 1);
        match held {
            Err(Closed) => Err(TryPublishError::Refused(self.refused())),
            Ok(0) => Err(TryPublishError::Full(message)),
            Ok(_) => {
                let mut envelope = self.envelope(message.instant, message.payload);
                self.send(&mut envelope, Stamp::Own).map_err(TryPublishError::Refused)
            }
        }
    }

    /// Publishes all of `messages`, in order, and leaves it empty.
    ///
    /// As many as there is room for are queued under one lock, with nothing of others between them; for the
    /// rest it waits.
    ///
    /// # Errors
    /// [`BusError::Closed`]; what was not published is still in `messages`.
    ///
    /// # Cancel safety
    /// What was not published stays in `messages`; the place in line is given up.
    pub async fn publish_batch(&mut self, messages: &mut Vec<Message<E>>) -> Result<(), BusError> {
        // Given up on, it gives its place back: one that nobody polls for would hold up everyone behind it.
        let this = GiveBack(self);
        while !messages.is_empty() {
            poll_fn(|cx| this.0.poll_place(cx)).await?;
            let held = this.0.shared.lock().reserve_more(this.0.topic, &mut this.0.claim, messages.len());
            let count = held.map_err(|Closed| this.0.refused())?.min(messages.len());
            let mut envelopes: Vec<_> = messages
                .drain(..count)
                .map(|message| this.0.envelope(message.instant, message.payload))
                .collect();
            if let Err(error) = this.0.send_all(&mut envelopes) {
                // Closed since room was found. Those that were refused are shared with nobody.
                let refused = envelopes.into_iter().filter_map(Arc::into_inner);
                let refused = refused.map(|e| Message { instant: e.instant, payload: e.payload });
                messages.splice(0..0, refused);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Ready when there is a place for one message in every queue, which is held from then on.
    pub(crate) fn poll_place(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BusError>> {
        let Self { shared, topic, claim, after } = self;
        let polled = shared.lock().poll_reserve(*topic, claim, cx.waker(), after);
        after.run();
        polled.map_err(|Closed| shared.closed(*topic))
    }

    /// An envelope that lacks its sequence number. Made before the lock is taken: it allocates.
    #[inline]
    pub(crate) fn envelope(&self, instant: Timestamp, payload: E) -> Arc<Envelope<E>> {
        let topic = Arc::clone(&self.shared.topics[self.topic]);
        Arc::new(Envelope { topic, seq: 0, instant, payload })
    }

    /// Sends on the place that is held.
    pub(crate) fn send(&mut self, envelope: &mut Arc<Envelope<E>>, stamp: Stamp) -> Result<u64, BusError> {
        let Self { shared, topic, claim, after } = self;
        let sent = shared.lock().publish(*topic, claim, envelope, stamp, after);
        after.run();
        match sent {
            Ok(Some(seq)) => Ok(seq),
            Ok(None) => Err(BusError::Other(
                format!("no room reserved on topic `{}`, expected a ready `poll_ready` first", self.topic())
                    .into(),
            )),
            Err(Closed) => Err(self.refused()),
        }
    }

    /// Sends all on places that are held, under one lock, so that a close comes before or after all of them.
    fn send_all(&mut self, envelopes: &mut [Arc<Envelope<E>>]) -> Result<(), BusError> {
        let Self { shared, topic, claim, after } = self;
        let sent = shared.lock().publish_held(*topic, claim, envelopes, after);
        after.run();
        sent.map_err(|Closed| self.refused())
    }

    /// Gives back a reservation or a place in line.
    #[inline]
    pub(crate) fn give_back(&mut self) {
        if self.claim != Claim::Nothing {
            let Self { shared, topic, claim, after } = self;
            shared.lock().give_back(*topic, claim, after);
            after.run();
        }
    }

    #[cold]
    fn refused(&self) -> BusError {
        self.shared.closed(self.topic)
    }
}

/// Gives back what its publisher holds or waits for when it is dropped.
struct GiveBack<'a, E>(&'a mut Publisher<E>);

impl<E> Drop for GiveBack<'_, E> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

impl<E> Sink<Message<E>> for Publisher<E> {
    type Error = BusError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), BusError>> {
        self.poll_place(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message<E>) -> Result<(), BusError> {
        let mut envelope = self.envelope(message.instant, message.payload);
        self.send(&mut envelope, Stamp::Own).map(|_| ())
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), BusError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), BusError>> {
        self.give_back();
        Poll::Ready(Ok(()))
    }
}

impl<E> Drop for Publisher<E> {
    fn drop(&mut self) {
        self.give_back();
    }
}

// Nothing is ever pinned inside.
impl<E> Unpin for Publisher<E> {}

impl<E> fmt::Debug for Publisher<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("topic", &self.topic())
            .field("claim", &self.claim)
            .finish_non_exhaustive()
    }
}
