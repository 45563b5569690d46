//! Reservations, lines, numbers and fan-out.

use std::sync::Arc;
use std::task::{Poll, Waker};

use bt_core::Envelope;

use super::{Closed, Core, Stamp, Topic};
use crate::after::After;
use crate::line::Claim;
use crate::subscriber::Queued;

impl<E> Core<E> {
    /// Claims a place in every queue of `topic`, or a place in its line.
    pub(crate) fn poll_reserve(
        &mut self,
        topic: usize,
        claim: &mut Claim,
        waker: &Waker,
        after: &mut After<E>,
    ) -> Poll<Result<(), Closed>> {
        if self.closed {
            self.give_back(topic, claim, after);
            return Poll::Ready(Err(Closed));
        }
        match *claim {
            Claim::Holding(_) => {}
            Claim::Waiting(ticket) => {
                if !self.waiters.poll(ticket, waker, after) {
                    return Poll::Pending;
                }
                *claim = Claim::Holding(1);
            }
            Claim::Nothing => {
                if self.reserve(topic, 1) == 0 {
                    *claim = Claim::Waiting(self.waiters.join(&mut self.topics[topic].line, waker));
                    return Poll::Pending;
                }
                *claim = Claim::Holding(1);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Claims up to `places` in all, as many as there is room for; none while it or others are in line. Never
    /// waits.
    pub(crate) fn reserve_more(
        &mut self,
        topic: usize,
        claim: &mut Claim,
        places: usize,
    ) -> Result<usize, Closed> {
        if self.closed {
            return Err(Closed);
        }
        let held = match *claim {
            Claim::Holding(held) => held,
            Claim::Nothing => 0,
            // Its turn may have come since it was polled.
            Claim::Waiting(ticket) if self.waiters.take_served(ticket) => 1,
            Claim::Waiting(_) => return Ok(0),
        };
        let held = held + self.reserve(topic, places.saturating_sub(held));
        if held > 0 {
            *claim = Claim::Holding(held);
        }
        Ok(held)
    }

    /// Publishes on a place that `claim` holds, or, without one, if there is room and nobody in line.
    /// `None` if there is not.
    #[inline]
    pub(crate) fn publish(
        &mut self,
        topic: usize,
        claim: &mut Claim,
        envelope: &mut Arc<Envelope<E>>,
        stamp: Stamp,
        after: &mut After<E>,
    ) -> Result<Option<u64>, Closed> {
        if self.closed {
            self.give_back(topic, claim, after);
            return Err(Closed);
        }
        match *claim {
            Claim::Holding(held) => {
                *claim = if held > 1 { Claim::Holding(held - 1) } else { Claim::Nothing };
                self.release(topic, 1);
            }
            Claim::Nothing if self.room(topic) > 0 => {}
            Claim::Nothing | Claim::Waiting(_) => return Ok(None),
        }
        Ok(Some(self.fan_out(topic, envelope, stamp, after)))
    }

    /// Publishes all of `envelopes`, on as many places that `claim` holds.
    pub(crate) fn publish_held(
        &mut self,
        topic: usize,
        claim: &mut Claim,
        envelopes: &mut [Arc<Envelope<E>>],
        after: &mut After<E>,
    ) -> Result<(), Closed> {
        if self.closed {
            self.give_back(topic, claim, after);
            return Err(Closed);
        }
        let held = if let Claim::Holding(held) = *claim { held } else { 0 };
        debug_assert!(envelopes.len() <= held, "each envelope has its place");
        *claim = if held > envelopes.len() { Claim::Holding(held - envelopes.len()) } else { Claim::Nothing };
        self.release(topic, held.min(envelopes.len()));
        for envelope in envelopes {
            self.fan_out(topic, envelope, Stamp::Own, after);
        }
        Ok(())
    }

    /// Gives up what `claim` holds or waits for, and lets the next in line have it.
    pub(crate) fn give_back(&mut self, topic: usize, claim: &mut Claim, after: &mut After<E>) {
        let held = match std::mem::replace(claim, Claim::Nothing) {
            Claim::Nothing => 0,
            Claim::Holding(held) => held,
            Claim::Waiting(ticket) => {
                usize::from(self.waiters.leave(&mut self.topics[topic].line, ticket, after))
            }
        };
        // Closing has revoked every reservation already.
        if held > 0 && !self.closed {
            self.release(topic, held);
            self.serve(after);
        }
    }

    /// Envelopes that may be published to `topic` now.
    ///
    /// Outside of [`serve`](Core::serve) none while anyone is in its line: room that comes free is given to
    /// the line at once, so that newcomers overtake nobody.
    #[inline]
    fn room(&self, topic: usize) -> usize {
        let subscribers = self.topics[topic].subscribers.iter();
        subscribers.map(|&s| self.subscribers[s].room()).min().unwrap_or(usize::MAX)
    }

    /// Takes up to `places` in every queue of `topic` and returns how many.
    fn reserve(&mut self, topic: usize, places: usize) -> usize {
        let places = places.min(self.room(topic));
        debug_assert!(places == 0 || self.topics[topic].line.is_empty(), "nobody is overtaken");
        self.hold(topic, places);
        places
    }

    fn hold(&mut self, topic: usize, places: usize) {
        self.topics[topic].reserved += places;
        for &s in &self.topics[topic].subscribers {
            self.subscribers[s].reserve(places);
        }
    }

    #[inline]
    fn release(&mut self, topic: usize, places: usize) {
        self.topics[topic].reserved -= places;
        for &s in &self.topics[topic].subscribers {
            self.subscribers[s].release(places);
        }
    }

    /// Numbers an envelope and queues it everywhere.
    #[inline]
    fn fan_out(
        &mut self,
        topic: usize,
        envelope: &mut Arc<Envelope<E>>,
        stamp: Stamp,
        after: &mut After<E>,
    ) -> u64 {
        let Topic { published, subscribers, .. } = &mut self.topics[topic];
        *published += 1;
        // The handle made it and has not shared it: sequence and instant are known only under the lock.
        if let Some(envelope) = Arc::get_mut(envelope) {
            envelope.seq = *published;
            match stamp {
                Stamp::Own => self.latest = self.latest.max(envelope.instant),
                Stamp::Latest => envelope.instant = self.latest,
            }
        }
        for &s in subscribers.iter() {
            let item = Queued { topic, envelope: Arc::clone(envelope) };
            if self.subscribers[s].offer(item, after) {
                self.outstanding += 1;
            }
        }
        *published
    }

    /// Gives room that came free to those in line, in order of arrival.
    ///
    /// Within a topic nobody is overtaken. Across topics, one whom a full queue holds up does not keep others
    /// from queues that have room: the consumer that is to empty the full one may be among them.
    pub(super) fn serve(&mut self, after: &mut After<E>) {
        let mut from = 0;
        while !self.waiters.is_empty() {
            let heads = self.topics.iter().enumerate();
            let first = heads
                .filter_map(|(at, topic)| Some((topic.line.arrival()?, at)))
                .filter(|(arrival, _)| *arrival >= from)
                .min();
            let Some((arrival, topic)) = first else { return };
            if self.room(topic) == 0 {
                from = arrival + 1;
                continue;
            }
            self.hold(topic, 1);
            self.waiters.serve(&mut self.topics[topic].line, after);
        }
    }
}
