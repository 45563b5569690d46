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
use crate::core::Fetched;
use crate::link::Link;
use crate::progress::{Handed, Progress};
use crate::run::Run;
use crate::shared::Shared;
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
    link: Arc<Link<E>>,
    /// What was fetched and not handed out.
    hand: VecDeque<Run<E>>,
    ended: bool,
    after: After<E>,
}

impl<E> Subscription<E> {
    pub(crate) fn new(shared: Arc<Shared<E>>, subscriber: usize, progress: Arc<Progress>) -> Self {
        let link = Arc::new(Link { shared, subscriber, progress });
        Subscription { link, hand: VecDeque::new(), ended: false, after: After::new() }
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
            let polled = self.poll_hand(Some(cx.waker()), limit, owed.take());
            into.clear();
            if limit == 0 || !ready!(polled) {
                return Poll::Ready(0);
            }
            let mut count = 0;
            while count < limit
                && let Some(run) = self.take(limit - count)
            {
                count += run.len();
                into.runs.push(run);
            }
            let Some(handed) = self.hand_out(count, into.runs.last().map(Run::last_instant)) else {
                into.runs.clear();
                continue;
            };
            into.begin(&self.link, handed.first, count);
            self.tell(handed.wanted);
            return Poll::Ready(count);
        }
    }

    #[inline]
    fn poll_one(&mut self, waker: Option<&Waker>) -> Poll<Option<Delivery<E>>> {
        while ready!(self.poll_hand(waker, 1, None)) {
            let instant = self.hand.front().map(Run::first_instant);
            if let Some(handed) = self.hand_out(1, instant)
                && let Some(run) = self.take(1)
            {
                let delivery = Delivery::new(Arc::clone(&self.link), run, handed.first);
                self.tell(handed.wanted);
                return Poll::Ready(Some(delivery));
            }
        }
        Poll::Ready(None)
    }

    /// Takes the first run off the hand, or, if it is longer than `limit`, so much of it.
    #[inline]
    fn take(&mut self, limit: usize) -> Option<Run<E>> {
        match self.hand.front_mut() {
            Some(first) if first.len() > limit => Some(first.split(limit)),
            _ => self.hand.pop_front(),
        }
    }

    /// Ready when there is something in hand, and all that there is up to `limit`; or, with `false`, when there
    /// will be nothing any more. In passing the deliveries numbered as `owed` are acknowledged.
    #[inline]
    fn poll_hand(&mut self, waker: Option<&Waker>, limit: usize, owed: Option<(u64, u64)>) -> Poll<bool> {
        let Self { link, hand, ended, after } = self;
        let (mut had, mut runs) = (0, hand.iter());
        while had < limit
            && let Some(run) = runs.next()
        {
            had += run.len();
        }
        if had < limit && !*ended || owed.is_some() {
            let mut core = link.shared.lock();
            if let Some((from, to)) = owed {
                core.acknowledge(link.subscriber, from, to, after);
            }
            let fetched = match limit.saturating_sub(had) {
                0 => Fetched::Some,
                more => core.fetch(link.subscriber, hand, more, waker.filter(|_| had == 0), after),
            };
            drop(core);
            after.run();
            if had == 0 {
                *ended = fetched == Fetched::Ended;
                if fetched == Fetched::Empty {
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(!*ended)
    }

    /// Hands out the next `count` envelopes, up to one of `instant`; `None` if they were recalled.
    #[inline]
    fn hand_out(&mut self, count: usize, instant: Option<Timestamp>) -> Option<Handed> {
        let handed = self.link.progress.hand_out(count as u64, instant?);
        if handed.is_none() {
            self.hand.clear();
        }
        handed
    }

    /// Tells the bus that there is room, if it asked for that.
    #[inline]
    fn tell(&mut self, wanted: bool) {
        if wanted {
            let Self { link, after, .. } = self;
            link.shared.lock().handed_out(after);
            after.run();
        }
    }

    /// Ends the subscription and returns how many envelopes were left undelivered in its queue.
    pub fn unsubscribe(mut self) -> usize {
        self.leave()
    }

    fn leave(&mut self) -> usize {
        let Self { link, hand, after, .. } = self;
        let undelivered = link.shared.lock().unsubscribe(link.subscriber, after);
        hand.clear();
        after.run();
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
            .field("subscriber", &self.link.subscriber)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
