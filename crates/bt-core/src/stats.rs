//! Counters of a source, shared with whoever reports them.

use std::sync::{Arc, Mutex, PoisonError};

use crate::Timestamp;

/// What a source did with the rows it read (R8). All counts are of rows unless said otherwise.
///
/// A row counts when it is handed on or passed over, not when it is decoded ahead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceStats {
    /// Rows outside the range.
    pub out_of_range: u64,
    /// Rows that failed a check (R7).
    pub failed: u64,
    /// Rows that were not final.
    pub skipped: u64,
    /// Rows with the start of the row emitted before them.
    pub dropped_duplicate: u64,
    /// Rows that start before the row emitted before them.
    pub dropped_out_of_order: u64,
    /// Rows handed on.
    pub emitted: u64,
    /// Holes between emitted rows (R10), in number of holes.
    pub gaps: u64,
    /// Bars missing in those holes.
    pub missing_bars: u64,
    /// Start of the first emitted row.
    pub first_start: Option<Timestamp>,
    /// Start of the last emitted row.
    pub last_start: Option<Timestamp>,
    /// Files opened for rows.
    pub files: u64,
}

impl SourceStats {
    /// All rows that were handed on or passed over: the sum of their fates (R8).
    pub fn rows_read(&self) -> u64 {
        self.out_of_range + self.failed + self.skipped + self.dropped() + self.emitted
    }

    /// Rows dropped for their place in the order.
    pub fn dropped(&self) -> u64 {
        self.dropped_duplicate + self.dropped_out_of_order
    }
}

/// A handle to the counters of one source, reachable after the source has moved into a feed.
///
/// The source publishes them once per batch, so every snapshot is consistent.
#[derive(Clone, Debug, Default)]
pub struct StatsHandle(Arc<Mutex<SourceStats>>);

impl StatsHandle {
    /// Counters at zero.
    pub fn new() -> Self {
        StatsHandle::default()
    }

    /// The counters as last published.
    pub fn snapshot(&self) -> SourceStats {
        self.lock().clone()
    }

    /// Publishes new counters; for sources.
    pub fn publish(&self, stats: &SourceStats) {
        self.lock().clone_from(stats);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SourceStats> {
        // Counters are replaced whole, so a panic elsewhere cannot have left them half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
