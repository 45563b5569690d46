//! The states of a run.

use bt_core::{Frame, SeriesStats};

use crate::ending::Ending;
use crate::{RunReport, Step};

/// Where a run stands.
///
/// ```text
///                 ┌─────────────────── step ◄──────────────────┐
///                 ▼                                             │
/// Starting ──► Pulling ── frame ──► Publishing ── accepted ──► Draining
///     │           │ data at its end, enough       │                │
///     │           │ frames, stopped, a service    │ not            │ barrier
///     │ no log    │ or the feed failed            │ accepted       │ outlasted
///     ▼           ▼                               ▼                ▼
///     └──► Ending: Explaining ► Telling ► Settling ► Recording ► Joining ──► Done
/// ```
#[derive(Debug)]
pub(crate) enum State {
    /// The first log is to be accepted, and services begin.
    Starting,
    /// The feed is asked for a frame.
    Pulling,
    /// The frame in hand waits for room on the bus.
    Publishing { frame: Frame },
    /// The frame is published; the bus is to become idle.
    Draining { step: Step },
    /// Nothing more is pulled; what is on the way comes to its end (R33).
    Ending { phase: Ending, series: Vec<SeriesStats> },
    /// The run is over.
    Done { report: Box<RunReport> },
}

impl State {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Pulling => "pulling",
            State::Publishing { .. } => "publishing",
            State::Draining { .. } => "draining",
            State::Ending { .. } => "ending",
            State::Done { .. } => "done",
        }
    }
}
