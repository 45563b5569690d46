//! What was lost.

use std::sync::Arc;

/// Envelopes of one topic that one subscription's policy dropped (R27).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drops {
    /// Name of the subscription.
    pub subscription: Arc<str>,
    /// Name of the topic.
    pub topic: Arc<str>,
    /// How many.
    pub dropped: u64,
}
