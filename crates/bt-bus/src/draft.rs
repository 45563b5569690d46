//! An envelope before it is published.

use std::sync::Arc;

use bt_core::{Envelope, Message, Timestamp, TopicName};

use crate::run::Block;

/// An envelope that has no number yet.
///
/// It is made before the lock is taken, and its payload moves no more: queues hold pointers to it.
pub(crate) struct Draft<E>(Arc<[Envelope<E>; 1]>);

impl<E> Draft<E> {
    #[inline]
    pub(crate) fn new(topic: TopicName, instant: Timestamp, payload: E) -> Self {
        Draft(Arc::new([Envelope { topic, seq: 0, instant, payload }]))
    }

    #[inline]
    pub(crate) fn instant(&self) -> Timestamp {
        self.0[0].instant
    }

    /// The envelope as it is published.
    #[inline]
    pub(crate) fn finish(mut self, seq: u64, instant: Timestamp) -> Block<E> {
        // Nobody else has it yet.
        if let Some([envelope]) = Arc::get_mut(&mut self.0) {
            envelope.seq = seq;
            envelope.instant = instant;
        }
        self.0
    }

    /// The message again.
    pub(crate) fn into_message(self) -> Message<E> {
        let [Envelope { instant, payload, .. }] = Arc::into_inner(self.0).expect("nobody else has it yet");
        Message { instant, payload }
    }
}
