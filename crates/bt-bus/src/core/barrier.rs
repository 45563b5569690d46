//! Barrier, close and counters.

use std::sync::Arc;
use std::task::{Poll, Waker};

use bt_core::{BusStats, Drain, StuckSubscription, SubscriptionStats, TopicName, TopicStats};

use super::{Core, reserved};
use crate::after::After;
use crate::subscriber::Subscriber;

impl<E> Core<E> {
    /// Whether nothing is queued and nothing unacknowledged.
    ///
    /// Under the lock nothing is published and nothing fetched, so what is found acknowledged stays so, and one
    /// look at each in turn is as good as one at all of them. The first look is at the one that was busy before.
    #[inline]
    fn is_idle(&mut self) -> bool {
        let (earlier, later) = self.subscribers.split_at(self.busy);
        let busy = |s: &Subscriber<E>| !s.is_idle();
        let found = later.iter().position(busy).map(|at| self.busy + at);
        match found.or_else(|| earlier.iter().position(busy)) {
            None => true,
            Some(at) => {
                self.busy = at;
                false
            }
        }
    }

    /// Ready when idle; until then `waker` is kept under `ticket`.
    pub(crate) fn poll_idle(
        &mut self,
        ticket: &mut Option<u64>,
        waker: &Waker,
        after: &mut After<E>,
    ) -> Poll<()> {
        if self.is_idle() {
            self.forget_idler(ticket, after);
            return Poll::Ready(());
        }
        if !std::mem::replace(&mut self.watched, true) {
            for subscriber in &self.subscribers {
                subscriber.progress.watch();
            }
            // The last acknowledgement may have come before it could know.
            if self.is_idle() {
                self.forget_idler(ticket, after);
                return Poll::Ready(());
            }
        }
        let ticket = *ticket.get_or_insert_with(|| {
            self.idler_tickets += 1;
            self.idler_tickets
        });
        match self.idlers.iter_mut().find(|(other, _)| *other == ticket) {
            Some((_, old)) if old.will_wake(waker) => {}
            Some((_, old)) => after.drop_waker(std::mem::replace(old, waker.clone())),
            None => self.idlers.push((ticket, waker.clone())),
        }
        Poll::Pending
    }

    pub(crate) fn forget_idler(&mut self, ticket: &mut Option<u64>, after: &mut After<E>) {
        if let Some(ticket) = ticket.take()
            && let Some(at) = self.idlers.iter().position(|(other, _)| *other == ticket)
        {
            after.drop_waker(self.idlers.swap_remove(at).1);
        }
    }

    /// Wakes those who wait for the bus to be idle, if it is.
    pub(super) fn wake_if_idle(&mut self, after: &mut After<E>) {
        if self.watched && self.idlers.is_empty() {
            // Whoever waited has been woken before, and has not come again.
            self.unwatch();
        } else if self.watched && self.is_idle() {
            self.idlers.drain(..).for_each(|(_, waker)| after.wake(waker));
        }
    }

    /// Nobody waits for the bus to be idle, so nobody need be asked.
    #[cold]
    fn unwatch(&mut self) {
        self.watched = false;
        for subscriber in &self.subscribers {
            subscriber.progress.unwatch();
        }
    }

    /// Refuses further publishes, those that hold or wait for room included.
    pub(crate) fn close(&mut self, drain: Drain, after: &mut After<E>) {
        if !self.closed {
            // What was lost is said, room or not.
            while !self.losses.is_empty() {
                self.announce_one(after);
            }
            self.closed = true;
            for topic in &mut self.topics {
                topic.reserved = 0;
                self.waiters.dismiss(&mut topic.line, after);
            }
            for subscriber in &mut self.subscribers {
                subscriber.unwant();
                if let Some(waker) = subscriber.waker.take() {
                    after.wake(waker);
                }
            }
        }
        if drain == Drain::Discard {
            for subscriber in &mut self.subscribers {
                subscriber.discard(after);
            }
            self.wake_if_idle(after);
        }
    }

    pub(crate) fn stats(&self) -> BusStats {
        let topics = self.topics.iter();
        let topics =
            topics.map(|t| TopicStats { topic: t.name, published: t.published, watermark: t.watermark });
        let subscriptions = self.subscribers.iter().map(|s| {
            let newest = s.topics.iter().filter_map(|t| self.topics[t.topic].watermark).max();
            s.stats(newest)
        });
        BusStats { topics: topics.collect(), subscriptions: subscriptions.collect() }
    }

    /// Envelopes dropped by policy: subscriber, topic, count.
    pub(crate) fn drops(&self) -> impl Iterator<Item = (&Arc<str>, TopicName, u64)> {
        let subscribers = self.subscribers.iter();
        subscribers
            .flat_map(|s| s.topics.iter().map(|t| (&s.name, self.topics[t.topic].name, t.dropped)))
            .filter(|(_, _, dropped)| *dropped > 0)
    }

    pub(crate) fn stuck(&self) -> Vec<StuckSubscription> {
        self.subscribers.iter().filter_map(|s| self.stuck_on(s)).collect()
    }

    /// What holds up the barrier at `s`, or, if nothing does, the envelope that places which are held and not used
    /// keep from it.
    fn stuck_on(&self, s: &Subscriber<E>) -> Option<StuckSubscription> {
        let full = || s.living && s.room(reserved(&self.topics, s)) == 0;
        let awaited = || s.topics.iter().map(|t| t.topic).filter(|&t| !self.topics[t].line.is_empty());
        let next = |topic: usize| (topic, self.topics[topic].published + 1);
        let kept_out = || awaited().next().filter(|_| full()).map(next);
        let (topic, seq) = s.oldest().or_else(kept_out)?;
        let SubscriptionStats { queued, unacknowledged, .. } = s.stats(None);
        Some(StuckSubscription {
            subscription: s.name.to_string(),
            topic: self.topics[topic].name.to_string(),
            seq,
            queued,
            unacknowledged,
            waiting: if full() { awaited().map(|t| self.topics[t].line.len()).sum() } else { 0 },
        })
    }
}
