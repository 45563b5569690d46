//! Giving tokio its thread back.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bt_core::Yield;

/// A [`Yield`] that goes through [`tokio::task::yield_now`].
///
/// A task that wakes itself is put back on tokio's run queue at once, and the runtime looks at its timers and
/// I/O only once in some sixty polls: with polls of 100 µs a neighbour's 1 ms timer comes after 5 ms. A task that
/// yields by `yield_now` is put back only after the runtime has looked. Outside of a tokio runtime it wakes its
/// task at once, as [`WakeYield`](bt_core::WakeYield) does.
pub struct TokioYield {
    /// One future for all yields; each poll of it is one more call of `yield_now`.
    yields: Pin<Box<dyn Future<Output = ()> + Send>>,
    gone: bool,
}

impl TokioYield {
    /// A yield that has not been asked yet.
    pub fn new() -> Self {
        let yields = async {
            loop {
                tokio::task::yield_now().await;
            }
        };
        TokioYield { yields: Box::pin(yields), gone: false }
    }
}

impl Yield for TokioYield {
    fn poll_yield(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.gone = !self.gone;
        if self.gone { self.yields.as_mut().poll(cx) } else { Poll::Ready(()) }
    }
}

impl Default for TokioYield {
    fn default() -> Self {
        TokioYield::new()
    }
}

impl fmt::Debug for TokioYield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioYield").field("gone", &self.gone).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_test::{assert_pending, assert_ready, task};

    #[test]
    fn r36_each_yield_is_pending_once_and_woken() {
        let mut yielding = TokioYield::default();
        let mut task = task::spawn(());
        for _ in 0..3 {
            assert_pending!(task.enter(|cx, _| yielding.poll_yield(cx)));
            assert!(task.is_woken());
            assert_ready!(task.enter(|cx, _| yielding.poll_yield(cx)));
            assert!(!task.is_woken());
        }
    }
}
