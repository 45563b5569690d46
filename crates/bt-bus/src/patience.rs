//! How long a publisher waits.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

/// A subscription that limits how long publishers wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limited {
    pub(crate) subscriber: usize,
    pub(crate) limit: Duration,
    pub(crate) full: bool,
}

/// Measures a publisher's wait against the limits of those whom it waits for. Without a tokio runtime there are
/// no timers, and no limits.
#[derive(Default)]
pub(crate) struct Patience {
    /// Those that were full at every look, with the first of these looks.
    full: Vec<(usize, Instant)>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// What was waited for is there, or given up.
    #[inline]
    pub(crate) fn rest(&mut self) {
        if self.alarm.is_some() || !self.full.is_empty() {
            self.forget();
        }
    }

    #[cold]
    fn forget(&mut self) {
        *self = Patience::default();
    }

    /// Looks at those who limit the wait. Ready with the first that was full for as long as it may be.
    ///
    /// # Panics
    /// On a tokio runtime without timers.
    pub(crate) fn poll_over(
        &mut self,
        mut look: impl FnMut() -> Vec<Limited>,
        cx: &mut Context<'_>,
    ) -> Poll<Limited> {
        loop {
            let limited = look();
            if limited.is_empty() || Handle::try_current().is_err() {
                return Poll::Pending;
            }
            let now = Instant::now();
            self.full.retain(|(known, _)| limited.iter().any(|l| l.subscriber == *known && l.full));
            let mut next = None::<Instant>;
            for one in limited {
                let since = self.full.iter().find(|(known, _)| *known == one.subscriber).map(|(_, at)| *at);
                match since {
                    Some(since) if now.duration_since(since) >= one.limit => return Poll::Ready(one),
                    Some(_) => {}
                    None if one.full => self.full.push((one.subscriber, now)),
                    None => {}
                }
                // One that has room is looked at again: nobody tells when it has none.
                let deadline = since.unwrap_or(now).checked_add(one.limit);
                next = next.into_iter().chain(deadline).min();
            }
            let Some(next) = next else { return Poll::Pending };
            let alarm = match &mut self.alarm {
                Some(alarm) => {
                    alarm.as_mut().reset(next);
                    alarm
                }
                none => none.insert(Box::pin(sleep_until(next))),
            };
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience").field("full", &self.full).finish_non_exhaustive()
    }
}
