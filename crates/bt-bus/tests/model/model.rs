//! A naive bus: one thread, no locks, no wakers, every queue a list.

use std::collections::VecDeque;
use std::task::Poll;
use std::time::Duration;

use bt_bus::Policy;
use bt_core::{Drain, Timestamp};

pub(crate) const TOPICS: [&str; 3] = ["a", "b", "log"];
pub(crate) const LOG: usize = 2;

/// What an envelope must say: topic, number, instant.
pub(crate) type Entry = (usize, u64, Timestamp);
/// A loss: subscriber, topic, first and last number, how many.
pub(crate) type Loss = (usize, usize, u64, u64, u64);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Claim {
    Nothing,
    Waiting,
    /// Has a place, and does not know yet.
    Served,
    Holding,
    Gone,
}

pub(crate) struct Publisher {
    pub(crate) topic: usize,
    pub(crate) claim: Claim,
}

#[derive(Default)]
pub(crate) struct Subscriber {
    pub(crate) topics: Vec<usize>,
    pub(crate) capacity: usize,
    pub(crate) policy: Policy,
    pub(crate) gone: bool,
    pub(crate) queue: VecDeque<Entry>,
    pub(crate) taken: Vec<Entry>,
    pub(crate) delivered: u64,
    pub(crate) dropped: [u64; TOPICS.len()],
    pub(crate) undelivered: u64,
    pub(crate) high_water: usize,
    pub(crate) watermark: Option<Timestamp>,
    /// It was polled in vain and has not been woken since.
    pub(crate) parked: bool,
}

/// Who waits.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Waiter {
    Publisher(usize),
    Losses,
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) published: [u64; TOPICS.len()],
    pub(crate) watermarks: [Option<Timestamp>; TOPICS.len()],
    pub(crate) publishers: Vec<Publisher>,
    pub(crate) subscribers: Vec<Subscriber>,
    /// In order of arrival.
    line: Vec<Waiter>,
    losses: Vec<Loss>,
    /// What was announced, by its number in the log.
    pub(crate) announced: Vec<(u64, Loss)>,
    latest: Timestamp,
    pub(crate) closed: bool,
}

impl Model {
    fn listeners(&mut self, topic: usize) -> impl Iterator<Item = (usize, &mut Subscriber)> {
        let subscribers = self.subscribers.iter_mut().enumerate();
        subscribers.filter(move |(_, s)| !s.gone && s.topics.contains(&topic))
    }

    fn room(&self, topic: usize) -> usize {
        let listeners = self.subscribers.iter().filter(|s| !s.gone && s.topics.contains(&topic));
        listeners.map(|s| self.room_at(s)).min().unwrap_or(usize::MAX)
    }

    fn room_at(&self, s: &Subscriber) -> usize {
        let holds = |p: &&Publisher| matches!(p.claim, Claim::Served | Claim::Holding);
        let reserved = self.publishers.iter().filter(holds).filter(|p| s.topics.contains(&p.topic)).count();
        match s.policy {
            Policy::Block => s.capacity.saturating_sub(s.queue.len() + reserved),
            _ => usize::MAX,
        }
    }

    /// What a subscriber has not acknowledged, or, if it is kept from it by reservations, what comes next.
    pub(crate) fn stuck_on(&self, s: &Subscriber) -> Option<(usize, u64)> {
        if let Some((topic, seq, _)) = s.taken.first().or(s.queue.front()) {
            return Some((*topic, *seq));
        }
        let awaited = |t: &&usize| self.line.iter().any(|w| *w != Waiter::Losses && self.topic_of(*w) == **t);
        let topic = *s.topics.iter().find(awaited)?;
        (!s.gone && self.room_at(s) == 0).then(|| (topic, self.published[topic] + 1))
    }

    fn topic_of(&self, waiter: Waiter) -> usize {
        match waiter {
            Waiter::Publisher(p) => self.publishers[p].topic,
            Waiter::Losses => LOG,
        }
    }

    fn has_line(&self, topic: usize) -> bool {
        self.line.iter().any(|&waiter| self.topic_of(waiter) == topic)
    }

    /// Serves the line: the first that is first of its topic and has room, over and over.
    pub(crate) fn serve(&mut self) {
        while let Some(at) = (0..self.line.len()).find(|&at| {
            let topic = self.topic_of(self.line[at]);
            let first = !self.line[..at].iter().any(|&other| self.topic_of(other) == topic);
            first && self.room(topic) > 0
        }) {
            match self.line[at] {
                Waiter::Publisher(p) => {
                    self.publishers[p].claim = Claim::Served;
                    self.line.remove(at);
                }
                Waiter::Losses => self.announce(),
            }
        }
    }

    /// Announces the first loss.
    fn announce(&mut self) {
        let loss = self.losses.remove(0);
        if self.losses.is_empty() {
            self.line.retain(|waiter| *waiter != Waiter::Losses);
        }
        // Of what gets lost by this, nobody is told.
        self.fan_out(LOG, self.latest, true);
        self.announced.push((self.published[LOG], loss));
    }

    pub(crate) fn poll_ready(&mut self, p: usize) -> Poll<bool> {
        let Publisher { topic, claim } = self.publishers[p];
        let (ready, claim) = match claim {
            _ if self.closed => (Poll::Ready(false), Claim::Nothing),
            Claim::Holding | Claim::Served => (Poll::Ready(true), Claim::Holding),
            Claim::Nothing if !self.has_line(topic) && self.room(topic) > 0 => {
                (Poll::Ready(true), Claim::Holding)
            }
            Claim::Nothing => {
                self.line.push(Waiter::Publisher(p));
                (Poll::Pending, Claim::Waiting)
            }
            claim @ (Claim::Waiting | Claim::Gone) => (Poll::Pending, claim),
        };
        self.publishers[p].claim = claim;
        ready
    }

    /// Whether the message is accepted.
    pub(crate) fn send(&mut self, p: usize, instant: Timestamp) -> bool {
        let Publisher { topic, claim } = self.publishers[p];
        let free = claim == Claim::Nothing && !self.has_line(topic) && self.room(topic) > 0;
        let accepted = !self.closed && (matches!(claim, Claim::Holding | Claim::Served) || free);
        if accepted || self.closed {
            self.publishers[p].claim = Claim::Nothing;
        }
        if accepted {
            let lost = self.fan_out(topic, instant, false);
            self.lose(lost);
        }
        accepted
    }

    /// How many of a batch are accepted at once. The rest is given up, and the place in line with it.
    pub(crate) fn send_batch(&mut self, p: usize, instants: &[Timestamp]) -> usize {
        let Publisher { topic, claim } = self.publishers[p];
        if self.closed || instants.is_empty() {
            self.give_up(p, Claim::Nothing);
            return 0;
        }
        let free = if self.has_line(topic) { 0 } else { self.room(topic) };
        let held = usize::from(matches!(claim, Claim::Holding | Claim::Served));
        let count = if claim == Claim::Waiting { 0 } else { free.saturating_add(held).min(instants.len()) };
        self.give_up(p, Claim::Nothing);
        // A batch is told to one subscriber after the other.
        let mut lost: Vec<_> =
            instants[..count].iter().flat_map(|&at| self.fan_out(topic, at, false)).collect();
        lost.sort_by_key(|loss| loss.0);
        self.lose(lost);
        count
    }

    pub(crate) fn give_up(&mut self, p: usize, claim: Claim) {
        self.publishers[p].claim = claim;
        self.line.retain(|waiter| *waiter != Waiter::Publisher(p));
    }

    /// Numbers an envelope and queues it everywhere. Returns what that loses.
    fn fan_out(&mut self, topic: usize, instant: Timestamp, announcing: bool) -> Vec<Loss> {
        self.published[topic] += 1;
        self.watermarks[topic] = self.watermarks[topic].max(Some(instant));
        self.latest = self.latest.max(instant);
        let seq = self.published[topic];
        let mut lost = Vec::new();
        for (n, s) in self.listeners(topic) {
            let mut evicted = None;
            let full = s.queue.len() >= s.capacity;
            match s.policy {
                Policy::DropOldest | Policy::DropNewest if full && announcing => {
                    evicted = Some((topic, seq, instant));
                }
                Policy::DropNewest if full => evicted = Some((topic, seq, instant)),
                Policy::DropOldest if full => {
                    evicted = s.queue.pop_front();
                    s.queue.push_back((topic, seq, instant));
                }
                _ => s.queue.push_back((topic, seq, instant)),
            }
            if let Some((topic, seq, _)) = evicted {
                s.dropped[topic] += 1;
                lost.push((n, topic, seq, seq, 1));
            }
            s.high_water = s.high_water.max(s.queue.len());
        }
        lost
    }

    fn lose(&mut self, lost: Vec<Loss>) {
        for loss in lost {
            match self.losses.iter_mut().find(|known| (known.0, known.1) == (loss.0, loss.1)) {
                Some(known) => (known.3, known.4) = (loss.3, known.4 + 1),
                None => self.losses.push(loss),
            }
        }
        if !self.losses.is_empty() && !self.line.contains(&Waiter::Losses) {
            self.line.push(Waiter::Losses);
        }
    }

    pub(crate) fn close(&mut self, drain: Drain) {
        while !self.losses.is_empty() {
            self.announce();
        }
        self.closed = true;
        self.line.clear();
        if drain == Drain::Discard {
            for s in &mut self.subscribers {
                s.undelivered += s.queue.len() as u64;
                s.queue.clear();
            }
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.subscribers.iter().all(|s| s.queue.is_empty() && s.taken.is_empty())
    }
}

impl Subscriber {
    /// Takes up to `limit` envelopes.
    pub(crate) fn take(&mut self, limit: usize, closed: bool) -> Poll<Vec<Entry>> {
        let count = limit.min(self.queue.len());
        self.parked = count == 0 && limit > 0 && !closed;
        let taken: Vec<Entry> = self.queue.drain(..count).collect();
        self.taken.extend(&taken);
        self.watermark = taken.last().map(|taken| taken.2).or(self.watermark);
        if self.parked { Poll::Pending } else { Poll::Ready(taken) }
    }

    pub(crate) fn acknowledge(&mut self, (topic, seq): (usize, u64)) {
        self.taken.retain(|taken| (taken.0, taken.1) != (topic, seq));
        self.delivered += 1;
    }

    pub(crate) fn lag(&self, watermarks: &[Option<Timestamp>]) -> Option<Duration> {
        let newest = self.topics.iter().filter_map(|&t| watermarks[t]).max();
        let behind = newest?.as_nanos() - self.watermark?.as_nanos();
        Some(Duration::from_nanos(behind.max(0) as u64))
    }
}
