//! The handle on a bus.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bt_core::{
    BoxLogSink, BusError, BusStats, ConfigError, Drain, Event, EventBus, LogEvent, Message,
    StuckSubscription, TopicName, topic,
};
use tokio::time::sleep;

use crate::after::After;
use crate::core::Announcer;
use crate::link::Link;
use crate::shared::Shared;
use crate::subscriber::Terms;
use crate::{
    BusBuilder, ComponentLog, Delivery, Drops, Idle, Policy, Publisher, Subscription, SubscriptionConfig,
};

/// A bus of payloads `E`: topics, each with its own sequence; subscriptions, each with one bounded queue; a
/// barrier.
///
/// Clones speak to the same bus. It lives as long as any handle on it.
///
/// One short lock covers the whole bus: an envelope gets its number and its places in all queues under it, so
/// every subscriber sees one order, across its topics too (R26). No foreign code runs under the lock but the
/// cloning and comparing of wakers, and, for what the bus itself says, [`E::from`](BusBuilder::log_topic).
pub struct Bus<E> {
    pub(crate) shared: Arc<Shared<E>>,
}

impl<E> Bus<E> {
    /// A bus with `topics`, none of which takes logs: for that there is the [builder](Bus::builder), and
    /// [`for_engine`](Bus::for_engine).
    ///
    /// # Errors
    /// [`ConfigError`] if there is no topic, or one twice.
    pub fn new<T: Into<String>>(topics: impl IntoIterator<Item = T>) -> Result<Self, ConfigError> {
        Bus::builder().topics(topics).build()
    }

    /// A builder for more than that.
    pub fn builder() -> BusBuilder<E> {
        BusBuilder::new()
    }

    pub(crate) fn from_topics(topics: Box<[TopicName]>, announcer: Option<Announcer<E>>) -> Self {
        Bus { shared: Arc::new(Shared::new(topics, announcer)) }
    }

    /// Names of the topics, in order of registration.
    pub fn topics(&self) -> impl ExactSizeIterator<Item = &str> {
        self.shared.topics.iter().map(|name| name.as_str())
    }

    /// A publisher for `topic`. Keep it: it is what makes publishing cheap.
    ///
    /// # Errors
    /// [`BusError::UnknownTopic`].
    pub fn publisher(&self, topic: &str) -> Result<Publisher<E>, BusError> {
        Ok(Publisher::new(Arc::clone(&self.shared), self.shared.index(topic)?))
    }

    /// Publishes one message to `topic`, by a publisher made for the occasion, and returns its sequence number.
    ///
    /// # Errors
    /// [`BusError::UnknownTopic`]; [`BusError::Closed`]; [`BusError::Blocked`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has not published and loses its place in line.
    pub async fn publish(&self, topic: &str, message: Message<E>) -> Result<u64, BusError> {
        self.publisher(topic)?.publish(message).await
    }

    /// A loss-free subscription called `name` to all of `topics`, with a queue of `capacity` envelopes.
    ///
    /// # Errors
    /// As [`subscribe_with`](Bus::subscribe_with).
    pub fn subscribe(
        &self,
        name: &str,
        topics: &[&str],
        capacity: usize,
    ) -> Result<Subscription<E>, BusError> {
        self.subscribe_with(SubscriptionConfig::new(name, topics.iter().copied()).with_capacity(capacity))
    }

    /// A subscription as `config` says. It gets what is published from now on.
    ///
    /// # Errors
    /// [`BusError::UnknownTopic`]; [`BusError::DuplicateSubscription`] if a living one has the name;
    /// [`BusError::Closed`]; [`BusError::Other`] with a [`ConfigError`] for a capacity of 0, for no topic at
    /// all, for a policy that drops logs without [`SubscriptionConfig::with_lossy_log`], and for a limit of blocking
    /// of zero or with a policy that drops.
    pub fn subscribe_with(&self, config: SubscriptionConfig) -> Result<Subscription<E>, BusError> {
        let SubscriptionConfig { name, topics: wanted, capacity, policy, block_limit: limit, lossy_log } =
            config;
        let invalid = |option, value: String, expected| {
            BusError::Other(Box::new(ConfigError::Invalid { option, value, expected }))
        };
        let mut topics = Vec::with_capacity(wanted.len());
        for topic in &wanted {
            let index = self.shared.index(topic)?;
            if !topics.contains(&index) {
                topics.push(index);
            }
        }
        if capacity == 0 {
            return Err(invalid("capacity", "0".to_owned(), "at least 1"));
        }
        let Some(&first) = topics.first() else {
            return Err(BusError::Other(Box::new(ConfigError::Missing { what: "topic" })));
        };
        if policy != Policy::Block && !lossy_log && self.shared.log.is_some_and(|log| topics.contains(&log)) {
            return Err(invalid(
                "policy",
                format!("{policy:?}"),
                "`Block` for a subscription to logs, or a word that they may be lost",
            ));
        }
        if policy != Policy::Block
            && let Some(limit) = limit
        {
            return Err(invalid("block_limit", format!("{limit:?}"), "none with a policy that drops"));
        }
        if limit.is_some_and(|limit| limit.is_zero()) {
            return Err(invalid("block_limit", "0".to_owned(), "more than zero"));
        }
        let mut core = self.shared.lock();
        if core.is_closed() {
            return Err(self.shared.closed(first));
        }
        if core.has_subscriber(&name) {
            return Err(BusError::DuplicateSubscription { name });
        }
        let name: Arc<str> = name.into();
        let terms = Terms { name: Arc::clone(&name), topics, capacity, policy, limit };
        let (subscriber, progress) = core.subscribe(terms);
        drop(core);
        Ok(Subscription::new(name, Link { shared: Arc::clone(&self.shared), subscriber, progress }))
    }

    /// Ready when no queue holds an envelope and no delivery is unacknowledged (R28).
    pub fn idle(&self) -> Idle<E> {
        Idle::new(Arc::clone(&self.shared))
    }

    /// Waits until the bus is idle, at most for `limit`.
    ///
    /// # Errors
    /// [`BusError::Stuck`], naming each subscription that has not kept up, with topic and sequence number of
    /// the oldest envelope that it has not acknowledged.
    ///
    /// # Panics
    /// If it has to wait and is polled outside a tokio runtime with a timer.
    ///
    /// # Cancel safety
    /// It changes nothing and may be dropped at any point.
    pub async fn barrier(&self, limit: Duration) -> Result<(), BusError> {
        let mut idle = self.idle();
        let mut alarm = pin!(None);
        let outlasted = poll_fn(|cx| {
            if Pin::new(&mut idle).poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            // Not before it has to wait: a timer costs more than the barrier.
            if alarm.is_none() {
                alarm.set(Some(sleep(limit)));
            }
            alarm.as_mut().as_pin_mut().map_or(Poll::Pending, |alarm| alarm.poll(cx).map(|()| true))
        });
        if !outlasted.await {
            return Ok(());
        }
        let stuck = self.stuck();
        // One whose room is reserved holds up publishers, and no barrier.
        if stuck.iter().all(|s| s.queued + s.unacknowledged == 0) {
            return Ok(());
        }
        tracing::warn!(?limit, subscriptions = stuck.len(), "barrier outlasted its limit");
        Err(BusError::Stuck { limit, stuck })
    }

    /// Refuses further publishes (R31). What is queued is still delivered, or discarded, as `drain` says; then
    /// subscriptions end. A closed bus may be closed once more to discard.
    ///
    /// Reservations are void: a publisher that was promised room and has not sent is refused like one that
    /// waits, so nothing is accepted after this returns. With [`Drain::Deliver`] nothing accepted is lost; with
    /// [`Drain::Discard`] it counts as undelivered, and only what is taken already holds up the barrier. An envelope
    /// that was about to be taken in that moment counts as undelivered and may still have moved the subscription's
    /// watermark.
    pub fn close(&self, drain: Drain) {
        let mut after = After::new();
        self.shared.lock().close(drain, &mut after);
        after.run();
    }

    /// Whether the bus was closed.
    pub fn is_closed(&self) -> bool {
        self.shared.lock().is_closed()
    }

    /// The counters, as one consistent snapshot.
    pub fn stats(&self) -> BusStats {
        self.shared.lock().stats()
    }

    /// What was dropped by policy (R27): each subscription and topic that lost anything.
    pub fn drops(&self) -> Vec<Drops> {
        let core = self.shared.lock();
        core.drops()
            .map(|(subscription, topic, dropped)| Drops {
                subscription: Arc::clone(subscription),
                topic,
                dropped,
            })
            .collect()
    }

    /// Who holds up the barrier now, or has no room for publishers that wait; in order of subscribing.
    ///
    /// Room may be lacking where nothing is queued: places that publishers reserve and do not use take it up too.
    /// Then the envelope is the next of a topic that somebody waits to publish to.
    pub fn stuck(&self) -> Vec<StuckSubscription> {
        self.shared.lock().stuck()
    }
}

impl Bus<Event> {
    /// A bus with the topics of an engine ([`topic::ALL`]), of which [`topic::LOG`] takes the logs.
    pub fn for_engine() -> Self {
        let made = Bus::builder().topics(topic::ALL).log_topic(topic::LOG).build();
        made.expect("the topics are distinct, and the log is one of them")
    }
}

impl<E: From<LogEvent>> Bus<E> {
    /// A sink for the logs of `component`.
    ///
    /// # Errors
    /// [`BusError::NoLog`] if none of the topics takes logs.
    pub fn component_log(&self, component: &'static str) -> Result<ComponentLog<E>, BusError> {
        let index = self.shared.log.ok_or(BusError::NoLog)?;
        Ok(ComponentLog::new(Publisher::new(Arc::clone(&self.shared), index), component))
    }
}

impl<E: From<LogEvent> + Send + Sync + 'static> EventBus for Bus<E> {
    type Payload = E;
    type Publisher = Publisher<E>;
    type Subscription = Subscription<E>;
    type Delivery = Delivery<E>;
    type Idle = Idle<E>;

    fn publisher(&self, topic: &str) -> Result<Publisher<E>, BusError> {
        Bus::publisher(self, topic)
    }

    fn subscribe(&self, name: &str, topics: &[&str], capacity: usize) -> Result<Subscription<E>, BusError> {
        Bus::subscribe(self, name, topics, capacity)
    }

    fn log_sink(&self, component: &'static str) -> Result<BoxLogSink, BusError> {
        Ok(Box::pin(self.component_log(component)?))
    }

    fn idle(&self) -> Idle<E> {
        Bus::idle(self)
    }

    fn close(&self, drain: Drain) {
        Bus::close(self, drain);
    }

    fn stats(&self) -> BusStats {
        Bus::stats(self)
    }

    fn stuck(&self) -> Vec<StuckSubscription> {
        Bus::stuck(self)
    }
}

impl<E> Clone for Bus<E> {
    fn clone(&self) -> Self {
        Bus { shared: Arc::clone(&self.shared) }
    }
}

impl<E> fmt::Debug for Bus<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("topics", &self.shared.topics).finish_non_exhaustive()
    }
}
