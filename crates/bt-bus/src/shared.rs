//! What all handles on a bus share.

use std::sync::PoisonError;

use bt_core::{BusError, TopicName};

use crate::core::{Announcer, Core};
use crate::sync::{Mutex, MutexGuard};

pub(crate) struct Shared<E> {
    /// Names of the topics; the index is what everything else speaks in.
    pub(crate) topics: Box<[TopicName]>,
    /// The topic that logs go to.
    pub(crate) log: Option<usize>,
    core: Mutex<Core<E>>,
}

impl<E> Shared<E> {
    pub(crate) fn new(topics: Box<[TopicName]>, announcer: Option<Announcer<E>>) -> Self {
        let log = announcer.as_ref().map(|announcer| announcer.log);
        let core = Mutex::new(Core::new(&topics, announcer));
        Shared { topics, log, core }
    }

    /// The core is whole whenever the lock is free. What could panic under it is a waker's clone, after which a
    /// transition only keeps the clone; making a payload of a loss, which is then not told; or running out of memory.
    /// So a poisoned lock is as good as any.
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, Core<E>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index of a topic.
    pub(crate) fn index(&self, topic: &str) -> Result<usize, BusError> {
        self.topics.iter().position(|name| *name == topic).ok_or_else(|| self.unknown(topic))
    }

    pub(crate) fn unknown(&self, topic: &str) -> BusError {
        let known = self.topics.iter().map(ToString::to_string).collect();
        BusError::UnknownTopic { topic: topic.to_owned(), known }
    }

    #[cold]
    pub(crate) fn closed(&self, topic: usize) -> BusError {
        BusError::Closed { topic: self.topics[topic].to_string() }
    }
}
