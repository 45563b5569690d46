//! What an engine publishes.

use crate::{Frame, LogEvent};

/// Names of the topics that an engine publishes to.
pub mod topic {
    /// One envelope per frame.
    pub const FRAME: &str = "frame";
    /// The course of the run.
    pub const CONTROL: &str = "control";
    /// The record of the run.
    pub const LOG: &str = "log";
    /// All of them.
    pub const ALL: [&str; 3] = [FRAME, CONTROL, LOG];
}

/// What an engine's bus carries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// On [`topic::FRAME`].
    Frame(Frame),
    /// On [`topic::CONTROL`].
    Control(Control),
    /// On [`topic::LOG`].
    Log(LogEvent),
}

impl From<LogEvent> for Event {
    fn from(event: LogEvent) -> Self {
        Event::Log(event)
    }
}

/// The course of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Control {
    /// The run ends: no frame follows. A service finishes what it has and returns when its subscription
    /// does (R33, R34).
    End,
}
