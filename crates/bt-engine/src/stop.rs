//! Ending a run from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::bell::Bell;

/// Who wants a run to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// The program that drives the engine, or a service.
    Caller,
    /// The user, by Ctrl-C (SIGINT).
    Interrupt,
    /// The system, by SIGTERM.
    Terminate,
    /// Whoever read what the run writes, by going away (SIGPIPE).
    Pipe,
}

impl StopReason {
    const ALL: [StopReason; 4] =
        [StopReason::Caller, StopReason::Interrupt, StopReason::Terminate, StopReason::Pipe];
}

/// Ends a run in order (R33): the frame in hand is finished, nothing more is pulled, every service sees the end
/// event, nothing accepted is lost.
///
/// Clones stop the same run. A handle outlives its engine without harm.
#[derive(Clone, Debug)]
pub struct StopHandle {
    /// 0, or one more than the place of the reason in [`StopReason::ALL`].
    reason: Arc<AtomicU8>,
    bell: Arc<Bell>,
}

impl StopHandle {
    pub(crate) fn new(bell: &Arc<Bell>) -> Self {
        StopHandle { reason: Arc::default(), bell: Arc::clone(bell) }
    }

    /// Asks the run to end. The first reason counts; asking again changes nothing.
    pub fn stop(&self, reason: StopReason) {
        let code = StopReason::ALL.iter().zip(1..).find(|(r, _)| **r == reason).map_or(1, |(_, code)| code);
        let first = self.reason.compare_exchange(0, code, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if first {
            // Also while the engine is being polled: it may have looked at the reason already.
            self.bell.ring();
        }
    }

    /// Why the run was asked to end, if it was.
    pub fn requested(&self) -> Option<StopReason> {
        let code = self.reason.load(Ordering::SeqCst);
        StopReason::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_test::task;

    #[test]
    fn the_first_reason_counts_and_wakes_even_during_a_poll() {
        for reason in StopReason::ALL {
            let bell = Arc::new(Bell::default());
            let handle = StopHandle::new(&bell);
            assert_eq!(handle.requested(), None);
            let mut task = task::spawn(());
            task.enter(|cx, _| bell.enter(cx.waker()));
            handle.clone().stop(reason);
            assert!(task.is_woken());
            handle.stop(StopReason::Caller);
            assert_eq!(handle.requested(), Some(reason));
        }
    }
}
