//! What a subscription's handle and the bus tell each other without the lock.

use bt_core::Timestamp;

use crate::sync::{AtomicI64, AtomicU64, Ordering};

/// How far a subscriber has come, counted in envelopes since its beginning.
///
/// The handle takes envelopes from the bus in bulk (under the lock) and hands them out one by one (without it);
/// whoever holds a delivery acknowledges it from anywhere. `acked` ≤ `handed` ≤ `fetched` at any time.
///
/// The bus must hear of the one that somebody waits for, and of no other. So it raises a flag in the very word
/// that the next step changes: whoever changes it finds the flag, or came before it, and then the bus finds the
/// change. There is nothing between.
pub(crate) struct Progress {
    /// Envelopes handed out, with `WANTED` and `RECALLED`. Only the handle counts it up.
    handed: AtomicU64,
    /// All before this one are acknowledged, with `WATCHED`; of later ones, the subscriber's stragglers tell.
    acked: AtomicU64,
    /// Envelopes fetched by the handle. Changed under the lock only; goes back when they are discarded.
    fetched: AtomicU64,
    /// Instant of the envelope handed out last.
    reached: AtomicI64,
}

/// A publisher waits for room in the queue.
const WANTED: u64 = 1 << 63;
/// What was fetched and not handed out is not the handle's any more.
const RECALLED: u64 = 1 << 62;
/// Somebody waits for the bus to be idle.
const WATCHED: u64 = 1 << 63;
const COUNT: u64 = RECALLED - 1;

/// Envelopes that were handed out.
pub(crate) struct Handed {
    /// The first of them.
    pub(crate) first: u64,
    /// Whether a publisher waits for the room.
    pub(crate) wanted: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Progress {
            handed: AtomicU64::new(0),
            acked: AtomicU64::new(0),
            fetched: AtomicU64::new(0),
            reached: AtomicI64::new(0),
        }
    }

    /// The handle hands out `count` envelopes, up to one of `instant`; `None` if they were recalled.
    #[inline]
    pub(crate) fn hand_out(&self, count: u64, instant: Timestamp) -> Option<Handed> {
        let mut now = self.handed.load(Ordering::Relaxed);
        while now & RECALLED == 0 {
            // First, so that whoever sees the count sees the instant. If it is recalled just now, the instant stays all
            // the same: `Bus::close` says so.
            self.reached.store(instant.as_nanos(), Ordering::Relaxed);
            match self.handed.compare_exchange_weak(now, now + count, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => {
                    return Some(Handed { first: now & COUNT, wanted: now & WANTED != 0 });
                }
                Err(other) => now = other,
            }
        }
        None
    }

    /// Acknowledges the envelopes from `from` to before `to`, if they are next and the bus need not hear of it.
    #[inline]
    pub(crate) fn acknowledge(&self, from: u64, to: u64) -> bool {
        let mut now = self.acked.load(Ordering::Relaxed);
        loop {
            let watched = now & WATCHED;
            // Whoever acknowledges the last of what was fetched has seen that it was fetched. Where that becomes
            // less, `acked` is advanced past all that was handed out.
            if now & COUNT != from || (watched != 0 && to == self.fetched.load(Ordering::Relaxed)) {
                return false;
            }
            let next = to | watched;
            match self.acked.compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
    }

    /// Takes all before `to` for acknowledged, under the lock, and returns from where on they were not.
    /// `None` if they are already.
    pub(crate) fn advance(&self, to: u64) -> Option<u64> {
        let mut now = self.acked.load(Ordering::Acquire);
        while now & COUNT < to {
            let next = to | (now & WATCHED);
            match self.acked.compare_exchange(now, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(now & COUNT),
                Err(other) => now = other,
            }
        }
        None
    }

    /// Envelopes handed out.
    #[inline]
    pub(crate) fn handed(&self) -> u64 {
        self.handed.load(Ordering::Acquire) & COUNT
    }

    /// All before this one are acknowledged, or stragglers.
    #[inline]
    pub(crate) fn acked(&self) -> u64 {
        self.acked.load(Ordering::Acquire) & COUNT
    }

    #[inline]
    pub(crate) fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    pub(crate) fn set_fetched(&self, fetched: u64) {
        self.fetched.store(fetched, Ordering::Relaxed);
    }

    /// Instant of the envelope handed out last.
    pub(crate) fn reached(&self) -> Timestamp {
        Timestamp::from_nanos(self.reached.load(Ordering::Relaxed))
    }

    /// From now on handing out tells of it.
    pub(crate) fn want(&self) {
        self.handed.fetch_or(WANTED, Ordering::AcqRel);
    }

    pub(crate) fn unwant(&self) {
        self.handed.fetch_and(!WANTED, Ordering::AcqRel);
    }

    /// From now on nothing more is handed out.
    pub(crate) fn recall(&self) {
        self.handed.fetch_or(RECALLED, Ordering::AcqRel);
    }

    /// From now on acknowledging the last that was fetched is left to the bus.
    pub(crate) fn watch(&self) {
        self.acked.fetch_or(WATCHED, Ordering::AcqRel);
    }

    pub(crate) fn unwatch(&self) {
        self.acked.fetch_and(!WATCHED, Ordering::AcqRel);
    }
}
