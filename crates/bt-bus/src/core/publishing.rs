//! Reservations, lines, numbers and fan-out.

use std::task::{Poll, Waker, ready};

use bt_core::{Envelope, Message};

use super::{Closed, Core, Stamp, Topic, reserved};
use crate::after::After;
use crate::batch::Batch;
use crate::draft::Draft;
use crate::line::Claim;
use crate::patience::Limited;
use crate::run::{Block, Run};

/// How many messages are published at most while the lock is held once.
const MOST: usize = 4096;

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
            Claim::Holding => {}
            Claim::Waiting(ticket) => {
                if !self.waiters.poll(ticket, waker, after) {
                    return Poll::Pending;
                }
                *claim = Claim::Holding;
            }
            Claim::Nothing => {
                let mut room = self.room_for_newcomers(topic, 1, after);
                if room == 0 && self.has_no_line(topic) {
                    room = self.room_or_want(topic);
                }
                if room == 0 {
                    *claim = Claim::Waiting(self.waiters.join(&mut self.topics[topic].line, waker));
                    return Poll::Pending;
                }
                self.hold(topic);
                *claim = Claim::Holding;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether a message may be published now: on a place that `claim` holds, which is used up, or, without one,
    /// if there is room and nobody in line.
    #[inline]
    pub(crate) fn may_publish(
        &mut self,
        topic: usize,
        claim: &mut Claim,
        after: &mut After<E>,
    ) -> Result<bool, Closed> {
        if self.closed {
            self.give_back(topic, claim, after);
            return Err(Closed);
        }
        match *claim {
            Claim::Holding => {}
            // Its turn may have come since it was polled.
            Claim::Waiting(ticket) if self.waiters.take_served(ticket) => {}
            Claim::Waiting(_) => return Ok(false),
            Claim::Nothing => return Ok(self.room_for_newcomers(topic, 1, after) > 0),
        }
        *claim = Claim::Nothing;
        self.topics[topic].reserved -= 1;
        Ok(true)
    }

    /// Publishes `draft`, as it [may be](Core::may_publish), and returns its number.
    #[inline]
    pub(crate) fn publish(
        &mut self,
        topic: usize,
        draft: Draft<E>,
        stamp: Stamp,
        after: &mut After<E>,
    ) -> u64 {
        let mut instant = draft.instant();
        match stamp {
            Stamp::Own => self.latest = self.latest.max(instant),
            Stamp::Latest => instant = self.latest,
        }
        let seq = self.topics[topic].number(instant);
        self.fan_out(topic, draft.finish(seq, instant), after);
        seq
    }

    /// Publishes the first of `batch`, as many as there is room for; stands in line if that is for none.
    pub(crate) fn poll_publish_batch(
        &mut self,
        topic: usize,
        claim: &mut Claim,
        batch: &mut Batch<'_, E>,
        waker: &Waker,
        after: &mut After<E>,
    ) -> Poll<Result<(), Closed>> {
        let most = batch.len().min(MOST);
        // With room and nobody in line, which is the rule, no place is claimed first.
        let mut room = if self.closed { 0 } else { self.room_for_newcomers(topic, most, after) };
        if room == 0 || *claim != Claim::Nothing {
            ready!(self.poll_reserve(topic, claim, waker, after))?;
            *claim = Claim::Nothing;
            self.topics[topic].reserved -= 1;
            room = room.saturating_add(1);
        }
        let Self { topics, latest, .. } = self;
        let publishing = &mut topics[topic];
        let envelopes = batch.take(room.min(most)).map(|Message { instant, payload }| {
            *latest = instant.max(*latest);
            let seq = publishing.number(instant);
            Envelope { topic: publishing.name, seq, instant, payload }
        });
        let block: Block<E> = envelopes.collect();
        self.fan_out(topic, block, after);
        Poll::Ready(Ok(()))
    }

    /// Gives up what `claim` holds or waits for, and lets the next in line have it.
    pub(crate) fn give_back(&mut self, topic: usize, claim: &mut Claim, after: &mut After<E>) {
        let held = match std::mem::replace(claim, Claim::Nothing) {
            Claim::Nothing => false,
            Claim::Holding => true,
            Claim::Waiting(ticket) => self.waiters.leave(&mut self.topics[topic].line, ticket, after),
        };
        // Closing has revoked every reservation already.
        if held && !self.closed {
            self.topics[topic].reserved -= 1;
            self.serve(after);
        }
    }

    /// The subscribers to `topic` that limit how long publishers wait.
    pub(crate) fn limited(&self, topic: usize) -> Vec<Limited> {
        let subscribers = self.topics[topic].subscribers.iter();
        let limited = subscribers.filter_map(|&subscriber| {
            let s = &self.subscribers[subscriber];
            let limit = s.limit?;
            let full = s.room(reserved(&self.topics, s)) == 0;
            Some(Limited { subscriber, limit, full })
        });
        limited.collect()
    }

    pub(crate) fn name(&self, subscriber: usize) -> String {
        self.subscribers[subscriber].name.to_string()
    }

    /// Envelopes that may be published to `topic` now, by one whose turn it is; more than `enough` are not counted.
    ///
    /// It looks into the queues only when what it saw the last time, less what was queued or reserved anywhere
    /// since, is not enough.
    #[inline]
    fn room(&mut self, topic: usize, enough: usize) -> usize {
        let Topic { room, filled, .. } = self.topics[topic];
        let left = room.saturating_sub(self.filled - filled);
        if left >= enough { enough } else { self.look(topic).min(enough) }
    }

    /// Looks into the queues of `topic`, and notes how much room there is.
    #[cold]
    fn look(&mut self, topic: usize) -> usize {
        let Self { topics, subscribers, filled, .. } = self;
        let subscribers = topics[topic].subscribers.iter().map(|&s| &subscribers[s]);
        let room = subscribers.map(|s| s.room(reserved(topics, s))).min().unwrap_or(usize::MAX);
        (topics[topic].room, topics[topic].filled) = (room, *filled);
        room
    }

    /// As [`room`](Core::room); if there is none, the handles will tell when they make some.
    pub(super) fn room_or_want(&mut self, topic: usize) -> usize {
        let Self { topics, subscribers, .. } = self;
        let room = topics[topic].subscribers.iter().map(|&s| {
            let reserved = reserved(topics, &subscribers[s]);
            subscribers[s].room_or_want(reserved)
        });
        room.min().unwrap_or(usize::MAX)
    }

    /// Envelopes that may be published to `topic` by one who has just come, up to `enough`: none while others are
    /// in line.
    #[inline]
    fn room_for_newcomers(&mut self, topic: usize, enough: usize, after: &mut After<E>) -> usize {
        if self.somebody_waits() {
            // Room may have been made, and not yet told of.
            self.serve(after);
            if !self.has_no_line(topic) {
                return 0;
            }
        }
        self.room(topic, enough)
    }

    #[inline]
    pub(super) fn somebody_waits(&self) -> bool {
        !self.waiters.is_empty() || self.losses.arrival.is_some()
    }

    fn has_no_line(&self, topic: usize) -> bool {
        self.topics[topic].line.is_empty() && self.losses_in_line().is_none_or(|(_, log)| log != topic)
    }

    /// Takes a place in every queue of `topic`.
    fn hold(&mut self, topic: usize) {
        self.topics[topic].reserved += 1;
        self.filled += 1;
    }

    /// Queues envelopes everywhere.
    #[inline]
    pub(super) fn fan_out(&mut self, topic: usize, block: Block<E>, after: &mut After<E>) {
        let Self { topics, subscribers, losses, .. } = self;
        self.filled += block.len();
        let run = Run::new(topic, block);
        for &s in &topics[topic].subscribers {
            subscribers[s].offer(&run, losses, after);
        }
        match topics[topic].subscribers.is_empty() {
            // Nobody else has it, and dropping it runs foreign code.
            true => after.drop_run(run),
            false => drop(run),
        }
        if !losses.is_empty() && !losses.announcing {
            self.announce(after);
        }
    }

    /// Gives room that came free to those in line, in order of arrival.
    ///
    /// Within a topic nobody is overtaken. Across topics, one whom a full queue holds up does not keep others
    /// from queues that have room: the consumer that is to empty the full one may be among them.
    pub(super) fn serve(&mut self, after: &mut After<E>) {
        let mut from = 0;
        while self.somebody_waits() {
            let heads = self.topics.iter().enumerate();
            let heads = heads.filter_map(|(at, topic)| Some((topic.line.arrival()?, at, false)));
            let losses = self.losses_in_line().map(|(arrival, log)| (arrival, log, true));
            let first = heads.chain(losses).filter(|(arrival, ..)| *arrival >= from).min();
            let Some((arrival, topic, is_loss)) = first else { return };
            if self.room_or_want(topic) == 0 {
                from = arrival + 1;
            } else if is_loss {
                self.announce_one(after);
            } else {
                self.hold(topic);
                self.waiters.serve(&mut self.topics[topic].line, after);
            }
        }
        for subscriber in &mut self.subscribers {
            subscriber.unwant();
        }
    }
}
