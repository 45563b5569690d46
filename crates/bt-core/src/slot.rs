//! What one series says in a frame.

use std::ops::AddAssign;

use crate::Candle;

/// What one series says in one frame (R19).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slot {
    /// The series has a bar that closes here.
    Bar(Candle),
    /// The series is due and has none; the candle stands for it (R22).
    Filled {
        /// Open, high, low and close are the previous close; volume and trades are zero.
        candle: Candle,
        /// Why there is no bar.
        reason: FillReason,
    },
    /// The series says nothing.
    Empty(EmptyReason),
}

impl Slot {
    /// The bar or what stands for it.
    pub fn candle(&self) -> Option<&Candle> {
        match self {
            Slot::Bar(candle) | Slot::Filled { candle, .. } => Some(candle),
            Slot::Empty(_) => None,
        }
    }

    /// `bar`, `filled` or `empty`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Slot::Bar(_) => "bar",
            Slot::Filled { .. } => "filled",
            Slot::Empty(_) => "empty",
        }
    }

    /// Why there is no bar; empty for a bar.
    pub const fn reason(&self) -> &'static str {
        match self {
            Slot::Bar(_) => "",
            Slot::Filled { reason, .. } => reason.as_str(),
            Slot::Empty(reason) => reason.as_str(),
        }
    }
}

/// Why a slot is filled (R22).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FillReason {
    /// Nothing was traded, as far as known.
    Quiet,
    /// The source is cut off.
    Stale,
}

impl FillReason {
    /// Lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            FillReason::Quiet => "quiet",
            FillReason::Stale => "stale",
        }
    }
}

/// Why a slot is empty: the first that applies, in this order (R22).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EmptyReason {
    /// The close is not on the series' grid.
    NotDue,
    /// The bar would start at or after the series' declared end (R23).
    Ended,
    /// The series has had no bar yet.
    NotStarted,
    /// Filling is off, or past its limit.
    Missing,
}

impl EmptyReason {
    /// Lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            EmptyReason::NotDue => "not_due",
            EmptyReason::Ended => "ended",
            EmptyReason::NotStarted => "not_started",
            EmptyReason::Missing => "missing",
        }
    }
}

/// How many slots of each kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotCounts {
    /// Slots with a bar.
    pub bars: u64,
    /// Slots with a stand-in.
    pub filled: u64,
    /// Slots with nothing.
    pub empty: u64,
}

impl SlotCounts {
    /// Counts one more slot.
    pub fn count(&mut self, slot: &Slot) {
        match slot {
            Slot::Bar(_) => self.bars += 1,
            Slot::Filled { .. } => self.filled += 1,
            Slot::Empty(_) => self.empty += 1,
        }
    }
}

impl AddAssign for SlotCounts {
    fn add_assign(&mut self, SlotCounts { bars, filled, empty }: SlotCounts) {
        self.bars += bars;
        self.filled += filled;
        self.empty += empty;
    }
}
