//! What a subscription yields.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bt_core::Envelope;

use crate::link::Link;
use crate::run::{Block, Run};

/// An envelope on loan: it is acknowledged by being dropped, and holds up the barrier until then (R28).
///
/// It may be kept beyond its subscription, and acknowledged in any order.
#[must_use = "a delivery is acknowledged as soon as it is dropped"]
pub struct Delivery<E> {
    link: Arc<Link<E>>,
    block: Block<E>,
    /// Its place in the block.
    at: usize,
    /// Its number in the subscription.
    count: u64,
}

impl<E> Delivery<E> {
    #[inline]
    pub(crate) fn new(link: Arc<Link<E>>, run: Run<E>, count: u64) -> Self {
        Delivery { link, at: run.from, block: run.block, count }
    }

    /// Acknowledges it: the same as dropping it.
    pub fn acknowledge(self) {}
}

impl<E> Deref for Delivery<E> {
    type Target = Envelope<E>;

    #[inline]
    fn deref(&self) -> &Envelope<E> {
        &self.block[self.at]
    }
}

impl<E> Drop for Delivery<E> {
    #[inline]
    fn drop(&mut self) {
        self.link.acknowledge(self.count, self.count + 1);
    }
}

impl<E: fmt::Debug> fmt::Debug for Delivery<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Delivery").field(&**self).finish()
    }
}
