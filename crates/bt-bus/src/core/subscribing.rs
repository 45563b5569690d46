//! Queues and deliveries.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use super::Core;
use crate::after::{After, park};
use crate::progress::Progress;
use crate::run::Run;
use crate::subscriber::{Subscriber, Terms};

impl<E> Core<E> {
    /// Whether a living subscriber is called `name`.
    pub(crate) fn has_subscriber(&self, name: &str) -> bool {
        self.subscribers.iter().any(|s| s.living && &*s.name == name)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn subscribe(&mut self, terms: Terms) -> (usize, Arc<Progress>) {
        let at = self.subscribers.len();
        for &t in &terms.topics {
            self.topics[t].subscribers.push(at);
            self.topics[t].room = 0;
        }
        let subscriber = Subscriber::new(terms);
        let progress = Arc::clone(&subscriber.progress);
        if self.watched {
            progress.watch();
        }
        self.subscribers.push(subscriber);
        (at, progress)
    }

    /// Moves what is queued into `hand`: all of it, or, where the oldest may yet be dropped, at most `limit`
    /// envelopes. Returns how many.
    #[inline]
    pub(crate) fn fetch(&mut self, subscriber: usize, hand: &mut VecDeque<Run<E>>, limit: usize) -> usize {
        self.subscribers[subscriber].fetch(hand, limit)
    }

    /// Whether nothing is queued and nothing will be.
    pub(crate) fn has_ended(&self, subscriber: usize) -> bool {
        self.closed && self.subscribers[subscriber].queued == 0
    }

    /// Keeps the waker of a handle that waits for an envelope.
    pub(crate) fn park(&mut self, subscriber: usize, waker: &Waker, after: &mut After<E>) {
        park(&mut self.subscribers[subscriber].waker, waker, after);
    }

    /// A handle that was asked to tell has handed something out.
    pub(crate) fn handed_out(&mut self, after: &mut After<E>) {
        if !self.closed {
            self.serve(after);
        }
    }

    /// Acknowledges deliveries where that takes more than a number: they were not next, or somebody may wait.
    pub(crate) fn acknowledge(&mut self, subscriber: usize, from: u64, to: u64, after: &mut After<E>) {
        self.subscribers[subscriber].acknowledge(from, to);
        self.wake_if_idle(after);
    }

    /// Ends a subscription. Returns how many envelopes lay in its queue.
    pub(crate) fn unsubscribe(&mut self, subscriber: usize, after: &mut After<E>) -> usize {
        let s = &mut self.subscribers[subscriber];
        if !std::mem::replace(&mut s.living, false) {
            return 0;
        }
        if let Some(waker) = s.waker.take() {
            after.drop_waker(waker);
        }
        let undelivered = s.discard(after);
        for counter in &s.topics {
            self.topics[counter.topic].subscribers.retain(|&other| other != subscriber);
        }
        self.wake_if_idle(after);
        if !self.closed {
            self.serve(after);
        }
        undelivered
    }
}
