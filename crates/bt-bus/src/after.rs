//! What must wait until the lock is released.

use std::sync::Arc;
use std::task::Waker;

use bt_core::Envelope;

/// What a transition of the core leaves to be done once the lock is released.
///
/// Waking, and dropping a waker or a payload, run code that this crate does not know and that may call the bus.
/// Each handle keeps one and uses it again and again, so that a transition does not allocate.
pub(crate) struct After<E> {
    /// The first task to wake stands alone: most transitions wake at most one.
    first: Option<Waker>,
    rest: Vec<Deferred<E>>,
}

enum Deferred<E> {
    Wake(Waker),
    Drop(#[expect(dead_code, reason = "held only to be dropped later")] Dropped<E>),
}

#[expect(dead_code, reason = "held only to be dropped later")]
enum Dropped<E> {
    Waker(Waker),
    Envelope(Arc<Envelope<E>>),
}

impl<E> After<E> {
    pub(crate) fn new() -> Self {
        After { first: None, rest: Vec::new() }
    }

    pub(crate) fn wake(&mut self, waker: Waker) {
        if self.first.is_none() {
            self.first = Some(waker);
        } else {
            self.rest.push(Deferred::Wake(waker));
        }
    }

    pub(crate) fn drop_waker(&mut self, waker: Waker) {
        self.rest.push(Deferred::Drop(Dropped::Waker(waker)));
    }

    pub(crate) fn drop_envelope(&mut self, envelope: Arc<Envelope<E>>) {
        self.rest.push(Deferred::Drop(Dropped::Envelope(envelope)));
    }

    /// Does it all, in order. Call it without the lock.
    #[inline]
    pub(crate) fn run(&mut self) {
        if self.first.is_some() || !self.rest.is_empty() {
            self.run_all();
        }
    }

    fn run_all(&mut self) {
        if let Some(waker) = self.first.take() {
            waker.wake();
        }
        if self.rest.is_empty() {
            return;
        }
        for deferred in self.rest.drain(..) {
            match deferred {
                Deferred::Wake(waker) => waker.wake(),
                Deferred::Drop(_) => {}
            }
        }
    }
}

/// Keeps `waker` in `slot`, cloning it only if it is another task's.
pub(crate) fn park<E>(slot: &mut Option<Waker>, waker: &Waker, after: &mut After<E>) {
    match slot {
        Some(old) if old.will_wake(waker) => {}
        _ => {
            if let Some(old) = slot.replace(waker.clone()) {
                after.drop_waker(old);
            }
        }
    }
}
