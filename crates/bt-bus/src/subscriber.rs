//! The core's side of a subscription.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use bt_core::{SubscriptionStats, Timestamp};

use crate::Policy;
use crate::after::After;
use crate::ledger::{Entry, Ledger};
use crate::losses::{Loss, Losses};
use crate::progress::Progress;
use crate::run::{Run, take_first};

/// What a subscription is made of.
pub(crate) struct Terms {
    pub(crate) name: Arc<str>,
    pub(crate) topics: Vec<usize>,
    pub(crate) capacity: usize,
    pub(crate) policy: Policy,
    pub(crate) limit: Option<Duration>,
}

/// Queue, policy and counters of one subscription. It outlives its handle: deliveries may, and counters do.
pub(crate) struct Subscriber<E> {
    pub(crate) name: Arc<str>,
    /// Its topics with the envelopes of each that were dropped by policy.
    pub(crate) topics: Vec<TopicDrops>,
    policy: Policy,
    capacity: usize,
    /// How long a publisher waits for room here before that is an error.
    pub(crate) limit: Option<Duration>,
    queue: VecDeque<Run<E>>,
    /// Envelopes in `queue`.
    pub(crate) queued: usize,
    /// What the handle does without the lock.
    pub(crate) progress: Arc<Progress>,
    ledger: Ledger,
    /// Whether the handle is asked to tell when it hands out.
    wanted: bool,
    /// The task that waits for an envelope.
    pub(crate) waker: Option<Waker>,
    pub(crate) living: bool,
    undelivered: u64,
    high_water: usize,
}

pub(crate) struct TopicDrops {
    pub(crate) topic: usize,
    pub(crate) dropped: u64,
}

impl<E> Subscriber<E> {
    /// A living subscriber.
    pub(crate) fn new(terms: Terms) -> Self {
        let Terms { name, topics, capacity, policy, limit } = terms;
        Subscriber {
            name,
            topics: topics.into_iter().map(|topic| TopicDrops { topic, dropped: 0 }).collect(),
            policy,
            capacity,
            limit,
            queue: VecDeque::new(),
            queued: 0,
            progress: Arc::new(Progress::new()),
            ledger: Ledger::default(),
            wanted: false,
            waker: None,
            living: true,
            undelivered: 0,
            high_water: 0,
        }
    }

    /// Envelopes that the handle has fetched and not handed out: they are queued still.
    #[inline]
    fn in_hand(&self) -> usize {
        (self.progress.fetched() - self.progress.handed()) as usize
    }

    /// Depth of the queue. Where envelopes may be dropped the handle fetches only what it is about to hand out:
    /// that is out of the queue, or the newest would have to make room for it.
    #[inline]
    fn depth(&self) -> usize {
        match self.policy {
            Policy::Block => self.queued + self.in_hand(),
            Policy::DropNewest | Policy::DropOldest => self.queued,
        }
    }

    /// Number of envelopes that may yet be reserved, when publishers hold `reserved` places.
    #[inline]
    pub(crate) fn room(&self, reserved: usize) -> usize {
        match self.policy {
            Policy::Block => self.capacity.saturating_sub(self.depth() + reserved),
            Policy::DropNewest | Policy::DropOldest => usize::MAX,
        }
    }

    /// As [`room`](Subscriber::room); if there is none, the handle will tell when it makes some.
    pub(crate) fn room_or_want(&mut self, reserved: usize) -> usize {
        let room = self.room(reserved);
        if room > 0 || self.wanted {
            return room;
        }
        self.wanted = true;
        self.progress.want();
        self.room(reserved)
    }

    /// Nobody waits for room any more.
    pub(crate) fn unwant(&mut self) {
        if std::mem::take(&mut self.wanted) {
            self.progress.unwant();
        }
    }

    /// Queues envelopes, or drops some by policy.
    #[inline]
    pub(crate) fn offer(&mut self, run: &Run<E>, losses: &mut Losses, after: &mut After<E>) {
        let depth = self.depth() + run.len();
        if depth > self.capacity && self.policy != Policy::Block {
            self.offer_too_many(run.clone(), losses, after);
        } else {
            self.enqueue(run.clone(), depth, after);
        }
    }

    #[inline]
    fn enqueue(&mut self, run: Run<E>, depth: usize, after: &mut After<E>) {
        self.queued += run.len();
        self.high_water = self.high_water.max(depth);
        self.queue.push_back(run);
        if let Some(waker) = self.waker.take() {
            after.wake(waker);
        }
    }

    /// Queues what there is room for and drops the rest by policy.
    ///
    /// An announcement makes way for what it does not tell of, whatever the policy: to tell of a loss by
    /// another loss helps nobody.
    #[cold]
    fn offer_too_many(&mut self, mut run: Run<E>, losses: &mut Losses, after: &mut After<E>) {
        if self.policy == Policy::DropOldest && !losses.announcing {
            let mut excess = self.queued + run.len() - self.capacity;
            self.enqueue(run, self.capacity, after);
            self.queued -= excess;
            while let Some(oldest) = take_first(&mut self.queue, excess) {
                excess -= oldest.len();
                self.lose(oldest, losses, after);
            }
        } else {
            let room = self.capacity - self.queued;
            if room > 0 {
                let first = run.split(room);
                self.enqueue(first, self.capacity, after);
            }
            self.lose(run, losses, after);
        }
    }

    fn lose(&mut self, run: Run<E>, losses: &mut Losses, after: &mut After<E>) {
        let count = run.len() as u64;
        if let Some(counter) = self.topics.iter_mut().find(|t| t.topic == run.topic) {
            counter.dropped += count;
        }
        let (first, last) = (run.seq(), run.seq() + count - 1);
        losses.note(Loss { subscription: Arc::clone(&self.name), topic: run.topic, first, last, count });
        after.drop_run(run);
    }

    /// Gives the handle what is queued, into `hand`: all of it, or, where the oldest may yet be dropped, at most
    /// `limit` envelopes. Returns how many.
    #[inline]
    pub(crate) fn fetch(&mut self, hand: &mut VecDeque<Run<E>>, limit: usize) -> usize {
        if self.queued == 0 {
            return 0;
        }
        let (before, mut count) = (hand.len(), self.queued);
        if self.policy != Policy::Block {
            count = limit.min(self.queued);
            let mut left = count;
            while let Some(run) = take_first(&mut self.queue, left) {
                left -= run.len();
                hand.push_back(run);
            }
        } else if before == 0 {
            std::mem::swap(&mut self.queue, hand);
        } else {
            hand.append(&mut self.queue);
        }
        let acked = self.progress.acked();
        for run in hand.range(before..) {
            self.ledger.fetch(run.topic, run.seq(), run.len() as u64, acked);
        }
        self.queued -= count;
        self.progress.set_fetched(self.progress.fetched() + count as u64);
        count
    }

    /// Acknowledges the envelopes from `from` to before `to`, out of order or not.
    pub(crate) fn acknowledge(&mut self, from: u64, to: u64) {
        match self.progress.advance(to) {
            Some(acked) if acked < from => self.ledger.overtake(acked, from),
            Some(_) => {}
            None => self.ledger.strike(from, to),
        }
    }

    /// Whether nothing is queued and nothing unacknowledged.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.queued == 0 && self.progress.acked() == self.progress.fetched() && self.ledger.stragglers() == 0
    }

    /// Drops what is queued, counts it as undelivered, and returns how many that are. What the handle has not
    /// handed out counts as queued; it drops it by itself.
    pub(crate) fn discard(&mut self, after: &mut After<E>) -> usize {
        self.progress.recall();
        let count = self.queued + self.in_hand();
        self.undelivered += count as u64;
        self.queued = 0;
        let handed = self.progress.handed();
        self.progress.set_fetched(handed);
        // An acknowledgement under way may hold itself against what was fetched before, and not tell that it is
        // the last. So what is still out becomes stragglers, which are acknowledged under the lock.
        if let Some(acked) = self.progress.advance(handed) {
            self.ledger.overtake(acked, handed);
        }
        // Its space as well: nothing will be queued here again.
        std::mem::take(&mut self.queue).into_iter().for_each(|run| after.drop_run(run));
        count
    }

    /// `newest` is the latest instant of its topics.
    pub(crate) fn stats(&self, newest: Option<Timestamp>) -> SubscriptionStats {
        // In this order, since both go on.
        let acked = self.progress.acked();
        let handed = self.progress.handed();
        let stragglers = self.ledger.stragglers();
        let dropped = self.topics.iter().map(|t| t.dropped).sum();
        let watermark = (handed > 0).then(|| self.progress.reached());
        let behind = |now: Timestamp, to: Timestamp| {
            Duration::from_nanos(to.as_nanos().saturating_sub(now.as_nanos()).max(0).unsigned_abs())
        };
        SubscriptionStats {
            delivered: acked - stragglers,
            dropped_newest: if self.policy == Policy::DropNewest { dropped } else { 0 },
            dropped_oldest: if self.policy == Policy::DropOldest { dropped } else { 0 },
            undelivered: self.undelivered,
            queued: self.queued + (self.progress.fetched() - handed) as usize,
            high_water: self.high_water,
            unacknowledged: (handed - acked + stragglers) as usize,
            watermark,
            lag: watermark.zip(newest).map(|(now, newest)| behind(now, newest)),
            ..SubscriptionStats::new(Arc::clone(&self.name))
        }
    }

    /// The oldest envelope that is not acknowledged.
    pub(crate) fn oldest(&self) -> Option<Entry> {
        let queued = || self.queue.front().map(|run| (run.topic, run.seq()));
        self.ledger.oldest(self.progress.acked(), self.progress.fetched()).or_else(queued)
    }
}
