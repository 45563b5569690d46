//! How the engine's task is woken on behalf of its services.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// Wakes the engine's task, unless it is being polled anyway.
///
/// While the engine is polled it looks at its services' [`Call`]s itself before it waits, so a service that
/// wakes another need not have the whole task scheduled once more. The two sides meet as in Dekker's algorithm:
/// the caller marks its call, then looks whether the engine is polling; the engine stops polling, then looks at
/// the calls. In the one order of these four steps at least one of them sees the other.
#[derive(Default)]
pub(crate) struct Bell {
    polling: AtomicBool,
    /// Wakers are foreign code: none is cloned, woken or dropped under the lock.
    task: Mutex<Option<Waker>>,
}

impl Bell {
    /// The engine is polled by the task of `waker`.
    pub(crate) fn enter(&self, waker: &Waker) {
        let is_known = self.lock().as_ref().is_some_and(|known| known.will_wake(waker));
        if !is_known {
            let task = waker.clone();
            let old = self.lock().replace(task);
            drop(old);
        }
        self.polling.store(true, Ordering::SeqCst);
    }

    /// The poll is over; what is marked from now on rings.
    pub(crate) fn leave(&self) {
        self.polling.store(false, Ordering::SeqCst);
    }

    /// Forgets the task.
    pub(crate) fn clear(&self) {
        let task = self.lock().take();
        drop(task);
    }

    /// Wakes the task, polling or not. Once is enough until it is polled again.
    pub(crate) fn ring(&self) {
        let task = self.lock().take();
        if let Some(task) = task {
            task.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        // A waker is replaced whole, so a panic elsewhere cannot have left it half written.
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").field("polling", &self.polling).finish_non_exhaustive()
    }
}

/// What one service is woken by: a mark that it wants to be polled, and the bell.
#[derive(Debug)]
pub(crate) struct Call {
    marked: AtomicBool,
    bell: Arc<Bell>,
}

impl Call {
    /// Marked from the start, so that a service is polled once before anything has woken it.
    pub(crate) fn new(bell: &Arc<Bell>) -> Arc<Call> {
        Arc::new(Call { marked: AtomicBool::new(true), bell: Arc::clone(bell) })
    }

    pub(crate) fn is_marked(&self) -> bool {
        self.marked.load(Ordering::SeqCst)
    }

    /// Takes the mark away; done before the service is polled, so that a wake-up during the poll counts.
    pub(crate) fn answer(&self) -> bool {
        self.is_marked() && self.marked.swap(false, Ordering::SeqCst)
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let marked = self.marked.swap(true, Ordering::SeqCst);
        if !marked && !self.bell.polling.load(Ordering::SeqCst) {
            self.bell.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_test::task;

    fn rung(during_poll: bool) -> (bool, Arc<Call>) {
        let bell = Arc::new(Bell::default());
        let call = Call::new(&bell);
        assert!(call.answer());
        let mut task = task::spawn(());
        task.enter(|cx, _| bell.enter(cx.waker()));
        if !during_poll {
            bell.leave();
        }
        Waker::from(Arc::clone(&call)).wake();
        (task.is_woken(), call)
    }

    #[test]
    fn a_call_rings_unless_the_engine_is_polling_and_will_look_itself() {
        let (woken, call) = rung(false);
        assert!(woken && call.is_marked());
        let (woken, call) = rung(true);
        assert!(!woken && call.is_marked());
        assert!(call.answer() && !call.answer());
    }

    #[test]
    fn a_task_that_rings_when_its_waker_is_dropped_does_not_wait_for_itself() {
        struct Rings(Arc<Bell>);
        impl Wake for Rings {
            fn wake(self: Arc<Self>) {}
        }
        impl Drop for Rings {
            fn drop(&mut self) {
                self.0.ring();
            }
        }
        let bell = Arc::new(Bell::default());
        bell.enter(&Arc::new(Rings(Arc::clone(&bell))).into());
        let mut task = task::spawn(());
        task.enter(|cx, _| bell.enter(cx.waker()));
        assert!(task.is_woken());
    }

    #[test]
    fn a_cleared_bell_wakes_nobody() {
        let bell = Arc::new(Bell::default());
        let mut task = task::spawn(());
        task.enter(|cx, _| bell.enter(cx.waker()));
        bell.leave();
        bell.clear();
        bell.ring();
        assert!(!task.is_woken());
    }
}
