//! Publishing one message.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bt_core::{BusError, Envelope, Message};

use crate::Publisher;
use crate::core::{Closed, Stamp};

/// Future of [`Publisher::publish`].
#[must_use = "futures do nothing unless polled"]
pub struct Publish<'a, E> {
    publisher: &'a mut Publisher<E>,
    envelope: Option<Arc<Envelope<E>>>,
}

impl<'a, E> Publish<'a, E> {
    pub(crate) fn new(publisher: &'a mut Publisher<E>, envelope: Arc<Envelope<E>>) -> Self {
        Publish { publisher, envelope: Some(envelope) }
    }
}

impl<E> Future for Publish<'_, E> {
    type Output = Result<u64, BusError>;

    /// # Panics
    /// If polled after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Publish { publisher, envelope } = self.get_mut();
        let parked = envelope.as_mut().expect("`Publish` polled after completion");
        let Publisher { shared, topic, claim, after } = &mut **publisher;
        let mut core = shared.lock();
        // With room and nobody in line, which is the rule, this is the only time the lock is taken.
        let sent = match core.publish(*topic, claim, parked, Stamp::Own, after) {
            Ok(None) => match core.poll_reserve(*topic, claim, cx.waker(), after) {
                Poll::Ready(Ok(())) => core.publish(*topic, claim, parked, Stamp::Own, after),
                Poll::Ready(Err(Closed)) => Err(Closed),
                Poll::Pending => Ok(None),
            },
            sent => sent,
        };
        drop(core);
        after.run();
        let seq = ready!(match sent {
            Ok(None) => Poll::Pending,
            Ok(Some(seq)) => Poll::Ready(Ok(seq)),
            Err(Closed) => Poll::Ready(Err(shared.closed(*topic))),
        });
        *envelope = None;
        Poll::Ready(seq)
    }
}

impl<E> Drop for Publish<'_, E> {
    fn drop(&mut self) {
        // A place that nobody polls for would hold up everyone behind it.
        self.publisher.give_back();
    }
}

// Nothing is ever pinned inside.
impl<E> Unpin for Publish<'_, E> {}

impl<E> fmt::Debug for Publish<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish").field("publisher", &self.publisher).finish_non_exhaustive()
    }
}

/// Why a message was not published at once.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TryPublishError<E> {
    /// A queue has no room, or others wait in line; the message comes back.
    #[error("a queue of the topic is full, expected room in each")]
    Full(Message<E>),
    /// The bus refuses it.
    #[error(transparent)]
    Refused(BusError),
}
