//! What a feed has to say: the events of component `feed`.

use bt_core::{Level, LogEvent, Series, SourceError, Timestamp, error_chain};

const COMPONENT: &str = "feed";

/// Collects events, unless nobody listens.
#[derive(Debug)]
pub(crate) struct Remarks<'a> {
    pub(crate) events: &'a mut Vec<LogEvent>,
    pub(crate) listening: bool,
}

impl Remarks<'_> {
    /// Adds an event, which is made only if somebody listens.
    pub(crate) fn say(&mut self, event: impl FnOnce() -> LogEvent) {
        if self.listening {
            self.events.push(event());
        }
    }
}

/// The feed has entered a state.
pub(crate) fn state(state: &'static str) -> LogEvent {
    LogEvent::new(Level::Info, COMPONENT, "FEED_STATE", format!("feed is {state}")).with("state", state)
}

/// The feed has a source of this series.
pub(crate) fn subscribed(series: &Series, end: Option<Timestamp>) -> LogEvent {
    let event = LogEvent::new(Level::Info, COMPONENT, "FEED_SUBSCRIBED", "subscribed").with_series(series);
    match end {
        Some(end) => event.with("end", end),
        None => event,
    }
}

/// A series has no bar at a close where it is due: the first time since its last bar.
pub(crate) fn absent(series: &Series, t: Timestamp, has_started: bool) -> LogEvent {
    let (level, message, reason) = if has_started {
        (Level::Warn, "no bar at this close, nor until the next one reported", "missing")
    } else {
        (Level::Info, "series has not started", "not_started")
    };
    LogEvent::new(level, COMPONENT, "FEED_MISSING_SYMBOL", message)
        .with_series(series)
        .with_sim_time(t)
        .with("reason", reason)
}

/// A series has no bar at a close where it is due, for its source is cut off: the first time since its last bar.
pub(crate) fn stale(series: &Series, t: Timestamp) -> LogEvent {
    LogEvent::new(Level::Warn, COMPONENT, "FEED_SERIES_STALE", "source is cut off, others tell the time")
        .with_series(series)
        .with_sim_time(t)
}

/// A source has come to its end.
pub(crate) fn exhausted(series: &Series, has_started: bool) -> LogEvent {
    let event = if has_started {
        LogEvent::new(Level::Info, COMPONENT, "FEED_SOURCE_EXHAUSTED", "source has ended")
    } else {
        LogEvent::new(Level::Warn, COMPONENT, "FEED_SOURCE_EMPTY", "source has ended without a bar")
    };
    event.with_series(series)
}

/// A source has failed and is left behind (R25 `isolate`).
pub(crate) fn isolated(series: &Series, error: &SourceError) -> LogEvent {
    LogEvent::new(Level::Error, COMPONENT, "FEED_SOURCE_FAILED", "source has failed, its series ends here")
        .with_series(series)
        .with("error", error_chain(error))
}

/// All frames are out.
pub(crate) fn iteration_end(frames: u64) -> LogEvent {
    LogEvent::new(Level::Info, COMPONENT, "FEED_ITERATION_END", "no frame follows").with("frames", frames)
}
