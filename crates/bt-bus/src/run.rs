//! Envelopes in a queue.

use std::collections::VecDeque;
use std::sync::Arc;

use bt_core::{Envelope, Timestamp};

/// Envelopes that were published together.
pub(crate) type Block<E> = Arc<[Envelope<E>]>;

/// A place in a queue: what is left of the envelopes that were published together. A whole batch is queued at
/// the cost of one envelope.
pub(crate) struct Run<E> {
    pub(crate) topic: usize,
    pub(crate) block: Block<E>,
    pub(crate) from: usize,
    pub(crate) to: usize,
}

impl<E> Run<E> {
    #[inline]
    pub(crate) fn new(topic: usize, block: Block<E>) -> Self {
        Run { topic, from: 0, to: block.len(), block }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.to - self.from
    }

    /// Its first envelope's number in the topic. A run in a queue is not empty.
    #[inline]
    pub(crate) fn seq(&self) -> u64 {
        self.block[self.from].seq
    }

    #[inline]
    pub(crate) fn first_instant(&self) -> Timestamp {
        self.block[self.from].instant
    }

    #[inline]
    pub(crate) fn last_instant(&self) -> Timestamp {
        self.block[self.to - 1].instant
    }

    /// Takes the first `count` envelopes off it.
    pub(crate) fn split(&mut self, count: usize) -> Run<E> {
        let Run { topic, ref block, from, .. } = *self;
        self.from += count;
        Run { topic, block: Arc::clone(block), from, to: self.from }
    }

    pub(crate) fn envelopes(&self) -> &[Envelope<E>] {
        &self.block[self.from..self.to]
    }
}

/// Takes the first run off a queue, or, if it is longer than `limit`, so much of it.
#[inline]
pub(crate) fn take_first<E>(queue: &mut VecDeque<Run<E>>, limit: usize) -> Option<Run<E>> {
    let first = queue.front_mut().filter(|_| limit > 0)?;
    if first.len() > limit { Some(first.split(limit)) } else { queue.pop_front() }
}

impl<E> Clone for Run<E> {
    #[inline]
    fn clone(&self) -> Self {
        Run { topic: self.topic, block: Arc::clone(&self.block), from: self.from, to: self.to }
    }
}
