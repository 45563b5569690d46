//! The bus without its lock.

mod barrier;
mod publishing;
mod subscribing;

use std::sync::Arc;
use std::task::Waker;

use bt_core::{Envelope, Timestamp};

use crate::line::{Line, Waiters};
use crate::subscriber::Subscriber;

/// The whole state of a bus, as a plain machine: every operation runs to its end, and what it leaves to be
/// done without the lock goes into an [`After`](crate::after::After).
///
/// # Invariants
/// - `outstanding` is the sum of queued and unacknowledged envelopes.
/// - A blocking subscriber's `reserved` is the sum of its topics' `reserved`, and queue plus reservations stay
///   within its capacity (but for reservations that are older than the subscription).
/// - The first in a topic's line waits because some queue of that topic has no room.
pub(crate) struct Core<E> {
    topics: Vec<Topic>,
    /// All that ever were; their indices are never given to others.
    subscribers: Vec<Subscriber<E>>,
    waiters: Waiters,
    /// Tasks that wait for the bus to be idle.
    idlers: Vec<(u64, Waker)>,
    idler_tickets: u64,
    outstanding: usize,
    latest: Timestamp,
    closed: bool,
}

struct Topic {
    published: u64,
    /// Living subscribers, in order of subscribing.
    subscribers: Vec<usize>,
    /// Places that publishers hold in each of its queues.
    reserved: usize,
    line: Line,
}

/// The bus is closed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// What a queue has for its subscriber.
pub(crate) enum Taken<E> {
    /// An envelope and its place in the ledger.
    Envelope(Arc<Envelope<E>>, usize),
    /// Nothing now.
    Empty,
    /// Nothing any more.
    Ended,
}

impl<E> Core<E> {
    pub(crate) fn new(topics: usize) -> Self {
        let topic = || Topic { published: 0, subscribers: Vec::new(), reserved: 0, line: Line::default() };
        Core {
            topics: (0..topics).map(|_| topic()).collect(),
            subscribers: Vec::new(),
            waiters: Waiters::default(),
            idlers: Vec::new(),
            idler_tickets: 0,
            outstanding: 0,
            latest: Timestamp::EPOCH,
            closed: false,
        }
    }
}

/// Which instant an envelope gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// The one it carries.
    Own,
    /// The latest that was published on the bus before it.
    Latest,
}
