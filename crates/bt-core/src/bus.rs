//! What a bus is.

use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use futures_sink::Sink;

use crate::{BoxLogSink, BusError, StuckSubscription, Timestamp, TopicName};

/// What a bus delivers: a payload with its place in the order of its topic (R26).
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope<E> {
    /// Name of the topic.
    pub topic: TopicName,
    /// Place in the topic: from 1, without holes, in publish order.
    pub seq: u64,
    /// The instant that the payload speaks of.
    pub instant: Timestamp,
    /// What was published.
    pub payload: E,
}

/// A payload on its way to a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<E> {
    /// The instant that the payload speaks of.
    pub instant: Timestamp,
    /// What is published.
    pub payload: E,
}

/// Topics, subscriptions and a barrier.
///
/// A handle: clones speak to the same bus, and each caller that polls has its own, so that no waker is lost.
/// Order, loss and acknowledgement are as R26 to R31 say; the contract suite of the test kit defines it for
/// every implementation.
pub trait EventBus: Clone + Send + 'static {
    /// What is carried.
    type Payload: Send + Sync + 'static;
    /// Publishes to one topic. A message is accepted when `start_send` has returned: it has its sequence
    /// number and stands in every subscriber's queue.
    type Publisher: Sink<Message<Self::Payload>, Error = BusError> + Send + Unpin + 'static;
    /// Deliveries in publish order, across all topics of the subscription; ends when the bus is closed and
    /// its queue is empty.
    type Subscription: Stream<Item = Self::Delivery> + Send + Unpin + 'static;
    /// An envelope that is acknowledged by being dropped (R28).
    type Delivery: Deref<Target = Envelope<Self::Payload>> + Send + 'static;
    /// Ready when no queue holds an envelope and no delivery is unacknowledged (R28).
    type Idle: Future<Output = ()> + Send + Unpin + 'static;

    /// A publisher for `topic`.
    ///
    /// # Errors
    /// [`BusError::UnknownTopic`].
    fn publisher(&self, topic: &str) -> Result<Self::Publisher, BusError>;

    /// A loss-free subscription called `name` to all of `topics`, with a queue of `capacity` envelopes.
    ///
    /// # Errors
    /// [`BusError::UnknownTopic`], [`BusError::DuplicateSubscription`], [`BusError::Closed`].
    fn subscribe(&self, name: &str, topics: &[&str], capacity: usize)
    -> Result<Self::Subscription, BusError>;

    /// A sink for the logs of `component`, whose name it sets on each event.
    ///
    /// # Errors
    /// [`BusError::NoLog`] if none of the topics takes logs.
    fn log_sink(&self, component: &'static str) -> Result<BoxLogSink, BusError>;

    /// The barrier: ready when the bus is idle.
    fn idle(&self) -> Self::Idle;

    /// Refuses further publishes (R31). What is queued is still delivered, or discarded, as `drain` says; then
    /// subscriptions end.
    fn close(&self, drain: Drain);

    /// The counters, as one consistent snapshot.
    fn stats(&self) -> BusStats;

    /// Who holds up the barrier now, for a barrier that outlasted its limit; and who has no room for a publisher
    /// that waits although nothing is queued, because other publishers hold places there and do not use them.
    fn stuck(&self) -> Vec<StuckSubscription>;
}

/// What becomes of the queues when a bus closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// What is queued is delivered; nothing that was accepted is lost.
    Deliver,
    /// What is queued is dropped, and counted as undelivered.
    Discard,
}

/// Counters of a bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusStats {
    /// Per topic, in order of registration.
    pub topics: Vec<TopicStats>,
    /// Per subscription, in order of subscribing; those that are gone included.
    pub subscriptions: Vec<SubscriptionStats>,
}

impl BusStats {
    /// Number of envelopes published to `topic`; 0 if there is no such topic.
    pub fn published(&self, topic: &str) -> u64 {
        self.topics.iter().find(|t| &*t.topic == topic).map_or(0, |t| t.published)
    }
}

/// Counters of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicStats {
    /// Name of the topic.
    pub topic: TopicName,
    /// Envelopes published, which is the last sequence number.
    pub published: u64,
    /// The topic's watermark: the latest instant that was published; `None` before the first.
    pub watermark: Option<Timestamp>,
}

/// Counters of a subscription.
///
/// An envelope that was published to it is delivered, dropped, undelivered, queued or unacknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionStats {
    /// Name of the subscription.
    pub name: Arc<str>,
    /// Envelopes taken and acknowledged.
    pub delivered: u64,
    /// Envelopes dropped because the queue was full when they came: `drop_newest` (R27).
    pub dropped_newest: u64,
    /// Envelopes dropped from the queue to make room: `drop_oldest` (R27).
    pub dropped_oldest: u64,
    /// Envelopes that lay in the queue when the subscription was dropped (R34), or the bus closed without
    /// delivering.
    pub undelivered: u64,
    /// Depth of the queue: envelopes in it.
    pub queued: usize,
    /// Most envelopes that were in the queue at a time.
    pub high_water: usize,
    /// Envelopes taken and not yet acknowledged.
    pub unacknowledged: usize,
    /// Instant of the envelope that was taken last; `None` before the first.
    pub watermark: Option<Timestamp>,
    /// How far, in the time that envelopes speak of, it is behind: from its own watermark to the latest of its
    /// topics'; `None` before it has taken an envelope.
    pub lag: Option<Duration>,
}

impl SubscriptionStats {
    /// Counters of a subscription that has been sent nothing.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        SubscriptionStats {
            name: name.into(),
            delivered: 0,
            dropped_newest: 0,
            dropped_oldest: 0,
            undelivered: 0,
            queued: 0,
            high_water: 0,
            unacknowledged: 0,
            watermark: None,
            lag: None,
        }
    }

    /// Envelopes dropped by policy, for whatever reason (R27).
    pub fn dropped(&self) -> u64 {
        self.dropped_newest + self.dropped_oldest
    }
}
