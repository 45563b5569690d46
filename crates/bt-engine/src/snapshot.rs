//! Where a run stands, for whoever looks on.

use std::time::Duration;

use bt_core::{BusStats, SeriesStats, Timestamp};

use crate::Waits;

/// Where a run stands now.
///
/// It is a look from outside: it depends on when it is taken, and is no part of what is the same from run to run
/// (R35).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// What the engine is about: `starting`, `pulling` (waits for the feed), `publishing` (a frame waits for
    /// room), `draining` (a frame is being handled), `ending` or `done`.
    pub state: &'static str,
    /// Frames published.
    pub frames: u64,
    /// Close instant of the last published frame.
    pub last_close: Option<Timestamp>,
    /// Per series, in the order of R20: its slots and what its source did.
    pub series: Vec<SeriesStats>,
    /// The bus's own counters.
    pub bus: BusStats,
    /// Waits for the bus that are over.
    pub waits: Waits,
    /// How long the wait for the bus that is under way has lasted, if there is one.
    pub waiting: Option<Duration>,
}
