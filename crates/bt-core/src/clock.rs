//! What time it is for a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Timestamp;

/// What time it is for a run. The engine moves it to each frame's close instant (R32).
pub trait Clock: Send + Sync {
    /// The present instant of the run.
    fn now(&self) -> Timestamp;

    /// Moves the clock to `t`. It never goes back: an earlier `t` changes nothing. A clock that moves by
    /// itself ignores this.
    fn advance_to(&self, t: Timestamp);
}

/// A clock that stands still until it is moved: the clock of a backtest. Clones show the same time.
#[derive(Clone, Debug)]
pub struct SimClock(Arc<AtomicI64>);

impl SimClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        SimClock(Arc::new(AtomicI64::new(start.as_nanos())))
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.0.load(Ordering::Acquire))
    }

    fn advance_to(&self, t: Timestamp) {
        self.0.fetch_max(t.as_nanos(), Ordering::AcqRel);
    }
}

/// The system's clock. Times that a [`Timestamp`] cannot hold are shown as the nearest it can.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let nanos = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |n| -n),
        };
        Timestamp::from_nanos(nanos)
    }

    fn advance_to(&self, _: Timestamp) {}
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn advance_to(&self, t: Timestamp) {
        (**self).advance_to(t);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r32_a_simulated_clock_never_goes_back() {
        let clock = SimClock::new(Timestamp::from_nanos(5));
        let other = clock.clone();
        clock.advance_to(Timestamp::from_nanos(9));
        clock.advance_to(Timestamp::from_nanos(7));
        assert_eq!(other.now(), Timestamp::from_nanos(9));
    }

    #[test]
    fn the_system_clock_is_past_the_epoch() {
        let clock = SystemClock;
        clock.advance_to(Timestamp::MAX);
        assert!(clock.now() > Timestamp::EPOCH && clock.now() < Timestamp::MAX);
    }
}
