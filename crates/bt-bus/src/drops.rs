//! What was lost.

use std::sync::Arc;

use bt_core::TopicName;

/// Envelopes of one topic that one subscription's policy dropped (R27).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drops {
    /// Name of the subscription.
    pub subscription: Arc<str>,
    /// Name of the topic.
    pub topic: TopicName,
    /// How many.
    pub dropped: u64,
}
