//! Barrier, close and counters.

use std::sync::Arc;
use std::task::{Poll, Waker};

use bt_core::{BusStats, StuckSubscription, TopicStats};

use super::Core;
use crate::after::After;
use crate::subscriber::Subscriber;

impl<E> Core<E> {
    /// Whether nothing is queued and nothing unacknowledged.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.outstanding == 0
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

    pub(crate) fn wake_idlers(&mut self, after: &mut After<E>) {
        for (_, waker) in self.idlers.drain(..) {
            after.wake(waker);
        }
    }

    /// Refuses further publishes, those that hold or wait for room included.
    pub(crate) fn close(&mut self, after: &mut After<E>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        for topic in &mut self.topics {
            topic.reserved = 0;
            self.waiters.dismiss(&mut topic.line, after);
        }
        for subscriber in &mut self.subscribers {
            subscriber.revoke();
            if let Some(waker) = subscriber.waker.take() {
                after.wake(waker);
            }
        }
    }

    pub(crate) fn stats(&self, names: &[Arc<str>]) -> BusStats {
        let topics = names.iter().zip(&self.topics);
        BusStats {
            topics: topics
                .map(|(name, t)| TopicStats { topic: name.clone(), published: t.published })
                .collect(),
            subscriptions: self.subscribers.iter().map(Subscriber::stats).collect(),
        }
    }

    /// Envelopes dropped by policy: subscriber, topic, count.
    pub(crate) fn drops(&self) -> impl Iterator<Item = (&Arc<str>, usize, u64)> {
        let subscribers = self.subscribers.iter();
        subscribers
            .flat_map(|s| s.topics.iter().map(|t| (&s.name, t.topic, t.dropped)))
            .filter(|(_, _, dropped)| *dropped > 0)
    }

    pub(crate) fn stuck(&self, names: &[Arc<str>]) -> Vec<StuckSubscription> {
        self.subscribers.iter().filter_map(|s| s.stuck(names)).collect()
    }
}
