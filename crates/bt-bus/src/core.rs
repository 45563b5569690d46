//! The bus without its lock.

mod announcing;
mod barrier;
mod publishing;
mod subscribing;

use std::task::Waker;

use bt_core::{LogEvent, Timestamp, TopicName};

use crate::line::{Line, Waiters};
use crate::losses::Losses;
use crate::subscriber::Subscriber;

/// The whole state of a bus, as a plain machine: every operation runs to its end, and what it leaves to be
/// done without the lock goes into an [`After`](crate::after::After).
///
/// # Invariants
/// - A blocking subscriber's queue plus what is reserved on its topics stays within its capacity (but for
///   reservations that are older than the subscription: they will be used without asking again).
/// - A topic's `room`, less what `filled` has grown by since it was noted, is no more than there is.
/// - The first in a topic's line waits because some queue of that topic had no room; each such queue's handle
///   tells when it makes some.
/// - While anyone waits for the bus to be idle, every subscriber is watched.
pub(crate) struct Core<E> {
    topics: Vec<Topic>,
    /// All that ever were; their indices are never given to others.
    subscribers: Vec<Subscriber<E>>,
    waiters: Waiters,
    losses: Losses,
    announcer: Option<Announcer<E>>,
    /// Tasks that wait for the bus to be idle.
    idlers: Vec<(u64, Waker)>,
    idler_tickets: u64,
    watched: bool,
    /// The subscriber that was found busy when it was last looked.
    busy: usize,
    latest: Timestamp,
    /// Places that were ever reserved or filled, on any topic.
    filled: usize,
    closed: bool,
}

struct Topic {
    name: TopicName,
    published: u64,
    watermark: Option<Timestamp>,
    /// Living subscribers, in order of subscribing.
    subscribers: Vec<usize>,
    /// Places that publishers hold in each of its queues.
    reserved: usize,
    /// Room in each of its queues when they were last looked into, and the bus's `filled` then.
    room: usize,
    filled: usize,
    line: Line,
}

/// Makes a payload of what the bus itself has to say.
pub(crate) type MakePayload<E> = fn(LogEvent) -> E;

/// How the bus itself logs.
#[derive(Debug)]
pub(crate) struct Announcer<E> {
    /// The topic.
    pub(crate) log: usize,
    pub(crate) payload: MakePayload<E>,
}

/// The bus is closed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl<E> Core<E> {
    pub(crate) fn new(topics: &[TopicName], announcer: Option<Announcer<E>>) -> Self {
        let topic = |&name| Topic {
            name,
            published: 0,
            watermark: None,
            subscribers: Vec::new(),
            reserved: 0,
            room: 0,
            filled: 0,
            line: Line::default(),
        };
        Core {
            topics: topics.iter().map(topic).collect(),
            subscribers: Vec::new(),
            waiters: Waiters::default(),
            losses: Losses::new(announcer.is_some()),
            announcer,
            idlers: Vec::new(),
            idler_tickets: 0,
            watched: false,
            busy: 0,
            latest: Timestamp::EPOCH,
            filled: 0,
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

impl Topic {
    /// The number of the next envelope, which is of `instant`.
    #[inline]
    fn number(&mut self, instant: Timestamp) -> u64 {
        self.published += 1;
        self.watermark = self.watermark.max(Some(instant));
        self.published
    }
}

/// Places that publishers hold in the queue of `subscriber`.
#[inline]
fn reserved<E>(topics: &[Topic], subscriber: &Subscriber<E>) -> usize {
    match subscriber.living {
        true => subscriber.topics.iter().map(|t| topics[t.topic].reserved).sum(),
        false => 0,
    }
}
