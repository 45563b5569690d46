//! Receiving from a bus.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bt_core::Timestamp;
use futures_core::{FusedStream, Stream};

use crate::after::After;
use crate::link::Link;
use crate::progress::Handed;
use crate::run::{Run, take_first};
use crate::{Deliveries, Delivery};

/// The deliveries of one subscription, in publish order, across all its topics (R26).
///
/// It ends when the bus is closed and the queue is empty. Dropping it unsubscribes: what lies in the queue
/// counts as undelivered, and whoever waits for room goes on.
///
/// It fetches what is queued in bulk, which saves most of the locking. What it has fetched and not handed out
/// counts as queued, and takes up room, all the same.
#[must_use = "streams do nothing unless polled"]
pub struct Subscription<E> {
    name: Arc<str>,
    link: Arc<Link<E>>,
    /// What was fetched and not handed out.
    hand: VecDeque<Run<E>>,
    /// Number of envelopes in `hand`.
    in_hand: usize,
    /// What was handed out, with its number, while a publisher is told of the room: another task's waker may panic
    /// then.
    given: Option<(Run<E>, u64)>,
    ended: bool,
    after: After<E>,
}

impl<E> Subscription<E> {
    pub(crate) fn new(name: Arc<str>, link: Link<E>) -> Self {
        let (link, hand, after) = (Arc::new(link), VecDeque::new(), After::new());
        Subscription { name, link, hand, in_hand: 0, given: None, ended: false, after }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
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
        match self.poll_one(None) {
            Poll::Ready(delivery) => delivery,
            Poll::Pending => None,
        }
    }

    /// Acknowledges what `into` holds, waits for an envelope, then takes all that are queued, at most `limit`,
    /// into `into`. Returns how many; 0 at the end, and for a `limit` of 0.
    ///
    /// This is the fast way: a whole queue costs little more than one envelope.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has taken nothing; what `into` held is acknowledged.
    pub async fn recv_many(&mut self, into: &mut Deliveries<E>, limit: usize) -> usize {
        poll_fn(|cx| self.poll_recv_many(cx, into, limit)).await
    }

    /// Polls for the next delivery.
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery<E>>> {
        self.poll_one(Some(cx.waker()))
    }

    /// Polls as [`recv_many`](Subscription::recv_many) waits.
    pub fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Deliveries<E>,
        limit: usize,
    ) -> Poll<usize> {
        // Acknowledged without the lock, or, if that cannot be, under the one that is taken anyway.
        let mut owed = into.hand_back(&self.link);
        owed.take_if(|&mut (from, to)| self.link.progress.acknowledge(from, to));
        loop {
            let fetched = if self.in_hand < limit || owed.is_some() {
                self.poll_fetch(Some(cx.waker()), limit, owed.take())
            } else {
                Poll::Ready(true)
            };
            into.clear();
            if limit > 0
                && let Some((run, count)) = self.given.take()
            {
                into.runs.push_back(run);
                into.begin(&self.link, count, 1);
                return Poll::Ready(1);
            }
            if limit == 0 || !ready!(fetched) {
                return Poll::Ready(0);
            }
            let count = limit.min(self.in_hand);
            if count == self.in_hand {
                std::mem::swap(&mut self.hand, &mut into.runs);
            } else {
                let mut left = count;
                while let Some(run) = take_first(&mut self.hand, left) {
                    left -= run.len();
                    into.runs.push_back(run);
                }
            }
            let last = into.runs.back().map(Run::last_instant);
            match self.hand_out(count, last) {
                Some(handed) => {
                    into.begin(&self.link, handed.first, count);
                    if handed.wanted {
                        self.tell();
                    }
                    return Poll::Ready(count);
                }
                None => into.runs.clear(),
            }
        }
    }

    #[inline]
    fn poll_one(&mut self, waker: Option<&Waker>) -> Poll<Option<Delivery<E>>> {
        if self.given.is_some() {
            return Poll::Ready(self.take_given());
        }
        while self.in_hand > 0 || ready!(self.poll_fetch(waker, 1, None)) {
            let first = self.hand.front().map(Run::first_instant);
            if let Some(handed) = self.hand_out(1, first)
                && let Some(run) = take_first(&mut self.hand, 1)
            {
                if handed.wanted {
                    self.given = Some((run, handed.first));
                    self.tell();
                    return Poll::Ready(self.take_given());
                }
                return Poll::Ready(Some(Delivery::new(Arc::clone(&self.link), run, handed.first)));
            }
        }
        Poll::Ready(None)
    }

    #[cold]
    fn take_given(&mut self) -> Option<Delivery<E>> {
        let (run, count) = self.given.take()?;
        Some(Delivery::new(Arc::clone(&self.link), run, count))
    }

    /// Fetches what is queued. Ready when there is something in hand, or, with `false`, when there will be
    /// nothing any more. In passing the deliveries numbered as `owed` are acknowledged.
    fn poll_fetch(&mut self, waker: Option<&Waker>, limit: usize, owed: Option<(u64, u64)>) -> Poll<bool> {
        let Self { link, hand, in_hand, ended, after, .. } = self;
        let mut core = link.shared.lock();
        if let Some((from, to)) = owed {
            core.acknowledge(link.subscriber, from, to, after);
        }
        let fetched = core.fetch(link.subscriber, hand, limit.saturating_sub(*in_hand));
        *in_hand += fetched;
        *ended |= *in_hand == 0 && core.has_ended(link.subscriber);
        if *in_hand == 0
            && !*ended
            && let Some(waker) = waker
        {
            core.park(link.subscriber, waker, after);
        }
        drop(core);
        after.run();
        if *ended {
            Poll::Ready(false)
        } else if *in_hand > 0 {
            Poll::Ready(true)
        } else {
            Poll::Pending
        }
    }

    /// Hands out the next `count` envelopes, up to one of instant `last`; `None` if they were recalled.
    #[inline]
    fn hand_out(&mut self, count: usize, last: Option<Timestamp>) -> Option<Handed> {
        let handed = self.link.progress.hand_out(count as u64, last?);
        if handed.is_some() {
            self.in_hand -= count;
        } else {
            self.in_hand = 0;
            self.hand.clear();
        }
        handed
    }

    /// Tells the bus, which asked for that, that there is room.
    fn tell(&mut self) {
        let Self { link, after, .. } = self;
        link.shared.lock().handed_out(after);
        after.run();
    }

    /// Ends the subscription and returns how many envelopes were left undelivered in its queue.
    pub fn unsubscribe(mut self) -> usize {
        self.leave()
    }

    fn leave(&mut self) -> usize {
        let given = self.take_given();
        let Self { link, hand, after, .. } = self;
        drop(given);
        let undelivered = link.shared.lock().unsubscribe(link.subscriber, after);
        after.run();
        hand.clear();
        undelivered
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
            .field("name", &self.name)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
