//! The core's side of a subscription.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use bt_core::{Envelope, StuckSubscription, SubscriptionStats};

use crate::Policy;
use crate::after::After;
use crate::ledger::Ledger;

/// An envelope in a queue, with the index of its topic.
pub(crate) struct Queued<E> {
    pub(crate) topic: usize,
    pub(crate) envelope: Arc<Envelope<E>>,
}

/// Queue, policy and counters of one subscription. It outlives its handle: deliveries may, and counters do.
pub(crate) struct Subscriber<E> {
    pub(crate) name: Arc<str>,
    /// Its topics with the envelopes of each that were dropped by policy; empty once it is gone.
    pub(crate) topics: Vec<TopicDrops>,
    policy: Policy,
    capacity: usize,
    queue: VecDeque<Queued<E>>,
    /// Places that publishers hold and have not used.
    reserved: usize,
    pub(crate) taken: Ledger,
    /// The task that waits for an envelope.
    pub(crate) waker: Option<Waker>,
    pub(crate) living: bool,
    delivered: u64,
    undelivered: u64,
    high_water: usize,
}

pub(crate) struct TopicDrops {
    pub(crate) topic: usize,
    pub(crate) dropped: u64,
}

impl<E> Subscriber<E> {
    /// A living subscriber. `reserved` is what publishers hold on its topics already: they will send without
    /// asking again, so it counts from the start, and may for once fill the queue past its capacity.
    pub(crate) fn new(
        name: Arc<str>,
        topics: &[usize],
        capacity: usize,
        policy: Policy,
        reserved: usize,
    ) -> Self {
        Subscriber {
            name,
            topics: topics.iter().map(|&topic| TopicDrops { topic, dropped: 0 }).collect(),
            policy,
            capacity,
            queue: VecDeque::with_capacity(capacity.min(PREALLOCATE)),
            reserved,
            taken: Ledger::new(),
            waker: None,
            living: true,
            delivered: 0,
            undelivered: 0,
            high_water: 0,
        }
    }

    /// Number of envelopes that may yet be reserved.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        match self.policy {
            Policy::Block => self.capacity.saturating_sub(self.queue.len() + self.reserved),
            Policy::DropNewest | Policy::DropOldest => usize::MAX,
        }
    }

    #[inline]
    pub(crate) fn reserve(&mut self, places: usize) {
        self.reserved += places;
    }

    #[inline]
    pub(crate) fn release(&mut self, places: usize) {
        self.reserved -= places;
    }

    /// Forgets all reservations.
    pub(crate) fn revoke(&mut self) {
        self.reserved = 0;
    }

    /// Queues an envelope, or drops one by policy. Returns whether the queue has become longer.
    #[inline]
    pub(crate) fn offer(&mut self, item: Queued<E>, after: &mut After<E>) -> bool {
        let full = self.policy != Policy::Block && self.queue.len() >= self.capacity;
        if full && !self.make_room(&item, after) {
            after.drop_envelope(item.envelope);
            return false;
        }
        self.queue.push_back(item);
        self.high_water = self.high_water.max(self.queue.len());
        if let Some(waker) = self.waker.take() {
            after.wake(waker);
        }
        !full
    }

    /// Drops by policy: the oldest, and there is room then, or what was offered, and there is not.
    #[cold]
    fn make_room(&mut self, offered: &Queued<E>, after: &mut After<E>) -> bool {
        let evicted = if self.policy == Policy::DropOldest { self.queue.pop_front() } else { None };
        let topic = evicted.as_ref().map_or(offered.topic, |item| item.topic);
        if let Some(counter) = self.topics.iter_mut().find(|t| t.topic == topic) {
            counter.dropped += 1;
        }
        let has_room = evicted.is_some();
        if let Some(item) = evicted {
            after.drop_envelope(item.envelope);
        }
        has_room
    }

    /// Takes the next envelope and enters it in the ledger.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<(Arc<Envelope<E>>, usize)> {
        let Queued { topic, envelope } = self.queue.pop_front()?;
        let entry = self.taken.enter(topic, envelope.seq);
        Some((envelope, entry))
    }

    #[inline]
    pub(crate) fn acknowledge(&mut self, entry: usize) {
        self.taken.strike(entry);
        self.delivered += 1;
    }

    /// Ends the subscription and returns what lay in its queue, which counts as undelivered.
    pub(crate) fn end(&mut self) -> VecDeque<Queued<E>> {
        self.living = false;
        self.undelivered += self.queue.len() as u64;
        self.reserved = 0;
        std::mem::take(&mut self.queue)
    }

    pub(crate) fn stats(&self) -> SubscriptionStats {
        SubscriptionStats {
            name: self.name.clone(),
            delivered: self.delivered,
            dropped: self.topics.iter().map(|t| t.dropped).sum(),
            undelivered: self.undelivered,
            queued: self.queue.len(),
            high_water: self.high_water,
            unacknowledged: self.taken.len(),
        }
    }

    /// What holds up the barrier here, if anything does.
    pub(crate) fn stuck(&self, topics: &[Arc<str>]) -> Option<StuckSubscription> {
        let queued = || self.queue.front().map(|item| (item.topic, item.envelope.seq));
        let (topic, seq) = self.taken.oldest().or_else(queued)?;
        Some(StuckSubscription {
            subscription: self.name.to_string(),
            topic: topics[topic].to_string(),
            seq,
            queued: self.queue.len(),
            unacknowledged: self.taken.len(),
        })
    }
}

/// Places of a queue that are allocated at once; a larger queue grows into its capacity.
const PREALLOCATE: usize = 4_096;
