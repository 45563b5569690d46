//! What tests hold others up with.

use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

/// Lets through as many as it has permits for, and holds up the rest until it gets more. Clones are handles
/// on the same gate.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    permits: usize,
    open: bool,
    waiting: Vec<Waker>,
}

impl Gate {
    /// A gate that holds up everyone.
    pub fn closed() -> Self {
        Gate::default()
    }

    /// A gate that lets through `permits` and holds up the rest.
    pub fn with_permits(permits: usize) -> Self {
        let gate = Gate::closed();
        gate.admit(permits);
        gate
    }

    /// Lets through `permits` more, and wakes all that wait.
    pub fn admit(&self, permits: usize) {
        self.change(|inner| inner.permits += permits);
    }

    /// Lets everyone through from now on, and wakes all that wait.
    pub fn open(&self) {
        self.change(|inner| inner.open = true);
    }

    /// Whether someone was held up and not let through since.
    pub fn is_waited_for(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Ready, and a permit less, if there is one; else the task is woken when there may be.
    pub fn poll_pass(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.open {
            return Poll::Ready(());
        }
        if inner.permits > 0 {
            inner.permits -= 1;
            return Poll::Ready(());
        }
        if !inner.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            inner.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        change(&mut inner);
        let waiting = std::mem::take(&mut inner.waiting);
        // A waker may run code that comes back to this gate.
        drop(inner);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no test panics while it holds the gate")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_test::{assert_pending, assert_ready, task};

    #[test]
    fn a_gate_lets_through_what_it_has_permits_for() {
        let gate = Gate::with_permits(1);
        let mut task = task::spawn(());
        assert_ready!(task.enter(|cx, _| gate.poll_pass(cx)));
        assert!(!gate.is_waited_for());
        assert_pending!(task.enter(|cx, _| gate.poll_pass(cx)));
        assert!(gate.is_waited_for() && !task.is_woken());
        gate.admit(1);
        assert!(task.is_woken() && !gate.is_waited_for());
        assert_ready!(task.enter(|cx, _| gate.poll_pass(cx)));
        assert_pending!(task.enter(|cx, _| gate.poll_pass(cx)));
        gate.open();
        assert!(task.is_woken());
        for _ in 0..3 {
            assert_ready!(task.enter(|cx, _| gate.poll_pass(cx)));
        }
    }
}
