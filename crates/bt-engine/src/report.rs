//! What a run was.

use std::time::Duration;

use bt_core::{BusStats, Frame, SeriesStats, SlotCounts, Timestamp};

use crate::{StopReason, Waits};

/// One frame, published and handled by every subscriber.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// Place of the frame in the run, from 1.
    pub number: u64,
    /// The frame. Kept, it pins its block (see [`Frame`]).
    pub frame: Frame,
}

impl Step {
    /// The frame's close instant.
    pub fn close(&self) -> Timestamp {
        self.frame.close()
    }
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// The feed had no more frames.
    Data,
    /// The limit on frames was reached.
    MaxFrames,
    /// It was asked to end.
    Stopped(StopReason),
    /// Something failed; the [`RunError`](crate::RunError) says what.
    Error,
}

impl Ended {
    /// `data`, `max_frames`, `caller`, `signal` or `error`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Ended::Data => "data",
            Ended::MaxFrames => "max_frames",
            Ended::Stopped(StopReason::Caller) => "caller",
            Ended::Stopped(StopReason::Interrupt | StopReason::Terminate | StopReason::Pipe) => "signal",
            Ended::Error => "error",
        }
    }
}

/// Every counter of a run (R33).
///
/// All of it but [`wall`](RunReport::wall) is the same for the same input and configuration (R35).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunReport {
    /// Frames published.
    pub frames: u64,
    /// Slots that the feed handed out, of all series.
    pub slots: SlotCounts,
    /// Close instant of the first published frame.
    pub first_close: Option<Timestamp>,
    /// Close instant of the last published frame.
    pub last_close: Option<Timestamp>,
    /// Whether everything accepted was handled by every subscriber that was alive at the end, the end event
    /// and the last logs included, and no barrier outlasted its limit. What lay in the queue of a service that
    /// failed is `undelivered` there.
    pub drained: bool,
    /// Why the run ended.
    pub ended: Ended,
    /// Per series, in the order of R20: its slots and what its source did.
    pub series: Vec<SeriesStats>,
    /// Per service, in order of registration.
    pub services: Vec<ServiceReport>,
    /// The bus's own counters.
    pub bus: BusStats,
    /// What may differ from run to run.
    pub wall: Wall,
}

/// Counters of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceReport {
    /// Its name.
    pub name: &'static str,
    /// Envelopes it took and acknowledged.
    pub delivered: u64,
    /// Envelopes that lay in its queue when it was gone (R34).
    pub undelivered: u64,
}

impl ServiceReport {
    pub(crate) fn new(name: &'static str, bus: &BusStats) -> Self {
        let stats = bus.subscriptions.iter().rfind(|s| &*s.name == name);
        ServiceReport {
            name,
            delivered: stats.map_or(0, |s| s.delivered),
            undelivered: stats.map_or(0, |s| s.undelivered),
        }
    }
}

/// What the wall clock says of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wall {
    /// From the first poll to the report.
    pub elapsed: Duration,
    /// Waits for the bus that had to give the thread away, and how long they took.
    pub waits: Waits,
}
