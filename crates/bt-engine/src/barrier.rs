//! Waiting for the bus, within a limit.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bt_core::{EventBus, StuckSubscription};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::Waits;

/// The barrier of one bus (R28), and the limit on whatever waits for that bus.
///
/// No timer is armed before somebody has to wait. It goes off twice: halfway, to note who is slow, and at the
/// limit. Who has not moved in between is the cause; the others only had the bad luck of being looked at.
pub(crate) struct Barrier<B: EventBus> {
    bus: B,
    limit: Duration,
    idle: Option<B::Idle>,
    watch: Option<Watch>,
    /// Kept between waits, so that arming it again costs no allocation.
    alarm: Option<Pin<Box<Sleep>>>,
    waits: Waits,
}

/// A wait that is under way.
#[derive(Debug)]
struct Watch {
    since: Instant,
    /// Who was slow at half the limit.
    slow: Option<Vec<StuckSubscription>>,
}

/// A wait that outlasted the limit.
#[derive(Debug)]
pub(crate) struct Overdue {
    /// Who held up the bus at the limit.
    pub(crate) stuck: Vec<StuckSubscription>,
    /// Those of them that did not move during the second half of the wait.
    pub(crate) motionless: Vec<StuckSubscription>,
}

impl Overdue {
    /// Whether `name` holds up the bus and has moved.
    pub(crate) fn is_moving(&self, name: &str) -> bool {
        let is_among = |them: &[StuckSubscription]| them.iter().any(|s| s.subscription == name);
        is_among(&self.stuck) && !is_among(&self.motionless)
    }
}

impl<B: EventBus> Barrier<B> {
    pub(crate) fn new(bus: B, limit: Duration) -> Self {
        Barrier { bus, limit, idle: None, watch: None, alarm: None, waits: Waits::default() }
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    pub(crate) fn waits(&self) -> &Waits {
        &self.waits
    }

    /// How long the wait under way has lasted.
    pub(crate) fn waiting(&self) -> Option<Duration> {
        self.watch.as_ref().map(|watch| watch.since.elapsed())
    }

    /// Ready when the bus is idle.
    pub(crate) fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let idle = self.idle.get_or_insert_with(|| self.bus.idle());
        ready!(Pin::new(idle).poll(cx));
        self.idle = None;
        Poll::Ready(())
    }

    /// Pending until the wait has outlasted the limit; the first call begins the wait.
    ///
    /// Outside of a tokio runtime there are no timers, and no limit.
    ///
    /// # Panics
    /// On a tokio runtime without timers.
    pub(crate) fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<Overdue> {
        let limit = self.limit;
        let watch = match &mut self.watch {
            Some(watch) => watch,
            None => {
                let since = Instant::now();
                set(&mut self.alarm, since.checked_add(limit / 2));
                self.watch.insert(Watch { since, slow: None })
            }
        };
        loop {
            let Some(alarm) = &mut self.alarm else { return Poll::Pending };
            ready!(alarm.as_mut().poll(cx));
            let stuck = self.bus.stuck();
            let Some(slow) = watch.slow.take() else {
                tracing::warn!(waited = ?limit / 2, ?limit, "the bus is slow to become idle: {}", names(&stuck));
                watch.slow = Some(stuck);
                // From now on, not from the beginning: a process that was stopped for a while gives everybody time
                // to move when it goes on.
                set(&mut self.alarm, Instant::now().checked_add(limit - limit / 2));
                continue;
            };
            let motionless = stuck.iter().filter(|now| slow.iter().any(|then| is_same(then, now)));
            let motionless = motionless.cloned().collect();
            return Poll::Ready(Overdue { stuck, motionless });
        }
    }

    /// Whatever was waited for is there, or given up.
    pub(crate) fn rest(&mut self) {
        self.idle = None;
        if let Some(watch) = self.watch.take() {
            self.waits.record(watch.since.elapsed());
        }
    }
}

impl<B: EventBus> fmt::Debug for Barrier<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("limit", &self.limit)
            .field("watch", &self.watch)
            .finish_non_exhaustive()
    }
}

fn set(alarm: &mut Option<Pin<Box<Sleep>>>, deadline: Option<Instant>) {
    match (alarm.as_mut(), deadline) {
        (Some(sleep), Some(deadline)) => sleep.as_mut().reset(deadline),
        (None, Some(deadline)) if Handle::try_current().is_ok() => {
            *alarm = Some(Box::pin(sleep_until(deadline)));
        }
        // Beyond what an instant can hold, or without timers, there is no limit.
        _ => *alarm = None,
    }
}

fn names(stuck: &[StuckSubscription]) -> String {
    stuck.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn is_same(then: &StuckSubscription, now: &StuckSubscription) -> bool {
    (&then.subscription, &then.topic, then.seq) == (&now.subscription, &now.topic, now.seq)
}
