//! What a subscription is asked to be.

use std::time::Duration;

/// What happens to an envelope for which a subscription's queue has no room (R27).
///
/// What is dropped is counted ([`Bus::drops`](crate::Bus::drops)) and, on a bus with a log, announced there by
/// `BUS_DROPPED`: at once if the log has room and nobody waits for it, otherwise in turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// The publisher waits: nothing is lost.
    #[default]
    Block,
    /// The envelope is not queued.
    DropNewest,
    /// The envelope that was queued longest makes room.
    DropOldest,
}

/// A subscription that is asked for: its name, its topics, its queue and what happens when that is full.
///
/// ```
/// use bt_bus::{Policy, SubscriptionConfig};
/// let config = SubscriptionConfig::new("ticker", ["frame", "control"])
///     .with_capacity(16)
///     .with_policy(Policy::DropOldest);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionConfig {
    pub(crate) name: String,
    pub(crate) topics: Vec<String>,
    pub(crate) capacity: usize,
    pub(crate) policy: Policy,
    pub(crate) block_limit: Option<Duration>,
    pub(crate) lossy_log: bool,
}

impl SubscriptionConfig {
    /// Number of envelopes that a queue holds unless told otherwise.
    pub const CAPACITY: usize = 64;

    /// A loss-free subscription called `name` to `topics`, with a queue of [`CAPACITY`](Self::CAPACITY).
    pub fn new<T: Into<String>>(name: impl Into<String>, topics: impl IntoIterator<Item = T>) -> Self {
        SubscriptionConfig {
            name: name.into(),
            topics: topics.into_iter().map(Into::into).collect(),
            capacity: Self::CAPACITY,
            policy: Policy::default(),
            block_limit: None,
            lossy_log: false,
        }
    }

    /// Sets the number of envelopes that the queue holds, at least 1.
    #[must_use]
    pub fn with_capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Sets what happens when the queue is full.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets how long a publisher waits for room in this queue under [`Policy::Block`]; after that it gets
    /// [`BusError::Blocked`](bt_core::BusError::Blocked). It is more than zero. Without a limit it waits for as long as it takes.
    #[must_use]
    pub fn with_block_limit(mut self, limit: Duration) -> Self {
        self.block_limit = Some(limit);
        self
    }

    /// Says in so many words that logs may be lost, which a dropping policy on the log topic needs.
    #[must_use]
    pub fn with_lossy_log(mut self) -> Self {
        self.lossy_log = true;
        self
    }
}
