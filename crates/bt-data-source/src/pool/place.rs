//! A source as the pool sees it, and where it stands in line.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use bt_core::Timestamp;

use super::job::{Failure, Parcel, Reading};
use super::unit::Cursor;
use crate::decode::FilePlan;

/// Units of the usual size that a source may be ahead of what it was asked for.
pub(super) const READ_AHEAD: u64 = 2;

/// A source that is read for.
///
/// Each has a *slot*, the bytes of its largest slice, that nobody else can have: so whoever is waited for gets
/// its next unit whatever the others hold (R37), and the budget still holds. What a client has reserved beyond
/// its slot is its *excess*; the excess of all shares what the slots leave of the budget.
pub(super) struct Client {
    pub(super) reading: Arc<Reading>,
    pub(super) cursor: Cursor,
    /// Bytes of the smallest next unit; `None` if there is none.
    pub(super) least: Option<u64>,
    pub(super) slot: u64,
    /// The most that decoding for it takes beside the rows.
    pub(super) transient: u64,
    pub(super) held: u64,
    /// Bytes reserved for the unit that a thread works on and has not delivered yet.
    pub(super) in_flight: Option<u64>,
    pub(super) ready: VecDeque<Parcel>,
    pub(super) failure: Option<Failure>,
    pub(super) plan: Option<(usize, Arc<FilePlan>)>,
    /// Up to where there are decoded rows to be handed on.
    pub(super) frontier: Timestamp,
    pub(super) polled: bool,
    pub(super) waker: Option<Waker>,
    /// When it was first waited for since it was last answered.
    pub(super) arrival: Arrival,
    pub(super) place: Option<Place>,
}

/// Tells who was waited for first, of clients and tasks.
pub(super) type Arrival = u64;

/// Where a client stands in line; the least is served first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// It is being waited for since then. Were it not for the order of arrival, one that is always asked for
    /// again could keep others waiting for ever.
    Waiting(Arrival),
    /// Its next unit fits its slot. It was decoded up to there: a merge needs the one first that is the least far.
    Hungry(Timestamp),
    /// It is ahead, but not too far, and was decoded up to there.
    Ahead(Timestamp),
}

impl Client {
    pub(super) fn excess(&self) -> u64 {
        self.held.saturating_sub(self.slot)
    }

    /// By how much its excess grows if so many bytes more are reserved.
    pub(super) fn cost(&self, bytes: u64) -> u64 {
        (self.held + bytes).saturating_sub(self.slot) - self.excess()
    }

    pub(super) fn place(&self, target: u64, shared: u64) -> Option<Place> {
        let least = self.least?;
        let unit = least.max(target);
        if self.in_flight.is_some() {
            None
        } else if self.waker.is_some() {
            Some(Place::Waiting(self.arrival))
        } else if !self.polled && self.held > 0 {
            None
        } else if self.cost(least) == 0 {
            Some(Place::Hungry(self.frontier))
        } else if self.excess() + self.cost(least) <= shared
            && self.held + unit <= unit.saturating_mul(READ_AHEAD)
        {
            // What would not fit if nobody else held anything must not stand in the way of others.
            Some(Place::Ahead(self.frontier))
        } else {
            None
        }
    }
}
