//! Queues and deliveries.

use std::sync::Arc;
use std::task::Waker;

use super::{Core, Taken};
use crate::Policy;
use crate::after::{After, park};
use crate::subscriber::Subscriber;

impl<E> Core<E> {
    /// Whether a living subscriber is called `name`.
    pub(crate) fn has_subscriber(&self, name: &str) -> bool {
        self.subscribers.iter().any(|s| s.living && &*s.name == name)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn subscribe(
        &mut self,
        name: Arc<str>,
        topics: &[usize],
        capacity: usize,
        policy: Policy,
    ) -> usize {
        let at = self.subscribers.len();
        let reserved = topics.iter().map(|&t| self.topics[t].reserved).sum();
        self.subscribers.push(Subscriber::new(name, topics, capacity, policy, reserved));
        for &t in topics {
            self.topics[t].subscribers.push(at);
        }
        at
    }

    /// Takes the next envelope from a queue. Without one, keeps `waker` if given.
    #[inline]
    pub(crate) fn take(
        &mut self,
        subscriber: usize,
        waker: Option<&Waker>,
        after: &mut After<E>,
    ) -> Taken<E> {
        let s = &mut self.subscribers[subscriber];
        match s.take() {
            Some((envelope, entry)) => {
                if !self.waiters.is_empty() {
                    self.serve(after);
                }
                Taken::Envelope(envelope, entry)
            }
            None if self.closed => Taken::Ended,
            None => {
                if let Some(waker) = waker {
                    park(&mut s.waker, waker, after);
                }
                Taken::Empty
            }
        }
    }

    /// Acknowledges a delivery. Returns whether that makes the bus idle for someone who waits for it, who is
    /// then to be woken: [`wake_idlers`](Core::wake_idlers).
    #[inline]
    pub(crate) fn acknowledge(&mut self, subscriber: usize, entry: usize) -> bool {
        self.subscribers[subscriber].acknowledge(entry);
        self.outstanding -= 1;
        self.outstanding == 0 && !self.idlers.is_empty()
    }

    /// Ends a subscription. Returns how many envelopes lay in its queue.
    pub(crate) fn unsubscribe(&mut self, subscriber: usize, after: &mut After<E>) -> usize {
        let s = &mut self.subscribers[subscriber];
        if !s.living {
            return 0;
        }
        if let Some(waker) = s.waker.take() {
            after.drop_waker(waker);
        }
        let queue = s.end();
        let undelivered = queue.len();
        for item in queue {
            after.drop_envelope(item.envelope);
        }
        for counter in &s.topics {
            self.topics[counter.topic].subscribers.retain(|&other| other != subscriber);
        }
        self.outstanding -= undelivered;
        if self.outstanding == 0 {
            self.wake_idlers(after);
        }
        self.serve(after);
        undelivered
    }
}
