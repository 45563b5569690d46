//! What a subscription yields.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bt_core::Envelope;

use crate::after::After;
use crate::shared::Shared;

/// An envelope on loan: it is acknowledged by being dropped, and holds up the barrier until then (R28).
///
/// It may be kept beyond its subscription, and acknowledged in any order.
#[must_use = "a delivery is acknowledged as soon as it is dropped"]
pub struct Delivery<E> {
    shared: Arc<Shared<E>>,
    envelope: Arc<Envelope<E>>,
    subscriber: usize,
    /// Its place in the subscriber's ledger.
    entry: usize,
}

impl<E> Delivery<E> {
    #[inline]
    pub(crate) fn new(
        shared: Arc<Shared<E>>,
        envelope: Arc<Envelope<E>>,
        subscriber: usize,
        entry: usize,
    ) -> Self {
        Delivery { shared, envelope, subscriber, entry }
    }

    /// Acknowledges it: the same as dropping it.
    pub fn acknowledge(self) {}

    /// The envelope itself, which may be kept past the acknowledgement.
    pub fn envelope(&self) -> Arc<Envelope<E>> {
        Arc::clone(&self.envelope)
    }
}

impl<E> Deref for Delivery<E> {
    type Target = Envelope<E>;

    fn deref(&self) -> &Envelope<E> {
        &self.envelope
    }
}

impl<E> Drop for Delivery<E> {
    #[inline]
    fn drop(&mut self) {
        let mut core = self.shared.lock();
        if core.acknowledge(self.subscriber, self.entry) {
            let mut after = After::new();
            core.wake_idlers(&mut after);
            drop(core);
            after.run();
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for Delivery<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Delivery").field(&self.envelope).finish()
    }
}
