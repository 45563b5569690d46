//! How long a publisher waits.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

/// Measures a wait against a limit. Without a tokio runtime there are no timers, and no limit.
#[derive(Default)]
pub(crate) struct Patience {
    since: Option<Instant>,
    /// Kept between waits.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// What was waited for is there, or given up.
    #[inline]
    pub(crate) fn rest(&mut self) {
        self.since = None;
    }

    /// Ready with the limit when the wait, which begins with the first call, has lasted for that long.
    pub(crate) fn poll_over(&mut self, limit: Option<Duration>, cx: &mut Context<'_>) -> Poll<Duration> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let Some((limit, deadline)) = limit.and_then(|limit| Some((limit, since.checked_add(limit)?))) else {
            return Poll::Pending;
        };
        match &mut self.alarm {
            Some(alarm) if alarm.deadline() == deadline => {}
            Some(alarm) => alarm.as_mut().reset(deadline),
            None if Handle::try_current().is_ok() => self.alarm = Some(Box::pin(sleep_until(deadline))),
            None => {}
        }
        match &mut self.alarm {
            Some(alarm) => {
                ready!(alarm.as_mut().poll(cx));
                Poll::Ready(limit)
            }
            None => Poll::Pending,
        }
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience").field("since", &self.since).finish_non_exhaustive()
    }
}
