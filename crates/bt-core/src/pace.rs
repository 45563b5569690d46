//! Giving the executor its thread back.

use std::fmt;
use std::task::{Context, Poll, ready};

/// How a stream gives its executor the thread back (R36).
///
/// This is the one place where a stream returns `Pending` of its own accord. What is right depends on the
/// runtime: one that looks at its timers only between tasks wants another answer than a bare executor.
pub trait Yield: Send {
    /// `Pending` once, with a wake-up arranged on `cx`; then `Ready`, and from the start again.
    fn poll_yield(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// Wakes its own task and returns `Pending`: understood by any executor.
#[derive(Clone, Copy, Debug, Default)]
pub struct WakeYield {
    gone: bool,
}

impl Yield for WakeYield {
    fn poll_yield(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.gone = !self.gone;
        if self.gone {
            cx.waker().wake_by_ref();
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

/// Counts candles worked on, and yields when it is time to.
///
/// A stream asks [`poll_ready`](Pacer::poll_ready) before it works and [`charge`](Pacer::charge)s what it
/// did, so that one poll does at most [`Pacer::LIMIT`] candles and one more piece of work.
pub struct Pacer {
    yielding: Box<dyn Yield>,
    spent: usize,
}

impl Pacer {
    /// Candles between two yields.
    pub const LIMIT: usize = 4096;

    /// What a piece of work counts as at least: handing a batch on has a cost of its own.
    const LEAST: usize = 16;

    /// A pacer that yields by `yielding`.
    pub fn new(yielding: impl Yield + 'static) -> Self {
        Pacer { yielding: Box::new(yielding), spent: 0 }
    }

    /// Ready if there is work left to do before the next yield, or after that yield.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.spent >= Self::LIMIT {
            ready!(self.yielding.poll_yield(cx));
            self.spent = 0;
        }
        Poll::Ready(())
    }

    /// Counts a piece of work on `candles` candles.
    pub fn charge(&mut self, candles: usize) {
        self.spent = self.spent.saturating_add(candles.max(Self::LEAST));
    }
}

impl Default for Pacer {
    fn default() -> Self {
        Pacer::new(WakeYield::default())
    }
}

impl fmt::Debug for Pacer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pacer").field("spent", &self.spent).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_test::task;

    #[test]
    fn r36_a_pacer_yields_once_per_limit_and_wakes_itself() {
        let mut pacer = Pacer::default();
        pacer.charge(Pacer::LIMIT - 1);
        let mut task = task::spawn(());
        assert!(task.enter(|cx, _| pacer.poll_ready(cx)).is_ready());
        pacer.charge(1);
        assert!(task.enter(|cx, _| pacer.poll_ready(cx)).is_pending());
        assert!(task.is_woken());
        assert!(task.enter(|cx, _| pacer.poll_ready(cx)).is_ready());
        assert!(task.enter(|cx, _| pacer.poll_ready(cx)).is_ready());
    }
}
