//! What a subscription and its deliveries share.

use std::sync::Arc;

use crate::after::After;
use crate::progress::Progress;
use crate::shared::Shared;

/// One subscriber of one bus.
pub(crate) struct Link<E> {
    pub(crate) shared: Arc<Shared<E>>,
    /// The subscriber's index.
    pub(crate) subscriber: usize,
    pub(crate) progress: Arc<Progress>,
}

impl<E> Link<E> {
    /// Acknowledges the deliveries from `from` to before `to`.
    #[inline]
    pub(crate) fn acknowledge(&self, from: u64, to: u64) {
        if !self.progress.acknowledge(from, to) {
            self.acknowledge_in_the_core(from, to);
        }
    }

    fn acknowledge_in_the_core(&self, from: u64, to: u64) {
        let mut after = After::new();
        self.shared.lock().acknowledge(self.subscriber, from, to, &mut after);
        after.run();
    }
}
