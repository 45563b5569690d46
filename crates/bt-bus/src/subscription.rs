//! Receiving from a bus.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::{FusedStream, Stream};

use crate::Delivery;
use crate::after::After;
use crate::core::Taken;
use crate::shared::Shared;

/// The deliveries of one subscription, in publish order, across all its topics (R26).
///
/// It ends when the bus is closed and the queue is empty. Dropping it unsubscribes: what lies in the queue
/// counts as undelivered, and whoever waits for room goes on.
#[must_use = "streams do nothing unless polled"]
pub struct Subscription<E> {
    shared: Arc<Shared<E>>,
    index: usize,
    ended: bool,
    after: After<E>,
}

impl<E> Subscription<E> {
    pub(crate) fn new(shared: Arc<Shared<E>>, index: usize) -> Self {
        Subscription { shared, index, ended: false, after: After::new() }
    }

    /// The next delivery, or `None` when the bus is closed and the queue is empty.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has taken nothing.
    pub async fn recv(&mut self) -> Option<Delivery<E>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next delivery if one is queued.
    pub fn try_recv(&mut self) -> Option<Delivery<E>> {
        match self.take(None) {
            Taken::Envelope(envelope, entry) => Some(self.delivery(envelope, entry)),
            Taken::Empty | Taken::Ended => None,
        }
    }

    /// Waits for a delivery, then appends all that are queued to `into`, at most `limit`, under one lock.
    /// Returns how many; 0 at the end, and for a `limit` of 0.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has taken nothing.
    pub async fn recv_many(&mut self, into: &mut Vec<Delivery<E>>, limit: usize) -> usize {
        poll_fn(|cx| self.poll_recv_many(cx, into, limit)).await
    }

    /// Polls for the next delivery.
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery<E>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match self.take(Some(cx)) {
            Taken::Envelope(envelope, entry) => Poll::Ready(Some(self.delivery(envelope, entry))),
            Taken::Empty => Poll::Pending,
            Taken::Ended => {
                self.ended = true;
                Poll::Ready(None)
            }
        }
    }

    /// Polls as [`recv_many`](Subscription::recv_many) waits.
    pub fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<Delivery<E>>,
        limit: usize,
    ) -> Poll<usize> {
        if self.ended || limit == 0 {
            return Poll::Ready(0);
        }
        let Self { shared, index, ended, after } = self;
        let before = into.len();
        let mut core = shared.lock();
        let last = loop {
            match core.take(*index, None, after) {
                Taken::Envelope(envelope, entry) => {
                    into.push(Delivery::new(Arc::clone(shared), envelope, *index, entry));
                    if into.len() - before == limit {
                        break Taken::Empty;
                    }
                }
                Taken::Empty if into.len() == before => {
                    break core.take(*index, Some(cx.waker()), after);
                }
                last => break last,
            }
        };
        drop(core);
        after.run();
        *ended = matches!(last, Taken::Ended);
        if *ended || into.len() > before { Poll::Ready(into.len() - before) } else { Poll::Pending }
    }

    /// Ends the subscription and returns how many envelopes were left undelivered in its queue.
    pub fn unsubscribe(mut self) -> usize {
        self.leave()
    }

    fn leave(&mut self) -> usize {
        let Self { shared, index, after, .. } = self;
        let undelivered = shared.lock().unsubscribe(*index, after);
        after.run();
        undelivered
    }

    #[inline]
    fn take(&mut self, cx: Option<&Context<'_>>) -> Taken<E> {
        let Self { shared, index, after, .. } = self;
        let taken = shared.lock().take(*index, cx.map(Context::waker), after);
        after.run();
        taken
    }

    #[inline]
    fn delivery(&self, envelope: Arc<bt_core::Envelope<E>>, entry: usize) -> Delivery<E> {
        Delivery::new(Arc::clone(&self.shared), envelope, self.index, entry)
    }
}

impl<E> Stream for Subscription<E> {
    type Item = Delivery<E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery<E>>> {
        self.poll_recv(cx)
    }

    /// Nothing is promised: more may be published, and what is queued may be dropped by policy.
    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.ended { (0, Some(0)) } else { (0, None) }
    }
}

impl<E> FusedStream for Subscription<E> {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

impl<E> Drop for Subscription<E> {
    fn drop(&mut self) {
        self.leave();
    }
}

// Nothing is ever pinned inside.
impl<E> Unpin for Subscription<E> {}

impl<E> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("index", &self.index)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
