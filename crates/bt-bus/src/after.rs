//! What must wait until the lock is released.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::vec;

use crate::run::Run;

/// What a transition of the core leaves to be done once the lock is released.
///
/// Waking, and dropping a waker or a payload, run code that this crate does not know and that may call the bus.
/// Each handle keeps one and uses it again and again, so that a transition does not allocate. What a panic under the
/// lock leaves in it is done when the handle is used next, or dropped.
pub(crate) struct After<E> {
    /// The first task to wake stands alone: most transitions wake at most one.
    first: Option<Waker>,
    rest: Vec<Deferred<E>>,
}

/// What is to be done, in order; seen through to its end even if some of it panics.
struct Rest<'a, E>(vec::Drain<'a, Deferred<E>>);

enum Deferred<E> {
    Wake(Waker),
    Drop(#[expect(dead_code, reason = "held only to be dropped later")] Dropped<E>),
}

#[expect(dead_code, reason = "held only to be dropped later")]
enum Dropped<E> {
    Waker(Waker),
    Run(Run<E>),
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

    pub(crate) fn drop_run(&mut self, run: Run<E>) {
        self.rest.push(Deferred::Drop(Dropped::Run(run)));
    }

    /// Does it all, in order. Call it without the lock.
    ///
    /// A waker is foreign code: one that panics does so here, and those behind it are woken all the same.
    #[inline]
    pub(crate) fn run(&mut self) {
        if self.first.is_some() || !self.rest.is_empty() {
            self.run_all();
        }
    }

    /// Does what a panic has left undone.
    #[cold]
    fn make_up(&mut self) {
        let first = self.first.take().map(Deferred::Wake);
        first.into_iter().chain(self.rest.drain(..)).for_each(Deferred::run_hushed);
    }

    fn run_all(&mut self) {
        let first = self.first.take();
        if self.rest.is_empty() {
            if let Some(waker) = first {
                waker.wake();
            }
            return;
        }
        let mut rest = Rest(self.rest.drain(..));
        if let Some(waker) = first {
            waker.wake();
        }
        rest.0.by_ref().for_each(Deferred::run);
    }
}

impl<E> Drop for After<E> {
    #[inline]
    fn drop(&mut self) {
        // Only if a panic came between, under the lock.
        if self.first.is_some() || !self.rest.is_empty() {
            self.make_up();
        }
    }
}

impl<E> Deferred<E> {
    /// Runs it while a panic unwinds, which a second one must not meet.
    fn run_hushed(self) {
        let _ = catch_unwind(AssertUnwindSafe(|| self.run()));
    }

    fn run(self) {
        match self {
            Deferred::Wake(waker) => waker.wake(),
            Deferred::Drop(_) => {}
        }
    }
}

impl<E> Drop for Rest<'_, E> {
    fn drop(&mut self) {
        // Anything is left only while a panic unwinds.
        self.0.by_ref().for_each(Deferred::run_hushed);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    struct Grenade;

    impl Wake for Grenade {
        fn wake(self: Arc<Self>) {
            panic!("boom");
        }
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_waker_that_panics_costs_nobody_else_a_wake_up() {
        let woken = Arc::new(Count::default());
        for grenades in [[true, false, false], [false, true, false], [true, true, false], [true, true, true]]
        {
            let mut after = After::<u32>::new();
            for grenade in grenades {
                after.wake(if grenade { Waker::from(Arc::new(Grenade)) } else { woken.clone().into() });
                after.drop_waker(woken.clone().into());
            }
            after.wake(woken.clone().into());
            let innocent = grenades.iter().filter(|grenade| !**grenade).count() + 1;
            assert!(catch_unwind(AssertUnwindSafe(|| after.run())).is_err(), "it is not hushed up");
            assert_eq!(woken.0.swap(0, Ordering::Relaxed), innocent);
            assert_eq!(Arc::strong_count(&woken), 1);
            after.wake(woken.clone().into());
            after.run();
            assert_eq!(woken.0.swap(0, Ordering::Relaxed), 1, "and it goes on");
        }
    }
}
