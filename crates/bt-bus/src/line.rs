//! Where publishers wait for room.

use std::collections::VecDeque;
use std::task::Waker;

use crate::after::{After, park};

/// A publisher's claim to a place in the queues of its topic.
///
/// ```text
///            no room             room came free
///   Nothing ─────────► Waiting ─────────────────┐
///      ▲ │                                      ▼
///      │ └────────────── room ──────────────► Holding
///      └──────── sent, given back, or closed ───┘
/// ```
///
/// `Nothing` has no place and waits for none; `Waiting` stands in the topic's line; `Holding` has a place in
/// every queue of the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    Nothing,
    Waiting(Ticket),
    Holding,
}

/// Names one who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(usize);

/// The publishers of one topic that wait for room, first come first.
#[derive(Debug, Default)]
pub(crate) struct Line(VecDeque<(u64, Ticket)>);

impl Line {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// When the first in line came, by count of arrivals on the whole bus.
    pub(crate) fn arrival(&self) -> Option<u64> {
        self.0.front().map(|(arrival, _)| *arrival)
    }
}

/// All publishers that wait for room, on any topic.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    slots: Vec<Slot>,
    free: Vec<usize>,
    arrivals: u64,
    /// Number of those in line.
    waiting: usize,
}

#[derive(Debug)]
enum Slot {
    Free,
    InLine(Option<Waker>),
    /// Has a place in every queue, and has not been polled since.
    Served,
}

impl Waiters {
    /// Whether nobody is in line.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// A number later than that of everyone who has come.
    pub(crate) fn arrive(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    /// Joins `line` at its end.
    pub(crate) fn join(&mut self, line: &mut Line, waker: &Waker) -> Ticket {
        let slot = Slot::InLine(Some(waker.clone()));
        let at = if let Some(at) = self.free.pop() {
            self.slots[at] = slot;
            at
        } else {
            self.slots.push(slot);
            self.slots.len() - 1
        };
        line.0.push_back((self.arrive(), Ticket(at)));
        self.waiting += 1;
        Ticket(at)
    }

    /// Whether `ticket` was served; if so it is void, else `waker` is kept.
    pub(crate) fn poll<E>(&mut self, ticket: Ticket, waker: &Waker, after: &mut After<E>) -> bool {
        match &mut self.slots[ticket.0] {
            Slot::InLine(slot) => {
                park(slot, waker, after);
                false
            }
            served => {
                debug_assert!(matches!(served, Slot::Served), "a ticket is void once it was polled ready");
                self.void(ticket);
                true
            }
        }
    }

    /// Whether `ticket` was served; if so it is void.
    pub(crate) fn take_served(&mut self, ticket: Ticket) -> bool {
        let served = matches!(self.slots[ticket.0], Slot::Served);
        if served {
            self.void(ticket);
        }
        served
    }

    /// Serves the first of `line`.
    pub(crate) fn serve<E>(&mut self, line: &mut Line, after: &mut After<E>) {
        if let Some((_, ticket)) = line.0.pop_front() {
            self.waiting -= 1;
            if let Slot::InLine(Some(waker)) = std::mem::replace(&mut self.slots[ticket.0], Slot::Served) {
                after.wake(waker);
            }
        }
    }

    /// Leaves `line`. Returns whether the ticket had been served, so that its place is to be given back.
    pub(crate) fn leave<E>(&mut self, line: &mut Line, ticket: Ticket, after: &mut After<E>) -> bool {
        let served = matches!(self.slots[ticket.0], Slot::Served);
        if let Some(at) = line.0.iter().position(|(_, other)| *other == ticket) {
            line.0.remove(at);
            self.waiting -= 1;
        }
        if let Slot::InLine(Some(waker)) = self.void(ticket) {
            after.drop_waker(waker);
        }
        served
    }

    /// Wakes everyone in `line` and empties it. Their tickets stay theirs until polled or left.
    pub(crate) fn dismiss<E>(&mut self, line: &mut Line, after: &mut After<E>) {
        for (_, ticket) in line.0.drain(..) {
            self.waiting -= 1;
            if let Slot::InLine(waker) = &mut self.slots[ticket.0]
                && let Some(waker) = waker.take()
            {
                after.wake(waker);
            }
        }
    }

    fn void(&mut self, ticket: Ticket) -> Slot {
        self.free.push(ticket.0);
        std::mem::replace(&mut self.slots[ticket.0], Slot::Free)
    }
}
